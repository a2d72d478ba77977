"""A lab as a file: what `slash24 lab save` writes and `slash24 lab up FILE` reads, in YAML with Azure's property names.

    apiVersion: slash24.dev/v1
    kind: Lab
    resourceGroups: [{name, location, tags}]
    virtualNetworks: [{resourceGroup, name, location, tags, addressSpace: {addressPrefixes}, subnets: [...]}]
    clusters: [{resourceGroup, name, location, ..., agentPoolProfiles: [...], manifests: [Kubernetes objects]}]

What the service or the API would fill in again is left out.
"""

import copy
import difflib
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from slash24.errors import Slash24Error, UsageError

Json = dict[str, Any]
#: What fields there may be: of an object their names, of a list the tree of its items, of the rest a type; None: any.
Tree = Mapping[str, Any] | list[Any] | type | None

GROUP, VERSION = "slash24.dev", "v1"
_HEAD = """\
# A lab of slash24: `slash24 lab up FILE` builds it again.
# Names are Azure's; what isn't here is as `az` and AKS would have it. Manifests are without what the API fills in.
"""
#: What YAML calls the types that it has another name for.
_TAGS: dict[type, str] = {dict: "map", list: "seq"}
_NAMES: dict[type, str] = {dict: "an object", list: "a list", str: "a text", int: "an integer", bool: "true or false"}


class SaveFileError(UsageError):
    """A save file can't be used; the message begins with its name and the line."""


def minimal(whole: Json, fill: Callable[[Json], Json]) -> Json:
    """Return the least part of `whole` that `fill` completes to the same again.

    fill: completes a document, as the service that keeps it does; it may change and return its argument. An error of
    ours or a missing key means that it can't.
    """
    target, part = fill(copy.deepcopy(whole)), copy.deepcopy(whole)

    def is_enough() -> bool:
        try:
            return fill(copy.deepcopy(part)) == target
        except (Slash24Error, KeyError, TypeError):
            return False

    _prune(part, is_enough)
    return part


def _prune(value: Any, is_enough: Callable[[], bool]) -> None:
    if isinstance(value, dict):
        order = list(value)
        # One of several names of the same thing stays; which one must not hang on the order in which they came.
        for key in sorted(value, reverse=True):
            held = value.pop(key)
            if is_enough():
                continue
            value[key] = held
            _prune(held, is_enough)
        kept = {key: value[key] for key in order if key in value}
        value.clear()
        value.update(kept)
    elif isinstance(value, list):
        while value:
            held = value.pop()  # from the end on: what is filled in comes there
            if not is_enough():
                value.append(held)
                break
        for item in value:
            _prune(item, is_enough)


def render(groups: list[Json], networks: list[Json], clusters: list[Json]) -> str:
    """Return the file; equal labs give equal text."""
    document: Json = {"apiVersion": f"{GROUP}/{VERSION}", "kind": "Lab"}
    lists = {"resourceGroups": groups, "virtualNetworks": networks, "clusters": clusters}
    document |= {name: entries for name, entries in lists.items() if entries}
    return _HEAD + yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


class _Dumper(yaml.SafeDumper):
    """Long texts as blocks, as people write them; no anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  the library's name
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def read(text: str, name: str, trees: Mapping[str, Tree]) -> dict[str, list[Json]]:
    """Return the lists of a save file by their names. Raises SaveFileError with line and path of the first fault.

    name: the file's, for errors. trees: list -> the fields of its items.
    """
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        document = loader.construct_document(root) if root else None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise SaveFileError(f"{name}{line}: this is no YAML: {getattr(error, 'problem', None) or error}") from error
    finally:
        loader.dispose()
    if root is None or not isinstance(document, dict) or document.get("kind") != "Lab":
        raise SaveFileError(f"{name}: this is no file of a lab: its kind is not Lab", fix="slash24 lab save writes one")
    _check_version(str(document.get("apiVersion")), name)
    fields = {"apiVersion": str, "kind": str, **{key: [tree] for key, tree in trees.items()}}
    _Checker(name).check(root, fields, "")
    return {key: document.get(key) or [] for key in trees}


def _check_version(found: str, name: str) -> None:
    wanted = f"{GROUP}/{VERSION}"
    if found == wanted:
        return
    group, _, version = found.partition("/")
    if group == GROUP and version.startswith("v") and version[1:].isdigit() and int(version[1:]) > int(VERSION[1:]):
        raise SaveFileError(
            f"{name}: it has version {found}; this slash24 knows {wanted}", fix="use the slash24 that wrote it"
        )
    raise SaveFileError(f"{name}: apiVersion {found} is not {wanted}")


class _Checker:
    """Compares a YAML node with the fields that there may be."""

    def __init__(self, name: str) -> None:
        self._name = name

    def _fault(self, node: yaml.Node, path: str, problem: str, fix: str = "") -> SaveFileError:
        return SaveFileError(f"{self._name}:{node.start_mark.line + 1}: {path}: {problem}", fix=fix)

    def check(self, node: yaml.Node, tree: Tree, path: str) -> None:
        if tree is None or node.tag == "tag:yaml.org,2002:null":
            return
        if isinstance(tree, Mapping):
            self._check_object(node, tree, path)
        elif isinstance(tree, list):
            if not isinstance(node, yaml.SequenceNode):
                raise self._fault(node, path, f"expected a list, got {_shown(node)}")
            for index, item in enumerate(node.value):
                self.check(item, tree[0] if tree else None, f"{path}[{index}]")
        elif node.tag != f"tag:yaml.org,2002:{_TAGS.get(tree) or tree.__name__}":
            raise self._fault(node, path, f"expected {_NAMES[tree]}, got {_shown(node)}")

    def _check_object(self, node: yaml.Node, tree: Mapping[str, Any], path: str) -> None:
        if not isinstance(node, yaml.MappingNode):
            raise self._fault(node, path or "the file", f"expected an object, got {_shown(node)}")
        seen = set()
        for key, value in node.value:
            where = f"{path}.{key.value}" if path else str(key.value)
            if key.value not in tree:
                near = difflib.get_close_matches(str(key.value), tree, 1)
                raise self._fault(key, where, "unknown field", fix=f"did you mean {near[0]}?" if near else "")
            if key.value in seen:
                raise self._fault(key, where, "it is there twice")
            seen.add(key.value)
            self.check(value, tree[key.value], where)


def _shown(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return repr(node.value)[:60]
    return "a list" if isinstance(node, yaml.SequenceNode) else "an object"
