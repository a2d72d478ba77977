"""The settings that rules look at, and their names in each language: ARM's path, az's option, Terraform's attribute.

One table serves the readers and the writers: what a reader finds under one name, a writer can say under the others.
Sources: docs/sources.md#settings.
"""

from dataclasses import dataclass
from enum import Enum


class Type(Enum):
    TEXT = "text"
    NUMBER = "number"
    SWITCH = "switch"
    LIST = "list"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    arm: its path below `properties` (of a pool: below the pool). az: its option, "" if az has none. terraform: its path
    below the resource (of a pool: below the pool's block). older: names that it had before.
    """

    arm: str
    az: str = ""
    terraform: str = ""
    type: Type = Type.TEXT
    older: tuple[str, ...] = ()


_NUMBER, _SWITCH, _LIST = Type.NUMBER, Type.SWITCH, Type.LIST

CLUSTER = (
    Setting("kubernetesVersion", "--kubernetes-version", "kubernetes_version"),
    Setting("nodeResourceGroup", "--node-resource-group", "node_resource_group"),
    Setting("networkProfile.networkPlugin", "--network-plugin", "network_profile.network_plugin"),
    Setting("networkProfile.networkPluginMode", "--network-plugin-mode", "network_profile.network_plugin_mode"),
    Setting("networkProfile.networkDataplane", "--network-dataplane", "network_profile.network_data_plane"),
    Setting("networkProfile.networkPolicy", "--network-policy", "network_profile.network_policy"),
    Setting("networkProfile.podCidr", "--pod-cidr", "network_profile.pod_cidr"),
    Setting("networkProfile.podCidrs", "--pod-cidrs", "network_profile.pod_cidrs", _LIST),
    Setting("networkProfile.serviceCidr", "--service-cidr", "network_profile.service_cidr"),
    Setting("networkProfile.serviceCidrs", "--service-cidrs", "network_profile.service_cidrs", _LIST),
    Setting("networkProfile.dnsServiceIP", "--dns-service-ip", "network_profile.dns_service_ip"),
    Setting("networkProfile.ipFamilies", "--ip-families", "network_profile.ip_versions", _LIST),
    Setting("networkProfile.outboundType", "--outbound-type", "network_profile.outbound_type"),
    Setting("networkProfile.loadBalancerSku", "--load-balancer-sku", "network_profile.load_balancer_sku"),
    Setting(
        "networkProfile.loadBalancerProfile.managedOutboundIPs.count",
        "--load-balancer-managed-outbound-ip-count",
        "network_profile.load_balancer_profile.managed_outbound_ip_count",
        _NUMBER,
    ),
    Setting(
        "networkProfile.loadBalancerProfile.allocatedOutboundPorts",
        "--load-balancer-outbound-ports",
        "network_profile.load_balancer_profile.outbound_ports_allocated",
        _NUMBER,
    ),
    Setting(
        "networkProfile.loadBalancerProfile.idleTimeoutInMinutes",
        "--load-balancer-idle-timeout",
        "network_profile.load_balancer_profile.idle_timeout_in_minutes",
        _NUMBER,
    ),
    Setting(
        "networkProfile.natGatewayProfile.managedOutboundIPProfile.count",
        "--nat-gateway-managed-outbound-ip-count",
        "network_profile.nat_gateway_profile.managed_outbound_ip_count",
        _NUMBER,
    ),
    Setting(
        "networkProfile.natGatewayProfile.idleTimeoutInMinutes",
        "--nat-gateway-idle-timeout",
        "network_profile.nat_gateway_profile.idle_timeout_in_minutes",
        _NUMBER,
    ),
    Setting(
        "apiServerAccessProfile.enablePrivateCluster", "--enable-private-cluster", "private_cluster_enabled", _SWITCH
    ),
)  # fmt: skip

#: Add-ons that rules speak of (`plan.addons.Addon`): their names for `--enable-addons`, and what switches them on.
ADDONS = (
    Setting("addonProfiles.ingressApplicationGateway.enabled", "ingress-appgw", "ingress_application_gateway"),
    Setting("addonProfiles.aciConnectorLinux.enabled", "virtual-node", "aci_connector_linux"),
    Setting("addonProfiles.openServiceMesh.enabled", "open-service-mesh", "open_service_mesh_enabled"),
    Setting("ingressProfile.webAppRouting.enabled", "web_application_routing", "web_app_routing"),
    Setting("nodeProvisioningProfile.mode", "node-auto-provisioning", "node_provisioning_profile.mode"),
    Setting("networkProfile.staticEgressGatewayProfile.enabled", "static-egress-gateway"),
)

POOL = (
    Setting("name", "--nodepool-name", "name"),
    Setting("count", "--node-count", "node_count", _NUMBER),
    Setting("vmSize", "--node-vm-size", "vm_size"),
    Setting("maxPods", "--max-pods", "max_pods", _NUMBER),
    Setting("mode", "--mode", "mode"),
    Setting("type", "--vm-set-type", "type"),
    Setting("osType", "--os-type", "os_type"),
    Setting("osSKU", "--os-sku", "os_sku"),
    Setting(
        "enableAutoScaling", "--enable-cluster-autoscaler", "auto_scaling_enabled", _SWITCH, ("enable_auto_scaling",)
    ),
    Setting("minCount", "--min-count", "min_count", _NUMBER),
    Setting("maxCount", "--max-count", "max_count", _NUMBER),
    Setting("vnetSubnetID", "--vnet-subnet-id", "vnet_subnet_id"),
    Setting("podSubnetID", "--pod-subnet-id", "pod_subnet_id"),
    Setting("podIPAllocationMode", "--pod-ip-allocation-mode"),
    Setting("upgradeSettings.maxSurge", "--max-surge", "upgrade_settings.max_surge"),
)
