"""The project's settings: slash24.toml, looked for in this folder and those above it (SLASH24_CONFIG names another)."""

import os
import tomllib
from pathlib import Path
from typing import Any

from slash24.errors import UsageError

NAME = "slash24.toml"


def section(name: str) -> dict[str, Any]:
    """Return one table of the project's file, {} if there is no file or no such table. Raises UsageError."""
    file = _file()
    if file is None:
        return {}
    try:
        found = tomllib.loads(file.read_text()).get(name, {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{file} can't be read: {error}", fix="mend it; docs/lint.md shows one") from error
    if not isinstance(found, dict):
        raise UsageError(f"{file}: [{name}] is no table", fix=f"write [{name}] in a line of its own")
    return found


def _file() -> Path | None:
    given = os.environ.get("SLASH24_CONFIG")
    if given:
        return Path(given)
    here = Path.cwd()
    return next((folder / NAME for folder in (here, *here.parents) if (folder / NAME).is_file()), None)
