"""`tollgram webhook set | info | delete`."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import msgspec
import rich_click as click

from adapters.telegram.bot_api import BotApi, BotApiError
from adapters.telegram.limits import BeyondLimits
from adapters.telegram.texts import Texts
from adapters.telegram.webhook import BotApiWebhook
from domain.ids import BotName
from entrypoints.cli.failure import FAILED, WORKED, WRONG, CommandError
from entrypoints.settings import TELEGRAM_API, Settings, SettingsError


def webhook_address(settings: Settings, bot: BotName) -> str:
    """Where Telegram is to deliver the updates of that bot."""
    return f"{settings.public_url}/api/v1/telegram/{bot}/webhook"


def set_webhook(only: str | None) -> int:
    """Register every bot's webhook and its menu of commands."""
    settings = Settings.load()
    if not settings.webhook_secrets:
        raise SettingsError(["TELEGRAM_WEBHOOK_SECRET: is missing; without it anybody could report payments"])
    if settings.telegram_api_base == TELEGRAM_API and urlsplit(settings.public_url).scheme != "https":
        raise SettingsError(["PUBLIC_URL: must be an https:// address that Telegram can reach"])
    worst = WORKED
    for name, webhook in _webhooks(settings, only):
        address = webhook_address(settings, name)
        try:
            webhook.set(address, settings.webhook_secrets[0])
            webhook.set_my_commands(Texts(support_contact=settings.support_contact))
            click.echo(f"{name}: updates go to {address}")
        except (BotApiError, BeyondLimits) as problem:
            click.secho(f"{name}: not set: {problem}", err=True, fg="red")
            worst = FAILED
    return worst


def webhook_info(only: str | None, *, as_json: bool) -> int:
    """What Telegram says of each bot's registration."""
    settings = Settings.load()
    worst, found = WORKED, {}
    for name, webhook in _webhooks(settings, only):
        try:
            info = found[name] = webhook.info()
        except BotApiError as problem:
            click.secho(f"{name}: {problem}", err=True, fg="red")
            worst = FAILED
            continue
        if not as_json:
            click.echo(f"{name}: {info.url or 'no webhook is set'}; {info.pending_update_count} updates wait")
            if info.last_error_message and info.last_error_at:
                click.echo(f"  last trouble {info.last_error_at:%Y-%m-%d %H:%M:%S} UTC: {info.last_error_message}")
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    return worst


def delete_webhook(only: str | None) -> int:
    """Have Telegram keep the updates to itself."""
    worst = WORKED
    for name, webhook in _webhooks(Settings.load(), only):
        try:
            webhook.delete()
            click.echo(f"{name}: no webhook any more; updates wait at Telegram for a day")
        except BotApiError as problem:
            click.secho(f"{name}: not deleted: {problem}", err=True, fg="red")
            worst = FAILED
    return worst


def _webhooks(settings: Settings, only: str | None) -> Iterator[tuple[BotName, BotApiWebhook]]:
    if not settings.bot_tokens:
        raise SettingsError(["TELEGRAM_BOT_TOKEN: is missing; set it, or TELEGRAM_BOT_TOKENS_JSON for several bots"])
    if only is not None and only not in settings.bot_tokens:
        raise CommandError(
            f"There is no bot {only!r}.", f"The settings name {', '.join(sorted(settings.bot_tokens))}.", WRONG
        )
    for name, token in settings.bot_tokens.items():
        if only in (None, name):
            yield name, BotApiWebhook(BotApi(token, base=settings.telegram_api_base))
