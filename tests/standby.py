"""Two PostgreSQL servers for tests that kill one: a primary, and a standby that has each commit before it is answered.

    with running_pair() as pair:
        ...                   # the service on pair.url, which names both
        pair.kill_primary()
        pair.promote()        # the standby is the primary now, alone
        pair.attach()         # the dead one is made anew, as its standby

Commits are answered once the standby has them; while there is no standby, by the primary alone.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg

from tests.postgres import (
    HASTY_SETTINGS,
    SETTINGS,
    USER,
    PostgresFailed,
    Rights,
    binaries,
    free_port,
    make_cluster,
    start,
    stop,
    within_reach,
)

REPLICATING: Final = {"wal_level": "replica", "max_wal_senders": "4", "hot_standby": "on", "wal_keep_size": "64MB"} | {
    "wal_retrieve_retry_interval": "200ms"
}
ATTACHED_WITHIN_S: Final = 30.0
SYNCHRONOUS: Final = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'"


@dataclass(slots=True)
class Server:
    """One of two, by the port that it keeps for life; it can be killed and started again."""

    programs: Path
    data: Path
    rights: Rights
    settings: dict[str, str]
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        self.process, _ = start(self.programs, self.data, self.rights, self.settings, at=self.port)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """-9 for the server and each of its processes. SIGQUIT is its own word for "at once, without tidying up"; with
        SIGSTOP it only hangs: its connections stay open, and nothing answers.
        """
        if self.process is None:
            return
        family = [] if number == signal.SIGQUIT else _children(self.process.pid)
        self.process.send_signal(number)
        for child in family:
            with suppress(ProcessLookupError):
                os.kill(child, number)
        if number != signal.SIGSTOP:
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        if self.process is not None:
            stop(self.process)
            self.process = None

    def ask(self, statement: Any) -> Any:
        address = f"postgresql://{USER}@127.0.0.1:{self.port}/postgres"
        with psycopg.connect(address, autocommit=True, connect_timeout=5) as connection:
            asked = connection.execute(statement)
            row = asked.fetchone() if asked.description else None
        return row[0] if row else None

    def program(self, name: str, *arguments: str | Path) -> None:
        ran = self.rights.run(self.programs / name, *arguments)
        if ran.returncode != 0:
            raise PostgresFailed(f"{name} ended with {ran.returncode}:\n{ran.stdout}{ran.stderr}")


@dataclass(slots=True)
class Pair:
    primary: Server
    standby: Server
    ports: tuple[int, int]

    @property
    def url(self) -> str:
        """Of both, as libpq takes it: whoever can be written is meant."""
        one, other = self.ports
        return f"postgresql://{USER}@127.0.0.1:{one},127.0.0.1:{other}/postgres?target_session_attrs=read-write"

    def attach(self) -> None:
        """Make the standby anew from the primary, and have commits wait for it from now on."""
        new = self.standby
        new.kill()
        shutil.rmtree(new.data, ignore_errors=True)
        source = f"postgresql://{USER}@127.0.0.1:{self.primary.port}/postgres?application_name=standby"
        new.program(
            "pg_basebackup",
            *(f"--pgdata={new.data}", f"--dbname={source}"),
            *("--wal-method=stream", "--checkpoint=fast", "--write-recovery-conf", "--no-sync"),
        )
        new.start()
        self._wait_for_standby("*")
        until = time.monotonic() + ATTACHED_WITHIN_S
        while self.primary.ask(SYNCHRONOUS) != 1:
            if time.monotonic() > until:
                raise PostgresFailed(f"no synchronous standby after {ATTACHED_WITHIN_S:.0f} s")
            time.sleep(0.05)

    def kill_primary(self, number: int = signal.SIGKILL) -> None:
        self.primary.kill(number)

    def promote(self) -> None:
        self.primary, self.standby = self.standby, self.primary
        self.primary.program("pg_ctl", "promote", f"--pgdata={self.primary.data}", "--wait")
        self._wait_for_standby("")

    def _wait_for_standby(self, names: str) -> None:
        self.primary.ask(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
        self.primary.ask("SELECT pg_reload_conf()")


@contextmanager
def running_pair() -> Iterator[Pair]:
    """Both running, the standby attached. From the thread that outlives them, as `running_postgres`."""
    place = Path(tempfile.mkdtemp(prefix="tollgram-pair-"))
    rights = Rights.here()
    try:
        rights.give(place)
        programs = within_reach(binaries(), place, rights)
        settings = SETTINGS | HASTY_SETTINGS | REPLICATING
        one, other = (Server(programs, place / name, rights, settings) for name in ("one", "other"))
        make_cluster(programs, one.data, rights, durable=False)
        pair = Pair(one, other, (one.port, other.port))
        try:
            one.start()
            pair.attach()
            yield pair
        finally:
            for server in (one, other):
                server.kill()
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def mortal_postgres() -> Iterator[Server]:
    """One server that can be killed, and started again on the same port with the same data."""
    place = Path(tempfile.mkdtemp(prefix="tollgram-mortal-"))
    rights = Rights.here()
    try:
        rights.give(place)
        programs = within_reach(binaries(), place, rights)
        server = Server(programs, place / "data", rights, SETTINGS | HASTY_SETTINGS)
        make_cluster(programs, server.data, rights, durable=False)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
