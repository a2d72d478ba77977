"""`slash24 lab save`: a lab as a file, from which `slash24 lab up` builds it again."""

import asyncio
import copy
from pathlib import Path
from typing import Any

import click

from slash24.azure.ids import parse
from slash24.cli import lab_entries
from slash24.cli.command import Command
from slash24.cli.lab_access import client_of
from slash24.cli.session import find_server
from slash24.cli.ui import Ui, common
from slash24.errors import Slash24Error
from slash24.kube.client import KubeClient
from slash24.kube.decode import CONFIG_NAME, CONFIG_NAMESPACE
from slash24.lab.kubeapi.kinds import KINDS, NAMESPACE, POD, Kind, with_defaults
from slash24.lab.kubeapi.verbs import SYSTEM_NAMESPACES
from slash24.lab.savefile import minimal, render

Json = dict[str, Any]
#: What only the cluster's own parts make.
_OWN_KINDS = ("nodes", "events", "leases", "nodenetworkconfigs")
_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_SERVER_SET = (
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "generation",
    "selfLink",
    "managedFields",
    "ownerReferences",
)


@click.command(
    cls=Command, examples=["slash24 lab save class.yaml", "slash24 lab save - | less", "slash24 lab up class.yaml"]
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path, allow_dash=True))
@click.option("--dry-run", is_flag=True, help="Say what would be in the file, and write none.")
@common
def save(ui: Ui, file: Path, dry_run: bool) -> None:
    """Write a lab as a file: its groups, networks, clusters and what was applied to them; - is stdout."""
    session = ui.session()
    scope = f"/subscriptions/{ui.subscription}"
    groups = [group for group in session.list(f"{scope}/resourcegroups") if not group.get("managedBy")]
    ours = {group["name"].lower() for group in groups}
    networks = session.list(f"{scope}/providers/Microsoft.Network/virtualNetworks")
    clusters = session.list(f"{scope}/providers/Microsoft.ContainerService/managedClusters")
    status = {entry["id"].lower(): entry for entry in session.get("/lab/status")["clusters"]}
    entries = []
    for document in _by_id(clusters):
        manifests = asyncio.run(_manifests(client_of(find_server(ui.lab), status[document["id"].lower()])))
        entries.append(lab_entries.cluster_entry(document) | ({"manifests": manifests} if manifests else {}))
    text = render(
        [lab_entries.group_entry(group) for group in _by_id(groups)],
        [lab_entries.network_entry(one) for one in _by_id(networks) if parse(one["id"]).group.lower() in ours],
        entries,
    )
    count = sum(len(entry.get("manifests", ())) for entry in entries)
    told = f"{len(groups)} resource groups, {len(entries)} clusters, {count} manifests"
    if dry_run:
        ui.note(f"would write {file}: {told}")
    elif str(file) == "-":
        click.echo(text, nl=False)
    else:
        _write(file, text)
        ui.note(f"{file}: {told}")


def _by_id(documents: list[Json]) -> list[Json]:
    return sorted(documents, key=lambda document: str(document["id"]).lower())


def _write(file: Path, text: str) -> None:
    new = file.with_name(f".{file.name}.new")
    try:
        new.write_text(text)
        new.replace(file)  # an old file stays whole until the new one is
    except OSError as error:
        new.unlink(missing_ok=True)
        raise Slash24Error(f"{file} can't be written: {error.strerror}") from error


async def _manifests(client: KubeClient) -> list[Json]:
    """Return what users made in a cluster, in an order in which it can be made again."""
    kinds = [
        NAMESPACE,
        *(kind for kind in KINDS if kind not in (NAMESPACE, POD) and kind.plural not in _OWN_KINDS),
        POD,
    ]
    found = []
    try:
        for kind in kinds:
            root = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.version}"
            items = (await client.list(f"{root}/{kind.plural}"))["items"]
            items.sort(key=lambda item: (item["metadata"].get("namespace", ""), item["metadata"]["name"]))
            found += [manifest(kind, item) for item in items if _is_the_users(kind, item)]
    finally:
        await client.close()
    return found


def _is_the_users(kind: Kind, item: Json) -> bool:
    metadata = item["metadata"]
    if any(owner.get("controller") for owner in metadata.get("ownerReferences") or ()):
        return False  # its owner makes it again
    if kind is NAMESPACE and metadata["name"] in SYSTEM_NAMESPACES:
        return False
    return "deletionTimestamp" not in metadata and (metadata.get("namespace"), metadata["name"]) != (
        CONFIG_NAMESPACE,
        CONFIG_NAME,
    )


def manifest(kind: Kind, item: Json) -> Json:
    """Return an object as its user would write it: without status, and without what the API fills in."""
    whole = copy.deepcopy({key: value for key, value in item.items() if key != "status"})
    metadata = {key: value for key, value in whole["metadata"].items() if key not in _SERVER_SET}
    applied = (metadata.get("annotations") or {}).pop(_APPLIED, "")
    whole["metadata"] = metadata
    if kind is POD and '"nodeName"' not in applied:
        whole["spec"].pop("nodeName", None)  # the scheduler's choice
    if not metadata.get("annotations"):
        metadata.pop("annotations", None)
    least = minimal(whole, lambda part: with_defaults(kind, part))
    names = {key: least["metadata"].pop(key) for key in ("name", "namespace") if key in least["metadata"]}
    head = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": names | least.pop("metadata")}
    return head | {key: value for key, value in least.items() if key not in ("status", *head)}
