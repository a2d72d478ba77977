"""Rules of Advanced Container Networking Services."""

from collections.abc import Iterator

from slash24.plan.finding import Problem, known
from slash24.plan.kubernetes import older_than
from slash24.plan.request import ClusterRequest
from slash24.plan.rulebook import rule
from slash24.plan.source import az, docs

_TARGET = "networkProfile.advancedNetworking"
_FIX = "--enable-acns --network-dataplane cilium"


@rule(
    "S24-171",
    "Advanced Container Networking Services are whole",
    az("managed_cluster_decorator.py"),
    docs("azure-cni-powered-by-cilium"),
)
def acns_is_whole(request: ClusterRequest) -> Iterator[Problem]:
    """Its parts need it switched on, most need Cilium; FQDN and L7 policies, encryption and acceleration need a
    Kubernetes that has them.
    """
    acns = request.acns
    enabled = known(acns.enabled, "whether ACNS is enabled")
    policies = known(acns.policies, "the advanced network policies") not in ("", "None")
    acceleration = known(acns.acceleration, "the datapath's acceleration") not in ("", "None")
    encryption = known(acns.encryption, "the transit encryption") not in ("", "None")
    security = known(acns.security, "whether ACNS' security is on")
    cilium = known(request.dataplane, "the network dataplane") == "cilium"
    for wrong, text, fix in (
        (
            enabled and not (known(acns.observability, "whether ACNS observes") or security or acceleration),
            "Cannot disable observability, security, and performance acceleration when enabling ACNS. Please enable at "
            "least one of them or disable ACNS with --disable-acns.",
            "leave one on",
        ),
        (
            acceleration and not enabled,
            "--acns-datapath-acceleration-mode can only be used when ACNS is enabled. Please specify --enable-acns.",
            _FIX,
        ),
        (encryption and not enabled, "--acns-transit-encryption-type requires --enable-acns.", _FIX),
        (
            policies and not (enabled and security),
            "--disable-acns-security and --disable-acns cannot be used with  --acns-advanced-networkpolicies.",
            _FIX,
        ),
        (
            known(acns.flow_logs, "whether flows are logged") and not (enabled and cilium),
            "Container network logs requires ACNS to be enabled, Azure Monitor logs to be enabled, and the cilium "
            "network "
            "dataplane.",
            _FIX,
        ),
    ):
        if wrong:
            yield Problem(text, fix=fix, target=_TARGET)
    needs_cilium = (("policies", policies, 29), ("acceleration", acceleration, 33), ("encryption", encryption, 0))
    for part, asked, minor in needs_cilium:
        if asked and enabled and not cilium:
            yield Problem(f"ACNS' {part} without --network-dataplane cilium", fix=_FIX, target=_TARGET)
        if asked and minor and older_than(request, minor):
            yield Problem(
                f"ACNS' {part} on Kubernetes {request.kubernetes_version}",
                why=f"it needs 1.{minor}",
                fix=f"--kubernetes-version 1.{minor} or newer",
                target=_TARGET,
            )


@rule(
    "S24-170",
    "A gateway pool has a prefix of /28 to /31",
    az("_validators.py"),
    docs("configure-static-egress-gateway"),
)
def gateway_pools_have_a_prefix(request: ClusterRequest) -> Iterator[Problem]:
    """Each node of it takes one address of the prefix, so a /28 serves 16 and a /31 two; it has no autoscaler."""
    for pool in request.pools:
        prefix = known(pool.gateway_prefix, f"the gateway prefix of pool {pool.name}")
        if prefix and pool.mode != "Gateway":
            yield Problem("--gateway-prefix-size can only be set for Gateway-mode nodepools", fix="--mode Gateway")
        if prefix and not 28 <= prefix <= 31:
            yield Problem("--gateway-prefix-size must be in the range [28, 31]", fix="--gateway-prefix-size 31")
        if pool.mode == "Gateway" and pool.autoscale:
            yield Problem(f"node pool {pool.name}: a gateway pool with an autoscaler", fix="a fixed --node-count")
