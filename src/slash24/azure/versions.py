"""Kubernetes versions: what a lab offers, and which way leads from one to another."""

from slash24.azure.errors import ArmError, Json
from slash24.core.topology import KUBERNETES_VERSION

#: As AKS, three minor versions; the embedded API and the kubelets' stand-ins behave as the newest and say what they
#: are told to be.
OFFERED = ("1.35.0", "1.35.1", "1.36.0", "1.36.1", "1.37.0", KUBERNETES_VERSION)
POOL_SKEW = 3  # minor versions that a pool may be behind: docs/sources.md#version-rules


def minor_of(version: str) -> tuple[int, int]:
    """Return major and minor of a version, 1.37.1 or 1.37."""
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def resolve(asked: str, current: str = "") -> str:
    """Return the full version that is meant by one: a minor alone is the current patch of it, else its newest.

    Raises ArmError for a version that isn't offered; the current one may go on.
    """
    if current and asked in (current, current.rpartition(".")[0]):
        return current
    found = [version for version in OFFERED if asked in (version, version.rpartition(".")[0])]
    if not found:
        raise ArmError(
            400,
            "K8sVersionNotSupported",
            f"Version {asked} is not supported in this region. Please use [az aks get-versions] command to get the "
            "supported version list in this region. For more information, please check "
            "https://aka.ms/supported-version-list",
            target="kubernetesVersion",
            fix=f"one of {', '.join(OFFERED)}: slash24 aks get-versions",
        )
    return found[-1]


def upgrades(version: str) -> list[str]:
    """Return the versions that an upgrade may go to, newest first: patches of the same minor, and of the next."""
    major, minor = minor_of(version)
    reach = ((major, minor), (major, minor + 1))
    return sorted(
        (one for one in OFFERED if minor_of(one) in reach and _order(one) > _order(version)), key=_order, reverse=True
    )


def judge_upgrade(old: str, new: str) -> None:
    """Raise Azure's error if a control plane can't go from `old` to `new`."""
    if new != old and new not in upgrades(old):
        raise _not_allowed(old, new)


def judge_pool_upgrade(pool: str, old: str, new: str, control_plane: str) -> None:
    """Raise Azure's error if a pool can't go from `old` ("" if it is new) to `new`; it may catch up in one step."""
    behind = minor_of(control_plane)[1] - minor_of(new)[1]
    if _order(new) > _order(control_plane) or behind > POOL_SKEW:
        raise ArmError(
            400,
            "NodePoolMcVersionIncompatible",
            f"Node pool version {new} and control plane version {control_plane} are incompatible. Minor version of "
            "node pool cannot be bigger than control plane's version. Minor version of node pool cannot be more than "
            f"{POOL_SKEW} versions less than control plane's version. Minor version of node pool is {minor_of(new)[1]} "
            f"and control plane is {minor_of(control_plane)[1]}. For more information, please check "
            "https://aka.ms/aks/UpgradeVersionRules",
            target="orchestratorVersion",
            why=f"node pool {pool} would run {new}, its control plane runs {control_plane}",
            fix="upgrade the control plane first: slash24 aks upgrade --control-plane-only",
        )
    if old and _order(new) < _order(old):
        raise _not_allowed(old, new)


def _not_allowed(old: str, new: str) -> ArmError:
    doing, why = "Upgrading", "a minor version can't be left out"
    if _order(new) < _order(old):
        doing, why = "Downgrading", "Kubernetes has no way back"
    allowed = upgrades(old)
    return ArmError(
        400,
        "OperationNotAllowed",
        f"{doing} Kubernetes version {old} to {new} is not allowed. Available upgrades: [{' '.join(allowed)}]. "
        "Please see https://aka.ms/aks-supported-k8s-ver for version details.",
        target="kubernetesVersion",
        why=why,
        fix=f"--kubernetes-version {allowed[0]}" if allowed else "stay with it",
    )


def upgrade_entries(version: str, up_to: str = "") -> list[Json]:
    """Return the upgrades from a version as Azure lists them; `up_to` leaves out what is newer."""
    return [{"kubernetesVersion": one} for one in upgrades(version) if not up_to or _order(one) <= _order(up_to)]


def listing_of_versions() -> list[Json]:
    """Return what `get-versions` shows: each minor with its patches and where they may go."""
    found: dict[str, Json] = {}
    for version in OFFERED:
        minor = version.rpartition(".")[0]
        entry = found.setdefault(
            minor,
            {
                "version": minor,
                "isDefault": minor == KUBERNETES_VERSION.rpartition(".")[0],
                "capabilities": {"supportPlan": ["KubernetesOfficial"]},
                "patchVersions": {},
            },
        )
        entry["patchVersions"][version] = {"upgrades": upgrades(version)}
    return list(found.values())
