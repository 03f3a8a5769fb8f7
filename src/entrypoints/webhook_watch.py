"""Asks Telegram, every minute, whether the bots' updates still come to us: whoever has a token can lead them away."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from adapters.telegram.bot_api import BotApiError, Refused
from adapters.telegram.calls import Bot
from adapters.telegram.webhook import BotApiWebhook, WebhookInfo
from adapters.telemetry.metrics import Gauges
from domain.ids import BotName

EVERY_S = 60.0
FIRST_AFTER_S = 5.0
"""Whoever starts the service may set the webhook right afterwards."""
REFUSES_TOKENS = (401, 404)
log = structlog.get_logger("tollgram")


@dataclass
class WebhookWatch:
    """`expected` is where a bot's updates should go. What Telegram could not be asked stays as it was told last."""

    bots: Mapping[BotName, Bot]
    expected: Callable[[BotName], str]
    registered: dict[BotName, bool] = field(default_factory=dict)
    pending: dict[BotName, int] = field(default_factory=dict)

    def __call__(self) -> int:
        """Ask once for each bot; always 0, since nothing is left to do at once."""
        for name, bot in self.bots.items():
            try:
                info = BotApiWebhook(bot).info()
            except BotApiError as problem:
                log.warning("webhook.not_asked", bot=name, problem=str(problem))
                if isinstance(problem, Refused) and problem.code in REFUSES_TOKENS:
                    self._note(name, registered=False, problem="Telegram refuses the token")
            else:
                self.pending[name] = info.pending_update_count
                self._compare(name, info)
        return 0

    def gauges(self) -> Gauges:
        return {
            "telegram_webhook_registered": {bot: int(ours) for bot, ours in self.registered.copy().items()},
            "telegram_webhook_pending_updates": {bot: float(number) for bot, number in self.pending.copy().items()},
        }

    def _compare(self, name: BotName, info: WebhookInfo) -> None:
        ours = info.url == self.expected(name)
        self._note(name, registered=ours, problem="its updates go elsewhere" if info.url else "no webhook is set")

    def _note(self, name: BotName, *, registered: bool, problem: str) -> None:
        """In the log only what has changed."""
        before = self.registered.get(name)
        self.registered[name] = registered
        if registered and before is False:
            log.info("webhook.ours", bot=name)
        elif not registered and before is not False:
            log.error("webhook.not_ours", bot=name, problem=f"{problem}: see tollgram doctor")
