"""Rules about names and about the counts of the autoscaler, with the sentences that az gives them."""

import re
from collections.abc import Iterator
from datetime import date

from slash24.plan.finding import Problem
from slash24.plan.request import ClusterRequest
from slash24.plan.rulebook import rule

_OVERLAY = "https://learn.microsoft.com/azure/aks/concepts-network-azure-cni-overlay"
_NAMING = "https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules"
_AZ = "https://github.com/Azure/azure-cli (azure-cli 2.91.0, acs validators)"
_DOCS = date(2026, 8, 21)
_AZ_READ = date(2026, 9, 29)

MAX_LABEL = 63
COUNT_RANGE = range(1001)
_CLUSTER_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")
_POOL_NAME = re.compile(r"[a-z][a-z0-9]{0,11}")
CLUSTER_NAME_TEXT = (
    "--name cannot exceed 63 characters and can only contain letters, numbers, underscores (_) or dashes (-)."
)


@rule("S24-124", "VNet, subnet and resource group have at most 63 characters", source=_OVERLAY, as_of=_DOCS)
def names_fit_into_labels(request: ClusterRequest) -> Iterator[Problem]:
    """Their names become labels of the nodes, and a label's value has 63 characters at most."""
    names: dict[str, str] = {}
    for pool in request.pools:
        parts = pool.subnet_id.strip("/").split("/")
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
                target="agentPoolProfile.vnetSubnetID",
            )


@rule("S24-140", "A cluster's name has 1 to 63 letters, digits, _ and -", source=_AZ, as_of=_AZ_READ)
def cluster_name_is_valid(request: ClusterRequest) -> Iterator[Problem]:
    if not _CLUSTER_NAME.fullmatch(request.name):
        yield Problem(
            CLUSTER_NAME_TEXT,
            why=f"the name has {len(request.name)} characters"
            if len(request.name) > MAX_LABEL
            else "a name begins and ends with a letter or a digit",
            fix=f"--name {_cluster_name_near(request.name)}",
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


@rule("S24-141", "A Linux pool's name has 1 to 12 small letters and digits", source=_NAMING, as_of=_AZ_READ)
def pool_names_are_valid(request: ClusterRequest) -> Iterator[Problem]:
    seen: set[str] = set()
    for pool in request.pools:
        if not _POOL_NAME.fullmatch(pool.name):
            yield Problem(
                az_pool_name_fault(pool.name) or f"node pool name {pool.name!r} is not allowed",
                why="a Linux pool's name begins with a small letter and has 12 small letters and digits at most",
                fix=f"a name such as {re.sub('[^a-z0-9]', '', pool.name.lower())[:12].lstrip('0123456789') or 'np1'}",
                azure="InvalidParameter",
                azure_text=f"The value of parameter agentPoolProfile.name is invalid: {pool.name}.",
                target="agentPoolProfile.name",
            )
        elif pool.name in seen:
            yield Problem(
                f"node pool {pool.name} is there twice",
                fix="give each pool a name of its own",
                target="agentPoolProfile.name",
            )
        seen.add(pool.name)


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


@rule("S24-142", "The autoscaler's counts agree", source=_AZ, as_of=_AZ_READ)
def autoscaler_counts_agree(request: ClusterRequest) -> Iterator[Problem]:
    for pool in request.pools:
        fault = az_count_fault(
            autoscale=pool.autoscale,
            count=pool.count,
            min_count=pool.min_count,
            max_count=pool.max_count,
            system=pool.mode.lower() == "system",
        )
        if fault:
            yield Problem(
                fault,
                why=f"node pool {pool.name}: count {pool.count}, min {pool.min_count}, max {pool.max_count}",
                fix="--enable-cluster-autoscaler --min-count 2 --max-count 10 --node-count 2",
                azure="InvalidParameter",
                target="agentPoolProfile.minCount",
            )
