"""ARM documents in SQLite."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from slash24.store.resources import Resources, kind_of

GROUP = "/subscriptions/1/resourceGroups/rg"
VNET = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/vnet"


@pytest.fixture
def resources(tmp_path: Path) -> Iterator[Resources]:
    store = Resources(tmp_path / "lab.db")
    yield store
    store.close()


def test_an_id_is_found_whatever_its_case_and_subscription(resources: Resources) -> None:
    resources.put({"id": VNET, "name": "vnet"})
    assert resources.get("/SUBSCRIPTIONS/2/resourcegroups/RG/providers/microsoft.network/virtualnetworks/VNET") == {
        "id": VNET,
        "name": "vnet",
    }


def test_documents_survive_a_restart(tmp_path: Path) -> None:
    first = Resources(tmp_path / "lab.db")
    first.put({"id": GROUP, "location": "northeurope"})
    first.close()
    again = Resources(tmp_path / "lab.db")
    assert again.get(GROUP) == {"id": GROUP, "location": "northeurope"}
    again.close()


def test_a_list_holds_whole_path_segments_only(resources: Resources) -> None:
    resources.put({"id": VNET})
    resources.put({"id": GROUP})
    resources.put({"id": VNET.replace("/rg/", "/rg2/")})
    assert [found["id"] for found in resources.list(under=GROUP)] == [VNET]
    assert len(resources.list("microsoft.network/virtualNetworks")) == 2
    assert resources.list("resourcegroups") == [{"id": GROUP}]


def test_a_put_replaces_and_a_delete_says_whether_it_was_there(resources: Resources) -> None:
    resources.put({"id": VNET, "a": 1})
    resources.put({"id": VNET.upper(), "a": 2})
    assert resources.list() == [{"id": VNET.upper(), "a": 2}]
    assert resources.delete(VNET)
    assert not resources.delete(VNET)


def test_trim_keeps_what_was_written_last(resources: Resources) -> None:
    for number in range(5):
        resources.put({"id": f"/subscriptions/1/providers/M.C/locations/l/operations/{9 - number}"})
    resources.trim("M.C/locations/operations", 2)
    assert {document["id"].rsplit("/", 1)[-1] for document in resources.list()} == {"5", "6"}


def test_a_document_is_the_callers_own_copy(resources: Resources) -> None:
    resources.put({"id": VNET, "tags": {}})
    found = resources.get(VNET)
    assert found is not None
    found["tags"]["a"] = "b"
    assert resources.get(VNET) == {"id": VNET, "tags": {}}


@pytest.mark.parametrize(
    ("resource_id", "kind"),
    [
        (GROUP, "resourcegroups"),
        (VNET, "microsoft.network/virtualnetworks"),
        (f"{VNET}/subnets/s", "microsoft.network/virtualnetworks/subnets"),
    ],
)
def test_the_kind_is_read_from_the_id(resource_id: str, kind: str) -> None:
    assert kind_of(resource_id) == kind
