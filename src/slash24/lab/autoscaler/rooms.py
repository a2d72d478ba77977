"""What is free on a node: pods are placed on paper, as the scheduler would place them."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from slash24.lab.placement import Amounts, NodeView, refusal, requests_of, shortages

Object = Mapping[str, Any]


class Room:
    """A node with the pods that it has, and those that are put there on paper."""

    def __init__(self, node: NodeView, pods: Iterable[Object] = ()) -> None:
        self.node = node
        self._taken: list[Amounts] = []
        self._used: dict[str, Fraction] = {}
        for pod in pods:
            self._put(requests_of(pod["spec"]))

    @property
    def idle(self) -> float:
        """The share of the node that nobody uses, 0 to 1: of its places for pods, or of what it has less left of."""
        if not self.node.places:
            return 0.0
        shares = [len(self._taken) / self.node.places]
        have = self.node.allocatable
        shares += [float(used / have[name]) for name, used in self._used.items() if have.get(name)]
        return 1 - max(shares)

    def take(self, pod: Object) -> bool:
        """Put a pod here; return False, and change nothing, if it can't be here."""
        asked = requests_of(pod["spec"])
        if refusal(pod["spec"], self.node) is not None or shortages(asked, self.node, len(self._taken), self._used):
            return False
        self._put(asked)
        return True

    def give_back(self) -> None:
        """Take the pod that was put here last away again."""
        for name, amount in self._taken.pop().items():
            self._used[name] -= amount

    def _put(self, asked: Amounts) -> None:
        self._taken.append(asked)
        for name, amount in asked.items():
            self._used[name] = self._used.get(name, Fraction(0)) + amount


def place(pods: Iterable[Object], rooms: Sequence[Room]) -> list[Object]:
    """Put each pod into the first room that takes it; return those that found none."""
    return [pod for pod in pods if not any(room.take(pod) for room in rooms)]


def place_all(pods: Sequence[Object], rooms: Sequence[Room]) -> set[str] | None:
    """Put all pods into rooms, or none of them; return the nodes that took one, None if some pod found no place."""
    used: list[Room] = []
    for pod in pods:
        room = next((room for room in rooms if room.take(pod)), None)
        if room is None:
            for taken in used:
                taken.give_back()
            return None
        used.append(room)
    return {room.node.name for room in used}
