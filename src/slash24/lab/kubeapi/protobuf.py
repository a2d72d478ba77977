"""Reading the protobuf bodies that kubectl sends for the small kinds it creates by itself.

A body is the four bytes `k8s\\0` and a `runtime.Unknown`; kubectl falls back to nothing else, so the server has to read
it. The field numbers are those of Kubernetes' published `generated.proto` files (docs/sources.md#protobuf).
"""

import base64
from typing import Any

from slash24.lab.kubeapi.status import StatusError

MAGIC = b"k8s\0"
MEDIA_TYPE = "application/vnd.kubernetes.protobuf"

# message -> field number -> (JSON name, type). Types: str, int, bool, bytes, map, a message's name; [] repeats.
_MESSAGES: dict[str, dict[int, tuple[str, str]]] = {
    "ObjectMeta": {
        1: ("name", "str"), 2: ("generateName", "str"), 3: ("namespace", "str"), 5: ("uid", "str"),
        6: ("resourceVersion", "str"), 11: ("labels", "map"), 12: ("annotations", "map"), 14: ("finalizers", "[]str"),
    },
    "Namespace": {1: ("metadata", "ObjectMeta"), 2: ("spec", "NamespaceSpec")},
    "NamespaceSpec": {1: ("finalizers", "[]str")},
    "ConfigMap": {
        1: ("metadata", "ObjectMeta"), 2: ("data", "map"), 3: ("binaryData", "bytesmap"), 4: ("immutable", "bool"),
    },
    "Secret": {
        1: ("metadata", "ObjectMeta"), 2: ("data", "bytesmap"), 3: ("type", "str"), 4: ("stringData", "map"),
        5: ("immutable", "bool"),
    },
    "ServiceAccount": {1: ("metadata", "ObjectMeta")},
    "DeleteOptions": {
        1: ("gracePeriodSeconds", "int"), 2: ("preconditions", "Preconditions"), 3: ("orphanDependents", "bool"),
        4: ("propagationPolicy", "str"), 5: ("dryRun", "[]str"),
    },
    "Preconditions": {1: ("uid", "str"), 2: ("resourceVersion", "str")},
    "SelfSubjectAccessReview": {1: ("metadata", "ObjectMeta"), 2: ("spec", "SelfSubjectAccessReviewSpec")},
    "SelfSubjectAccessReviewSpec": {
        1: ("resourceAttributes", "ResourceAttributes"), 2: ("nonResourceAttributes", "NonResourceAttributes"),
    },
    "ResourceAttributes": {
        1: ("namespace", "str"), 2: ("verb", "str"), 3: ("group", "str"), 4: ("version", "str"), 5: ("resource", "str"),
        6: ("subresource", "str"), 7: ("name", "str"),
    },
    "NonResourceAttributes": {1: ("path", "str"), 2: ("verb", "str")},
    "SelfSubjectRulesReview": {1: ("metadata", "ObjectMeta"), 2: ("spec", "SelfSubjectRulesReviewSpec")},
    "SelfSubjectRulesReviewSpec": {1: ("namespace", "str")},
    "SelfSubjectReview": {1: ("metadata", "ObjectMeta")},
    "Unknown": {1: ("typeMeta", "TypeMeta"), 2: ("raw", "raw")},
    "TypeMeta": {1: ("apiVersion", "str"), 2: ("kind", "str")},
}  # fmt: skip


def read_body(body: bytes) -> dict[str, Any]:
    """Return the object in a protobuf body. Raises StatusError for what can't be read, or a kind that isn't known."""
    if not body.startswith(MAGIC):
        raise StatusError("BadRequest", "the body is not in the Kubernetes protobuf form")
    try:
        unknown = _message("Unknown", body[len(MAGIC) :])
        kind = unknown["typeMeta"]["kind"]
        if kind not in _MESSAGES:
            raise StatusError("UnsupportedMediaType", f"{kind} can't be sent as protobuf here; send it as JSON or YAML")
        return {**unknown["typeMeta"], **_message(kind, unknown.get("raw", b""))}
    except (IndexError, KeyError, UnicodeDecodeError) as error:
        raise StatusError("BadRequest", f"the protobuf body can't be read: {error!r}") from error


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _fields(data: bytes) -> list[tuple[int, Any]]:
    found: list[tuple[int, Any]] = []
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == 0:
            value: Any
            value, at = _varint(data, at)
        elif wire == 2:
            length, at = _varint(data, at)
            if at + length > len(data):
                raise IndexError("cut off")
            value, at = data[at : at + length], at + length
        else:
            value, at = b"", at + (8 if wire == 1 else 4)
        found.append((tag >> 3, value))
    return found


def _message(name: str, data: bytes) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for number, value in _fields(data):
        if number not in _MESSAGES[name]:
            continue
        key, kind = _MESSAGES[name][number]
        if kind in ("map", "bytesmap"):
            pair = dict(_fields(value))
            entry = pair.get(2, b"")
            text = base64.b64encode(entry).decode() if kind == "bytesmap" else entry.decode()
            result.setdefault(key, {})[pair.get(1, b"").decode()] = text
        elif kind == "[]str":
            result.setdefault(key, []).append(value.decode())
        else:
            read = _value(kind, value)
            if read not in ("", {}):  # Go writes fields that aren't set, too
                result[key] = read
    return result


def _value(kind: str, value: Any) -> Any:
    if kind == "str":
        return value.decode()
    if kind == "int":
        return value
    if kind == "bool":
        return bool(value)
    if kind == "raw":
        return value
    return _message(kind, value)
