"""`slash24 lab up` before anything is made: which way a lab begins."""

import os
from pathlib import Path

import pytest

from tests.cli.conftest import Run


@pytest.fixture
def begun(home: Path) -> Path:
    """A lab of root's whose server is gone."""
    folder = home / "labs" / "old"
    folder.mkdir(parents=True)
    (folder / "lab.db").touch()
    return folder


def test_a_lab_that_root_began_goes_on_with_root_only(begun: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for user, options in ((0, ["--rootless"]), (1000, [])):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        refused = run("lab", "up", "old", *options)
        assert refused.code == 2
        assert 'lab "old" was begun with root' in refused.err and "slash24 lab down old" in refused.err
    assert list(begun.iterdir()) == [begun / "lab.db"]
