"""The API server's way to a node's kubelet: the socket on the node's disk."""

import asyncio
import json
import os
from typing import Any

from slash24.errors import Slash24Error
from slash24.lab.paths import LabPaths


class NodeUnreachableError(Slash24Error):
    """A node's kubelet doesn't answer."""


class KubeletSockets:
    """Opens streams to kubelets, by cluster and node."""

    def __init__(self, paths: LabPaths) -> None:
        self._paths = paths

    async def open(
        self, cluster: str, node: str, request: dict[str, Any]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Send `request` to a kubelet; return the streams that carry the frames. Raises NodeUnreachableError."""
        del cluster  # node names are unique in a lab
        try:
            folder = os.open(self._paths.node(node) / "kubelet", os.O_RDONLY | os.O_DIRECTORY)
            try:
                # By the folder's descriptor: a socket's path may have 107 bytes, a lab's home more.
                streams = await asyncio.open_unix_connection(f"/proc/self/fd/{folder}/kubelet.sock")
            finally:
                os.close(folder)
        except OSError as error:
            raise NodeUnreachableError(f"the kubelet of node {node} can't be reached: {error.strerror}") from error
        streams[1].write(json.dumps(request).encode() + b"\n")
        return streams
