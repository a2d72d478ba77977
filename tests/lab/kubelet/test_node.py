"""The Node object: registered, Ready when the network is, kept alive by its Lease."""

import json
import stat
from pathlib import Path

from tests.lab.kubelet.in_node import BRIDGE, Node, in_node

NODE = "/api/v1/nodes/n1"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1"


def ready(node: Node) -> dict[str, str]:
    conditions = node.api.objects.get(NODE, {}).get("status", {}).get("conditions", [])
    found: dict[str, str] = {}
    for condition in conditions:
        if condition["type"] == "Ready":
            found = condition
    return found


@in_node
async def test_a_node_becomes_ready_within_a_moment_of_its_network(node: Node) -> None:
    await node.start_kubelet()
    await node.api.until(lambda: ready(node).get("status") == "False" and LEASE in node.api.objects)
    assert ready(node)["reason"] == "KubeletNotReady"
    assert ready(node)["message"] == (
        "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady "
        "message:Network plugin returns error: cni plugin not initialized"
    )
    node.write_network()
    await node.api.until(lambda: ready(node)["status"] == "True", 0.5)
    Path(node.config.conf_dir, "10-test.conflist").unlink()
    await node.api.until(lambda: ready(node)["status"] == "False", 2.0)
    Path(node.config.conf_dir, "00-bad.conf").write_text("{")
    await node.api.until(lambda: "invalid cni config" in ready(node)["message"], 2.0)


@in_node
async def test_a_network_that_knows_status_is_asked(node: Node) -> None:
    plugin = Path("/run/bin/asked")
    plugin.parent.mkdir()
    plugin.write_text(
        '#!/bin/sh\n[ "$CNI_COMMAND" = STATUS ] || exit 0\n[ -e /run/fine ] && exit 0\n'
        'echo \'{"cniVersion": "1.1.0", "code": 50, "msg": "no packet came back", "details": "from 10.224.0.5"}\'\n'
        "exit 1\n"
    )
    plugin.chmod(stat.S_IRWXU)
    node.config = type(node.config)(**{name: getattr(node.config, name) for name in node.config.__slots__} | {
        "bin_dir": "/run/bin"})  # fmt: skip
    node.write_network({"cniVersion": "1.1.0", "name": "test", "plugins": [{"type": "asked"}]})
    await node.start_kubelet()
    await node.api.until(lambda: "no packet came back; from 10.224.0.5" in ready(node).get("message", ""))
    Path("/run/fine").touch()
    await node.api.until(lambda: ready(node)["status"] == "True", 1.0)


@in_node
async def test_a_node_that_is_there_already_keeps_what_others_wrote(node: Node) -> None:
    await node.api.create(
        "/api/v1/nodes",
        {
            "kind": "Node",
            "metadata": {"name": "n1", "labels": {"mine": "yes"}},
            "spec": {"podCIDR": "10.244.7.0/24"},
            "status": {"conditions": [{"type": "NetworkUnavailable", "status": "False"}]},
        },
    )
    node.write_network(BRIDGE)
    await node.start_kubelet()
    await node.api.until(lambda: ready(node).get("status") == "True")
    found = node.api.objects[NODE]
    assert found["spec"] == {"podCIDR": "10.244.7.0/24"}
    assert (found["metadata"]["labels"]["mine"], found["metadata"]["labels"]["agentpool"]) == ("yes", "pool")
    assert {one["type"] for one in found["status"]["conditions"]} == {
        "NetworkUnavailable", "MemoryPressure", "DiskPressure", "PIDPressure", "Ready",
    }  # fmt: skip
    assert len(found["status"]["nodeInfo"]) == 10
    assert found["status"]["capacity"]["pods"] == "250"
    assert json.dumps(found)
