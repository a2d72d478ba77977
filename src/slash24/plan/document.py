"""A plan as a document: the `[plan]` table of slash24.toml, read into requests.

```toml
[plan]
vnet    = "10.20.0.0/16"
subnets = { snet-aks = "10.20.4.0/24" }
known   = ["networks.csv", { name = "on-prem", cidr = "10.128.0.0/9" }]
[plan.pools.apps]
max-count = 35
max-pods  = 110
[plan.clusters.second]     # a cluster beside the first: what differs from [plan]
pod-cidr = "100.64.0.0/16"
```
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from slash24.core.addresses import IPNetwork, parse_prefix
from slash24.core.networks import NamedNetwork, Networks
from slash24.errors import UsageError
from slash24.plan.known_networks import parse_pair
from slash24.plan.pool import PoolRequest
from slash24.plan.request import ClusterRequest
from slash24.plan.vnet import PeerCluster, SubnetFacts

Value = TypeVar("Value")
#: From a name in `known` to what is in that file.
ReadKnown = Callable[[str], list[NamedNetwork]]

_SETTINGS = {
    "network-plugin": "plugin", "network-plugin-mode": "mode", "network-dataplane": "dataplane",
    "network-policy": "policy", "dns-service-ip": "dns_service_ip", "outbound-type": "outbound_type",
    "kubernetes-version": "kubernetes_version", "identity": "identity",
}  # fmt: skip
_LISTS = {
    "pod-cidr": "pod_cidrs", "pod-cidrs": "pod_cidrs", "service-cidr": "service_cidrs",
    "service-cidrs": "service_cidrs", "ip-families": "ip_families",
}  # fmt: skip
_POOL_NUMBERS = {
    "node-count": "count", "min-count": "min_count", "max-count": "max_count", "max-pods": "max_pods",
    "nodes": "count",
}  # fmt: skip
_POOL_TEXTS = {
    "max-surge": "max_surge", "os-type": "os", "os-sku": "os_sku", "node-vm-size": "vm_size", "mode": "mode",
}  # fmt: skip
_PLACES = {"vnet", "subnets", "known", "pools", "clusters", "subnet", "addons"}


def read_plan(table: Mapping[str, Any], file: str, read_known: ReadKnown) -> tuple[ClusterRequest, ...]:
    """Return the clusters of a `[plan]` table: one, or one for each of `[plan.clusters.NAME]`.

    file: its name, for messages. Raises UsageError for a key or a value that it doesn't know.
    """
    clusters = _table(table.get("clusters", {}), f"{file}: plan.clusters")
    base = {key: value for key, value in table.items() if key != "clusters"}
    known = Networks(_known(table.get("known", ()), file, read_known))
    if not clusters:
        return (_cluster("cluster", base, file, known),)
    requests = {
        name: _cluster(name, base | _table(one, f"{file}: plan.clusters.{name}"), file, known)
        for name, one in clusters.items()
    }
    return tuple(_beside(request, requests) for request in requests.values())


def _beside(request: ClusterRequest, all_of_them: Mapping[str, ClusterRequest]) -> ClusterRequest:
    """Return the request with the other clusters of the plan as its neighbours."""
    others = tuple(
        PeerCluster(
            name,
            other.plugin or "azure",
            frozenset(pool.subnet_id for pool in other.pools if pool.subnet_id),
            frozenset(subnet.route_table for subnet in other.subnets if subnet.route_table),
        )
        for name, other in all_of_them.items()
        if other is not request
    )
    return replace(request, others=others)


def _cluster(name: str, table: Mapping[str, Any], file: str, known: Networks) -> ClusterRequest:
    where = f"{file}: plan"
    unknown = set(table) - set(_SETTINGS) - set(_LISTS) - _PLACES
    if unknown:
        raise UsageError(f"{where}: unknown key {sorted(unknown)[0]!r}", fix=f"one of {', '.join(_all_keys())}")
    vnet_id = f"/vnets/{name if 'vnet' not in table else 'vnet'}"
    subnets = tuple(
        SubnetFacts(f"{vnet_id}/subnets/{key}", prefix_of(text, f"{where}.subnets.{key}"))
        for key, text in _table(table.get("subnets", {}), f"{where}.subnets").items()
    )
    default = str(table.get("subnet", subnets[0].name if len(subnets) else ""))
    pools = _table(table.get("pools", {}), f"{where}.pools")
    settings: dict[str, Any] = {
        field: _text(table[key], f"{where}.{key}") for key, field in _SETTINGS.items() if key in table
    }
    settings |= {field: _texts(table[key], f"{where}.{key}") for key, field in _LISTS.items() if key in table}
    return ClusterRequest(
        name=name,
        pools=tuple(
            _pool(key, _table(one, f"{where}.pools.{key}"), where, vnet_id, default) for key, one in pools.items()
        )
        or (PoolRequest(subnet_id=f"{vnet_id}/subnets/{default}" if default else ""),),
        vnet_id=vnet_id,
        vnet_prefixes=tuple(
            prefix_of(text, f"{where}.vnet") for text in _texts(table.get("vnet", ()), f"{where}.vnet")
        ),
        subnets=subnets,
        known=known,
        addons=frozenset(_texts(table.get("addons", ()), f"{where}.addons")),
        **settings,
    )


def _all_keys() -> list[str]:
    return sorted({*_SETTINGS, *_LISTS, *_PLACES})


def _pool(name: str, table: Mapping[str, Any], where: str, vnet_id: str, subnet: str) -> PoolRequest:
    where = f"{where}.pools.{name}"
    unknown = set(table) - set(_POOL_NUMBERS) - set(_POOL_TEXTS) - {"subnet"}
    if unknown:
        keys = ", ".join(sorted({*_POOL_NUMBERS, *_POOL_TEXTS, "subnet"}))
        raise UsageError(f"{where}: unknown key {sorted(unknown)[0]!r}", fix=f"one of {keys}")
    values: dict[str, Any] = {
        field: _number(table[key], f"{where}.{key}") for key, field in _POOL_NUMBERS.items() if key in table
    }
    values |= {field: str(table[key]) for key, field in _POOL_TEXTS.items() if key in table}
    subnet = str(table.get("subnet", subnet))
    if "max_count" in values:
        values = {"autoscale": True, "count": values["max_count"], "min_count": 1} | values
        values["count"] = min(values["count"], values["max_count"])
    return PoolRequest(name=name, subnet_id=f"{vnet_id}/subnets/{subnet}" if subnet else "", **values)


def _known(value: Any, file: str, read_known: ReadKnown) -> list[NamedNetwork]:
    found: list[NamedNetwork] = []
    where = f"{file}: plan.known"
    for one in value if isinstance(value, list | tuple) else [value]:
        if isinstance(one, Mapping):
            prefix = prefix_of(str(one.get("cidr", "")), where)
            found.append(NamedNetwork(str(one.get("name", prefix)), prefix))
        elif isinstance(one, str):
            found += [parse_pair(one, where)] if "=" in one else read_known(one)
        else:
            raise UsageError(
                f"{where}: {one!r} is neither a file nor a network", fix='{ name = "x", cidr = "10.0.0.0/8" }'
            )
    return found


def prefix_of(text: Any, where: str) -> IPNetwork:
    """Return the network that `text` names. Raises UsageError that says where it stands."""
    try:
        return parse_prefix(str(text))
    except ValueError as error:
        raise UsageError(f"{where}: {text!r} is not a network: {error}", fix="a CIDR, as in 10.20.0.0/16") from error


def _table(value: Any, where: str) -> dict[str, Any]:
    return dict(_expect(value, dict, where, "a table"))


def _text(value: Any, where: str) -> str:
    return _expect(value, str, where, "a text")


def _number(value: Any, where: str) -> int:
    if isinstance(value, bool):
        raise UsageError(f"{where}: {value!r} is not a number")
    return _expect(value, int, where, "a number")


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(","))
    return tuple(_text(one, where) for one in _expect(value, list | tuple, where, "a text or a list of texts"))  # type: ignore[arg-type]


def _expect(value: Any, kind: type[Value], where: str, what: str) -> Value:
    if not isinstance(value, kind):
        raise UsageError(f"{where}: {value!r} is not {what}")
    return value
