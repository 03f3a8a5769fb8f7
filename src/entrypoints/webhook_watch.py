"""Asks Telegram, every minute, whether the bots' updates still come to us: whoever has a token can lead them away."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from adapters.telegram.bot_api import BotApiError, Refused
from adapters.telegram.calls import Bot
from adapters.telegram.webhook import BotApiWebhook, WebhookInfo
from adapters.telemetry.metrics import Gauges
from application.ports.surroundings import Clock
from domain.ids import BotName

EVERY_S = 60.0
FIRST_AFTER_S = 5.0
"""Whoever starts the service may set the webhook right afterwards."""
REFUSES_TOKENS = (401, 404)
log = structlog.get_logger("tollgram")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What Telegram told of a bot's webhook, and when. `problem` is why its updates do not come to us, empty where
    they do; `pending` is None where Telegram tells nothing but that it refuses the token."""

    at: datetime
    problem: str = ""
    pending: int | None = None
    last_error: str = ""
    last_error_at: datetime | None = None


@dataclass
class WebhookWatch:
    """`expected` is where a bot's updates should go. What Telegram could not be asked stays as it was told last, and
    of what it was never asked by this process nothing is `told`."""

    bots: Mapping[BotName, Bot]
    expected: Callable[[BotName], str]
    clock: Clock
    told: dict[BotName, Told] = field(default_factory=dict)

    def __call__(self) -> int:
        """Ask once for each bot; always 0, since nothing is left to do at once."""
        for name, bot in self.bots.items():
            try:
                info = BotApiWebhook(bot).info()
            except BotApiError as problem:
                log.warning("webhook.not_asked", bot=name, problem=str(problem))
                if isinstance(problem, Refused) and problem.code in REFUSES_TOKENS:
                    self._note(name, Told(at=self.clock.now(), problem="Telegram refuses the token"))
            else:
                self._note(name, self._told(name, info))
        return 0

    def gauges(self) -> Gauges:
        told = self.told.copy()
        return {
            "telegram_webhook_registered": {bot: int(not one.problem) for bot, one in told.items()},
            "telegram_webhook_pending_updates": {
                bot: float(one.pending) for bot, one in told.items() if one.pending is not None
            },
        }

    def _told(self, name: BotName, info: WebhookInfo) -> Told:
        problem = "they go elsewhere" if info.url else "no webhook is set"
        return Told(
            at=self.clock.now(),
            problem="" if info.url == self.expected(name) else problem,
            pending=info.pending_update_count,
            last_error=info.last_error_message or "",
            last_error_at=info.last_error_at,
        )

    def _note(self, name: BotName, told: Told) -> None:
        """In the log only what has changed."""
        before = self.told.get(name)
        self.told[name] = told
        if not told.problem and before and before.problem:
            log.info("webhook.ours", bot=name)
        elif told.problem and not (before and before.problem):
            log.error("webhook.not_ours", bot=name, problem=f"{told.problem}: see tollgram doctor")
