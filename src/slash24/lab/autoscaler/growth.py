"""Which pool should grow, by how many nodes, for pods that find no place; and why a pool can't. Pure."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slash24.lab.autoscaler.rooms import Room
from slash24.lab.placement import NodeView, refusal

Object = Mapping[str, Any]

MAX_SIZE = "max node group size reached"
BACKOFF = "in backoff after failed scale-up"


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """One autoscaled pool: what a node of it would be like, and how many it has, may have, and can still get.

    name: its scale set's. spare: addresses of the subnet and node blocks that are free; shortage: which of them is
    none, for a user.
    """

    name: str
    pool: str
    size: int
    floor: int
    ceiling: int
    template: NodeView
    spare: int = 1
    shortage: str = ""
    in_backoff: bool = False

    @property
    def obstacle(self) -> str:
        """Why it can't grow at all, in the cluster autoscaler's words; "" if it can."""
        if self.size >= self.ceiling:
            return MAX_SIZE
        if self.spare <= 0:
            return self.shortage
        return BACKOFF if self.in_backoff else ""


@dataclass(frozen=True, slots=True)
class Growth:
    """A way to help: `nodes` more in `group` take `pods`; `idle` is the share of them that stays unused."""

    group: NodeGroup
    nodes: int
    pods: tuple[Object, ...]
    idle: float

    @property
    def shown(self) -> str:
        """The growth as the cluster autoscaler writes it into events."""
        group = self.group
        return f"{{{group.name} {group.size}->{group.size + self.nodes} (max: {group.ceiling})}}"


def growths(pods: Sequence[Object], groups: Sequence[NodeGroup]) -> list[Growth]:
    """Return, for each pool that can help, how far it would have to grow; pods that it can't take are left out."""
    found = (_growth(pods, group) for group in groups if not group.obstacle)
    return [growth for growth in found if growth.nodes]


def _growth(pods: Sequence[Object], group: NodeGroup) -> Growth:
    most = min(group.ceiling - group.size, group.spare)
    rooms: list[Room] = []
    placed: list[Object] = []
    for pod in pods:
        if any(room.take(pod) for room in rooms):
            placed.append(pod)
        elif len(rooms) < most:
            room = Room(group.template)
            if room.take(pod):
                rooms.append(room)
                placed.append(pod)
    idle = sum(room.idle for room in rooms) / len(rooms) if rooms else 0.0
    return Growth(group, len(rooms), tuple(placed), idle)


def why_none(pod: Object, groups: Sequence[NodeGroup]) -> str:
    """Return why no pool grows for a pod: reasons with the number of pools that have them."""
    reasons = Counter(group.obstacle or refusal(pod["spec"], group.template) or "Too many pods" for group in groups)
    return ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))


def choose(
    options: Sequence[Growth],
    expander: str,
    priorities: Mapping[int, Sequence[str]],
    pick: Callable[[Sequence[Growth]], Growth],
) -> Growth:
    """Return the option that the expander prefers; among equals, `pick` chooses.

    expander: random, most-pods, least-waste or priority. priorities: for the last, patterns of scale set names by
    priority; the highest that matches wins, and without a match every option is as good.
    """
    match expander:
        case "most-pods":
            best = max(len(option.pods) for option in options)
            options = [option for option in options if len(option.pods) == best]
        case "least-waste":
            least = min(option.idle for option in options)
            options = [option for option in options if option.idle == least]
        case "priority":
            for priority in sorted(priorities, reverse=True):
                patterns = priorities[priority]
                matched = [one for one in options if any(re.search(pattern, one.group.name) for pattern in patterns)]
                if matched:
                    options = matched
                    break
    return pick(options)
