"""What the lab does with each field of a pod's spec: one table, for the warnings and for the user's page. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of `spec`, and all below it that no other row names.

    path: as in `containers[].image`; `containers` stands for init and ephemeral containers as well.
    effect: what the lab does with it, for users. acts: False, and who sets it is told that nothing does.
    harmless: values that ask for nothing, such as those that API and kubectl fill in.
    """

    path: str
    effect: str
    acts: bool = True
    harmless: tuple[Any, ...] = ()


def _nothing(path: str, why: str, *harmless: Any) -> Field:
    return Field(path, why, acts=False, harmless=harmless)


_NO_IMAGES = "the lab pulls no images"

FIELDS = (
    Field("containers[].name", "names it"),
    Field("containers[].image", "a name the lab knows stands for the machine's own programs or its helper"),
    _nothing("containers[].imagePullPolicy", _NO_IMAGES, "Always", "IfNotPresent", "Never"),
    Field("containers[].command", "runs, instead of the image's entry point"),
    Field("containers[].args", "runs, instead of the image's command"),
    Field("containers[].workingDir", "is made if it isn't there"),
    Field("containers[].env", "value, fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef"),
    Field("containers[].envFrom", "ConfigMaps and Secrets, with prefix and optional"),
    Field("containers[].ports", "names for probes; hostPort is passed to the CNI plugins"),
    Field("containers[].resources.requests", "count in the scheduler, against what the node has"),
    _nothing("containers[].resources.limits", "nothing is limited: a container may take what the machine has"),
    _nothing("containers[].resources.claims", "there are no devices to claim"),
    _nothing("containers[].resizePolicy", "nothing is limited, so nothing is resized"),
    Field("containers[].volumeMounts", "mountPath, readOnly, subPath, subPathExpr"),
    _nothing("containers[].volumeMounts[].mountPropagation", "mounts don't go back and forth", "None"),
    _nothing("containers[].volumeMounts[].recursiveReadOnly", "readOnly is for the mount itself", "Disabled"),
    _nothing("containers[].volumeDevices", "there are no block devices"),
    Field("containers[].startupProbe", "exec, httpGet, tcpSocket; grpc is told as an error of the probe"),
    Field("containers[].livenessProbe", "the same; ends the container, with the probe's own grace period"),
    Field("containers[].readinessProbe", "the same; gates Ready"),
    Field("containers[].lifecycle.postStart", "exec, httpGet, sleep"),
    Field("containers[].lifecycle.preStop", "exec, httpGet, sleep; its time is part of the grace period"),
    _nothing("containers[].lifecycle.stopSignal", "the signal is SIGTERM", "SIGTERM"),
    Field("containers[].terminationMessagePath", "its end is the message"),
    Field("containers[].terminationMessagePolicy", "File, FallbackToLogsOnError"),
    Field("containers[].stdin", "for attach"),
    Field("containers[].stdinOnce", "for attach"),
    Field("containers[].tty", "a terminal of its own"),
    Field("containers[].securityContext.runAsUser", "the user; without root on the machine there is one only"),
    Field("containers[].securityContext.runAsGroup", "the group"),
    Field("containers[].securityContext.runAsNonRoot", "refuses root"),
    Field("containers[].securityContext.capabilities", "none that reach past the pod: an event names what is refused"),
    Field("containers[].securityContext.privileged", "refused: an event says so"),
    Field("containers[].securityContext.readOnlyRootFilesystem", "nothing but volumes and /dev can be written"),
    Field("containers[].securityContext.allowPrivilegeEscalation", "false sets no_new_privs"),
    _nothing("containers[].securityContext.procMount", "/proc is masked", "Default"),
    _nothing("containers[].securityContext.seccompProfile", "no system call is filtered"),
    _nothing("containers[].securityContext.appArmorProfile", "no profile is loaded"),
    _nothing("containers[].securityContext.seLinuxOptions", "nothing is labelled"),
    _nothing("containers[].securityContext.windowsOptions", "nodes are Linux"),
    Field("containers[].targetContainerName", "an ephemeral container sees the target's processes"),
    _nothing("containers[].restartPolicyRules", "the restart policy alone decides"),
    Field("initContainers[].restartPolicy", "Always makes a sidecar: started in order, ended last"),
    _nothing("containers[].restartPolicy", "the pod's restart policy decides"),
    Field("volumes[].name", "names it"),
    Field("volumes[].emptyDir.medium", "Memory, or the node's disk"),
    Field("volumes[].emptyDir.sizeLimit", "of a volume in memory; a volume on disk may take what the disk has"),
    Field("volumes[].configMap", "items, defaultMode, optional; changes come within moments"),
    Field("volumes[].secret", "items, defaultMode, optional; changes come within moments"),
    Field("volumes[].downwardAPI", "fields and resources"),
    Field("volumes[].projected", "the three above together"),
    _nothing("volumes[].projected.sources[].serviceAccountToken", "the lab issues no tokens"),
    _nothing("volumes[].projected.sources[].clusterTrustBundle", "the lab keeps no bundles"),
    _nothing("volumes[].projected.sources[].podCertificate", "the lab issues no certificates"),
    Field("volumes[].hostPath", "folders that are the node's own: /etc, /opt, /run, /var/lib, /var/log"),
    Field("volumes[]", "another kind: the pod waits, with a FailedMount event that names it"),
    Field("restartPolicy", "with a kubelet's back-off"),
    Field("terminationGracePeriodSeconds", "between SIGTERM and SIGKILL"),
    Field("activeDeadlineSeconds", "DeadlineExceeded"),
    Field("hostNetwork", "the node's network"),
    Field("hostname", "the containers' host name"),
    Field("subdomain", "in /etc/hosts"),
    Field("hostAliases", "in /etc/hosts"),
    Field("dnsPolicy", "in /etc/resolv.conf"),
    Field("dnsConfig", "in /etc/resolv.conf"),
    Field("readinessGates", "gate Ready"),
    Field("nodeName", "binds it"),
    Field("nodeSelector", "the scheduler"),
    Field("affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution", "the scheduler"),
    _nothing(
        "affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution", "the scheduler prefers empty nodes"
    ),
    _nothing("affinity.podAffinity", "the scheduler doesn't look at other pods"),
    _nothing("affinity.podAntiAffinity", "the scheduler doesn't look at other pods"),
    _nothing("topologySpreadConstraints", "the scheduler takes the node with the fewest pods"),
    Field("tolerations", "the scheduler, and eviction"),
    Field("schedulerName", "another one's pods are left alone"),
    Field("schedulingGates", "the pod waits"),
    Field("overhead", "counts in the scheduler"),
    _nothing("priority", "no pod makes room for another", 0),
    _nothing("priorityClassName", "no pod makes room for another"),
    _nothing("preemptionPolicy", "no pod makes room for another", "PreemptLowerPriority", "Never"),
    Field("serviceAccountName", "is told to containers that ask for it"),
    Field("serviceAccount", "as serviceAccountName"),
    _nothing("automountServiceAccountToken", "the lab issues no tokens", False),
    _nothing("enableServiceLinks", "no variables of services are set", True, False),
    _nothing("hostPID", "containers have PID namespaces of their own", False),
    _nothing("hostIPC", "containers have IPC namespaces of their own", False),
    _nothing("hostUsers", "containers are in their node's user namespace", True),
    _nothing("hostnameOverride", "the host name is `hostname` or the pod's"),
    _nothing("setHostnameAsFQDN", "the host name is the short one", False),
    _nothing("shareProcessNamespace", "containers have PID namespaces of their own", False),
    Field("securityContext.runAsUser", "of containers that say nothing"),
    Field("securityContext.runAsGroup", "of containers that say nothing"),
    Field("securityContext.runAsNonRoot", "of containers that say nothing"),
    _nothing("securityContext.fsGroup", "volumes are root's; emptyDir may be written by all"),
    _nothing("securityContext.fsGroupChangePolicy", "there is no fsGroup"),
    _nothing("securityContext.supplementalGroups", "a container has one group"),
    _nothing("securityContext.supplementalGroupsPolicy", "a container has one group"),
    _nothing("securityContext.sysctls", "a pod's settings are its node's"),
    _nothing("securityContext.seccompProfile", "no system call is filtered"),
    _nothing("securityContext.appArmorProfile", "no profile is loaded"),
    _nothing("securityContext.seLinuxOptions", "nothing is labelled"),
    _nothing("securityContext.seLinuxChangePolicy", "nothing is labelled"),
    _nothing("securityContext.windowsOptions", "nodes are Linux"),
    _nothing("imagePullSecrets", _NO_IMAGES),
    _nothing("os", "nodes are Linux", {"name": "linux"}),
    _nothing("runtimeClassName", "there is one runtime"),
    _nothing("resources", "requests and limits are the containers'"),
    _nothing("resourceClaims", "there are no devices to claim"),
    _nothing("schedulingGroup", "pods are placed one by one"),
    _nothing("workloadRef", "pods are placed one by one"),
)
_BY_PATH = {field.path: field for field in FIELDS}
_CONTAINERS = ("initContainers", "ephemeralContainers")


def row_of(path: str) -> Field | None:
    """Return the row that speaks of a field, or of what it is in; None if none does.

    path: without numbers, as in `initContainers[].env[].name`.
    """
    while path:
        for known in (path, *(path.replace(sort, "containers", 1) for sort in _CONTAINERS if path.startswith(sort))):
            if known in _BY_PATH:
                return _BY_PATH[known]
        path = path.removesuffix("[]") if path.endswith("[]") else path.rpartition(".")[0]
    return None


def ignored(spec: Json) -> Iterator[tuple[str, str]]:
    """Yield (path, why) of each field that a pod sets and nothing acts on, as in `spec.containers[0].volumeDevices`."""
    for path, row in _walk(spec, "", ""):
        yield f"spec.{path}", row.effect
    for number, volume in enumerate(spec.get("volumes") or ()):
        empty = volume.get("emptyDir") or {}
        if empty.get("sizeLimit") and empty.get("medium") != "Memory":
            yield f"spec.volumes[{number}].emptyDir.sizeLimit", "a volume on disk may take what the disk has"


def _walk(value: Any, path: str, plain: str) -> Iterator[tuple[str, Field]]:
    """Yield the rows of what has no effect below a value; `plain` is its path without numbers."""
    if value in (None, "", [], {}):
        return
    row = row_of(plain) if plain else None
    if row is not None and not row.acts and _covers(row, plain):
        if value not in row.harmless:
            yield path, row
        return
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _walk(below, f"{path}.{key}" if path else key, f"{plain}.{key}" if plain else key)
    elif isinstance(value, list):
        for number, below in enumerate(value):
            yield from _walk(below, f"{path}[{number}]", f"{plain}[]")


def _covers(row: Field, plain: str) -> bool:
    """Tell whether a row is the field's own, not only that of what it is in."""
    return plain == row.path or any(plain == row.path.replace("containers", sort, 1) for sort in _CONTAINERS)
