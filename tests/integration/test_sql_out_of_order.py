"""A database that does not do its part is Unavailable, soon, and forgotten when it works again."""

import os
import shutil
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, StatementError

from adapters.sql import postgresql as postgresql_module
from adapters.sql import sqlite as sqlite_module
from adapters.sql import work as work_module
from adapters.sql.address import Address
from adapters.sql.engine import open_engine
from adapters.sql.gauges import SqlGauges
from adapters.sql.limits import LOCK_TIMEOUT_S, POOL_SIZE, POOL_TIMEOUT_S
from adapters.sql.locks import hold
from adapters.sql.migrate import newest_revision
from adapters.sql.postgresql import ANSWER_TIMEOUT_S, CONNECT_TIMEOUT_S, STATEMENT_TIMEOUT_S
from adapters.sql.work import SqlUnitOfWork
from application.ports.inbox import FoundBy, Report, Source
from domain.errors import Unavailable
from tests.builders import ALICE, MAIN, charge
from tests.memory import NOON
from tests.postgres import Postgres

pytest_plugins = ["tests.integration.databases"]

TELEGRAM_WAITS_S = 10.0


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same limits, in tenths of a second."""
    for name in ("POOL_TIMEOUT_S", "LOCK_TIMEOUT_S", "STATEMENT_TIMEOUT_S", "ANSWER_TIMEOUT_S"):
        monkeypatch.setattr(postgresql_module, name, {"ANSWER_TIMEOUT_S": 1.0}.get(name, 0.3))
    for module, name in (
        (sqlite_module, "POOL_TIMEOUT_S"),
        (sqlite_module, "LOCK_TIMEOUT_S"),
        (work_module, "LOCK_TIMEOUT_S"),
    ):
        monkeypatch.setattr(module, name, 0.3)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    begun = time.monotonic()
    with pytest.raises(Unavailable):
        yield
    assert time.monotonic() - begun < seconds


def write(work: SqlUnitOfWork) -> bool:
    with work.begin() as tx:
        return tx.updates.first_seen(MAIN, 1, NOON)


def read(work: SqlUnitOfWork) -> None:
    with work.look() as tx:
        tx.payments.of([charge().key])


def test_whatever_hangs_ends_before_telegram_stops_waiting() -> None:
    assert POOL_TIMEOUT_S + max(ANSWER_TIMEOUT_S, CONNECT_TIMEOUT_S) < TELEGRAM_WAITS_S
    assert LOCK_TIMEOUT_S < STATEMENT_TIMEOUT_S < ANSWER_TIMEOUT_S


@pytest.mark.parametrize("act", [write, read])
def test_a_server_that_stopped_is_given_up_and_used_again_once_it_goes_on(
    postgres_database: str, act: Callable[[SqlUnitOfWork], object]
) -> None:
    engine = open_engine(postgres_database)
    work = SqlUnitOfWork(engine)
    act(work)
    with engine.connect() as connection:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    os.kill(pid, signal.SIGSTOP)
    try:
        with within(3):
            act(work)
        act(work)
    finally:
        os.kill(pid, signal.SIGCONT)
        engine.dispose()


def test_connections_that_were_cut_cost_one_refusal_and_are_all_replaced(
    postgres: Postgres, postgres_database: str
) -> None:
    engine = open_engine(postgres_database)
    work = SqlUnitOfWork(engine)
    with ExitStack() as opened:
        for _ in range(4):
            opened.enter_context(work.look()).payments.of([charge().key])
    with psycopg.connect(postgres.url(), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tollgram'")
    with within(1):
        read(work)
    with ExitStack() as opened:
        for _ in range(4):
            opened.enter_context(work.look()).payments.of([charge().key])
    assert write(work)
    engine.dispose()


def test_a_connection_that_is_cut_before_the_commit_leaves_nothing(postgres: Postgres, postgres_database: str) -> None:
    engine = open_engine(postgres_database)
    work = SqlUnitOfWork(engine)
    with within(1), work.begin() as tx:
        assert tx.updates.first_seen(MAIN, 1, NOON)
        with psycopg.connect(postgres.url(), autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tollgram'")
    assert write(work)
    engine.dispose()


def test_a_statement_that_takes_too_long_is_ended(postgres_database: str) -> None:
    engine = open_engine(postgres_database)
    with within(1), engine.begin() as connection:
        connection.execute(text("SELECT pg_sleep(20)"))
    engine.dispose()


def test_a_lock_that_nobody_gives_back_is_not_waited_for_without_end(engine: Engine, sql_work: SqlUnitOfWork) -> None:
    with engine.begin() as holding:
        hold(holding, [f"user:{ALICE}"])
        with within(2), sql_work.begin() as tx:
            tx.lock(users=[ALICE])
    with sql_work.begin() as tx:
        tx.lock(users=[ALICE])


def test_two_that_wait_for_each_other_are_parted(postgres_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    engine = open_engine(postgres_database)
    work = SqlUnitOfWork(engine)
    met = threading.Barrier(2)
    ends: list[str] = []

    def cross(first: int, second: int) -> None:
        try:
            with work.begin() as tx:
                tx.lock(users=[first])  # type: ignore[list-item] # any number will do
                met.wait()
                tx.lock(users=[second])  # type: ignore[list-item]
            ends.append("done")
        except Unavailable:
            ends.append("unavailable")

    threads = [threading.Thread(target=cross, args=pair) for pair in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TELEGRAM_WAITS_S)
    assert sorted(ends) == ["done", "unavailable"]
    engine.dispose()


def test_where_all_connections_are_taken_the_next_one_is_not_waited_for_without_end(engine: Engine) -> None:
    work = SqlUnitOfWork(engine)
    with ExitStack() as taken:
        for _ in range(POOL_SIZE):
            taken.enter_context(work.look())
        with within(2):
            read(work)
    read(work)


def test_a_sqlite_file_that_another_program_has_locked_is_waited_for_only_so_long(sqlite_database: str) -> None:
    engine = open_engine(sqlite_database)
    work = SqlUnitOfWork(engine)
    other = sqlite3.connect(sqlite_database.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with within(2):
        write(work)
    read(work)
    other.execute("ROLLBACK")
    assert write(work)
    other.close()
    engine.dispose()


def test_within_one_process_those_who_write_stand_in_line_and_not_without_end(sqlite_database: str) -> None:
    engine = open_engine(sqlite_database)
    work = SqlUnitOfWork(engine)
    with work.begin(), within(2):
        write(work)
    assert write(work)
    engine.dispose()


def test_a_server_that_accepts_and_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        engine = open_engine(f"postgresql://somebody@127.0.0.1:{silent.getsockname()[1]}/tollgram")
        with within(6):
            read(SqlUnitOfWork(engine))


@pytest.mark.threat(34)
def test_a_server_that_is_not_there_is_unavailable_and_no_word_of_the_password() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        engine = open_engine(f"postgresql://somebody:canary@127.0.0.1:{taken.getsockname()[1]}/tollgram")
        with pytest.raises(Unavailable) as raised:
            read(SqlUnitOfWork(engine))
    assert "canary" not in f"{raised.value!r} {raised.value.__cause__!r} {engine!r}"


def test_a_database_that_does_not_exist_is_unavailable(postgres: Postgres) -> None:
    with within(3):
        write(SqlUnitOfWork(open_engine(postgres.url("nowhere"))))


def test_a_database_that_was_never_migrated_is_unavailable(postgres_url: str, tmp_path: Path) -> None:
    for url in (postgres_url, f"sqlite:///{tmp_path / 'new.db'}"):
        engine = open_engine(url)
        for act in (write, read):
            with within(3):
                act(SqlUnitOfWork(engine))
        assert SqlGauges(engine).schema_revision() is None
        engine.dispose()


def test_a_disk_that_is_mounted_later_is_found_and_nothing_was_made_in_its_place(
    migrated_sqlite: Path, tmp_path: Path
) -> None:
    place = tmp_path / "disk" / "tollgram.db"
    engine = open_engine(f"sqlite:///{place}")
    for act in (write, read):
        with within(3):
            act(SqlUnitOfWork(engine))
    assert not place.exists()
    shutil.copy(migrated_sqlite, place)
    assert write(SqlUnitOfWork(engine))
    assert SqlGauges(engine).schema_revision() == newest_revision()
    engine.dispose()


def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0 no database" * 200)
    with within(3):
        read(SqlUnitOfWork(open_engine(f"sqlite:///{tmp_path / 'photo.jpg'}")))


def test_a_place_where_no_file_can_be_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with within(3):
        read(SqlUnitOfWork(open_engine(f"sqlite:///{tmp_path / 'file' / 'tollgram.db'}")))


def test_a_full_disk_is_unavailable_and_changes_nothing(sqlite_database: str) -> None:
    engine = open_engine(sqlite_database)
    work = SqlUnitOfWork(engine)
    with within(3), work.begin() as tx:
        connection = tx.connection
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
        for number in range(100):
            report = Report(source=Source.TELEGRAM_UPDATE, bot=MAIN, body=b"%d" % number + b"x" * 10_000)
            tx.inbox.keep([report], found_by=FoundBy.WEBHOOK, now=NOON)
    engine.dispose()
    assert write(SqlUnitOfWork(open_engine(sqlite_database)))


def test_a_mistake_in_a_statement_is_no_outage(engine: Engine) -> None:
    with pytest.raises(DBAPIError, match=r"(?i)syntax"), engine.connect() as connection:
        connection.execute(text("SELEKT 1"))
    unbound = "SELECT ?" if engine.dialect.name == "sqlite" else "SELECT %s"
    with pytest.raises(DBAPIError, match=r"(?i)parameter|binding|placeholder|syntax"), engine.connect() as connection:
        connection.exec_driver_sql(unbound, ())


def test_a_time_without_a_zone_is_refused(engine: Engine, sql_work: SqlUnitOfWork) -> None:
    naive = NOON.replace(tzinfo=None)
    with pytest.raises((StatementError, ValueError), match="has no zone"), sql_work.begin() as tx:
        tx.updates.first_seen(MAIN, 1, naive)
    with pytest.raises((StatementError, ValueError), match="has no zone"):
        SqlGauges(engine).pending_invoices(naive)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        pytest.param("", "sqlite:///path or postgresql://", id="nothing"),
        pytest.param("canary", "sqlite:///path or postgresql://", id="no address"),
        pytest.param("mysql://u:canary@h/d", "not with mysql", id="another database"),
        pytest.param(
            "postgresql://u:canary@a:1,b:x/d", "host:port,host:port", id="several servers, one with a bad port"
        ),
        pytest.param("postgresql://u:canary@a:1,/d", "host:port,host:port", id="several servers, one without a name"),
        pytest.param("sqlite://", "must be a file", id="in memory"),
        pytest.param("sqlite:///:memory:", "must be a file", id="in memory, spelled out"),
    ],
)
def test_an_address_that_is_none_is_refused_at_once_and_not_repeated(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as raised:
        open_engine(url)
    assert "canary" not in str(raised.value)


def test_a_sqlite_that_is_too_old_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 36, 0))
    with pytest.raises(ValueError, match=r"3\.37 or newer"):
        open_engine(f"sqlite:///{tmp_path / 'x.db'}")


def test_the_folder_of_a_sqlite_file_is_made(migrated_sqlite: Path, tmp_path: Path) -> None:
    place = tmp_path / "a" / "b" / "tollgram.db"
    engine = open_engine(f"sqlite:///{place}")
    assert place.parent.is_dir()
    shutil.copy(migrated_sqlite, place)
    assert write(SqlUnitOfWork(engine))
    engine.dispose()


def test_sqlite_is_set_up_so_that_a_commit_outlives_a_power_cut(sqlite_database: str) -> None:
    engine = open_engine(sqlite_database)
    with engine.connect() as connection:
        told = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    engine.dispose()
    assert told == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


@pytest.mark.parametrize(
    ("url", "several", "place"),
    [
        ("postgresql://u:p@db/t", {}, "db:5432/t"),
        (
            "postgresql://u:p@a:1,b/t",
            {"host": "a,b", "port": "1,5432", "target_session_attrs": "read-write"},
            "a:1,b:5432/t",
        ),
        (
            "postgresql://a:1,[::1]:2/t?target_session_attrs=any",
            {"host": "a,::1", "port": "1,2"},
            "a:1,::1:2/t",
        ),
    ],
)
def test_of_several_servers_the_one_that_can_be_written_is_meant(url: str, several: dict[str, str], place: str) -> None:
    address = Address.read(url)
    assert dict(address.several) == several
    assert address.place == place


def test_the_first_server_that_answers_is_taken(postgres_database: str) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        several = postgres_database.replace("@", f"@127.0.0.1:{nobody.getsockname()[1]},")
        engine = open_engine(several)
        assert write(SqlUnitOfWork(engine))
        engine.dispose()


def test_options_in_the_address_are_kept(postgres_database: str) -> None:
    engine = open_engine(f"{postgres_database}?options=-c%20work_mem%3D7MB")
    with engine.connect() as connection:
        assert connection.execute(text("SHOW work_mem")).scalar_one() == "7MB"
        assert connection.execute(text("SHOW timezone")).scalar_one() == "UTC"
        assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "300ms"
    engine.dispose()
