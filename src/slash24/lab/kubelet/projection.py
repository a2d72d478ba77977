"""A folder of files that changes all at once, as a kubelet writes it.

`..data` links to a folder with the time in its name, and each file is a link through it. An update writes a new folder
and renames one link: who reads sees all the old files or all the new ones.
"""

import shutil
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from slash24.lab.kubelet.contents import File

_DATA = "..data"


def write(folder: Path, files: Mapping[str, File]) -> None:
    """Let `folder` hold just these files; their paths may have folders. Raises OSError, and then the old ones stay."""
    folder.mkdir(parents=True, exist_ok=True)
    stamp = datetime.now(UTC).strftime("..%Y_%m_%d_%H_%M_%S.%f")
    fresh = folder / stamp
    fresh.mkdir(mode=0o755)
    try:
        for path, file in files.items():
            target = fresh / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.data)
            target.chmod(file.mode)
        before = _target(folder)
        _link(folder / _DATA, stamp)
    except OSError:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    wanted = {path.partition("/")[0] for path in files}
    for name in wanted:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"{_DATA}/{name}")
    for entry in list(folder.iterdir()):
        if not entry.name.startswith("..") and entry.name not in wanted:
            entry.unlink()
    if before:
        shutil.rmtree(folder / before, ignore_errors=True)


def _target(folder: Path) -> str:
    with suppress(OSError):
        return str((folder / _DATA).readlink())
    return ""


def _link(path: Path, target: str) -> None:
    """Point a link elsewhere, in one step."""
    fresh = path.with_name(f"{path.name}_tmp")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.rename(path)
