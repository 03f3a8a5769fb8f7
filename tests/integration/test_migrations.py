"""Migrations lead to the schema that the code names, there and back, from a checkout and from an installed wheel."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, inspect, select, text
from sqlalchemy.engine.interfaces import ReflectedIndex

from adapters.sql import migrate
from adapters.sql.engine import open_engine
from adapters.sql.gauges import SqlGauges
from adapters.sql.migrate import downgrade, newest_revision, upgrade
from adapters.sql.schema import metadata
from adapters.sql.work import SqlUnitOfWork
from domain.errors import Unavailable

ROOT = Path(__file__).parents[2]
MIDNIGHT = " 00:00:00.000000+00:00"


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database with nothing in it."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def engine(empty: str) -> Iterator[Engine]:
    opened = open_engine(empty, patient=True)
    yield opened
    opened.dispose()


def things(engine: Engine) -> set[tuple[str, str]]:
    """Every table, index, trigger and function by its name."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            rows = connection.execute(text("SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"))
        else:
            rows = connection.execute(
                text(
                    "SELECT 'table', relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
                    " UNION SELECT 'trigger', tgname FROM pg_trigger WHERE NOT tgisinternal"
                    " UNION SELECT 'function', proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
                )
            )
        return {(kind, name) for kind, name in rows if "alembic" not in name}


def shape(engine: Engine) -> dict[str, Any]:
    """What the database itself says of each table."""
    inspector = inspect(engine)
    return {
        table: {
            "columns": [(c["name"], str(c["type"]), c["nullable"]) for c in inspector.get_columns(table)],
            "primary key": inspector.get_pk_constraint(table),
            "foreign keys": inspector.get_foreign_keys(table),
            "unique": inspector.get_unique_constraints(table),
            "indexes": sorted(_told(index) for index in inspector.get_indexes(table)),
            "checks": sorted(
                (str(c["name"]), "".join(c["sqltext"].split())) for c in inspector.get_check_constraints(table)
            ),
            "options": inspector.get_table_options(table),
        }
        for table in sorted(metadata.tables)
    }


def _told(index: ReflectedIndex) -> str:
    conditions = {name: str(value) for name, value in index.get("dialect_options", {}).items()}
    return f"{index['name']} {index['column_names']} {index['unique']} {conditions}"


def test_up_down_and_up_again_leaves_the_same(empty: str, engine: Engine) -> None:
    upgrade(empty)
    once = things(engine)
    downgrade(empty, "base")
    assert things(engine) == set()
    upgrade(empty)
    assert things(engine) == once
    assert {name for kind, name in once if kind == "table"} >= set(metadata.tables)


def test_payments_from_before_stripe_are_kept_there_and_back(empty: str, engine: Engine) -> None:
    upgrade(empty, "0001")
    for number, status in enumerate(("granted", "refunded")):
        with engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO payments (id, provider, charge_id, provider_charge_id, bot, user_id, amount, currency,"
                    " method, payload, charged_at, message, status, received_at) VALUES (:id, 'telegram', :id, '',"
                    " 'main', 1, 1250, 'XTR', 'stars', '', '2026-11-22 12:00:00+00:00', :message, :status,"
                    " '2026-11-22 12:00:00+00:00')"
                ),
                {"id": f"pay_{number}", "status": status, "message": b""},
            )

    for _ in range(2):
        upgrade(empty)
        with open_engine(empty).connect() as connection:
            rows = connection.execute(select(metadata.tables["payments"]).order_by(text("id"))).all()
        assert [(row.status, row.amount_refunded, row.disputes, row.suspended) for row in rows] == [
            ("granted", 0, {}, None),
            ("refunded", 1250, {}, None),
        ]
        downgrade(empty, "0001")


def test_rights_that_moved_before_that_was_noted_are_known_by_their_payment(empty: str, engine: Engine) -> None:
    upgrade(empty, "0003")
    times = {day: f"2026-11-{day} 12:00:00.000000+00:00" for day in range(10, 20)}
    rows = [  # id, payment, granted, revoked
        ("ent_1", "pay_moved", 10, 12),
        ("ent_2", "pay_moved", 10, 14),  # moved up on the 12th
        ("ent_3", "pay_moved", 15, None),  # interrupted on the 14th, went on on the 15th
        ("ent_4", "pay_still", 11, None),
        ("ent_5", "pay_ended", 11, 13),
    ]
    with engine.begin() as connection:
        for payment in ("pay_moved", "pay_still", "pay_ended"):
            connection.execute(
                text(
                    "INSERT INTO payments (id, provider, charge_id, provider_charge_id, bot, user_id, amount, currency,"
                    " method, payload, charged_at, message, status, received_at) VALUES (:id, 'telegram', :id, '',"
                    " 'main', 1, 1250, 'XTR', 'stars', '', :at, :message, 'granted', :at)"
                ),
                {"id": payment, "at": times[10], "message": b""},
            )
        for id, payment, granted, revoked in rows:
            connection.execute(
                text(
                    "INSERT INTO entitlements (id, user_id, plan_code, features, limits, duration, granted_at,"
                    " starts_at, payment_id, revoked_at) VALUES (:id, 1, 'gold_1m', '[]', '{}', 'lifetime', :granted,"
                    " :granted, :payment, :revoked)"
                ),
                {"id": id, "payment": payment, "granted": times[granted], "revoked": times.get(revoked or 0)},
            )

    for _ in range(2):
        upgrade(empty)
        with open_engine(empty).connect() as connection:
            found = connection.execute(select(metadata.tables["entitlements"]).order_by(text("id"))).all()
        assert [(row.id, row.origin, row.moved_at and row.moved_at.day) for row in found] == [
            ("ent_1", None, None),
            ("ent_2", "ent_1", 12),
            ("ent_3", "ent_1", None),
            ("ent_4", None, None),
            ("ent_5", None, None),
        ]
        downgrade(empty, "0003")


def test_what_was_over_before_there_was_a_feed_is_told_to_nobody(empty: str, engine: Engine) -> None:
    upgrade(empty, "0003")
    new = text(
        "INSERT INTO entitlements (id, user_id, plan_code, features, limits, duration, granted_at, starts_at,"
        " expires_at) VALUES (:id, 1, 'gold_1m', '[]', '{}', '1 day', :start, :start, :end)"
    )
    with engine.begin() as connection:
        for end in ("2001-01-02", "9001-01-02"):
            connection.execute(
                new,
                {
                    "id": f"ent_{end}",
                    "start": "2001-01-01 00:00:00.000000+00:00",
                    "end": f"{end} 00:00:00.000000+00:00",
                },
            )
    upgrade(empty)
    with SqlUnitOfWork(engine).begin() as tx:
        over = tx.entitlements.over(datetime(9002, 1, 1, tzinfo=UTC), at_most=10)
    assert [span.id for span in over] == ["ent_9001-01-02"]


def test_to_migrate_what_is_migrated_changes_nothing(empty: str, engine: Engine) -> None:
    upgrade(empty)
    upgrade(empty)
    assert SqlGauges(engine).schema_revision() == newest_revision()


def test_migrations_and_code_name_the_same_schema(empty: str, engine: Engine) -> None:
    upgrade(empty)
    migrated = shape(engine)
    downgrade(empty, "base")
    metadata.create_all(engine)
    assert shape(engine) == migrated


def test_alembic_finds_no_drift_on_postgresql(postgres_url: str) -> None:
    upgrade(postgres_url)
    engine = open_engine(postgres_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_several_processes_may_migrate_at_once(empty: str, engine: Engine) -> None:
    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(upgrade, empty) for _ in range(1 if engine.dialect.name == "sqlite" else 4)]:
            done.result()
    assert SqlGauges(engine).schema_revision() == newest_revision()


def test_a_migration_that_fails_leaves_the_database_as_it_was(empty: str, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE purchase_attempts (id INTEGER)"))  # where the last table would go
    before = things(engine)
    with pytest.raises(Exception, match=r"already exists|does not do its part"):
        upgrade(empty)
    assert things(engine) == before
    assert SqlGauges(engine).schema_revision() is None


def test_a_database_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        upgrade("postgresql://nobody@127.0.0.1:1/nowhere")


def test_without_migrations_it_says_where_it_looked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(migrate, "_PLACES", [tmp_path / "migrations"])
    with pytest.raises(LookupError, match=str(tmp_path)):
        newest_revision()
    (tmp_path / "migrations" / "versions").mkdir(parents=True)
    (tmp_path / "migrations" / "env.py").write_text("")
    with pytest.raises(LookupError, match="no migrations"):
        newest_revision()


def test_an_installed_wheel_finds_its_migrations_beside_itself(tmp_path: Path) -> None:
    site = tmp_path / "site 100%-packages"
    for package in ("adapters", "application", "domain"):
        shutil.copytree(ROOT / "src" / package, site / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "migrations", site / "migrations", ignore=shutil.ignore_patterns("__pycache__"))
    program = (
        "import adapters, sys; from adapters.sql.migrate import upgrade; upgrade(sys.argv[1]); print(adapters.__file__)"
    )
    url = f"sqlite:///{tmp_path / 'new.db'}"
    environment = os.environ | {"PYTHONPATH": str(site)}
    told = subprocess.run(
        [sys.executable, "-c", program, url], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert told.stdout.strip().startswith(str(site))
    assert SqlGauges(open_engine(url)).schema_revision() == newest_revision()


@pytest.fixture
def alembic(empty: str) -> Callable[..., str]:
    """The command, as one who writes a migration calls it."""

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "alembic", *arguments]
        environment = os.environ | {"DATABASE_URL": empty}
        told = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert told.returncode == 0, told.stderr
        return told.stdout

    return run


def test_the_command_of_alembic_finds_everything_in_the_checkout(alembic: Callable[..., str], engine: Engine) -> None:
    alembic("upgrade", "head")
    assert f"{newest_revision()} (head)" in alembic("current")
    if engine.dialect.name == "postgresql":
        assert "No new upgrade operations" in alembic("check")
