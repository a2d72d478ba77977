"""What ARM templates and Bicep files share: symbols of resources and parameters, and the functions that give ids."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from slash24.plan.iac import functions
from slash24.plan.iac.expression import Call, Evaluator, Expression
from slash24.plan.iac.node import Node, Place, Unknown, mapping
from slash24.plan.iac.resource import full_id

_NOT_TOLD = "is known to the deployment only"
_GROUP = "<group>"


@dataclass
class Deployment:
    """Names of one template: its parameters and variables, each worked out when first asked for.

    makers: lower-case name -> what gives its value.
    """

    file: str
    makers: dict[str, Callable[[], Node]] = field(default_factory=dict)
    evaluator: Evaluator = field(default_factory=lambda: Evaluator(functions.BICEP))

    def __post_init__(self) -> None:
        self._values: dict[str, Node] = {}
        self._busy: set[str] = set()

    def define(self, name: str, expression: Expression) -> None:
        self.makers[name.lower()] = lambda: self.evaluator.value(expression, self, self.file)

    def lookup(self, name: str, evaluator: Evaluator) -> Node | None:  # noqa: ARG002  the protocol's
        key = name.lower()
        if key in self._values:
            return self._values[key]
        maker = self.makers.get(key)
        if maker is None:
            return None
        if key in self._busy:
            return Node(Unknown(f"{name} refers to itself", f"<{name}>"), Place(self.file, 1))
        self._busy.add(key)
        try:
            self._values[key] = maker()
        finally:
            self._busy.discard(key)
        return self._values[key]

    def call(self, call: Call, arguments: Sequence[Node], evaluator: Evaluator) -> Node | None:
        place = Place(self.file, call.line)
        match call.name.lower():
            case "parameters" | "variables":
                name = arguments[0].text if arguments else ""
                return self.lookup(name, evaluator) or Node(Unknown(f"{name} is not declared", f"<{name}>"), place)
            case "resourceid":
                return Node(_resource_id(arguments), place)
            case "resourcegroup" | "subscription" | "deployment" | "tenant" | "managementgroup":
                return self._told_at_run(call.name, arguments, place)
            case (
                "reference"
                | "uniquestring"
                | "newguid"
                | "utcnow"
                | "getsecret"
                | "loadtextcontent"
                | "loadjsoncontent"
            ):
                text = ",".join(argument.text for argument in arguments)
                return Node(Unknown(f"{call.name}() {_NOT_TOLD}", f"<{call.name}({text})>"), place)
        return None

    def _told_at_run(self, name: str, arguments: Sequence[Node], place: Place) -> Node:
        """Return what `resourceGroup()` and its like are: an object of which no field is known, a name at most."""
        given = arguments[-1].text if arguments else f"<{'group' if name.lower() == 'resourcegroup' else name}>"
        hole = Unknown(f"{name}() {_NOT_TOLD}", given)
        known = Node(given if arguments else hole, place)
        fields = {one: Node(Unknown(hole.reason, f"<{name}().{one}>"), place) for one in ("location", "id", "tags")}
        fields["subscriptionId"] = Node(Unknown(hole.reason, "<subscription>"), place)
        return Node(mapping({"name": known, **fields}), place)


def _resource_id(arguments: Sequence[Node]) -> Unknown:
    """Return the id that `resourceId([subscription,] [group,] type, name, ...)` makes."""
    texts = [argument.text for argument in arguments]
    at = next((index for index, text in enumerate(texts) if "/" in text and "." in text.partition("/")[0]), None)
    if at is None:
        return Unknown("resourceId() without a type", "<resourceId>")
    group = texts[at - 1] if at else _GROUP
    return Unknown(f"the subscription {_NOT_TOLD}", full_id(group, texts[at].lower(), texts[at + 1 :]))


def symbol(kind: str, names: tuple[str, ...], group: str, body: Callable[[], Node], place: Place) -> Node:
    """Return what the symbol of a resource stands for: its id and name, and its properties as they are written."""
    key = Unknown(f"the subscription {_NOT_TOLD}", full_id(group, kind.lower(), names))
    return Node(Symbol(Node(key, place), names, body, kind), place)


class Symbol(Mapping[str, Node]):
    """A resource as other expressions see it. What it doesn't say is a hole."""

    def __init__(self, key: Node, names: tuple[str, ...], body: Callable[[], Node], kind: str) -> None:
        self.key = key
        self.names = names
        self.kind = kind
        self._body = body

    def __getitem__(self, name: str) -> Node:
        if name == "id":
            return self.key
        found = self._body().get(name)
        if found is not None:
            return self._with_ids(found) if name == "properties" else found
        return Node(Unknown(f"{name} {_NOT_TOLD}", f"<{self.names[-1]}.{name}>"), self.key.place)

    def _with_ids(self, properties: Node) -> Node:
        """Return a VNet's properties with the ids of its subnets, which `properties.subnets[0].id` asks for."""
        subnets = properties.get("subnets")
        if subnets is None or not isinstance(subnets.value, tuple) or not isinstance(properties.value, Mapping):
            return properties
        items = []
        for subnet in subnets.value:
            name = subnet.get("name")
            key = Node(
                Unknown(
                    self.key.unknown.reason if self.key.unknown else "",
                    f"{self.key.text}/subnets/{name.text if name else ''}",
                ),
                subnet.place,
            )
            fields = dict(subnet.value) if isinstance(subnet.value, Mapping) else {}
            items.append(Node(mapping({**fields, "id": key}), subnet.place))
        return Node(mapping({**properties.value, "subnets": Node(tuple(items), subnets.place)}), properties.place)

    def __iter__(self) -> Iterator[str]:
        return iter(("id", "name", "properties"))

    def __len__(self) -> int:
        return 3
