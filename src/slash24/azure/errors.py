"""Errors as ARM tells them: an HTTP status and `{"error": {"code", "message", "target", "details", ...}}`."""

from collections.abc import Sequence
from typing import Any

from slash24.errors import NotFoundError, Slash24Error
from slash24.plan import Finding, Severity
from slash24.store.database import DiskFullError

Json = dict[str, Any]


class ArmError(Slash24Error):
    """A refusal. `info` is slash24's own word on it, told in ARM's `additionalInfo`."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        target: str = "",
        details: Sequence[Json] = (),
        info: Json | None = None,
        why: str = "",
        fix: str = "",
    ) -> None:
        super().__init__(message, azure=code, why=why, fix=fix)
        self.status = status
        self.arm_code = code
        self.target = target
        self.details = list(details)
        self.info = info or _info("", message, why, fix)

    @property
    def envelope(self) -> Json:
        """The `error` object of the answer."""
        error: Json = {"code": self.arm_code, "message": self.message}
        if self.target:
            error["target"] = self.target
        if self.details:
            error["details"] = self.details
        if self.info:
            error["additionalInfo"] = [{"type": "slash24", "info": self.info}]
        return error


def _info(code: str, message: str, why: str, fix: str) -> Json:
    """Return what slash24 adds to Azure's words; nothing if it has nothing to add."""
    if not (code or why or fix):
        return {}
    return {"code": code, "message": message, "why": why, "fix": fix}


def group_not_found(group: str) -> ArmError:
    return ArmError(
        404,
        "ResourceGroupNotFound",
        f"Resource group '{group}' could not be found.",
        fix=f"slash24 group create -n {group} -l northeurope",
    )


def not_found(type_name: str, name: str, group: str, *, fix: str = "") -> ArmError:
    """Return ARM's error for a resource that isn't there; `type_name` as Azure spells it, namespace and all."""
    return ArmError(
        404,
        "ResourceNotFound",
        f"The Resource '{type_name}/{name}' under resource group '{group}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
        fix=fix,
    )


def invalid_parameter(name: str, problem: str) -> ArmError:
    return ArmError(400, "InvalidParameter", f"The value of parameter {name} is invalid: {problem}.", target=name)


def not_built(what: str, *, why: str = "", fix: str = "") -> ArmError:
    """Return the error for something that Azure has and slash24 has not yet."""
    return ArmError(400, "NotImplementedYet", f"{what} is not implemented yet", why=why, fix=fix)


def refuse(findings: Sequence[Finding]) -> None:
    """Raise the first error among the findings, with the others as its details; return if there is none."""
    errors = [finding for finding in findings if finding.severity == Severity.ERROR]
    if not errors:
        return
    first, *others = errors
    raise ArmError(
        400,
        first.azure or "InvalidParameter",
        first.azure_text or first.message,
        target=first.target,
        details=[
            {
                "code": other.azure or "InvalidParameter",
                "message": other.azure_text or other.message,
                "target": other.target,
                "additionalInfo": [{"type": "slash24", "info": as_info(other)}],
            }
            for other in others
        ],
        info=as_info(first),
    )


def as_info(finding: Finding) -> Json:
    """Return a finding as JSON; `azure` is "" where Azure's code is not public."""
    return {
        "code": finding.code,
        "severity": str(finding.severity),
        "message": finding.message,
        "why": finding.why,
        "fix": finding.fix,
        "azure": finding.azure,
        "asOf": finding.as_of.isoformat(),
        "source": finding.source,
    }


def from_slash24(error: Slash24Error) -> ArmError:
    """Return a failure of the lab as ARM tells it. It is 4xx: az repeats 5xx, and this would not get better."""
    if isinstance(error, ArmError):
        return error
    if isinstance(error, DiskFullError):  # no client of Azure repeats this one
        return ArmError(507, error.azure, error.message, why=error.why, fix=error.fix)
    return ArmError(
        404 if isinstance(error, NotFoundError) else 400,
        error.azure or error.code or "OperationFailed",
        error.message,
        info={"code": error.code, "message": error.message, "why": error.why, "fix": error.fix},
    )
