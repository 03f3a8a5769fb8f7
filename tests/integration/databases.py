"""Databases for tests: migrated once, then copied for each test. A pytest plugin."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Engine

from adapters.sql.engine import open_engine
from adapters.sql.migrate import upgrade
from adapters.sql.schema import metadata
from adapters.sql.work import SqlUnitOfWork
from application.ports.work import UnitOfWork
from entrypoints.simulation.store import Store
from entrypoints.simulation.store_transaction import work_on
from entrypoints.simulation.world import World
from tests.memory import MemoryUnitOfWork
from tests.postgres import Postgres


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("migrated") / "tollgram.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_postgres(postgres: Postgres) -> str:
    """The address of a database that every test leaves empty: to make one takes a third of a second."""
    url = postgres.url(postgres.create_database())
    upgrade(url)
    return url


@pytest.fixture
def sqlite_database(migrated_sqlite: Path, tmp_path: Path) -> str:
    """The address of a migrated database of the test's own."""
    return f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'tollgram.db')}"


@pytest.fixture
def postgres_database(migrated_postgres: str) -> Iterator[str]:
    """The same, on PostgreSQL; another test may have had it before."""
    yield migrated_postgres
    with psycopg.connect(migrated_postgres) as connection:
        # Without the triggers that keep the trail as it is.
        connection.execute("SET session_replication_role = replica")
        for table in metadata.tables:
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    """A test that asks for it runs on both."""
    url: str = request.getfixturevalue("sqlite_database" if request.param == "sqlite" else "postgres_database")
    return url


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    opened = open_engine(database)
    yield opened
    opened.dispose()


@pytest.fixture
def other_engine(database: str) -> Iterator[Engine]:
    """To the same database, as another process has it."""
    opened = open_engine(database)
    yield opened
    opened.dispose()


@pytest.fixture
def sql_work(engine: Engine) -> SqlUnitOfWork:
    return SqlUnitOfWork(engine)


@pytest.fixture(params=["memory", "simulated", "sqlite", "postgresql"])
def work(request: pytest.FixtureRequest) -> Iterator[UnitOfWork]:
    """What holds of one must hold of all four."""
    if request.param == "memory":
        yield MemoryUnitOfWork()
        return
    if request.param == "simulated":
        yield work_on(Store(World(0)))
        return
    opened = open_engine(
        request.getfixturevalue("sqlite_database" if request.param == "sqlite" else "postgres_database")
    )
    yield SqlUnitOfWork(opened)
    opened.dispose()
