"""The whole database in one file, and back: as it is at one moment, checked, and on the disk before it has its name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from adapters.sql.address import Address

Step = Callable[[int, int | None], None]
"""Told how much is done, and of how much where that is known."""


class BackupError(Exception):
    """What stands in the way, and what to do about it; neither bears a password."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.remedy = remedy


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """`revision` is the schema's that the backup was made at; `aside` says where what was there before is kept."""

    revision: str
    aside: str | None


class Keeper(Protocol):
    """One kind of database. `unit` is what steps count."""

    unit: str

    def save(self, into: Path, step: Step) -> str:
        """Write a backup of the living database, check it and have it on the disk; the revision of its schema."""

    def put_back(self, backup: Path, step: Step, *, force: bool) -> Restored:
        """Put the backup in place of an empty database, or with `force` of any that nobody uses, all of it or nothing,
        and bring it to the newest schema."""

    def left_aside(self) -> str | None:
        """Where there is what a restore put aside and never put anything in place of, since its process died. Raises
        BackupError."""


def keeper_of(database_url: str) -> Keeper:
    """Raises ValueError for an address that is none."""
    if Address.read(database_url).url.get_backend_name() == "sqlite":
        from adapters.sql.backups.sqlite import SqliteKeeper  # noqa: PLC0415

        return SqliteKeeper(database_url)
    from adapters.sql.backups.postgresql import PostgresqlKeeper  # noqa: PLC0415

    return PostgresqlKeeper(database_url)
