"""What the API does with objects of any kind: create, update, patch and delete, with defaults and checks."""

import asyncio
from typing import Any

from slash24.errors import NotFoundError
from slash24.lab.kubeapi import patches
from slash24.lab.kubeapi.kinds import KINDS, NAMESPACE, POD, Kind, with_defaults
from slash24.lab.kubeapi.status import StatusError, success
from slash24.store.objects import AlreadyExistsError, ClusterObjects, ConflictError, now

Object = dict[str, Any]
SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


def prepare_cluster(objects: ClusterObjects) -> None:
    """Give a new cluster its namespaces."""
    for name in SYSTEM_NAMESPACES:
        if objects.find("namespaces", name) is None:
            objects.create("namespaces", with_defaults(NAMESPACE, {"metadata": {"name": name}}))


def read(objects: ClusterObjects, kind: Kind, namespace: str, name: str) -> Object:
    found = objects.find(kind.plural, name, namespace=namespace)
    if found is None:
        raise kind.not_found(name)
    return found


def create(objects: ClusterObjects, kind: Kind, namespace: str, body: Object, *, dry_run: bool) -> Object:
    """Check and store a new object."""
    item = with_defaults(kind, _shaped(kind, namespace, body))
    metadata = item["metadata"]
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = f"{metadata['generateName']}{objects.version:05x}"[-253:]
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
        if dry_run:
            if objects.find(kind.plural, metadata["name"], namespace=namespace):
                raise AlreadyExistsError("")
            return item
        return objects.create(kind.plural, item)
    except AlreadyExistsError as error:
        details = {"name": metadata["name"], "group": kind.group, "kind": kind.plural}
        message = f'{kind.resource} "{metadata["name"]}" already exists'
        raise StatusError("AlreadyExists", message, details=details) from error


def replace(
    objects: ClusterObjects, kind: Kind, namespace: str, name: str, body: Object, *, subresource: str, dry_run: bool
) -> Object:
    """Store a changed object; of a `status` sub-resource only the status counts, else all but the status."""
    item = _shaped(kind, namespace, body)
    item["metadata"]["name"] = item["metadata"].get("name") or name
    if item["metadata"]["name"] != name:
        raise StatusError(
            "BadRequest",
            f"the name of the object ({item['metadata']['name']}) does not match the name on the URL ({name})",
        )
    return _store(objects, kind, read(objects, kind, namespace, name), item, subresource, dry_run=dry_run)


def patch(
    objects: ClusterObjects, kind: Kind, namespace: str, name: str, body: Any, media_type: str, *, subresource: str,
    dry_run: bool,
) -> Object:  # fmt: skip
    """Patch an object by one of the three patch types."""
    before = read(objects, kind, namespace, name)
    if media_type == "application/merge-patch+json":
        after = patches.merge(before, body)
    elif media_type == "application/json-patch+json":
        after = patches.json_patch(before, body)
    elif media_type == "application/strategic-merge-patch+json" and not kind.custom:
        after = patches.strategic(before, body)
    elif media_type == "application/apply-patch+yaml":
        raise StatusError(
            "UnsupportedMediaType", "server-side apply is not implemented; use kubectl apply without --server-side"
        )
    else:
        strategic = "" if kind.custom else ", application/strategic-merge-patch+json"
        raise StatusError(
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: "
            f"application/json-patch+json, application/merge-patch+json{strategic}",
        )
    return _store(objects, kind, before, _shaped(kind, namespace, after), subresource, dry_run=dry_run)


def _store(
    objects: ClusterObjects, kind: Kind, before: Object, item: Object, subresource: str, *, dry_run: bool
) -> Object:
    if subresource == "status":
        item = (
            before
            | {"status": item.get("status", {})}
            | {
                "metadata": before["metadata"]
                | {"resourceVersion": item["metadata"].get("resourceVersion", before["metadata"]["resourceVersion"])}
            }
        )
    elif "status" in kind.subresources:
        item = item | ({"status": before["status"]} if "status" in before else {})
    deletion = before["metadata"].get("deletionTimestamp")
    if deletion:
        item["metadata"]["deletionTimestamp"] = deletion
    kind.check(item)
    if kind is POD and subresource == "":
        _check_pod_update(before, item)
    if dry_run:
        return item
    try:
        return objects.replace(kind.plural, item)
    except ConflictError as error:
        details = {"name": before["metadata"]["name"], "group": kind.group, "kind": kind.plural}
        raise StatusError("Conflict", error.message, details=details) from error


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


def delete(objects: ClusterObjects, kind: Kind, namespace: str, name: str, options: Object, *, dry_run: bool) -> Object:
    """Delete an object, or begin to: a pod that runs ends first, a namespace is emptied, finalizers are waited for."""
    item = read(objects, kind, namespace, name)
    uid = (options.get("preconditions") or {}).get("uid")
    if uid and uid != item["metadata"]["uid"]:
        raise StatusError(
            "Conflict",
            f"the UID in the precondition ({uid}) does not match the UID in record ({item['metadata']['uid']})",
        )
    if dry_run:
        return item
    if kind is NAMESPACE:
        return _delete_namespace(objects, item)
    grace = options.get("gracePeriodSeconds")
    if (
        kind is POD
        and item["spec"].get("nodeName")
        and item.get("status", {}).get("phase") not in ("Succeeded", "Failed")
    ):
        grace = item["spec"].get("terminationGracePeriodSeconds", 30) if grace is None else grace
        # The kubelet confirms with a second delete, grace 0.
        if grace > 0 and objects.find("nodes", item["spec"]["nodeName"]):
            return _mark(objects, kind, item, grace)
    if item["metadata"].get("finalizers"):
        return _mark(objects, kind, item, 0)
    return objects.delete(kind.plural, name, namespace=namespace)


def _mark(objects: ClusterObjects, kind: Kind, item: Object, grace: int) -> Object:
    def change(marked: Object) -> Object:
        metadata = marked["metadata"]
        metadata.setdefault("deletionTimestamp", now())
        metadata["deletionGracePeriodSeconds"] = min(grace, metadata.get("deletionGracePeriodSeconds", grace))
        return marked

    metadata = item["metadata"]
    return objects.update(kind.plural, metadata["name"], change, namespace=metadata.get("namespace", ""))


def _delete_namespace(objects: ClusterObjects, item: Object) -> Object:
    name = item["metadata"]["name"]
    if name in ("default", "kube-system", "kube-public"):
        raise StatusError("Forbidden", f'namespaces "{name}" is forbidden: this namespace may not be deleted')

    def change(marked: Object) -> Object:
        marked["metadata"].setdefault("deletionTimestamp", now())
        # The store removes what is being deleted and has no finalizer left; this one goes with the contents.
        marked["metadata"]["finalizers"] = ["slash24.io/contents"]
        marked["status"] = {"phase": "Terminating"}
        return marked

    marked = objects.update("namespaces", name, change)
    asyncio.get_running_loop().create_task(_empty(objects, name))
    return marked


async def _empty(objects: ClusterObjects, name: str) -> None:
    """Remove what a namespace holds, then the namespace."""
    contents = [kind for kind in KINDS if kind.namespaced]
    while True:
        left = [(kind, item) for kind in contents for item in objects.list(kind.plural, namespace=name)]
        if not left:
            break
        for kind, item in left:
            if not item["metadata"].get("deletionTimestamp"):
                try:
                    delete(objects, kind, name, item["metadata"]["name"], {}, dry_run=False)
                except (StatusError, NotFoundError):
                    continue
        await asyncio.sleep(0.02)
    try:
        objects.delete("namespaces", name)
    except NotFoundError:
        return
