"""The patch types of the Kubernetes API: merge (RFC 7386), JSON (RFC 6902) and strategic merge."""

import copy
from typing import Any

from slash24.lab.kubeapi.status import StatusError

# List field -> the key that tells its entries apart; a list that isn't here is replaced whole
# (docs/sources.md#strategic-merge).
_MERGE_KEYS = {
    "containers": "name", "initContainers": "name", "ephemeralContainers": "name", "volumes": "name", "env": "name",
    "imagePullSecrets": "name", "volumeMounts": "mountPath", "volumeDevices": "devicePath", "conditions": "type",
    "addresses": "type", "ownerReferences": "uid", "hostAliases": "ip", "podIPs": "ip", "hostIPs": "ip",
    "topologySpreadConstraints": "topologyKey",
}  # fmt: skip
_UNIONS = ("finalizers", "podCIDRs")


def merge(target: Any, patch: Any) -> Any:
    """Return `target` after a JSON merge patch."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def merge_key(name: str) -> str | None:
    """Return the field that tells the entries of the list `name` apart, None if it is replaced whole."""
    return "containerPort" if name == "ports" else _MERGE_KEYS.get(name)


def strategic(target: Any, patch: Any) -> Any:
    """Return `target` after a strategic merge patch: lists of named things are merged by their key."""
    if not isinstance(patch, dict):
        return patch
    if patch.get("$patch") == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    result = dict(target) if isinstance(target, dict) else {}
    if "$retainKeys" in patch:
        result = {key: value for key, value in result.items() if key in patch["$retainKeys"]}
    for key, value in patch.items():
        if key.startswith("$setElementOrder/") or key in ("$retainKeys", "$patch"):
            continue
        if key.startswith("$deleteFromPrimitiveList/"):
            name = key.partition("/")[2]
            result[name] = [entry for entry in result.get(name, []) if entry not in value]
        elif value is None:
            result.pop(key, None)
        elif isinstance(value, list):
            result[key] = _merge_list(
                key,
                result.get(key) or [],
                value,
                patch.get(f"$setElementOrder/{key}"),
                "port" if "containers" not in patch and "selector" in patch else None,
            )
        else:
            result[key] = strategic(result.get(key), value)
    return result


def _merge_list(name: str, old: list[Any], new: list[Any], order: list[Any] | None, port_key: str | None) -> list[Any]:
    if name in _UNIONS:
        return [*old, *(entry for entry in new if entry not in old)]
    key = (name == "ports" and port_key) or merge_key(name)
    entries = [entry for entry in [*old, *new] if isinstance(entry, dict)]
    if key is None or len(entries) != len(old) + len(new) or not all(key in e or "$patch" in e for e in entries):
        return new
    if any(entry.get("$patch") == "replace" for entry in new):
        return [entry for entry in new if "$patch" not in entry]
    merged = {entry[key]: entry for entry in old}
    for entry in new:
        if entry.get("$patch") == "delete":
            merged.pop(entry.get(key), None)
        else:
            merged[entry[key]] = strategic(merged.get(entry[key]), entry)
    if order:
        places = {entry.get(key): place for place, entry in enumerate(order) if isinstance(entry, dict)}
        return sorted(merged.values(), key=lambda entry: places.get(entry[key], len(places)))
    return list(merged.values())


def json_patch(target: Any, operations: Any) -> Any:
    """Return `target` after a JSON patch. Raises StatusError (Invalid) if an operation can't be done."""
    if not isinstance(operations, list):
        raise StatusError("BadRequest", "a JSON patch is a list of operations")
    result = copy.deepcopy(target)
    for operation in operations:
        try:
            result = _operate(result, operation)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise StatusError(
                "Invalid", f"the server rejected our request due to an error in our request: {error}"
            ) from error
    return result


def _operate(document: Any, operation: dict[str, Any]) -> Any:
    kind, path = operation["op"], _path(operation["path"])
    if kind == "test":
        if _read(document, path) != operation["value"]:
            raise ValueError(f"testing path {operation['path']} value failed")
        return document
    if kind in ("add", "replace"):
        return _write(document, path, operation["value"], insert=kind == "add")
    if kind == "remove":
        return _remove(document, path)
    if kind in ("move", "copy"):
        origin = _path(operation["from"])
        value = copy.deepcopy(_read(document, origin))
        return _write(_remove(document, origin) if kind == "move" else document, path, value, insert=True)
    raise ValueError(f"unknown operation {kind!r}")


def _path(text: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _read(document: Any, path: list[str]) -> Any:
    for part in path:
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


def _write(document: Any, path: list[str], value: Any, *, insert: bool) -> Any:
    if not path:
        return value
    parent, last = _read(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        if insert:
            parent.insert(len(parent) if last == "-" else int(last), value)
        else:
            parent[int(last)] = value
    else:
        if not insert and last not in parent:
            raise KeyError(f"path {'/'.join(path)} does not exist")
        parent[last] = value
    return document


def _remove(document: Any, path: list[str]) -> Any:
    parent, last = _read(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        del parent[int(last)]
    else:
        del parent[last]
    return document
