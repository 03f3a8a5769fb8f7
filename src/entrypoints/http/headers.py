"""A request as it came, without what a framework makes of it first: its headers, and what is still to be received."""

from dataclasses import dataclass
from typing import Protocol

from litestar.types import Receive, Scope


class Arriving(Protocol):
    """A request of the framework's, or a bare one."""

    @property
    def scope(self) -> Scope: ...

    @property
    def receive(self) -> Receive: ...


@dataclass(frozen=True, slots=True)
class BareRequest:
    scope: Scope
    receive: Receive


def all_of(request: Arriving, name: bytes) -> list[str]:
    """Every value of a header, by its name in small letters."""
    return [value.decode("latin-1") for named, value in request.scope["headers"] if named == name]


def one_of(request: Arriving, name: bytes, default: str) -> str:
    """The first value, or the default where there is none."""
    return next(iter(all_of(request, name)), default)
