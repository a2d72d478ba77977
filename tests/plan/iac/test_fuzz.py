"""Readers on anything: a finding with file and line at worst, never a traceback, and no work without end.

How long they take is measured in bench/lint.py: a busy machine must not fail a test.
"""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slash24.plan.iac.file import File
from slash24.plan.iac.lint import lint

NAMES = ["a.tf", "a.tfvars", "a.bicep", "a.bicepparam", "a.sh", "a.ps1", "a.json", "a.azcli", "noname"]
#: Pieces of all languages at once: nearer to what a reader looks for than random letters are.
PIECES = [
    'resource "azurerm_kubernetes_cluster" "a" {\n', "network_profile {", "}\n", "pod_cidr = ", '"10.0.0.0/16"',
    "${", "}", "[", "]", "(", ")", "?", ":", "!", "..", ".a", "[*]", "for x in y : ", "=>", "<<EOT\n", "EOT\n",
    "resource a 'x/y@1' = {\n", "name: ", "'a'", "''", "'''", "\n", "param a string\n", "var a = a\n",
    "az aks create ", "--pod-cidr ", "$A", "$(", "`\n", "\\\n", "# slash24:ignore S24-1\n", "{", ",", "@x()\n",
    "locals {\n a = local.a\n}\n", "<b>", "\x00", "\ufeff", "=", "+", "-", "1", "null", "//", "/*", "*/",
    "cidrsubnet(", '"', "if (", "A=", "$a = ", "@'\n", "module m 'x' = {\n",
    "Microsoft.ContainerService/managedClusters", "'Microsoft.Network/virtualNetworks@1'",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(data=st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_at_a_line(name: str, data: bytes) -> None:
    judge(name, data)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60, deadline=None)
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=40))
def test_any_words_are_read_or_refused_at_a_line(name: str, pieces: list[str]) -> None:
    judge(name, "".join(pieces).encode())


def judge(name: str, data: bytes) -> None:
    report = lint([File(name, data)])
    lines = data.count(b"\n") + data.count(b"\r") + 2
    for one in report.findings:
        assert one.place.file == name and 1 <= one.place.line <= lines
    for hole in report.unchecked:
        assert hole.place.file == name and 1 <= hole.place.line <= lines and hole.reason


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("brackets", [b"[", b"{", b"(", b"$(", b'"${', b"[]"])
def test_ten_megabytes_of_brackets_are_refused_and_not_followed(name: str, brackets: bytes) -> None:
    data = brackets * (10_000_000 // len(brackets))
    report = lint([File(name, data)])
    assert [one.finding.code for one in report.findings] == ["S24-201"] or report.unchecked


SMALL = 20_000
DEEP = [
    b"a = " + b"1+" * SMALL + b"1\n", b"x = " + b"a." * SMALL + b"b\n",
    b"var a = " + b"a ? " * SMALL, b"var x = " + b"!" * SMALL,
    b"$(" * SMALL, b"<#" * SMALL, b'@"\n' * SMALL, b"'${" * SMALL, b"`" * SMALL, b"<<a\n" * SMALL, b"/*" * SMALL,
    b"# slash24:ignore S24-111 x\n" * 2000,
    b"locals {\n" + b"".join(b"a%d = local.a%d\n" % (n, n + 1) for n in range(1000)) + b"}\n",
    b"locals {\n" + b"".join(b'a%d = "${local.a%d}${local.a%d}"\n' % (n, n + 1, n + 1) for n in range(100)) + b"}\n"
    b'resource "azurerm_subnet" "x" {\n name = local.a0\n}\n',
    b"var a0 = 'x'\n" + b"".join(b"var a%d = '${a%d}${a%d}'\n" % (n + 1, n, n) for n in range(100))
    + b"resource x 'Microsoft.Network/virtualNetworks@1' = {\n name: a100\n}\n",
    b"A=xx\n" + b"A=$A$A\n" * 100 + b"az aks create -n $A\n",
    b"[" * 90 + b"]" * 90, b"x = " + b"[" * 90 + b"]" * 90 + b"\n", b"var x = " + b"[" * 90 + b"]" * 90 + b"\n",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("data", DEEP, ids=range(len(DEEP)))
def test_what_is_deep_or_doubles_at_each_step_ends(name: str, data: bytes) -> None:
    judge(name, data)


def test_half_of_a_good_file_is_read_or_refused_at_a_line() -> None:
    from tests.plan.iac.test_lint import ARTICLE, BICEP, TERRAFORM

    choose = random.Random(24)
    for name, text in (("a.sh", ARTICLE), ("a.tf", TERRAFORM), ("a.bicep", BICEP)):
        for _ in range(60):
            first, last = sorted(choose.sample(range(len(text)), 2))
            judge(name, (text[:first] + text[last:]).encode())
            judge(name, text[:last].encode())
