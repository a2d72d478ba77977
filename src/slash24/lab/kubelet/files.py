"""Files that are whole or not there, and times as Kubernetes writes them."""

import os
from datetime import UTC, datetime
from pathlib import Path


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file so that a reader, and a kill at any moment, meets the old text or the new one."""
    fresh = Path(f"{path}.new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
    fresh.rename(path)


def now() -> str:
    """Return the time as in `metadata.creationTimestamp`: UTC, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def stamp(ns: int) -> str:
    """Return nanoseconds since 1970 as Kubernetes writes a time."""
    return datetime.fromtimestamp(ns / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_now() -> str:
    """Return the time as in a Lease: UTC with microseconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
