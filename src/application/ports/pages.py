"""A list, a page at a time."""

from dataclasses import dataclass
from typing import Generic, TypeVar

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """`limit` rows after the one that `cursor` names; cursors are opaque, and None is the beginning or the end."""

    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageOf(Generic[Row]):
    items: tuple[Row, ...]
    next_cursor: str | None
