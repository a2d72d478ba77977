"""Rules about names and about the counts of the autoscaler, with the sentences that az gives them."""

import re
from collections.abc import Iterator
from datetime import date

from slash24.core.models import Model
from slash24.plan.finding import Problem, Severity, known
from slash24.plan.pool import PoolRequest
from slash24.plan.request import ClusterRequest
from slash24.plan.rulebook import rule
from slash24.plan.rules import targets
from slash24.plan.source import AZ_READ, Source, az, changelog, docs

_NAMING = Source("https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules", AZ_READ)

MAX_LABEL = 63
_LINUX_NAME, _WINDOWS_NAME = 12, 6
COUNT_RANGE = range(1001)
_CLUSTER_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")
_POOL_NAME = re.compile(r"[a-z][a-z0-9]{0,11}")
CLUSTER_NAME_TEXT = (
    "--name cannot exceed 63 characters and can only contain letters, numbers, underscores (_) or dashes (-)."
)


_ENFORCED = date(2023, 11, 28)
_labels_rule = (
    "S24-124",
    "VNet, subnet and resource group have at most 63 characters",
    docs("concepts-network-azure-cni-overlay"),
    changelog("2023-11-28"),
)
_WITH_LABELS = (Model.OVERLAY, Model.POD_SUBNET, Model.POD_SUBNET_STATIC)


@rule(*_labels_rule, applies="Overlay, pod subnet", severity=Severity.WARNING, until=_ENFORCED)
def names_should_fit_into_labels(request: ClusterRequest) -> Iterator[Problem]:
    """Their names become labels of the nodes; until November 2023 nobody looked, and nodes came up without them."""
    return _long_names(request)


@rule(*_labels_rule, applies="Overlay, pod subnet", since=_ENFORCED)
def names_fit_into_labels(request: ClusterRequest) -> Iterator[Problem]:
    """Their names become labels of the nodes, and a label's value has 63 characters at most."""
    return _long_names(request)


def _long_names(request: ClusterRequest) -> Iterator[Problem]:
    if request.model not in _WITH_LABELS:
        return
    names: dict[str, str] = {}
    for pool in request.pools:
        parts = known(pool.subnet_id, f"the subnet of pool {pool.name}").strip("/").split("/")
        lower = [part.lower() for part in parts]
        for what, word in (("resource group", "resourcegroups"), ("VNet", "virtualnetworks"), ("subnet", "subnets")):
            if word in lower[:-1]:
                names[parts[lower.index(word) + 1]] = what
    for name, what in names.items():
        if len(name) > MAX_LABEL:
            yield Problem(
                f"{what} name {name} has {len(name)} characters, and Overlay allows {MAX_LABEL}",
                why="the names of subnet, VNet and its resource group become labels of the nodes",
                fix=f"a {what} with a shorter name",
                target=targets.SUBNET,
            )


@rule("S24-140", "A cluster's name has 1 to 63 letters, digits, _ and -", az("_validators.py"))
def cluster_name_is_valid(request: ClusterRequest) -> Iterator[Problem]:
    """The name is part of host names and of the nodes' resource group."""
    name = known(request.name, "the cluster's name")
    if not _CLUSTER_NAME.fullmatch(name):
        yield Problem(
            CLUSTER_NAME_TEXT,
            why=f"the name has {len(name)} characters"
            if len(name) > MAX_LABEL
            else "a name begins and ends with a letter or a digit",
            fix=f"--name {_cluster_name_near(name)}",
            target="name",
        )


def _cluster_name_near(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "-", name)[:MAX_LABEL].strip("-_") or "aks-01"


def az_pool_name_fault(name: str) -> str:
    """Return az's own sentence about a pool's name, "" if az would send it."""
    if len(name) > 12:
        return "--nodepool-name can contain at most 12 characters"
    if not (name.isalnum() and name.isascii()):
        return "--nodepool-name should contain only alphanumeric characters"
    return ""


@rule("S24-141", "A Linux pool's name has 1 to 12 small letters and digits", _NAMING, azure=("InvalidParameter",))
def pool_names_are_valid(request: ClusterRequest) -> Iterator[Problem]:
    """The name is part of the nodes' host names; Windows leaves room for 6 characters."""
    seen: set[str] = set()
    for pool in request.pools:
        name = known(pool.name, "the name of a pool")
        longest = _WINDOWS_NAME if pool.os == "Windows" else _LINUX_NAME
        if not _POOL_NAME.fullmatch(name) or len(name) > longest:
            near = re.sub("[^a-z0-9]", "", name.lower())[:longest].lstrip("0123456789") or "np1"
            yield Problem(
                az_pool_name_fault(name) or f"node pool name {name!r} is not allowed",
                why=f"a {pool.os} pool's name begins with a small letter and has {longest} small letters and digits at "
                "most",
                fix=f"a name such as {near}",
                azure="InvalidParameter",
                azure_text=f"The value of parameter agentPoolProfile.name is invalid: {name}.",
                target="agentPoolProfile.name",
            )
        elif name in seen:
            yield Problem(
                f"node pool {name} is there twice",
                fix="give each pool a name of its own",
                target="agentPoolProfile.name",
            )
        seen.add(name)


def az_count_fault(
    *, autoscale: bool, count: int | None, min_count: int | None, max_count: int | None, system: bool = True
) -> str:
    """Return az's own sentence about the counts of a pool, "" if az would send them. count None: not given."""
    for option, value in (("--min-count", min_count), ("--max-count", max_count)):
        if value is not None and value not in COUNT_RANGE:
            return f"{option} must be in the range [0,1000]"
    if not autoscale:
        if min_count is not None or max_count is not None:
            return "min-count and max-count are required for --enable-cluster-autoscaler, please use the flag"
        return ""
    if min_count is None or max_count is None:
        return "Please specify both min-count and max-count when --enable-cluster-autoscaler enabled"
    if min_count > max_count:
        return "Value of min-count should be less than or equal to value of max-count"
    if count is not None and not min_count <= count <= max_count:
        return "node-count is not in the range of min-count and max-count"
    if system and min_count < 1:
        return "Value of min-count should be greater than or equal to 1 for System node pools"
    return ""


@rule("S24-142", "The autoscaler's counts agree", az("_validators.py"), azure=("InvalidParameter",)).of_pools
def autoscaler_counts_agree(_request: ClusterRequest, pool: PoolRequest) -> Iterator[Problem]:
    """The number of nodes lies between the minimum and the maximum, and a system pool keeps one node."""
    autoscale = known(pool.autoscale, f"whether pool {pool.name} is autoscaled")
    if autoscale:
        known(pool.min_count, f"the minimum count of pool {pool.name}")
        known(pool.max_count, f"the maximum count of pool {pool.name}")
    fault = az_count_fault(
        autoscale=autoscale,
        count=pool.nodes,
        min_count=pool.min_count,
        max_count=pool.max_count,
        system=known(pool.mode, f"the mode of pool {pool.name}") == "System",
    )
    if fault:
        yield Problem(
            fault,
            why=f"node pool {pool.name}: count {pool.count}, min {pool.min_count}, max {pool.max_count}",
            fix="--enable-cluster-autoscaler --min-count 2 --max-count 10 --node-count 2",
            azure="InvalidParameter",
            target="agentPoolProfile.minCount",
        )
