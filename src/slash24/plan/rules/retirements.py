"""What AKS retires, and when."""

from collections.abc import Iterator
from datetime import date

from slash24.core.models import Model
from slash24.plan.addons import Addon, uses
from slash24.plan.finding import Severity, known
from slash24.plan.request import ClusterRequest
from slash24.plan.rules.calendar import Phase, Subjects, dated, retired, spelt
from slash24.plan.source import DOCS_READ, Source, changelog, issue


def _include(name: str) -> Source:
    return Source(
        f"https://github.com/MicrosoftDocs/azure-aks-docs/blob/main/articles/aks/includes/{name}.md", DOCS_READ
    )


def _kubenet(request: ClusterRequest) -> Iterator[str]:
    if request.model is Model.KUBENET:
        yield "kubenet"


def _npm(os: str) -> Subjects:
    def subjects(request: ClusterRequest) -> Iterator[str]:
        if known(request.policy, "the network policy engine") == "azure" and any(
            pool.os == os for pool in request.pools
        ):
            yield f"Azure Network Policy Manager on {os}"

    return subjects


def _os_sku(*skus: str) -> Subjects:
    def subjects(request: ClusterRequest) -> Iterator[str]:
        for pool in request.pools:
            sku = known(pool.os_sku, f"the OS SKU of pool {pool.name}")
            if sku in skus:
                yield f"node pool {pool.name}: {sku}"

    return subjects


def _availability_sets(request: ClusterRequest) -> Iterator[str]:
    for pool in request.pools:
        if known(pool.vm_set, f"the VM set type of pool {pool.name}") == "AvailabilitySet":
            yield f"node pool {pool.name}: AvailabilitySet"


def _basic_balancer(request: ClusterRequest) -> Iterator[str]:
    if known(request.load_balancer.sku, "the load balancer's SKU") == "basic":
        yield "--load-balancer-sku basic"


def _addon(addon: Addon, words: str) -> Subjects:
    def subjects(request: ClusterRequest) -> Iterator[str]:
        if uses(request, addon):
            yield words

    return subjects


dated(
    "S24-121",
    "kubenet is retired on 31 March 2028",
    _include("kubenet-retirement"),
    issue("Azure/AKS", 4859),
    subjects=_kubenet,
    phases=retired(date(2028, 3, 31), told=date(2025, 3, 16)),
    cause="Support for kubenet ends. The announcement has no date of its own; by its number the issue is of March "
    "2025.",
    fix="--network-plugin azure --network-plugin-mode overlay; for a cluster that stands, `slash24 migrate`",
    applies="kubenet",
)
dated(
    "S24-180",
    "Azure NPM on Windows is retired on 30 September 2026",
    _include("azure-network-policy-manager-windows-retirement"),
    subjects=_npm("Windows"),
    phases=retired(date(2026, 9, 30)),
    cause="Windows pools lose their engine for network policies; Calico is the one that is left.",
    fix="--network-policy calico, or NSGs",
    applies="Windows pools with --network-policy azure",
)
dated(
    "S24-181",
    "Azure NPM on Linux is retired on 30 September 2028",
    _include("azure-network-policy-manager-linux-retirement"),
    subjects=_npm("Linux"),
    phases=retired(date(2028, 9, 30)),
    cause="Cilium is what AKS recommends instead; some policies mean something else there.",
    fix="--network-dataplane cilium",
    applies="--network-policy azure",
)
dated(
    "S24-182",
    "VM availability sets are retired on 30 September 2025",
    _include("availability-sets-retirement"),
    subjects=_availability_sets,
    phases=retired(date(2025, 9, 30)),
    cause="Pools of scale sets, or of single virtual machines, take their place.",
    fix="--vm-set-type VirtualMachineScaleSets",
)
_LAST_BASIC, _BASIC_RETIRED, _BASIC_BLOCKED = date(2025, 3, 31), date(2025, 9, 30), date(2025, 10, 12)
dated(
    "S24-168",
    "Basic load balancers are retired on 30 September 2025",
    changelog("2025-04-27"),
    changelog("2025-10-12"),
    _include("basic-load-balancer-retirement"),
    subjects=_basic_balancer,
    phases=(
        Phase(None, Severity.WARNING, f"is for clusters made before {spelt(_LAST_BASIC)} only"),
        Phase(_LAST_BASIC, Severity.WARNING, f"is retired on {spelt(_BASIC_RETIRED)}; new clusters should not have it"),
        Phase(_BASIC_RETIRED, Severity.WARNING, f"is retired since {spelt(_BASIC_RETIRED)}"),
        Phase(_BASIC_BLOCKED, Severity.ERROR, f"is refused since {spelt(_BASIC_BLOCKED)}"),
    ),
    cause="New clusters should have none since 31 March 2025; AKS refuses them since the release of 12 October 2025.",
    fix="--load-balancer-sku standard",
)
dated(
    "S24-183",
    "Azure Linux 2.0 is retired on 30 November 2025",
    _include("azure-linux-retirement"),
    subjects=_os_sku("AzureLinux2", "CBLMariner", "Mariner"),
    phases=retired(date(2025, 11, 30), gone=date(2026, 3, 31)),
    cause="Without support since then; its images are gone since 31 March 2026, so nodes can't be added.",
    fix="--os-sku AzureLinux3",
)
dated(
    "S24-184",
    "Windows Server 2019 is retired on 1 March 2026",
    _include("windows-server-2019-retirement"),
    subjects=_os_sku("Windows2019"),
    phases=retired(date(2026, 3, 1), gone=date(2027, 4, 1)),
    cause="Without support since then, not on Kubernetes 1.33 and newer (S24-155); its images are removed on 1 April "
    "2027.",
    fix="--os-sku Windows2022",
)
dated(
    "S24-185",
    "Windows Server Annual Channel is retired on 15 May 2026",
    _include("windows-annual-channel-retirement"),
    subjects=_os_sku("WindowsAnnual"),
    phases=retired(date(2026, 5, 15)),
    cause="The long-term releases are what is left.",
    fix="--os-sku Windows2022",
)
dated(
    "S24-186",
    "The NGINX of application routing is supported until November 2026",
    _include("ingress-nginx-retirement"),
    subjects=_addon(Addon.NGINX, "the application routing add-on with NGINX"),
    phases=retired(date(2026, 3, 31), gone=date(2026, 11, 30)),
    cause="ingress-nginx itself ended in March 2026; the add-on is supported to November 2026. The days are not told.",
    fix="Application Gateway for Containers, or a gateway of your own",
)
dated(
    "S24-187",
    "Ubuntu 20.04 is retired on 17 March 2027",
    _include("ubuntu-2004-retirement"),
    subjects=_os_sku("Ubuntu2004"),
    phases=retired(date(2027, 3, 17)),
    cause="Pools of it get no more images.",
    fix="--os-sku Ubuntu2404",
)
dated(
    "S24-188",
    "Ubuntu 22.04 is retired on 30 June 2027",
    _include("ubuntu-2204-retirement"),
    subjects=_os_sku("Ubuntu2204"),
    phases=retired(date(2027, 6, 30), gone=date(2028, 4, 30)),
    cause="Without support since then; its images are removed on 30 April 2028.",
    fix="--os-sku Ubuntu2404",
)
dated(
    "S24-189",
    "Open Service Mesh is retired on 30 September 2027",
    _include("open-service-mesh-retirement"),
    subjects=_addon(Addon.SERVICE_MESH, "the Open Service Mesh add-on"),
    phases=retired(date(2027, 9, 30)),
    cause="The Istio add-on takes its place.",
    fix="--enable-azure-service-mesh",
)
dated(
    "S24-190",
    "Windows Server 2022 is retired on 30 June 2028",
    _include("windows-server-2022-retirement"),
    subjects=_os_sku("Windows2022"),
    phases=retired(date(2028, 6, 30), gone=date(2029, 6, 30)),
    cause="Not on Kubernetes 1.37 and newer (S24-155); its images are removed on 30 June 2029.",
    fix="--os-sku Windows2025",
)
