"""Many rows by one statement.

PostgreSQL gets all rows as one JSON parameter and takes them apart itself: the statement never changes with their
number, so it is parsed and planned once, and Python hands over one value instead of hundreds. SQLite has no network
to save, and gets row after row.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Executable,
    LargeBinary,
    Table,
    Text,
    Update,
    bindparam,
    cast,
    column,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import TableValuedAlias
from sqlalchemy.types import NullType

from adapters.sql.column_types import POSTGRESQL, AnyText, Several, UtcTime, escaped, with_zone

Row = Mapping[str, Any]


class _AnyOf(FunctionElement[Any]):
    """A column's value is one of many that come as one parameter."""

    # Not Boolean: SQLite, which has none, would be asked whether it equals 1, and then uses no index.
    type = NullType()
    inherit_cache = True


@compiles(_AnyOf, "postgresql")
def _any_of_array(element: _AnyOf, compiler: SQLCompiler, **options: Any) -> str:
    found, values = (compiler.process(part, **options) for part in element.clauses)
    return f"{found} = ANY ({values})"


@compiles(_AnyOf, "sqlite")
def _any_of_json(element: _AnyOf, compiler: SQLCompiler, **options: Any) -> str:
    found, values = (compiler.process(part, **options) for part in element.clauses)
    return f"{found} IN (SELECT value FROM json_each({values}))"  # noqa: S608 - both are parts of a statement already


def any_of(of: Column[Any], parameter: str) -> ColumnElement[bool]:
    """Whether the column's value is among the values of that parameter."""
    return _AnyOf(of, bindparam(parameter, type_=Several(of.type)))


def insert_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """All of them; a broken constraint raises."""
    _write(connection, _insertion(table, connection.dialect.name), table, rows)


def insert_new(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Those that break no unique constraint."""
    _write(connection, _insertion(table, connection.dialect.name, ignoring=True), table, rows)


def insert_telling(connection: Connection, table: Table, rows: Sequence[Row], *told: Column[Any]) -> Sequence[Any]:
    """Those that break no unique constraint, and these columns of them.

    A row that is being written elsewhere at this moment is waited for, on both databases.
    """
    statement = _insertion(table, connection.dialect.name, *told, ignoring=True)
    return connection.execute(statement, _parameters(connection, table, rows)).all()


def fill_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> int:
    """Write the other columns of each row into the one with its `id`, where they are empty; how many were."""
    # In one order always, so that two who write the same rows don't wait for each other.
    ordered = sorted(rows, key=lambda row: str(row["id"]))
    names = tuple(name for name in ordered[0] if name != "id")
    statement = _filling(table, connection.dialect.name, names)
    if connection.dialect.name == POSTGRESQL:
        parameters = _parameters(connection, table, ordered) | {"ids": [row["id"] for row in ordered]}
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


@cache
def _insertion(table: Table, dialect: str, *told: Column[Any], ignoring: bool = False) -> Executable:
    if dialect == POSTGRESQL:
        names = tuple(name for name, kept in table.c.items() if not _numbered(kept))
        new = _sent_rows(table, names)
        into_postgresql = postgresql_insert(table).from_select(names, select(*(new.c[name] for name in names)))
        into_postgresql = into_postgresql.on_conflict_do_nothing() if ignoring else into_postgresql
        return into_postgresql.returning(*told) if told else into_postgresql
    into_sqlite = sqlite_insert(table).on_conflict_do_nothing() if ignoring else insert(table)
    return into_sqlite.returning(*told) if told else into_sqlite


def _write(connection: Connection, statement: Executable, table: Table, rows: Sequence[Row]) -> None:
    connection.execute(statement, _parameters(connection, table, rows))


def _parameters(connection: Connection, table: Table, rows: Sequence[Row]) -> Any:
    if connection.dialect.name != POSTGRESQL:
        return rows
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
