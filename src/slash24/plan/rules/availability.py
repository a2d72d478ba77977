"""When each kind of cluster became available."""

from collections.abc import Iterator
from datetime import date

from slash24.core.models import Model
from slash24.plan.addons import Addon, uses
from slash24.plan.finding import Severity
from slash24.plan.request import ClusterRequest
from slash24.plan.rules.calendar import Phase, available, dated, spelt
from slash24.plan.source import DOCS_READ as _READ
from slash24.plan.source import Source, changelog, docs, issue

_BLOG = Source(
    "https://azure.microsoft.com/blog/announcing-the-general-availability-of-azure-cni-overlay-in-"
    "azure-kubernetes-service/",
    _READ,
)


def _windows(request: ClusterRequest) -> bool:
    return any(pool.os == "Windows" for pool in request.pools)


def _overlay(request: ClusterRequest) -> Iterator[str]:
    if request.model is Model.OVERLAY and not _windows(request):
        yield "Azure CNI Overlay"


def _windows_overlay(request: ClusterRequest) -> Iterator[str]:
    if request.model is Model.OVERLAY and _windows(request):
        yield "a Windows pool with Azure CNI Overlay"


def _pod_subnet(request: ClusterRequest) -> Iterator[str]:
    if request.model is Model.POD_SUBNET:
        yield "a pod subnet (dynamic allocation)"


def _static_block(request: ClusterRequest) -> Iterator[str]:
    if request.model is Model.POD_SUBNET_STATIC:
        yield "--pod-ip-allocation-mode StaticBlock"


def _dual_overlay(request: ClusterRequest) -> Iterator[str]:
    if request.dual_stack and request.model is Model.OVERLAY and not _windows(request):
        yield "dual-stack with Azure CNI Overlay"


def _dual_windows(request: ClusterRequest) -> Iterator[str]:
    if request.dual_stack and request.model is Model.OVERLAY and _windows(request):
        yield "dual-stack with Azure CNI Overlay and Windows pools"


def _dual_kubenet(request: ClusterRequest) -> Iterator[str]:
    if request.dual_stack and request.model is Model.KUBENET:
        yield "dual-stack with kubenet"


def _static_egress(request: ClusterRequest) -> Iterator[str]:
    if uses(request, Addon.STATIC_EGRESS_GATEWAY):
        yield "--enable-static-egress-gateway"


def _agic(request: ClusterRequest) -> Iterator[str]:
    if request.model is Model.OVERLAY and uses(request, Addon.AGIC):
        yield "the Application Gateway ingress controller with Azure CNI Overlay"


dated(
    "S24-191",
    "Azure CNI Overlay is there since April 2023",
    issue("Azure/AKS", 3208),
    _BLOG,
    subjects=_overlay,
    phases=(Phase(None, Severity.WARNING, "is a preview until April 2023"), Phase(date(2023, 4, 30), None)),
    cause="Generally available since April 2023; the day is not told, the month's last is taken.",
    fix="a later --as-of",
    applies="Overlay",
)
dated(
    "S24-192",
    "Windows pools in Overlay are there since 13 August 2023",
    changelog("2023-01-08"),
    changelog("2023-08-13"),
    subjects=_windows_overlay,
    phases=available(date(2023, 1, 8), date(2023, 8, 13)),
    cause="A preview since 8 January 2023, for everybody since 13 August.",
    fix="Linux pools",
    applies="Overlay with Windows pools",
)
dated(
    "S24-193",
    "Pod subnets are there since 22 May 2022",
    changelog("2022-05-22"),
    subjects=_pod_subnet,
    phases=available(None, date(2022, 5, 22)),
    cause="Dynamic allocation from a second subnet.",
    fix="node subnet",
    applies="pod subnet",
)
dated(
    "S24-194",
    "Static block allocation is there since 20 July 2025",
    changelog("2025-07-20"),
    subjects=_static_block,
    phases=available(None, date(2025, 7, 20)),
    cause="Blocks of 16 addresses that stay with a node.",
    fix="--pod-ip-allocation-mode DynamicIndividual",
    applies="pod subnet with static blocks",
)
dated(
    "S24-195",
    "Dual-stack Overlay is there since 11 April 2024",
    changelog("2024-04-11"),
    subjects=_dual_overlay,
    phases=available(None, date(2024, 4, 11)),
    cause="On Linux; Windows pools came in July (S24-196).",
    fix="--ip-families ipv4",
    applies="dual-stack Overlay",
)
_WINDOWS_DUAL, _NO_FLAG = date(2024, 7, 16), date(2026, 7, 17)
dated(
    "S24-196",
    "Dual-stack Overlay with Windows pools is there since 16 July 2024",
    changelog("2024-07-16"),
    changelog("2026-07-17"),
    subjects=_dual_windows,
    phases=(
        Phase(None, Severity.ERROR, f"is not available before {spelt(_WINDOWS_DUAL)}"),
        Phase(_WINDOWS_DUAL, Severity.WARNING, f"needs a feature flag of the subscription until {spelt(_NO_FLAG)}"),
        Phase(_NO_FLAG, None),
    ),
    cause="With a feature flag until the release of 17 July 2026.",
    fix="Linux pools only, or register the feature",
    applies="dual-stack Overlay with Windows pools",
)
_KUBENET_DUAL = date(2023, 4, 16)
dated(
    "S24-197",
    "Dual-stack with kubenet is legacy",
    changelog("2023-04-16"),
    docs("configure-dual-stack"),
    subjects=_dual_kubenet,
    phases=(
        Phase(None, Severity.ERROR, f"is not available before {spelt(_KUBENET_DUAL)}"),
        Phase(_KUBENET_DUAL, Severity.WARNING, "is legacy: the documents ask for Overlay"),
    ),
    cause="There since 16 April 2023; the documents of 2026 say that dual-stack needs Overlay.",
    fix="--network-plugin azure --network-plugin-mode overlay",
    applies="dual-stack kubenet",
)
dated(
    "S24-198",
    "Static Egress Gateway is there since 6 October 2024",
    changelog("2024-10-06"),
    subjects=_static_egress,
    phases=available(None, date(2024, 10, 6)),
    cause="A pool of gateways with a fixed public prefix.",
    fix="leave it out",
)
_AGIC, _AGIC_GENERAL = date(2025, 3, 16), date(2025, 8, 29)
dated(
    "S24-126",
    "AGIC works with Overlay since 16 March 2025",
    changelog("2025-03-16"),
    changelog("2025-08-29"),
    docs("concepts-network-cni-overview"),
    subjects=_agic,
    phases=(
        Phase(None, Severity.ERROR, "cannot be used"),
        Phase(_AGIC, Severity.WARNING, "works since add-on v1.8.0; generally available since 29 August 2025"),
        Phase(_AGIC_GENERAL, None),
    ),
    cause="The article of March 2024 says that AGIC can't be used with Overlay, which was true then. The add-on v1.8.0 "
    "of 16 March 2025 can; the documents of 2026 list AGIC for every model.",
    fix="Application Gateway for Containers, or another ingress",
    applies="Overlay",
    dispute="The article of 30 March 2024: not supported. The changelog of 16 March 2025 and the documents of 2026: "
    "supported. Followed: each in its time.",
)
