"""What every command has: help with examples first, its output as data, a place in the documents."""

import os
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from slash24.cli.main import root

ROOT = Path(__file__).parents[2]
#: These print something else than a result: a script, a session, a show.
NO_OUTPUT = {"completion", "plan emit", "demo"}


def commands(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from commands(found, (*words, name))
    else:
        yield " ".join(words), command


COMMANDS = dict(commands(root))


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_has_help_examples_and_data(words: str) -> None:
    command = COMMANDS[words]
    help_text = command.get_help(click.Context(command, info_name=f"slash24 {words}"))
    assert command.help
    assert f"slash24 {words}" in help_text[: help_text.index("Usage:")], "examples come first"
    options = {name for parameter in command.params for name in parameter.opts}
    assert "--output" in options or words in NO_OUTPUT
    assert all(
        parameter.help for parameter in command.params if isinstance(parameter, click.Option) and not parameter.hidden
    )


def test_the_list_of_commands_is_that_of_the_program() -> None:
    """docs/commands.md is written by `make golden`."""
    page = ROOT / "docs/commands.md"
    lines = ["# Commands", "", "Each has examples in its `--help`, and its result as data with `-o json`.", ""]
    lines += ["| command | what it does |", "|---|---|"]
    lines += [f"| `slash24 {words}` | {str(command.help).splitlines()[0]} |" for words, command in COMMANDS.items()]
    text = "\n".join(lines) + "\n"
    if os.environ.get("GOLDEN") == "rewrite":
        page.write_text(text)
    assert text == page.read_text(), "run make golden and review the difference"
