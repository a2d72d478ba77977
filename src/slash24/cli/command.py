"""Commands and groups: click's, with az's manners.

Help begins with an example; options may have several values (`--tags a=b c=d`); a group imports its commands only when
one is called, so that `slash24 --help` stays quick.
"""

import importlib
import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class Help:
    """What a command's help shows above its usage; mixed into click's classes."""

    examples: Sequence[str] = ()

    def write_examples(self, formatter: click.HelpFormatter) -> None:
        if not self.examples:
            return
        with formatter.section("Examples"):
            for example in self.examples:
                formatter.write("".join(f"  {line}\n" for line in example.splitlines()))


class Command(Help, click.Command):
    """A command. `examples` come first in its help; `epilog` may tell what is not built yet."""

    def __init__(self, *arguments: Any, examples: Sequence[str] = (), **options: Any) -> None:
        options.setdefault("context_settings", CONTEXT)
        super().__init__(*arguments, **options)
        self.examples = examples

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_help_text(ctx, formatter)
        self.write_examples(formatter)
        formatter.write_paragraph()
        self.format_usage(ctx, formatter)
        self.format_options(ctx, formatter)
        self.format_epilog(ctx, formatter)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, spread(args, self._several()))

    def _several(self) -> set[str]:
        return {
            name for param in self.params if isinstance(param, Several) for name in (*param.opts, *param.secondary_opts)
        }


class Several(click.Option):
    """An option that takes one value or more after its name, as argparse's nargs="+" does in az."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        options["multiple"] = True
        super().__init__(*arguments, **options)


def spread(args: Iterable[str], several: set[str]) -> list[str]:
    """Return the arguments with the name of an option repeated before each of its values.

    >>> spread(["--tags", "a=b", "c=d", "-n", "x"], {"--tags"})
    ['--tags', 'a=b', '--tags', 'c=d', '-n', 'x']
    """
    result: list[str] = []
    name, fresh = "", False
    for argument in args:
        if argument.startswith("-"):
            name, fresh = (argument, True) if argument in several else ("", False)
            result.append(argument)
        elif name and not fresh:
            result += [name, argument]
        else:
            result.append(argument)
            fresh = False
    # The article's command line ends in a backslash; pasted without a line after it, that is an argument.
    if result and result[-1].strip() in ("\\", "") and result[-2:-1] != [name]:
        result.pop()
    return result


class Group(Help, click.Group):
    """A group of commands."""

    command_class = Command

    def __init__(self, *arguments: Any, examples: Sequence[str] = (), **options: Any) -> None:
        options.setdefault("context_settings", CONTEXT)
        super().__init__(*arguments, **options)
        self.examples = examples

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_help_text(ctx, formatter)
        self.write_examples(formatter)
        formatter.write_paragraph()
        self.format_usage(ctx, formatter)
        self.format_options(ctx, formatter)
        self.format_epilog(ctx, formatter)


Group.group_class = Group


class LazyGroup(Group):
    """A group whose commands are named here and imported when called.

    lazy: name -> (`module:attribute`, the line of help). A module that isn't there is a command that isn't there.
    """

    def __init__(self, *arguments: Any, lazy: Mapping[str, tuple[str, str]], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._lazy = {name: found for name, found in lazy.items() if _exists(found[0])}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self._lazy, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._lazy:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self._lazy[cmd_name][0].partition(":")
        found: click.Command = getattr(importlib.import_module(module), attribute)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  click's
        rows = [(name, line) for name, (_, line) in self._lazy.items()]
        rows += [(name, found.get_short_help_str(80)) for name, found in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _exists(target: str) -> bool:
    return importlib.util.find_spec(target.partition(":")[0]) is not None


class Choice(click.Choice[str]):
    """An enum of az: matched without regard to case, refused in az's words."""

    def __init__(self, values: Sequence[str]) -> None:
        super().__init__(values, case_sensitive=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        for choice in self.choices:
            if str(value).lower() == choice.lower():
                return choice
        import difflib

        flag = param.opts[0] if param else ""
        near = difflib.get_close_matches(str(value).lower(), [choice.lower() for choice in self.choices], 1)
        hint = f" Did you mean '{near[0]}' ?" if near else ""
        raise click.UsageError(
            f"{ctx.command_path if ctx else 'slash24'}: '{value}' is not a valid value for '{flag}'. "
            f"Allowed values: {', '.join(self.choices)}.{hint}",
            ctx,
        )


class ThreeState(click.Option):
    """A flag that may have a value: `--enable-x`, `--enable-x true`, `--enable-x false`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        options |= {"is_flag": False, "flag_value": "true", "type": Choice(["true", "false"])}
        super().__init__(*arguments, **options)
