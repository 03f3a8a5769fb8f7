"""What can go wrong, by the service's stable codes. No message here holds a token, a secret or a passport."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


class TollgramError(Exception):
    """All that this package raises, but for arguments that can't be meant (ValueError)."""


class Unreachable(TollgramError):
    """There was no answer: no connection, or it broke, or it took too long.

    `may_be_done`: whether the request may have arrived, and been carried out.
    """

    def __init__(self, why: str, *, may_be_done: bool) -> None:
        super().__init__(f"no answer from Tollgram: {why}")
        self.may_be_done = may_be_done


class WebhookRefused(TollgramError):
    """A webhook that is not Tollgram's, or too old."""


class PassportRefused(TollgramError):
    """A passport, or a list of what ended early, that is not signed as it must be, or is for others."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong with what was asked: `pointer` is where (RFC 6901)."""

    pointer: str
    detail: str


class Problem(TollgramError):
    """The service's no. `code` is stable, `detail` is for people, `request_id` finds it in the service's log.

    `retry_after_s`: when it may go better, where the service said so. Of a code that this version does not know, the
    class is Problem itself.
    """

    of_code: ClassVar[str] = ""

    def __init__(
        self,
        *,
        status: int,
        code: str,
        detail: str,
        request_id: str | None = None,
        retry_after_s: float | None = None,
        errors: Sequence[Mistake] = (),
    ) -> None:
        super().__init__(f"{status} {code}: {detail}" + (f" (request {request_id})" if request_id else ""))
        self.status = status
        self.code = code
        self.detail = detail
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        self.errors = tuple(errors)


class InvalidRequest(Problem):
    of_code = "invalid_request"


class Unauthenticated(Problem):
    of_code = "unauthenticated"


class Forbidden(Problem):
    """The token lacks a scope."""

    of_code = "forbidden"


class NotFound(Problem):
    of_code = "not_found"


class MethodNotAllowed(Problem):
    of_code = "method_not_allowed"


class AlreadyEntitled(Problem):
    of_code = "already_entitled"


class Conflict(Problem):
    of_code = "conflict"


class TooLarge(Problem):
    of_code = "too_large"


class UnsupportedMediaType(Problem):
    of_code = "unsupported_media_type"


class IdempotencyMismatch(Problem):
    """The same key came with another request before."""

    of_code = "idempotency_mismatch"


class UnknownPlan(Problem):
    of_code = "unknown_plan"


class MethodUnavailable(Problem):
    of_code = "method_unavailable"


class RateLimited(Problem):
    of_code = "rate_limited"


class ProviderUnavailable(Problem):
    of_code = "provider_unavailable"


class Unavailable(Problem):
    """The service, or a proxy before it, can't do it now."""

    of_code = "unavailable"


class UnexpectedAnswer(Problem):
    """An answer that is none of Tollgram's: look at the address."""

    of_code = "unexpected"


AWAY = (Unreachable, Unavailable, RateLimited, ProviderUnavailable)
"""What passes by itself."""

_CLASSES = {kind.of_code: kind for kind in Problem.__subclasses__()}


def problem_of(status: int, headers: Mapping[str, str], body: bytes) -> Problem:
    """The error that an answer tells of. `headers` have lower case names."""
    told = _told(body)
    code = told.get("code")
    if not isinstance(code, str):
        code, told = _code_of_others(status), {}
    return _CLASSES.get(code, Problem)(
        status=status,
        code=code,
        detail=str(told.get("detail", "This answer is none of Tollgram's.")),
        request_id=headers.get("x-request-id"),
        retry_after_s=_seconds(headers.get("retry-after")),
        errors=[
            Mistake(str(error.get("pointer", "")), str(error.get("detail", "")))
            for error in told.get("errors") or ()
            if isinstance(error, dict)
        ],
    )


def _told(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _code_of_others(status: int) -> str:
    """What a proxy's answer amounts to."""
    if status == 429:
        return RateLimited.of_code
    return Unavailable.of_code if status >= 500 else UnexpectedAnswer.of_code


def _seconds(text: str | None) -> float | None:
    """Of Retry-After, where it tells seconds."""
    return float(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None
