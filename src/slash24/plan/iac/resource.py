"""What readers find: Azure's resources in ARM's shape, whatever language they were written in."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from slash24.core.topology import resource_key
from slash24.plan.iac.node import Node, Place, Value, mapping

CLUSTER = "microsoft.containerservice/managedclusters"
POOL = "microsoft.containerservice/managedclusters/agentpools"
VNET = "microsoft.network/virtualnetworks"
SUBNET = "microsoft.network/virtualnetworks/subnets"
ROUTE_TABLE = "microsoft.network/routetables"
KINDS = (CLUSTER, POOL, VNET, SUBNET, ROUTE_TABLE)


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource, or a change of one.

    kind: ARM's type in lower case. id: its ARM id with holes, as `resource_key` makes it. body: ARM's document, of
    which only what is written is there. existing: only referred to, not made here. change: the resource is there
    already and this changes it.
    """

    kind: str
    id: str
    body: Node
    place: Place
    existing: bool = False
    change: bool = False

    @property
    def name(self) -> str:
        return self.id.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Unchecked:
    """Something that no rule has looked at, and why."""

    place: Place
    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What is in the files."""

    resources: tuple[Resource, ...] = ()
    unchecked: tuple[Unchecked, ...] = ()

    @staticmethod
    def together(readings: "Iterable[Reading]") -> "Reading":
        parts = list(readings)
        return Reading(
            tuple(resource for part in parts for resource in part.resources),
            tuple(sorted({one for part in parts for one in part.unchecked}, key=lambda one: (one.place, one.reason))),
        )


def id_of(group: str, kind: str, names: Sequence[str]) -> str:
    """Return the key of a resource: `id_of("rg", SUBNET, ["v", "s"])`; parts may have holes."""
    namespace, *types = kind.split("/")
    tail = "/".join(f"{one}/{name}" for one, name in zip(types, names, strict=False))
    return resource_key(f"/resourceGroups/{group}/providers/{namespace}/{tail}")


def full_id(group: str, kind: str, names: Sequence[str], subscription: str = "<subscription>") -> str:
    """Return the id as ARM spells it, with a hole for the subscription."""
    return f"/subscriptions/{subscription}{id_of(group, kind, names)}"


class Draft:
    """A document being put together, path by path."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._root: dict[str, Draft | Node] = {}

    def put(self, path: str, node: Node) -> None:
        """Set what is at a path such as `properties.networkProfile.podCidr`; null sets nothing."""
        if node.value is None:
            return
        head, _, rest = path.partition(".")
        if not rest:
            self._root[head] = node
            return
        inner = self._root.get(head)
        if not isinstance(inner, Draft):
            inner = self._root[head] = Draft(node.place)
        inner.put(rest, node)

    def set(self, path: str, value: Value) -> None:
        """Set a value that the document has without being told."""
        self.put(path, Node(value, self._place))

    def node(self) -> Node:
        fields = {key: one.node() if isinstance(one, Draft) else one for key, one in self._root.items()}
        return Node(mapping(fields), self._place)


def overlaid(below: Node, above: Node) -> Node:
    """Return a document with another laid over it: fields of objects together, anything else from above."""
    if not (isinstance(below.value, Mapping) and isinstance(above.value, Mapping)):
        return above
    fields = dict(below.value)
    for key, node in above.value.items():
        fields[key] = overlaid(fields[key], node) if key in fields else node
    return Node(mapping(fields), above.place)
