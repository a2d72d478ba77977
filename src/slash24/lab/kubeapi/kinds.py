"""The kinds that the embedded API serves. Another kind is another entry."""

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from slash24.lab.kubeapi import columns as tables
from slash24.lab.kubeapi.status import StatusError

Object = dict[str, Any]
VERBS = ("create", "delete", "get", "list", "patch", "update", "watch")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_RFC1123 = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character"
)

_LABEL_VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character"
)


def _nothing(item: Object) -> None:
    del item


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind. `cells` gives the row of `kubectl get`; `defaults` fills what a new object leaves out, in place."""

    group: str
    version: str
    plural: str
    singular: str
    kind: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    columns: tables.Columns = tables.PLAIN
    cells: Callable[[Object], list[Any]] = tables.plain
    defaults: Callable[[Object], None] = _nothing
    validate: Callable[[Object], None] = _nothing
    custom: bool = False  # a custom resource: no strategic merge patch
    label_names: bool = False  # names are DNS labels, not subdomains

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """The name in messages: `pods`, `leases.coordination.k8s.io`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def not_found(self, name: str) -> StatusError:
        details = {"name": name, "group": self.group, "kind": self.plural}
        return StatusError("NotFound", f'{self.resource} "{name}" not found', details=details)

    def invalid(self, name: str, field: str, text: str) -> StatusError:
        causes = [{"reason": "FieldValueInvalid", "message": text, "field": field}]
        details = {"name": name, "group": self.group, "kind": self.kind, "causes": causes}
        full = f"{self.kind}.{self.group}" if self.group else self.kind
        return StatusError("Invalid", f'{full} "{name}" is invalid: {field}: {text}', details=details)

    def check(self, item: Object) -> None:
        """Refuse what no object of this kind may be: names and labels, then the kind's own rules."""
        metadata = item["metadata"]
        name = metadata.get("name", "")
        pattern, most = (_LABEL, 63) if self.label_names else (_SUBDOMAIN, 253)
        if not pattern.fullmatch(name) or len(name) > most:
            raise self.invalid(name, "metadata.name", f'Invalid value: "{name}": {_RFC1123}')
        for field in ("labels", "annotations"):
            for key, value in (metadata.get(field) or {}).items():
                if not isinstance(value, str):
                    raise StatusError(
                        "BadRequest",
                        f'{self.kind} in version "{self.version}" cannot be handled as a {self.kind}: json: cannot '
                        f"unmarshal {type(value).__name__} into Go struct field ObjectMeta.{field} of type string",
                    )
                if field == "labels" and not re.fullmatch(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?", value):
                    raise self.invalid(
                        name,
                        "metadata.labels",
                        f'Invalid value: "{value}": {_LABEL_VALUE}',
                    )
                if not key:
                    raise self.invalid(name, f"metadata.{field}", "name part must be non-empty")
        self.validate(item)


def _pod_defaults(item: Object) -> None:
    spec = item.setdefault("spec", {})
    for key, value in {
        "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "terminationGracePeriodSeconds": 30,
        "schedulerName": "default-scheduler", "enableServiceLinks": True,
    }.items():  # fmt: skip
        spec.setdefault(key, value)
    spec.setdefault("securityContext", {})  # kubectl debug dies without it
    for container in [*spec.get("initContainers", ()), *spec.get("containers", ())]:
        container.setdefault("terminationMessagePath", "/dev/termination-log")
        container.setdefault("terminationMessagePolicy", "File")
        image = str(container.get("image", ""))
        newest = image.endswith(":latest") or ":" not in image.rpartition("/")[2]
        container.setdefault("imagePullPolicy", "Always" if newest else "IfNotPresent")
        container.setdefault("resources", {})
        for port in container.get("ports", ()):
            port.setdefault("protocol", "TCP")
    # The taints that Kubernetes' admission lets every pod outlive for five minutes.
    tolerations = spec.setdefault("tolerations", [])
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(t.get("key") in (None, key) for t in tolerations):
            tolerations.append({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300})
    item.setdefault("status", {}).setdefault("phase", "Pending")
    item["status"].setdefault("qosClass", "BestEffort")


def _check_pod(item: Object) -> None:
    spec, name = item.get("spec", {}), item["metadata"]["name"]
    containers = spec.get("containers")
    if not isinstance(containers, list) or not containers:
        raise POD.invalid(name, "spec.containers", "Required value")
    seen: set[str] = set()
    for i, container in enumerate([*spec.get("initContainers", ()), *containers]):
        field = f"spec.containers[{i}]"
        if not isinstance(container, dict):
            raise POD.invalid(name, field, "Invalid value: must be an object")
        if not container.get("name") or not _LABEL.fullmatch(str(container["name"])):
            raise POD.invalid(
                name,
                f"{field}.name",
                "Required value" if not container.get("name") else f'Invalid value: "{container["name"]}": {_RFC1123}',
            )
        if container["name"] in seen:
            raise POD.invalid(name, f"{field}.name", f'Duplicate value: "{container["name"]}"')
        seen.add(container["name"])
        if not container.get("image"):
            raise POD.invalid(name, f"{field}.image", "Required value")
    if spec.get("restartPolicy") not in ("Always", "OnFailure", "Never"):
        raise POD.invalid(
            name,
            "spec.restartPolicy",
            f'Unsupported value: "{spec.get("restartPolicy")}": supported values: "Always", "OnFailure", "Never"',
        )


def _namespace_defaults(item: Object) -> None:
    name = item["metadata"].get("name", "")
    item["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = name
    item.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    item.setdefault("status", {})["phase"] = "Active"


def _node_defaults(item: Object) -> None:
    item.setdefault("spec", {})
    item.setdefault("status", {})


POD = Kind("", "v1", "pods", "pod", "Pod", short=("po",), categories=("all",),
           subresources=("status", "binding", "log", "exec", "attach", "eviction"), columns=tables.POD,
           cells=tables.pod, defaults=_pod_defaults, validate=_check_pod)  # fmt: skip
NAMESPACE = Kind("", "v1", "namespaces", "namespace", "Namespace", namespaced=False, short=("ns",),
                 subresources=("status", "finalize"), columns=tables.NAMESPACE, cells=tables.namespace,
                 defaults=_namespace_defaults, label_names=True)  # fmt: skip
KINDS = (
    POD,
    NAMESPACE,
    Kind(
        "",
        "v1",
        "nodes",
        "node",
        "Node",
        namespaced=False,
        short=("no",),
        subresources=("status",),
        columns=tables.NODE,
        cells=tables.node,
        defaults=_node_defaults,
    ),
    Kind(
        "",
        "v1",
        "configmaps",
        "configmap",
        "ConfigMap",
        short=("cm",),
        columns=tables.CONFIG_MAP,
        cells=tables.config_map,
    ),
    Kind("", "v1", "events", "event", "Event", short=("ev",), columns=tables.EVENT, cells=tables.event),
    Kind("", "v1", "serviceaccounts", "serviceaccount", "ServiceAccount", short=("sa",)),
    Kind("coordination.k8s.io", "v1", "leases", "lease", "Lease", columns=tables.LEASE, cells=tables.lease),
    Kind(
        "acn.azure.com",
        "v1alpha",
        "nodenetworkconfigs",
        "nodenetworkconfig",
        "NodeNetworkConfig",
        short=("nnc",),
        subresources=("status",),
        columns=(("Name", 0), *tables.NNC),
        cells=tables.node_network_config,
        custom=True,
    ),
)
BY_PATH = {(kind.group, kind.version, kind.plural): kind for kind in KINDS}


def with_defaults(kind: Kind, item: Object) -> Object:
    """Return a copy of a new object with what the API fills in."""
    filled = copy.deepcopy(item)
    filled["apiVersion"], filled["kind"] = kind.api_version, kind.kind
    kind.defaults(filled)
    return filled
