"""`slash24 completion`: what a shell needs to complete commands, options, labs, groups and clusters."""

import click

from slash24.cli.command import Command


@click.command(
    cls=Command,
    examples=[
        'eval "$(slash24 completion bash)"                          for this shell',
        "slash24 completion fish > ~/.config/fish/completions/slash24.fish",
    ],
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell: bash, zsh or fish."""
    from click.shell_completion import get_completion_class

    from slash24.cli.main import root

    found = get_completion_class(shell)
    if found is None:  # click knows the three shells
        raise click.UsageError(f"{shell} is not known")
    click.echo(found(root, {}, "slash24", "_SLASH24_COMPLETE").source())
