"""The networking models of AKS, side by side: where a pod's address comes from, and what that costs."""

from dataclasses import dataclass
from enum import StrEnum


class Model(StrEnum):
    """How pods of a cluster get their addresses (docs/sources.md#models)."""

    KUBENET = "kubenet"
    NODE_SUBNET = "node-subnet"  # Azure CNI, flat: pods share the nodes' subnet
    POD_SUBNET = "pod-subnet"  # Azure CNI, flat: a second subnet, addresses in batches
    POD_SUBNET_STATIC = "pod-subnet-static"  # the same with /28 blocks that stay with a node
    OVERLAY = "overlay"
    BYO = "byo"  # --network-plugin none: the user's own CNI


@dataclass(frozen=True, slots=True)
class Traits:
    """What a model is.

    title: as the documents call it. pod_cidr: pods have addresses of a private range of the cluster, one block a node.
    routes: every node needs a route in the subnet's route table. max_pods: pods a node takes if nobody says otherwise.
    max_nodes: of a cluster; None where only addresses limit it. windows: whether a pool may run Windows.
    """

    title: str
    pod_cidr: bool
    routes: bool
    max_pods: int
    max_nodes: int | None
    windows: bool


TRAITS = {
    Model.KUBENET: Traits("kubenet", True, True, 110, 400, False),
    Model.NODE_SUBNET: Traits("Azure CNI Node Subnet", False, False, 30, None, True),
    Model.POD_SUBNET: Traits("Azure CNI Pod Subnet", False, False, 250, None, True),
    Model.POD_SUBNET_STATIC: Traits("Azure CNI Pod Subnet, static blocks", False, False, 250, None, True),
    Model.OVERLAY: Traits("Azure CNI Overlay", True, False, 250, 5000, True),
    Model.BYO: Traits("bring your own CNI", True, False, 250, None, False),
}
