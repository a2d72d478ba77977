"""What `terraform show -json` tells of a plan: the values that will be, and the clusters that would be made anew."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from slash24.plan.iac import azurerm, jsontext
from slash24.plan.iac.file import File
from slash24.plan.iac.node import Node, Place, Unknown, mapping
from slash24.plan.iac.replacement import Forced
from slash24.plan.iac.resource import Reading, Resource, Unchecked


@dataclass(frozen=True, slots=True)
class Replacement:
    """A cluster that the plan destroys. causes: the attributes that force it, as the plan says."""

    address: str
    causes: tuple[Forced, ...]
    place: Place
    version: str


def read(file: File) -> tuple[Reading, list[Replacement]]:
    """Return what a plan makes and changes, and the clusters that it destroys. Raises ReadError if it is no plan."""
    document = jsontext.parse(file)
    found: list[Resource] = []
    unchecked: list[Unchecked] = []
    replaced: list[Replacement] = []
    changes = document.get("resource_changes")
    if changes is None:
        place = Place(file.name, document.place.line)
        return Reading((), (Unchecked(place, "a plan without resource_changes"),)), []
    version = _version(document)
    for change in changes.items():
        kind, address = change.get("type"), change.get("address")
        if kind is None or not azurerm.has_id(kind.text) or (change.get("mode") or kind).text == "data":
            continue
        actions = [action.text for action in (change.get("change", "actions") or Node((), change.place)).items()]
        after = change.get("change", "after")
        if after is not None and actions != ["delete"]:
            unknown = change.get("change", "after_unknown")
            found += azurerm.resources(kind.text, _with_holes(after, unknown, kind.text), existing=False)
        if kind.text == "azurerm_kubernetes_cluster" and "delete" in actions:
            causes = tuple(_causes(change)) if "create" in actions else ()
            replaced.append(Replacement(address.text if address else kind.text, causes, change.place, version))
    return Reading(tuple(found), tuple(unchecked)), replaced


def _with_holes(after: Node, unknown: Node | None, name: str) -> Node:
    """Return the values with a hole where the plan says that they are known after apply."""
    if unknown is None or unknown.value in (False, (), None):
        return after
    if unknown.value is True:
        return Node(Unknown("it is known after apply only", f"<{name}>"), after.place)
    if isinstance(unknown.value, Mapping):
        before = after.value if isinstance(after.value, Mapping) else {}
        fields = dict(before)
        for key, inner in unknown.value.items():
            fields[key] = _with_holes(before.get(key, Node(None, after.place)), inner, key)
        return Node(mapping(fields), after.place)
    if isinstance(unknown.value, tuple) and isinstance(after.value, tuple):
        holes = [*unknown.value, *[None] * len(after.value)]
        return Node(
            tuple(_with_holes(item, hole, name) for item, hole in zip(after.value, holes, strict=False)), after.place
        )
    return after


def _causes(change: Node) -> Iterator[Forced]:
    """Yield what forces the replacement: the plan's own `replace_paths`."""
    paths = change.get("change", "replace_paths")
    before, after = change.get("change", "before"), change.get("change", "after")
    for path in paths.items() if paths is not None else ():
        steps = [step.text for step in path.items()]
        name = ".".join(step for step in steps if not step.isdecimal())
        yield Forced(name, _at(before, steps), _at(after, steps))


def _at(node: Node | None, steps: list[str]) -> str:
    for step in steps:
        if node is None:
            return ""
        if isinstance(node.value, tuple):
            node = node.value[int(step)] if step.isdecimal() and int(step) < len(node.value) else None
        else:
            node = node.get(step)
    if node is None:
        return ""
    return ",".join(item.text for item in node.items()) if isinstance(node.value, tuple) else node.text


def _version(document: Node) -> str:
    given = document.get("configuration", "provider_config", "azurerm", "version_constraint")
    return given.text if given is not None else ""
