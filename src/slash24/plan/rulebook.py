"""The rulebook: rules register here, `check` asks them all.

A rule is one pure function from a request to its problems, with what a reader needs to trust it: code, title, severity,
source and the day the source was read. A rule that held only for a time has `since` and `until`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

from slash24.plan.finding import Finding, Problem, Severity
from slash24.plan.request import ClusterRequest

Judge = Callable[[ClusterRequest], Iterable[Problem]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `since`: the first day it holds, `until`: the first day it holds no more; None is always."""

    code: str
    title: str
    severity: Severity
    source: str
    as_of: date
    judge: Judge
    since: date | None = None
    until: date | None = None

    def holds(self, day: date | None) -> bool:
        """Return whether the rule holds on `day`; None is the day of the newest sources."""
        if day is None:
            return self.until is None
        return (self.since is None or self.since <= day) and (self.until is None or day < self.until)


_RULES: dict[str, Rule] = {}


def rule(
    code: str,
    title: str,
    *,
    source: str,
    as_of: date,
    severity: Severity = Severity.ERROR,
    since: date | None = None,
    until: date | None = None,
) -> Callable[[Judge], Judge]:
    """Register the function below it as the rule `code`. Raises ValueError if the code is taken."""

    def register(judge: Judge) -> Judge:
        if code in _RULES:
            raise ValueError(f"rule {code} is registered twice")
        _RULES[code] = Rule(code, title, severity, source, as_of, judge, since, until)
        return judge

    return register


def rules() -> tuple[Rule, ...]:
    """Return all rules, by code."""
    return tuple(_RULES[code] for code in sorted(_RULES))


def check(request: ClusterRequest, *, as_of: date | None = None) -> list[Finding]:
    """Return what is wrong with the request, errors first, each kind by code.

    as_of: judge by the rules as they stood on that day.
    """
    found = [
        Finding(
            code=one.code,
            severity=problem.severity or one.severity,
            message=problem.message,
            why=problem.why,
            fix=problem.fix,
            azure=problem.azure,
            azure_text=problem.azure_text,
            target=problem.target,
            as_of=one.as_of,
            source=one.source,
        )
        for one in rules()
        if one.holds(as_of)
        for problem in one.judge(request)
    ]
    return sorted(found, key=lambda finding: (finding.severity != Severity.ERROR, finding.code != "S24-106"))
