"""`tollgram migrate`."""

from contextlib import suppress

from adapters.sql.backups import BackupError, keeper_of
from adapters.sql.migrate import newest_revision, upgrade
from entrypoints.cli.failure import CommandError
from entrypoints.settings import Settings


def migrate() -> str:
    """Bring the database to the newest schema, and say where it stands."""
    url = Settings.load().database_url
    _require_no_gap(url)
    upgrade(url)
    return f"The database is at the newest schema, {newest_revision()}."


def _require_no_gap(url: str) -> None:
    """A service that migrates at each start would otherwise begin with empty books, and nobody would be told."""
    left = None
    with suppress(BackupError):  # what stands in the way will stand in the migration's, which says it better
        left = keeper_of(url).left_aside()
    if left:
        raise CommandError(
            f"The database is empty: a restore has put all of it aside as {left}, and did not come to its end.",
            "Run that restore again. For a new database after all, rename or drop what is kept there.",
        )
