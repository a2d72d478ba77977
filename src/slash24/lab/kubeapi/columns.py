"""The columns that `kubectl get` shows, kind by kind: the API server makes the cells."""

from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]
# name, priority (1: only with -o wide)
Columns = tuple[tuple[str, int], ...]


def age(stamp: str | None) -> str:
    """Return how long ago a time of the API was, as kubectl writes it: 45s, 3m20s, 5h, 2d3h."""
    if not stamp:
        return "<unknown>"
    seconds = int((datetime.now(UTC) - datetime.fromisoformat(stamp.replace("Z", "+00:00"))).total_seconds())
    if seconds < 0:
        return "0s"
    if seconds < 120:
        return f"{seconds}s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 10:
        return f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
    return f"{days}d"


def _age(item: Object) -> str:
    return age(item["metadata"].get("creationTimestamp"))


PLAIN: Columns = (("Name", 0), ("Age", 0))


def plain(item: Object) -> list[Any]:
    return [item["metadata"]["name"], _age(item)]


NAMESPACE: Columns = (("Name", 0), ("Status", 0), ("Age", 0))


def namespace(item: Object) -> list[Any]:
    return [item["metadata"]["name"], item.get("status", {}).get("phase", "Active"), _age(item)]


CONFIG_MAP: Columns = (("Name", 0), ("Data", 0), ("Age", 0))


def config_map(item: Object) -> list[Any]:
    return [item["metadata"]["name"], len(item.get("data") or {}) + len(item.get("binaryData") or {}), _age(item)]


SECRET: Columns = (("Name", 0), ("Type", 0), ("Data", 0), ("Age", 0))


def secret(item: Object) -> list[Any]:
    return [item["metadata"]["name"], item.get("type", ""), len(item.get("data") or {}), _age(item)]


LEASE: Columns = (("Name", 0), ("Holder", 0), ("Age", 0))


def lease(item: Object) -> list[Any]:
    return [item["metadata"]["name"], item.get("spec", {}).get("holderIdentity", ""), _age(item)]


EVENT: Columns = (("Last Seen", 0), ("Type", 0), ("Reason", 0), ("Object", 0), ("Subobject", 1), ("Source", 1),
                  ("Message", 0), ("First Seen", 1), ("Count", 1), ("Name", 1))  # fmt: skip


def event(item: Object) -> list[Any]:
    about = item.get("involvedObject", {})
    name = f"{about.get('kind', '').lower()}/{about.get('name', '')}"
    last = item.get("lastTimestamp") or item.get("eventTime") or item["metadata"].get("creationTimestamp")
    first = item.get("firstTimestamp") or last
    source = item.get("source", {})
    return [
        age(last), item.get("type", ""), item.get("reason", ""), name,
        about.get("fieldPath", ""), ", ".join(filter(None, (source.get("component"), source.get("host")))),
        item.get("message", "").strip(), age(first), item.get("count", 1), item["metadata"]["name"],
    ]  # fmt: skip


NODE: Columns = (("Name", 0), ("Status", 0), ("Roles", 0), ("Age", 0), ("Version", 0), ("Internal-IP", 1),
                 ("External-IP", 1), ("OS-Image", 1), ("Kernel-Version", 1), ("Container-Runtime", 1))  # fmt: skip


def node(item: Object) -> list[Any]:
    status = item.get("status", {})
    ready = next((c.get("status") for c in status.get("conditions", ()) if c.get("type") == "Ready"), None)
    words = "Unknown" if ready is None else "Ready" if ready == "True" else "NotReady"
    if item.get("spec", {}).get("unschedulable"):
        words += ",SchedulingDisabled"
    roles = sorted(
        label.removeprefix("node-role.kubernetes.io/")
        for label in item["metadata"].get("labels") or {}
        if label.startswith("node-role.kubernetes.io/")
    )
    info = status.get("nodeInfo", {})
    address = {a["type"]: a["address"] for a in status.get("addresses", ())}
    return [
        item["metadata"]["name"], words, ",".join(roles) or "<none>", _age(item), info.get("kubeletVersion", ""),
        address.get("InternalIP", "<none>"), address.get("ExternalIP", "<none>"), info.get("osImage") or "<unknown>",
        info.get("kernelVersion") or "<unknown>", info.get("containerRuntimeVersion") or "<unknown>",
    ]  # fmt: skip


NNC: Columns = (("Status", 0), ("Node IP", 0), ("Block", 0), ("Subnet Address Space", 1), ("Age", 0))


def node_network_config(item: Object) -> list[Any]:
    status = item.get("status", {})
    container = (status.get("networkContainers") or [{}])[0]
    return [
        item["metadata"]["name"], status.get("status", ""), container.get("nodeIP", ""), container.get("primaryIP", ""),
        container.get("subnetAddressSpace", ""), _age(item),
    ]  # fmt: skip


POD: Columns = (("Name", 0), ("Ready", 0), ("Status", 0), ("Restarts", 0), ("Age", 0), ("IP", 1), ("Node", 1),
                ("Nominated Node", 1), ("Readiness Gates", 1))  # fmt: skip


def pod(item: Object) -> list[Any]:
    status, spec = item.get("status", {}), item.get("spec", {})
    stay = _sidecars(item)
    containers = list(status.get("containerStatuses") or [])
    containers += [one for one in status.get("initContainerStatuses") or [] if one.get("name") in stay]
    ready = sum(bool(c.get("ready")) for c in containers)
    restarts = sum(int(c.get("restartCount", 0)) for c in containers)
    ended = [
        c["lastState"]["terminated"].get("finishedAt")
        for c in containers
        if (c.get("lastState") or {}).get("terminated")
    ]
    again = (
        f"{restarts} ({age(max(filter(None, ended), default=None))} ago)" if restarts and any(ended) else str(restarts)
    )
    total = len(spec.get("containers", ())) + len(stay)
    return [
        item["metadata"]["name"], f"{ready}/{total}", pod_state(item), again, _age(item),
        status.get("podIP") or "<none>", spec.get("nodeName") or "<none>", "<none>", "<none>",
    ]  # fmt: skip


def _sidecars(item: Object) -> set[str]:
    return {one["name"] for one in item["spec"].get("initContainers") or () if one.get("restartPolicy") == "Always"}


def pod_state(item: Object) -> str:
    """Return the word in the STATUS column: the phase, unless a container's state says more."""
    status, stay = item.get("status", {}), _sidecars(item)
    word = status.get("reason") or status.get("phase") or "Pending"
    for i, container in enumerate(status.get("initContainerStatuses") or []):
        state = container.get("state") or {}
        ended, waiting = state.get("terminated"), state.get("waiting")
        if (ended and ended.get("exitCode") == 0) or (container.get("name") in stay and container.get("started")):
            continue
        if ended:
            word = f"Init:{ended.get('reason') or 'ExitCode:' + str(ended.get('exitCode'))}"
        elif waiting and waiting.get("reason") not in (None, "", "PodInitializing"):
            word = f"Init:{waiting['reason']}"
        else:
            word = f"Init:{i}/{len(item['spec'].get('initContainers', ()))}"
        break
    else:
        running = False
        for container in reversed(status.get("containerStatuses") or []):
            state = container.get("state") or {}
            waiting, ended = state.get("waiting"), state.get("terminated")
            if waiting and waiting.get("reason"):
                word = waiting["reason"]
            elif ended:
                word = ended.get("reason") or f"ExitCode:{ended.get('exitCode')}"
            elif container.get("ready") and state.get("running") is not None:
                running = True
        if word == "Completed" and running:
            word = "Running"
    if item["metadata"].get("deletionTimestamp"):
        return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return str(word)
