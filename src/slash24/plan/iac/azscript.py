"""Scripts that call az: what its commands make, from their options and the script's own variables."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from slash24.plan.iac import az_options, resource, settings, shell
from slash24.plan.iac.expression import Call, Evaluator, Expression, joined
from slash24.plan.iac.file import MAX_NESTING, File
from slash24.plan.iac.node import Node, Place, Unknown
from slash24.plan.iac.resource import Draft, Reading, Resource, Unchecked, full_id, id_of
from slash24.plan.iac.settings import Setting, Type
from slash24.plan.iac.shell import Command, Word

#: Short and older names -> the name that the table of settings has.
_ALIASES = {
    "-g": "--resource-group", "-n": "--name", "-l": "--location", "-c": "--node-count", "-s": "--node-vm-size",
    "-m": "--max-pods", "-k": "--kubernetes-version", "--address-prefix": "--address-prefixes",
    "--subnet-prefix": "--subnet-prefixes", "--vnet": "--vnet-name", "--nodepool-name": "--nodepool-name",
    "--disable-cluster-autoscaler": "--disable-cluster-autoscaler", "--nsg": "--network-security-group",
}  # fmt: skip
_POOL_COMMANDS = ("aks nodepool add", "aks nodepool update", "aks nodepool scale", "aks nodepool upgrade")
_ID_QUERIES = ("id", "newvnet.id", "subnets[0].id", "newvnet.subnets[0].id", "properties.id")


@dataclass(frozen=True, slots=True)
class UnknownOption:
    """An option that az doesn't have. near: one that it has and that looks alike, or ""."""

    command: str
    option: str
    near: str
    place: Place


@dataclass
class _Call:
    """One call of az: its words, its options with their values, and where they stand."""

    name: str
    options: dict[str, list[Node]]
    places: dict[str, Place]
    place: Place

    def get(self, option: str) -> Node | None:
        values = self.options.get(option)
        return joined(values, self.places[option]) if values and len(values) == 1 else None

    def text(self, option: str, default: str) -> str:
        found = self.get(option)
        return found.text if found else default

    def listed(self, option: str) -> Node | None:
        """Return the values of an option that takes several, be they apart by blanks or by commas."""
        values = self.options.get(option)
        if values is None:
            return None
        items = [
            Node(part.strip(), value.place)
            for value in values
            if not value.unknown
            for part in value.text.split(",")
            if part.strip()
        ]
        hole = next((value for value in values if value.unknown), None)
        return hole or Node(tuple(items), self.places[option])


@dataclass
class Script:
    """Walks through one script, in its order."""

    file: File
    evaluator: Evaluator = field(default_factory=lambda: Evaluator({}))
    resources: list[Resource] = field(default_factory=list)
    unchecked: list[Unchecked] = field(default_factory=list)
    unknown_options: list[UnknownOption] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.powershell = shell.is_powershell(self.file)
        self._variables: dict[str, Node] = {}
        self._group: str = "<group>"
        self._depth = 0

    def read(self) -> Reading:
        self._run(self.file.text, 1)
        return Reading(tuple(self.resources), tuple(self.unchecked))

    def _run(self, text: str, line: int) -> Node | None:
        """Take in a script; return what its last call of az prints, as far as that is known."""
        printed = None
        for command in shell.commands(text, self.file.name, powershell=self.powershell, line=line, depth=self._depth):
            printed = self._command(command)
        return printed

    def lookup(self, name: str, evaluator: Evaluator) -> Node | None:  # noqa: ARG002  the protocol's
        return self._variables.get(name.lower() if self.powershell else name)

    def call(self, call: Call, arguments: Sequence[Node], evaluator: Evaluator) -> Node | None:  # noqa: ARG002
        place = Place(self.file.name, call.line)
        if call.name == shell.DEFAULT:
            given, default = arguments
            return default if given.unknown and given.unknown.reason.endswith("is not set here") else given
        if call.name != shell.SUBSTITUTION:
            return None
        if self._depth >= MAX_NESTING:
            return Node(Unknown("commands are nested too deep", "<command>"), place)
        self._depth += 1
        try:
            printed = self._run(arguments[0].text, call.line)
        finally:
            self._depth -= 1
        return printed or Node(Unknown("what a command prints is not known", "<command>"), place)

    def _value(self, expression: Expression) -> Node:
        return self.evaluator.value(expression, self, self.file.name)

    def _command(self, command: Command) -> Node | None:
        words = self._assigned(command)
        if not words:
            return None
        first = words[0].literal
        if first == "az":
            return self._az(words[1:], Place(self.file.name, words[0].line))
        if first in ("export", "local", "readonly", "declare", "set") and len(words) > 1:
            self._assigned(Command(tuple(words[1:]), command.line, command.branch))
        elif first in ("for", "foreach", "read", "mapfile", "readarray"):
            for word in words[1:]:
                self._forget(word.literal)
        elif first.startswith("--") and not self.powershell:
            place = Place(self.file.name, words[0].line)
            self.unchecked.append(Unchecked(place, "a line begins with an option: the line before it doesn't go on"))
        return None

    def _forget(self, name: str) -> None:
        place = Place(self.file.name, 1)
        self._variables[name] = Node(Unknown(f"{name} is set by the script when it runs", f"<{name}>"), place)

    def _assigned(self, command: Command) -> list[Word]:
        """Take in the variables that a command sets before it begins; return the rest of it."""
        words = list(command.words)
        if self.powershell:
            return self._assigned_powershell(words, command)
        while words and "=" in words[0].literal and words[0].literal.partition("=")[0].rstrip("+").isidentifier():
            word = words.pop(0)
            name, _, _ = word.literal.partition("=")
            if command.array is not None and not words:
                value: Node | None = Node(tuple(self._several(command.array)), Place(self.file.name, word.line))
            else:
                whole = self._value(word.value)
                text = whole.text[len(name) + 1 :]
                value = Node(Unknown(whole.unknown.reason, text) if whole.unknown else text, whole.place)
            self._set(name, value, command)
        return words

    def _assigned_powershell(self, words: list[Word], command: Command) -> list[Word]:
        from slash24.plan.iac.expression import Name

        if len(words) > 2 and isinstance(words[0].value, Name) and words[1].literal == "=":
            name, rest = words[0].value.name.lower(), words[2:]
            value = self._az(rest[1:], Place(self.file.name, rest[0].line)) if rest[0].literal == "az" else None
            if rest[0].literal != "az" and len(rest) == 1:
                value = self._value(rest[0].value)
            self._set(name, value, command)
            return []
        return words

    def _set(self, name: str, value: Node | None, command: Command) -> None:
        place = Place(self.file.name, command.line)
        if value is None:
            value = Node(Unknown(f"what {name} is set to is not followed", f"<{name}>"), place)
        plus = name.endswith("+")
        name = name.rstrip("+")
        if plus and name in self._variables and isinstance(value.value, tuple):
            before = self._variables[name]
            value = Node((*before.items(), *value.value), place) if not before.unknown else before
        if command.branch:  # which branch runs is not known, so neither is the value
            value = Node(Unknown(f"{name} is set in a branch of the script", f"<{name}>"), place)
        self._variables[name] = value

    def _several(self, words: Sequence[Word]) -> Iterator[Node]:
        """Yield the values of words; a variable without quotes is as many words as it has, an array its items."""
        for word in words:
            node = self._value(word.value)
            if isinstance(node.value, tuple):
                yield from (item.at(Place(self.file.name, word.line)) for item in node.value)
            elif not word.quoted and not word.literal and not node.unknown and not self.powershell:
                yield from (Node(part, node.place) for part in node.text.split())
            else:
                yield node

    def _az(self, words: Sequence[Word], place: Place) -> Node | None:
        values = list(self._several(words))
        verb: list[str] = []
        while values and not values[0].text.startswith("-") and not values[0].unknown:
            verb.append(values.pop(0).text)
        call = self._parsed(" ".join(verb), values, place)
        if call.name in ("configure", "config set"):
            self._defaults(values)
        self._judge_options(call)
        return self._effect(call)

    def _parsed(self, name: str, values: Sequence[Node], place: Place) -> _Call:
        options: dict[str, list[Node]] = {}
        places: dict[str, Place] = {}
        current = ""
        for node in values:
            text = node.text
            if text.startswith("-") and not node.unknown and not text[1:2].isdecimal():
                option, equals, value = text.partition("=")
                current = _ALIASES.get(option, option)
                if name in _POOL_COMMANDS and current == "--name":
                    current = "--nodepool-name"
                options[current] = [Node(value, node.place)] if equals else []
                places[current] = node.place
            elif current:
                options[current].append(node)
                if node.unknown and len(options[current]) > 1:
                    self.unchecked.append(Unchecked(node.place, f"{text} may hold more options: {node.unknown.reason}"))
            elif node.unknown:
                self.unchecked.append(Unchecked(node.place, f"{text} may hold options: {node.unknown.reason}"))
        return _Call(name, options, places, place)

    def _defaults(self, values: Sequence[Node]) -> None:
        for node in values:
            key, _, value = node.text.partition("=")
            if key in ("group", "defaults.group") and value:
                self._group = value

    def _judge_options(self, call: _Call) -> None:
        known = az_options.OPTIONS.get(call.name)
        if known is None:
            return
        for option, place in call.places.items():
            names = [option, *(short for short, long in _ALIASES.items() if long == option)]
            if any(name in known or name in az_options.COMMON for name in names):
                continue
            if option == "--nodepool-name" or len([name for name in known if name.startswith(option)]) == 1:
                continue  # az takes the beginning of an option's name where it is one option's only
            near = difflib.get_close_matches(option, known, 1, cutoff=0.75)
            self.unknown_options.append(UnknownOption(call.name, option, near[0] if near else "", place))

    def _effect(self, call: _Call) -> Node | None:
        """Keep what a call makes; return what it prints where that is the id of something."""
        group, name = call.text("--resource-group", self._group), call.text("--name", "<name>")
        kind, names = _subject(call, name)
        if call.name == "account show" and call.text("--query", "") == "id":
            return Node(Unknown("the subscription is not in the script", "<subscription>"), call.place)
        if kind is None:
            return None
        key = id_of(group, kind, names)
        verb = call.name.rpartition(" ")[2]
        made = _MAKERS.get(call.name)
        if made is not None:
            body = made(call)
            change = verb not in ("create", "add")
            self.resources.append(Resource(kind, key, body, call.place, change=change))
            if call.name == "network vnet create" and "--subnet-name" in call.options:
                subnet = call.text("--subnet-name", "")
                inner = _subnet_body(call, "--subnet-name", "--subnet-prefixes")
                self.resources.append(
                    Resource(resource.SUBNET, id_of(group, resource.SUBNET, (name, subnet)), inner, call.place)
                )
        if call.text("--query", "").strip().lower() not in _ID_QUERIES:
            return None
        if call.name == "network vnet create" and "subnets" in call.text("--query", ""):
            kind, names = resource.SUBNET, (name, call.text("--subnet-name", "<subnet>"))
        return Node(Unknown("the subscription is not in the script", full_id(group, kind, names)), call.place)


def _subject(call: _Call, name: str) -> tuple[str | None, tuple[str, ...]]:
    """Return the kind and the names of what a call is about."""
    noun = call.name.rpartition(" ")[0]
    match noun:
        case "aks":
            return resource.CLUSTER, (name,)
        case "aks nodepool":
            return resource.POOL, (call.text("--cluster-name", "<cluster>"), call.text("--nodepool-name", "<pool>"))
        case "network vnet":
            return resource.VNET, (name,)
        case "network vnet subnet":
            return resource.SUBNET, (call.text("--vnet-name", "<vnet>"), name)
        case "network route-table":
            return resource.ROUTE_TABLE, (name,)
        case "network route-table route":
            return resource.ROUTE_TABLE, (call.text("--route-table-name", "<table>"),)
    return None, ()


def _put(draft: Draft, below: str, call: _Call, table: Sequence[Setting]) -> None:
    for one in table:
        if one.az not in call.options:
            continue
        if one.type is Type.LIST:
            found = call.listed(one.az)
        elif one.type is Type.SWITCH:
            found = call.get(one.az) or Node(True, call.places[one.az])
        else:
            found = call.get(one.az)
        if found is not None:
            draft.put(f"{below}{one.arm}", found.at(call.places[one.az]))


def _cluster_body(call: _Call) -> Node:
    draft = Draft(call.place)
    for option, path in (("--name", "name"), ("--location", "location")):
        found = call.get(option)
        if found is not None:
            draft.put(path, found)
    _put(draft, "properties.", call, settings.CLUSTER)
    for name in (call.listed("--enable-addons") or Node((), call.place)).items():
        path = next((one.arm for one in settings.ADDONS if one.az == name.text), "")
        if path:
            draft.put(f"properties.{path}", Node(True, name.place))
    for option, path in (
        ("--node-provisioning-mode", "nodeProvisioningProfile.mode"),
        ("--enable-static-egress-gateway", "networkProfile.staticEgressGatewayProfile.enabled"),
    ):
        if option in call.options:
            draft.put(f"properties.{path}", call.get(option) or Node(True, call.places[option]))
    if "--assign-identity" in call.options:
        draft.put("identity.type", Node("UserAssigned", call.places["--assign-identity"]))
    elif call.name == "aks create":
        draft.set("identity.type", "SystemAssigned")
    pool = Draft(call.place)
    if call.name == "aks create":
        for path, value in (("name", "nodepool1"), ("count", 3), ("mode", "System")):  # az's own defaults
            pool.set(path, value)
    _put(pool, "", call, settings.POOL)
    body = pool.node()
    if isinstance(body.value, Mapping) and body.value:
        draft.set("properties.agentPoolProfiles", (body,))
    return draft.node()


def _pool_body(call: _Call) -> Node:
    draft = Draft(call.place)
    found = call.get("--nodepool-name")
    if found is not None:
        draft.put("name", found)
    if call.name == "aks nodepool add":
        for path, value in (("count", 3), ("mode", "User")):
            draft.set(f"properties.{path}", value)
    _put(draft, "properties.", call, settings.POOL)
    return draft.node()


def _vnet_body(call: _Call) -> Node:
    draft = Draft(call.place)
    prefixes = call.listed("--address-prefixes")
    # az makes 10.0.0.0/16 where none is asked for.
    space = prefixes or Node((Node("10.0.0.0/16", call.place),), call.place)
    if prefixes is not None or call.name == "network vnet create":
        draft.put("properties.addressSpace.addressPrefixes", space)
    return draft.node()


def _subnet_body(call: _Call, name: str = "--name", prefixes: str = "--address-prefixes") -> Node:
    draft = Draft(call.place)
    found = call.get(name)
    if found is not None:
        draft.put("name", found)
    space = call.listed(prefixes)
    if space is not None:
        draft.put("properties.addressPrefixes", space)
    for option, path in (
        ("--route-table", "routeTable.id"),
        ("--nat-gateway", "natGateway.id"),
        ("--network-security-group", "networkSecurityGroup.id"),
        ("--delegations", "delegations"),
    ):
        found = call.get(option)
        if found is not None:
            draft.put(f"properties.{path}", found)
    return draft.node()


def _route_body(call: _Call) -> Node:
    route, draft = Draft(call.place), Draft(call.place)
    for option, path in (("--address-prefixes", "addressPrefix"), ("--next-hop-type", "nextHopType")):
        found = call.get(option)
        if found is not None:
            route.put(f"properties.{path}", found)
    if call.name.endswith("route create"):
        draft.set("properties.routes", (route.node(),))
    return draft.node()


_MAKERS = {
    "aks create": _cluster_body,
    "aks update": _cluster_body,
    "aks scale": _cluster_body,
    **dict.fromkeys(_POOL_COMMANDS, _pool_body),
    "network vnet create": _vnet_body,
    "network vnet update": _vnet_body,
    "network vnet subnet create": _subnet_body,
    "network vnet subnet update": _subnet_body,
    "network route-table create": _route_body,
    "network route-table route create": _route_body,
}
