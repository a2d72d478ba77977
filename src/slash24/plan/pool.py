"""A node pool as asked for; empty is not given, None is unknown, as in the cluster's request."""

import re
from dataclasses import dataclass

from slash24.plan.finding import UnknownFact, known
from slash24.plan.surge import DEFAULT_SURGE, surge_nodes

_SURGE = re.compile(r"(\d+)(%?)")


@dataclass(frozen=True, slots=True)
class PoolRequest:
    """A node pool as asked for.

    count: nodes; present: how many of them it has already. max_pods: 0 is the model's default.
    mode: System, User or Gateway. os: Linux or Windows; os_sku: as in Windows2019 or Ubuntu2204.
    subnet_id: "" is the managed one. pod_subnet_id: of Azure CNI Pod Subnet; pod_allocation: DynamicIndividual or
    StaticBlock. vm_set: VirtualMachineScaleSets, AvailabilitySet or VirtualMachines. max_surge: "3" or "33%".
    """

    name: str | None = "nodepool1"
    count: int | None = 3
    max_pods: int | None = 0
    mode: str | None = "System"
    autoscale: bool | None = False
    min_count: int | None = None
    max_count: int | None = None
    subnet_id: str | None = ""
    present: int = 0
    pod_subnet_id: str | None = ""
    pod_allocation: str | None = ""
    os: str | None = "Linux"
    os_sku: str | None = ""
    vm_size: str | None = ""
    vm_set: str | None = ""
    max_surge: str | None = ""
    gateway_prefix: int | None = 0
    public_ip: bool | None = False

    @property
    def nodes(self) -> int:
        return known(self.count, f"the node count of pool {self.name}")

    @property
    def peak(self) -> int:
        """The most nodes the pool can have without another request."""
        if known(self.autoscale, f"whether pool {self.name} is autoscaled"):
            return known(self.max_count, f"the maximum count of pool {self.name}")
        return self.nodes

    @property
    def surge(self) -> int:
        """How many nodes an upgrade adds at once, when the pool is at its peak."""
        return self.surge_at(self.peak)

    def surge_at(self, nodes: int) -> int:
        """Return how many nodes an upgrade adds when the pool has so many. Raises UnknownFact if max surge is none."""
        given = known(self.max_surge, f"max surge of pool {self.name}")
        if surge_fault(given):
            raise UnknownFact(f"what max surge {given!r} of pool {self.name} means")
        return surge_nodes(given, nodes)


def surge_fault(max_surge: str) -> str:
    """Return az's own sentence about a max surge, "" if az would send it.

    >>> surge_fault("33%"), surge_fault("0")
    ('', '--max-surge must be positive')
    """
    found = _SURGE.fullmatch(max_surge or DEFAULT_SURGE)
    if found is None:
        return "--max-surge should be an int or percentage"
    return "" if int(found[1]) > 0 else "--max-surge must be positive"
