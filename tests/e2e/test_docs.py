"""The commands of the user's pages, typed as they stand there."""

import os
import sys
from pathlib import Path

import pytest

from tests.docs.console import Shell, matches, steps
from tests.e2e.labs import LabUnderTest

pytestmark = pytest.mark.lab

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(page.name for page in DOCS.glob("*.md") if steps(page.read_text()))


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.usefixtures("_able")
def test_the_commands_of_a_page_print_what_it_shows(page: str, tmp_path: Path) -> None:
    lab = LabUnderTest(tmp_path / "state")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    shell = Shell(tmp_path, {**lab.environment, "PATH": path, "SLASH24_LAB": ""})
    try:
        for step in steps((DOCS / page).read_text()):
            output, code = shell.type(step.command)
            assert code == step.code, f"$ {step.command}\n{output}exit code {code}"
            shown = "\n".join(step.expected)
            assert matches(step.expected, output), f"$ {step.command}\nshown:\n{shown}\nprinted:\n{output}"
        assert lab.remains() == []
    finally:
        shell.close()
        lab.run("lab", "down", "--all", "--quiet")
