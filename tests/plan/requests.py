"""Requests that tests begin with."""

from ipaddress import ip_network
from typing import Any

from slash24.plan import ClusterRequest, Finding, PoolRequest, Severity, SubnetFacts, check

VNET = "/subscriptions/1/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/vnet"


def subnet(name: str, prefix: str, **facts: Any) -> SubnetFacts:
    return SubnetFacts(f"{VNET}/subnets/{name}", ip_network(prefix), **facts)


def overlay(*pools: PoolRequest, **settings: Any) -> ClusterRequest:
    return cluster("azure", *pools, mode="overlay", **settings)


def cluster(plugin: str, *pools: PoolRequest, **settings: Any) -> ClusterRequest:
    """Return a cluster of which everything is known that a test doesn't take away."""
    known: dict[str, Any] = {"kubernetes_version": "1.34", "identity": "UserAssigned", "ip_masq": False}
    return ClusterRequest(plugin=plugin, pools=pools or (PoolRequest(),), **(known | settings))


def errors(request: ClusterRequest, **options: Any) -> list[Finding]:
    """Return what is refused."""
    return [finding for finding in check(request, **options) if finding.severity is Severity.ERROR]


def codes(request: ClusterRequest, **options: Any) -> set[str]:
    """Return the codes of what is refused."""
    return {finding.code for finding in errors(request, **options)}
