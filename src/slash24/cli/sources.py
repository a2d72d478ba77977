"""Files that a user names, or that lie in a folder he names, handed to the readers as bytes."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from slash24.errors import NotFoundError, Slash24Error

if TYPE_CHECKING:
    from slash24.plan.iac.file import File

#: Folders that hold no file of the user's own.
_SKIPPED = frozenset({".git", ".hg", ".terraform", ".venv", "node_modules", "__pycache__"})


def read(names: Iterable[str]) -> "list[File]":
    """Return the files, each once, those of a folder in the order of their names.

    Of a folder only files of the known suffixes are taken, and JSON files only where they are of a kind that is read.
    Raises NotFoundError if there is no such file, Slash24Error if it can't be opened.
    """
    from slash24.plan.iac.file import File
    from slash24.plan.iac.node import ReadError

    found: dict[str, File] = {}
    for name in names:
        path = Path(name)
        if path.is_dir():
            for inner in _walk(path):
                file = File(inner.as_posix(), _bytes(inner))
                try:
                    known = file.suffix != "json" or file.kind is not None
                except ReadError:
                    known = False  # a JSON file that nobody named may be anything
                if known:
                    found.setdefault(file.name, file)
        else:
            found.setdefault(path.as_posix(), File(path.as_posix(), _bytes(path)))
    return list(found.values())


def _walk(folder: Path) -> Iterator[Path]:
    from slash24.plan.iac.file import SUFFIXES

    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED)
        for name in sorted(names):
            if name.rpartition(".")[2].lower() in SUFFIXES:
                yield Path(root) / name


def _bytes(path: Path) -> bytes:
    """Return what a file holds, no more than a reader would take and one byte."""
    from slash24.plan.iac.file import MAX_JSON_BYTES

    try:
        with path.open("rb") as file:
            return file.read(MAX_JSON_BYTES + 1)
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {path}", fix="give a file or a folder that is there") from error
    except OSError as error:
        raise Slash24Error(f"{path} can't be read: {error.strerror}", fix="give a file that you may read") from error
