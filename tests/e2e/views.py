"""Where the views of a lab differ: Azure's documents, the lab's allocations, Kubernetes' objects, and Linux."""

import json
import re
import sqlite3
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from slash24.core.topology import resource_key
from slash24.kernel import cgroup, netns, process
from slash24.lab.names import cluster_key, pool_of
from slash24.lab.paths import LabPaths

Json = dict[str, Any]


def differences(paths: LabPaths) -> list[str]:
    """Return a sentence for each difference between the views of a lab on which no change is under way."""
    with sqlite3.connect(f"file:{paths.database}?mode=ro", uri=True) as db:
        documents = [json.loads(text) for (text,) in db.execute("select document from arm_resources")]
        things = set(db.execute("select kind, key, number from things"))
        nics = {row[0]: row[1:] for row in db.execute("select owner, vnet, port, cluster, stopped from nics")}
        objects = [
            (cluster, plural, json.loads(text))
            for cluster, plural, text in db.execute("select cluster, plural, json from objects")
        ]
        versions = {key for (key,) in db.execute("select cluster from versions")}
    return [
        *_in_azure(documents),
        *_of_clusters(documents, things, versions, {cluster for cluster, _, _ in objects}),
        *_of_pools(documents, nics),
        *_of_nodes(paths, nics, objects),
        *_of_networks(paths, documents, things, nics),
    ]


def _differ(views: dict[str, Iterable[str]]) -> list[str]:
    """Return a sentence for each thing that some of the views have and others lack."""
    sets = {name: set(view) for name, view in views.items()}
    return [
        f"{thing}: in {', '.join(n for n in sets if thing in sets[n])}; not in "
        f"{', '.join(n for n in sets if thing not in sets[n])}"
        for thing in sorted(set.union(*sets.values()))
        if not all(thing in view for view in sets.values())
    ]


def _of_kind(documents: list[Json], kind: str) -> list[Json]:
    return [document for document in documents if str(document.get("type", "")).lower() == kind.lower()]


_CLUSTERS = "Microsoft.ContainerService/managedClusters"
_GROUPS = "Microsoft.Resources/resourceGroups"
_NETWORKS = "Microsoft.Network/virtualNetworks"


def _in_azure(documents: list[Json]) -> list[str]:
    found = [f"operation {one['name']} is in progress" for one in documents if one.get("status") == "InProgress"]
    for document in (*_of_kind(documents, _CLUSTERS), *_of_kind(documents, _GROUPS)):
        state = document["properties"]["provisioningState"]
        found += [f"{document['name']} is {state}"] if state != "Succeeded" else []
    ids = {resource_key(document["id"]) for document in documents}
    for document in documents:
        key = resource_key(document["id"])
        if key.startswith("/resourcegroups/") and "/".join(key.split("/")[:3]) not in ids:
            found.append(f"{key} has no resource group")
        if document.get("managedBy") and resource_key(document["managedBy"]) not in ids:
            found.append(f"group {document['name']} has outlived its cluster")
    return found


def _of_clusters(documents: list[Json], things: set[Any], versions: set[str], with_objects: set[str]) -> list[str]:
    return _differ(
        {
            "ARM": [cluster_key(document["id"]) for document in _of_kind(documents, _CLUSTERS)],
            "allocations": [key for kind, key, _ in things if kind == "cluster"],
            "versions": versions,
            "objects": with_objects,
        }
    )


def _of_pools(documents: list[Json], nics: dict[str, Any]) -> list[str]:
    found = []
    for document in _of_kind(documents, _CLUSTERS):
        have: dict[str, int] = {}
        for owner, (_, _, cluster, _) in nics.items():
            if cluster == cluster_key(document["id"]):
                have[pool_of(owner)] = have.get(pool_of(owner), 0) + 1
        wanted = {pool["name"]: pool["count"] for pool in document["properties"]["agentPoolProfiles"]}
        found += [f"{document['name']} has pools {have}, not {wanted}"] if have != wanted else []
    return found


def _of_nodes(paths: LabPaths, nics: dict[str, Any], objects: list[tuple[str, str, Json]]) -> list[str]:
    machines = {owner for owner, nic in nics.items() if nic[2]}
    on = {owner for owner in machines if not nics[owner][3]}
    named: dict[str, set[str]] = {
        plural: {item["metadata"]["name"] for _, kind, item in objects if kind == plural and _is_of_node(item)}
        for plural in ("nodes", "leases", "nodenetworkconfigs")
    }
    occupied = {item["spec"].get("nodeName", "") for _, plural, item in objects if plural == "pods"}
    group = cgroup.mount_point()
    groups = [path.name for path in (group / paths.slug).glob("aks-*")] if group else on
    found = _differ(
        {
            "NICs": machines,
            "Node objects": named["nodes"],
            "Leases": named["leases"],
            "NodeNetworkConfigs": named["nodenetworkconfigs"],
            "disks": [path.name for path in (paths.root / "nodes").glob("*")],
        }
    )
    found += _differ(
        {
            "NICs that are on": on,
            "namespaces": [p.name for p in paths.namespaces.glob("aks-*") if netns.is_mounted(p)],
            "control groups": groups,
            "processes": [owner for owner in machines if _runs(paths.node(owner) / "pid")],
        }
    )
    return found + [f"a pod is on node {name}, which is not there" for name in occupied - machines - {""}]


def _is_of_node(item: Json) -> bool:
    """Tell a node's own object from another of the same kind, as the controller's lease is."""
    return str(item["metadata"]["name"]).startswith("aks-")


def _runs(record: Path) -> bool:
    try:
        pid, started = record.read_text().split()
    except OSError:
        return False
    return str(process.started_at(int(pid))) == started


def _of_networks(paths: LabPaths, documents: list[Json], things: set[Any], nics: dict[str, Any]) -> list[str]:
    networks = {key: f"vnet-{number}" for kind, key, number in things if kind == "vnet"}
    known = [resource_key(document["id"]) for document in _of_kind(documents, _NETWORKS)]
    found = _differ({"ARM": known, "allocations": networks})
    others = [nic for nic, (_, _, cluster, _) in nics.items() if not cluster]
    found += _differ(
        {
            "allocations": [*networks.values(), *others, "internet"],
            "namespaces": [path.name for path in paths.namespaces.iterdir() if not path.name.startswith("aks-")],
        }
    )
    found += _differ(
        {
            "networks": [name.replace("vnet-", "v") for name in networks.values()],
            "links to the internet": _links(paths.netns("internet"), r"v\d+"),
        }
    )
    for key, name in networks.items():
        ports = {f"p{port}" for vnet, port, _, stopped in nics.values() if vnet == key and not stopped}
        found += _differ({f"NICs in {name}": ports, f"ports of {name}": _links(paths.netns(name), r"p\d+")})
    return found


def _links(namespace: Path, pattern: str) -> list[str]:
    done = subprocess.run(
        ["nsenter", f"--net={namespace}", "ip", "-br", "link"], capture_output=True, text=True, check=True
    )
    names = (line.split()[0].partition("@")[0] for line in done.stdout.splitlines())
    return [name for name in names if re.fullmatch(pattern, name)]
