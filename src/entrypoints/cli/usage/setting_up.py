"""Setting it up: `doctor`, `catalog`, `webhook`, `console`, `passport`, `token`, `completion`."""

from collections.abc import Callable

from entrypoints.cli.typed import click
from entrypoints.cli.usage.options import EXIT_CODES, USER_ID, P, alone, for_programs, plainly

A_YEAR = click.IntRange(1, 24 * 365)


@click.command(epilog="Exit codes: 0 nothing is wrong, 1 something is.")
@for_programs("For programs: healthy, and findings with verdict, subject, finding, remedy.")
@plainly
def doctor(as_json: bool) -> int:
    """Look at all that a purchase needs, and say how to mend what is wrong.

    Settings, database, schema, disk, what waits, clock, catalog, texts, passports, Stripe, event endpoints, and each
    bot's token and webhook.
    """
    from entrypoints.cli.doctor import doctor

    return doctor(as_json=as_json)


@click.group(epilog=EXIT_CODES)
def catalog() -> None:
    """What is sold."""


@catalog.command("check", epilog="Exit codes: 0 no mistakes, 1 there are some, or it can't be read.")
@click.argument("path", required=False, type=click.Path())
@for_programs("For programs: file, plans, and mistakes, each with its place.")
@plainly
def check_catalog(path: str | None, as_json: bool) -> int:
    """Validate a catalog and tell every mistake in it, each with its place."""
    from pathlib import Path  # whoever asks for help needs none

    from entrypoints.cli.catalog import check

    return check(Path(path) if path else None, as_json=as_json)


@click.group(epilog=EXIT_CODES)
def webhook() -> None:
    """The bots' webhook registration at Telegram."""


def _bot(command: Callable[P, None]) -> Callable[P, None]:
    return click.option("--bot", default=None, help="Only this bot; otherwise all of them.")(command)


@webhook.command("set", epilog=EXIT_CODES)
@_bot
@plainly
def set_webhook(bot: str | None) -> int:
    """Have Telegram deliver to this service, at PUBLIC_URL."""
    from entrypoints.cli.webhook import set_webhook

    return set_webhook(bot)


@webhook.command("info", epilog=EXIT_CODES)
@_bot
@for_programs("For programs: by bot, what Telegram says, or error.")
@plainly
def webhook_info(bot: str | None, as_json: bool) -> int:
    """Show what Telegram says of the registration."""
    from entrypoints.cli.webhook import webhook_info

    return webhook_info(bot, as_json=as_json)


@webhook.command("delete", epilog=EXIT_CODES)
@_bot
@plainly
def delete_webhook(bot: str | None) -> int:
    """Have Telegram deliver no more. Updates that wait are kept there for a day."""
    from entrypoints.cli.webhook import delete_webhook

    return delete_webhook(bot)


@click.group(invoke_without_command=True, epilog=EXIT_CODES)
@for_programs("For programs: the keys.")
@click.pass_context
def passport(context: click.Context, as_json: bool) -> None:
    """The keys that sign passports. Alone, it lists them."""
    alone(context, list_passport_keys, as_json=as_json)


@passport.command("list", epilog=EXIT_CODES)
@for_programs()
@plainly
def list_passport_keys(as_json: bool) -> int:
    """Show which key signs, and which are published."""
    from entrypoints.cli.passport import list_keys

    return list_keys(as_json=as_json)


@passport.command("rotate", epilog=EXIT_CODES)
@click.option("--compromised", is_flag=True, help="A key is in wrong hands: a new one signs at once, no other counts.")
@plainly
def rotate_passport_keys(compromised: bool) -> int:
    """Make the next key: published now, it signs in 15 minutes, and the old one goes when nobody needs it."""
    from entrypoints.cli.passport import rotate_keys

    return rotate_keys(compromised=compromised)


@click.group(epilog=EXIT_CODES)
def console() -> None:
    """The operators' console, at /console."""


@console.command("hash", epilog=EXIT_CODES)
@plainly
def hash_password() -> None:
    """Print the hash of a password, for CONSOLE_USERS_JSON. It is asked for, or read from standard input."""
    from entrypoints.cli.console import make_hash

    click.echo(make_hash())


@click.command(epilog=EXIT_CODES)
@click.option("--user", "user_id", metavar="USER", type=USER_ID, required=True, help="The Telegram user id.")
@click.option("--scope", "scopes", multiple=True, help="Repeated, or several separated by spaces.")
@click.option(
    "--hours",
    metavar="HOURS",
    default=24,
    show_default=True,
    type=click.IntRange(1, 24 * 365),
    help="How long it is good.",
)
@plainly
def token(user_id: int, scopes: tuple[str, ...], hours: int) -> None:
    """Print a signed token for trying the API."""
    from entrypoints.cli.token import make_token

    click.echo(make_token(user_id=user_id, scopes=tuple(" ".join(scopes).split()), hours=hours))


@click.command(epilog=EXIT_CODES)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
@plainly
def completion(context: click.Context, shell: str) -> None:
    """Print what has SHELL complete commands and options at the tab key.

    \b
    bash:  tollgram completion bash > ~/.local/share/bash-completion/completions/tollgram
    zsh:   tollgram completion zsh > ~/.tollgram-complete.zsh
           and in ~/.zshrc:  source ~/.tollgram-complete.zsh
    fish:  tollgram completion fish > ~/.config/fish/completions/tollgram.fish
    """
    from entrypoints.cli.completion import script

    click.echo(script(context.find_root().command, shell))


COMMANDS = (doctor, catalog, webhook, console, passport, token, completion)
