"""A lab's ARM documents as the entries of its save file, and back: `properties` lifted out, defaults left out."""

from functools import partial
from typing import Any

from slash24.azure.cluster_documents import complete
from slash24.azure.context import Call
from slash24.azure.ids import cluster_id, group_id, parse, vnet_id
from slash24.azure.vnet_reading import read_vnet
from slash24.cli.aks_options import CREATE_KEPT
from slash24.core.topology import resource_key
from slash24.lab.savefile import Tree, minimal

Json = dict[str, Any]
_OUTSIDE = ("id", "name", "type", "location", "tags", "sku", "identity", "extendedLocation")
#: Keys in here are the user's own words.
_WORDS = ("tags", "nodeLabels", "azOptions", "autoScalerProfile", "addonProfiles")


def group_entry(document: Json) -> Json:
    return _entry({key: document[key] for key in ("name", "location", "tags") if document.get(key)})


def group_request(entry: Json, subscription: str) -> tuple[str, Json]:
    """Return path and body of the PUT that makes a resource group."""
    return group_id(subscription, entry["name"]), {key: value for key, value in entry.items() if key != "name"}


def network_entry(document: Json) -> Json:
    fill = partial(_fill_network, document["id"], document["location"])
    found = minimal(document, fill)
    subnets = [_lifted(subnet) for subnet in found["properties"].get("subnets", ())]
    lifted = _lifted(found) | ({"subnets": subnets} if subnets else {})
    return _entry({**_place(document), **lifted})


def _fill_network(resource_id: str, location: str, body: Json) -> Json:
    return read_vnet(Call(parse(resource_id), body, "", {}, dry_run=True), resource_id, None, location)


def network_request(entry: Json, subscription: str) -> tuple[str, Json]:
    path = vnet_id(subscription, entry["resourceGroup"], entry["name"])
    body = _lowered(entry)
    subnets = [_lowered(subnet) | {"name": subnet.get("name", "")} for subnet in entry.get("subnets") or ()]
    return path, body | {"properties": body["properties"] | {"subnets": subnets}}


def cluster_entry(document: Json) -> Json:
    """Return a cluster's entry; the subnet of its own managed network goes with that, and isn't told."""
    managed = resource_key(f"{group_id('0', document['properties']['nodeResourceGroup'])}/")
    pools = [
        {
            key: value
            for key, value in pool.items()
            if key != "vnetSubnetID" or not resource_key(value).startswith(managed)
        }
        for pool in document["properties"]["agentPoolProfiles"]
    ]
    whole = document | {"properties": document["properties"] | {"agentPoolProfiles": pools}}
    found = _lifted(minimal(whole, partial(_fill_cluster, document["id"])))
    found["agentPoolProfiles"] = [_entry(pool) for pool in found["agentPoolProfiles"]]
    return _entry({**_place(document), **found})


def _fill_cluster(resource_id: str, body: Json) -> Json:
    return complete(body, resource_id, parse(resource_id).group, None)


def cluster_request(entry: Json, subscription: str) -> tuple[str, Json]:
    return cluster_id(subscription, entry["resourceGroup"], entry["name"]), _lowered(entry)


def _place(document: Json) -> Json:
    return {"name": document["name"], "resourceGroup": parse(document["id"]).group, "location": document["location"]}


def _lifted(document: Json) -> Json:
    outer = {key: value for key, value in document.items() if key != "properties"}
    return {**outer, **document.get("properties", {})}


def _lowered(entry: Json) -> Json:
    """Return an entry as an ARM body: what isn't of the resource itself goes below `properties`."""
    body: Json = {key: value for key, value in entry.items() if key in _OUTSIDE and key != "name"}
    inside = {key: value for key, value in entry.items() if key not in (*_OUTSIDE, "resourceGroup", "manifests")}
    return body | {"properties": inside}


def _entry(fields: Json) -> Json:
    """Return fields in the file's order: what names the thing, then the rest by name."""
    first = [name for name in ("name", "resourceGroup", "location") if name in fields]
    return {name: _sorted(fields[name]) for name in [*first, *sorted(set(fields) - set(first))]}


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return value


def trees() -> dict[str, Tree]:
    """Return which fields the entries of each list may have."""
    group = {"name": str, "location": str, "tags": None}
    place = group | {"resourceGroup": str}
    subnet = {"name": str, "addressPrefix": str}
    network = place | {"addressSpace": {"addressPrefixes": [str]}, "subnets": [subnet]}
    return {
        "resourceGroups": group,
        "virtualNetworks": network,
        "clusters": place | _cluster_tree() | {"manifests": [dict]},
    }


def _cluster_tree() -> dict[str, Any]:
    """Return the fields of a cluster: those that a new one has, and those that `aks create` has options for."""
    sample = _fill_cluster(
        cluster_id("0", "g", "c"), {"location": "x", "properties": {"agentPoolProfiles": [{"name": "p"}]}}
    )
    outer = {key: value for key, value in sample.items() if key not in ("id", "name", "type")}
    found: dict[str, Any] = _tree(_lifted(outer))
    pool = found["agentPoolProfiles"][0]
    pool |= {"minCount": int, "maxCount": int, "nodeLabels": None, "nodeTaints": [str], "tags": None, "azOptions": None}
    found["azOptions"] = None
    for option in CREATE_KEPT:
        root, _, path = option.place.partition(".")
        target = pool if root == "pool" else found
        *folders, last = path.split(".")
        for folder in folders:
            target = target.setdefault(folder, {})
        if last:
            target.setdefault(last, None)
    return found


def _tree(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: None if key in _WORDS else _tree(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_tree(value[0]) if value else None]
    return type(value)
