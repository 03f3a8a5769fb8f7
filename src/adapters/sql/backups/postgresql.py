"""Backups of PostgreSQL, by its own programs: https://www.postgresql.org/docs/current/app-pgdump.html"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import pq, sql
from psycopg.conninfo import make_conninfo

from adapters.sql.address import Address
from adapters.sql.backups import BackupError, Restored, Step
from adapters.sql.backups.drafts import draft_of, sync
from adapters.sql.backups.revisions import require_known
from adapters.sql.migrate import upgrade

ASIDE: Final = "before_restore_"
CONNECT_TIMEOUT_S: Final = 5
LOCK_TIMEOUT_S: Final = 3
MAGIC: Final = b"PGDMP"
_TABLE = re.compile(r'(?:dumping contents of table|processing data for table) "')
_REVISION = re.compile(r"^COPY \S*alembic_version \(version_num\) FROM stdin;\n(\S+)$", re.MULTILINE)


class PostgresqlKeeper:
    unit = "tables"

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._address = Address.read(database_url)

    def save(self, into: Path, step: Step) -> str:
        """pg_dump reads one snapshot, whatever is written meanwhile."""
        with self._connected() as connection:
            tables = _tables(connection)
        with draft_of(into) as draft:
            dump = ["pg_dump", "--format=custom", "--verbose", f"--file={draft}", f"--exclude-schema={ASIDE}*"]
            self._run(dump, step, len(tables))
            # Reads all of it, as a restore would.
            self._run(["pg_restore", f"--file={os.devnull}", str(draft)])
            revision = require_known(self._revision(draft))
            sync(draft)
            draft.replace(into)
            sync(into.parent)
        return revision

    def put_back(self, backup: Path, step: Step, *, force: bool) -> Restored:
        """What was there is kept in the same database as a schema of another name."""
        _require_dump(backup)
        revision = require_known(self._revision(backup))
        with self._connected() as connection:
            aside = self._make_room(connection, force=force)
        whole = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", "--verbose"]
        try:
            self._run(
                ["pg_restore", *whole, f"--dbname={make_conninfo('', dbname=self._address.url.database)}", str(backup)],
                step,
                None,
            )
            upgrade(self._url)
        except BaseException:
            if aside:
                with self._connected() as connection:
                    _swap(connection, public_to=None, public_from=aside)
            raise
        return Restored(revision=revision, aside=f"the schema {aside}" if aside else None)

    def left_aside(self) -> str | None:
        with self._connected() as connection:
            if _tables(connection):
                return None
            newest = connection.execute(
                "SELECT max(nspname::text) FROM pg_namespace WHERE starts_with(nspname, %s)", [ASIDE]
            ).fetchone()
        return f"the schema {newest[0]}" if newest and newest[0] else None

    def _make_room(self, connection: psycopg.Connection[Any], *, force: bool) -> str | None:
        others = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        ).fetchone()
        if others and others[0]:
            raise BackupError(
                f"The database {self._address.place} is in use: {others[0]} others are connected to it.",
                "Stop the service, and whatever else is connected. Nothing was changed.",
            )
        if not _tables(connection):
            return None
        if not force:
            raise BackupError(
                f"The database {self._address.place} is not empty.",
                "To have the backup take its place: --force. What is there is kept as a schema of another name.",
            )
        aside = f"{ASIDE}{datetime.now(UTC):%Y%m%dt%H%M%S%fz}"
        _swap(connection, public_to=aside, public_from=None)
        return aside

    def _revision(self, dump: Path) -> str | None:
        rows = self._run(["pg_restore", "--data-only", "--table=alembic_version", "--file=-", str(dump)])
        found = _REVISION.search(rows)
        return found[1] if found else None

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[Any]]:
        try:
            with psycopg.connect(self._conninfo(), autocommit=True) as connection:
                yield connection
        except psycopg.Error as problem:
            said = str(problem).strip().partition("\n")[0]
            raise BackupError(
                f"{self._address.place} does not do its part. It said: {said}",
                "Is the database running, DATABASE_URL right, and the user the owner of the database?",
            ) from None

    def _run(self, command: Sequence[str], step: Step | None = None, of: int | None = None) -> str:
        """What it printed. Raises BackupError with its own words where it fails."""
        program = shutil.which(command[0])
        if program is None:
            raise BackupError(
                f"{command[0]} is not installed here.",
                "It comes with PostgreSQL's client programs, of the server's version or newer: "
                "apt-get install postgresql-client, or dnf install postgresql.",
            )
        said: list[str] = []
        with (
            subprocess.Popen(  # noqa: S603 PostgreSQL's own programs
                [program, *command[1:]],
                env={**os.environ, **self._environment(), "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            ) as process
        ):
            done = 0
            for line in process.stdout or ():
                said.append(line)
                if step and _TABLE.search(line):
                    done += 1
                    step(done, of)
        if process.returncode:
            errors = [line.partition("error: ")[2].strip() for line in said if "error: " in line]
            reason = errors[0] if errors else "".join(said[-1:]).strip()
            raise BackupError(
                f"{command[0]} ended with code {process.returncode}: {reason}",
                "Is its version the server's or newer, and the file whole?",
            )
        return "".join(said)

    def _parts(self) -> dict[str, str]:
        """The address as libpq takes it, piece by piece."""
        url, several = self._address.url, self._address.several
        parts = {"host": url.host, "port": url.port, "user": url.username, "password": url.password}
        asked = {name: value if isinstance(value, str) else value[-1] for name, value in url.query.items()}
        given = {**parts, "dbname": url.database, **asked, **several}
        return {name: str(value) for name, value in given.items() if value}

    def _conninfo(self) -> str:
        return make_conninfo("", **{"connect_timeout": str(CONNECT_TIMEOUT_S), **self._parts()})

    def _name(self) -> str:
        return make_conninfo("", dbname=self._address.url.database)

    def _environment(self) -> Mapping[str, str]:
        """Never as an argument: the password would be seen in the list of processes."""
        known = {one.keyword.decode(): one.envvar.decode() for one in pq.Conninfo.get_defaults() if one.envvar}
        return {known[name]: value for name, value in self._parts().items() if name in known}


def _tables(connection: psycopg.Connection[Any]) -> list[str]:
    return [name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]


def _swap(connection: psycopg.Connection[Any], *, public_to: str | None, public_from: str | None) -> None:
    """Put what is in the schema public aside, or take away what is there and put something else in its place."""
    with connection.transaction():
        connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(f"{LOCK_TIMEOUT_S}s"))
        if public_to:
            connection.execute(sql.SQL("ALTER SCHEMA public RENAME TO {}").format(sql.Identifier(public_to)))
            connection.execute("CREATE SCHEMA public")
        if public_from:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute(sql.SQL("ALTER SCHEMA {} RENAME TO public").format(sql.Identifier(public_from)))


def _require_dump(path: Path) -> None:
    try:
        with path.open("rb") as file:
            ours = file.read(len(MAGIC)) == MAGIC
    except FileNotFoundError:
        raise BackupError(f"There is no file {path}.", "Name the file that tollgram backup has written.") from None
    if not ours:
        raise BackupError(f"{path} is no dump of PostgreSQL's.", "DATABASE_URL names PostgreSQL: is it the right file?")
