"""The options of `az aks create` and `az aks nodepool add` beyond those that slash24 acts on.

Two kinds. *Kept*: nothing to do with networking; they go into the ARM document and nothing else happens. *Unbuilt*:
they concern networking and are refused by name, since ignoring them would show a network that isn't there.
From az aks create of azure-cli 2.91.0 (docs/sources.md#az-options).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import click

from slash24.cli.command import Choice, Several, ThreeState
from slash24.errors import Slash24Error

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kept:
    """An option that is kept. `place`: where in the document, from `pool.`, `cluster.` or `properties.` on.

    kind: value, int, flag, three (a flag that may say true or false), many (one value or more).
    """

    names: tuple[str, ...]
    place: str = ""
    kind: str = "value"

    @property
    def key(self) -> str:
        return self.names[-1].lstrip("-").replace("-", "_")


def _kept(names: str, place: str = "", kind: str = "value") -> Kept:
    return Kept(tuple(names.split()), place, kind)


# Of a pool: `aks create` gives them to its first pool, `nodepool add` to the new one.
POOL_KEPT = (
    _kept("-s --node-vm-size", "pool.vmSize"),
    _kept("-z --node-zones --zones", "pool.availabilityZones", "many"),
    _kept("--node-osdisk-size", "pool.osDiskSizeGB", "int"),
    _kept("--node-osdisk-type", "pool.osDiskType"),
    _kept("--os-sku", "pool.osSKU"),
    _kept("--ppg", "pool.proximityPlacementGroupID"),
    _kept("--host-group-id", "pool.hostGroupID"),
    _kept("--crg-id", "pool.capacityReservationGroupID"),
    _kept("--snapshot-id", "pool.creationData.sourceResourceId"),
    _kept("--gpu-instance-profile", "pool.gpuInstanceProfile"),
    _kept("--gpu-driver", "pool.gpuProfile.driver"),
    _kept("--workload-runtime", "pool.workloadRuntime"),
    _kept("--kubelet-config"),
    _kept("--linux-os-config"),
    _kept("--enable-encryption-at-host", "pool.enableEncryptionAtHost", "flag"),
    _kept("--enable-ultra-ssd", "pool.enableUltraSSD", "flag"),
    _kept("--enable-fips-image", "pool.enableFIPS", "flag"),
    _kept("--enable-secure-boot", "pool.securityProfile.enableSecureBoot", "flag"),
    _kept("--enable-vtpm", "pool.securityProfile.enableVTPM", "flag"),
    _kept("--ssh-access", "pool.securityProfile.sshAccess"),
    _kept("--message-of-the-day", "pool.messageOfTheDay"),
    _kept("--vm-sizes", kind="many"),
    _kept("--aks-custom-headers"),
)

CREATE_KEPT = (
    *POOL_KEPT,
    # access, identity, keys
    _kept("--generate-ssh-keys", kind="flag"),
    _kept("-x --no-ssh-key", kind="flag"),
    _kept("--ssh-key-path --ssh-key-value", kind="many"),
    _kept("-u --admin-username", "properties.linuxProfile.adminUsername"),
    _kept("--enable-managed-identity", kind="three"),
    _kept("--assign-identity"),
    _kept("--assign-kubelet-identity"),
    _kept("--service-principal"),
    _kept("--client-secret"),
    _kept("--attach-acr"),
    _kept("--skip-subnet-role-assignment", kind="flag"),
    _kept("--enable-aad", kind="flag"),
    _kept("--enable-azure-rbac", kind="flag"),
    _kept("--aad-admin-group-object-ids"),
    _kept("--aad-tenant-id"),
    _kept("-r --disable-rbac", kind="flag"),
    _kept("--disable-local-accounts", "properties.disableLocalAccounts", "flag"),
    _kept("--enable-workload-identity", "properties.securityProfile.workloadIdentity.enabled", "three"),
    _kept("--enable-oidc-issuer", "properties.oidcIssuerProfile.enabled", "flag"),
    # the cluster itself
    _kept("-k --kubernetes-version", "properties.kubernetesVersion"),
    _kept("-p --dns-name-prefix", "properties.dnsPrefix"),
    _kept("--tier", "cluster.sku.tier"),
    _kept("--sku", "cluster.sku.name"),
    _kept("--uptime-sla", kind="flag"),
    _kept("--no-uptime-sla", kind="flag"),
    _kept("--k8s-support-plan", "properties.supportPlan"),
    _kept("--node-resource-group", "properties.nodeResourceGroup"),
    _kept("--nrg-lockdown-restriction-level", "properties.nodeResourceGroupProfile.restrictionLevel"),
    _kept("--edge-zone", "cluster.extendedLocation.name"),
    _kept("--fqdn-subdomain", "properties.fqdnSubdomain"),
    _kept("--auto-upgrade-channel", "properties.autoUpgradeProfile.upgradeChannel"),
    _kept("--node-os-upgrade-channel", "properties.autoUpgradeProfile.nodeOSUpgradeChannel"),
    _kept("--node-provisioning-mode", "properties.nodeProvisioningProfile.mode"),
    _kept("--node-provisioning-default-pools", "properties.nodeProvisioningProfile.defaultNodePools"),
    _kept("-d --node-osdisk-diskencryptionset-id", "properties.diskEncryptionSetID"),
    _kept("--enable-ai-toolchain-operator", kind="flag"),
    _kept("--enable-hosted-system", kind="flag"),
    _kept("--bootstrap-artifact-source", "properties.bootstrapProfile.artifactSource"),
    _kept("--bootstrap-container-registry-resource-id", "properties.bootstrapProfile.containerRegistryId"),
    # storage
    _kept("--disable-disk-driver", kind="flag"),
    _kept("--disable-file-driver", kind="flag"),
    _kept("--disable-snapshot-controller", kind="flag"),
    _kept("--enable-blob-driver", kind="flag"),
    _kept("--enable-azure-container-storage", kind="three"),
    _kept("--storage-pool-name"),
    _kept("--storage-pool-size"),
    _kept("--storage-pool-sku"),
    _kept("--storage-pool-option"),
    _kept("--ephemeral-disk-volume-type"),
    _kept("--ephemeral-disk-nvme-perf-tier"),
    _kept("--container-storage-version"),
    # watching, cost, security
    _kept("-a --enable-addons"),
    _kept("--workspace-resource-id"),
    _kept("--azure-monitor-workspace-resource-id"),
    _kept("--grafana-resource-id"),
    _kept("--data-collection-settings"),
    _kept("--enable-azure-monitor-metrics", kind="flag"),
    _kept("--enable-azure-monitor-logs", kind="flag"),
    _kept("--enable-msi-auth-for-monitoring", kind="three"),
    _kept("--enable-syslog", kind="three"),
    _kept("--enable-high-log-scale-mode", kind="three"),
    _kept("--enable-windows-recording-rules", kind="flag"),
    _kept("--ksm-metric-annotations-allow-list"),
    _kept("--ksm-metric-labels-allow-list"),
    _kept("--ampls-resource-id"),
    _kept("--enable-cost-analysis", "properties.metricsProfile.costAnalysis.enabled", "flag"),
    _kept("--enable-defender", kind="flag"),
    _kept("--defender-config"),
    _kept("--enable-image-cleaner", "properties.securityProfile.imageCleaner.enabled", "flag"),
    _kept("--image-cleaner-interval-hours", "properties.securityProfile.imageCleaner.intervalHours", "int"),
    _kept("--enable-keda", "properties.workloadAutoScalerProfile.keda.enabled", "flag"),
    _kept("--enable-vpa", "properties.workloadAutoScalerProfile.verticalPodAutoscaler.enabled", "flag"),
    _kept("--enable-secret-rotation", kind="flag"),
    _kept("--rotation-poll-interval"),
    _kept("--enable-sgxquotehelper", kind="flag"),
    _kept("--enable-azure-keyvault-kms", kind="flag"),
    _kept("--azure-keyvault-kms-key-id"),
    _kept("--azure-keyvault-kms-key-vault-network-access"),
    _kept("--azure-keyvault-kms-key-vault-resource-id"),
    _kept("--kms-infrastructure-encryption"),
    _kept("--custom-ca-trust-certificates --ca-certs"),
    _kept("--safeguards-level"),
    _kept("--safeguards-version"),
    _kept("--safeguards-excluded-ns"),
    # Windows pools are refused; what only they would use is harmless
    _kept("--windows-admin-username"),
    _kept("--windows-admin-password"),
    _kept("--enable-ahub", kind="flag"),
    _kept("--disable-ahub", kind="flag"),
    _kept("--enable-windows-gmsa", kind="flag"),
    _kept("--gmsa-dns-server"),
    _kept("--gmsa-root-domain-name"),
    _kept("--if-match"),
    _kept("--if-none-match"),
    _kept("-y --yes", kind="flag"),
)

ADD_KEPT = (
    *POOL_KEPT,
    _kept("-k --kubernetes-version", "pool.orchestratorVersion"),
    _kept("--priority", "pool.scaleSetPriority"),
    _kept("--eviction-policy", "pool.scaleSetEvictionPolicy"),
    _kept("--spot-max-price", "pool.spotMaxPrice"),
    _kept("--undrainable-node-behavior", "pool.upgradeSettings.undrainableNodeBehavior"),
    _kept("--scale-down-mode", "pool.scaleDownMode"),
    _kept("--tags", "pool.tags", "many"),
    _kept("--enable-artifact-streaming", kind="flag"),
    _kept("--skip-gpu-driver-install", kind="flag"),
    _kept("--if-match"),
    _kept("--if-none-match"),
    _kept("-y --yes", kind="flag"),
)

# Networking that isn't built: the option, whether it is a flag, and the values that say no more than its absence.
_VALUE, _FLAG = False, True
_POOL_UNBUILT: Mapping[str, tuple[bool, tuple[str, ...]]] = {
    "--pod-subnet-id": (_VALUE, ()),
    "--pod-ip-allocation-mode": (_VALUE, ()),
    "--enable-node-public-ip": (_FLAG, ()),
    "--node-public-ip-prefix-id": (_VALUE, ()),
    "--node-public-ip-tags": (_VALUE, ()),
    "--allowed-host-ports": (_VALUE, ()),
    "--asg-ids": (_VALUE, ()),
    "--disable-windows-outbound-nat": (_FLAG, ()),
    "--localdns-config": (_VALUE, ()),
    "--gateway-prefix-size": (_VALUE, ()),
    "--vm-set-type": (_VALUE, ("virtualmachinescalesets",)),
    "--os-type": (_VALUE, ("linux",)),
}
CREATE_UNBUILT: Mapping[str, tuple[bool, tuple[str, ...]]] = {
    **_POOL_UNBUILT,
    "--network-policy": (_VALUE, ("none",)),
    "--network-dataplane": (_VALUE, ("azure",)),
    "--ip-families": (_VALUE, ("ipv4",)),
    "--outbound-type": (_VALUE, ("loadbalancer",)),
    "--outbound-type-sku": (_VALUE, ()),
    "--load-balancer-sku": (_VALUE, ("standard",)),
    "--load-balancer-backend-pool-type": (_VALUE, ("nodeipconfiguration",)),
    "--load-balancer-managed-outbound-ip-count": (_VALUE, ("1",)),
    "--load-balancer-managed-outbound-ipv6-count": (_VALUE, ("0",)),
    "--load-balancer-outbound-ips": (_VALUE, ()),
    "--load-balancer-outbound-ip-prefixes": (_VALUE, ()),
    "--load-balancer-outbound-ports": (_VALUE, ("0",)),
    "--load-balancer-idle-timeout": (_VALUE, ("30",)),
    "--cluster-service-load-balancer-health-probe-mode": (_VALUE, ()),
    "--nat-gateway-managed-outbound-ip-count": (_VALUE, ()),
    "--nat-gateway-managed-outbound-ipv6-count": (_VALUE, ()),
    "--nat-gateway-outbound-ips": (_VALUE, ()),
    "--nat-gateway-outbound-ip-prefixes": (_VALUE, ()),
    "--nat-gateway-idle-timeout": (_VALUE, ()),
    "--enable-acns": (_FLAG, ()),
    "--disable-acns": (_FLAG, ()),
    "--disable-acns-observability": (_FLAG, ()),
    "--disable-acns-security": (_FLAG, ()),
    "--acns-advanced-networkpolicies": (_VALUE, ("none",)),
    "--acns-datapath-acceleration-mode": (_VALUE, ("none",)),
    "--acns-transit-encryption-type": (_VALUE, ("none",)),
    "--enable-container-network-logs": (_FLAG, ()),
    "--enable-retina-flow-logs": (_FLAG, ()),
    "--enable-static-egress-gateway": (_FLAG, ()),
    "--enable-imds-restriction": (_FLAG, ()),
    "--kube-proxy-config": (_VALUE, ()),
    "--enable-private-cluster": (_FLAG, ()),
    "--private-dns-zone": (_VALUE, ()),
    "--disable-public-fqdn": (_FLAG, ()),
    "--enable-public-fqdn": (_FLAG, ()),
    "--api-server-authorized-ip-ranges": (_VALUE, ()),
    "--enable-apiserver-vnet-integration": (_FLAG, ()),
    "--apiserver-subnet-id": (_VALUE, ()),
    "--system-node-subnet-id": (_VALUE, ()),
    "--node-subnet-id": (_VALUE, ()),
    "--http-proxy-config": (_VALUE, ()),
    "--appgw-name": (_VALUE, ()),
    "--appgw-subnet-cidr": (_VALUE, ()),
    "--appgw-id": (_VALUE, ()),
    "--appgw-subnet-id": (_VALUE, ()),
    "--appgw-watch-namespace": (_VALUE, ()),
    "--aci-subnet-name": (_VALUE, ()),
    "--enable-app-routing": (_FLAG, ()),
    "--app-routing-default-nginx-controller": (_VALUE, ("none",)),
    "--enable-application-load-balancer": (_FLAG, ()),
    "--enable-gateway-api": (_FLAG, ()),
    "--enable-app-routing-istio": (_FLAG, ()),
    "--enable-azure-service-mesh": (_FLAG, ()),
    "--enable-asm": (_FLAG, ()),
    "--revision": (_VALUE, ()),
}
ADD_UNBUILT = _POOL_UNBUILT

# The values that az knows of some of them: another one is a wrong call, not something that isn't built.
_ENUMS = {
    "--network-dataplane": ("azure", "cilium"),
    "--outbound-type": ("loadBalancer", "userDefinedRouting", "managedNATGateway", "userAssignedNATGateway", "none"),
    "--outbound-type-sku": ("Standard", "StandardV2"),
    "--load-balancer-sku": ("basic", "standard"),
    "--load-balancer-backend-pool-type": ("nodeIPConfiguration", "nodeIP"),
    "--pod-ip-allocation-mode": ("DynamicIndividual", "StaticBlock"),
    "--acns-advanced-networkpolicies": ("None", "FQDN", "L7"),
    "--acns-datapath-acceleration-mode": ("BpfVeth", "None"),
    "--acns-transit-encryption-type": ("WireGuard", "None"),
    "--os-type": ("Linux", "Windows"),
    "--vm-set-type": ("VirtualMachineScaleSets", "AvailabilitySet", "VirtualMachines"),
}
_SECRETS = ("--client-secret", "--windows-admin-password")

# Add-ons that are networking, whatever else `--enable-addons` may name.
_UNBUILT_ADDONS = {
    "ingress-appgw": "Application Gateway ingress",
    "virtual-node": "virtual nodes",
    "http_application_routing": "HTTP application routing",
    "web_application_routing": "application routing",
    "open-service-mesh": "Open Service Mesh",
}
WHY = "slash24 builds Azure CNI Overlay with the azure dataplane on Linux nodes so far"


def not_built(what: str, option: str) -> Slash24Error:
    """Return the refusal of an option that concerns networking and is not built yet."""
    return Slash24Error(f"{what} is not implemented yet", why=WHY, fix=f"leave {option} out")


def with_kept(kept: tuple[Kept, ...]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the kept options, as keyword arguments by `Kept.key`. They are hidden, save for the best known."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for one in reversed(kept):
            function = _option(one)(function)
        return function

    return decorate


_SHOWN = {
    "--node-vm-size": "Size of the nodes; kept, means nothing here.",
    "--generate-ssh-keys": "Taken; nodes here have no ssh.",
    "--kubernetes-version": "Version of Kubernetes that nodes and control plane say they are.",
}


def _option(one: Kept) -> Callable[[Any], Any]:
    known = next((name for name in one.names if name in _SHOWN), "")
    options: Json = {"hidden": not known, "help": _SHOWN.get(known)}
    if one.kind == "flag":
        options["is_flag"] = True
    elif one.kind == "int":
        options["type"] = int
    elif one.kind == "many":
        options["cls"] = Several
    elif one.kind == "three":
        options["cls"] = ThreeState
    return click.option(*one.names, one.key, **options)


def with_unbuilt(
    unbuilt: Mapping[str, tuple[bool, tuple[str, ...]]],
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the options that it refuses by name."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for name, (is_flag, harmless) in unbuilt.items():
            options: Json = {"is_flag": True} if is_flag else {"cls": Several}
            function = click.option(name, hidden=True, expose_value=False, callback=_refusal(harmless), **options)(
                function
            )
        return function

    return decorate


def _refusal(harmless: tuple[str, ...]) -> Callable[[click.Context, click.Parameter, Any], None]:
    def refuse(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        given = [value] if isinstance(value, bool) and value else list(value or ())
        allowed = _ENUMS.get(param.opts[0])
        for one in given if allowed else ():
            Choice(allowed or ()).convert(one, param, ctx)
        if not given or (harmless and all(str(one).lower() in harmless for one in given)):
            return
        said = "" if given == [True] else " " + " ".join(map(str, given))
        raise not_built(f"{param.opts[0]}{said}", param.opts[0])

    return refuse


def check_addons(value: str | None) -> None:
    """Refuse the add-ons that are networking."""
    for name in (value or "").split(","):
        if name.strip() in _UNBUILT_ADDONS:
            raise not_built(f"--enable-addons {name.strip()} ({_UNBUILT_ADDONS[name.strip()]})", "it")


def place_kept(kept: tuple[Kept, ...], given: Mapping[str, Any], cluster: Json, pool: Json) -> None:
    """Put the kept options that were given into the documents: each at its place, the rest under `slash24.azOptions`.

    cluster: the body of a cluster, {} when a pool is added. pool: the pool's fields.
    """
    rest: dict[str, Any] = {}
    for one in kept:
        value = given.get(one.key)
        if value in (None, False, ()):
            continue
        if one.kind == "three":
            value = value == "true"
        if isinstance(value, tuple):
            words = [word for item in value for word in str(item).split()]
            value = dict(word.partition("=")[::2] for word in words) if _is_mapping(one) else words
        root, _, path = one.place.partition(".")
        if not path:
            rest[one.names[-1]] = "***" if one.names[-1] in _SECRETS else value
            continue
        target = {"pool": pool, "cluster": cluster, "properties": cluster.setdefault("properties", {})}[root]
        *folders, last = path.split(".")
        for folder in folders:
            target = target.setdefault(folder, {})
        target[last] = value
    if rest:
        (cluster.get("properties") or pool).setdefault("azOptions", {}).update(rest)


def _is_mapping(one: Kept) -> bool:
    return one.place == "pool.tags"
