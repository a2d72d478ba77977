"""Rules about the networking model: plugin, mode, dataplane and policy engine, and which go together."""

from collections.abc import Iterator
from datetime import date

from slash24.core.models import TRAITS, Model
from slash24.plan.finding import Problem, Severity, known
from slash24.plan.kubernetes import older_than
from slash24.plan.request import ClusterRequest, Operation
from slash24.plan.rulebook import rule
from slash24.plan.source import ERROR_CODES, az, changelog, docs, issue

_OVERVIEW = docs("concepts-network-cni-overview")
_CILIUM = docs("azure-cni-powered-by-cilium")
_POLICIES = docs("use-network-policies")
_PLUGIN, _MODE = "networkProfile.networkPlugin", "networkProfile.networkPluginMode"
_DATAPLANE, _POLICY = "networkProfile.networkDataplane", "networkProfile.networkPolicy"
_FIX_OVERLAY = "--network-plugin azure --network-plugin-mode overlay"

NO_OVERLAY_TEXT = (
    "Please specify network plugin mode `overlay` when using --pod-cidr or use network plugin `kubenet`. "
    "For more information about Azure CNI Overlay please see https://aka.ms/aks/azure-cni-overlay"
)
_WORDS = (
    ("plugin", "--network-plugin", ("kubenet", "azure", "none"), _PLUGIN),
    ("mode", "--network-plugin-mode", ("overlay",), _MODE),
    ("dataplane", "--network-dataplane", ("azure", "cilium"), _DATAPLANE),
    ("policy", "--network-policy", ("azure", "calico", "cilium", "none"), _POLICY),
)


@rule("S24-153", "Plugin, mode, dataplane and policy engine are words that az takes", az("_params.py"))
def words_are_known(request: ClusterRequest) -> Iterator[Problem]:
    """az refuses other words itself, a policy engine in capitals too."""
    for name, option, allowed, target in _WORDS:
        value = known(getattr(request, name), f"the value of {option}")
        if value in ("", *allowed):
            continue
        if option == "--network-policy" and value.lower() in allowed:
            yield Problem(
                "--network-policy should be provided in lowercase", fix=f"{option} {value.lower()}", target=target
            )
        else:
            yield Problem(
                f"'{value}' is not a valid value for '{option}'. Allowed values: {', '.join(allowed)}.",
                fix=f"{option} {allowed[0]}",
                target=target,
            )


@rule(
    "S24-120",
    "The plugin azure without a mode is node subnet",
    docs("azure-cni-overlay"),
    severity=Severity.WARNING,
    applies="node subnet, on create",
)
def plugin_alone_is_meant(request: ClusterRequest) -> Iterator[Problem]:
    """No plugin at all means Overlay; `azure` alone means node subnet, for backward compatibility: every pod takes an
    address of the VNet, and 30 pods go on a node.
    """
    if request.model is Model.NODE_SUBNET and request.operation is Operation.CREATE and not request.pod_cidrs:
        yield Problem(
            "--network-plugin azure without --network-plugin-mode: this makes a node subnet cluster, not Overlay",
            why="each node takes 1 + max pods addresses of its subnet at once",
            fix="add --network-plugin-mode overlay, unless pods must have addresses of the VNet",
            target=_MODE,
        )


@rule(
    "S24-123",
    "A pod CIDR belongs to Overlay and kubenet",
    az("managed_cluster_decorator.py"),
    applies="node subnet, pod subnet",
    since=date(2023, 4, 30),
)
def flat_models_have_no_pod_cidr(request: ClusterRequest) -> Iterator[Problem]:
    """Flat models take pod addresses from subnets. az refuses the option since April 2023; before, it was dropped."""
    if request.pod_cidrs and not TRAITS[request.model].pod_cidr:
        yield Problem(
            f"--pod-cidr {','.join(request.pod_cidrs)} with --network-plugin azure and no mode",
            why="pods of node subnet and pod subnet have addresses of the VNet",
            fix="--network-plugin-mode overlay, or leave --pod-cidr out",
            azure_text=NO_OVERLAY_TEXT,
            target="networkProfile.podCIDR",
        )


@rule(
    "S24-122",
    "The mode overlay goes with the plugin azure",
    docs("azure-cni-overlay"),
    issue("Azure/AKS", 5662),
    azure=("UnsupportedNetworkPluginModeWithNetworkPlugin",),
    dispute="The documents tie the mode to azure; Microsoft's own tests of bring-your-own CNI create none with overlay "
    "(azure-container-networking, hack/aks/Makefile). Followed: none with overlay is taken.",
)
def overlay_is_a_mode_of_azure(request: ClusterRequest) -> Iterator[Problem]:
    """kubenet has no modes; whoever moves from kubenet to Overlay changes plugin and mode in one update."""
    if known(request.plugin, "the network plugin") == "kubenet" and request.mode == "overlay":
        yield Problem(
            "--network-plugin-mode overlay with --network-plugin kubenet",
            why="overlay is a mode of the plugin azure",
            fix=_FIX_OVERLAY,
            azure="UnsupportedNetworkPluginModeWithNetworkPlugin",
            azure_text="NetworkPluginMode overlay is not supported with NetworkPlugin kubenet.",
            target=_MODE,
        )


@rule("S24-156", "The plugin none is told the pod CIDR", docs("use-byo-cni"), applies="bring your own CNI")
def own_cni_has_a_pod_cidr(request: ClusterRequest) -> Iterator[Problem]:
    """The control plane routes to pods by it, whatever the user's CNI gives out."""
    if request.model is Model.BYO and not known(request.pod_cidrs, "the pod CIDR"):
        yield Problem(
            "--network-plugin none without --pod-cidr",
            why="the control plane needs to know where pods are",
            fix="--pod-cidr 10.244.0.0/16, or what the CNI gives out",
            target="networkProfile.podCIDR",
        )


@rule(
    "S24-150",
    "The dataplane cilium goes with the plugin azure and its own policies",
    _CILIUM,
    _OVERVIEW,
    issue("MicrosoftDocs/azure-aks-docs", 264),
    azure=("NetworkPolicyNotSupported",),
)
def cilium_has_its_plugin(request: ClusterRequest) -> Iterator[Problem]:
    """Cilium is a dataplane of Azure CNI, in each of its address models; it enforces policies by itself. The engine
    cilium is nothing without that dataplane.
    """
    dataplane = known(request.dataplane, "the network dataplane")
    policy = known(request.policy, "the network policy engine")
    if dataplane == "cilium" and request.model in (Model.KUBENET, Model.BYO):
        yield Problem(
            f"--network-dataplane cilium with --network-plugin {request.plugin}",
            why="Azure CNI powered by Cilium is a dataplane of the plugin azure",
            fix=_FIX_OVERLAY,
            azure="NetworkPolicyNotSupported",
            target=_DATAPLANE,
        )
    if dataplane == "cilium" and policy in ("azure", "calico"):
        yield Problem(
            f"--network-policy {policy} with --network-dataplane cilium",
            why="Cilium enforces the policies itself; a second engine would fight with it",
            fix="--network-policy cilium",
            azure="NetworkPolicyNotSupported",
            target=_POLICY,
        )
    if policy == "cilium" and dataplane != "cilium":
        yield Problem(
            "--network-policy cilium without --network-dataplane cilium",
            why="the policies of Cilium are enforced by its dataplane",
            fix="--network-dataplane cilium",
            azure="NetworkPolicyNotSupported",
            target=_POLICY,
        )


@rule(
    "S24-151",
    "The policy engine goes with the plugin",
    _POLICIES,
    docs("configure-kubenet"),
    ERROR_CODES,
    azure=("NetworkPolicyAzureNotSupportedForKubenet", "NetworkPolicyNotSupported", "NetworkPolicyNotSupportedForNone"),
    dispute="The article of March 2024 says in its text that kubenet has no policies, in its table Calico. The "
    "documents: "
    "Calico works on kubenet, Azure NPM and Cilium don't. Followed: the documents.",
)
def policy_engines_fit(request: ClusterRequest) -> Iterator[Problem]:
    """kubenet takes Calico only; with the plugin none policies are the user's CNI's business."""
    policy = known(request.policy, "the network policy engine")
    if policy in ("", "none"):
        return
    if request.model is Model.KUBENET and policy != "calico":
        yield Problem(
            f"--network-policy {policy} with --network-plugin kubenet",
            why="kubenet works with Calico only",
            fix=f"--network-policy calico, or {_FIX_OVERLAY}",
            azure="NetworkPolicyAzureNotSupportedForKubenet" if policy == "azure" else "NetworkPolicyNotSupported",
            target=_POLICY,
        )
    if request.model is Model.BYO:
        yield Problem(
            f"--network-policy {policy} with --network-plugin none",
            why="the user's own CNI brings its policies",
            fix="leave --network-policy out",
            azure="NetworkPolicyNotSupportedForNone",
            target=_POLICY,
        )


@rule("S24-152", "A policy engine is asked for together with a plugin", az("managed_cluster_decorator.py"))
def policy_names_its_plugin(request: ClusterRequest) -> Iterator[Problem]:
    """az asks for the plugin, since engines differ by it."""
    if known(request.policy, "the network policy engine") and not known(request.plugin, "the network plugin"):
        yield Problem(
            "--network-policy without --network-plugin",
            fix=f"{_FIX_OVERLAY} --network-policy {request.policy}",
            azure_text="Please explicitly specify the network plugin type",
            target=_PLUGIN,
        )


_ENGINE_VERSION = date(2026, 5, 29)


@rule(
    "S24-178",
    "NPM and Calico need Kubernetes 1.30",
    changelog("2026-05-29"),
    since=_ENGINE_VERSION,
    applies="--network-policy azure or calico",
)
def engines_need_a_version(request: ClusterRequest) -> Iterator[Problem]:
    """Installing and removing either is refused on older clusters since the release of 29 May 2026."""
    before = request.current.policy if request.current else ""
    engines = {known(request.policy, "the network policy engine"), before} & {"azure", "calico"}
    if engines and (request.current is None or before != request.policy) and older_than(request, 30):
        yield Problem(
            f"the policy engine {' and '.join(sorted(map(str, engines)))} on Kubernetes {request.kubernetes_version}",
            why="installing or removing Azure NPM and Calico needs Kubernetes 1.30",
            fix="--kubernetes-version 1.30 or newer",
            target=_POLICY,
        )


_NFTABLES = date(2026, 7, 17)


@rule(
    "S24-172",
    "kube-proxy's mode fits the cluster",
    changelog("2026-07-17"),
    docs("configure-kube-proxy"),
    since=_NFTABLES,
)
def proxy_modes_fit(request: ClusterRequest) -> Iterator[Problem]:
    """NFTABLES needs Kubernetes 1.33 and is refused below since 17 July 2026; IPVS doesn't work with Azure NPM."""
    yield from _nftables(request)
    yield from _ipvs(request)


@rule("S24-172", "kube-proxy's mode fits the cluster", docs("configure-kube-proxy"), until=_NFTABLES)
def proxy_modes_fitted(request: ClusterRequest) -> Iterator[Problem]:
    """IPVS doesn't work with Azure NPM; a kube-proxy without nftables was not refused yet."""
    return _ipvs(request)


def _nftables(request: ClusterRequest) -> Iterator[Problem]:
    if known(request.kube_proxy_mode, "kube-proxy's mode") == "NFTABLES" and older_than(request, 33):
        yield Problem(
            f"kube-proxy's mode NFTABLES on Kubernetes {request.kubernetes_version}",
            why="it needs Kubernetes 1.33",
            fix="IPTABLES, or a newer Kubernetes",
            target="networkProfile.kubeProxyConfig.mode",
        )


def _ipvs(request: ClusterRequest) -> Iterator[Problem]:
    mode = known(request.kube_proxy_mode, "kube-proxy's mode")
    if mode == "IPVS" and known(request.policy, "the network policy engine") == "azure":
        yield Problem(
            "kube-proxy's mode IPVS with --network-policy azure",
            why="Azure NPM works on iptables chains that IPVS goes past",
            fix="IPTABLES",
            target="networkProfile.kubeProxyConfig.mode",
        )
