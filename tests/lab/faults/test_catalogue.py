"""The catalogue of faults, and what is kept of those that are in."""

from pathlib import Path

import pytest

from slash24.errors import NotFoundError, Slash24Error
from slash24.lab.faults.catalogue import FAULTS, find
from slash24.lab.faults.record import Injected, read_injected, write_injected
from slash24.lab.paths import LabPaths


def test_a_fault_is_found_by_its_name_and_by_its_number() -> None:
    assert [find(str(number)) for number in range(1, len(FAULTS) + 1)] == list(FAULTS)
    assert [find(fault.name) for fault in FAULTS] == list(FAULTS)


def test_a_name_that_is_nearly_right_is_answered_with_the_right_one() -> None:
    with pytest.raises(NotFoundError) as caught:
        find("wrong-rout")
    assert caught.value.why == "did you mean wrong-route?"


@pytest.mark.parametrize("number", ["0", str(len(FAULTS) + 1), "-1"])
def test_a_number_beyond_the_list_is_no_fault(number: str) -> None:
    with pytest.raises(NotFoundError):
        find(number)


def test_what_is_in_is_known_to_whoever_comes_later(tmp_path: Path) -> None:
    paths = LabPaths(tmp_path, "class")
    paths.root.mkdir(parents=True)
    assert read_injected(paths) == []
    entries = [Injected("wrong-route", "rg.c", "n1", "n2"), Injected("small-mtu", "rg.c", "n2", "n1")]
    write_injected(paths, entries)
    assert read_injected(paths) == entries


def test_a_record_that_is_no_record_is_named(tmp_path: Path) -> None:
    paths = LabPaths(tmp_path, "class")
    paths.root.mkdir(parents=True)
    paths.faults.write_text('[{"fault": "wrong-route"}]')
    with pytest.raises(Slash24Error, match=r"faults\.json can't be read"):
        read_injected(paths)
