"""A backup is the whole database at one moment, and a restored one learns from the ledgers what it lacks."""

import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import psycopg.sql
import pytest

from adapters.sql.backups import keeper_of
from adapters.sql.backups.sqlite import SqliteKeeper
from adapters.sql.migrate import downgrade, newest_revision
from tests.integration.buying import buy, entitlements_of, newcomer, payments_of, settled
from tests.integration.conftest import set_webhook
from tests.integration.sandbox_server import SandboxServer
from tests.integration.service import CATALOG, Service
from tests.postgres import binaries

pytest_plugins = ["tests.integration.databases"]

CALM = {"RECONCILE_EVERY_SECONDS": "0"}
BALLAST = 12 << 20


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, telegram: SandboxServer, tmp_path: Path) -> Iterator[Service]:
    """It compares ledgers only when told to."""
    settings = dict(CALM)
    if request.param == "postgresql":
        settings |= {
            "DATABASE_URL": request.getfixturevalue("postgres_url"),
            "PATH": f"{binaries()}{os.pathsep}{os.environ['PATH']}",
        }
    telegram.reset()
    with Service(tmp_path, telegram.url, settings) as running:
        set_webhook(telegram, running)
        running.run("reconcile")  # our time here begins
        yield running


@pytest.fixture
def idle(migrated_sqlite: Path, tmp_path: Path) -> Service:
    """Settings, a catalog and a database; nothing runs."""
    (tmp_path / "catalog.toml").write_text(CATALOG)
    (tmp_path / "tollgram.db").write_bytes(migrated_sqlite.read_bytes())
    return Service(tmp_path, "http://127.0.0.1:1")


def statuses(service: Service, user: int) -> list[str]:
    return [payment["status"] for payment in payments_of(service, user)]


@pytest.mark.threat(50)
def test_what_was_paid_after_the_backup_is_granted_once_and_what_went_back_opens_nothing(
    shop: Service, telegram: SandboxServer
) -> None:
    before, given_back, after, both = (newcomer(telegram) for _ in range(4))
    buy(shop, telegram, before)
    charge = buy(shop, telegram, given_back).charge_id
    buy(shop, telegram, both, "day_pass")
    saved = json.loads(shop.run("backup", "kept.backup", "--json").stdout)
    telegram.refund(charge)
    buy(shop, telegram, after)
    buy(shop, telegram, both, "day_pass")
    settled(telegram)
    in_use = shop.run("restore", "kept.backup", "--force", check=False)
    shop.stop()
    not_empty = shop.run("restore", "kept.backup", check=False)

    restored = shop.run("restore", "kept.backup", "--force", "--reconcile", check=False)

    assert saved == {
        "file": str(shop.folder / "kept.backup"),
        "bytes": (shop.folder / "kept.backup").stat().st_size,
        "schema": newest_revision(),
    }
    assert (in_use.returncode, "is in use" in in_use.stderr) == (1, True)
    assert (not_empty.returncode, "is not empty" in not_empty.stderr) == (1, True)
    assert restored.returncode == 0, restored
    assert "What was there is kept as " in restored.stdout
    assert restored.stdout.endswith("Everything found is settled.\n")
    shop.start()
    assert [statuses(shop, user) for user in (before, given_back, after, both)] == [
        ["granted"],
        ["refunded"],
        ["granted"],
        ["granted", "granted"],
    ]
    assert [len(entitlements_of(shop, user)) for user in (before, given_back, after, both)] == [1, 1, 1, 2]
    assert [shop.allowed(user, "signals") for user in (before, given_back, after, both)] == [True, False, True, True]
    assert shop.run("reconcile").stdout.count("Nothing is missing on either side.") == 1
    again = shop.run("backup", "again.backup")
    assert "checked" in again.stdout


def test_a_backup_is_one_moment_also_while_others_write(idle: Service) -> None:
    database, copy = idle.folder / "tollgram.db", idle.folder / "kept.db"
    stop = threading.Event()
    with closing(sqlite3.connect(database)) as filled:
        filled.execute("INSERT INTO stripe_events VALUES ('e', 't', 0, 'o', ?, 'x', 0)", [bytes(BALLAST)])
        filled.commit()

    def write() -> None:
        with closing(sqlite3.connect(database, timeout=30)) as living:
            for number in range(1_000_000):
                living.execute("INSERT INTO purchase_attempts (user_id, at) VALUES (1, ?)", [number])
                living.execute("INSERT INTO seen_updates VALUES ('main', ?, 0)", [number])
                living.commit()
                if stop.is_set():
                    return

    writer = threading.Thread(target=write)
    writer.start()
    steps: list[tuple[int, int | None]] = []
    try:
        revision = keeper_of(f"sqlite:///{database}").save(copy, lambda done, of: steps.append((done, of)))
    finally:
        stop.set()
        writer.join()

    tables = ("purchase_attempts", "seen_updates")
    with closing(sqlite3.connect(copy)) as kept:
        attempts, updates = (kept.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables)
    assert revision == newest_revision()
    assert attempts == updates
    assert len(steps) > 1
    assert len({of for _, of in steps}) == 1, "it began anew"
    assert steps[-1][0] == steps[-1][1]
    assert sorted(path.name for path in idle.folder.iterdir() if "kept" in path.name) == ["kept.db"]
    assert copy.stat().st_mode & 0o077 == 0


def test_a_file_that_is_there_is_replaced_only_when_told_to(idle: Service) -> None:
    (idle.folder / "kept.db").write_text("precious")

    refused = idle.run("backup", "kept.db", check=False)
    assert (refused.returncode, (idle.folder / "kept.db").read_text()) == (1, "precious")
    assert refused.stderr.splitlines() == [
        "kept.db is there already.",
        "Choose another name, or have it replaced: --force",
    ]
    assert "schema" in idle.run("backup", "kept.db", "--force").stdout


def test_an_older_backup_is_brought_to_the_newest_schema(idle: Service) -> None:
    downgrade(f"sqlite:///{idle.folder}/tollgram.db", "0005")
    idle.run("backup", "old.db")
    (idle.folder / "tollgram.db").unlink()

    told = json.loads(idle.run("restore", "old.db", "--json").stdout)
    ran = idle.run("restore", "old.db", "--force")

    assert told == {
        "file": str(idle.folder / "old.db"),
        "schema": newest_revision(),
        "brought_from": "0005",
        "kept_aside": None,
        "reconciled": None,
    }
    assert f"brought from schema 0005 to {newest_revision()}" in ran.stdout
    assert "tollgram reconcile" in ran.stdout
    assert "schema: " not in ran.stderr
    assert idle.run("migrate").stdout.startswith("The database is at the newest schema")


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        pytest.param("missing", "There is no file kept.db.", id="one that is not there"),
        pytest.param("text", "kept.db is no SQLite database.", id="no database at all"),
        pytest.param("short", "kept.db is damaged: ", id="half of one"),
        pytest.param("foreign", "It holds no schema of Tollgram's.", id="somebody else's database"),
        pytest.param("newer", "It was made at schema 9999, and this version knows them up to ", id="a newer version's"),
    ],
)
def test_no_other_file_takes_the_place_of_the_database(idle: Service, broken: str, said: str) -> None:
    kept, before = idle.folder / "kept.db", (idle.folder / "tollgram.db").read_bytes()
    keeper_of(f"sqlite:///{idle.folder}/tollgram.db").save(kept, lambda done, of: None)
    match broken:
        case "missing":
            kept.unlink()
        case "text":
            kept.write_text("a letter")
        case "short":
            kept.write_bytes(kept.read_bytes()[: kept.stat().st_size // 2])
        case "foreign":
            kept.unlink()
            with closing(sqlite3.connect(kept)) as other:
                other.execute("CREATE TABLE recipes (name)")
        case "newer":
            with closing(sqlite3.connect(kept)) as newer:
                newer.execute("UPDATE alembic_version SET version_num = '9999'")
                newer.commit()

    ran = idle.run("restore", "kept.db", "--force", check=False)

    what, remedy = ran.stderr.splitlines()
    assert (ran.returncode, what.startswith(said)) == (1, True), ran
    assert remedy
    assert (idle.folder / "tollgram.db").read_bytes() == before
    assert [path.name for path in idle.folder.iterdir() if path.name.endswith(".part")] == []


@pytest.mark.parametrize("command", [("backup",), ("restore", "--force")], ids=" ".join)
def test_postgresql_s_missing_programs_are_named_with_their_package(
    idle: Service, postgres_url: str, command: tuple[str, ...]
) -> None:
    idle.settings = {"DATABASE_URL": postgres_url, "PATH": str(idle.folder)}
    (idle.folder / "kept.dump").write_bytes(b"PGDMP")

    ran = idle.run(*command, "kept.dump", *(["--force"] if command == ("backup",) else []), check=False)

    assert ran.returncode == 1
    assert "is not installed here" in ran.stderr
    assert "apt-get install postgresql-client" in ran.stderr


@pytest.mark.threat(34)
@pytest.mark.parametrize("command", [("backup", "kept.dump"), ("restore", "there.dump")], ids=lambda named: named[0])
def test_a_server_that_is_not_there_is_told_without_its_password(idle: Service, command: tuple[str, ...]) -> None:
    idle.settings = {
        "DATABASE_URL": "postgresql://ada:canary@127.0.0.1:1/tollgram",
        "PATH": f"{binaries()}{os.pathsep}{os.environ['PATH']}",
    }
    (idle.folder / "there.dump").write_bytes(b"PGDMP nonsense")

    ran = idle.run(*command, check=False)

    assert ran.returncode == 1
    assert len(ran.stderr.splitlines()) == 2
    assert "canary" not in ran.stderr
    assert not (idle.folder / "kept.dump").exists()


def test_a_restore_into_postgresql_that_fails_leaves_what_was_there(idle: Service, postgres_url: str) -> None:
    idle.settings = {"DATABASE_URL": postgres_url, "PATH": f"{binaries()}{os.pathsep}{os.environ['PATH']}"}
    idle.run("migrate")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("INSERT INTO seen_updates VALUES ('main', 1, now())")
        # What can be dumped and not be put back: a row that today's rule would not let in.
        rule = "FUNCTION small(number int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT number < {}'"
        connection.execute("CREATE " + rule.format(100))
        connection.execute("CREATE TABLE picky (number int CHECK (public.small(number)))")
        connection.execute("INSERT INTO picky VALUES (11)")
        connection.execute("CREATE OR REPLACE " + rule.format(10))
    idle.run("backup", "kept.dump")

    ran = idle.run("restore", "kept.dump", "--force", check=False)

    assert ran.returncode == 1, ran
    assert "pg_restore ended with code 1" in ran.stderr
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT count(*) FROM seen_updates").fetchone() == (1,)
        schemas = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'before%'").fetchall()
    assert schemas == []


@pytest.mark.parametrize("again", ["the backup", "what was there"])
def test_after_a_restore_that_was_killed_no_empty_database_takes_its_place(
    idle: Service, postgres_url: str, again: str
) -> None:
    idle.settings = {"DATABASE_URL": postgres_url, "PATH": f"{binaries()}{os.pathsep}{os.environ['PATH']}"}
    idle.run("migrate")
    idle.run("backup", "kept.dump")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("INSERT INTO seen_updates VALUES ('main', 1, now())")
    deadly = idle.folder / "deadly"
    deadly.mkdir()
    (deadly / "pg_restore").write_text(
        f'#!/bin/sh\ncase "$*" in *--dbname*) kill -9 $PPID;; esac\nexec {binaries()}/pg_restore "$@"\n'
    )
    (deadly / "pg_restore").chmod(0o755)
    whole = idle.settings["PATH"]
    idle.settings["PATH"] = f"{deadly}{os.pathsep}{whole}"
    assert idle.run("restore", "kept.dump", "--force", check=False).returncode == -9
    idle.settings["PATH"] = whole

    ran = idle.run("migrate", check=False)

    assert ran.returncode == 1, ran
    assert "put all of it aside as the schema before_restore_" in ran.stderr
    if again == "the backup":
        idle.run("restore", "kept.dump")
    else:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            [(aside,)] = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'before%'").fetchall()
            connection.execute("DROP SCHEMA public")
            connection.execute(
                psycopg.sql.SQL("ALTER SCHEMA {} RENAME TO public").format(psycopg.sql.Identifier(aside))
            )
    idle.run("migrate")
    with psycopg.connect(postgres_url) as connection:
        expected = 0 if again == "the backup" else 1
        assert connection.execute("SELECT count(*) FROM seen_updates").fetchone() == (expected,)


def test_while_a_restore_changes_the_name_there_is_a_database_at_every_moment(
    idle: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = idle.folder / "tollgram.db"
    idle.run("backup", "kept.db")
    seen: list[bool] = []
    replace = Path.replace

    def watched(path: Path, target: Path) -> Path:
        if target == database:
            seen.append(database.is_file())
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", watched)
    restored = SqliteKeeper(f"sqlite:///{database}").put_back(idle.folder / "kept.db", lambda *_: None, force=True)

    assert seen == [True]
    assert restored.aside
    assert Path(restored.aside).read_bytes()[:16] == database.read_bytes()[:16]
