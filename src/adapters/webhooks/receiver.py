"""An endpoint over HTTP: one POST, to an address that was checked, within a limit of time, and nothing followed."""

import json
import re
import ssl
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from http import HTTPStatus
from typing import Any, Final

import httpcore
import httpx
from httpcore import SOCKET_OPTION

from adapters.webhooks.addresses import AddressRefused, resolve
from adapters.webhooks.signing import signed_headers
from application.ports.feed import NumberedNotice
from application.ports.pushes import Endpoint, Gone, NotTaken, PushOutcome, Receiver, Taken

CONNECT_TIMEOUT_S: Final = 5.0
WHOLE_CALL_S: Final = 15.0
"""What the specification recommends at least."""
MAX_ANSWER_BYTES: Final = 64 << 10
LONGEST_RETRY: Final = timedelta(days=1)
BUSY: Final = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""Answers that say nothing about the event."""
_SECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)


class HttpReceiver(Receiver):
    """`private_allowed`: also addresses in one's own network, and http."""

    def __init__(self, *, private_allowed: bool, whole_call_s: float = WHOLE_CALL_S) -> None:
        self._private_allowed = private_allowed
        self._whole_call_s = whole_call_s

    def push(self, endpoint: Endpoint, event: NumberedNotice, now: datetime) -> PushOutcome:
        body = body_of(event)
        headers: dict[bytes | str, bytes | str] = {"Content-Type": "application/json", "User-Agent": "Tollgram"}
        headers.update(signed_headers(endpoint.secrets, id_of(event), now, body).items())
        try:
            status, retry_after = self._post(endpoint.url, headers, body)
        except AddressRefused as problem:
            return NotTaken(problem=str(problem), out_of_reach=True)
        except (httpcore.TimeoutException, TimeoutError):
            return NotTaken(problem=f"no answer within {self._whole_call_s:g} s", out_of_reach=True)
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as problem:
            # The name alone: the words of a network may hold the address.
            return NotTaken(problem=f"no answer ({type(problem).__name__})", out_of_reach=True)
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return Taken()
        if status == HTTPStatus.GONE:
            return Gone(problem="answered 410: it wants no more")
        after = _asked_for(retry_after, now)
        return NotTaken(problem=f"answered {status}", out_of_reach=status in BUSY, after=after)

    def _post(self, url: str, headers: Mapping[bytes | str, bytes | str], body: bytes) -> tuple[int, str]:
        """The status and Retry-After. Every call has a connection of its own, to an address that was just checked."""
        network = _CheckedNetwork(time.monotonic() + self._whole_call_s, private_allowed=self._private_allowed)
        timeout = dict.fromkeys(("connect", "read", "write", "pool"), self._whole_call_s)
        with (
            httpcore.ConnectionPool(
                ssl_context=self._certificates, network_backend=network, max_keepalive_connections=0, retries=0
            ) as pool,
            pool.stream("POST", url, headers=headers, content=body, extensions={"timeout": timeout}) as response,
        ):
            status = response.status
            retry_after = next((value for name, value in response.headers if name.lower() == b"retry-after"), b"")
            # Whatever it says beside its status is of no use; but whoever hangs up in the middle disturbs it.
            with suppress(httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, TimeoutError):
                size = 0
                for chunk in response.iter_stream():
                    size += len(chunk)
                    if size > MAX_ANSWER_BYTES:
                        break
            return status, retry_after.decode("latin-1")

    @cached_property
    def _certificates(self) -> ssl.SSLContext:
        return httpx.create_ssl_context()


def id_of(event: NumberedNotice) -> str:
    """The same however often it is pushed."""
    return f"evt_{event.sequence}"


def body_of(event: NumberedNotice) -> bytes:
    """The same bytes however often it is pushed."""
    notice = event.notice
    said = {
        "type": notice.type.value,
        "timestamp": notice.at.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z",
        "sequence": event.sequence,
        "user_id": notice.user_id,
        "data": notice.data,
    }
    return json.dumps(said, separators=(",", ":")).encode()


class _CheckedNetwork(httpcore.NetworkBackend):
    """Connects to what `resolve` has checked, and gives up at that time (monotonic), however slowly it trickles in."""

    def __init__(self, until: float, *, private_allowed: bool) -> None:
        self._until = until
        self._private_allowed = private_allowed
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        problem: Exception = OSError("no address")
        for address in resolve(host, port, private_allowed=self._private_allowed):
            try:
                return _Impatient(
                    self._plain.connect_tcp(address, port, min(CONNECT_TIMEOUT_S, left(self._until))), self._until
                )
            except (httpcore.NetworkError, httpcore.TimeoutException) as refused:
                problem = refused
        raise problem


class _Impatient(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, until: float) -> None:
        self._stream = stream
        self._until = until

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, left(self._until))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, left(self._until))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The certificate must be for the host's name, whatever its address is."""
        return _Impatient(
            self._stream.start_tls(ssl_context, server_hostname, min(CONNECT_TIMEOUT_S, left(self._until))),
            self._until,
        )

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def left(until: float) -> float:
    """Seconds until then. Raises TimeoutError where there are none."""
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def _asked_for(retry_after: str, now: datetime) -> timedelta | None:
    """Seconds, or a date (RFC 9110, 10.2.3)."""
    if _SECONDS.fullmatch(retry_after):
        return min(timedelta(seconds=int(retry_after)), LONGEST_RETRY)
    try:
        date = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    until = date if date.tzinfo else date.replace(tzinfo=UTC)
    return min(max(until - now, timedelta(0)), LONGEST_RETRY)
