"""The way into a lab for commands that look at it from inside: its public APIs."""

import threading
from typing import Any

from slash24.azure.ids import cluster_id, group_id
from slash24.cli.session import Server, Session, find_server
from slash24.cli.ui import Ui
from slash24.errors import NotFoundError
from slash24.kube.client import KubeClient

_GROUP = "slash24-test"


class LabAccess:
    """The lab's public APIs, as checks use them; each thread has a session of its own."""

    def __init__(self, ui: Ui) -> None:
        self._ui = ui
        self._server = find_server(ui.lab)
        self._local = threading.local()

    def _session(self) -> Session:
        if not hasattr(self._local, "session"):
            self._local.session = Session(self._ui.lab, server=self._server)
        session: Session = self._local.session
        return session

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self._session().get("/lab/status")
        return found

    def client(self, key: str) -> KubeClient:
        cluster = next(cluster for cluster in self.status()["clusters"] if cluster["key"] == key)
        return client_of(self._server, cluster)

    def create_cluster(
        self, name: str, *, transport: str, pod_cidr: str, block_prefix: int, subnet_id: str, nodes: int
    ) -> str:
        group = group_id(self._ui.subscription, _GROUP)
        self._session().change("PUT", group, {"location": "northeurope"})
        pool = {"name": "nodepool1", "count": nodes, "mode": "System", "vnetSubnetID": subnet_id}
        profile = {"networkPlugin": "azure", "networkPluginMode": "overlay", "podCidr": pod_cidr,
                   "slash24": {"transport": transport, "blockPrefix": block_prefix}}  # fmt: skip
        body = {"location": "northeurope", "properties": {"agentPoolProfiles": [pool], "networkProfile": profile}}
        path = cluster_id(self._ui.subscription, _GROUP, name)
        self._session().change("PUT", path, body)
        return str(next(cluster["key"] for cluster in self.status()["clusters"] if cluster["name"] == name))

    def scale_cluster(self, name: str, nodes: int) -> None:
        path = cluster_id(self._ui.subscription, _GROUP, name)
        document = self._session().get(path)
        document["properties"]["agentPoolProfiles"][0]["count"] = nodes
        self._session().change("PUT", path, document)

    def delete_clusters(self) -> None:
        self._session().change("DELETE", group_id(self._ui.subscription, _GROUP))


def client_of(server: Server, cluster: dict[str, Any]) -> KubeClient:
    """Return a Kubernetes client for a cluster of a lab, as its entry in the lab's status has it."""
    return KubeClient(f"{server.url}/clusters/{cluster['key']}", cluster["token"], server.ca_file)


async def pods_of(server: Server, cluster: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the v1 Pods of a cluster of a lab."""
    client = client_of(server, cluster)
    try:
        items: list[dict[str, Any]] = (await client.list("/api/v1/pods"))["items"]
        return items
    finally:
        await client.close()


def choose_cluster(status: dict[str, Any], group: str | None, name: str | None) -> str:
    """Return the key of the cluster that is meant. Raises NotFoundError if there is none, or more than one."""
    found = [
        cluster
        for cluster in status["clusters"]
        if (name is None or cluster["name"] == name)
        and (group is None or f"/resourcegroups/{group}/".lower() in cluster["id"].lower())
    ]
    if len(found) == 1:
        key: str = found[0]["key"]
        return key
    named = ", ".join(cluster["name"] for cluster in status["clusters"])
    if not found:
        raise NotFoundError("the lab has no such cluster", fix=f"choose from: {named}" if named else "slash24 lab up")
    raise NotFoundError(f"the lab has several clusters: {named}", fix="name one with -g GROUP -n NAME")
