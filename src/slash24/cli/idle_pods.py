"""Idle pods, as many as asked for on each node: load for a lab."""

import asyncio

from slash24.errors import TimeoutExpiredError
from slash24.kube.client import KubeClient

_PATIENCE_S = 300.0
_AT_ONCE = 16


async def start_idle_pods(client: KubeClient, nodes: list[str], per_node: int) -> None:
    """Create `per_node` pods for each node through the scheduler, and return when all run."""
    path = "/api/v1/namespaces/default/pods"
    total = len(nodes) * per_node
    gate = asyncio.Semaphore(_AT_ONCE)

    async def create(number: int) -> None:
        container = {"name": "pause", "image": "registry.k8s.io/pause:3.10"}
        metadata = {"name": f"idle-{number}", "labels": {"app": "idle"}}
        spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
        async with gate:
            await client.create(path, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})

    try:
        async with asyncio.timeout(_PATIENCE_S):
            await asyncio.gather(*(create(number) for number in range(total)))
            running = 0
            while running < total:
                await asyncio.sleep(0.05)
                found = await client.list(path, label_selector="app=idle", field_selector="status.phase=Running")
                running = len(found["items"])
    except TimeoutError:
        raise TimeoutExpiredError(
            f"{running} of {total} idle pods run after {_PATIENCE_S:.0f} s", fix="kubectl get pods -o wide"
        ) from None
    finally:
        await client.close()
