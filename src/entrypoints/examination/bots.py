"""Looks at each bot: is its token good, do its updates come here, and what does Telegram say of delivering them."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from urllib.parse import urlsplit

from adapters.clock import SystemClock
from adapters.telegram.bot_api import BotApi, BotApiError, Refused
from adapters.telegram.webhook import ALLOWED_UPDATES, BotApiWebhook, WebhookInfo
from domain.ids import BotName
from entrypoints.examination.findings import Finding, Verdict
from entrypoints.examination.webhooks import examine_way
from entrypoints.settings import TELEGRAM_API, Settings

RECENTLY = timedelta(hours=1)
MUST_BE_OFFERED = ("buy", "terms", "paysupport")
_SET_WEBHOOK = "Run: tollgram webhook set"


def examine_bots(settings: Settings) -> Iterator[Finding]:
    for name, token in settings.bot_tokens.items():
        yield from (_by_mtproto if settings.telegram_by_mtproto else _by_bot_api)(settings, name, token)


def _by_mtproto(settings: Settings, name: BotName, token: str) -> Iterator[Finding]:
    if not settings.telegram_api_id or not settings.telegram_api_hash:
        return  # said already
    from entrypoints.examination.mtproto import examine_mtproto

    yield from examine_mtproto(settings, name, token)


def _by_bot_api(settings: Settings, name: BotName, token: str) -> Iterator[Finding]:
    subject = f"bot {name}"
    bot = BotApi(token, base=settings.telegram_api_base)
    webhook = BotApiWebhook(bot)
    try:
        me, info, menu = webhook.get_me(), webhook.info(), webhook.get_my_commands()
    except Refused as problem:
        yield Finding(
            Verdict.WRONG,
            subject,
            f"Telegram refuses its token: {problem}",
            "Take the token that @BotFather shows now.",
        )
    except BotApiError as problem:
        yield Finding(
            Verdict.WRONG,
            subject,
            f"Telegram can't be reached: {problem}",
            f"Is {urlsplit(settings.telegram_api_base).netloc} reachable from here, and TELEGRAM_API_BASE right?",
        )
    else:
        yield Finding(Verdict.GOOD, subject, f"known to Telegram as @{me.username}")
        yield from _menu(subject, menu)
        yield from _registration(settings, subject, settings.webhook_address(name), info)
        yield from examine_way(settings, subject, name)
        yield from _deliveries(subject, info)
    finally:
        bot.close()


def _menu(subject: str, offered: Sequence[str]) -> Iterator[Finding]:
    """Telegram asks that people find these: https://core.telegram.org/bots/payments-stars#live-checklist"""
    if missing := [f"/{name}" for name in MUST_BE_OFFERED if name not in offered]:
        yield Finding(Verdict.WARNING, subject, f"its menu of commands lacks {', '.join(missing)}", _SET_WEBHOOK)


def _registration(settings: Settings, subject: str, expected: str, info: WebhookInfo) -> Iterator[Finding]:
    if settings.telegram_api_base == TELEGRAM_API and urlsplit(settings.public_url).scheme != "https":
        yield Finding(
            Verdict.WRONG,
            subject,
            f"Telegram delivers to https:// only, and PUBLIC_URL is {settings.public_url}",
            "Set PUBLIC_URL to the address by which the world reaches this service.",
        )
    elif not info.url:
        yield Finding(Verdict.WRONG, subject, "no webhook is set, so no payment is ever reported", _SET_WEBHOOK)
    elif info.url != expected:
        yield Finding(
            Verdict.WRONG,
            subject,
            f"its updates go elsewhere: to {info.url} instead of {expected}",
            f"{_SET_WEBHOOK}. If you did not set that one, have @BotFather revoke the token first.",
        )
    # Telegram names no kinds where nobody ever chose any: then it sends all the usual ones.
    elif info.allowed_updates and (missing := [kind for kind in ALLOWED_UPDATES if kind not in info.allowed_updates]):
        yield Finding(Verdict.WRONG, subject, f"Telegram is told to leave out {', '.join(missing)}", _SET_WEBHOOK)
    else:
        yield Finding(Verdict.GOOD, subject, f"its updates come to {info.url}")


def _deliveries(subject: str, info: WebhookInfo) -> Iterator[Finding]:
    at = info.last_error_at
    if at and (info.pending_update_count or SystemClock().now() - at < RECENTLY):
        yield Finding(
            Verdict.WARNING,
            subject,
            f"{info.pending_update_count} updates wait at Telegram; it last failed to deliver at "
            f"{at:%Y-%m-%d %H:%M:%S} UTC: {info.last_error_message}",
            "Is the service running, and reachable at PUBLIC_URL? A 401 means another secret: tollgram webhook set",
        )
    elif info.pending_update_count:
        yield Finding(Verdict.GOOD, subject, f"{info.pending_update_count} updates wait at Telegram")
