"""The command `slash24`."""

import os
import sys
from collections.abc import Sequence

import click

from slash24.cli.command import LazyGroup
from slash24.cli.errors import BROKEN_PIPE, BUG, INTERRUPTED, print_error, print_usage_error, report_bug
from slash24.errors import Slash24Error

# name -> (where it is, its line of help). Nothing of it is imported before it is called.
_COMMANDS = {
    "demo": ("slash24.cli.demo:demo", "Build the article's cluster, send packets, show what they prove."),
    "plan": ("slash24.cli.plan:plan", "Sizes, proposals and checks of a cluster's addresses; offline, without root."),
    "migrate": ("slash24.cli.migrate:migrate", "A move to another networking model, judged before it is made."),
    "lint": ("slash24.cli.lint:lint", "Find what Azure would refuse in az scripts, Terraform, Bicep and ARM JSON."),
    "explain": ("slash24.cli.explain:explain", "A rule, or a code that Azure answered: cause, source, fix."),
    "lab": ("slash24.cli.lab:lab", "A lab on this machine: up, down, status, shell, break, check, ..."),
    "group": ("slash24.cli.group:group", "Resource groups, as `az group`."),
    "network": ("slash24.cli.network:network", "Virtual networks and subnets, as `az network`."),
    "aks": ("slash24.cli.aks:aks", "Clusters and node pools, as `az aks`."),
    "test": ("slash24.cli.test:test", "Named checks with real packets, expected and seen."),
    "learn": ("slash24.cli.learn:learn", "Short lessons on overlay networking, to be typed into a lab."),
    "doctor": ("slash24.cli.doctor:doctor", "What this machine can do, and what keeps it from the rest."),
    "completion": ("slash24.cli.completion:completion", "Completion for bash, zsh and fish."),
    "version": ("slash24.cli.version:version", "The version of slash24 and of what it runs on."),
}

_EPILOG = """\b
Exit codes: 0 done; 1 the answer is no (a refusal, a failed check); 2 wrong usage; 3 not found;
4 this machine cannot do it; 5 a wait ran out; 70 a bug of ours; 130 interrupted.
\b
Settings: an option, else the environment (SLASH24_OUTPUT, SLASH24_LAB, SLASH24_HOME,
AZURE_DEFAULTS_GROUP, AZURE_DEFAULTS_LOCATION), else the default.
"""


@click.command(
    cls=LazyGroup,
    lazy=_COMMANDS,
    epilog=_EPILOG,
    examples=[
        "slash24 lab up                            a small Overlay cluster, in seconds",
        "slash24 group create -n rg -l northeurope; slash24 aks create -n c1 -g rg",
        "slash24 test connectivity                 real packets: expected and seen",
    ],
)
@click.version_option(package_name="slash24", prog_name="slash24", message="%(prog)s %(version)s")
def root() -> None:
    """slash24: AKS-style Overlay pod networking on one Linux machine, with real packets."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code. Nothing of it ends in a traceback."""
    try:
        return _run(arguments)
    except Slash24Error as error:
        print_error(error)
        return error.exit_code
    except click.UsageError as error:
        print_usage_error(error)
        return 2
    except click.ClickException as error:
        print_usage_error(error)
        return 1
    except (KeyboardInterrupt, click.Abort):
        click.echo("error: interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone (`| head`); the interpreter must not fail once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except Exception as error:
        from slash24.lab.paths import home

        return report_bug(error, home() / "reports") or BUG


def _run(arguments: Sequence[str] | None) -> int:
    result = root.main(args=None if arguments is None else list(arguments), prog_name="slash24", standalone_mode=False)
    sys.stdout.flush()
    return result if isinstance(result, int) else 0


if __name__ == "__main__":
    sys.exit(main())
