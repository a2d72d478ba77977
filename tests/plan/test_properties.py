"""Laws of the planner: what it proposes passes, overlaps never pass, more nodes never take less."""

from ipaddress import IPv4Network, ip_network

from hypothesis import given, settings
from hypothesis import strategies as st

from slash24.core.addresses import overlap
from slash24.core.networks import NamedNetwork, Networks
from slash24.plan import ClusterRequest, PoolRequest, SubnetFacts, examine
from slash24.plan.advice import advise
from slash24.plan.propose import RESERVED, free_ranges
from slash24.plan.sizing import VARIANTS, largest, size
from tests.plan.requests import VNET, codes, overlay

PRIVATE = (IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12"), IPv4Network("100.64.0.0/10"))


@st.composite
def networks(draw: st.DrawFn, shortest: int = 9, longest: int = 28) -> IPv4Network:
    space = draw(st.sampled_from(PRIVATE))
    prefix = draw(st.integers(max(shortest, space.prefixlen), longest))
    offset = draw(st.integers(0, (1 << (prefix - space.prefixlen)) - 1))
    return IPv4Network((int(space.network_address) + (offset << (32 - prefix)), prefix))


def named(prefixes: list[IPv4Network]) -> Networks:
    return Networks(NamedNetwork(f"n{number}", prefix) for number, prefix in enumerate(prefixes))


@given(st.lists(networks(), max_size=30), networks())
def test_the_index_finds_what_a_look_at_each_finds(prefixes: list[IPv4Network], wanted: IPv4Network) -> None:
    found = [one.prefix for one in named(prefixes).overlapping(wanted)]
    assert sorted(found) == sorted(prefix for prefix in prefixes if overlap(prefix, wanted))


@given(st.lists(networks(shortest=12, longest=20), max_size=30), st.integers(12, 20))
def test_the_first_free_range_touches_nothing_and_no_earlier_one_is_free(
    prefixes: list[IPv4Network], prefix: int
) -> None:
    within = IPv4Network("10.0.0.0/10")
    found = named(prefixes).first_free(prefix, within, RESERVED)
    for candidate in within.subnets(new_prefix=prefix):
        if not any(overlap(candidate, taken) for taken in (*prefixes, *RESERVED)):
            assert found == candidate
            return
    assert found is None


@settings(max_examples=60)
@given(st.lists(networks(shortest=10), max_size=12), networks(12, 20), st.integers(1, 300), st.integers(10, 250))
def test_a_proposed_plan_passes_the_check(known: list[IPv4Network], vnet: IPv4Network, nodes: int, pods: int) -> None:
    """What is wrong with the user's own VNet, or its room, is not the proposal's."""
    node_subnet = SubnetFacts(f"{VNET}/subnets/nodes", vnet)
    request = ClusterRequest(
        pools=(PoolRequest(count=nodes, max_pods=pods, subnet_id=node_subnet.id),),
        vnet_prefixes=(vnet,), subnets=(node_subnet,), known=named(known),
    )  # fmt: skip
    proposed = advise(request).request
    if proposed is not None:
        of_the_user = {"S24-108", "S24-110", "S24-112", "S24-119"}
        assert codes(proposed) <= of_the_user


@settings(max_examples=60)
@given(networks(12, 22), networks(13, 22), networks(12, 24), networks(9, 24))
def test_a_check_never_passes_ranges_that_overlap(
    pods: IPv4Network, services: IPv4Network, subnet: IPv4Network, known: IPv4Network
) -> None:
    request = overlay(
        PoolRequest(count=1, mode="User"), pod_cidrs=(str(pods),), service_cidrs=(str(services),),
        subnets=(SubnetFacts("x", subnet),), known=named([known]),
    )  # fmt: skip
    clash = any(overlap(one, other) for one, other in (
        (pods, services), (pods, subnet), (services, subnet), (pods, known), (services, known), (subnet, known),
    ))  # fmt: skip
    if clash:
        assert not examine(request).passes


@settings(max_examples=40)
@given(st.integers(1, 400), st.integers(0, 100), st.integers(10, 250), st.sampled_from(["", "1", "33%", "100%"]))
def test_sizes_grow_with_nodes_and_peaks_are_at_least_what_is_now(nodes: int, more: int, pods: int, surge: str) -> None:
    few, many = (
        size(ClusterRequest(pools=(PoolRequest(count=count, max_pods=pods, max_surge=surge),)))
        for count in (nodes, nodes + more)
    )
    for small, big in zip(few, many, strict=True):
        assert small.vnet_addresses <= small.vnet_addresses_in_upgrade <= small.vnet_addresses_at_peak
        assert small.vnet_addresses <= big.vnet_addresses
        assert small.vnet_addresses_at_peak <= big.vnet_addresses_at_peak


@settings(max_examples=30)
@given(st.integers(20, 29), st.sampled_from(VARIANTS), st.integers(10, 250))
def test_the_most_nodes_fit_and_one_more_does_not(prefix: int, variant: object, pods: int) -> None:
    from slash24.plan.sizing import Variant, as_variant

    assert isinstance(variant, Variant)
    subnet = SubnetFacts(f"{VNET}/subnets/nodes", ip_network(f"10.16.0.0/{prefix}"))
    request = ClusterRequest(
        pools=(PoolRequest(max_pods=pods, mode="User", subnet_id=subnet.id),), subnets=(subnet,),
    )  # fmt: skip
    most = largest(request, variant, prefix)
    fits = {}
    for nodes in (most, most + 1):
        pool = PoolRequest(count=nodes, max_pods=pods, mode="User", subnet_id=subnet.id)
        asked = as_variant(ClusterRequest(pools=(pool,), subnets=(subnet,)), variant)
        report = examine(asked)
        fits[nodes] = not {one.code for one in report.findings} & {"S24-110", "S24-111", "S24-144"}
    assert fits[most] or most == 0
    assert not fits[most + 1]


def test_free_ranges_are_apart_from_each_other() -> None:
    found = free_ranges(9, [], count=5)
    assert [str(one) for one in found] == ["10.0.0.0/9", "10.128.0.0/9"]
