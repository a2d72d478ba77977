"""Run by the Python of `make az`: command lines of az in, what az's own parser makes of them out. JSON both ways.

stdin: {"parse": [[word, ...], ...], "options": [command, ...]}; a line that az refuses ends it with az's message.
"""
# mypy: ignore-errors

import json
import sys

from azure.cli.core.mock import DummyCli

CLI = DummyCli()


def load(command):
    """Return az's parser for one command, and its arguments."""
    invocation = CLI.invocation_cls(
        cli_ctx=CLI,
        parser_cls=CLI.parser_cls,
        commands_loader_cls=CLI.commands_loader_cls,
        help_cls=CLI.help_cls,
    )
    CLI.invocation = invocation
    invocation.data["command_string"] = command
    loader = invocation.commands_loader
    loader.load_command_table(command.split())
    loader.command_name = command
    loader.command_table = {command: loader.command_table[command]}
    loader.load_arguments(command)
    invocation.parser.cli_ctx = CLI
    invocation.parser.load_command_table(loader)
    return invocation.parser, loader.command_table[command].arguments


def parse(words):
    command = " ".join(words[: next(at for at, word in enumerate(words) if word.startswith("-"))])
    found = vars(load(command)[0].parse_args(words))
    return {key: value for key, value in found.items() if isinstance(value, str | int | bool | list)}


def options(command):
    arguments = load(command)[1].values()
    names = [one if isinstance(one, str) else one.target for each in arguments for one in each.options_list or []]
    return sorted(name for name in names if name.startswith("-"))


asked = json.load(sys.stdin)
json.dump(
    {
        "parse": [parse(words) for words in asked["parse"]],
        "options": {command: options(command) for command in asked["options"]},
    },
    sys.stdout,
    default=str,
)
