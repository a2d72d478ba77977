"""What the API does with objects of any kind: create, update and patch, with defaults and checks."""

from typing import Any

from slash24.lab.kubeapi import apply, fields, patches, pods
from slash24.lab.kubeapi.change import Change, read
from slash24.lab.kubeapi.deleting import sweep_events
from slash24.lab.kubeapi.kinds import NAMESPACE, POD, Kind, with_defaults
from slash24.lab.kubeapi.status import StatusError, success
from slash24.store.objects import AlreadyExistsError, ClusterObjects, ConflictError

Object = dict[str, Any]
_SWEEP_EVERY = 500  # versions
SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


def prepare_cluster(objects: ClusterObjects) -> None:
    """Give a new cluster its namespaces."""
    for name in SYSTEM_NAMESPACES:
        if objects.find("namespaces", name) is None:
            objects.create("namespaces", with_defaults(NAMESPACE, {"metadata": {"name": name}}))


def create(objects: ClusterObjects, kind: Kind, namespace: str, body: Object, change: Change) -> Object:
    """Check and store a new object. `body` is taken over."""
    item = _checked(kind, _shaped(kind, namespace, body), change)
    try:
        item = with_defaults(kind, item)
        if kind is POD:
            pods.tolerate_lost_nodes(item, change.toleration_s)
    except (AttributeError, TypeError) as error:  # a value of a form that no object of this kind has
        raise StatusError("BadRequest", f"the object provided is not a {kind.kind}: {error}") from error
    metadata = item["metadata"]
    for name in ("uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "generation", "selfLink"):
        metadata.pop(name, None)
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = f"{metadata['generateName'][:247]}{objects.version % 0xFFFFF:05x}"
    kind.check(item)
    if kind.namespaced:
        home = objects.find("namespaces", namespace)
        if home is None:
            raise NAMESPACE.not_found(namespace)
        if home["metadata"].get("deletionTimestamp"):
            raise StatusError(
                "Forbidden",
                f'{kind.resource} "{metadata["name"]}" is forbidden: unable to create new content in namespace '
                f"{namespace} because it is being terminated",
            )
    try:
        if change.dry_run:
            if objects.find(kind.plural, metadata["name"], namespace=namespace):
                raise AlreadyExistsError("")
            return item
        made = objects.create(kind.plural, item)
        if kind.plural == "events" and objects.version % _SWEEP_EVERY == 0:
            sweep_events(objects)
        return made
    except AlreadyExistsError as error:
        details = {"name": metadata["name"], "group": kind.group, "kind": kind.plural}
        message = f'{kind.resource} "{metadata["name"]}" already exists'
        raise StatusError("AlreadyExists", message, details=details) from error


def replace(
    objects: ClusterObjects, kind: Kind, namespace: str, name: str, body: Object, subresource: str, change: Change
) -> Object:
    """Store a changed object; of a `status` sub-resource only the status counts, else all but the status."""
    item = _shaped(kind, namespace, body)
    if not subresource:
        item = _checked(kind, item, change)
    item["metadata"]["name"] = item["metadata"].get("name") or name
    if item["metadata"]["name"] != name:
        raise StatusError(
            "BadRequest",
            f"the name of the object ({item['metadata']['name']}) does not match the name on the URL ({name})",
        )
    return _store(objects, kind, read(objects, kind, namespace, name), item, subresource, change)


def patch(
    objects: ClusterObjects, kind: Kind, namespace: str, name: str, body: Any, media_type: str, subresource: str,
    change: Change,
) -> tuple[Object, bool]:  # fmt: skip
    """Patch an object by one of the four patch types; return it, and whether it is new."""
    if media_type == "application/apply-patch+yaml":
        return _apply(objects, kind, namespace, name, body, subresource, change)
    before = read(objects, kind, namespace, name)
    if media_type == "application/merge-patch+json":
        after = patches.merge(before, body)
    elif media_type == "application/json-patch+json":
        after = patches.json_patch(before, body)
    elif media_type == "application/strategic-merge-patch+json" and not kind.custom:
        after = patches.strategic(before, body)
    else:
        strategic = "" if kind.custom else ", application/strategic-merge-patch+json"
        raise StatusError(
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: "
            f"application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml{strategic}",
        )
    item = _shaped(kind, namespace, after)
    if not subresource:
        item = _checked(kind, item, change)
    return _store(objects, kind, before, item, subresource, change), False


def _apply(
    objects: ClusterObjects, kind: Kind, namespace: str, name: str, body: Any, subresource: str, change: Change
) -> tuple[Object, bool]:
    """Apply on the server's side: what a manager states is its own, what it states no more goes."""
    stated = _shaped(kind, namespace, body)
    stated["metadata"]["name"] = stated["metadata"].get("name") or name
    if not subresource:
        stated = _checked(kind, stated, change)
    before = objects.find(kind.plural, name, namespace=namespace)
    if before is None:
        made = apply.begin(stated, change.manager)
        return create(objects, kind, namespace, made, change), True
    after = apply.apply(before, stated, change.manager, force=change.force, subresource=subresource)
    return _store(objects, kind, before, _shaped(kind, namespace, after), subresource, change), False


def _checked(kind: Kind, item: Object, change: Change) -> Object:
    """Return an object without the fields that its kind doesn't have: an error or a warning, as the client asks."""
    tree = kind.tree or fields.ANY
    unknown = fields.unknown_fields(kind.kind, kind.version, item, tree)
    if not unknown:
        return item
    texts = [f'unknown field "{path}"' for path in unknown]
    if change.validation == "Strict":
        raise StatusError(
            "BadRequest",
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: strict decoding error: '
            + ", ".join(texts),
        )
    if change.validation == "Warn":
        change.warnings += texts
    return fields.without(item, tree)


def _store(
    objects: ClusterObjects, kind: Kind, before: Object, item: Object, subresource: str, change: Change
) -> Object:
    old = before["metadata"]
    if subresource == "status":
        given = item["metadata"]
        metadata = old | {"resourceVersion": given.get("resourceVersion", old["resourceVersion"])}
        metadata |= {"managedFields": given["managedFields"]} if "managedFields" in given else {}
        item = before | {"status": item.get("status", {}), "metadata": metadata}
    elif subresource == "ephemeralcontainers":
        item = _with_ephemeral(before, item)
    elif "status" in kind.subresources:
        item = item | ({"status": before["status"]} if "status" in before else {})
    for name in ("deletionTimestamp", "deletionGracePeriodSeconds"):  # nobody sets these but a delete
        item["metadata"].pop(name, None)
        if name in old:
            item["metadata"][name] = old[name]
    kind.check(item)
    if kind is POD and subresource == "":
        _check_pod_update(before, item)
    if change.dry_run:
        return item
    try:
        return objects.replace(kind.plural, item)
    except ConflictError as error:
        details = {"name": before["metadata"]["name"], "group": kind.group, "kind": kind.plural}
        raise StatusError("Conflict", error.message, details=details) from error


def _with_ephemeral(before: Object, after: Object) -> Object:
    """Return a pod with the ephemeral containers that a client wants: more of them, never fewer or others."""
    key, name = "ephemeralContainers", before["metadata"]["name"]
    old, new = before["spec"].get(key) or [], after.get("spec", {}).get(key) or []
    kept = {one["name"]: one for one in new}
    if any(kept.get(one["name"]) != one for one in old):
        raise POD.invalid(name, f"spec.{key}", "Forbidden: existing ephemeral containers may not be changed or removed")
    taken = {one["name"] for sort in ("initContainers", "containers") for one in before["spec"].get(sort) or ()}
    for one in new:
        if one["name"] in taken or not one.get("image"):
            problem = f'Duplicate value: "{one["name"]}"' if one["name"] in taken else "Required value: image"
            raise POD.invalid(name, f"spec.{key}", problem)
    return before | {"spec": before["spec"] | {key: new}}


def _check_pod_update(before: Object, after: Object) -> None:
    """A pod's spec can't change but for images, tolerations and a few times."""

    def fixed(item: Object) -> Object:
        spec = {
            k: v
            for k, v in item.get("spec", {}).items()
            if k not in ("tolerations", "activeDeadlineSeconds", "terminationGracePeriodSeconds")
        }
        spec["containers"] = [{k: v for k, v in c.items() if k != "image"} for c in spec.get("containers", ())]
        if not before.get("spec", {}).get("nodeName"):
            spec.pop("nodeName", None)
        return spec

    if fixed(before) != fixed(after):
        raise POD.invalid(
            before["metadata"]["name"],
            "spec",
            "Forbidden: pod updates may not change fields other than `spec.containers[*].image`, "
            "`spec.initContainers[*].image`, `spec.activeDeadlineSeconds`, `spec.tolerations` (only additions to "
            "existing tolerations), `spec.terminationGracePeriodSeconds`",
        )


def _shaped(kind: Kind, namespace: str, body: Any) -> Object:
    """Return a body as an object of `kind` in `namespace`. Raises StatusError if it is none."""
    if not isinstance(body, dict) or not isinstance(body.get("metadata", {}), dict):
        raise StatusError("BadRequest", f"the object provided is not a {kind.kind}: it must be a JSON object")
    for name in ("spec", "status"):
        if body.get(name) is not None and not isinstance(body[name], dict):
            got = type(body[name]).__name__
            raise StatusError(
                "BadRequest",
                f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {name}: expected an '
                f"object, got {got}",
            )
    given = (body.get("apiVersion") or kind.api_version, body.get("kind") or kind.kind)
    if given != (kind.api_version, kind.kind):
        raise StatusError(
            "BadRequest",
            f"the object provided is unrecognized: it is {given[0]} {given[1]}, not {kind.api_version} {kind.kind}",
        )
    metadata = {key: value for key, value in body.get("metadata", {}).items() if value is not None}
    if kind.namespaced:
        stated = metadata.setdefault("namespace", namespace)
        if stated != namespace:
            raise StatusError(
                "BadRequest",
                "the namespace of the provided object does not match the namespace sent on the request "
                f"({stated} and {namespace})",
            )
    else:
        metadata.pop("namespace", None)
    return {"apiVersion": kind.api_version, "kind": kind.kind} | body | {"metadata": metadata}


def bind(objects: ClusterObjects, namespace: str, name: str, body: Object) -> Object:
    """Bind a pod to the node that a Binding names."""
    node = body.get("target", {}).get("name", "")

    def change(pod: Object) -> Object:
        if pod["spec"].get("nodeName"):
            raise StatusError("Conflict", f'pod {name} is already assigned to node "{pod["spec"]["nodeName"]}"')
        pod["spec"]["nodeName"] = node
        return pod

    read(objects, POD, namespace, name)
    objects.update("pods", name, change, namespace=namespace)
    return success()
