"""`slash24 version`."""

import platform

import click

from slash24 import __version__
from slash24.cli.command import Command
from slash24.cli.output import Column
from slash24.cli.ui import Ui, common

_COLUMNS = (
    Column("SLASH24", "slash24"),
    Column("PYTHON", "python"),
    Column("KERNEL", "kernel"),
    Column("MACHINE", "machine"),
)


@click.command(cls=Command, examples=["slash24 version", "slash24 version -o json"])
@common
def version(ui: Ui) -> None:
    """Show the version of slash24, of Python and of the kernel."""
    found = {
        "slash24": __version__,
        "python": platform.python_version(),
        "kernel": platform.release(),
        "machine": platform.machine(),
    }
    ui.show(found, _COLUMNS)
