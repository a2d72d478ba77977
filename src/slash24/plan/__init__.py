"""The rulebook: what Azure refuses, and what works there but should not be done, offline and without side effects.

>>> from slash24.plan import ClusterRequest, PoolRequest, check
>>> request = ClusterRequest(pools=(PoolRequest(count=5),), pod_cidrs=("10.240.100.0/22",))
>>> [finding.code for finding in check(request)]
['S24-111']
"""

from slash24.plan import rules as _rules  # noqa: F401  they register themselves
from slash24.plan.finding import Finding, Problem, Report, Severity, Unchecked, UnknownFact, known
from slash24.plan.outbound import Acns, LoadBalancer, NatGateway
from slash24.plan.pool import PoolRequest
from slash24.plan.request import ClusterRequest, Operation, default_dns_ip
from slash24.plan.rulebook import Rule, check, examine, rule, rules, versions
from slash24.plan.source import RULEBOOK_DAY, Source
from slash24.plan.surge import surge_nodes
from slash24.plan.vnet import NsgRule, PeerCluster, SubnetFacts

__all__ = [
    "RULEBOOK_DAY",
    "Acns",
    "ClusterRequest",
    "Finding",
    "LoadBalancer",
    "NatGateway",
    "NsgRule",
    "Operation",
    "PeerCluster",
    "PoolRequest",
    "Problem",
    "Report",
    "Rule",
    "Severity",
    "Source",
    "SubnetFacts",
    "Unchecked",
    "UnknownFact",
    "check",
    "default_dns_ip",
    "examine",
    "known",
    "rule",
    "rules",
    "surge_nodes",
    "versions",
]
