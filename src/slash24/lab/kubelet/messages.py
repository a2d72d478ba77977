"""Texts that a kubelet and its runtime are known by."""

from typing import Any


def not_ready_message(text: str) -> str:
    """Return the words of a node, or a pod, whose network isn't ready."""
    return (
        "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady "
        f"message:Network plugin returns error: {text}"
    )


def duration(seconds: float) -> str:
    """Return a duration as Go writes it.

    >>> duration(10), duration(160)
    ('10s', '2m40s')
    """
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def failure(message: str, code: int, reason: str) -> dict[str, Any]:
    """Return a Status object, as the API server passes it to kubectl."""
    return {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
        "reason": reason, "code": code,
    }  # fmt: skip
