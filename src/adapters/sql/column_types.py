"""How values lie in columns, so that both databases keep all of them and give back the same."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import BigInteger, DateTime, Dialect, Integer, Text, TypeDecorator
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import TypeEngine

POSTGRESQL = "postgresql"

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

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return value if value is None else escaped(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        return _ESCAPED.sub(_unescape, value) if value and "\\" in value else value


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

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if dialect.name == POSTGRESQL:
            return with_zone(value)
        return with_zone(value).astimezone(UTC).isoformat(sep=" ", timespec="microseconds")

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if isinstance(value, datetime) else datetime.fromisoformat(value)


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

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return value if dialect.name == POSTGRESQL else msgspec.json.encode(value).decode()

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return value if dialect.name == POSTGRESQL or value is None else msgspec.json.decode(value)


class Several(TypeDecorator[Sequence[Any]]):
    """Many values as one parameter, so that a statement reads the same however many they are: an array, or JSON."""

    impl = Text
    cache_ok = True

    def __init__(self, item: TypeEngine[Any]) -> None:
        super().__init__()
        self.item = item

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(ARRAY(self.item) if dialect.name == POSTGRESQL else Text())

    def process_bind_param(self, value: Sequence[Any] | None, dialect: Dialect) -> Any:
        items = list(value or ())
        if dialect.name == POSTGRESQL:
            return items
        if isinstance(self.item, AnyText):
            items = [escaped(item) for item in items]
        return msgspec.json.encode(items).decode()
