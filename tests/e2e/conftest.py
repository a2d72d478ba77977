"""Labs for tests, always taken down again."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from slash24.errors import Slash24Error
from slash24.kernel import abilities
from tests.e2e.labs import LabUnderTest


@pytest.fixture(scope="session")
def _able() -> None:
    try:
        if os.geteuid() != 0:
            raise Slash24Error("needs root")
        abilities.require_all(rootless=False)
    except Slash24Error as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def lab(_able: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabUnderTest]:
    """A lab with one cluster of two nodes, for all tests that leave it as they found it."""
    lab = LabUnderTest(tmp_path_factory.mktemp("e2e") / "home")
    try:
        lab.run("lab", "up", "--nodes", "2", "--quiet")
        yield lab
    finally:
        lab.down()


@pytest.fixture
def new_lab(_able: None, tmp_path: Path) -> Iterator[Callable[..., LabUnderTest]]:
    """Labs that a test starts, hurts and may leave behind."""
    made: list[LabUnderTest] = []

    def start(*options: str) -> LabUnderTest:
        lab = LabUnderTest(tmp_path / f"home-{len(made)}")
        made.append(lab)
        lab.run("lab", "up", "--quiet", *options)
        return lab

    yield start
    for lab in made:
        lab.down()
