"""`slash24 plan`: addresses and networking models, before Azure is asked. Offline, without root, without a lab."""

import click

from slash24.cli.command import LazyGroup

# name -> (where it is, its line of help)
_COMMANDS = {
    "advise": ("slash24.cli.plan_models:advise", "Compare the models, and propose ranges that are free."),
    "size": ("slash24.cli.plan_models:size_models", "Show what the same pools take of the VNet in each model."),
    "check": ("slash24.cli.plan_models:check", "Say what AKS would refuse."),
    "find": ("slash24.cli.plan_space:find", "Find free ranges, or how many nodes fit."),
    "forecast": ("slash24.cli.plan_space:forecast_growth", "Say when things are full at a growth."),
    "diff": ("slash24.cli.plan_space:diff", "Compare two plans, and say what AKS makes of the change."),
    "emit": ("slash24.cli.plan_emit:emit", "Write the plan as az, Bicep, Terraform or ARM."),
    "map": ("slash24.cli.plan_space:draw", "Draw the address space."),
}


@click.group(
    cls=LazyGroup,
    lazy=_COMMANDS,
    examples=[
        "slash24 plan advise --vnet 10.20.0.0/16 --subnet 10.20.4.0/24 --nodes 40 --max-pods 110 \\\n"
        "    --known hub=10.10.0.0/16 on-prem=10.128.0.0/9",
        "slash24 plan size --nodes 10 --max-pods 30        the models side by side",
        "slash24 plan check --pod-cidr 10.0.0.0/16         what AKS would refuse",
    ],
)
def plan() -> None:
    """Plan a cluster's addresses: sizes, proposals, checks. Offline; needs neither root nor a lab."""
