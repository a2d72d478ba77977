"""The cluster as one node's agent sees it: watched, decoded once for each change, kept while the API is away.

Other nodes are known by their NodeNetworkConfig, not by their Node: it is small and changes only with their network,
where a Node is written anew with each report of its kubelet. 5,000 agents hear of every change.
"""

import asyncio
from collections.abc import Callable

from slash24.core.cluster import Node, View
from slash24.kube import decode
from slash24.kube.client import Key, KubeClient, Mirror, Object


class ClusterWatch:
    """Settings and nodes of the cluster.

    network_changed: called when a value changed that routes, tables or probes follow from.
    own_changed: called when this node's own Node or NodeNetworkConfig changed.
    """

    def __init__(
        self, client: KubeClient, me: str, *, network_changed: Callable[[], None], own_changed: Callable[[], None]
    ) -> None:
        self._me = me
        self._network_changed = network_changed
        self._own_changed = own_changed
        self._known: dict[str, Node] = {}
        self._view: View | None = None
        self._own = Mirror(client, "/api/v1/nodes", field_selector=f"metadata.name={me}", on_change=own_changed)
        self._nodes = Mirror(client, decode.NNC_PATH, on_item=self._take_node)
        self._configs = Mirror(
            client,
            f"/api/v1/namespaces/{decode.CONFIG_NAMESPACE}/configmaps",
            field_selector=f"metadata.name={decode.CONFIG_NAME}",
            on_change=self._forget_view,
        )

    async def run(self) -> None:
        """Keep watching, for ever."""
        async with asyncio.TaskGroup() as tasks:
            for mirror in (self._own, self._nodes, self._configs):
                tasks.create_task(mirror.run())

    def view(self) -> View | None:
        """Return the cluster, its nodes by name; None before it is known. Raises DecodeError."""
        config = self._configs.objects.get((decode.CONFIG_NAMESPACE, decode.CONFIG_NAME))
        if not self._nodes.synced.is_set() or config is None:
            return None
        if self._view is None:
            nodes = sorted(self._known.values(), key=lambda node: node.name)
            self._view = View(decode.settings(config), tuple(nodes))
        return self._view

    def own_node(self) -> Object | None:
        """Return this node's Node as the API has it, None if it has none."""
        return self._own.objects.get(("", self._me))

    def own_config(self) -> Object | None:
        """Return this node's NodeNetworkConfig as the API has it, None if it has none."""
        return self._nodes.objects.get((decode.CONFIG_NAMESPACE, self._me))

    def _forget_view(self) -> None:
        self._view = None
        self._network_changed()

    def _take_node(self, key: Key, item: Object | None) -> None:
        name = key[1]
        node = None if item is None else decode.network_of(item)
        if node != self._known.get(name):
            if node is None:
                del self._known[name]
            else:
                self._known[name] = node
            self._forget_view()
        if name == self._me:
            self._own_changed()
