"""`slash24 lab up FILE`: what a save file holds, built step by step; what is there already is left as it is."""

import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slash24.cli import lab_entries
from slash24.cli.lab_access import client_of
from slash24.cli.progress import Progress
from slash24.cli.session import find_server
from slash24.cli.ui import Ui
from slash24.errors import NotFoundError, Slash24Error, UsageError
from slash24.kube.client import ApiError, KubeClient
from slash24.lab.kubeapi.kinds import KINDS
from slash24.lab.paths import LabPaths
from slash24.lab.savefile import read

Json = dict[str, Any]
_SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class LabFile:
    """A save file that was read: its text, and the lists of its entries."""

    text: str
    groups: list[Json]
    networks: list[Json]
    clusters: list[Json]

    def steps(self) -> list[str]:
        """Return what would be made of it, for --dry-run."""
        steps = [f"resource group {entry.get('name')}" for entry in self.groups]
        steps += [f"virtual network {entry.get('name')}" for entry in self.networks]
        for entry in self.clusters:
            count = len(entry.get("manifests") or ())
            steps.append(f"cluster {entry.get('name')}" + (f" with {count} manifests" if count else ""))
        return steps


def is_file(word: str) -> bool:
    """Return whether what stands behind `lab up` is a file, and not a lab's name, which has no dot."""
    return word == "-" or word.endswith(_SUFFIXES)


def read_file(word: str) -> LabFile:
    """Read a save file, `-` being stdin. Raises NotFoundError, SaveFileError."""
    try:
        text = sys.stdin.read() if word == "-" else Path(word).read_text()
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {word}", fix=f"slash24 lab save {word} writes one") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{word} can't be read: {getattr(error, 'strerror', None) or 'it is no text'}") from error
    name = "stdin" if word == "-" else word
    found = read(text, name, lab_entries.trees())
    for key, entries in found.items():
        for index, entry in enumerate(entries):
            wanted = ("name",) if key == "resourceGroups" else ("name", "resourceGroup")
            missing = [field for field in wanted if not (entry or {}).get(field)]
            if missing:
                raise UsageError(f"{name}: {key}[{index}] has no {missing[0]}")
    return LabFile(text, found["resourceGroups"], found["virtualNetworks"], found["clusters"])


def check_unused(paths: LabPaths, file: LabFile, *, running: bool) -> None:
    """Raise Slash24Error if a lab of this name is there, unless it is the one that this file has begun."""
    if not paths.root.exists() or (paths.unfinished.exists() and paths.unfinished.read_text() == file.text):
        return
    raise Slash24Error(
        f'a lab named "{paths.name}" is {"running" if running else "left behind"} already',
        why="a file makes a lab of its own; nothing was changed",
        fix=f"slash24 lab down {paths.name} first, or another name: --lab NAME",
    )


def build(ui: Ui, paths: LabPaths, file: LabFile) -> None:
    """Make what the file says. Interrupted, it can be called again."""
    paths.unfinished.write_text(file.text)
    locations = {entry["name"].lower(): entry.get("location", "northeurope") for entry in file.groups}
    for entry in file.groups:
        path, body = lab_entries.group_request(entry, ui.subscription)
        ui.change("PUT", path, {"location": locations[entry["name"].lower()], **body}, interrupted="")
    for entry in file.networks:
        ui.change("PUT", *lab_entries.network_request(entry, ui.subscription), interrupted="")
    for entry in file.clusters:
        path, body = lab_entries.cluster_request(entry, ui.subscription)
        location = locations.get(entry["resourceGroup"].lower(), "northeurope")
        ui.change("PUT", path, {"location": location, **body}, interrupted="")
        if entry.get("manifests"):
            began = time.monotonic()
            _apply(ui, path, entry["manifests"])
            count = len(entry["manifests"])
            Progress(quiet=ui.quiet or ui.only_errors).done(
                f"{count} manifests in {entry['name']}", time.monotonic() - began
            )
    paths.unfinished.unlink()


def _apply(ui: Ui, cluster_id: str, manifests: list[Json]) -> None:
    entries = ui.session().get("/lab/status")["clusters"]
    status = next(entry for entry in entries if entry["id"].lower() == cluster_id.lower())
    asyncio.run(_create_all(client_of(find_server(ui.lab), status), manifests))


async def _create_all(client: KubeClient, manifests: list[Json]) -> None:
    try:
        for manifest in manifests:
            path = _collection(manifest)
            try:
                await client.create(f"{path}?fieldValidation=Strict", manifest)
            except ApiError as error:
                if error.reason != "AlreadyExists":  # of a run that was interrupted
                    raise
    finally:
        await client.close()


def _collection(manifest: Json) -> str:
    """Return the path at which an object is made. Raises UsageError if the API has no such kind."""
    version, name = manifest.get("apiVersion"), manifest.get("kind")
    kind = next((kind for kind in KINDS if (kind.api_version, kind.kind) == (version, name)), None)
    if kind is None:
        raise UsageError(f'no matches for kind "{name}" in version "{version}"', why="the lab's API has no such kind")
    root = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.version}"
    if not kind.namespaced:
        return f"{root}/{kind.plural}"
    return f"{root}/namespaces/{(manifest.get('metadata') or {}).get('namespace') or 'default'}/{kind.plural}"
