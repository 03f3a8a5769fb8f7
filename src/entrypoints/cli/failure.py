"""Errors as a person at a terminal reads them: what, then what to do."""

import rich_click as click

from adapters.catalog_file import CatalogError
from domain.errors import Refusal
from entrypoints.settings import SettingsError

WORKED, FAILED, WRONG = 0, 1, 2


class CommandError(Exception):
    """What went wrong, and what to do about it."""

    def __init__(self, what: str, remedy: str, code: int = FAILED) -> None:
        super().__init__(what)
        self.remedy = remedy
        self.code = code


def code_of(error: Exception) -> int:
    """Tell the error on standard error and give the exit code. Raises what is nobody's mistake but ours."""
    if isinstance(error, SettingsError):
        return _tell("\n".join(error.problems), "Set them in the environment or in .env; see .env.example.", WRONG)
    if isinstance(error, CatalogError):
        return _tell(str(error), "Mend it, then run: tollgram catalog check", WRONG)
    if isinstance(error, CommandError):
        return _tell(str(error), error.remedy, error.code)
    if isinstance(error, Refusal):
        return _tell(str(error), "Run: tollgram doctor", FAILED)
    raise error


def _tell(what: str, remedy: str, code: int) -> int:
    click.secho(what, err=True, fg="red")
    click.echo(remedy, err=True)
    return code
