"""Whether what Telegram has to tell comes to us, for each bot: by its webhook, or by a connection that is kept."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from domain.ids import BotName
from entrypoints.console.wording import lasting, number
from entrypoints.receiving import Listener
from entrypoints.webhook_watch import WebhookWatch

SOON: Final = timedelta(minutes=3)
"""Within that after the start Telegram has been asked, and connections stand."""
LONG_AGO: Final = timedelta(minutes=10)
MOST_PENDING: Final = 100
"""As many updates as may wait at Telegram while we take them."""
RECENTLY: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """How it stands with a bot's updates. `worry` is empty where nothing is to be done, `known` False where nobody can
    say yet."""

    bot: BotName
    value: str
    beside: str
    worry: str = ""
    known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """`started_at` is when this process began: another one knows nothing of what this one was told."""

    bots: tuple[BotName, ...]
    webhooks: WebhookWatch
    listeners: Mapping[BotName, Listener]
    started_at: datetime

    def at(self, now: datetime) -> Iterator[Channel]:
        for bot in sorted(self.bots):
            listener = self.listeners.get(bot)
            yield self._by_connection(bot, listener, now) if listener else self._by_webhook(bot, now)

    def _by_connection(self, bot: BotName, listener: Listener, now: datetime) -> Channel:
        begun = listener.listens or listener.was_connected
        if listener.problem or not begun:
            beside = listener.problem or "no connection was made yet"
            if not begun and now - self.started_at < SOON:
                return Channel(bot=bot, value="not known yet", beside=beside, known=False)
            worry = f"Nobody here listens to what Telegram tells {bot}: {beside}."
            return Channel(bot=bot, value="do not come", beside=beside, worry=worry)
        told = "this process is told" if listener.listens else "another process is told"
        return Channel(bot=bot, value="come in", beside=told)

    def _by_webhook(self, bot: BotName, now: datetime) -> Channel:
        told = self.webhooks.told.get(bot)
        ago = max(timedelta(0), now - (told.at if told else self.started_at))
        if told is None and ago < SOON:
            return Channel(bot=bot, value="not known yet", beside="Telegram was not asked yet", known=False)
        if told is None or ago > LONG_AGO:
            asked = f"Telegram could not be asked for {lasting(ago)}"
            worry = f"{asked} whether the updates of {bot} come to us."
            return Channel(bot=bot, value="not known", beside=asked, worry=worry, known=False)
        if told.problem:
            worry = f"The updates of {bot} do not come to us: {told.problem}."
            return Channel(bot=bot, value="do not come", beside=told.problem, worry=worry)
        waiting = told.pending or 0
        beside = f"{number(waiting) if waiting else 'none'} left at Telegram, as of {lasting(ago)} ago"
        failed = bool(told.last_error_at and now - told.last_error_at < RECENTLY)
        if waiting > MOST_PENDING or (waiting and failed):
            updates = "1 update" if waiting == 1 else f"{number(waiting)} updates"
            why = f"; it last failed to deliver: {told.last_error}" if failed else ""
            worry = f"{updates} for {bot} wait{'s' if waiting == 1 else ''} at Telegram{why}."
            return Channel(bot=bot, value="are late", beside=beside, worry=worry)
        return Channel(bot=bot, value="come in", beside=beside)
