"""When a plan is full: growth by so many nodes a week."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from slash24.core.addresses import usable_addresses
from slash24.core.models import TRAITS, Model
from slash24.plan.demand import node_addresses
from slash24.plan.request import ClusterRequest


@dataclass(frozen=True, slots=True)
class Ceiling:
    """Something that ends growth. most: nodes that it carries, those that an upgrade adds included; full: the day on
    which a node more has no room, None if that is further away than ten years.
    """

    what: str
    most: int
    full: date | None


def forecast(request: ClusterRequest, *, nodes_a_week: float, start: date) -> tuple[Ceiling, ...]:
    """Return what ends the cluster's growth, the earliest first, if its first pool grows from today's nodes on.

    nodes_a_week: above 0. An upgrade's nodes are kept free all the time. Raises ValueError for a growth of 0 or less,
    UnknownFact if the pools' counts are unknown.
    """
    if nodes_a_week <= 0:
        raise ValueError(f"{nodes_a_week:g} nodes a week is no growth")
    nodes = sum(pool.nodes for pool in request.pools)
    surge = sum(pool.surge for pool in request.pools)
    found = [Ceiling(what, most, _day(start, most - surge - nodes, nodes_a_week)) for what, most in _ceilings(request)]
    return tuple(sorted(found, key=lambda one: (one.full or date.max, one.most)))


def _day(start: date, nodes_left: int, nodes_a_week: float) -> date | None:
    """Return the day on which one node more than `nodes_left` is wanted."""
    days = max(0, nodes_left + 1) * 7 / nodes_a_week
    return start + timedelta(days=int(days)) if days <= 3652 else None


def _ceilings(request: ClusterRequest) -> Iterator[tuple[str, int]]:
    first = request.pools[0]
    pods = request.pod_network
    if pods is not None and request.model is not Model.BYO:
        yield f"pod CIDR {pods}", pods.num_addresses >> (32 - request.block_prefix)
    subnet = request.subnet_of(first) if first.subnet_id else None
    if subnet is not None:
        free = usable_addresses(subnet.prefix) - subnet.used
        yield f"subnet {subnet.name} {subnet.prefix}", free // node_addresses(request, first).node_subnet
    limit = TRAITS[request.model].max_nodes
    if limit is not None:
        yield f"limit of {TRAITS[request.model].title}", limit
