"""What several commands have in common: options, exit codes, and how errors end."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from entrypoints.cli.typed import click

P = ParamSpec("P")

EXIT_CODES = "Exit codes: 0 done, 1 it did not work or something is wrong, 2 wrong usage or wrong settings."
STOPPED = "Exit codes: 0 stopped as told, 1 it did not work, 2 wrong usage or wrong settings."
PORT = click.IntRange(1, 65535)


class _UserId(click.IntRange):
    name = "Telegram user id, which is a whole number"


class _Reason(click.ParamType[str]):
    name = "reason"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not (reason := value.strip()):
            self.fail("A reason has to say something: it is kept on the audit trail.", param, ctx)
        return reason


USER_ID = _UserId(1, 2**52 - 1)
REASON = _Reason()


def plainly(command: Callable[P, int | None]) -> Callable[P, None]:
    """Tell an error in two lines, what and what to do, and end with its code."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            code = command(*args, **kwargs)
        except Exception as error:
            from entrypoints.cli.failure import code_of

            code = code_of(error)
        raise SystemExit(code or 0)

    return run


def for_programs(what: str = "For programs.") -> Callable[[Callable[P, None]], Callable[P, None]]:
    return click.option("--json", "as_json", is_flag=True, help=what)


def alone(context: click.Context, lists: click.Command, *, as_json: bool) -> None:
    """What a group does where no command of its own is named."""
    if context.invoked_subcommand is None:
        context.invoke(lists, as_json=as_json)
    elif as_json:
        raise click.UsageError(f"--json goes behind {context.invoked_subcommand}.", context)


by = click.option("--by", "actor", default=None, help="Who decides; otherwise who runs this command.")


def decision(command: Callable[P, None]) -> Callable[P, None]:
    """Who decides, and why; both go on the audit trail."""
    reason = click.option("--reason", metavar="TEXT", type=REASON, required=True, help="Why; kept on the audit trail.")
    return reason(by(command))


def plan_codes(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """For completion at the tab key: those of the catalog, none where it can't be read."""
    from adapters.catalog_file import CatalogError, read_catalog
    from entrypoints.settings import Settings, SettingsError

    try:
        return [code for code in read_catalog(Settings.load().catalog_path).plans if code.startswith(begun)]
    except (CatalogError, SettingsError):
        return []
