"""Locks on names, held until the end of the transaction, over all processes."""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Final

from sqlalchemy import BigInteger, Connection, bindparam, cast, column, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from adapters.sql.column_types import POSTGRESQL, Several

_KEYS: Final = bindparam("keys", type_=Several(BigInteger()))
_NAMES: Final = func.unnest(cast(_KEYS, ARRAY(BigInteger))).table_valued("key", name="wanted")
_HOLD: Final = select(func.pg_advisory_xact_lock(column("key", BigInteger))).select_from(_NAMES.render_derived())


def hold(connection: Connection, *groups: Iterable[str]) -> None:
    """Wait for the locks of all names: one group after the other, each in one order for everybody.

    In SQLite there is nothing to do: a transaction that writes began with BEGIN IMMEDIATE, which holds the one lock
    that there is, so that nobody else is between its first read and its commit.
    """
    if connection.dialect.name == POSTGRESQL and (keys := _keys(groups)):
        connection.execute(_HOLD, {"keys": keys})


def _keys(groups: Sequence[Iterable[str]]) -> list[int]:
    """PostgreSQL's locks are 64-bit numbers. Two names with one number only wait for each other without need."""
    ordered = [key for group in groups for key in sorted({_key(name) for name in group})]
    return list(dict.fromkeys(ordered))


def _key(name: str) -> int:
    return int.from_bytes(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest(), signed=True)
