"""Requests that can't be met. Each has a stable public code; none knows of HTTP."""

from typing import ClassVar


class Refusal(Exception):
    """A request that we do not carry out; `str()` says why, in words that the caller may read."""

    code: ClassVar[str]


class InvalidRequest(Refusal):
    code = "invalid_request"


class Unauthenticated(Refusal):
    code = "unauthenticated"


class Forbidden(Refusal):
    code = "forbidden"


class NotFound(Refusal):
    code = "not_found"


class AlreadyEntitled(Refusal):
    code = "already_entitled"


class Conflict(Refusal):
    code = "conflict"


class IdempotencyMismatch(Refusal):
    """The same Idempotency-Key came with another request before."""

    code = "idempotency_mismatch"


class UnknownPlan(Refusal):
    code = "unknown_plan"


class MethodUnavailable(Refusal):
    code = "method_unavailable"


class RateLimited(Refusal):
    """Too many purchases begun; `retry_after_s` is when the next one will be admitted (whole seconds, at least 1)."""

    code = "rate_limited"

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class TooLarge(Refusal):
    code = "too_large"


class ProviderUnavailable(Refusal):
    """Telegram (or another provider) did not do what we asked, or did not answer."""

    code = "provider_unavailable"


class Unavailable(Refusal):
    """Our own fault: nothing was changed, and the same request may work later."""

    code = "unavailable"
