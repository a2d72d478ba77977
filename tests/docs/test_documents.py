"""What the documents say is so: links lead somewhere, sources are there, commands print what is shown."""

import re
from pathlib import Path

import pytest

from slash24.lab.connectivity.run import NAMES
from slash24.lab.faults.catalogue import FAULTS
from tests.docs.console import Step, matches, steps

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_ANCHOR = re.compile(r"<a id=\"([^\"]+)\">")
_SOURCE = re.compile(r"docs/sources\.md#([a-z0-9-]+)")


def anchors(page: Path) -> set[str]:
    text = page.read_text()
    headings = {
        re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in _HEADING.findall(text)
    }
    return headings | set(_ANCHOR.findall(text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    for link in _LINK.findall(page.read_text()):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{page.name}: {link}"


def test_every_source_that_the_code_names_is_written_down() -> None:
    named = {
        anchor
        for path in [*ROOT.glob("src/**/*.py"), *ROOT.glob("src/**/*.c"), *ROOT.glob("bench/**/*.py")]
        for anchor in _SOURCE.findall(path.read_text())
    }
    assert named
    assert named <= anchors(ROOT / "docs/sources.md")


def test_every_check_has_its_line_in_the_page_on_checks() -> None:
    text = (ROOT / "docs/connectivity.md").read_text()
    assert [name for name in NAMES if f"`{name}`" not in text] == []


def test_the_page_on_faults_is_the_catalogue() -> None:
    rows = [line for line in (ROOT / "docs/faults.md").read_text().splitlines() if line.startswith("| `")]
    assert rows == [f"| `{f.name}` | {f.what} | {f.seen} | {f.stays} | {f.repair} |" for f in FAULTS]


def test_the_documents_hold_no_private_path() -> None:
    for page in PAGES:
        assert not re.search(r"/(root|work|home/\w+)/", page.read_text()), page


def test_what_is_shown_is_compared_line_by_line() -> None:
    (step,) = steps("text\n```console\n$ a \\\n  b\none … 3\n...\nlast\nexit code 4\n```\n")
    assert step == Step("a \\\n  b", ("one … 3", "...", "last"), 4)
    assert matches(step.expected, "one   2 3\nmore\nmore\nlast\n")
    assert not matches(step.expected, "one 2 4\nlast\n")
    assert not matches((), "something\n")
