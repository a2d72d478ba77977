"""Rules that a calendar makes: what was not there yet, what is a preview, what ends on a day."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from slash24.plan.finding import Problem, Severity
from slash24.plan.request import ClusterRequest
from slash24.plan.rulebook import rule
from slash24.plan.source import Source

#: From a request to what in it the calendar is about, as the subject of a sentence.
Subjects = Callable[[ClusterRequest], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Phase:
    """A time that begins on `since` (None: always was). severity None: nothing to say in it."""

    since: date | None
    severity: Severity | None
    words: str = ""


def dated(
    code: str,
    title: str,
    *sources: Source,
    subjects: Subjects,
    phases: tuple[Phase, ...],
    cause: str,
    fix: str,
    applies: str = "every cluster",
    azure: str = "",
    dispute: str = "",
) -> None:
    """Register a rule with one version for each phase in which there is something to say, in order of time."""
    for phase, following in pairwise((*phases, None)):
        if phase is None or phase.severity is None:
            continue
        judge = _judge(subjects, phase, fix, azure)
        judge.__doc__ = cause
        rule(
            code,
            title,
            *sources,
            severity=phase.severity,
            applies=applies,
            azure=(azure,) if azure else (),
            since=phase.since,
            until=following.since if following else None,
            dispute=dispute,
        )(judge)


def _judge(subjects: Subjects, phase: Phase, fix: str, azure: str) -> Callable[[ClusterRequest], Iterator[Problem]]:
    def judge(request: ClusterRequest) -> Iterator[Problem]:
        for subject in subjects(request):
            yield Problem(f"{subject} {phase.words}", fix=fix, azure=azure)

    return judge


def available(preview: date | None, general: date) -> tuple[Phase, ...]:
    """Return the phases of something new: not there, a preview if there was one, there."""
    if preview is None:
        return Phase(None, Severity.ERROR, f"is not available before {spelt(general)}"), Phase(general, None)
    return (
        Phase(None, Severity.ERROR, f"is not available before {spelt(preview)}"),
        Phase(preview, Severity.WARNING, f"is a preview, generally available since {spelt(general)}"),
        Phase(general, None),
    )


def retired(ends: date, *, gone: date | None = None, told: date | None = None) -> tuple[Phase, ...]:
    """Return the phases of something that ends: told from `told` on, unsupported from `ends`, refused from `gone`."""
    last = gone or ends
    phases = [Phase(None, None)] if told else []
    phases.append(Phase(told, Severity.WARNING, f"is retired on {spelt(ends)}"))
    if last != ends:
        phases.append(
            Phase(ends, Severity.WARNING, f"is without support since {spelt(ends)}, its images go on {spelt(last)}")
        )
    phases.append(Phase(last, Severity.ERROR, f"is retired since {spelt(last)}"))
    return tuple(phases)


def spelt(day: date) -> str:
    """Return a date as people write it.

    >>> spelt(date(2028, 3, 31))
    '31 March 2028'
    """
    return f"{day.day} {day:%B %Y}"
