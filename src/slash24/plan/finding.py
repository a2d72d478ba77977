"""What a rule says: a problem with this request, and as a finding with the rule's own data around it."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Severity(StrEnum):
    """An error is refused; a warning is told and done."""

    ERROR = "error"
    WARNING = "warning"


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
