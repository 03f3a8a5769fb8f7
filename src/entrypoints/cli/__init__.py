"""The `tollgram` command. Nothing heavy is imported before a command runs, so that help is there at once."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import rich_click as click

P = ParamSpec("P")

EXIT_CODES = "Exit codes: 0 done, 1 it did not work or something is wrong, 2 wrong usage or wrong settings."
STOPPED = "Exit codes: 0 stopped as told, 1 it did not work, 2 wrong usage or wrong settings."
EXAMINED = "Exit codes: 0 nothing is wrong, 1 something is."
PORT = click.IntRange(1, 65535)


def _plainly(command: Callable[P, int | None]) -> Callable[P, None]:
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


@click.group(epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="tollgram", message="tollgram %(version)s")
def main() -> None:
    """Sells access inside Telegram, and tells every other service who may come in.

    Settings come from the environment and from a .env file in the current folder.
    """


@main.command(epilog=STOPPED)
@click.option("--port", default=8000, show_default=True, type=PORT, help="Where the service listens.")
@click.option("--sandbox-port", default=8081, show_default=True, type=PORT, help="Where the sandbox listens.")
@_plainly
def up(port: int, sandbox_port: int) -> int:
    """Run all of it: migrate, serve, and without a bot token the sandbox beside it."""
    from entrypoints.cli.up import up

    return up(port=port, sandbox_port=sandbox_port)


@main.command(epilog=STOPPED)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", default=8000, show_default=True, type=PORT, help="The port to listen at.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes.")
@_plainly
def serve(host: str, port: int, workers: int) -> None:
    """Serve webhooks and the API, and carry messages."""
    from entrypoints.cli.serving import serve

    serve(host=host, port=port, workers=workers)


@main.command(epilog=EXIT_CODES)
@_plainly
def migrate() -> None:
    """Bring the database to the newest schema."""
    from entrypoints.cli.serving import migrate

    click.echo(migrate())


@main.command(epilog=STOPPED)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", default=8081, show_default=True, type=PORT, help="The port to listen at.")
@_plainly
def sandbox(host: str, port: int) -> None:
    """A local Telegram and Stripe to play against, with a chat page."""
    from entrypoints.cli.serving import sandbox

    sandbox(host=host, port=port)


@main.command(epilog=EXAMINED)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="For programs: healthy, and findings with verdict, subject, finding, remedy.",
)
@_plainly
def doctor(as_json: bool) -> int:
    """Check settings, database, schema, catalog, Telegram and Stripe, and say how to mend what is wrong."""
    from entrypoints.cli.doctor import doctor

    return doctor(as_json=as_json)


@main.group()
def catalog() -> None:
    """What is sold."""


@catalog.command("check", epilog="Exit codes: 0 no mistakes, 1 there are some, or it can't be read.")
@click.argument("path", required=False, type=click.Path(path_type=Path))
@_plainly
def check_catalog(path: Path | None) -> int:
    """Validate a catalog and tell every mistake in it, each with its place."""
    from entrypoints.cli.catalog import check

    return check(path)


@main.command(epilog=EXIT_CODES)
@click.option("--user", "user_id", type=click.IntRange(1, 2**52 - 1), required=True, help="The Telegram user id.")
@click.option("--scope", "scopes", multiple=True, help="Repeated, or several separated by spaces.")
@click.option("--hours", default=24, show_default=True, type=click.IntRange(1, 24 * 365), help="How long it is good.")
@_plainly
def token(user_id: int, scopes: tuple[str, ...], hours: int) -> None:
    """Print a signed token for trying the API."""
    from entrypoints.cli.token import make_token

    click.echo(make_token(user_id=user_id, scopes=tuple(" ".join(scopes).split()), hours=hours))


@main.group()
def webhook() -> None:
    """The bots' webhook registration at Telegram."""


def _bot_option(command: Callable[P, None]) -> Callable[P, None]:
    return click.option("--bot", default=None, help="Only this bot; otherwise all of them.")(command)


@webhook.command("set", epilog=EXIT_CODES)
@_bot_option
@_plainly
def set_webhook(bot: str | None) -> int:
    """Have Telegram deliver to this service, at PUBLIC_URL."""
    from entrypoints.cli.webhook import set_webhook

    return set_webhook(bot)


@webhook.command("info", epilog=EXIT_CODES)
@_bot_option
@click.option("--json", "as_json", is_flag=True, help="For programs: by bot, what Telegram says, or error.")
@_plainly
def webhook_info(bot: str | None, as_json: bool) -> int:
    """Show what Telegram says of the registration."""
    from entrypoints.cli.webhook import webhook_info

    return webhook_info(bot, as_json=as_json)


@webhook.command("delete", epilog=EXIT_CODES)
@_bot_option
@_plainly
def delete_webhook(bot: str | None) -> int:
    """Have Telegram deliver no more. Updates that wait are kept there for a day."""
    from entrypoints.cli.webhook import delete_webhook

    return delete_webhook(bot)


@main.command(epilog="Exit codes: 0 all is explained, 1 something is not or could not be asked, 2 wrong settings.")
@click.option("--since", default=None, help="Stripe from this day or RFC 3339 time on, not from our first start.")
@click.option("--dry-run", is_flag=True, help="Look and tell; change nothing.")
@click.option("--json", "as_json", is_flag=True, help="For programs: by ledger, what was found and what became of it.")
@_plainly
def reconcile(since: str | None, dry_run: bool, as_json: bool) -> int:
    """Hold our books against the providers' ledgers, and repair what is missing."""
    from entrypoints.cli.reconcile import reconcile

    return reconcile(since=since, dry_run=dry_run, as_json=as_json)


_by = click.option("--by", "actor", default=None, help="Who decides; otherwise who runs this command.")


def _decision(command: Callable[P, None]) -> Callable[P, None]:
    """Who decides, and why; both go on the audit trail."""
    reason = click.option("--reason", required=True, help="Why; kept on the audit trail.")
    return reason(_by(command))


@main.command(epilog=EXIT_CODES)
@click.argument("charge_id")
@click.option("--reason", default="asked for at the terminal", show_default=True, help="Kept on the audit trail.")
@_by
@click.option("--outside", is_flag=True, help="It was given back already, at the payment provider; record that.")
@_plainly
def refund(charge_id: str, reason: str, actor: str | None, outside: bool) -> int:
    """Give the charge with this id back. Access ends when the provider has confirmed."""
    from entrypoints.cli.refund import refund

    return refund(charge_id, reason=reason, actor=actor, outside=outside)


@main.command(epilog=EXIT_CODES)
@click.argument("user_id", metavar="USER", type=click.IntRange(1, 2**52 - 1))
@click.argument("plan_code", metavar="PLAN")
@_decision
@click.option("--duration", default=None, help='As "2 weeks" or "lifetime"; otherwise as long as the plan lasts.')
@_plainly
def grant(user_id: int, plan_code: str, reason: str, actor: str | None, duration: str | None) -> int:
    """Give a plan to a user, from now or from the end of what they hold of it."""
    from entrypoints.cli.grants import grant

    return grant(user_id, plan_code, reason=reason, actor=actor, duration=duration)


@main.command(epilog=EXIT_CODES)
@click.argument("entitlement_id", metavar="ENTITLEMENT")
@_decision
@_plainly
def revoke(entitlement_id: str, reason: str, actor: str | None) -> int:
    """End a grant at once. Later time of the plan moves up; money that paid for it stays, unlike with a refund."""
    from entrypoints.cli.grants import revoke

    return revoke(entitlement_id, reason=reason, actor=actor)


@main.group(invoke_without_command=True, epilog=EXIT_CODES)
@click.pass_context
def quarantine(context: click.Context) -> None:
    """Payments that moved and that no rule lets us grant: each waits for a person. Alone, it lists them."""
    if context.invoked_subcommand is None:
        context.invoke(list_quarantine)


@quarantine.command("list", epilog=EXIT_CODES)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@_plainly
def list_quarantine(as_json: bool) -> int:
    """Show what waits, the newest first."""
    from entrypoints.cli.quarantine import list_quarantine

    return list_quarantine(as_json=as_json)


@quarantine.command("grant", epilog=EXIT_CODES)
@click.argument("payment_id")
@_decision
@click.option("--plan", "plan_code", default=None, help="The plan to open; otherwise the invoice's.")
@click.option("--user", "user_id", type=click.IntRange(1, 2**52 - 1), default=None, help="For whom; else who paid.")
@_plainly
def grant_quarantined(
    payment_id: str, reason: str, actor: str | None, plan_code: str | None, user_id: int | None
) -> int:
    """Open the door for this payment."""
    from entrypoints.cli.quarantine import grant

    return grant(payment_id, reason=reason, actor=actor, plan_code=plan_code, user_id=user_id)


@quarantine.command("refund", epilog=EXIT_CODES)
@click.argument("payment_id")
@_decision
@_plainly
def refund_quarantined(payment_id: str, reason: str, actor: str | None) -> int:
    """Give this payment back."""
    from entrypoints.cli.quarantine import refund

    return refund(payment_id, reason=reason, actor=actor)


_SEQUENCE = click.IntRange(0, 2**53 - 1)


@main.group(epilog=EXIT_CODES)
def events() -> None:
    """What other services are told of, and the endpoints that it is pushed to."""


@events.command("list", epilog=EXIT_CODES)
@click.option("--after", type=_SEQUENCE, default=0, help="Only those with higher numbers.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many at most.")
@click.option("--user", "user_id", type=click.IntRange(1, 2**52 - 1), default=None, help="Only this user's.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@_plainly
def list_events(after: int, limit: int, user_id: int | None, as_json: bool) -> int:
    """Show events, the oldest first."""
    from entrypoints.cli.events import list_events

    return list_events(after=after, limit=limit, user_id=user_id, as_json=as_json)


@events.command("endpoints", epilog="Exit codes: 0 all are pushed to, 1 one is disabled, 2 wrong settings.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@_plainly
def list_endpoints(as_json: bool) -> int:
    """Show how pushing to each endpoint goes."""
    from entrypoints.cli.events import list_endpoints

    return list_endpoints(as_json=as_json)


@events.command("replay", epilog=EXIT_CODES)
@click.argument("endpoint")
@click.option("--after", type=_SEQUENCE, required=True, help="Begin behind this number.")
@click.option("--until", type=_SEQUENCE, default=2**53 - 1, help="End with this number; otherwise with the newest.")
@_plainly
def replay_events(endpoint: str, after: int, until: int) -> int:
    """Push events to ENDPOINT once more: what it had, and what was given up."""
    from entrypoints.cli.events import replay

    return replay(endpoint, after=after, until=until)


@events.command("enable", epilog=EXIT_CODES)
@click.argument("endpoint")
@click.option("--skip", is_flag=True, help="Let go of all that waits for it, and begin with what happens from now on.")
@_plainly
def enable_endpoint(endpoint: str, skip: bool) -> int:
    """Push to ENDPOINT again, which was disabled after three days of failures or by its own answer 410."""
    from entrypoints.cli.events import enable

    return enable(endpoint, skip=skip)


@main.group(epilog=EXIT_CODES)
def console() -> None:
    """The operators' console, at /console."""


@console.command("hash", epilog=EXIT_CODES)
@_plainly
def hash_password() -> None:
    """Print the hash of a password, for CONSOLE_USERS_JSON. It is asked for, or read from standard input."""
    from entrypoints.cli.console import make_hash

    click.echo(make_hash())


@main.group(invoke_without_command=True, epilog=EXIT_CODES)
@click.pass_context
def passport(context: click.Context) -> None:
    """The keys that sign passports. Alone, it lists them."""
    if context.invoked_subcommand is None:
        context.invoke(list_passport_keys)


@passport.command("list", epilog=EXIT_CODES)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@_plainly
def list_passport_keys(as_json: bool) -> int:
    """Show which key signs, and which are published."""
    from entrypoints.cli.passport import list_keys

    return list_keys(as_json=as_json)


@passport.command("rotate", epilog=EXIT_CODES)
@click.option("--compromised", is_flag=True, help="A key is in wrong hands: a new one signs at once, no other counts.")
@_plainly
def rotate_passport_keys(compromised: bool) -> int:
    """Make the next key: published now, it signs in 15 minutes, and the old one goes when nobody needs it."""
    from entrypoints.cli.passport import rotate_keys

    return rotate_keys(compromised=compromised)
