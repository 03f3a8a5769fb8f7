"""The Bot API over HTTP, for one bot. The token is a part of every address, so no address ever leaves this module."""

import logging
import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import msgspec

from adapters.telegram.calls import Bot, Call

TELEGRAM = "https://api.telegram.org"
CONNECT_TIMEOUT_S = 3.0
READ_TIMEOUT_S = 10.0
WRITE_TIMEOUT_S = 5.0
POOL_TIMEOUT_S = 5.0
WHOLE_CALL_S = 20.0
"""Also for an answer that comes byte by byte, each just in time."""
CONNECTIONS = 20
IDLE_CONNECTION_S = 20.0
MAX_ANSWER_BYTES = 1024 * 1024
LONGEST_DESCRIPTION = 300
LONGEST_RETRY = timedelta(hours=1)

_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{1,128}", re.ASCII)
_UNPRINTABLE = re.compile(r"[^ -~]+")


Around = Callable[[str], AbstractContextManager[None]]


def _nothing(_call: str) -> AbstractContextManager[None]:
    return nullcontext()


class BotApiError(Exception):
    """A call that did not do what was asked; `str()` holds no token and fits on a line of a log."""


class Refused(BotApiError):
    """Telegram says no. `retry_after` is how long it asks to wait, if it does."""

    def __init__(self, code: int, description: str, retry_after: timedelta | None = None) -> None:
        super().__init__(f"{code} {description}")
        self.code = code
        self.description = description
        self.retry_after = retry_after


class Unreachable(BotApiError):
    """There was no answer, or none that the Bot API gives; nobody knows whether the call was carried out."""


class _Parameters(msgspec.Struct):
    retry_after: int | None = None


class _Answer(msgspec.Struct):
    ok: bool
    result: msgspec.Raw = msgspec.Raw(b"null")
    error_code: int = 0
    description: str = ""
    parameters: _Parameters | None = None


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    body: bytes


class BotApi(Bot):
    """One bot, by its token; connections are pooled, and calls may be made from several threads.

    `base` is where the Bot API is: `BASE/bot<token>/<method>`. `around` is entered for each call, by its name.
    Raises ValueError for what can't be a token.
    """

    def __init__(
        self, token: str, *, base: str = TELEGRAM, whole_call_s: float = WHOLE_CALL_S, around: Around = _nothing
    ) -> None:
        if not _TOKEN.fullmatch(token):
            raise ValueError("a bot token is digits, a colon, and letters, digits, _ or -")
        self._token = token
        self._base = base.rstrip("/")
        self._whole_call_s = whole_call_s
        self._around = around
        self._client = httpx.Client(
            timeout=httpx.Timeout(
                connect=CONNECT_TIMEOUT_S,
                read=min(READ_TIMEOUT_S, whole_call_s),
                write=WRITE_TIMEOUT_S,
                pool=POOL_TIMEOUT_S,
            ),
            limits=httpx.Limits(
                max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=IDLE_CONNECTION_S
            ),
            follow_redirects=False,
            # What is not compressed can't swell.
            headers={"Accept-Encoding": "identity", "Content-Type": "application/json"},
        )
        _keep_addresses_out_of_logs()

    def __repr__(self) -> str:
        return f"BotApi({self._base}, bot {self.id})"

    @property
    def id(self) -> int:
        """The bot's user id, which is the public part of its token."""
        return int(self._token.partition(":")[0])

    def close(self) -> None:
        self._client.close()

    def call(self, call: Call) -> Any:
        """What Telegram answers as `result`. Raises Refused or Unreachable."""
        with self._around(f"telegram {call.method}"):
            return self._called(call)

    def _called(self, call: Call) -> Any:
        reply = self._exchange(call)
        if isinstance(reply, str):
            # Raised where no exception of the HTTP client is at hand: it would bring the address with it.
            raise Unreachable(f"{call.method}: {reply}")
        try:
            answer = msgspec.json.decode(reply.body, type=_Answer)
            result = msgspec.json.decode(answer.result)
        except (ValueError, RecursionError):
            raise Unreachable(f"{call.method}: answered {reply.status} with no Bot API's answer") from None
        if answer.ok and reply.status == httpx.codes.OK:
            return result
        raise Refused(
            answer.error_code or reply.status,
            _UNPRINTABLE.sub(" ", answer.description)[:LONGEST_DESCRIPTION] or "without a reason",
            _retry_after(answer.parameters),
        )

    def _exchange(self, call: Call) -> _Reply | str:
        """The reply, or in words why there is none."""
        until = time.monotonic() + self._whole_call_s
        try:
            with self._client.stream(
                "POST", f"{self._base}/bot{self._token}/{call.method}", content=msgspec.json.encode(call.parameters)
            ) as response:
                if response.headers.get("content-encoding", "identity") != "identity":
                    return "answered with a compressed body, which was not asked for"
                body = bytearray()
                for chunk in response.iter_raw():
                    body += chunk
                    if len(body) > MAX_ANSWER_BYTES:
                        return f"answered with more than {MAX_ANSWER_BYTES} bytes"
                    if time.monotonic() > until:
                        return f"no whole answer within {self._whole_call_s:g} s"
                # Whoever answers may quote the address: nothing behind this line has ever seen the token.
                return _Reply(response.status_code, bytes(body).replace(self._token.encode(), b"(token)"))
        except httpx.TimeoutException as problem:
            return f"no answer in time ({type(problem).__name__})"
        except (httpx.HTTPError, httpx.InvalidURL) as problem:
            return f"no answer ({type(problem).__name__})"


def _retry_after(parameters: _Parameters | None) -> timedelta | None:
    if parameters is None or parameters.retry_after is None or parameters.retry_after < 1:
        return None
    return timedelta(seconds=min(parameters.retry_after, LONGEST_RETRY.total_seconds()))


def _keep_addresses_out_of_logs() -> None:
    """httpx writes the address of every request, with the token in it, at INFO."""
    for name in ("httpx", "httpcore"):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))
        logger.addFilter(_not_below_warning)  # added once, however often; holds when somebody sets the level anew


def _not_below_warning(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING
