"""Stripe's own library over an HTTP client of ours that never waits for long. Imported only where Stripe is set up."""

import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec
import stripe

from adapters.stripe.around import Around, nothing_around
from adapters.stripe.limits import (
    CONNECT_TIMEOUT_S,
    CONNECTIONS,
    IDLE_CONNECTION_S,
    LEAST_FOR_ANOTHER_TRY_S,
    MAX_ANSWER_BYTES,
    MOST_KEYS,
    PAUSE_S,
    POOL_TIMEOUT_S,
)
from adapters.stripe.refusals import NoSuchThing, Refused, RememberedFailure
from domain.errors import ProviderUnavailable

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_.\[\]-]+")
_LONGEST_WORD = 80
_KIND = re.compile(r"[a-z_]+", re.ASCII)

Answer = TypeVar("Answer")
Shape = TypeVar("Shape")


class Connection:
    """One account of Stripe's, by its secret key, which never shows in a problem. `around` is entered for each call,
    by its name."""

    def __init__(
        self, secret_key: str, api_base: str | None, *, whole_call_s: float, around: Around = nothing_around
    ) -> None:
        self._http = _Http(whole_call_s, around)
        self.api = stripe.StripeClient(
            secret_key,
            base_addresses={"api": api_base.rstrip("/")} if api_base else {},
            http_client=self._http,
            max_network_retries=0,  # _Http tries again itself, as long as there is time
        ).v1
        _keep_out_of_logs()

    def close(self) -> None:
        self._http.close()

    def read(self, shape: type[Shape], call: Callable[[], Any]) -> Shape:
        """What Stripe answers. Raises NoSuchThing, and ProviderUnavailable where Stripe did not do its part."""
        return self.read_whole(shape, call)[0]

    def read_whole(self, shape: type[Shape], call: Callable[[], Any]) -> tuple[Shape, dict[str, Any]]:
        """As `read`, with all that was answered beside what we know of it."""
        answer = _asked(call)
        try:
            whole = answer.to_dict(for_json=True)
            return msgspec.convert(whole, shape), whole
        except (AttributeError, TypeError, ValueError, RecursionError):
            raise ProviderUnavailable("Stripe answered something else than it was asked for.") from None

    def make(self, shape: type[Shape], key: str, call: Callable[[stripe.RequestOptions], Any]) -> Shape:
        """What Stripe has made, once for each key; raises as `read` does.

        Stripe remembers also its own failures by their key, for a day
        (https://docs.stripe.com/api/idempotent_requests): after one that is only repeated, the next key is used.
        """
        for number in range(1, MOST_KEYS):
            try:
                return self.read(shape, _keyed(call, f"{key}-{number}"))
            except RememberedFailure:
                continue
        return self.read(shape, _keyed(call, f"{key}-{MOST_KEYS}"))


class _Http(stripe.HTTPClient):
    name = "httpx"

    def __init__(self, whole_call_s: float, around: Around) -> None:
        super().__init__()
        self._around = around
        self._whole_call_s = whole_call_s
        self._client = httpx.Client(
            limits=httpx.Limits(
                max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=IDLE_CONNECTION_S
            ),
            follow_redirects=False,
            # What is not compressed can't swell.
            headers={"Accept-Encoding": "identity"},
        )

    def request(  # type: ignore[override]
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        with self._around(f"stripe {method.upper()} {_resource(url)}"):
            return self._requested(method, url, headers, post_data)

    def _requested(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Tried once more where that may help and there is time, and as long as there is where somebody else is just
        asking for the same: whatever we ask for twice is done once."""
        until = time.monotonic() + self._whole_call_s
        try:
            answer = self._exchange(method, url, headers, post_data, until)
            if not _worth_another_try(answer):
                return answer
        except httpx.TransportError as problem:
            if isinstance(problem, httpx.TimeoutException) or _left(until) < LEAST_FOR_ANOTHER_TRY_S:
                raise _unreachable(problem) from None
        else:
            if _left(until) < LEAST_FOR_ANOTHER_TRY_S:
                return answer
        try:
            while True:
                time.sleep(PAUSE_S)
                answer = self._exchange(method, url, headers, post_data, until)
                # Somebody else is just asking for the same: what that gives is ours too.
                if answer[1] != httpx.codes.CONFLICT or _left(until) < LEAST_FOR_ANOTHER_TRY_S:
                    return answer
        except httpx.TransportError as problem:
            raise _unreachable(problem) from None

    def _exchange(
        self, method: str, url: str, headers: Mapping[str, str] | None, content: Any, until: float
    ) -> tuple[bytes, int, Mapping[str, str]]:
        left = _left(until)
        timeout = httpx.Timeout(left, connect=min(CONNECT_TIMEOUT_S, left), pool=min(POOL_TIMEOUT_S, left))
        try:
            with self._client.stream(
                method.upper(), url, headers=headers, content=content, timeout=timeout
            ) as response:
                if response.headers.get("content-encoding", "identity") != "identity":
                    raise httpx.DecodingError("compressed, which was not asked for")
                body = bytearray()
                for chunk in response.iter_raw():
                    body += chunk
                    if len(body) > MAX_ANSWER_BYTES:
                        raise httpx.DecodingError("too long")
                    if _left(until) <= 0:
                        raise httpx.ReadTimeout("byte by byte")
                return bytes(body), response.status_code, response.headers
        except (httpx.DecodingError, httpx.InvalidURL) as problem:
            raise _unreachable(problem) from None

    def close(self) -> None:
        self._client.close()


def _keyed(call: Callable[[stripe.RequestOptions], Any], key: str) -> Callable[[], Any]:
    return lambda: call({"idempotency_key": key})


def _resource(url: str) -> str:
    """`checkout/sessions`: what is asked about, without whose it is."""
    return "/".join(part for part in urlsplit(url).path.split("/")[2:] if _KIND.fullmatch(part))


def _left(until: float) -> float:
    return until - time.monotonic()


def _worth_another_try(answer: tuple[bytes, int, Mapping[str, str]]) -> bool:
    """A key that is in use, and a fault of Stripe's that is not just repeated."""
    _, status, headers = answer
    if (advice := headers.get("stripe-should-retry")) in ("true", "false"):
        return advice == "true"
    return status == httpx.codes.CONFLICT or (status >= 500 and "idempotent-replayed" not in headers)


def _unreachable(problem: Exception) -> stripe.APIConnectionError:
    # The name alone: the words of an HTTP client may hold the address.
    return stripe.APIConnectionError(type(problem).__name__)  # type: ignore[no-untyped-call]


def _asked(call: Callable[[], Answer]) -> Answer:
    try:
        return call()
    except stripe.APIConnectionError as problem:
        raise ProviderUnavailable(f"Stripe did not answer in time ({_plain(problem.user_message)}).") from None
    except stripe.StripeError as problem:
        raise _refused(problem) from None
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        # Stripe's library believes every answer to be well-formed.
        raise ProviderUnavailable("Stripe answered something else than it was asked for.") from None


def _refused(problem: stripe.StripeError) -> Exception:
    """In words that hold no key: Stripe's own may quote ours."""
    status = problem.http_status or 0
    if status == httpx.codes.NOT_FOUND or problem.code == "resource_missing":
        return NoSuchThing(str(getattr(problem, "param", None) or ""))
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return ProviderUnavailable("Stripe asks us to slow down (429).")
    facts = (type(problem).__name__, status, problem.code, getattr(problem, "param", None), problem.request_id)
    said = ", ".join(_plain(fact) for fact in facts if fact)
    if status >= 500:
        replayed = "idempotent-replayed" in {name.lower() for name in problem.headers or {}}
        return (RememberedFailure if replayed else ProviderUnavailable)(f"Stripe is in trouble ({said}).")
    if status == httpx.codes.CONFLICT:
        # No answer yet, and no refusal: what we asked for before may still be done.
        return ProviderUnavailable(f"Stripe is still busy with what we asked for before ({said}).")
    return Refused(f"Stripe refused what we asked for ({said}).")


def _plain(fact: object) -> str:
    return _NOT_PLAIN.sub("-", str(fact))[:_LONGEST_WORD]


def _keep_out_of_logs() -> None:
    """Stripe's library writes every request at INFO and what is in it at DEBUG; httpx every address."""
    for name in ("stripe", "httpx", "httpcore"):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))
        logger.addFilter(_not_below_warning)  # added once, however often; holds when somebody sets the level anew


def _not_below_warning(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING
