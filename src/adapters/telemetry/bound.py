"""What every log line of one piece of work says beside its own: which request it is, whose purchase."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

from structlog.typing import EventDict, WrappedLogger

_BOUND: ContextVar[Mapping[str, object]] = ContextVar("bound", default=MappingProxyType({}))


def begin(**fields: object) -> None:
    """A new piece of work: nothing that was bound before belongs to it."""
    _BOUND.set(fields)


def bind(**fields: object) -> None:
    """What has become known of the piece of work that is under way."""
    _BOUND.set({**_BOUND.get(), **fields})


@contextmanager
def bound(**fields: object) -> Iterator[None]:
    """A piece of work inside another."""
    before = _BOUND.set({**_BOUND.get(), **fields})
    try:
        yield
    finally:
        _BOUND.reset(before)


def bound_request() -> str:
    """The id of the request that is served just now; empty where none is."""
    return str(_BOUND.get().get("request_id", ""))


def merge_bound(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A processor of structlog's: what the line says itself goes before."""
    return {**_BOUND.get(), **event}
