"""What a lab holds, as data for `slash24 lab status`."""

from typing import Any

from slash24.core.topology import VNet
from slash24.kernel import userns
from slash24.lab.fabric import WHOAMI, public_address
from slash24.lab.lab import Lab, RunningCluster
from slash24.lab.readiness import is_ready, why_not_ready

_WHY_OFF = {
    "stopped": "off: somebody stopped it",
    "crashed": "off: its first process was killed",
}


def lab_status(lab: Lab) -> dict[str, Any]:
    """Return the lab's virtual networks and clusters, in camelCase as all our JSON."""
    vnets = []
    for key, space in sorted(lab.vnets.items()):
        vm = lab.vm(key)
        vnets.append(
            _vnet(space.vnet) | {"virtualMachine": str(vm.address) if vm else None, "spoofedPackets": space.spoofed()}
        )
    clusters = [_cluster(lab, key, running) for key, running in sorted(lab.clusters.items())]
    return {
        "name": lab.paths.name,
        "rootless": not userns.owns_all_users(),
        "internetHost": str(WHOAMI),
        "nodeMonitorGracePeriodSeconds": lab.patience.node_grace_s,
        "defaultTolerationSeconds": lab.patience.toleration_s,
        "virtualNetworks": vnets,
        "clusters": clusters,
    }


def _vnet(vnet: VNet) -> dict[str, Any]:
    return {
        "id": vnet.id,
        "name": vnet.id.rsplit("/", 1)[-1],
        "addressPrefixes": [str(prefix) for prefix in vnet.prefixes],
        "subnets": [{"name": subnet.name, "addressPrefix": str(subnet.prefix)} for subnet in vnet.subnets],
    }


def _cluster(lab: Lab, key: str, running: RunningCluster) -> dict[str, Any]:
    nodes = {node["metadata"]["name"]: node for node in running.objects.list("nodes")}
    pods: dict[str, int] = {}
    for pod in running.objects.list("pods"):
        pods[pod["spec"].get("nodeName", "")] = pods.get(pod["spec"].get("nodeName", ""), 0) + 1
    entries = []
    for nic in sorted(lab.nics(key), key=lambda nic: nic.owner):
        node: dict[str, Any] = nodes.get(nic.owner, {})
        power = lab.power(nic)
        ready = power == "running" and is_ready(node)
        entries.append(
            {
                "name": nic.owner,
                "power": power,
                "ready": ready,
                "reason": None if ready else _WHY_OFF.get(power) or why_not_ready(node or None),
                "bootId": node.get("status", {}).get("nodeInfo", {}).get("bootID"),
                "address": str(nic.address),
                "subnetId": nic.subnet,
                "podCidr": node.get("spec", {}).get("podCIDR"),
                "pods": pods.get(nic.owner, 0),
                "logs": str(lab.paths.node(nic.owner) / "log"),
            }
        )
    return {
        "id": running.cluster.id,
        "name": running.cluster.name,
        "key": key,
        "number": running.number,
        "token": running.admin,
        "subnetId": running.cluster.pools[0].subnet_id,
        "namespace": lab.vnet_namespace(running),
        "transport": running.cluster.transport.value,
        "profile": "kernel",
        "podCidr": str(running.cluster.pod_cidr),
        "outboundAddress": str(public_address(running.number)),
        "virtualMachine": lab.vm_address(running),
        "nodes": entries,
    }
