"""Looks at a bot that is served over Telegram's own protocol: its token, who listens, and whether it is alone."""

from collections.abc import Iterator

from adapters.clock import SystemClock
from adapters.sql.engine import open_engine
from adapters.sql.telegram_logins import SqlTelegramLogins
from adapters.sql.work import SqlUnitOfWork
from adapters.telegram.bot_api import BotApi, BotApiError
from adapters.telegram.calls import Call
from adapters.telegram.mtproto.bot import MtprotoBot
from adapters.telegram.mtproto.line import TelegramApp
from adapters.telegram.webhook import BotApiWebhook
from domain.errors import Unavailable
from domain.ids import BotName
from entrypoints.examination.findings import Finding, Verdict
from entrypoints.settings import Settings


def examine_mtproto(settings: Settings, name: BotName, token: str) -> Iterator[Finding]:
    subject = f"bot {name}"
    engine = open_engine(settings.database_url)
    logins, clock = SqlTelegramLogins(SqlUnitOfWork(engine)), SystemClock()
    app = TelegramApp(
        api_id=settings.telegram_api_id,
        api_hash=settings.telegram_api_hash,
        server=settings.mtproto_server,
        dc_id=settings.mtproto_dc_id,
        key_path=settings.mtproto_key_path,
    )
    bot = MtprotoBot(token, app, logins, clock)
    try:
        me = bot.call(Call("getMe", {}))
        yield Finding(Verdict.GOOD, subject, f"known to Telegram as @{me['username']}, over its own protocol")
        if logins.holder(bot.id, clock.now()):
            yield Finding(Verdict.GOOD, subject, "a process of this service listens")
        else:
            yield Finding(Verdict.WARNING, subject, "nobody listens at the moment", "Is the service running?")
        yield from _webhook(settings, subject, token)
    except (BotApiError, OSError) as problem:
        yield Finding(
            Verdict.WRONG,
            subject,
            f"can't be logged in over MTProto: {problem}",
            "Are TELEGRAM_API_ID, TELEGRAM_API_HASH and the token right, and Telegram reachable from here?",
        )
    except Unavailable as problem:
        yield Finding(Verdict.WRONG, subject, f"its login can't be kept: {problem}", "Mend the database first.")
    finally:
        bot.close()
        engine.dispose()


def _webhook(settings: Settings, subject: str, token: str) -> Iterator[Finding]:
    """A bot has one receiver. Where the Bot API can't be asked, nothing can be said."""
    other = BotApi(token, base=settings.telegram_api_base)
    try:
        info = BotApiWebhook(other).info()
    except BotApiError:
        return
    finally:
        other.close()
    if info.url:
        yield Finding(
            Verdict.WRONG,
            subject,
            f"a webhook is set, too: {info.url}; each of the two may miss updates",
            "Run: tollgram webhook delete",
        )
