"""Asks Telegram, now and then, where it delivers each bot's updates: elsewhere, others are told of our payments."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import IO

import structlog

from adapters.telegram.bot_api import BotApiError
from adapters.telegram.webhook import BotApiWebhook, WebhookInfo
from adapters.telemetry.metrics import Metrics
from domain.ids import BotName

OF_ALL_WORKERS = "PROMETHEUS_MULTIPROC_DIR"
"""The folder that the workers of one service have in common, where there are several."""
LOCK = "webhooks.lock"
log = structlog.get_logger("tollgram")


@dataclass(slots=True)
class WebhookWatch:
    """`every` zero: never. The first time is one span after the start, when whoever starts us has set the webhook. Of
    several workers one asks, and when it ends another."""

    webhooks: Mapping[BotName, BotApiWebhook]
    expected: Mapping[BotName, str]
    metrics: Metrics
    every: timedelta
    _due: float = 0.0
    _turn: IO[str] | None = None
    _elsewhere: dict[BotName, str] = field(default_factory=dict)

    def __call__(self) -> int:
        """Ask where it is time to; always 0, since nothing is left to do at once."""
        now = time.monotonic()
        if not self._due:
            self._due = now + self.every.total_seconds()
        if not self.every or now < self._due or not self._is_our_turn():
            return 0
        self._due = now + self.every.total_seconds()
        for name, webhook in self.webhooks.items():
            try:
                self._note(name, webhook.info())
            except BotApiError as problem:
                log.warning("webhook.not_asked", bot_name=name, problem=str(problem))
        return 0

    def _note(self, bot: BotName, info: WebhookInfo) -> None:
        elsewhere = info.url != self.expected[bot]
        self.metrics.webhook_elsewhere.labels(bot).set(elsewhere)
        self.metrics.webhook_pending.labels(bot).set(info.pending_update_count)
        self.metrics.webhook_failed_at.labels(bot).set(info.last_error_date or 0)
        if elsewhere and self._elsewhere.get(bot) != info.url:
            log.error("webhook.elsewhere", bot_name=bot, url=info.url, expected=self.expected[bot])
            self._elsewhere[bot] = info.url
        elif not elsewhere and self._elsewhere.pop(bot, None) is not None:
            log.info("webhook.here_again", bot_name=bot)

    def _is_our_turn(self) -> bool:
        """Whoever holds the lock keeps it until it ends."""
        folder = os.environ.get(OF_ALL_WORKERS)
        if folder is None or self._turn:
            return True
        import fcntl  # noqa: PLC0415 not everywhere; nor are several workers

        turn = (Path(folder) / LOCK).open("w")
        try:
            fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            turn.close()
            return False
        self._turn = turn
        return True
