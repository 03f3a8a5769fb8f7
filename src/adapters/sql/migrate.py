"""Brings a database to the newest schema."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from adapters.sql.engine import open_engine
from adapters.sql.locks import hold

if TYPE_CHECKING:
    from alembic.config import Config

# Beside us in site-packages, or beside src/ in a checkout.
_PLACES: Final = [Path(__file__).parents[above] / "migrations" for above in (2, 3)]


def upgrade(database_url: str, revision: str = "head") -> None:
    """Migrate up to that revision, all of it or nothing; also where several processes try at once.

    Raises ValueError for an address that is none, and Unavailable where the database does not do its part.
    """
    from alembic import command  # noqa: PLC0415 - a service that only serves does without

    _migrate(database_url, lambda config: command.upgrade(config, revision))


def downgrade(database_url: str, revision: str) -> None:
    """Migrate back to that revision; "base" leaves nothing."""
    from alembic import command  # noqa: PLC0415

    _migrate(database_url, lambda config: command.downgrade(config, revision))


def newest_revision() -> str:
    """The one that `upgrade` leads to."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    head = ScriptDirectory.from_config(configuration()).get_current_head()
    if head is None:
        raise LookupError("there are no migrations")
    return head


def revisions() -> frozenset[str]:
    """All that this version knows."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    return frozenset(script.revision for script in ScriptDirectory.from_config(configuration()).walk_revisions())


def configuration() -> "Config":
    """Alembic's, for the migrations that came with this code."""
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_folder()).replace("%", "%%"))
    return config


def _migrate(database_url: str, work: "Callable[[Config], None]") -> None:
    engine = open_engine(database_url, patient=True)
    try:
        with engine.begin() as connection:
            hold(connection, ["migrations"])
            config = configuration()
            config.attributes["connection"] = connection
            work(config)
    finally:
        engine.dispose()


def _folder() -> Path:
    for place in _PLACES:
        if (place / "env.py").is_file():
            return place
    raise LookupError(f"no migrations in {' or '.join(map(str, _PLACES))}")
