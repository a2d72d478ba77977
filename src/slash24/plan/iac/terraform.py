"""A folder of Terraform: its variables, locals and resources of the azurerm provider, as Azure's resources."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from slash24.plan.iac import azurerm, functions
from slash24.plan.iac.expression import Bound, Call, Evaluator, Expression
from slash24.plan.iac.file import File, Kind
from slash24.plan.iac.hcl import Block
from slash24.plan.iac.node import Node, Place, Unknown, mapping
from slash24.plan.iac.resource import Reading, Resource, Unchecked

_AFTER_APPLY = "is known after apply only"
#: Words that begin a reference and are no type of a resource.
_META = frozenset({"var", "local", "data", "module", "each", "count", "self", "path", "terraform"})


class Lazy(Mapping[str, Node]):
    """An object whose fields are worked out when they are asked for. missing: what else it is asked for is worth."""

    def __init__(
        self, names: Sequence[str], make: Callable[[str], Node], missing: Callable[[str], Node] | None = None
    ) -> None:
        self._names = tuple(dict.fromkeys(names))
        self._make = make
        self._missing = missing
        self._made: dict[str, Node] = {}
        self._busy: set[str] = set()

    def __getitem__(self, name: str) -> Node:
        if name not in self._names:
            if self._missing is None:
                raise KeyError(name)
            return self._missing(name)
        if name not in self._made:
            if name in self._busy:
                return Node(Unknown(f"{name} refers to itself", f"<{name}>"), Place("", 1))
            self._busy.add(name)
            try:
                self._made[name] = self._make(name)
            finally:
                self._busy.discard(name)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@dataclass
class Module:
    """The files of one folder, each with what it says, as Terraform takes them together."""

    files: Sequence[tuple[File, Block]]
    evaluator: Evaluator = field(default_factory=lambda: Evaluator(functions.TERRAFORM))

    def __post_init__(self) -> None:
        self._blocks: list[tuple[File, Block]] = []
        self._values: dict[str, tuple[File, Expression]] = {}
        # terraform.tfvars first, *.auto.tfvars in the order of their names: the last one wins, as with Terraform.
        for file, body in sorted(self.files, key=lambda one: (one[0].name.endswith(".auto.tfvars"), one[0].name)):
            if file.kind == Kind.TERRAFORM:
                self._blocks += [(file, block) for block in body.blocks]
            elif file.name.endswith(("terraform.tfvars", ".auto.tfvars")):
                self._values |= {one.name: (file, one.value) for one in body.attributes}
        self._variables = {block.labels[0]: (file, block) for file, block in self._of("variable") if block.labels}
        self._locals = {
            one.name: (file, one.value) for file, block in self._of("locals") for one in block.attributes
        }  # fmt: skip
        here = Place(self.files[0][0].name if self.files else "", 1)
        self._roots: dict[str, Node] = {
            "var": Node(Lazy(list(self._variables), self._variable, self._hole("var", "has no default value")), here),
            "local": Node(Lazy(list(self._locals), self._local, self._hole("local", "is not set here")), here),
            "data": Node(self._types("data", here), here),
        } | dict(self._types("resource", here))

    def _of(self, kind: str) -> Iterator[tuple[File, Block]]:
        return ((file, block) for file, block in self._blocks if block.type == kind)

    def _hole(self, root: str, why: str) -> Callable[[str], Node]:
        place = Place(self.files[0][0].name if self.files else "", 1)
        return lambda name: Node(Unknown(f"{root}.{name} {why}", f"<{root}.{name}>"), place)

    def _variable(self, name: str) -> Node:
        file, block = self._variables[name]
        given = self._values.get(name)
        if given:
            return self.evaluator.value(given[1], self, given[0].name)
        default = block.get("default")
        if default is None:
            return Node(Unknown(f"var.{name} has no default value", f"<var.{name}>"), Place(file.name, block.line))
        return self.evaluator.value(default, self, file.name)

    def _local(self, name: str) -> Node:
        file, value = self._locals[name]
        return self.evaluator.value(value, self, file.name)

    def _types(self, kind: str, here: Place) -> dict[str, Node]:
        """Return what `azurerm_subnet.nodes` and `data.azurerm_subnet.nodes` mean: type -> name -> attributes."""
        names: dict[str, dict[str, tuple[File, Block]]] = {}
        for file, block in self._of(kind):
            if len(block.labels) == 2:
                names.setdefault(block.labels[0], {})[block.labels[1]] = (file, block)
        prefix = "data." if kind == "data" else ""

        def of_type(type_: str, found: dict[str, tuple[File, Block]]) -> Node:
            return Node(
                Lazy(
                    list(found),
                    lambda name: self._referred(f"{prefix}{type_}.{name}", *found[name]),
                    self._hole(f"{prefix}{type_}", "is not in these files"),
                ),
                here,
            )

        return {type_: of_type(type_, found) for type_, found in names.items()}

    def _referred(self, address: str, file: File, block: Block) -> Node:
        """Return what the address of a block stands for: an object, or several by number or key."""
        instances = list(self._instances(address, file, block))
        place = Place(file.name, block.line)
        if any(one.key is None for one in instances):
            return Node(Unknown(f"how many {address} there are is not known", f"<{address}>"), place)
        if block.get("count") is not None:
            return Node(tuple(one.referred for one in instances), place)
        if block.get("for_each") is not None:
            return Node(mapping({str(one.key): one.referred for one in instances}), place)
        return instances[0].referred

    def _instances(self, address: str, file: File, block: Block) -> Iterator["Instance"]:
        count, each = block.get("count"), block.get("for_each")
        place = Place(file.name, block.line)
        if count is not None:
            number = self.evaluator.value(count, self, file.name)
            if number.unknown or not isinstance(number.value, int):
                yield self._instance(address, file, block, None, {"count": _object(place, index=Node(0, place))})
                return
            for index in range(min(number.value, 100)):
                names = {"count": _object(place, index=Node(index, place))}
                yield self._instance(f"{address}[{index}]", file, block, str(index), names)
        elif each is not None:
            over = self.evaluator.value(each, self, file.name)
            pairs = _pairs(over)
            if pairs is None:
                hole = Node(Unknown("for_each is not known", "<each>"), place)
                yield self._instance(address, file, block, None, {"each": hole})
                return
            for key, value in pairs[:100]:
                names = {"each": _object(place, key=Node(key, place), value=value)}
                yield self._instance(f'{address}["{key}"]', file, block, key, names)
        else:
            yield self._instance(address, file, block, "", {})

    def _instance(
        self, address: str, file: File, block: Block, key: str | None, names: Mapping[str, Node]
    ) -> "Instance":
        scope = Bound(names, self)
        place = Place(file.name, block.line)
        attributes = {one.name: one for one in block.attributes}
        inner: dict[str, list[Block]] = {}
        for one in block.blocks:
            inner.setdefault(one.type, []).append(one)

        def make(name: str) -> Node:
            if name in attributes:
                found = self.evaluator.value(attributes[name].value, scope, file.name)
                return found.at(Place(file.name, attributes[name].line))
            if name in inner:
                bodies = tuple(self._body(one, scope, file.name) for one in inner[name])
                return Node(bodies, Place(file.name, inner[name][0].line))
            group, kind, parts = azurerm.identity(block.labels[0], Node(fields, place))
            return Node(azurerm.made_id(group, kind, parts), place)

        computed = ["id"] if azurerm.has_id(block.labels[0]) else []
        fields = Lazy([*attributes, *inner, *computed], make)
        referred = Lazy([*fields], fields.__getitem__, self._hole(address, _AFTER_APPLY))
        return Instance(key, Node(fields, place), Node(referred, place))

    def _body(self, block: Block, scope: "Bound", file: str) -> Node:
        fields = {
            one.name: self.evaluator.value(one.value, scope, file).at(Place(file, one.line)) for one in block.attributes
        }
        for inner in block.blocks:
            before = fields.get(inner.type)
            found = self._body(inner, scope, file)
            items = (*before.value, found) if before is not None and isinstance(before.value, tuple) else (found,)
            fields[inner.type] = Node(items, Place(file, inner.line))
        return Node(mapping(fields), Place(file, block.line))

    def lookup(self, name: str, evaluator: Evaluator) -> Node | None:  # noqa: ARG002  the protocol's
        if name in self._roots:
            return self._roots[name]
        if name in _META or "_" not in name:
            return None
        return Node(Unknown(f"{name} is not in these files", f"<{name}>"), Place("", 1))

    def call(self, call: Call, arguments: Sequence[Node], evaluator: Evaluator) -> Node | None:  # noqa: ARG002
        if call.name in ("try", "can"):  # the first that works; a hole doesn't
            if call.name == "can":
                return Node(not arguments[0].unknown, arguments[0].place) if arguments else None
            return next((one for one in arguments if not one.unknown), arguments[0]) if arguments else None
        if call.name in ("sensitive", "nonsensitive", "toset", "tolist", "tomap") and len(arguments) == 1:
            hole = arguments[0].unknown
            return arguments[0] if hole or call.name.endswith("sensitive") else None
        return None

    def read(self) -> Reading:
        """Return the resources of the azurerm provider that rules look at, and what is not followed."""
        resources: list[Resource] = []
        unchecked: list[Unchecked] = []
        for file, block in self._blocks:
            place = Place(file.name, block.line)
            if block.type == "module":
                source = block.get("source")
                text = f" ({self.evaluator.value(source, self, file.name).text})" if source else ""
                unchecked.append(Unchecked(place, f"module {' '.join(block.labels)}{text} is not followed"))
            if block.type not in ("resource", "data") or len(block.labels) != 2 or not azurerm.has_id(block.labels[0]):
                continue
            unchecked += self._dynamic(file, block)
            for one in self._instances(".".join(block.labels), file, block):
                if one.key is None:
                    what = "count" if block.get("count") is not None else "for_each"
                    unchecked.append(
                        Unchecked(place, f"whether it is made: {what} of {'.'.join(block.labels)} is not known")
                    )
                resources += azurerm.resources(block.labels[0], one.attributes, existing=block.type == "data")
        return Reading(tuple(resources), tuple(unchecked))

    def _dynamic(self, file: File, block: Block) -> Iterator[Unchecked]:
        for inner in block.blocks:
            if inner.type == "dynamic":
                label = inner.labels[0] if inner.labels else "?"
                yield Unchecked(Place(file.name, inner.line), f"a dynamic block {label} is not followed")


@dataclass(frozen=True, slots=True)
class Instance:
    """One of the things that a block makes.

    key: its number or key, "" without one, None if they are not known. attributes: what is written. referred: what its
    address stands for in other blocks, where an attribute that isn't written is known to Azure alone.
    """

    key: str | None
    attributes: Node
    referred: Node


def _object(place: Place, **fields: Node) -> Node:
    return Node(mapping(fields), place)


def _pairs(over: Node) -> list[tuple[str, Node]] | None:
    if isinstance(over.value, tuple):
        return None if any(item.unknown for item in over.value) else [(item.text, item) for item in over.value]
    return list(over.value.items()) if isinstance(over.value, Mapping) else None


def read_folder(files: Sequence[tuple[File, Block]]) -> Reading:
    """Return what the parsed Terraform files of one folder make."""
    return Module(files).read()
