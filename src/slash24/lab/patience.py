"""How long a lab's Kubernetes waits for a silent node, and its pods on such a node: a lab's own settings."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

#: Seconds of grace for each node of a cluster: so many nodes at most renew their Lease in a second.
_GRACE_S_A_NODE = 0.1


@dataclass(frozen=True, slots=True)
class Patience:
    """Kubernetes has 50 s of grace and 300 s of toleration; a lab is there to see things happen.

    node_grace_s: how long a kubelet may be silent (kube-controller-manager --node-monitor-grace-period).
    toleration_s: how long pods stay on a node that is not ready (kube-apiserver
    --default-unreachable-toleration-seconds, and --default-not-ready-toleration-seconds).
    """

    node_grace_s: float = 5.0
    toleration_s: int = 30

    def lease_s(self, nodes: int) -> int:
        """Return the length of a kubelet's Lease in a cluster of so many nodes, in seconds.

        >>> Patience().lease_s(3), Patience().lease_s(300)
        (5, 30)
        """
        return round(max(self.node_grace_s, nodes * _GRACE_S_A_NODE))


def read(file: Path) -> Patience:
    """Return the settings of a lab; the defaults if it has none of its own."""
    return Patience(**json.loads(file.read_text())) if file.exists() else Patience()


def write(file: Path, patience: Patience) -> None:
    file.write_text(json.dumps(asdict(patience)))
