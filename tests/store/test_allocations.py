"""What a lab has given out, and what it has left."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from slash24.store.allocations import Allocations, Nic, SubnetFullError

PREFIX = IPv4Network("10.10.0.0/29")  # three usable addresses: .4, .5 and .6


@pytest.fixture
def allocations(tmp_path: Path) -> Iterator[Allocations]:
    made = Allocations(tmp_path / "lab.db")
    yield made
    made.close()


def add(allocations: Allocations, owner: str, prefix: IPv4Network = PREFIX) -> Nic:
    return allocations.add_nic(owner, vnet="v", subnet="s", prefix=prefix, cluster="c")


def test_the_first_nic_gets_the_first_address_that_azure_does_not_keep(allocations: Allocations) -> None:
    assert add(allocations, "a").address == IPv4Address("10.10.0.4")
    assert add(allocations, "b").address == IPv4Address("10.10.0.5")


def test_an_owner_keeps_its_address_when_asked_again(allocations: Allocations) -> None:
    assert add(allocations, "a") == add(allocations, "a")


def test_a_full_subnet_says_so_with_azures_code(allocations: Allocations) -> None:
    for owner in "abc":
        add(allocations, owner)
    with pytest.raises(SubnetFullError, match=r"subnet s \(10.10.0.0/29\) has no free address") as caught:
        add(allocations, "d")
    assert caught.value.azure == "SubnetIsFull"


def test_a_removed_nics_address_and_port_are_given_out_again(allocations: Allocations) -> None:
    for owner in "abc":
        add(allocations, owner)
    gone = next(nic for nic in allocations.nics("v") if nic.owner == "b")
    allocations.remove_nic("b")
    assert (add(allocations, "d").address, add(allocations, "d").port) == (gone.address, gone.port)


def test_two_networks_count_by_themselves(allocations: Allocations) -> None:
    add(allocations, "a")
    other = allocations.add_nic("b", vnet="w", subnet="s", prefix=PREFIX, cluster="c")
    assert (other.address, other.port) == (IPv4Address("10.10.0.4"), 1)


def test_numbers_are_the_lowest_free_and_stay(allocations: Allocations) -> None:
    assert [allocations.put("cluster", key, {}) for key in ("a", "b", "a")] == [1, 2, 1]
    allocations.remove("cluster", "a")
    assert allocations.put("cluster", "c", {"x": 1}) == 1
    assert allocations.all("cluster") == {"b": (2, {}), "c": (1, {"x": 1})}
    assert allocations.put("vnet", "v", {}) == 1


def test_everything_outlives_the_server(tmp_path: Path) -> None:
    first = Allocations(tmp_path / "lab.db")
    nic = add(first, "a")
    first.put("vnet", "v", {"id": "v"})
    first.close()
    again = Allocations(tmp_path / "lab.db")
    assert again.nics() == [nic]
    assert again.all("vnet") == {"v": (1, {"id": "v"})}
    again.close()
