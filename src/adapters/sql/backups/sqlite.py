"""Backups of SQLite, by its own online backup: https://www.sqlite.org/backup.html"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from adapters.sql.address import Address
from adapters.sql.backups import BackupError, Restored, Step
from adapters.sql.backups.drafts import draft_of, sync
from adapters.sql.backups.revisions import require_known
from adapters.sql.migrate import upgrade

PAGES_A_STEP: Final = 1024
LOCK_TIMEOUT_S: Final = 3.0
HEADER: Final = b"SQLite format 3\0"


class SqliteKeeper:
    unit = "pages"

    def __init__(self, database_url: str) -> None:
        self._database = Path(str(Address.read(database_url).url.database)).absolute()

    def save(self, into: Path, step: Step) -> str:
        """Writers go on meanwhile: what is read is one snapshot, held open from the first page to the last."""
        if not self._database.is_file():
            raise BackupError(f"There is no database at {self._database}.", "Is DATABASE_URL right?")
        with draft_of(into) as draft:
            with closing(_opened(self._database)) as living, closing(sqlite3.connect(draft)) as copy:
                living.execute("BEGIN")
                living.execute("SELECT count(*) FROM sqlite_master").fetchone()
                _copy(living, copy, step)
                # One file, that needs none beside it.
                copy.execute("PRAGMA journal_mode = DELETE")
                revision = require_known(_checked(copy, into))
            sync(draft)
            draft.replace(into)
            sync(into.parent)
        return revision

    def put_back(self, backup: Path, step: Step, *, force: bool) -> Restored:
        """What was there is kept beside it under another name."""
        aside: Path | None = None
        with self._alone(force=force):
            pass  # said before anything is copied
        with draft_of(self._database) as draft:
            with closing(_backup(backup)) as kept, closing(sqlite3.connect(draft)) as copy:
                revision = require_known(_checked(kept, backup))
                _copy(kept, copy, step)
            upgrade(f"sqlite:///{draft}")
            with closing(sqlite3.connect(draft, isolation_level=None)) as copy:
                copy.execute("PRAGMA journal_mode = DELETE")
                _checked(copy, backup)
            sync(draft)
            with self._alone(force=force) as living:
                if living:
                    # All of it in one file, so that one name is all there is to change.
                    living.execute("PRAGMA journal_mode = DELETE")
                    aside = self._aside()
                    _name_too(self._database, aside)
                draft.replace(self._database)
            sync(self._database.parent)
        return Restored(revision=revision, aside=str(aside) if aside else None)

    def left_aside(self) -> str | None:
        return None  # there is no moment without a database

    @contextmanager
    def _alone(self, *, force: bool) -> Iterator[sqlite3.Connection | None]:
        """Nobody else has the database open until the end; None where there is none."""
        if not self._database.exists():
            yield None
            return
        with closing(_opened(self._database)) as living:
            # Whoever uses it, be it idle, has a share in it that forbids this.
            with _busy_is(_in_use(self._database)):
                living.execute("PRAGMA locking_mode = EXCLUSIVE")
                living.execute("BEGIN EXCLUSIVE")
            filled = living.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'").fetchone()[0]
            living.execute("ROLLBACK")
            if filled and not force:
                raise BackupError(
                    f"The database {self._database} is not empty.",
                    "To have the backup take its place: --force. What is there is kept under another name.",
                )
            yield living

    def _aside(self) -> Path:
        return self._database.with_name(f"{self._database.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}")


def _name_too(path: Path, other: Path) -> None:
    """The same file under another name as well, so that the first is never without one: whoever died in between would
    leave no database, and the next start would make an empty one."""
    try:
        other.hardlink_to(path)
    except OSError:  # there are file systems without
        path.rename(other)


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=LOCK_TIMEOUT_S, isolation_level=None)


def _backup(path: Path) -> sqlite3.Connection:
    try:
        with path.open("rb") as file:
            ours = file.read(len(HEADER)) == HEADER
    except FileNotFoundError:
        raise BackupError(f"There is no file {path}.", "Name the file that tollgram backup has written.") from None
    if not ours:
        raise BackupError(f"{path} is no SQLite database.", "DATABASE_URL names SQLite: is it the right file?")
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


def _copy(source: sqlite3.Connection, target: sqlite3.Connection, step: Step) -> None:
    def told(_status: int, remaining: int, total: int) -> None:
        step(total - remaining, total)

    source.backup(target, pages=PAGES_A_STEP, progress=told, sleep=0)


def _checked(database: sqlite3.Connection, path: Path) -> str | None:
    """The revision of its schema. Raises BackupError where a page, an index or a reference is broken."""
    try:
        broken = [said for (said,) in database.execute("PRAGMA integrity_check(1)") if said != "ok"]
        broken += [f"a row of {table} refers to none" for table, *_ in database.execute("PRAGMA foreign_key_check")][:1]
        if not broken:
            with suppress(sqlite3.OperationalError):
                row = database.execute("SELECT version_num FROM alembic_version").fetchone()
                return str(row[0]) if row else None
            return None
    except sqlite3.DatabaseError as problem:
        broken = [str(problem)]
    raise BackupError(f"{path} is damaged: {broken[0]}.", "Take another backup. Nothing was changed.")


@contextmanager
def _busy_is(problem: BackupError) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as refused:
        if refused.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise
        raise problem from None


def _in_use(path: Path) -> BackupError:
    return BackupError(
        f"The database {path} is in use.", "Stop the service, and whatever else has it open. Nothing was changed."
    )
