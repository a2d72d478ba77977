"""Where the compiled C programs of this installation are."""

from pathlib import Path

from slash24.errors import UnsupportedError

_FOLDER = Path(__file__).parent / "bin"


def path(name: str) -> Path:
    """Return the path of the program `name`. Raises UnsupportedError if the installation lacks it."""
    program = _FOLDER / name
    if not program.exists():
        raise UnsupportedError(
            f"the program {name} is missing from this installation of slash24",
            why="it is compiled when the package is built",
            fix="run `make build` in a checkout, or install again with gcc present",
        )
    return program
