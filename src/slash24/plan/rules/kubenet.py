"""Rules of kubenet: one route a node, and what its clusters may not share."""

from collections.abc import Iterator
from datetime import date

from slash24.core.models import TRAITS, Model
from slash24.core.topology import resource_key
from slash24.plan.finding import Problem, Severity, known
from slash24.plan.request import ClusterRequest, Operation
from slash24.plan.rulebook import rule
from slash24.plan.rules import targets
from slash24.plan.source import changelog, docs, issue

_KUBENET = docs("configure-kubenet")
_ON_CREATE, _ON_UPGRADE = date(2023, 6, 25), date(2023, 9, 10)
_routes_rule = (
    "S24-144",
    "A kubenet cluster has at most 400 nodes, 200 with dual-stack",
    _KUBENET,
    changelog("2023-06-25"),
    changelog("2023-09-10"),
)
_FIX = "--network-plugin azure --network-plugin-mode overlay, which needs no routes"


def _routes(request: ClusterRequest, refused: tuple[Operation, ...]) -> Iterator[Problem]:
    if request.model is not Model.KUBENET:
        return
    limit = (TRAITS[Model.KUBENET].max_nodes or 0) // len(request.families)
    upgrade = request.operation is Operation.UPGRADE
    nodes = sum(pool.nodes + (pool.surge if upgrade else 0) for pool in request.pools)
    peak = sum(pool.peak + pool.surge for pool in request.pools)
    if nodes > limit or peak > limit:
        over = nodes > limit
        yield Problem(
            f"{nodes if over else peak} nodes with kubenet{'' if over else ' at the peak'}, of which there can be "
            f"{limit}",
            why="every node needs a route for each address family, and a route table has 400",
            fix=_FIX,
            target=targets.COUNT,
            severity=None if over and request.operation in refused else Severity.WARNING,
        )


@rule(*_routes_rule, applies="kubenet", until=_ON_CREATE)
def routes_suffice_for_the_network(request: ClusterRequest) -> Iterator[Problem]:
    """A route table has 400 routes; until June 2023 nobody looked, and nodes beyond them had no network."""
    return _routes(request, ())


@rule(*_routes_rule, applies="kubenet", since=_ON_CREATE, until=_ON_UPGRADE)
def routes_suffice_on_create(request: ClusterRequest) -> Iterator[Problem]:
    """A route table has 400 routes; a create is refused since 25 June 2023."""
    return _routes(request, (Operation.CREATE, Operation.SCALE, Operation.ADD_POOL, Operation.UPDATE))


@rule(*_routes_rule, applies="kubenet", since=_ON_UPGRADE)
def routes_suffice(request: ClusterRequest) -> Iterator[Problem]:
    """A route table has 400 routes; creates are refused since 25 June 2023, upgrades since 10 September 2023."""
    return _routes(request, tuple(Operation))


@rule("S24-147", "kubenet clusters share no subnet and no route table", _KUBENET, applies="kubenet")
def kubenet_clusters_stay_apart(request: ClusterRequest) -> Iterator[Problem]:
    """Two clusters would write the same pod ranges into one table; the second one's packets go to the first."""
    if request.model is not Model.KUBENET:
        return
    for pool in request.pools:
        own = resource_key(known(pool.subnet_id, f"the subnet of pool {pool.name}"))
        subnet = request.subnet_of(pool)
        for other in request.others:
            if other.plugin != "kubenet":
                continue
            if own in {resource_key(one) for one in other.subnet_ids}:
                yield Problem(
                    f"kubenet clusters {request.name} and {other.name} share subnet {own.rsplit('/', 1)[-1]}",
                    why="both write routes for their pods into its route table",
                    fix="a subnet for each, or Azure CNI Overlay",
                    target=targets.SUBNET,
                )
            table = resource_key(subnet.route_table) if subnet and subnet.route_table else ""
            if table and table in {resource_key(one) for one in other.route_tables}:
                yield Problem(
                    f"kubenet clusters {request.name} and {other.name} share a route table",
                    why="both write routes for their pods into it",
                    fix="a route table for each, or Azure CNI Overlay",
                    target=targets.SUBNET,
                )


@rule(
    "S24-148",
    "A route table of one's own goes with a user-assigned identity",
    _KUBENET,
    issue("Azure/AKS", 2333),
    severity=Severity.WARNING,
    applies="kubenet",
    azure=("CustomRouteTableWithMSINotSupported",),
)
def own_route_tables_have_an_identity(request: ClusterRequest) -> Iterator[Problem]:
    """AKS writes routes into the table and needs the right to. az can grant it to a system-assigned identity; ARM,
    Bicep and Terraform can't.
    """
    if request.model is not Model.KUBENET or request.operation is not Operation.CREATE:
        return
    for pool in request.pools:
        subnet = request.subnet_of(pool)
        if subnet is None or not known(subnet.route_table, f"the route table of subnet {subnet.name}"):
            continue
        if known(request.identity, "the identity") != "UserAssigned":
            yield Problem(
                f"subnet {subnet.name} has a route table of its own, and the cluster a system-assigned identity",
                why="AKS must be allowed to write routes into it before the cluster is made",
                fix="--assign-identity ID",
                azure="CustomRouteTableWithMSINotSupported",
                azure_text="Clusters using managed identity type SystemAssigned do not support bringing your own route "
                "table. Please see https://aka.ms/aks/customrt for more information",
                target="identity.type",
            )
            return
