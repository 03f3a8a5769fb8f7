"""Run by Alembic: over the connection that `adapters.sql.migrate` hands it, or one of its own for `alembic` by hand."""

import os
from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection
from sqlalchemy.types import TypeDecorator

from adapters.sql.engine import open_engine
from adapters.sql.schema import metadata


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        render_item=render_item,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def render_item(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Our column types as the plain ones that they lie in: a migration must not change with our code."""
    if kind != "type" or not isinstance(item, TypeDecorator) or autogen.dialect is None:
        return False
    plain = item.load_dialect_impl(autogen.dialect)
    if type(plain).__module__.startswith("sqlalchemy.dialects.postgresql"):
        autogen.imports.add("from sqlalchemy.dialects import postgresql")
        return f"postgresql.{plain!r}"
    return f"sa.{plain!r}"


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    engine = open_engine(os.environ.get("DATABASE_URL", "sqlite:///var/tollgram.db"), patient=True)
    with engine.begin() as own:
        run(own)
    engine.dispose()
