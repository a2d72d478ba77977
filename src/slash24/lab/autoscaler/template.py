"""A node that a pool could add, as the scheduler would see it."""

from slash24.core.topology import Cluster, NodePool
from slash24.lab.kubelet.node import NodeFacts
from slash24.lab.names import node_labels, scale_set
from slash24.lab.nodes import read_taint
from slash24.lab.placement import NodeView, view_node


def template(cluster: Cluster, pool: NodePool) -> NodeView:
    """Return the view of a fresh node: what its kubelet would register, and Ready."""
    name = scale_set(cluster, pool)
    facts = NodeFacts(
        name=name,
        address="",
        max_pods=pool.max_pods,
        version=f"v{pool.version}",
        boot_id="",
        labels=node_labels(cluster, pool, name, vnet_name=pool.subnet_id.split("/")[-3]),
        taints=[read_taint(text) for text in pool.taints],
    )
    node = facts.manifest()
    node["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    return view_node(node)
