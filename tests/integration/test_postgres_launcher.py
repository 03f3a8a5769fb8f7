"""The tests' PostgreSQL is really one, is really theirs, and is gone afterwards, however they ended."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests import postgres as launcher
from tests.postgres import Postgres, PostgresFailed, running_postgres, wheel_binaries

ROOT = Path(__file__).parents[2]


def told(url: str, question: str) -> str:
    with psycopg.connect(url) as connection:
        (answer,) = connection.execute(question.encode()).fetchone() or ("",)
    return str(answer)


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").exists() and " Z " not in Path(f"/proc/{pid}/stat").read_text()


def within(seconds: float, happened: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.05)
    return happened()


@pytest.fixture
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary things that anybody may pass through, seen to be empty in the end."""
    tmp_path_factory.getbasetemp()  # pytest's own stay outside
    place = Path(tempfile.mkdtemp(prefix="launcher-"))
    place.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    yield place
    left = list(place.iterdir())
    shutil.rmtree(place)
    assert left == []


def test_each_test_has_an_empty_database_of_its_own(postgres: Postgres, postgres_url: str) -> None:
    with postgres.database() as other:
        assert other != postgres_url
        assert told(postgres_url, "select count(*) from pg_tables where schemaname = 'public'") == "0"


def test_a_database_made_like_another_has_its_tables(postgres: Postgres, postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute("create table paid (charge_id text)")

    with postgres.database(template=postgres_url.rpartition("/")[2]) as copy:
        assert told(copy, "select count(*) from paid") == "0"


def test_a_database_goes_although_somebody_is_still_connected(postgres: Postgres) -> None:
    with postgres.database() as url:
        forgotten = psycopg.connect(url)

    with forgotten, pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)


def test_it_is_in_a_hurry_and_far_from_greenwich(postgres_url: str) -> None:
    assert told(postgres_url, "show fsync") == "off"
    assert told(postgres_url, "show timezone") == "Pacific/Chatham"


def test_it_is_slow_and_safe_where_that_is_asked(temporary: Path) -> None:
    with running_postgres(durable=True) as server:
        assert told(server.url(), "show fsync") == "on"
        assert told(server.url(), "show full_page_writes") == "on"


def test_the_wheel_s_binaries_do_where_the_system_has_none(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "system_binaries", list)

    with running_postgres() as server:
        assert launcher.binaries() == wheel_binaries()[0]
        assert "PostgreSQL" in told(server.url(), "select version()")

    assert not alive(server.pid)


def test_without_any_binaries_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "system_binaries", list)
    monkeypatch.setattr(launcher, "wheel_binaries", list)

    with pytest.raises(PostgresFailed, match="neither a system package nor the wheel"), running_postgres():
        pass


def test_it_never_runs_as_root_and_its_data_are_its_own(postgres: Postgres) -> None:
    owner = Path(f"/proc/{postgres.pid}").stat()

    assert owner.st_uid != 0
    assert owner.st_uid == postgres.data.stat().st_uid
    assert postgres.data.stat().st_mode & 0o077 == 0


def test_binaries_in_a_home_that_is_closed_to_others_are_started_all_the_same(temporary: Path, tmp_path: Path) -> None:
    (binaries, *_) = wheel_binaries()
    package = binaries.parents[1]
    closed = tmp_path / "home"
    shutil.copytree(binaries.parent, closed / package.name / binaries.parent.name, symlinks=True)
    shutil.copytree(package.with_name(f"{package.name}.libs"), closed / f"{package.name}.libs", symlinks=True)
    closed.chmod(0o700)

    with running_postgres(closed / package.name / binaries.parent.name / binaries.name) as server:
        program = Path(f"/proc/{server.pid}/exe").readlink()
        # Root gives them to somebody else, who is one of those others.
        assert program.is_relative_to(temporary if os.geteuid() == 0 else closed)


def test_a_port_where_another_server_answers_is_given_up(
    postgres: Postgres, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = iter([postgres.port, launcher.free_port()])
    monkeypatch.setattr(launcher, "free_port", lambda: next(ports))

    with running_postgres() as server:
        assert server.port != postgres.port
        assert told(server.url(), "show data_directory") == str(server.data)


def test_a_server_that_does_not_start_tells_why(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(launcher.SETTINGS, "max_connections", "many")

    with pytest.raises(PostgresFailed, match='invalid value for parameter "max_connections"'), running_postgres():
        pass


def test_a_failing_test_stops_it(temporary: Path) -> None:
    with pytest.raises(ZeroDivisionError), running_postgres() as server:
        raise ZeroDivisionError

    assert not alive(server.pid)


@pytest.mark.parametrize("order", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda order: order.name)
def test_it_ends_with_the_tests_that_started_it(order: signal.Signals) -> None:
    script = (
        "import time; from tests.postgres import running_postgres\n"
        "with running_postgres() as server:\n"
        "    print(server.pid, server.data.parent, flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as tests:
        assert tests.stdout
        pid, place = tests.stdout.readline().split()
        assert alive(int(pid))

        tests.send_signal(order)

        assert within(10, lambda: not alive(int(pid)))
    if order is signal.SIGINT:
        assert not Path(place).exists()
    shutil.rmtree(place, ignore_errors=True)
