"""What a path of the API names."""

from dataclasses import dataclass

from slash24.lab.kubeapi.kinds import BY_PATH, Kind


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names: a kind, perhaps one object of it, perhaps a sub-resource of that."""

    kind: Kind
    namespace: str
    name: str
    subresource: str


def read_path(path: str) -> Target | None:
    """Return what a path names, by position: a namespace may be called `status`."""
    parts = path.strip("/").split("/")
    if parts[:2] == ["api", "v1"]:
        group, version, rest = "", "v1", parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces" and not (len(rest) == 3 and rest[2] in ("status", "finalize")):
        namespace, rest = rest[1], rest[2:]
    kind = BY_PATH.get((group, version, rest[0])) if rest else None
    if kind is None or len(rest) > 3 or (namespace and not kind.namespaced):
        return None
    if kind.namespaced and not namespace and len(rest) > 1:
        return None
    name, subresource = (*rest[1:], "", "")[:2]
    return Target(kind, namespace, name, subresource)
