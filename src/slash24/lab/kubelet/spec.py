"""What a Pod's JSON asks of a container: its command, its rights, its names. Pure."""

from collections.abc import Mapping
from typing import Any

from slash24.lab.kubelet import images
from slash24.lab.kubelet.downward import ContainerConfigError
from slash24.lab.kubelet.environment import expand

Json = dict[str, Any]

#: containerd's default set. CAP_MKNOD is harmless here: every file system of a container is mounted nodev.
_DEFAULT_CAPABILITIES = (
    "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "NET_BIND_SERVICE",
    "NET_RAW", "SYS_CHROOT", "MKNOD", "AUDIT_WRITE", "SETFCAP",
)  # fmt: skip
_BITS = {
    "CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3, "FSETID": 4, "KILL": 5, "SETGID": 6, "SETUID": 7, "SETPCAP": 8,
    "NET_BIND_SERVICE": 10, "NET_BROADCAST": 11, "NET_ADMIN": 12, "NET_RAW": 13, "IPC_LOCK": 14, "SYS_CHROOT": 18,
    "SYS_PTRACE": 19, "SYS_NICE": 23, "MKNOD": 27, "AUDIT_WRITE": 29, "SETFCAP": 31,
}  # fmt: skip


def arguments(container: Json, image: images.Image, env: Mapping[str, str]) -> list[str]:
    """Return the words to run: `command` replaces the image's entry point and command, `args` its command.

    Raises ContainerConfigError if there is nothing to run.
    """
    command, args = container.get("command"), container.get("args")
    words = [*command, *(args or ())] if command else [*image.entrypoint, *(args or image.command)]
    if not words:
        raise ContainerConfigError("no command specified")
    return [expand(str(word), env) for word in words]


def capabilities(container: Json) -> tuple[int, list[str]]:
    """Return the capability set as bits, and the names that were asked for and are not given.

    What would reach past the pod (SYS_ADMIN, SYS_MODULE, `privileged`) is never given: the machine is the user's own.
    """
    wanted = (container.get("securityContext") or {}).get("capabilities") or {}
    names = set(_DEFAULT_CAPABILITIES)
    refused = []
    dropped = {str(name).removeprefix("CAP_") for name in wanted.get("drop") or ()}
    names = set() if "ALL" in dropped else names - dropped
    for name in (str(name).removeprefix("CAP_") for name in wanted.get("add") or ()):
        if name in _BITS:
            names.add(name)
        else:
            refused.append(name)
    if (container.get("securityContext") or {}).get("privileged"):
        refused.append("privileged")
    return sum(1 << _BITS[name] for name in names), refused


def user(pod: Json, container: Json) -> tuple[int, int]:
    """Return the user and group ids to run with; -1: the image's, which is root.

    Raises ContainerConfigError if that is root and must not be.
    """
    contexts = [container.get("securityContext") or {}, pod.get("spec", {}).get("securityContext") or {}]

    def first(key: str) -> Any:
        return next((context[key] for context in contexts if context.get(key) is not None), None)

    uid, gid = first("runAsUser"), first("runAsGroup")
    if first("runAsNonRoot") and not uid:
        why = "container's runAsUser breaks non-root policy" if uid == 0 else (
            "container has runAsNonRoot and image will run as root"
        )  # fmt: skip
        raise ContainerConfigError(f'{why} (pod: "{title(pod)}", container: {container["name"]})')
    return -1 if uid is None else int(uid), -1 if gid is None else int(gid)


def title(pod: Json) -> str:
    """Return how a kubelet names a pod in its messages: NAME_NAMESPACE(UID)."""
    metadata = pod["metadata"]
    return f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"


def named_ports(container: Json) -> dict[str, int]:
    """Return the container's ports that have names."""
    return {port["name"]: int(port["containerPort"]) for port in container.get("ports") or () if port.get("name")}


def hostname(pod: Json, node_name: str) -> str:
    """Return the host name that the pod's containers see, at most 63 characters."""
    if pod["spec"].get("hostNetwork"):
        return node_name
    return str(pod["spec"].get("hostname") or pod["metadata"]["name"])[:63].rstrip("-.")


def hosts_file(pod: Json, ip: str) -> str:
    """Return /etc/hosts as a kubelet writes it."""
    name, spec = hostname(pod, ""), pod["spec"]
    lines = [
        "# Kubernetes-managed hosts file.",
        "127.0.0.1\tlocalhost",
        "::1\tlocalhost ip6-localhost ip6-loopback",
        "fe00::0\tip6-localnet",
        "fe00::0\tip6-mcastprefix",
        "fe00::1\tip6-allnodes",
        "fe00::2\tip6-allrouters",
    ]
    if spec.get("subdomain"):
        full = f"{name}.{spec['subdomain']}.{pod['metadata']['namespace']}.svc.cluster.local"
        lines.append(f"{ip}\t{full}\t{name}")
    else:
        lines.append(f"{ip}\t{name}")
    if spec.get("hostAliases"):
        lines += ["", "# Entries added by HostAliases."]
        lines += ["\t".join([alias["ip"], *alias.get("hostnames", ())]) for alias in spec["hostAliases"]]
    return "\n".join(lines) + "\n"


def resolv_file(pod: Json, cluster_dns: str, domain: str, node_file: str) -> str:
    """Return /etc/resolv.conf. node_file: the text of the node's own."""
    spec, own = pod["spec"], pod["spec"].get("dnsConfig") or {}
    policy = spec.get("dnsPolicy") or "ClusterFirst"
    servers, searches = list(own.get("nameservers") or ()), list(own.get("searches") or ())
    options = [
        f"{option['name']}:{option['value']}" if option.get("value") else str(option["name"])
        for option in own.get("options") or ()
    ]
    of_cluster = policy == "ClusterFirstWithHostNet" or (policy == "ClusterFirst" and not spec.get("hostNetwork"))
    if policy != "None" and not (of_cluster and cluster_dns):
        return node_file
    if of_cluster:
        namespace = pod["metadata"]["namespace"]
        servers.insert(0, cluster_dns)
        searches = [f"{namespace}.svc.{domain}", f"svc.{domain}", domain, *searches]
        options = options or ["ndots:5"]
    lines = [f"search {' '.join(searches)}"] if searches else []
    lines += [f"nameserver {server}" for server in servers]
    lines += [f"options {' '.join(options)}"] if options else []
    return "\n".join(lines) + "\n"
