"""Changes of a cluster that the azurerm provider can't make in place: it destroys the cluster and makes another.

The rules are those of provider 4.50 and later (docs/sources.md#azurerm-replacement).
"""

from collections.abc import Iterator
from dataclasses import dataclass

PROVIDER = "azurerm 4.50 and later"
_ALWAYS = ("dns_service_ip", "ip_versions", "load_balancer_sku", "network_mode", "service_cidr", "service_cidrs")
_ONCE_SET = ("pod_cidr", "pod_cidrs")


@dataclass(frozen=True, slots=True)
class Forced:
    """A changed attribute of `network_profile` that forces a new cluster."""

    attribute: str
    before: str
    after: str


def forced(before: dict[str, str], after: dict[str, str]) -> Iterator[Forced]:
    """Yield the changes that force a new cluster.

    before, after: attributes of `network_profile`, "" or absent if not set; lists as texts with commas.
    """
    for name in sorted({*before, *after}):
        old, new = before.get(name, ""), after.get(name, "")
        if old.lower() != new.lower() and _forces(name, old.lower(), new.lower(), after):
            yield Forced(name, old, new)


def _forces(name: str, old: str, new: str, after: dict[str, str]) -> bool:
    match name:
        case "network_plugin":
            return not (
                old == "kubenet" and new == "azure" and after.get("network_plugin_mode", "").lower() == "overlay"
            )
        case "network_plugin_mode":
            return new != "overlay"
        case "network_data_plane":
            return not (old in ("", "azure") and new == "cilium")
        case "network_policy":
            return not (old in ("azure", "calico") and new == "cilium")
    if name in _ONCE_SET:
        return bool(old)
    return name in _ALWAYS
