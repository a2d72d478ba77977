"""Add-ons and features that rules speak of, named as az names them where it does."""

from enum import StrEnum

from slash24.plan.finding import known
from slash24.plan.request import ClusterRequest


class Addon(StrEnum):
    """What `ClusterRequest.addons` may name; other names are taken and mean nothing to the rules."""

    AGIC = "ingress-appgw"  # Application Gateway ingress controller
    GATEWAY_FOR_CONTAINERS = "application-load-balancer"  # Application Gateway for Containers
    VIRTUAL_NODE = "virtual-node"
    SERVICE_MESH = "open-service-mesh"
    NGINX = "web_application_routing"
    NAP = "node-auto-provisioning"
    STATIC_EGRESS_GATEWAY = "static-egress-gateway"


def uses(request: ClusterRequest, addon: Addon) -> bool:
    """Return whether the cluster has the add-on. Raises UnknownFact if its add-ons are unknown."""
    return addon in known(request.addons, "the add-ons")
