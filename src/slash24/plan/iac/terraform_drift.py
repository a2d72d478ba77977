"""What Terraform would make of a cluster that az has changed: in place, or destroyed and made anew."""

from collections.abc import Iterator

from slash24.plan.finding import known
from slash24.plan.iac.inventory import Found
from slash24.plan.iac.replacement import PROVIDER, Forced, forced
from slash24.plan.migration import Check, Result
from slash24.plan.request import ClusterRequest

_SOURCE = "https://github.com/hashicorp/terraform-provider-azurerm/issues/31683 (2026-08-22)"
_PROFILE = {
    "network_plugin": "networkPlugin", "network_plugin_mode": "networkPluginMode", "network_policy": "networkPolicy",
    "network_data_plane": "networkDataplane", "pod_cidr": "podCidr", "service_cidr": "serviceCidr",
    "dns_service_ip": "dnsServiceIP",
}  # fmt: skip


def judge(found: Found, before: ClusterRequest, after: ClusterRequest) -> Iterator[Check]:
    """Yield what an apply does: of the file as it is after the change by az, and of the change made in the file."""
    written = {
        name: node.text
        for name, arm in _PROFILE.items()
        if (node := found.document.get("properties", "networkProfile", arm)) is not None
    }
    standing, moved = _profile(before), _profile(after)
    # What the file doesn't say stays as it is, but for the mode and the policy, which would be taken away.
    as_it_is = {name: value for name, value in moved.items() if name not in written} | written
    for name in ("network_plugin_mode", "network_policy"):
        if name not in written:
            as_it_is.pop(name, None)
    causes = list(forced(moved, as_it_is))
    yield _check(f"{found.place}: left as it is, after the change by az", causes,
                 fix="write the new values into the file before the next apply")  # fmt: skip
    yield _check(f"{found.place}: the change made by Terraform instead of az", list(forced(standing, moved)),
                 fix="make the change by az aks update, then write the new values into the file")  # fmt: skip


def _check(title: str, causes: list[Forced], *, fix: str) -> Check:
    if not causes:
        return Check(title, Result.OK, f"{PROVIDER}: in place", source=_SOURCE, code="S24-130")
    words = "; ".join(f"{one.attribute} {one.before or 'unset'} -> {one.after or 'unset'}" for one in causes)
    return Check(title, Result.DANGER, f"destroys the cluster: {words}", why=f"{PROVIDER} replaces it for that",
                 fix=fix, code="S24-130", source=_SOURCE)  # fmt: skip


def _profile(request: ClusterRequest) -> dict[str, str]:
    """Return the cluster's `network_profile` as the provider would read it; what isn't set is not there."""
    model = {"kubenet": "kubenet", "byo": "none"}.get(str(request.model), "azure")
    values = {
        "network_plugin": model,
        "network_plugin_mode": "overlay" if str(request.model) == "overlay" else "",
        "network_policy": "" if request.policy in ("none", "", None) else request.policy,
        "network_data_plane": request.dataplane or "azure",
        "pod_cidr": request.pod_ranges[0] if request.pod_ranges else "",
        "service_cidr": request.service_ranges[0],
        "dns_service_ip": known(request.dns_text, "the DNS service IP"),
    }
    return {name: value for name, value in values.items() if value}
