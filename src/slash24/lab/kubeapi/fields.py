"""The fields that objects have, and their types: a spelling mistake is told, and text where a list belongs is refused.

Kinds that the lab acts upon are spelled out (docs/sources.md#fields); what is below a `*` is taken as it comes.
"""

import copy
import re
from collections.abc import Iterator
from typing import Any

from slash24.lab.kubeapi.status import StatusError

Object = dict[str, Any]
#: A field's type: s text, i number, b true or false, [s] and {s} lists and maps of text, * anything; or what is below.
Tree = dict[str, Any]

#: The structs of Go that hold a field, by the field above it: clients know these messages.
_STRUCTS = {
    "metadata": "ObjectMeta", "containers": "Container", "initContainers": "Container", "env": "EnvVar",
    "ports": "ContainerPort", "resources": "ResourceRequirements", "tolerations": "Toleration", "taints": "Taint",
}  # fmt: skip
_GO = {"s": "string", "i": "int64", "b": "bool", "[s]": "[]string", "{s}": "map[string]string"}


def _tree(text: str, **nested: Any) -> Tree:
    """Return a tree from words like `name:s`; a word without a type is text."""
    leaves = (word.partition(":") for word in text.split())
    return {name: kind or "s" for name, _, kind in leaves} | nested


_METADATA = _tree(
    "name generateName namespace labels:{s} annotations:{s} finalizers:[s] uid resourceVersion generation:i "
    "creationTimestamp:* deletionTimestamp:* deletionGracePeriodSeconds:* managedFields:* selfLink",
    ownerReferences=[_tree("apiVersion kind name uid controller:b blockOwnerDeletion:b")],
)
_HANDLERS = {
    "exec": _tree("command:[s]"),
    "httpGet": _tree("path port:* host scheme httpHeaders:*"),
    "tcpSocket": _tree("port:* host"),
}
_PROBE = _tree(
    "initialDelaySeconds:i timeoutSeconds:i periodSeconds:i successThreshold:i failureThreshold:i "
    "terminationGracePeriodSeconds:i",
    grpc=_tree("port:i service"),
    **_HANDLERS,
)
_HANDLER = _tree("sleep:*", **_HANDLERS)
_RIGHTS = "runAsGroup:i runAsNonRoot:b runAsUser:i appArmorProfile:* seLinuxOptions:* seccompProfile:* windowsOptions:*"
_CONTAINER = _tree(
    "name image command:[s] args:[s] workingDir envFrom:* resizePolicy:* restartPolicy restartPolicyRules:* "
    "terminationMessagePath terminationMessagePolicy imagePullPolicy stdin:b stdinOnce:b tty:b targetContainerName",
    ports=[_tree("containerPort:i hostPort:i name protocol hostIP")],
    env=[_tree("name value valueFrom:*")],
    resources=_tree("limits:* requests:* claims:*"),
    volumeMounts=[_tree("name mountPath readOnly:b subPath subPathExpr mountPropagation recursiveReadOnly")],
    volumeDevices=[_tree("devicePath name")],
    livenessProbe=_PROBE,
    readinessProbe=_PROBE,
    startupProbe=_PROBE,
    lifecycle=_tree("stopSignal", postStart=_HANDLER, preStop=_HANDLER),
    securityContext=_tree(
        f"allowPrivilegeEscalation:b privileged:b procMount readOnlyRootFilesystem:b {_RIGHTS}",
        capabilities=_tree("add:[s] drop:[s]"),
    ),
)
_VOLUME = _tree(
    "name emptyDir:* configMap:* secret:* hostPath:* projected:* downwardAPI:* persistentVolumeClaim:* ephemeral:* "
    "csi:* nfs:* image:* azureDisk:* azureFile:* iscsi:* fc:*"
)
_POD_SPEC = _tree(
    "activeDeadlineSeconds:i affinity:* automountServiceAccountToken:b dnsPolicy enableServiceLinks:b hostIPC:b "
    "hostNetwork:b hostPID:b hostUsers:b hostname hostnameOverride nodeName nodeSelector:{s} overhead:* "
    "preemptionPolicy priority:i priorityClassName resourceClaims:* resources:* restartPolicy runtimeClassName "
    "schedulerName schedulingGroup:* serviceAccount serviceAccountName setHostnameAsFQDN:b "
    "shareProcessNamespace:b subdomain terminationGracePeriodSeconds:i topologySpreadConstraints:* workloadRef:*",
    containers=[_CONTAINER],
    initContainers=[_CONTAINER],
    ephemeralContainers=[_CONTAINER],
    dnsConfig=_tree("nameservers:[s] searches:[s]", options=[_tree("name value")]),
    hostAliases=[_tree("ip hostnames:[s]")],
    imagePullSecrets=[_tree("name")],
    os=_tree("name"),
    readinessGates=[_tree("conditionType")],
    schedulingGates=[_tree("name")],
    securityContext=_tree(
        f"fsGroup:i fsGroupChangePolicy supplementalGroups:* supplementalGroupsPolicy seLinuxChangePolicy {_RIGHTS}",
        sysctls=[_tree("name value")],
    ),
    tolerations=[_tree("key operator value effect tolerationSeconds:i")],
    volumes=[_VOLUME],
)
_TOP = {"apiVersion": "s", "kind": "s", "metadata": _METADATA}
POD: Tree = _TOP | {"spec": _POD_SPEC, "status": "*"}
CONFIG_MAP: Tree = _TOP | _tree("data:{s} binaryData:{s} immutable:b")
SECRET: Tree = _TOP | _tree("data:{s} stringData:{s} type immutable:b")
NAMESPACE: Tree = _TOP | {"spec": _tree("finalizers:[s]"), "status": "*"}
NODE: Tree = _TOP | {
    "spec": _tree(
        "podCIDR podCIDRs:[s] providerID unschedulable:b externalID configSource:*",
        taints=[_tree("key value effect timeAdded:*")],
    ),
    "status": "*",
}
#: Of kinds that aren't spelled out, custom resources among them.
ANY: Tree = {"metadata": _METADATA}


def unknown_fields(kind: str, version: str, item: Object, tree: Tree) -> list[str]:
    """Return the paths of fields that `tree` doesn't have. Raises StatusError for a value of a wrong type."""
    found = []
    for path, wrong in _differences(item, tree, ""):
        if wrong is None:
            found.append(path)
            continue
        parts = re.sub(r"\[\d+\]", "", path).split(".")
        above = parts[-2] if len(parts) > 1 else ""
        struct = _STRUCTS.get(above) or (f"{kind}Spec" if above == "spec" else above.capitalize() or kind)
        raise StatusError(
            "BadRequest",
            f'{kind} in version "{version}" cannot be handled as a {kind}: json: cannot unmarshal {wrong[0]} into Go '
            f"struct field {struct}.{'.'.join(parts)} of type {wrong[1]}",
        )
    return found


def without(item: Object, tree: Tree) -> Object:
    """Return a copy of an object without the fields that `tree` doesn't have."""
    pruned = copy.deepcopy(item)
    _prune(pruned, tree)
    return pruned


def _prune(item: Any, tree: Any) -> None:
    if isinstance(tree, list):
        for entry in item or ():
            _prune(entry, tree[0])
    elif isinstance(tree, dict) and isinstance(item, dict):
        for name in [name for name in item if name not in tree] if tree is not ANY else ():
            del item[name]
        for name, below in tree.items():
            if item.get(name) is not None:
                _prune(item[name], below)


#: A path, and None if it isn't known, or (what it is, what it should be).
Difference = tuple[str, tuple[str, str] | None]


def _differences(item: Any, tree: Any, path: str) -> Iterator[Difference]:
    if isinstance(tree, list):
        if not isinstance(item, list):
            yield path, (_json_type(item), "[]struct")
            return
        for number, entry in enumerate(item):
            yield from _differences(entry, tree[0], f"{path}[{number}]")
    elif isinstance(tree, dict):
        if not isinstance(item, dict):
            yield path, (_json_type(item), "struct")
            return
        for name, value in item.items():
            where = f"{path}.{name}" if path else name
            if name not in tree:
                if tree is not ANY:
                    yield where, None
            elif value is not None:
                yield from _differences(value, tree[name], where)
    elif not _has_type(item, tree):
        entries = item if isinstance(item, list) else item.values() if isinstance(item, dict) else ()
        wrong = next((entry for entry in entries if not isinstance(entry, str)), item)
        yield path, (_json_type(wrong), _GO[tree] if wrong is item else "string")


def _json_type(item: Any) -> str:
    names = {bool: "bool", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(item), "null")


def _has_type(item: Any, kind: str) -> bool:
    match kind:
        case "s":
            return isinstance(item, str)
        case "i":
            return isinstance(item, int) and not isinstance(item, bool)
        case "b":
            return isinstance(item, bool)
        case "[s]":
            return isinstance(item, list) and all(isinstance(entry, str) for entry in item)
        case "{s}":
            return isinstance(item, dict) and all(isinstance(entry, str) for entry in item.values())
    return True
