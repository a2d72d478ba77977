"""Waiting for a cluster's nodes, and saying why one isn't Ready."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from slash24.errors import NotFoundError, TimeoutExpiredError
from slash24.store.objects import ClusterObjects, now

#: A lab's node needs a second or two; a loaded machine more.
PATIENCE_S = 60.0


class NotReadyError(TimeoutExpiredError):
    """A node did not become Ready in time; the message has its own reason."""


async def wait_until_ready(objects: ClusterObjects, names: Iterable[str], patience_s: float = PATIENCE_S) -> None:
    """Return when every named node is Ready. Raises NotReadyError."""
    waiting = set(names)
    seen: dict[str, dict[str, Any]] = {}
    try:
        async with asyncio.timeout(patience_s):
            async for kind, node in objects.watch("nodes", send_initial=True):
                name = node.get("metadata", {}).get("name", "")
                if kind in ("ADDED", "MODIFIED") and name in waiting:
                    seen[name] = node
                    if is_ready(node):
                        waiting.discard(name)
                if not waiting:
                    return
    except TimeoutError:
        name = sorted(waiting)[0]
        raise NotReadyError(
            f"{len(waiting)} node(s) not Ready after {patience_s:.0f} s; {name}: {why_not_ready(seen.get(name))}",
            why="a node is Ready only after a packet crossed its dataplane",
            fix="look into `slash24 lab status`, and the node's log folder that it names",
        ) from None


def expect_report(objects: ClusterObjects, name: str) -> None:
    """Note that nobody knows how a node is until it reports again, as Kubernetes' node controller does."""

    def change(node: dict[str, Any]) -> dict[str, Any]:
        for one in node.get("status", {}).get("conditions", ()):
            if one.get("type") == "Ready":
                one |= {"status": "Unknown", "reason": "NodeStatusUnknown",
                        "message": "Kubelet stopped posting node status.", "lastTransitionTime": now()}  # fmt: skip
        return node

    with suppress(NotFoundError):
        objects.update("nodes", name, change)


def condition(node: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return a node's condition of one type; {} if it has none."""
    return next((c for c in node.get("status", {}).get("conditions", ()) if c.get("type") == kind), {})


def is_ready(node: dict[str, Any]) -> bool:
    return condition(node, "Ready").get("status") == "True"


def why_not_ready(node: dict[str, Any] | None) -> str:
    """Return the reason that a node itself gives; the network's own words before the kubelet's."""
    if node is None:
        return "it has not registered with the Kubernetes API"
    network = condition(node, "NetworkUnavailable")
    if network.get("status") == "True" and network.get("message"):
        return str(network["message"])
    return str(condition(node, "Ready").get("message") or "it has not reported its state")
