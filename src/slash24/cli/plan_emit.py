"""`slash24 plan emit`: a plan as the files that make it, minimal and in order."""

from pathlib import Path
from typing import Any

import click

from slash24.cli.command import Choice, Command
from slash24.cli.plan_options import Plan, planned, write_file
from slash24.errors import Slash24Error

LANGUAGES = ["az", "bicep", "terraform", "arm"]


@click.command(
    cls=Command,
    examples=[
        "slash24 plan emit az --vnet 10.20.0.0/16 --subnet nodes=10.20.4.0/24 --max-count 10 > deploy.azcli",
        "slash24 plan emit bicep --to main.bicep        of the plan in slash24.toml",
        "slash24 plan emit terraform --to main.tf && slash24 lint main.tf",
    ],
)
@click.argument("language", type=Choice(LANGUAGES), metavar="|".join(LANGUAGES))
@click.option("-g", "--resource-group", default="rg-aks", show_default=True, metavar="GROUP", help="Resource group.")
@click.option("-n", "--name", default="aks-01", show_default=True, metavar="NAME", help="Name of the cluster.")
@click.option("-l", "--location", default="northeurope", show_default=True, help="Location.")
@click.option("--to", metavar="FILE", help="Write into a file instead of printing; one that is there is kept.")
@click.option("--force", is_flag=True, help="Write also over a file that is there, or a plan that AKS would refuse.")
@planned
def emit(plan: Plan, language: str, resource_group: str, name: str, location: str, to: str | None, force: bool) -> None:
    """Write a plan as az, Bicep, Terraform or an ARM template. What AKS would refuse is not written."""
    from dataclasses import replace

    from slash24.plan.iac import blueprint, write_az, write_template, write_terraform

    request = plan.one if plan.one.name not in ("", None, "cluster") else replace(plan.one, name=name)
    _refuse_errors(request, plan, force=force)
    drawn = blueprint.blueprint(request, group=resource_group, location=location)
    writers: dict[str, Any] = {
        "az": write_az.write_az, "bicep": write_template.write_bicep, "arm": write_template.write_arm,
        "terraform": write_terraform.write_terraform,
    }  # fmt: skip
    text = writers[language](drawn)
    if to is None:
        click.echo(text, nl=False)
        return
    if Path(to).exists() and not force:
        raise Slash24Error(f"{to} is there already", fix="another name, or --force")
    write_file(to, text.encode())
    click.echo(f"written to {to}", err=True)


def _refuse_errors(request: Any, plan: Plan, *, force: bool) -> None:
    from slash24.plan import Severity, examine

    error = next((one for one in examine(request, as_of=plan.as_of).findings if one.severity is Severity.ERROR), None)
    if error is not None and not force:
        raise Slash24Error(error.message, code=error.code, why=error.why, fix=error.fix, azure=error.azure)
