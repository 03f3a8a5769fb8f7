"""Whether this version knows the schema of a backup."""

from adapters.sql.backups import BackupError
from adapters.sql.migrate import newest_revision, revisions


def require_known(revision: str | None) -> str:
    """Raises BackupError for what is no database of ours, or one of a newer version."""
    if revision is None:
        raise BackupError("It holds no schema of Tollgram's.", "Is it the right file? Nothing was changed.")
    if revision not in revisions():
        raise BackupError(
            f"It was made at schema {revision}, and this version knows them up to {newest_revision()}.",
            "Restore it with the version that made it, or a newer one. Nothing was changed.",
        )
    return revision
