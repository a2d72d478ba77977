"""What is free on a node: pods are placed on paper, as the scheduler would place them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from slash24.lab.placement import NodeView, refusal

Object = Mapping[str, Any]


class Room:
    """A node with the pods that it has, and those that are put there on paper."""

    def __init__(self, node: NodeView, pods: int = 0) -> None:
        self.node = node
        self._pods = pods

    @property
    def idle(self) -> float:
        """The share of the node that nobody uses, 0 to 1."""
        return 1 - self._pods / self.node.places if self.node.places else 0.0

    def take(self, pod: Object) -> bool:
        """Put a pod here; return False, and change nothing, if it can't be here."""
        if self._pods >= self.node.places or refusal(pod["spec"], self.node) is not None:
            return False
        self._pods += 1
        return True

    def give_back(self) -> None:
        """Take the pod that was put here last away again."""
        self._pods -= 1


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
