"""The cluster autoscaler's profile: az's twenty settings, how each is written, and the lab's defaults."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any

EXPANDERS = ("least-waste", "most-pods", "priority", "random")

_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h))+|\d+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class AutoscalerProfile:
    """What `--cluster-autoscaler-profile` sets, for all autoscaled pools of a cluster (docs/sources.md#autoscaler).

    The defaults are AKS', but for the times: a lab's node is there in a second, so nobody has to wait ten minutes.
    """

    balance_similar_node_groups: bool = False
    daemonset_eviction_for_empty_nodes: bool = False
    daemonset_eviction_for_occupied_nodes: bool = True
    expander: str = "random"
    ignore_daemonsets_utilization: bool = False
    max_empty_bulk_delete: int = 10
    max_graceful_termination_sec: int = 600
    max_node_provision_time: timedelta = timedelta(minutes=15)
    max_total_unready_percentage: float = 45.0
    new_pod_scale_up_delay: timedelta = timedelta(0)
    ok_total_unready_count: int = 3
    scale_down_delay_after_add: timedelta = timedelta(seconds=10)  # AKS: 10 minutes
    scale_down_delay_after_delete: timedelta = timedelta(seconds=1)  # AKS: 10 s, as its scan interval
    scale_down_delay_after_failure: timedelta = timedelta(seconds=10)  # AKS: 3 minutes
    scale_down_unneeded_time: timedelta = timedelta(seconds=10)  # AKS: 10 minutes
    scale_down_unready_time: timedelta = timedelta(seconds=20)  # AKS: 20 minutes
    scale_down_utilization_threshold: float = 0.5
    scan_interval: timedelta = timedelta(seconds=1)  # AKS: 10 s
    skip_nodes_with_local_storage: bool = False
    skip_nodes_with_system_pods: bool = True


#: The settings as az spells them.
PROFILE_KEYS = tuple(field.name.replace("_", "-") for field in fields(AutoscalerProfile))


def read_profile(settings: Mapping[str, Any]) -> AutoscalerProfile:
    """Return the profile that az's settings give, with defaults for those that are left out.

    Raises ValueError for a setting that doesn't exist, or a value that is none; the text begins with the setting.

    >>> read_profile({"scan-interval": "30s", "scale-down-unneeded-time": "1h30m"}).scale_down_unneeded_time
    datetime.timedelta(seconds=5400)
    """
    kinds = {field.name: field.type for field in fields(AutoscalerProfile)}
    values: dict[str, Any] = {}
    for key, value in settings.items():
        name = str(key).replace("-", "_")
        if name not in kinds:
            raise ValueError(f"{key} is no setting of the autoscaler")
        try:
            values[name] = _read(kinds[name], str(value).strip())
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from error
    expander = str(values.get("expander", "random"))
    if expander not in EXPANDERS:
        raise ValueError(f"expander: {expander!r} is not one of {', '.join(EXPANDERS)}")
    if not 0 <= values.get("scale_down_utilization_threshold", 0) <= 1:
        raise ValueError("scale-down-utilization-threshold: it is a share, 0 to 1")
    if "scan_interval" in values and not values["scan_interval"]:
        raise ValueError("scan-interval: it is more than 0")
    return AutoscalerProfile(**values)


def write_profile(profile: AutoscalerProfile) -> dict[str, str]:
    """Return every setting as az writes it; `read_profile` gives the same profile back."""
    return {field.name.replace("_", "-"): _written(getattr(profile, field.name)) for field in fields(profile)}


def _read(kind: Any, text: str) -> Any:
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError(f"{text!r} is neither true nor false")
        return text.lower() == "true"
    if kind is timedelta:
        return _read_duration(text)
    if kind is str:
        return text
    try:
        number = kind(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number") from None
    if not number >= 0:  # neither is nan
        raise ValueError(f"{text} is less than 0")
    return number


def _read_duration(text: str) -> timedelta:
    """Return a duration as Go writes it; a bare number is seconds."""
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration such as 10s, 5m or 1h30m")
    if text.isdigit():
        return timedelta(seconds=int(text))
    return timedelta(seconds=sum(float(number) * _UNIT_S[unit] for number, unit in _PART.findall(text)))


def _written(value: Any) -> str:
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
        if seconds and seconds % 60 == 0:
            return f"{seconds / 60:g}m"
        return f"{seconds:g}s"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
