"""The kinds that the embedded API serves. Another kind is another entry."""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from slash24.lab.kubeapi import columns as tables
from slash24.lab.kubeapi import fields, pods
from slash24.lab.kubeapi.fields import Tree
from slash24.lab.kubeapi.status import StatusError

Object = dict[str, Any]
VERBS = ("create", "delete", "get", "list", "patch", "update", "watch")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")

_LABEL_VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character"
)


_LABEL_TEXT = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LONGEST_KEY = 253 + 1 + 63
_QUALIFIED = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character"
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
    tree: Tree | None = None  # its fields, where they are spelled out
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
        name = str(metadata.get("name") or "")
        pattern, most = (pods.LABEL, 63) if self.label_names else (_SUBDOMAIN, 253)
        if not name:
            raise self.invalid(name, "metadata.name", "Required value: name or generateName is required")
        if len(name) > most:
            raise self.invalid(name, "metadata.name", f'Invalid value: "{name}": must be no more than {most} bytes')
        if not pattern.fullmatch(name):
            raise self.invalid(name, "metadata.name", f'Invalid value: "{name}": {pods.RFC1123}')
        for key, value in (metadata.get("labels") or {}).items():
            if not _LABEL_KEY.fullmatch(key) or len(key) > _LONGEST_KEY:
                raise self.invalid(name, "metadata.labels", f'Invalid value: "{key}": {_QUALIFIED}')
            if not _LABEL_TEXT.fullmatch(value):
                raise self.invalid(name, "metadata.labels", f'Invalid value: "{value}": {_LABEL_VALUE}')
        self.validate(item)


def _check_pod(item: Object) -> None:
    for field, text in pods.problems(item):
        raise POD.invalid(item["metadata"]["name"], field, text)


def _secret_defaults(item: Object) -> None:
    item.setdefault("type", "Opaque")


def _check_secret(item: Object) -> None:
    """Refuse data that isn't base64, once `stringData` has become part of it: that is for writing only."""
    given = item.pop("stringData", None) or {}
    if given:
        item["data"] = (item.get("data") or {}) | {
            key: base64.b64encode(value.encode()).decode() for key, value in given.items()
        }
    for value in (item.get("data") or {}).values():
        try:
            base64.b64decode(value, validate=True)
        except ValueError as error:
            raise StatusError(
                "BadRequest",
                f'Secret in version "v1" cannot be handled as a Secret: illegal base64 data: {error}',
            ) from error


def _namespace_defaults(item: Object) -> None:
    name = item["metadata"].get("name", "")
    item["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = name
    item.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    item.setdefault("status", {})["phase"] = "Active"


def _node_defaults(item: Object) -> None:
    item.setdefault("spec", {})
    item.setdefault("status", {})


POD = Kind("", "v1", "pods", "pod", "Pod", short=("po",), categories=("all",),
           subresources=pods.SUBRESOURCES, columns=tables.POD, cells=tables.pod, defaults=pods.defaults,
           validate=_check_pod, tree=fields.POD)  # fmt: skip
NAMESPACE = Kind("", "v1", "namespaces", "namespace", "Namespace", namespaced=False, short=("ns",),
                 subresources=("status", "finalize"), columns=tables.NAMESPACE, cells=tables.namespace,
                 defaults=_namespace_defaults, label_names=True, tree=fields.NAMESPACE)  # fmt: skip
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
        tree=fields.NODE,
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
        tree=fields.CONFIG_MAP,
    ),
    Kind(
        "",
        "v1",
        "secrets",
        "secret",
        "Secret",
        columns=tables.SECRET,
        cells=tables.secret,
        defaults=_secret_defaults,
        validate=_check_secret,
        tree=fields.SECRET,
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
    """Fill in what a new object leaves out, in place; return it."""
    item["apiVersion"], item["kind"] = kind.api_version, kind.kind
    kind.defaults(item)
    return item
