"""One JSON object a line on standard output, without any secret in it."""

import logging
import sys
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import groupby
from operator import itemgetter
from types import MappingProxyType
from typing import TextIO

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from adapters.telemetry.bound import merge_bound
from domain.errors import Unavailable

_BATCH: ContextVar[Mapping[Hashable, str]] = ContextVar("batch", default=MappingProxyType({}))
_JSON = msgspec.json.Encoder()
HIDDEN = "[hidden]"
FIRST = ("timestamp", "level", "event", "request_id")
# These tell of every request with its whole address, which for the Bot API holds the token.
_TOO_TALKATIVE = ("httpx", "httpcore", "urllib3", "uvicorn.access", "alembic")


def configure_logs(*, level: str, form: str, secrets: Iterable[str]) -> None:
    """Send all logs, the libraries' too, to standard output; `form` is json or console."""
    before: list[Processor] = [
        merge_bound,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
        structlog.processors.StackInfoRenderer(),
    ]
    hidden = _as_they_may_stand(secrets)
    in_form: Sequence[Processor]
    if form == "json":
        in_form = [_as_json(hidden)]
    else:
        in_form = [_hide(hidden), structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())]
    after: list[Processor] = [structlog.processors.format_exc_info, *in_form]
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


@dataclass(slots=True)
class Troubles:
    """What lines say of a work that failed and is tried again within seconds. Of something that is away these are its
    own words, and the trace once: it is the same each time, and would fill the disk until that is back."""

    _away: str = ""

    def of(self, error: BaseException) -> Mapping[str, object]:
        if not isinstance(error, Unavailable):
            return {"problem": type(error).__name__, "exc_info": error}
        said = str(error.__cause__ or "").strip().partition("\n")[0]
        problem = f"{error} It said: {said}" if said else str(error)
        again, self._away = problem == self._away, problem
        return {"problem": problem} if again else {"problem": problem, "exc_info": error}

    def over(self) -> None:
        """It has worked."""
        self._away = ""


@contextmanager
def together() -> Iterator[None]:
    """The lines of this thread in here go out as one piece: each writing lets go of Python, and has to wait until it
    gets it back."""
    held: list[tuple[TextIO, str]] = []
    before = getattr(_HELD, "lines", None)
    _HELD.lines = held if before is None else before
    try:
        yield
    finally:
        _HELD.lines = before
        for file, lines in groupby(held, key=itemgetter(0)):
            _write_out(file, "".join([f"{line}\n" for _, line in lines]))


class _Lines:
    """Writes each line at once, and as one piece. A log that can't be written stops nobody."""

    def __init__(self, file: TextIO, *_: object) -> None:
        self._file = file

    def _write(self, line: str) -> None:
        if (held := getattr(_HELD, "lines", None)) is not None:
            held.append((self._file, line))
        else:
            _write_out(self._file, f"{line}\n")

    debug = info = warning = error = critical = _write


_HELD = threading.local()


def _write_out(file: TextIO, text: str) -> None:
    with suppress(OSError, ValueError):
        file.write(text)
        file.flush()


def _as_they_may_stand(secrets: Iterable[str]) -> Sequence[str]:
    """Also inside a list or a mapping, which is logged as Python writes it."""
    return [_as_text(form) for secret in secrets for form in dict.fromkeys((secret, repr(secret)[1:-1]))]


def _as_json(secrets: Sequence[str]) -> Processor:
    """One object, the same fields first on every line, so that a person can read down them."""
    hide = _hide(secrets)
    written = [_JSON.encode(form)[1:-1] for form in secrets]

    def as_json(logger: WrappedLogger, method: str, event: EventDict) -> str:
        line = _JSON.encode(_in_order(_plainly(event)))
        # Looked for in the whole line: nearly never is there one.
        if any(form in line for form in written):
            line = _JSON.encode(_in_order(hide(logger, method, event)))
        return line.decode()

    return as_json


def _hide(secrets: Sequence[str]) -> Callable[[WrappedLogger, str, EventDict], EventDict]:
    """The last fence: nothing that got past all care before it shows a secret."""

    def hide(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        plain = _plainly(event)
        for secret in secrets:
            plain = {key: _without(secret, value) for key, value in plain.items()}
        return plain

    return hide


def _in_order(event: EventDict) -> EventDict:
    first = {name: event.pop(name) for name in FIRST if name in event}
    first.update(event)
    return first


def _plainly(event: EventDict) -> EventDict:
    return {
        key: value if value is None or (type(value) is str and value.isascii()) else _plain(value)
        for key, value in event.items()
    }


def _plain(value: object) -> str | float:
    if isinstance(value, datetime):  # as the line's own time, and as the API has it
        return value.isoformat().replace("+00:00", "Z")
    # Their subclasses, which JSON's writer does not know, are written as they call themselves.
    return value if isinstance(value, (int, float)) and type(value) in {int, float, bool} else _as_text(str(value))


def _as_text(text: str) -> str:
    # A lone surrogate can't be written as UTF-8.
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _without(secret: str, value: str | float | None) -> str | float | None:
    return value.replace(secret, HIDDEN) if isinstance(value, str) else value
