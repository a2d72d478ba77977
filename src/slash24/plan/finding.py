"""What a rule says: a problem with this request, and as a finding with the rule's own data around it."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TypeVar

Known = TypeVar("Known")


class Severity(StrEnum):
    """An error is refused, or breaks; a warning is told and done; info is worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a request.

    message: what, with its value and its limit. why: what would go wrong. fix: what to type instead.
    azure: Azure's code for it, "" where it is not public. azure_text: Azure's own sentence, "" likewise.
    target: the property of the ARM document. severity: where it differs from the rule's.
    """

    message: str
    why: str = ""
    fix: str = ""
    azure: str = ""
    azure_text: str = ""
    target: str = ""
    severity: Severity | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem, with the rule that found it: its code, and where the rule comes from as of which day."""

    code: str
    severity: Severity
    message: str
    why: str
    fix: str
    azure: str
    azure_text: str
    target: str
    as_of: date
    source: str


class UnknownFact(Exception):  # noqa: N818  no error: a rule that meets it says nothing
    """A rule needs something that nobody knows. `fact`: what, as in "the Kubernetes version"."""

    def __init__(self, fact: str) -> None:
        super().__init__(fact)
        self.fact = fact


def known(value: Known | None, fact: str) -> Known:
    """Return the value. Raises UnknownFact if it is None, which means that nobody knows it."""
    if value is None:
        raise UnknownFact(fact)
    return value


@dataclass(frozen=True, slots=True)
class Unchecked:
    """A rule that could not be asked, and the fact that it needs."""

    code: str
    title: str
    fact: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a request was found to be: `findings`, errors first, and what could not be judged."""

    findings: tuple[Finding, ...]
    unchecked: tuple[Unchecked, ...]

    @property
    def passes(self) -> bool:
        """Whether nothing is an error."""
        return all(finding.severity != Severity.ERROR for finding in self.findings)
