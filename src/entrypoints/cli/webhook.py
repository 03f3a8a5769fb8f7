"""`tollgram webhook set | info | delete`."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

from adapters.telegram.bot_api import BotApi, BotApiError
from adapters.telegram.limits import BeyondLimits
from adapters.telegram.texts import Texts
from adapters.telegram.webhook import BotApiWebhook, WebhookInfo
from domain.ids import BotName
from entrypoints.cli.failure import ASK_THE_DOCTOR, FAILED, WORKED, WRONG, CommandError
from entrypoints.cli.terminal import say, show_json, tell
from entrypoints.settings import TELEGRAM_API, Settings, SettingsError


def set_webhook(only: str | None) -> int:
    """Register every bot's webhook and its menu of commands."""
    settings = Settings.load()
    if problems := list(_not_ready(settings)):
        raise SettingsError(problems)
    worst = WORKED
    for name, webhook in _webhooks(settings, only):
        address = settings.webhook_address(name)
        try:
            webhook.set(address, settings.webhook_secrets[0])
            webhook.set_my_commands(Texts(support_contact=settings.support_contact))
            say(f"{name}: updates go to {address}")
        except (BotApiError, BeyondLimits) as problem:
            tell(f"{name}: not set: {problem}", ASK_THE_DOCTOR)
            worst = FAILED
    return worst


def webhook_info(only: str | None, *, as_json: bool) -> int:
    """What Telegram says of each bot's registration."""
    settings = Settings.load()
    worst, told = WORKED, {}
    for name, webhook in _webhooks(settings, only):
        expected = settings.webhook_address(name)
        try:
            info = webhook.info()
        except BotApiError as problem:
            told[name] = {"error": str(problem)}
            tell(f"{name}: {problem}", ASK_THE_DOCTOR)
            worst = FAILED
            continue
        told[name] = _in_json(info, expected)
        if not as_json:
            _show(name, info, expected)
    if as_json:
        show_json(told)
    return worst


def delete_webhook(only: str | None) -> int:
    """Have Telegram keep the updates to itself."""
    worst = WORKED
    for name, webhook in _webhooks(Settings.load(), only):
        try:
            webhook.delete()
            say(f"{name}: no webhook any more; updates wait at Telegram for a day")
        except BotApiError as problem:
            tell(f"{name}: not deleted: {problem}", ASK_THE_DOCTOR)
            worst = FAILED
    return worst


def _not_ready(settings: Settings) -> Iterator[str]:
    if not settings.webhook_secrets:
        yield "TELEGRAM_WEBHOOK_SECRET: is missing; without it anybody could report payments"
    if settings.telegram_api_base == TELEGRAM_API and urlsplit(settings.public_url).scheme != "https":
        yield "PUBLIC_URL: must be an https:// address that Telegram can reach"


def _show(name: BotName, info: WebhookInfo, expected: str) -> None:
    say(f"{name}: {info.url or 'no webhook is set'}")
    if info.url != expected:
        say(f"  This service's address is {expected}")
    say(f"  {info.pending_update_count} updates wait")
    if info.last_error_message and info.last_error_at:
        say(f"  Last trouble {info.last_error_at:%Y-%m-%d %H:%M:%S} UTC: {info.last_error_message}")


def _in_json(info: WebhookInfo, expected: str) -> dict[str, Any]:
    return {
        "url": info.url,
        "expected_url": expected,
        "pending_update_count": info.pending_update_count,
        "last_error_at": info.last_error_at,
        "last_error_message": info.last_error_message,
        "max_connections": info.max_connections,
        "allowed_updates": info.allowed_updates,
    }


def _webhooks(settings: Settings, only: str | None) -> Iterator[tuple[BotName, BotApiWebhook]]:
    if not settings.bot_tokens:
        raise SettingsError(["TELEGRAM_BOT_TOKEN: is missing; set it, or TELEGRAM_BOT_TOKENS_JSON for several bots"])
    if only is not None and only not in settings.bot_tokens:
        raise CommandError(
            f"There is no bot {only!r}.", f"The settings name {', '.join(sorted(settings.bot_tokens))}.", WRONG
        )
    for name, token in settings.bot_tokens.items():
        if only in (None, name):
            with closing(BotApi(token, base=settings.telegram_api_base)) as bot:
                yield name, BotApiWebhook(bot)
