"""Server-side apply: each manager owns the fields that it states. What it states no more goes, unless another owns it.

Who owns what stands in `metadata.managedFields`, in Kubernetes' form (`FieldsV1`): a tree of `f:NAME`, and of
`k:{"name":"c"}` for the entries of a list that has a key. Plain updates own nothing here, so they never conflict.
"""

import copy
import json
from collections.abc import Iterator
from typing import Any

from slash24.lab.kubeapi import patches
from slash24.lab.kubeapi.status import StatusError
from slash24.store.objects import now

Object = dict[str, Any]
Fields = dict[str, Any]  # a FieldsV1 tree; {} is a leaf
Path = tuple[str, ...]

_OWNABLE = ("labels", "annotations", "finalizers", "ownerReferences")
_SELF = "."  # in a tree: the entry itself is owned, not only what is in it


def begin(stated: Object, manager: str) -> Object:
    """Return a new object with its fields owned by `manager`."""
    return _with_entries(stated, [_entry(stated, manager, _fields_of_object(stated), "")])


def apply(before: Object, stated: Object, manager: str, *, force: bool, subresource: str) -> Object:
    """Return `before` after `manager` has applied `stated`.

    Raises StatusError (Conflict) if another manager owns a field of it with another value, unless `force`.
    """
    entries: list[Object] = copy.deepcopy(before["metadata"].get("managedFields") or [])
    mine = next((entry for entry in entries if _is(entry, manager, subresource)), None)
    others = [entry for entry in entries if entry is not mine]
    wanted = _fields_of_object(stated)
    conflicts = [
        (entry, path)
        for entry in others
        for path in _leaves(wanted)
        if _owns(entry["fieldsV1"], path) and _value(before, path) != _value(stated, path)
    ]
    if conflicts and not force:
        raise _conflict(stated, conflicts)
    for entry, path in conflicts:
        _drop(entry["fieldsV1"], path)
    after = _merge(before, stated)
    for path in _leaves(mine["fieldsV1"] if mine else {}):
        if not _owns(wanted, path) and not any(_owns(entry["fieldsV1"], path) for entry in others):
            after = _without(after, path)
    if mine is None or mine["fieldsV1"] != wanted:
        mine = _entry(stated, manager, wanted, subresource)
    return _with_entries(after, [*(entry for entry in others if entry["fieldsV1"]), mine])


def _merge(before: Object, stated: Object) -> Object:
    metadata = {name: value for name, value in stated["metadata"].items() if name in _OWNABLE}
    changes = {name: value for name, value in stated.items() if name not in ("apiVersion", "kind")}
    merged: Object = patches.strategic(before, changes | {"metadata": metadata})
    if "resourceVersion" in stated["metadata"]:
        merged["metadata"] = merged["metadata"] | {"resourceVersion": stated["metadata"]["resourceVersion"]}
    return merged


def _with_entries(item: Object, entries: list[Object]) -> Object:
    return item | {"metadata": item["metadata"] | {"managedFields": entries}}


def _entry(item: Object, manager: str, owned: Fields, subresource: str) -> Object:
    found: Object = {
        "manager": manager, "operation": "Apply", "apiVersion": item["apiVersion"], "time": now(),
        "fieldsType": "FieldsV1", "fieldsV1": owned,
    }  # fmt: skip
    return found | ({"subresource": subresource} if subresource else {})


def _is(entry: Object, manager: str, subresource: str) -> bool:
    return (entry.get("manager"), entry.get("operation"), entry.get("subresource", "")) == (
        manager, "Apply", subresource,
    )  # fmt: skip


def _conflict(stated: Object, conflicts: list[tuple[Object, Path]]) -> StatusError:
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f'conflict with "{entry["manager"]}"',
            "field": _readable(path),
        }
        for entry, path in conflicts
    ]
    count = "1 conflict" if len(causes) == 1 else f"{len(causes)} conflicts"
    told = ", ".join(f"{cause['message']}: {cause['field']}" for cause in causes)
    details = {"name": stated["metadata"]["name"], "kind": stated["kind"], "causes": causes}
    return StatusError("Conflict", f"Apply failed with {count}: {told}", details=details)


# Trees of fields


def _fields_of_object(item: Object) -> Fields:
    owned: Fields = {}
    for name, value in item.items():
        if name == "metadata":
            metadata = {key: value[key] for key in _OWNABLE if value.get(key)}
            if metadata:
                owned["f:metadata"] = _fields_of(metadata)
        elif name not in ("apiVersion", "kind"):
            owned[f"f:{name}"] = _fields_of(value, name)
    return owned


def _fields_of(value: Any, name: str = "") -> Fields:
    if isinstance(value, dict):
        return {f"f:{key}": _fields_of(below, key) for key, below in value.items()}
    key = patches.merge_key(name)
    if key and isinstance(value, list) and all(isinstance(entry, dict) and key in entry for entry in value):
        return {f"k:{json.dumps({key: entry[key]})}": {_SELF: {}} | _fields_of(entry) for entry in value}
    return {}


def _leaves(owned: Fields, path: Path = ()) -> Iterator[Path]:
    """Yield the paths of what is owned: the values, and the entries of keyed lists."""
    for name, below in owned.items():
        if name == _SELF:
            yield path
        elif below:
            yield from _leaves(below, (*path, name))
        else:
            yield (*path, name)


def _owns(owned: Fields, path: Path) -> bool:
    for step in path:
        if step not in owned:
            return False
        owned = owned[step]
    return not owned or _SELF in owned


def _drop(owned: Fields, path: Path) -> None:
    if len(path) == 1:
        if set(owned.get(path[0], {})) <= {_SELF}:
            owned.pop(path[0], None)
    elif path[0] in owned:
        _drop(owned[path[0]], path[1:])
        if not owned[path[0]]:
            del owned[path[0]]


# Values at paths


def _value(item: Any, path: Path) -> Any:
    """Return what is at a path; of an entry of a keyed list, whether it is there."""
    for step in path:
        if step.startswith("f:"):
            item = item.get(step[2:]) if isinstance(item, dict) else None
        else:
            item = next((entry for entry in item or () if _matches(entry, step)), None)
    return item is not None if path and path[-1].startswith("k:") else item


def _without(item: Any, path: Path) -> Any:
    """Return a copy of `item` without what is at a path; a map that was left empty by it stays out, too."""
    step, rest = path[0], path[1:]
    if isinstance(item, dict):
        name = step[2:]
        if name not in item:
            return item
        below = _without(item[name], rest) if rest else None
        return {key: value for key, value in item.items() if key != name} | ({name: below} if below else {})
    if isinstance(item, list):
        if not rest:
            return [entry for entry in item if not _matches(entry, step)]
        return [_without(entry, rest) if _matches(entry, step) else entry for entry in item]
    return item


def _matches(entry: Any, step: str) -> bool:
    return isinstance(entry, dict) and all(entry.get(key) == value for key, value in json.loads(step[2:]).items())


def _readable(path: Path) -> str:
    text = ""
    for step in path:
        if step.startswith("f:"):
            text += f".{step[2:]}"
        else:
            ((key, value),) = json.loads(step[2:]).items()
            text += f"[{key}={json.dumps(value)}]"
    return text
