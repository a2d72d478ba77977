"""What the ARM face asks of the lab: to make networks and clusters real."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from slash24.core.topology import Cluster, VNet

Report = Callable[[str], None]  # called with a title when a step begins


class Provisioner(Protocol):
    """The lab, as ARM sees it. Every failure that a user can understand is a Slash24Error."""

    async def ensure_vnet(self, vnet: VNet) -> None:
        """Make the VNet, or change it to what is given; subnets that are not given go."""

    async def delete_vnet(self, vnet_id: str) -> None:
        """Remove the VNet. Raises Slash24Error if addresses of it are in use; a VNet that isn't there is no error."""

    async def ensure_cluster(self, cluster: Cluster, report: Report) -> None:
        """Make the lab match: create the cluster, or add and remove nodes. Returns when its nodes are Ready."""

    async def delete_cluster(self, cluster_id: str, report: Report) -> None:
        """Remove the cluster with all it holds. A cluster that isn't there, or is half made, is no error."""

    def addresses_used(self, subnet_id: str) -> int:
        """Return how many addresses of a subnet network cards have now."""

    def kubeconfig(self, cluster_id: str) -> str:
        """Return a kubeconfig, YAML, with which kubectl reaches the cluster."""

    def counts(self, cluster_id: str) -> Mapping[str, int]:
        """Return how many nodes each pool of a cluster should have now; {} if the cluster isn't there."""

    def nodes(self, cluster_id: str) -> Mapping[str, Sequence[str]]:
        """Return the names of the nodes by pool."""
