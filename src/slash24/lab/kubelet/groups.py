"""The control groups of a node's pods, each below the node's own: what is attached to the node's group holds for all.

They group and end processes; no controller is asked for anything, so they limit nothing.
"""

import asyncio
from contextlib import suppress
from pathlib import Path

from slash24.kernel import mounts
from slash24.kernel.mounts import MountError

_PATIENCE_S = 2.0  # for the processes of a group that was killed


class PodGroups:
    """Makes and removes the groups of pods; without a group of the node's own, pods have none."""

    def __init__(self, node_name: str, folder: Path) -> None:
        """folder: where the node's group is to be seen, a place in the node's own mount namespace."""
        self._root = _mount_own_group(node_name, folder)

    def make(self, uid: str) -> str:
        """Return the folder of a pod's group, made if it isn't there; "" if pods have none."""
        if self._root is None:
            return ""
        group = self._root / uid
        try:
            group.mkdir(exist_ok=True)
        except OSError:
            return ""
        return str(group)

    async def remove(self, uid: str) -> None:
        """End whatever is left in a pod's group, and remove it. Gone is fine."""
        group = self._root / uid if self._root else None
        if group is None or not group.is_dir():
            return
        with suppress(OSError):
            (group / "cgroup.kill").write_text("1")
        deadline = asyncio.get_running_loop().time() + _PATIENCE_S
        while group.is_dir() and asyncio.get_running_loop().time() < deadline:
            with suppress(OSError):  # until the kernel has buried the last process
                group.rmdir()
                return
            await asyncio.sleep(0.005)


def _mount_own_group(node_name: str, folder: Path) -> Path | None:
    """Show this process' group at `folder`, if it is the node's: it bears its name. None if it can't be had."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    own = next((Path(line[3:]) for line in lines if line.startswith("0::")), Path("/"))
    if own.name != node_name:
        return None
    if (folder / "cgroup.procs").exists():
        return folder  # by an earlier kubelet
    folder.mkdir(parents=True, exist_ok=True)
    try:
        # The node's /sys shows no control groups. Of the hierarchy, only our part stays in sight.
        mounts.mount("cgroup2", folder, "cgroup2")
        mounts.mount(str(folder / own.relative_to("/")), folder, flags=mounts.MS_BIND)
    except MountError:
        return None  # in a user namespace, or the machine has version 1 alone
    return folder
