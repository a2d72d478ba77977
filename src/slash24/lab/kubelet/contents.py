"""What is in a pod's volumes that are made of other objects: configMap, secret, downwardAPI, projected. Pure."""

import base64
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from slash24.errors import Slash24Error
from slash24.lab.kubelet.downward import Facts, field_value, resource_value

Json = dict[str, Any]

#: The kinds of volumes whose files are made of objects of the API, and those that are folders.
MADE_OF_OBJECTS = ("configMap", "secret", "downwardAPI", "projected")
FOLDERS = ("emptyDir", "hostPath")
_DEFAULT_MODE = 0o644


class VolumeError(Slash24Error):
    """A volume can't be set up (Kubernetes' FailedMount)."""


@dataclass(frozen=True, slots=True)
class File:
    data: bytes
    mode: int


def kind_of(volume: Json) -> str:
    """Return which kind of volume it is. Raises VolumeError for one that the lab doesn't have."""
    kind = next((key for key in volume if key != "name"), "emptyDir")
    if kind not in (*MADE_OF_OBJECTS, *FOLDERS):
        has = ", ".join((*FOLDERS, *MADE_OF_OBJECTS))
        raise VolumeError(f"no volume plugin matched: {kind} is not a kind of volume that the lab has; it has {has}")
    return kind


def files_of(volume: Json, pod: Json, facts: Facts) -> dict[str, File]:
    """Return the files of such a volume by their path in it. Raises VolumeError, or ContainerConfigError of a field."""
    kind = kind_of(volume)
    source = volume[kind] or {}
    mode = int(source.get("defaultMode", _DEFAULT_MODE))
    if kind != "projected":
        return _files(kind, source, mode, pod, facts)
    found: dict[str, File] = {}
    for part in source.get("sources") or ():
        for inner in MADE_OF_OBJECTS[:3]:
            if inner in part:
                found |= _files(inner, part[inner] or {}, mode, pod, facts)
    return found


def references(pod: Json) -> set[tuple[str, str]]:
    """Return (kind, name) of every ConfigMap and Secret that a pod's volumes and environments refer to."""
    spec, found = pod["spec"], set()
    for volume in spec.get("volumes") or ():
        for source in (volume, *((volume.get("projected") or {}).get("sources") or ())):
            if source.get("configMap"):
                found.add(("ConfigMap", str(source["configMap"].get("name", ""))))
            if source.get("secret"):
                found.add(("Secret", str(source["secret"].get("secretName") or source["secret"].get("name", ""))))
    for container in all_containers(spec):
        for entry in (*(container.get("envFrom") or ()), *_sources(container)):
            for key, kind in (
                ("configMapRef", "ConfigMap"), ("configMapKeyRef", "ConfigMap"), ("secretRef", "Secret"),
                ("secretKeyRef", "Secret"),
            ):  # fmt: skip
                if entry.get(key):
                    found.add((kind, str(entry[key].get("name", ""))))
    return found


def all_containers(spec: Json) -> Iterator[Json]:
    """Yield a pod's containers of every sort."""
    for sort in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(sort) or ()


def _sources(container: Json) -> Iterator[Json]:
    for variable in container.get("env") or ():
        yield variable.get("valueFrom") or {}


def _files(kind: str, source: Json, mode: int, pod: Json, facts: Facts) -> dict[str, File]:
    if kind == "downwardAPI":
        return {
            _inside(item["path"]): File(_told(item, pod, facts).encode(), int(item.get("mode", mode)))
            for item in source.get("items") or ()
        }
    what = "ConfigMap" if kind == "configMap" else "Secret"
    name = str(source.get("secretName") or source.get("name", ""))
    found = facts.find(what, name)
    if found is None:
        if source.get("optional"):
            return {}
        raise VolumeError(f'{what.lower()} "{name}" not found')
    data = _data(what, found)
    if not source.get("items"):
        return {key: File(value, mode) for key, value in data.items()}
    files = {}
    for item in source["items"]:
        if item["key"] in data:
            files[_inside(item["path"])] = File(data[item["key"]], int(item.get("mode", mode)))
        elif not source.get("optional"):
            raise VolumeError(f"{what.lower()} references non-existent config key: {item['key']}")
    return files


def _data(what: str, found: Json) -> dict[str, bytes]:
    if what == "Secret":
        return {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}
    text = {key: value.encode() for key, value in (found.get("data") or {}).items()}
    return text | {key: base64.b64decode(value) for key, value in (found.get("binaryData") or {}).items()}


def _told(item: Json, pod: Json, facts: Facts) -> str:
    if "resourceFieldRef" in item:
        return resource_value(pod, {}, item["resourceFieldRef"], facts)
    return field_value(pod, str((item.get("fieldRef") or {}).get("fieldPath", "")), facts)


def _inside(path: str) -> str:
    """Return a path within a volume. Raises VolumeError for one that leads out of it."""
    tidy = posixpath.normpath(str(path))
    if tidy.startswith(("/", "..")) or tidy == ".":
        raise VolumeError(f"invalid path {path!r}: it must be relative and stay inside the volume")
    return tidy
