"""The controller: cuts the pod CIDR into node blocks, and mirrors them as NodeNetworkConfig objects."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from slash24.core.addresses import IPNetwork
from slash24.core.cluster import Settings, View, without_conflicts
from slash24.core.ipam import Assignment, assign_blocks, node_blocks
from slash24.errors import Slash24Error
from slash24.kube import decode, encode
from slash24.kube.client import ApiError, KubeClient, Mirror

log = logging.getLogger(__name__)

#: With many nodes at once, so many writes are under way.
_PARALLEL = 16
_RESYNC_S = 300.0
_RETRY_S = (0.05, 5.0)
#: A write to a node that somebody else wrote to is tried so often; the mirror shows it within so many seconds.
_CONFLICTS, _MIRROR_S = 5, 5.0


@dataclass(frozen=True, slots=True)
class ControllerConfig:
    """What a controller is told; all else comes from the API."""

    server: str
    token: str
    ca_file: str


async def run(config: ControllerConfig) -> None:
    """Be the controller of one cluster, until cancelled."""
    controller = Controller(config)
    try:
        await controller.run()
    finally:
        await controller.close()


class Controller:
    """Node blocks of one cluster."""

    def __init__(self, config: ControllerConfig) -> None:
        self._client = KubeClient(config.server, config.token, config.ca_file)
        self._changed = asyncio.Event()
        wake = self._changed.set
        self._nodes = Mirror(self._client, "/api/v1/nodes", on_change=wake)
        self._configs = Mirror(
            self._client,
            f"/api/v1/namespaces/{decode.CONFIG_NAMESPACE}/configmaps",
            field_selector=f"metadata.name={decode.CONFIG_NAME}",
            on_change=wake,
        )
        self._mirrored = Mirror(self._client, decode.NNC_PATH, on_change=wake)
        #: Blocks written but not yet seen in the mirror, by the node's uid, and until when the mirror may take its
        #: time. They are not given to another.
        self._written: dict[str, tuple[IPNetwork, float]] = {}
        self._told: dict[str, str] = {}
        self._writes = asyncio.Semaphore(_PARALLEL)

    async def run(self) -> None:
        """Keep the blocks assigned, for ever."""
        async with asyncio.TaskGroup() as tasks:
            for mirror in (self._nodes, self._configs, self._mirrored):
                tasks.create_task(mirror.run())
            tasks.create_task(self._keep_assigned())

    async def close(self) -> None:
        await self._client.close()

    async def _keep_assigned(self) -> None:
        retry_s = _RETRY_S[0]
        while True:
            self._changed.clear()  # before the state is read, so that a later change is not lost
            wait_s = _RESYNC_S
            try:
                await self._sync()
                retry_s = _RETRY_S[0]
            except Slash24Error as error:
                # A conflict is no failure: somebody else wrote to the node, and the mirror is about to say what.
                log.warning("node blocks: next try in %.2f s: %s", retry_s, error)
                wait_s, retry_s = retry_s, min(retry_s * 2, _RETRY_S[1])
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), wait_s)

    def _view(self) -> View | None:
        config = self._configs.objects.get((decode.CONFIG_NAMESPACE, decode.CONFIG_NAME))
        # Not before the first list: without it every node would seem to be gone (F40).
        if config is None or not self._nodes.synced.is_set():
            return None
        view = decode.view(config, self._nodes.objects.values())
        nodes = []
        for node in view.nodes:
            if node.blocks:
                self._written.pop(node.uid, None)
            elif node.uid in self._written:
                node = replace(node, blocks=(self._written[node.uid][0],))
            nodes.append(node)
        uids = {node.uid for node in nodes}
        self._written = {uid: written for uid, written in self._written.items() if uid in uids}
        return View(view.settings, tuple(nodes))

    async def _sync(self) -> None:
        view = self._view()
        if view is None:
            return
        settings = view.settings
        try:
            wanted = assign_blocks(settings.pod_cidr, settings.block_prefix, view.nodes)
        except ValueError as error:
            raise decode.DecodeError(f"block-prefix {settings.block_prefix}: {error}") from error
        gifts = dict(wanted.new)
        now = asyncio.get_running_loop().time()
        for node in view.nodes:
            block, until = self._written.get(node.uid, (None, 0.0))
            if block is not None and now >= until:
                gifts[node.name] = block  # an answer was lost, or the API lost what it had stored: the same once more
        await self._each(self._give(name, block) for name, block in sorted(gifts.items()))
        # The next view holds what was written.
        if wanted.new:
            view = self._view() or view
        await self._mirror(view)
        await self._tell(view, wanted)

    async def _each(self, writes: Any) -> None:
        """Carry out all of `writes`, then raise the first error that one of them met."""

        async def one(write: Awaitable[None]) -> None:
            async with self._writes:
                await write

        done = await asyncio.gather(*(one(write) for write in writes), return_exceptions=True)
        for error in done:
            if error is not None:
                raise error

    async def _give(self, name: str, block: IPNetwork) -> None:
        source = self._nodes.objects.get(("", name))
        if source is None:
            return
        path, uid = f"/api/v1/nodes/{name}", source["metadata"]["uid"]
        # Kept from now on, also when the answer is an error: the server may have stored it all the same (F15).
        self._written[uid] = (block, 0.0)
        for _ in range(_CONFLICTS):
            try:
                await self._client.patch(path, encode.node_blocks(source["metadata"]["resourceVersion"], [block]))
            except ApiError as error:
                if error.status not in (404, 409, 422):
                    raise
                # Refused, so not stored. Usually the node's own agent or kubelet wrote to it meanwhile.
                source = None if error.status == 404 else await self._client.get(path)
                if source is None or source["metadata"]["uid"] != uid or decode.node(source).blocks:
                    break
                continue
            self._written[uid] = (block, asyncio.get_running_loop().time() + _MIRROR_S)
            log.info("node %s: block %s", name, block)
            return
        self._written.pop(uid, None)

    # NodeNetworkConfig

    async def _mirror(self, view: View) -> None:
        """Publish each node's block. Agents route what stands here, so a claim that is refused doesn't."""
        if not self._mirrored.synced.is_set():
            return
        wanted = {
            (decode.CONFIG_NAMESPACE, node.name): encode.node_network_config(node, view.settings)
            for node in without_conflicts(view).nodes
            if node.blocks
        }
        have = self._mirrored.objects
        writes: list[Callable[[], Awaitable[None]]] = []
        for key, target in wanted.items():
            if key not in have:
                writes.append(lambda target=target: self._create(target))  # type: ignore[misc]
            elif decode.network_of(have[key]).uid != decode.network_of(target).uid:
                # Of an earlier node of that name, as what that node's agent said of itself is.
                writes.append(lambda key=key: self._delete(key[1]))  # type: ignore[misc]
            elif have[key].get("status") != target["status"]:
                writes.append(lambda old=have[key], new=target: self._replace(old, new))  # type: ignore[misc]
        writes += [lambda key=key: self._delete(key[1]) for key in have.keys() - wanted.keys()]  # type: ignore[misc]
        await self._each(write() for write in writes)

    async def _create(self, target: Mapping[str, Any]) -> None:
        with suppress_status(409):
            made = await self._client.create(decode.NNC_PATH, dict(target))
            if made.get("status") != target["status"]:  # a status subresource, whose part create() ignores
                await self._replace(made, target)

    async def _replace(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        body = {**old, "status": new["status"]}
        await self._client.replace(f"{decode.NNC_PATH}/{old['metadata']['name']}/status", body)

    async def _delete(self, name: str) -> None:
        with suppress_status(404):
            await self._client.delete(f"{decode.NNC_PATH}/{name}")
            log.info("node %s is gone: its block is free", name)

    # Events

    async def _tell(self, view: View, wanted: Assignment) -> None:
        """Say by an event, once, which claims are refused and which nodes go without."""
        messages = {}
        for conflict in wanted.refused:
            messages[conflict.node] = ("NodeBlockRefused", f"block {conflict.block} is refused: {conflict.why}")
        for name in wanted.without:
            messages[name] = ("NoFreeNodeBlock", without_block(view.settings, len(view.nodes)))
        for name, (reason, message) in messages.items():
            if self._told.get(name) == message:
                continue
            node = view.node(name)
            log.warning("node %s: %s", name, message)
            event = encode.node_event("slash24-controller", name, node.uid if node else "", reason, message)
            await self._client.create(encode.EVENTS_PATH, event)
        self._told = {name: message for name, (_, message) in messages.items()}


def without_block(settings: Settings, nodes: int) -> str:
    """Return the arithmetic of a pod CIDR that is too small.

    >>> from ipaddress import ip_network
    >>> without_block(Settings(ip_network("10.244.0.0/22")), 5)
    'pod CIDR 10.244.0.0/22 holds 4 blocks of /24 and the cluster has 5 nodes: none is free; remove nodes, or build a \
cluster with a pod CIDR of /21 or wider'
    """
    count = node_blocks(settings.pod_cidr, settings.block_prefix)
    needed = settings.block_prefix - max(nodes - 1, 0).bit_length()
    return (
        f"pod CIDR {settings.pod_cidr} holds {count} block{'s' * (count != 1)} of /{settings.block_prefix} and the "
        f"cluster has {nodes} nodes: none is free; remove nodes, or "
        f"build a cluster with a pod CIDR of /{needed} or wider"
    )


class suppress_status:  # noqa: N801 - reads like contextlib.suppress
    """Suppress ApiErrors of these HTTP codes."""

    def __init__(self, *statuses: int) -> None:
        self._statuses = statuses

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: object, at: object) -> bool:
        return isinstance(error, ApiError) and error.status in self._statuses
