"""How values lie in columns, so that both databases keep all of them and give back the same.

The processors are given to SQLAlchemy directly, and not by way of its `process_bind_param` and `process_result_value`:
that is a second call for each value, in the dozen columns of every row.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import BigInteger, DateTime, Dialect, Integer, Text, TypeDecorator
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

POSTGRESQL = "postgresql"

Processor = Callable[[Any], Any]

Whole = BigInteger().with_variant(Integer(), "sqlite")
"""64 bits on both: SQLite's INTEGER is that wide, and its strict tables know no BIGINT."""

# What PostgreSQL's TEXT refuses (NUL), what UTF-8 can't write (half a surrogate pair), and the sign that marks both.
_AWKWARD = re.compile("[\0\\\\\ud800-\udfff]")
_ESCAPED = re.compile(r"\\(u[0-9a-f]{4}|\\)", re.ASCII)


class AnyText(TypeDecorator[str]):
    r"""Text from outside, kept whatever is in it: NUL and lone surrogates lie in the column as `\u0000` and `\ud800`,
    and a backslash as two. All other text lies there as it is. Two texts never become the same."""

    impl = Text
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Processor:
        return lambda text: None if text is None else escaped(text)

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:
        return lambda kept: _ESCAPED.sub(_unescape, kept) if kept and "\\" in kept else kept


def escaped(text: str) -> str:
    """As it lies in an AnyText column."""
    return _AWKWARD.sub(_escape, text) if _AWKWARD.search(text) else text


def _escape(found: re.Match[str]) -> str:
    return "\\\\" if found[0] == "\\" else f"\\u{ord(found[0]):04x}"


def _unescape(found: re.Match[str]) -> str:
    return "\\" if found[1] == "\\" else chr(int(found[1][1:], 16))


class UtcTime(TypeDecorator[datetime]):
    """A moment with its zone, to the microsecond. In SQLite it is text of one width, so that it sorts by time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(self.impl_instance if dialect.name == POSTGRESQL else Text())

    def bind_processor(self, dialect: Dialect) -> Processor:
        if dialect.name == POSTGRESQL:
            return lambda moment: None if moment is None else with_zone(moment)
        return lambda moment: None if moment is None else _as_text(with_zone(moment).astimezone(UTC))

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:
        read = _in_utc if dialect.name == POSTGRESQL else datetime.fromisoformat
        return lambda kept: None if kept is None else read(kept)


@lru_cache(maxsize=1024)
def _as_text(moment: datetime) -> str:
    """Of a moment in UTC. Remembered: one stands in a dozen columns of what is written at once."""
    return moment.isoformat(sep=" ", timespec="microseconds")


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def with_zone(moment: datetime) -> datetime:
    """Raises ValueError where it has none: nobody could say which moment that is."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no zone")
    return moment


class Json(TypeDecorator[Any]):
    """Lists and maps of our own making; JSONB where there is one, so that other programs can search it."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(JSONB() if dialect.name == POSTGRESQL else Text())

    def bind_processor(self, dialect: Dialect) -> Processor | None:
        if dialect.name == POSTGRESQL:
            return super().bind_processor(dialect)
        return lambda value: msgspec.json.encode(value).decode()

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor | None:
        if dialect.name == POSTGRESQL:
            return super().result_processor(dialect, coltype)
        return lambda kept: None if kept is None else msgspec.json.decode(kept)


class Several(TypeDecorator[Sequence[Any]]):
    """Many values as one parameter, so that a statement reads the same however many they are: as JSON, or as the text
    of an array, for which PostgreSQL's driver would take longer than it takes to look them all up. There it is yet to
    be cast to one."""

    impl = Text
    cache_ok = True

    def __init__(self, item: TypeEngine[Any]) -> None:
        super().__init__()
        self.item = item

    def bind_processor(self, dialect: Dialect) -> Processor:
        escape = escaped if isinstance(self.item, AnyText) else _itself
        if dialect.name != POSTGRESQL:
            return lambda items: msgspec.json.encode([escape(item) for item in items or ()]).decode()
        if isinstance(self.item, BigInteger):
            return lambda items: "{" + ",".join([str(int(item)) for item in items or ()]) + "}"
        return lambda items: "{" + ",".join([_quoted(escape(item)) for item in items or ()]) + "}"


def _itself(item: Any) -> Any:
    return item


def _quoted(text: str) -> str:
    """As an element of an array: https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO"""
    return '"' + text.replace("\\", r"\\").replace('"', r"\"") + '"'
