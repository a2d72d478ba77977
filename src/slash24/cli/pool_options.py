"""Options that change how a pool scales and how it is upgraded; and az's own words where they contradict each other."""

from collections.abc import Callable, Sequence
from typing import Any

import click

from slash24.cli.command import Several
from slash24.core.autoscaling import PROFILE_KEYS
from slash24.errors import Slash24Error, UsageError
from slash24.plan.rules.names import COUNT_RANGE
from slash24.plan.surge import share_of

Json = dict[str, Any]
Decorated = Callable[..., Any]

profile_option = click.option(
    "--cluster-autoscaler-profile", "--ca-profile", "cluster_autoscaler_profile", cls=Several, metavar="KEY=VALUE",
    help="Settings of the autoscaler, for all pools: scan-interval=10s scale-down-unneeded-time=10m ...",
)  # fmt: skip

_AUTOSCALER = (
    click.option("-e", "--enable-cluster-autoscaler", is_flag=True, help="Let the pool grow and shrink."),
    click.option("-d", "--disable-cluster-autoscaler", is_flag=True, help="Keep the nodes that there are."),
    click.option("-u", "--update-cluster-autoscaler", is_flag=True, help="Give the autoscaler other bounds."),
    click.option("--min-count", type=int, help="Fewest nodes of the autoscaler."),
    click.option("--max-count", type=int, help="Most nodes of the autoscaler."),
)
_UPGRADE = (
    click.option("--max-surge", help="Nodes that an upgrade adds: a number, or a percentage of the pool."),
    click.option("--max-unavailable", help="Nodes that an upgrade does without, where --max-surge is 0."),
    click.option("--drain-timeout", type=int, help="Minutes that a node may take to be drained, 5 to 1440."),
    click.option("--node-soak-duration", type=int, help="Minutes between a node's drain and its new image, 0 to 30."),
)


def autoscaler_options(function: Decorated) -> Decorated:
    return _with(_AUTOSCALER, function)


def upgrade_options(function: Decorated) -> Decorated:
    return _with(_UPGRADE, function)


def _with(options: Sequence[Callable[[Decorated], Decorated]], function: Decorated) -> Decorated:
    for option in reversed(options):
        function = option(function)
    return function


def read_profile_option(values: Sequence[str]) -> dict[str, str]:
    """Return the settings in `scan-interval=30s,expander=random` or with blanks between; an empty text has none.

    Raises az's error for a key that doesn't exist.
    """
    words = [word.strip() for value in values for word in value.replace(",", " ").split()]
    settings = {}
    for word in words:
        key, _, value = word.partition("=")
        if not key:
            raise Slash24Error("Empty key specified for cluster-autoscaler-profile")
        if key not in PROFILE_KEYS:
            raise Slash24Error(
                f"'{key}' is an invalid key for cluster-autoscaler-profile. Valid keys are {', '.join(PROFILE_KEYS)}."
            )
        settings[key] = value
    return settings


def change_autoscaler(pool: Json, given: Json) -> str:
    """Change a pool's autoscaler as the options say; return az's warning if there is nothing to do.

    pool: its fields. Raises az's errors.
    """
    flags = ("enable_cluster_autoscaler", "update_cluster_autoscaler", "disable_cluster_autoscaler")
    enable, update, disable = (bool(given[flag]) for flag in flags)
    if enable + update + disable > 1:
        raise Slash24Error(
            "Can only specify one of --enable-cluster-autoscaler, --update-cluster-autoscaler and "
            "--disable-cluster-autoscaler"
        )
    low, high, is_on = given["min_count"], given["max_count"], pool.get("enableAutoScaling")
    fault = _count_fault(low, high, asked=enable or update, system=pool.get("mode") == "System")
    if fault:
        raise Slash24Error(fault)
    if update and not is_on:
        raise Slash24Error(
            "Cluster autoscaler is not enabled for this node pool.\n"
            'Run "az aks nodepool update --enable-cluster-autoscaler" to enable cluster with min-count and max-count.'
        )
    if enable and is_on:
        return (
            "Cluster autoscaler is already enabled for this node pool.\n"
            'Please run "az aks --update-cluster-autoscaler" if you want to update min-count or max-count.'
        )
    if disable and not is_on:
        return "Cluster autoscaler is already disabled for this node pool."
    if disable:
        pool |= {"enableAutoScaling": False, "minCount": None, "maxCount": None}
    elif enable or update:
        pool |= {"enableAutoScaling": True, "minCount": low, "maxCount": high}
    return ""


def _count_fault(low: int | None, high: int | None, *, asked: bool, system: bool) -> str:
    """Return az's own sentence about the bounds of an update, "" if az would send them."""
    flags = "--enable-cluster-autoscaler or --update-cluster-autoscaler"
    for option, value in (("--min-count", low), ("--max-count", high)):
        if value is not None and value not in COUNT_RANGE:
            return f"{option} must be in the range [0,1000]"
    if not asked:
        return (
            f"min-count and max-count are required for {flags}, please use the flag"
            if (low, high) != (None, None)
            else ""
        )
    if low is None or high is None:
        return f"Please specify both min-count and max-count when {flags} set"
    if low > high:
        return "Value of min-count should be less than or equal to value of max-count"
    if system and low < 1:
        return "Value of min-count should be greater than or equal to 1 for System node pools"
    return ""


def upgrade_settings(given: Json) -> Json:
    """Return the `upgradeSettings` that the options ask for. Raises az's errors."""
    for option in ("max_surge", "max_unavailable"):
        _check_share(f"--{option.replace('_', '-')}", given[option])
    settings = {
        "maxSurge": given["max_surge"],
        "maxUnavailable": given["max_unavailable"],
        "drainTimeoutInMinutes": given["drain_timeout"],
        "nodeSoakDurationInMinutes": given["node_soak_duration"],
    }
    return {key: value for key, value in settings.items() if value is not None}


def _check_share(option: str, value: str | None) -> None:
    if value is None:
        return
    if value.startswith("-") and value[1:].rstrip("%").isdigit():
        raise Slash24Error(f"{option} must be positive")
    try:
        share_of(value, 1)
    except ValueError as error:
        raise Slash24Error(f"{option} should be an int or percentage") from error


def require_something(given: Json, what: str) -> None:
    """Raise UsageError if no option of an update was given."""
    if not any(value not in (None, False, ()) for value in given.values()):
        raise UsageError("nothing to update was given", fix=f"one of {what}")
