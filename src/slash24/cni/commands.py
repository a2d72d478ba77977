"""What each CNI command does with this node's attachments. The agent calls it, and the fallback in the plugin."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from slash24.attach.pods import Pods
from slash24.cni import spec
from slash24.errors import Slash24Error
from slash24.store.leases import Lease

#: What a node's status says before anything else is known.
STATUS_KEY = "status"
READY = "ready"


def carry_out(
    request: spec.Request, pods: Pods, *, reap: Callable[[Lease, int], None] | None = None
) -> dict[str, Any] | None:
    """Carry out a request; return what goes to stdout, None for nothing. Raises Slash24Error.

    reap: see `Pods.delete`.
    """
    wanted = request.attachment
    if request.command == "ADD":
        return spec.add_result(request, pods.add(wanted, mtu_bytes=request.mtu_bytes))
    if request.command == "DEL":
        pods.delete(wanted.container_id, wanted.ifname, reap=reap)
    elif request.command == "CHECK":
        pods.check(wanted, spec.previous_addresses(request), mtu_bytes=request.mtu_bytes)
    elif request.command == "GC":
        for error in pods.collect(spec.valid_attachments(request)):
            raise error
    elif request.command == "STATUS":
        status = pods.leases.get(STATUS_KEY)
        if status != READY:
            raise spec.CniError(spec.NOT_AVAILABLE, status or "the node's network is not set up yet")
    else:
        return spec.version_result()
    return None


def answer(result: Mapping[str, Any] | None) -> bytes:
    """Return a success as the shim expects it: a zero byte, then what goes to stdout."""
    return b"\0" + (json.dumps(result).encode() + b"\n" if result is not None else b"")


def failure(version: str, error: Slash24Error) -> bytes:
    """Return an error as the shim expects it: a one, then CNI's error object."""
    return b"\1" + json.dumps(spec.error_result(version, error)).encode() + b"\n"
