"""`tollgram migrate`."""

from adapters.sql.migrate import newest_revision, upgrade
from entrypoints.settings import Settings


def migrate() -> str:
    """Bring the database to the newest schema, and say where it stands."""
    upgrade(Settings.load().database_url)
    return f"The database is at the newest schema, {newest_revision()}."
