"""Every error as RFC 9457 `application/problem+json` with a stable code; a fault of ours is a 503, never a 500."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException

from domain.errors import RateLimited, Refusal, Unavailable
from entrypoints.http.methods import methods_at

STATUS = {
    "invalid_request": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "already_entitled": 409,
    "conflict": 409,
    "too_large": 413,
    "unsupported_media_type": 415,
    "idempotency_mismatch": 422,
    "unknown_plan": 422,
    "method_unavailable": 422,
    "rate_limited": 429,
    "provider_unavailable": 502,
    "unavailable": 503,
}
MEDIA_TYPE = "application/problem+json"
MOST_TOLD = 100
"""Of the mistakes in one body, so that no answer is many times as long as what it answers."""
log = structlog.get_logger("tollgram")

_OF_THE_FRAMEWORK = {
    400: ("invalid_request", "The request can't be understood."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not take this method."),
    413: ("too_large", "The body is too large."),
    415: ("unsupported_media_type", "The body is of a type that is not taken here."),
}


class Mistake(msgspec.Struct, frozen=True):
    """One thing that is wrong with a body: `pointer` is where (RFC 6901)."""

    pointer: str
    detail: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong. `code` is stable, `detail` is for people."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[Mistake] = []


class BadBody(Refusal):
    """A body that is no JSON object of the right shape, with every mistake in it, up to MOST_TOLD."""

    code = "invalid_request"

    def __init__(self, mistakes: list[Mistake]) -> None:
        told, more = mistakes[:MOST_TOLD], len(mistakes[MOST_TOLD:])
        words = [f"{mistake.pointer or 'body'}: {mistake.detail}" for mistake in told]
        super().__init__("; ".join([*words, f"and {more} more"] if more else words))
        self.mistakes = told


class UnsupportedMediaType(Refusal):
    code = "unsupported_media_type"


@dataclass(frozen=True, slots=True)
class Told:
    """An answer that says what went wrong, as it goes out."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def of(cls, error: Exception) -> "Told":
        """What is said of a refusal, or of a fault of ours that nothing names, whose whole trace is in the log."""
        if not isinstance(error, Refusal):
            log.error("request.failed", reason="unavailable", problem=type(error).__name__, exc_info=error)
            return _told("unavailable", "This did not work, and nothing was changed. Try again.")
        mistakes = error.mistakes if isinstance(error, BadBody) else []
        retry_after = error.retry_after_s if isinstance(error, RateLimited) else None
        if isinstance(error, Unavailable):
            log.error("request.failed", reason=error.code, problem=str(error), exc_info=error)
        return _told(error.code, str(error), mistakes, retry_after)

    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """All of them, for an answer past the framework."""
        given = [(name.lower().encode(), value.encode()) for name, value in self.headers.items()]
        return [*given, (b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(self.body)).encode())]

    def response(self) -> Response[bytes]:
        return Response(self.body, status_code=self.status, media_type=MEDIA_TYPE, headers=dict(self.headers))


def refuse(_request: Request[Any, Any, Any], refusal: Refusal) -> Response[bytes]:
    """The answer to a request that we do not carry out."""
    return Told.of(refusal).response()


def refuse_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """The answer where the framework refuses: no such address, a wrong method, a path that can't be read."""
    code, detail = _OF_THE_FRAMEWORK.get(error.status_code, ("", ""))
    if not code:
        return fail(request, error)
    answer = _told(code, detail).response()
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        # Which an answer 405 must tell (RFC 9110, 15.5.6).
        answer.headers["Allow"] = ", ".join(sorted(methods_at(request.app, request.scope["path"])))
    return answer


def fail(_request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The answer to a fault of ours."""
    return Told.of(error).response()


def _told(code: str, detail: str, mistakes: Sequence[Mistake] = (), retry_after_s: int | None = None) -> Told:
    status = STATUS[code]
    problem = Problem(
        type="about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        code=code,
        detail=detail,
        errors=list(mistakes),
    )
    headers = {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if retry_after_s is not None:
        headers["Retry-After"] = str(retry_after_s)
    return Told(status, headers, msgspec.json.encode(problem))
