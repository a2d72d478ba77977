"""How a failure looks: what, why, what Azure would say, what to do; and the program's exit code."""

import sys
import time
import traceback
from pathlib import Path
from typing import TextIO

import click

from slash24.errors import Slash24Error

BUG = 70
INTERRUPTED = 130
BROKEN_PIPE = 141


def print_error(error: Slash24Error, stream: TextIO | None = None) -> None:
    """Write the four lines of an error; a line of which nothing is known is left out."""
    stream = stream or sys.stderr
    code = f" {error.code}" if error.code else ""
    click.echo(f"error{code}: {error.message}", file=stream)
    for label, text in (("why", error.why), ("azure", azure_line(error)), ("fix", error.fix)):
        if text:
            click.echo(f"  {label + ':':<7}{text}", file=stream)


def azure_line(error: Slash24Error) -> str:
    """Return what Azure answers: its code, and its own sentence where that differs from ours."""
    if not error.azure:
        return ""
    said = getattr(error, "azure_text", "")
    more = f": {said}" if said and said != error.message else ""
    return f"{error.azure} (what AKS itself would answer){more}" if error.code else f"{error.azure}{more}"


def print_usage_error(error: click.ClickException) -> None:
    """Write a wrong call in az's words, and where its help is."""
    path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "slash24"
    click.echo(f"error: {_usage_message(error)}", err=True)
    click.echo(f"  fix:   {path} --help", err=True)


def _usage_message(error: click.ClickException) -> str:
    if isinstance(error, click.NoSuchOption):
        near = f", did you mean {' or '.join(sorted(error.possibilities))}?" if error.possibilities else ""
        return f"unrecognized arguments: {error.option_name}{near}"
    if isinstance(error, click.MissingParameter) and error.param is not None:
        return f"the following arguments are required: {'/'.join(reversed(error.param.opts))}"
    message = error.format_message()
    if message.startswith("Got unexpected extra argument"):
        return "unrecognized arguments: " + message[message.index("(") + 1 : message.rindex(")")]
    return message[:1].lower() + message[1:] if message[:1].isupper() else message


def report_bug(error: BaseException, folder: Path) -> int:
    """Write a report of a bug of ours into `folder`, say where, and return the exit code."""
    text = "".join(traceback.format_exception(error))
    file = folder / f"slash24-{time.strftime('%Y%m%d-%H%M%S')}.txt"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(f"command: {sys.argv[1:]}\npython: {sys.version}\n\n{text}")
        where = f"a report is in {file}"
    except OSError as problem:
        where = f"no report could be written: {problem.strerror}\n{text}"
    click.echo(f"error: a bug in slash24: {type(error).__name__}: {error}", err=True)
    click.echo(f"  fix:   {where}", err=True)
    return BUG
