"""A pod's volumes on its node: folders that are made, filled, kept up to date, and shown to its containers."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slash24.errors import Slash24Error
from slash24.kernel import mounts
from slash24.lab import quantity
from slash24.lab.kubelet import contents, projection
from slash24.lab.kubelet.contents import MADE_OF_OBJECTS, File, VolumeError
from slash24.lab.kubelet.downward import ContainerConfigError, Facts
from slash24.lab.kubelet.environment import expand

Json = dict[str, Any]
Bind = tuple[str, str, bool]


@dataclass(frozen=True, slots=True)
class NodeTree:
    """Which of a node's folders a pod may ask for by hostPath.

    own: folders that are the node's alone; the rest of what it sees are the machine's files.
    hidden: what no pod may see, wherever it lies.
    """

    own: Sequence[str]
    hidden: Sequence[str]

    def find(self, path: str) -> Path:
        """Return the place of a hostPath, with links followed. Raises VolumeError if it isn't the node's to give."""
        place = Path(os.path.realpath(path))
        if not any(place.is_relative_to(folder) for folder in self.own):
            raise VolumeError(f"hostPath {path} is the machine's: a node of the lab has only {', '.join(self.own)}")
        for secret in self.hidden:
            if place.is_relative_to(secret) or Path(secret).is_relative_to(place):
                raise VolumeError(f"hostPath {path} would show {secret}, which no pod may see")
        return place


class Volumes:
    """The volumes of one pod."""

    def __init__(self, disk: Path, memory: Path, tree: NodeTree) -> None:
        """disk, memory: folders for them that outlive the node's boot, or don't."""
        self._disk = disk
        self._memory = memory
        self._tree = tree
        self._folders: dict[str, Path] = {}
        self._written: dict[str, Mapping[str, File]] = {}

    def set_up(self, pod: Json, facts: Facts) -> None:
        """Make what isn't there yet, and write what has changed.

        Raises VolumeError, with the volume's name in front as a kubelet puts it.
        """
        for volume in pod["spec"].get("volumes") or ():
            name = str(volume["name"])
            try:
                self._set_up(name, volume, pod, facts)
            except (Slash24Error, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
                raise VolumeError(f'MountVolume.SetUp failed for volume "{name}" : {error}') from error

    def _set_up(self, name: str, volume: Json, pod: Json, facts: Facts) -> None:
        kind = contents.kind_of(volume)
        if kind in MADE_OF_OBJECTS:
            folder = self._memory / name
            files = contents.files_of(volume, pod, facts)
            if self._written.get(name) != files:
                projection.write(folder, files)
                self._written[name] = files
        elif name in self._folders:
            return
        elif kind == "hostPath":
            folder = _host_path(self._tree.find(str(volume["hostPath"]["path"])), volume["hostPath"])
        else:
            folder = self._empty(name, volume.get("emptyDir") or {})
        self._folders[name] = folder

    def _empty(self, name: str, source: Json) -> Path:
        in_memory = source.get("medium") == "Memory"
        folder = (self._memory if in_memory else self._disk) / name
        if in_memory and not folder.is_mount():
            folder.mkdir(parents=True, exist_ok=True)
            limit = source.get("sizeLimit")
            size = f",size={int(quantity.parse(limit))}" if limit else ""
            mounts.mount("tmpfs", folder, "tmpfs", mounts.MS_NOSUID | mounts.MS_NODEV, f"mode=777{size}")
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)
        return folder

    def binds(self, container: Json, env: Mapping[str, str]) -> Iterator[Bind]:
        """Yield what a container sees of them. Raises ContainerConfigError."""
        for mount in container.get("volumeMounts") or ():
            name, target = str(mount["name"]), str(mount["mountPath"])
            folder = self._folders.get(name)
            if folder is None:
                raise ContainerConfigError(f'volumeMounts "{target}": there is no volume "{name}"')
            part = (
                expand(str(mount["subPathExpr"]), env) if mount.get("subPathExpr") else str(mount.get("subPath") or "")
            )
            source = str(folder)
            if part:
                if part.startswith("/") or ".." in part.split("/"):
                    raise ContainerConfigError(f'subPath "{part}" must be relative and stay inside volume "{name}"')
                _make_folders(folder, part)
                source = f"{folder}/./{part}"
            # Nobody but the kubelet writes files that are made of objects.
            yield source, target, bool(mount.get("readOnly")) or name in self._written

    def remove(self) -> None:
        """Remove them and what they hold."""
        if self._memory.is_dir():
            mounts.unmount_below(self._memory)
        for folder in (self._memory, self._disk):
            shutil.rmtree(folder, ignore_errors=True)


def _make_folders(folder: Path, part: str) -> None:
    """Make the folders of a subPath that aren't there, following no link that a container may have made."""
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in part.split("/"):
            with suppress(FileExistsError):
                os.mkdir(name, 0o777, dir_fd=at)
            below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
            os.close(at)
            at = below
    except OSError:
        return  # a file or a link: the runner looks where it leads
    finally:
        os.close(at)


def _host_path(place: Path, source: Json) -> Path:
    """Return the place of a hostPath after the check, or the making, that its type asks for. Raises VolumeError."""
    kind = str(source.get("type") or "")
    if kind == "DirectoryOrCreate":
        place.mkdir(mode=0o755, parents=True, exist_ok=True)
    elif kind == "FileOrCreate" and not place.exists():
        place.touch(mode=0o644)
    checks = {
        "Directory": place.is_dir, "DirectoryOrCreate": place.is_dir, "File": place.is_file,
        "FileOrCreate": place.is_file, "Socket": place.is_socket, "CharDevice": place.is_char_device,
        "BlockDevice": place.is_block_device,
    }  # fmt: skip
    if kind and (kind not in checks or not checks[kind]()):
        raise VolumeError(f"hostPath type check failed: {place} is not of type {kind}")
    if not place.exists():
        raise VolumeError(f"hostPath {place} does not exist on the node; type DirectoryOrCreate makes it")
    return place
