"""Answers of the Kubernetes API that are a `Status`: refusals, above all."""

from typing import Any

from slash24.errors import Slash24Error

_CODES = {
    "BadRequest": 400, "Unauthorized": 401, "Forbidden": 403, "NotFound": 404, "MethodNotAllowed": 405,
    "AlreadyExists": 409, "Conflict": 409, "Expired": 410, "RequestEntityTooLarge": 413,
    "UnsupportedMediaType": 415, "Invalid": 422, "InternalError": 500, "NotImplemented": 501, "ServiceUnavailable": 503,
    "InsufficientStorage": 507,
}  # fmt: skip


class StatusError(Slash24Error):
    """A refusal with Kubernetes' `reason`, which decides HTTP's code."""

    def __init__(self, reason: str, message: str, *, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.details = details

    @property
    def code_number(self) -> int:
        return _CODES[self.reason]

    def document(self) -> dict[str, Any]:
        answer: dict[str, Any] = {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code_number,
        }  # fmt: skip
        return answer | ({"details": self.details} if self.details else {})


def success(details: dict[str, Any] | None = None) -> dict[str, Any]:
    answer: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return answer | ({"details": details} if details else {})
