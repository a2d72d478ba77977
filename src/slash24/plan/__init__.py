"""The planner: what Azure refuses, what works there but should not be done, and what to do instead.

Offline and without side effects. A `ClusterRequest` is a plan, or a change to a cluster; `check` and `examine` judge it
by the rulebook as of a day, `size` compares the networking models, `advise` proposes free ranges, `compare` tells what
a change asks of a cluster that stands.

>>> from slash24.plan import ClusterRequest, PoolRequest, check
>>> request = ClusterRequest(pools=(PoolRequest(count=5),), pod_cidrs=("10.240.100.0/22",))
>>> [finding.code for finding in check(request)]
['S24-111']
"""

from slash24.core.networks import NamedNetwork, Networks
from slash24.plan import rules as _rules  # noqa: F401  they register themselves
from slash24.plan.advice import Advice, advise
from slash24.plan.difference import Difference, compare
from slash24.plan.finding import Finding, Problem, Report, Severity, Unchecked, UnknownFact, known
from slash24.plan.outbound import Acns, LoadBalancer, NatGateway
from slash24.plan.pool import PoolRequest
from slash24.plan.request import ClusterRequest, Operation, default_dns_ip
from slash24.plan.rulebook import Rule, check, examine, rule, rules, versions
from slash24.plan.sizing import Size, size
from slash24.plan.source import RULEBOOK_DAY, Source
from slash24.plan.surge import surge_nodes
from slash24.plan.vnet import NsgRule, PeerCluster, SubnetFacts

__all__ = [
    "RULEBOOK_DAY",
    "Acns",
    "Advice",
    "ClusterRequest",
    "Difference",
    "Finding",
    "LoadBalancer",
    "NamedNetwork",
    "NatGateway",
    "Networks",
    "NsgRule",
    "Operation",
    "PeerCluster",
    "PoolRequest",
    "Problem",
    "Report",
    "Rule",
    "Severity",
    "Size",
    "Source",
    "SubnetFacts",
    "Unchecked",
    "UnknownFact",
    "advise",
    "check",
    "compare",
    "default_dns_ip",
    "examine",
    "known",
    "rule",
    "rules",
    "size",
    "surge_nodes",
    "versions",
]
