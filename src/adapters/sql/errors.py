"""What a database says, in our words."""

import sqlite3

import psycopg
from sqlalchemy.engine import ExceptionContext

from application.ports import DoubleGrant
from domain.errors import Unavailable

OUT_OF_ORDER = "The database does not do its part. Try again."
BUSY = "The database is busy. Nothing was changed; try again."

VIOLATIONS: dict[str, type[Exception]] = {
    "uq_entitlements_living_grant": DoubleGrant,
    # SQLite names the column, not the index.
    "entitlements.payment_id": DoubleGrant,
}
"""Which broken constraint means what. Whatever is not in here is a mistake of ours and stays what it is."""

# No such table, no such column, no right to it: another database than ours, or one that was not migrated.
_WRONG_DATABASE = frozenset({"42P01", "42703", "42501", "3F000"})
_IN_SQLITE = "UNIQUE constraint failed: "


def in_our_words(context: ExceptionContext) -> Exception | None:
    """Listens for SQLAlchemy's `handle_error`: what to raise instead, or None to let it pass."""
    original = context.original_exception
    if isinstance(original, psycopg.errors.UniqueViolation):
        return _violation(original.diag.constraint_name or "", original)
    if isinstance(original, sqlite3.IntegrityError):
        return _violation(str(original).removeprefix(_IN_SQLITE), original)
    if _is_out_of_order(original):
        return Unavailable(OUT_OF_ORDER)
    return None


def _violation(constraint: str, original: Exception) -> Exception | None:
    error = VIOLATIONS.get(constraint)
    return error(str(original)) if error else None


def _is_out_of_order(original: BaseException) -> bool:
    """Locked, full, hung, gone, not ours, read-only, deadlocked or not serializable; but no mistake in a statement."""
    match original:
        case psycopg.errors.ProgrammingError():
            return original.sqlstate in _WRONG_DATABASE
        case psycopg.OperationalError() | psycopg.InterfaceError() | psycopg.InternalError():
            return True
        case sqlite3.IntegrityError() | sqlite3.ProgrammingError() | sqlite3.DataError():
            return False
        case sqlite3.OperationalError() if original.sqlite_errorcode == sqlite3.SQLITE_ERROR:
            return str(original).startswith("no such ")
        case sqlite3.DatabaseError() | sqlite3.InterfaceError():
            return True
        case _:
            return False
