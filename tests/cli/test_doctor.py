"""`slash24 doctor`, with each answer of the machine forced."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from slash24.cli import launch
from slash24.cli.main import main
from slash24.kernel import abilities
from slash24.kernel.abilities import Ability


def examine(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, dict[str, str]]]:
    code = main(["doctor", "-o", "json"])
    return code, {item["what"]: item for item in json.loads(capsys.readouterr().out)}


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine that can do everything, and has no lab."""
    monkeypatch.setenv("SLASH24_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(abilities, "probe", lambda rootless: [Ability("vxlan", "the encapsulated transport", "", "")])
    monkeypatch.setattr(abilities, "user_namespaces", lambda: Ability("user namespaces", "a lab without root", "", ""))


def test_a_machine_that_can_is_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    code, items = examine(capsys)
    assert code == 0
    assert items["vxlan"]["state"] == items["kubectl"]["state"] == items["nft"]["state"] == "ok"
    assert items["kubectl"]["found"].startswith("v1.37")


def test_what_keeps_a_lab_from_running_is_an_error_with_its_fix(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lacking = Ability("vxlan", "the encapsulated transport", "Operation not supported", "modprobe vxlan")
    monkeypatch.setattr(abilities, "probe", lambda rootless: [lacking])
    code, items = examine(capsys)
    assert (code, items["vxlan"]["state"], items["vxlan"]["fix"]) == (4, "error", "modprobe vxlan")


@pytest.mark.parametrize(("user", "code", "state"), [(1000, 4, "error"), (0, 0, "warn")])
def test_forbidden_user_namespaces_keep_who_is_not_root_from_a_lab(
    user: int, code: int, state: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    forbidden = Ability("user namespaces", "a lab without root", "AppArmor forbids them", "sudo sysctl -w a=0")
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(abilities, "user_namespaces", lambda: forbidden)
    found, items = examine(capsys)
    assert (found, items["user namespaces"]["state"]) == (code, state)
    assert items["user namespaces"]["fix"] == "sudo sysctl -w a=0"
    assert ("vxlan" in items) == (user == 0)  # without them it could not be tried


def test_who_is_not_root_can_have_a_lab(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    code, items = examine(capsys)
    assert (code, items["vxlan"]["state"]) == (0, "ok")
    assert "without root" in items["root"]["found"]


def test_a_missing_program_is_named_with_its_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    code, items = examine(capsys)
    assert (code, items["nft"]["fix"]) == (4, "apt-get install nftables")
    assert (items["kubectl"]["state"], items["nsenter"]["state"]) == ("warn", "warn")


def test_a_lab_whose_server_is_gone_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "labs" / "old").mkdir(parents=True)
    code, items = examine(capsys)
    assert (code, items["lab old"]["state"]) == (0, "warn")
    assert "slash24 lab down old" in items["lab old"]["fix"]


def az(folder: Path, answer: str) -> None:
    program = folder / "az"
    program.write_text(f"#!/bin/sh\necho '{answer}'\n")
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("answer", "state", "found"),
    [
        ('{"azure-cli": "2.91.0"}', "ok", "2.91.0"),
        ('{"azure-cli": "2.45.0"}', "warn", "too old for Overlay"),
        ("no json", "warn", "tells no version"),
    ],
)
def test_an_az_is_judged_by_its_age(
    answer: str, state: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    az(tmp_path, answer)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    code, items = examine(capsys)
    assert (code, items["az"]["state"]) == (0, state)
    assert found in items["az"]["found"]


def test_too_little_room_is_an_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(launch, "free_bytes", lambda path: 1 << 20)
    code, items = examine(capsys)
    assert (code, items["disk"]["state"]) == (4, "error")
    assert "make room" in items["disk"]["fix"]


@pytest.mark.parametrize(("purpose", "code"), [("plan", 0), ("lab", 4), ("cni", 0)])
def test_each_purpose_is_judged_by_what_it_needs(
    purpose: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lacking = Ability("overlayfs", "the nodes' own files", "no such file system", "modprobe overlay")
    monkeypatch.setattr(abilities, "probe", lambda rootless: [lacking])
    assert main(["doctor", "--for", purpose]) == code
    told = capsys.readouterr()
    assert ("overlayfs" in told.out) == (purpose == "lab")
    assert ("you can't: " in told.err) == (code == 4)


def test_the_agent_needs_root(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main(["doctor", "--for", "cni"]) == 4
    assert main(["doctor"]) == 0
    assert "you can't: run the agent" in capsys.readouterr().err
