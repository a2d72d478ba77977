"""The rulebook: what Azure refuses, and what works there but should not be done, offline and without side effects.

>>> from slash24.plan import ClusterRequest, PoolRequest, check
>>> request = ClusterRequest("c1", (PoolRequest(count=5),), pod_cidr="10.240.100.0/22")
>>> [finding.code for finding in check(request)]
['S24-111']
"""

from slash24.plan import capacity, names, ranges
from slash24.plan.finding import Finding, Problem, Severity
from slash24.plan.request import ClusterRequest, Operation, PoolRequest, SubnetFacts, default_dns_ip
from slash24.plan.rulebook import Rule, check, rule, rules

__all__ = [
    "ClusterRequest",
    "Finding",
    "Operation",
    "PoolRequest",
    "Problem",
    "Rule",
    "Severity",
    "SubnetFacts",
    "capacity",
    "check",
    "default_dns_ip",
    "names",
    "ranges",
    "rule",
    "rules",
]
