"""Errors as a person at a terminal reads them: what, then what to do."""

from collections.abc import Mapping

from adapters.catalog_file import CatalogError
from domain.errors import AlreadyEntitled, Conflict, InvalidRequest, NotFound, Refusal, Unavailable, UnknownPlan
from entrypoints.cli.terminal import tell
from entrypoints.settings import SettingsError

WORKED, FAILED, WRONG = 0, 1, 2
ASK_THE_DOCTOR = "To find out more, run: tollgram doctor"
NEXT_STEPS: Mapping[str, str] = {
    NotFound.code: "To see what there is: tollgram payments, tollgram quarantine, tollgram user ID",
    UnknownPlan.code: "To see which plans there are, run: tollgram catalog check",
    Conflict.code: "Nothing was changed. How it stands: tollgram payments --charge PAYMENT",
    AlreadyEntitled.code: "Nothing was changed. What they hold: tollgram user ID",
    InvalidRequest.code: "Nothing was changed. What can be typed: the command with --help",
}
"""What to do about a refusal, by its public code; whoever knows what was looked for says it better. About others, such
as a provider that is away, the doctor knows."""


_OF_A_DATABASE: Mapping[str, str] = {
    "unable to open database file": "Is DATABASE_URL right? A new database is made by: tollgram migrate",
    "no such table": "It has no schema, or an older one. Run: tollgram migrate",
    "no such column": "Its schema is an older one. Run: tollgram migrate",
    'relation "': "It has no schema, or an older one. Run: tollgram migrate",
}
"""What to do where these words of SQLite or PostgreSQL are the reason."""


class CommandError(Exception):
    """What went wrong, and what to do about it."""

    def __init__(self, what: str, remedy: str, code: int = FAILED) -> None:
        super().__init__(what)
        self.remedy = remedy
        self.code = code


def code_of(error: Exception) -> int:
    """Tell the error on standard error and give the exit code. Raises what is nobody's mistake but ours."""
    match error:
        case SettingsError():
            return _told("\n".join(error.problems), "Set it in the environment or in .env; see .env.example.", WRONG)
        case CatalogError():
            return _told(str(error), "Mend it, then run: tollgram catalog check", WRONG)
        case CommandError():
            return _told(str(error), error.remedy, error.code)
        case Unavailable():
            return _told(f"{error} {reason_of(error)}".strip(), _next_step(error), FAILED)
        case Refusal():
            return _told(str(error), NEXT_STEPS.get(error.code, ASK_THE_DOCTOR), FAILED)
        case OSError(strerror=str(words), filename=str(path)):
            return _told(f"{path}: {words}.", "Is this the right folder, and may you write there?", FAILED)
        case _:
            raise error


def _next_step(problem: Unavailable) -> str:
    """Where the database was never made, or is an older one, that is nearly always a first start or an upgrade."""
    said = str(problem.__cause__ or "")
    return next((step for words, step in _OF_A_DATABASE.items() if words in said), ASK_THE_DOCTOR)


def reason_of(problem: Unavailable) -> str:
    """What the database itself said, in one line; drivers name hosts, users and files there, never passwords."""
    said = str(problem.__cause__ or "").strip().partition("\n")[0]
    return f"It said: {said}" if said else ""


def _told(what: str, remedy: str, code: int) -> int:
    tell(what, remedy)
    return code
