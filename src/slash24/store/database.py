"""The connection to a lab's SQLite file, which says in our words that the disk is full."""

import sqlite3
from pathlib import Path
from typing import Any

from slash24.errors import UnsupportedError


class DiskFullError(UnsupportedError):
    """There is no room to write; nothing was changed."""

    def __init__(self, folder: Path | str) -> None:
        super().__init__(
            f"the disk under {folder} is full",
            why="nothing was changed; what is there stays as it is",
            fix="make room there: the lab goes on as it is",
            azure="InsufficientStorage",
        )


class Database(sqlite3.Connection):
    """A connection without transactions of its own. Every way to write raises DiskFullError where there is no room."""

    folder: Path | str = "SLASH24_HOME"

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        try:
            return super().execute(sql, parameters)
        except sqlite3.OperationalError as error:
            raise self._ours(error) from error

    def executescript(self, sql: str, /) -> sqlite3.Cursor:
        try:
            return super().executescript(sql)
        except sqlite3.OperationalError as error:
            raise self._ours(error) from error

    def _ours(self, error: sqlite3.OperationalError) -> Exception:
        # SQLite tells a full disk as FULL, and as an I/O error where it grows its shared memory or its journal.
        full = error.sqlite_errorcode == sqlite3.SQLITE_FULL or error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_IOERR
        return DiskFullError(self.folder) if full else error


def connect(path: Path | str, **options: Any) -> Database:
    """Open the file at `path`, in WAL mode. options: those of sqlite3.connect."""
    database: Database = sqlite3.connect(path, isolation_level=None, timeout=10, factory=Database, **options)
    database.folder = Path(path).parent
    database.execute("pragma journal_mode=wal")
    # In WAL, NORMAL survives a killed process; only a power cut may lose the last writes, and a lab with it.
    database.execute("pragma synchronous=normal")
    return database
