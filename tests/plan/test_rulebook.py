"""The rulebook's own manners: versions in time, facts that nobody knows, what registering refuses."""

import doctest
import importlib
from datetime import date
from itertools import pairwise

import pytest

from slash24 import plan
from slash24.plan import ClusterRequest, PoolRequest, Severity, check, examine, rule, rules, versions
from slash24.plan.source import docs


def test_a_default_cluster_passes() -> None:
    assert check(ClusterRequest()) == []


@pytest.mark.parametrize("module", ["plan", "plan.pool", "plan.demand", "plan.rules.capacity", "core.networks"])
def test_the_examples_in_docstrings_are_true(module: str) -> None:
    assert doctest.testmod(importlib.import_module(f"slash24.{module}")).failed == 0


def test_what_nobody_knows_is_told_as_not_checked_and_never_guessed() -> None:
    report = examine(ClusterRequest(pod_cidrs=None, service_cidrs=("10.16.0.0/12",)))
    assert [finding.code for finding in report.findings] == ["S24-114"]
    assert ("S24-102", "the pod CIDR") in {(one.code, one.fact) for one in report.unchecked}


def test_one_unknown_pool_keeps_no_rule_from_the_others() -> None:
    report = examine(ClusterRequest(pools=(PoolRequest("a", max_pods=None), PoolRequest("b", max_pods=251))))
    assert [finding.code for finding in report.findings] == ["S24-112"]
    assert ("S24-112", "max pods of pool a") in {(one.code, one.fact) for one in report.unchecked}


def test_the_versions_of_a_rule_follow_each_other() -> None:
    for code in {one.code for one in rules()}:
        for before, after in pairwise(versions(code)):
            assert before.until and after.since and before.until <= after.since, code


def test_a_rule_is_judged_as_it_stood_on_a_day() -> None:
    request = ClusterRequest(service_cidrs=("20.0.0.0/16",))
    before = check(request, as_of=date(2023, 9, 30))
    after = check(request, as_of=date(2023, 10, 1))
    assert [(one.code, one.severity) for one in before] == [("S24-105", Severity.WARNING)]
    assert [(one.code, one.severity) for one in after] == [("S24-105", Severity.ERROR)]


def test_a_code_can_not_be_given_twice_for_one_day() -> None:
    with pytest.raises(ValueError, match="S24-101 is registered twice"):
        rule("S24-101", "again", docs("x"))(lambda _: ())


def test_the_library_names_what_it_has() -> None:
    assert [name for name in plan.__all__ if not hasattr(plan, name)] == []
