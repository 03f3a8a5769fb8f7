"""One JSON object a line on standard output, without any secret in it."""

import json
import logging
import sys
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from types import MappingProxyType
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_BATCH: ContextVar[Mapping[Hashable, str]] = ContextVar("batch", default=MappingProxyType({}))
_JSON = json.JSONEncoder(ensure_ascii=False)
HIDDEN = "[hidden]"
FIRST = ("timestamp", "level", "event", "request_id")
# These tell of every request with its whole address, which for the Bot API holds the token.
_TOO_TALKATIVE = ("httpx", "httpcore", "urllib3", "uvicorn.access", "alembic")


def configure_logs(*, level: str, form: str, secrets: Iterable[str]) -> None:
    """Send all logs, the libraries' too, to standard output; `form` is json or console."""
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
        structlog.processors.StackInfoRenderer(),
    ]
    hide = _hide(tuple(secrets))
    after: list[Processor]
    if form == "json":
        after = [structlog.processors.format_exc_info, hide, _in_order, _as_json]
    else:
        after = [structlog.processors.format_exc_info, hide, structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())]
    # Our own lines go straight out; those of the libraries take the standard library's way, which takes longer.
    structlog.configure(
        processors=[*before, *after],
        logger_factory=partial(_Lines, sys.stdout),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *after],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    for name in _TOO_TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


@contextmanager
def in_batch(causes: Mapping[Hashable, str]) -> Iterator[None]:
    """While several requests are served at once: the cause of each, by the key of what it asks for."""
    before = _BATCH.set(causes)
    try:
        yield
    finally:
        _BATCH.reset(before)


def request_of(key: Hashable) -> Mapping[str, str]:
    """The field that ties a log line to its request, where it was served together with others."""
    request_id = request_in(cause_of(key))
    return {"request_id": request_id} if request_id else {}


def cause_of(key: Hashable) -> str:
    """Empty where it is not served together with others."""
    return _BATCH.get().get(key, "")


def request_in(cause: str) -> str:
    """The request's id, which a cause begins with; what may stand behind it is the place in a trace."""
    return cause.partition(" ")[0]


class _Lines:
    """Writes each line at once, and as one piece. A log that can't be written stops nobody."""

    def __init__(self, file: TextIO, *_: object) -> None:
        self._file = file

    def _write(self, line: str) -> None:
        with suppress(OSError, ValueError):
            self._file.write(f"{line}\n")
            self._file.flush()

    debug = info = warning = error = critical = _write


def _hide(secrets: tuple[str, ...]) -> Processor:
    """The last fence: nothing that got past all care before it shows a secret."""

    def hide(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        plain = {key: _plain(value) for key, value in event.items()}
        # Looked for in all at once: nearly never is there one.
        together = "\0".join([value for value in plain.values() if isinstance(value, str)])
        for secret in secrets:
            if together.count(secret):
                plain = {key: _without(secret, value) for key, value in plain.items()}
        return plain

    return hide


def _in_order(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The same fields first on every line, so that a person can read down them."""
    first = {name: event.pop(name) for name in FIRST if name in event}
    return {**first, **event}


def _as_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    return _JSON.encode(event)


def _plain(value: object) -> str | float | None:
    if isinstance(value, (int, float, bool)) or value is None:
        return value
    text = value if isinstance(value, str) else str(value)
    # A lone surrogate can't be written as UTF-8.
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _without(secret: str, value: str | float | None) -> str | float | None:
    return value.replace(secret, HIDDEN) if isinstance(value, str) else value
