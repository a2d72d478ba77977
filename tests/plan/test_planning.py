"""Known networks from files, growth, differences, the address map."""

from datetime import date
from ipaddress import ip_network

import pytest

from slash24.core.networks import NamedNetwork, Networks
from slash24.errors import UsageError
from slash24.plan.address_map import Kind, cut, node_blocks_in_use, strips
from slash24.plan.difference import compare
from slash24.plan.forecast import forecast
from slash24.plan.known_networks import parse_known
from slash24.plan.pool import PoolRequest
from slash24.plan.request import ClusterRequest
from slash24.web.address_map import draw_map
from tests.plan.requests import VNET, overlay, subnet

NETBOX = "Prefix,Status,VRF,Tenant,Site,Description\n10.10.0.0/16,Active,,,hub,\n10.12.0.0/16,Active,,,,office\n"
PHPIPAM = (
    '"Section";"Subnet";"Mask";"Description"\n"Customers";"10.65.22.0";"24";"desk"\n"Customers";"10.65.23.0";"/24";""\n'
)
AZ = '[{"name": "hub", "addressSpace": {"addressPrefixes": ["10.10.0.0/16", "10.11.0.0/16"]}}]'
ARM = '{"name": "hub", "properties": {"addressSpace": {"addressPrefixes": ["10.10.0.0/16"]}}}'
TEXT = "# ours\non-prem 10.128.0.0/9\n10.9.0.0/16 lab # old\n10.8.0.0/16\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (NETBOX, [("hub", "10.10.0.0/16"), ("office", "10.12.0.0/16")]),
        (PHPIPAM, [("desk", "10.65.22.0/24"), ("Customers", "10.65.23.0/24")]),
        (AZ, [("hub", "10.10.0.0/16"), ("hub", "10.11.0.0/16")]),
        (ARM, [("hub", "10.10.0.0/16")]),
        (TEXT, [("on-prem", "10.128.0.0/9"), ("lab", "10.9.0.0/16"), ("10.8.0.0/16", "10.8.0.0/16")]),
        ("", []),
    ],
)
def test_known_networks_are_read_from_what_companies_keep_them_in(text: str, found: list[tuple[str, str]]) -> None:
    assert [(one.name, str(one.prefix)) for one in parse_known(text, "f")] == found


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("on-prem 10.128.0.0/9\nnothing here\n", "f:2: no network"),
        ("a 10.0.0.1/8\n", "f:1: '10.0.0.1/8' is not a network"),
        ("Prefix,Description\n10.0.0.0/99,x\n", "f:2: '10.0.0.0/99'"),
        ("{]", "f:1: not JSON"),
        ('[{"name": "x"}]', "f: no addressSpace.addressPrefixes"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_what_can_not_be_read_is_told_with_its_line(text: str, where: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_known(text, "f")
    assert where in caught.value.message


def test_a_forecast_names_the_day_on_which_one_node_more_has_no_room() -> None:
    request = overlay(
        PoolRequest(count=40, subnet_id=f"{VNET}/subnets/nodes"), subnets=(subnet("nodes", "10.1.0.0/26"),)
    )
    found = forecast(request, nodes_a_week=7, start=date(2026, 1, 1))
    # 59 usable addresses, 40 nodes and 4 of an upgrade: 15 days of one node each are left, the 16th has no room.
    assert (found[0].what, found[0].most, found[0].full) == ("subnet nodes 10.1.0.0/26", 59, date(2026, 1, 17))
    assert found[1].what == "pod CIDR 10.244.0.0/16"
    assert found[-1].full is None


def test_equal_plans_differ_in_nothing() -> None:
    assert compare(overlay(), overlay()).changes == ()


def test_a_difference_tells_what_aks_makes_of_it() -> None:
    found = compare(overlay(PoolRequest(max_pods=30)), overlay(PoolRequest(max_pods=110), PoolRequest("more")))
    assert [(one.setting, one.before, one.after) for one in found.changes] == [
        ("pool nodepool1.max_pods", "30", "110"),
        ("pool more", "", "there"),
    ]
    assert not found.in_place
    assert "S24-179" in {one.code for one in found.findings}


def test_the_map_shows_conflicts_and_who_has_what() -> None:
    request = overlay(known=Networks([NamedNetwork("on-prem", ip_network("10.128.0.0/9"))]))
    ten = strips(request)[0]
    kinds = {area.kind for cell in ten.cells for area in cell.areas}
    assert kinds == {Kind.KNOWN, Kind.SERVICE, Kind.POD}
    assert [str(cell.prefix) for cell in ten.cells if cell.conflict] == ["10.244.0.0/14"]


def test_node_blocks_are_cells_of_a_grid() -> None:
    pools = (PoolRequest(count=2, autoscale=True, min_count=1, max_count=5),)
    blocks = node_blocks_in_use(ClusterRequest(pools=pools))
    assert len(blocks) == 256
    assert [block.use for block in blocks[:7]] == ["now", "now", "peak", "peak", "peak", "upgrade", "free"]
    assert str(blocks[6].prefix) == "10.244.6.0/24"


def test_a_range_is_cut_into_a_power_of_two() -> None:
    with pytest.raises(ValueError, match="can't be cut into 3"):
        cut(ip_network("10.0.0.0/8"), (), 3)


def test_the_picture_names_every_range_and_escapes_names() -> None:
    request = overlay(known=Networks([NamedNetwork("R&D <1>", ip_network("10.128.0.0/9"))]))
    picture = draw_map(request)
    assert "R&amp;D &lt;1&gt; (known)" in picture
    assert picture.count("<svg") == 1
    assert "10.244.0.0/16: a cell is one node's /24".replace("'", "&#x27;") in picture
