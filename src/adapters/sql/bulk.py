"""Many rows by one statement.

PostgreSQL gets all rows as one JSON parameter and takes them apart itself: the statement never changes with their
number, so it is parsed and planned once, and Python hands over one value instead of hundreds. SQLite gets many rows in
one statement too, but value by value: each statement of its lets go of Python once, and each row by itself would.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    CursorResult,
    Executable,
    LargeBinary,
    Table,
    Text,
    Update,
    bindparam,
    cast,
    column,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import TableValuedAlias
from sqlalchemy.types import NullType

from adapters.sql.column_types import POSTGRESQL, AnyText, Several, UtcTime, escaped, with_zone

Row = Mapping[str, Any]

MOST_IN_A_TURN: Final = 64
_SQLITE: Final = sqlite_dialect()


class _AnyOf(FunctionElement[Any]):
    """A column's value is one of many that come as one parameter."""

    # Not Boolean: SQLite, which has none, would be asked whether it equals 1, and then uses no index.
    type = NullType()
    inherit_cache = True


@compiles(_AnyOf, "postgresql")
def _any_of_array(element: _AnyOf, compiler: SQLCompiler, **options: Any) -> str:
    of, parameter = element.clauses
    found, values = (compiler.process(part, **options) for part in (of, cast(parameter, ARRAY(of.type))))
    return f"{found} = ANY ({values})"


@compiles(_AnyOf, "sqlite")
def _any_of_json(element: _AnyOf, compiler: SQLCompiler, **options: Any) -> str:
    found, values = (compiler.process(part, **options) for part in element.clauses)
    return f"{found} IN (SELECT value FROM json_each({values}))"  # noqa: S608 - both are parts of a statement already


def any_of(of: ColumnElement[Any], parameter: str) -> ColumnElement[bool]:
    """Whether the column's value is among the values of that parameter."""
    return _AnyOf(of, bindparam(parameter, type_=Several(of.type)))


def insert_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """All of them; a broken constraint raises."""
    _write(connection, table, rows, ignoring=False)


def insert_new(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Those that break no unique constraint."""
    _write(connection, table, rows, ignoring=True)


def insert_telling(connection: Connection, table: Table, rows: Sequence[Row], *told: Column[Any]) -> Sequence[Any]:
    """Those that break no unique constraint, and these columns of them.

    A row that is being written elsewhere at this moment is waited for, on both databases.
    """
    _only_columns(table, rows)
    if connection.dialect.name != POSTGRESQL:
        converters = [_from_sqlite(column) for column in told]
        found = [row for result in _in_turns(connection, table, rows, *told, ignoring=True) for row in result]
        return [
            tuple(convert(value) if convert else value for value, convert in zip(row, converters, strict=True))
            for row in found
        ]
    statement = _insertion(table, *told, ignoring=True)
    return connection.execute(statement, _parameters(table, rows)).all()


def fill_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> int:
    """Write the other columns of each row into the one with its `id`, where they are empty; how many were."""
    # In one order always, so that two who write the same rows don't wait for each other.
    ordered = sorted(rows, key=lambda row: str(row["id"]))
    names = tuple(name for name in ordered[0] if name != "id")
    statement = _filling(table, connection.dialect.name, names)
    if connection.dialect.name == POSTGRESQL:
        parameters = _parameters(table, ordered) | {"ids": [row["id"] for row in ordered]}
        return connection.execute(statement, parameters).rowcount
    renamed = [{f"new_{name}": value for name, value in row.items()} for row in ordered]
    return connection.execute(statement, renamed).rowcount


@cache
def _filling(table: Table, dialect: str, names: tuple[str, ...]) -> Update:
    empty = [table.c[name].is_(None) for name in names]
    if dialect == POSTGRESQL:
        new = _sent_rows(table, ("id", *names))
        # The ids by themselves too: a plan that was made while the table was small would else go on to read all of it.
        found = update(table).where(table.c.id == new.c.id, any_of(table.c.id, "ids"), *empty)
        return found.values({name: new.c[name] for name in names})
    found = update(table).where(table.c.id == bindparam("new_id"), *empty)
    return found.values({name: bindparam(f"new_{name}") for name in names})


def _write(connection: Connection, table: Table, rows: Sequence[Row], *, ignoring: bool) -> None:
    _only_columns(table, rows)
    if connection.dialect.name == POSTGRESQL:
        connection.execute(_insertion(table, ignoring=ignoring), _parameters(table, rows))
    else:
        for _ in _in_turns(connection, table, rows, ignoring=ignoring):
            pass


def _only_columns(table: Table, rows: Sequence[Row]) -> None:
    """Rows of one call are all alike."""
    if rows and (unknown := rows[0].keys() - _names(table)):
        raise AssertionError(f"{table.name} has no {', '.join(sorted(unknown))}")


@cache
def _names(table: Table) -> frozenset[str]:
    return frozenset(table.c.keys())


@cache
def _insertion(table: Table, *told: Column[Any], ignoring: bool) -> Executable:
    """For PostgreSQL."""
    names = tuple(name for name, kept in table.c.items() if not _numbered(kept))
    new = _sent_rows(table, names)
    into = postgresql_insert(table).from_select(names, select(*(new.c[name] for name in names)))
    into = into.on_conflict_do_nothing() if ignoring else into
    return into.returning(*told) if told else into


def _in_turns(
    connection: Connection, table: Table, rows: Sequence[Row], *told: Column[Any], ignoring: bool
) -> Iterator[CursorResult[Any]]:
    """By statements of 64 rows, 32, 16 and so on, as many as are left: few enough to be kept prepared.

    Their text and values are SQLAlchemy's, but not by its own way to many rows: that costs as much as the writing.
    """
    converters = _for_sqlite(table)
    done = 0
    while left := len(rows) - done:
        turn = rows[done : done + min(MOST_IN_A_TURN, 1 << left.bit_length() - 1)]
        values = [
            value if converter is None or value is None else converter(value)
            for row in turn
            for value, converter in zip(map(row.get, converters), converters.values(), strict=True)
        ]
        yield connection.exec_driver_sql(_insertion_of(len(turn), table, *told, ignoring=ignoring), tuple(values))
        done += len(turn)


@cache
def _insertion_of(count: int, table: Table, *told: Column[Any], ignoring: bool) -> str:
    """For SQLite, and that many rows."""
    into = sqlite_insert(table).values([dict.fromkeys(_for_sqlite(table))] * count)
    into = into.on_conflict_do_nothing() if ignoring else into
    return str((into.returning(*told) if told else into).compile(dialect=_SQLITE))


@cache
def _for_sqlite(table: Table) -> Mapping[str, Callable[[Any], Any] | None]:
    """By the columns that we write: how a value becomes one of SQLite's, where it is none already."""
    written = {name: kept.type.dialect_impl(_SQLITE) for name, kept in table.c.items() if not _numbered(kept)}
    return {name: kind.bind_processor(_SQLITE) for name, kind in written.items()}


@cache
def _from_sqlite(told: Column[Any]) -> Callable[[Any], Any] | None:
    return told.type.dialect_impl(_SQLITE).result_processor(_SQLITE, None)


def _parameters(table: Table, rows: Sequence[Row]) -> dict[str, Any]:
    sent = [{name: value for name, value in row.items() if value is not None} for row in rows]
    for name, converter in _converters(table):
        for row in sent:
            if name in row:
                row[name] = converter(row[name])
    return {"rows": msgspec.json.encode(sent).decode()}


def _sent_rows(table: Table, names: Sequence[str]) -> TableValuedAlias:
    """The rows inside the parameter; those without a value for a column have NULL there."""
    columns = [column(name, table.c[name].type) for name in names]
    sent = func.json_to_recordset(cast(bindparam("rows", type_=Text()), JSON))
    return sent.table_valued(*columns, name="new").render_derived(with_types=True)


@cache
def _converters(table: Table) -> Sequence[tuple[str, Callable[[Any], Any]]]:
    """By column, where a value does not go as it is."""
    found = ((name, _converter(kept)) for name, kept in table.c.items())
    return [(name, converter) for name, converter in found if converter]


def _converter(kept: Column[Any]) -> Callable[[Any], Any] | None:
    if isinstance(kept.type, AnyText):
        return escaped
    if isinstance(kept.type, LargeBinary):
        return lambda value: "\\x" + value.hex()
    return with_zone if isinstance(kept.type, UtcTime) else None


def _numbered(kept: Column[Any]) -> bool:
    """Whether the database numbers the rows by itself."""
    return kept.table.autoincrement_column is kept
