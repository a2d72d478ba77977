"""The rulebook: rules register here, `examine` asks them all.

A rule is one pure function from a request to its problems, with what a reader needs to trust it: code, title, severity,
sources and the day they were read. What AKS changed on a day is two versions of a rule, one `until` that day and one
`since`; the code stays.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from slash24.plan.finding import Finding, Problem, Report, Severity, Unchecked, UnknownFact
from slash24.plan.pool import PoolRequest
from slash24.plan.ranges import Range, ranges_of
from slash24.plan.request import ClusterRequest
from slash24.plan.source import RULEBOOK_DAY, Source

Judge = Callable[[ClusterRequest], Iterable[Problem]]
RangeJudge = Callable[[ClusterRequest, Range], Iterable[Problem]]
PoolJudge = Callable[[ClusterRequest, PoolRequest], Iterable[Problem]]
Verdict = Problem | UnknownFact


@dataclass(frozen=True, slots=True)
class Rule:
    """One version of a rule. `since`: the first day it holds, `until`: the first day it holds no more; None is always.

    applies: to which models and operations, for readers. azure: the codes that Azure answers with.
    dispute: where sources disagree, both readings and which is followed.
    """

    code: str
    title: str
    severity: Severity
    sources: tuple[Source, ...]
    judge: Callable[[ClusterRequest], Iterator[Verdict]]
    cause: str
    applies: str = "every cluster"
    azure: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    dispute: str = ""

    @property
    def as_of(self) -> date:
        """The day the newest of its sources was read."""
        return max(source.read for source in self.sources)

    def holds(self, day: date) -> bool:
        return (self.since is None or self.since <= day) and (self.until is None or day < self.until)


_RULES: dict[str, list[Rule]] = {}


@dataclass(frozen=True, slots=True)
class _Registration:
    """The data of a rule, waiting for its function."""

    code: str
    title: str
    sources: tuple[Source, ...]
    severity: Severity
    applies: str
    azure: tuple[str, ...]
    since: date | None
    until: date | None
    dispute: str

    def __call__(self, judge: Judge) -> Judge:
        def ask(request: ClusterRequest) -> Iterator[Verdict]:
            yield from _told(judge(request))

        self._register(ask, judge.__doc__)
        return judge

    def of_pools(self, judge: PoolJudge) -> PoolJudge:
        """Register a function that judges one pool: what is unknown of one keeps it from no other."""

        def ask(request: ClusterRequest) -> Iterator[Verdict]:
            for pool in request.pools:
                yield from _told(judge(request, pool))

        self._register(ask, judge.__doc__)
        return judge

    def of_ranges(self, judge: RangeJudge) -> RangeJudge:
        """Register a function that judges one pod or service CIDR."""

        def ask(request: ClusterRequest) -> Iterator[Verdict]:
            for one in ranges_of(request):
                if isinstance(one, UnknownFact):
                    yield one
                else:
                    yield from _told(judge(request, one))

        self._register(ask, judge.__doc__)
        return judge

    def of_files(self, cause: str) -> Rule:
        """Register a rule that files break rather than plans: `lint` judges it, `examine` never. Return it."""
        return self._register(lambda _: iter(()), cause)

    def _register(self, ask: Callable[[ClusterRequest], Iterator[Verdict]], cause: str | None) -> Rule:
        versions = _RULES.setdefault(self.code, [])
        one = Rule(
            code=self.code, title=self.title, severity=self.severity, sources=self.sources, judge=ask,
            cause=" ".join((cause or "").split()), applies=self.applies, azure=self.azure, since=self.since,
            until=self.until, dispute=self.dispute,
        )  # fmt: skip
        if any(_meet(one, other) for other in versions):
            raise ValueError(f"rule {self.code} is registered twice for the same days")
        versions.append(one)
        versions.sort(key=lambda version: version.since or date.min)
        return one


def _told(problems: Iterable[Problem]) -> Iterator[Verdict]:
    """Yield the problems, and last the fact that kept the rule from going on."""
    try:
        yield from problems
    except UnknownFact as unknown:
        yield unknown


def _meet(one: Rule, other: Rule) -> bool:
    return (one.since or date.min) < (other.until or date.max) and (other.since or date.min) < (one.until or date.max)


def rule(
    code: str,
    title: str,
    *sources: Source,
    severity: Severity = Severity.ERROR,
    applies: str = "every cluster",
    azure: tuple[str, ...] = (),
    since: date | None = None,
    until: date | None = None,
    dispute: str = "",
) -> _Registration:
    """Register the function below it as (a version of) the rule `code`.

    `rule(...).of_pools` and `rule(...).of_ranges` register one that judges a pool, or a pod or service CIDR.

    Raises ValueError if the code has a version for some of the same days.
    """
    return _Registration(code, title, sources, severity, applies, azure, since, until, dispute)


def rules() -> tuple[Rule, ...]:
    """Return all rules with all their versions, by code and then by date."""
    return tuple(version for code in sorted(_RULES) for version in _RULES[code])


def versions(code: str) -> tuple[Rule, ...]:
    """Return the versions of a rule, oldest first; none if there is no such rule."""
    return tuple(_RULES.get(code, ()))


def examine(request: ClusterRequest, *, as_of: date | None = None) -> Report:
    """Return what is wrong with the request, errors first, and which rules lacked a fact.

    as_of: judge by the rules as they stood on that day; None is the day to which the rulebook knows its sources.
    """
    day = as_of or RULEBOOK_DAY
    found: list[Finding] = []
    unchecked: dict[tuple[str, str], Unchecked] = {}
    for one in rules():
        if not one.holds(day):
            continue
        for verdict in one.judge(request):
            if isinstance(verdict, UnknownFact):
                unchecked[one.code, verdict.fact] = Unchecked(one.code, one.title, verdict.fact)
            else:
                found.append(_finding(one, verdict))
    # A malformed range goes first: what else is said of it follows from that.
    found.sort(key=lambda finding: (_ORDER[finding.severity], finding.code != "S24-106"))
    return Report(tuple(found), tuple(unchecked.values()))


_ORDER = {severity: index for index, severity in enumerate(Severity)}


def _finding(one: Rule, problem: Problem) -> Finding:
    return Finding(
        code=one.code,
        severity=problem.severity or one.severity,
        message=problem.message,
        why=problem.why,
        fix=problem.fix,
        azure=problem.azure,
        azure_text=problem.azure_text,
        target=problem.target,
        as_of=one.as_of,
        source=one.sources[0].where,
    )


def check(request: ClusterRequest, *, as_of: date | None = None) -> list[Finding]:
    """Return what is wrong with the request, errors first, each kind by code; `examine` also tells what is unknown."""
    return list(examine(request, as_of=as_of).findings)
