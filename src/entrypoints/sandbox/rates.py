"""Telegram's own rates of sending."""

import math
import time

from entrypoints.sandbox.options import Options
from entrypoints.sandbox.refusal import too_many_requests


class Bucket:
    def __init__(self, *, per_second: float, burst: float) -> None:
        self.per_second = per_second
        self.burst = burst
        self.tokens = burst
        self.seen_at = time.monotonic()

    def wait_s(self) -> float:
        """Seconds until one may be taken; 0 when it may be taken now."""
        now = time.monotonic()
        self.tokens = min(self.burst, self.tokens + (now - self.seen_at) * self.per_second)
        self.seen_at = now
        return 0.0 if self.tokens >= 1 else (1 - self.tokens) / self.per_second


class Rates:
    """About 30 messages a second over all chats, and one a second in one chat after a short burst."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.bots: dict[int, Bucket] = {}
        self.chats: dict[tuple[int, int], Bucket] = {}

    def admit(self, bot_id: int, chat_id: int) -> None:
        """Raises 429 with whole seconds to wait; a refused message takes nothing."""
        options = self.options
        bot = self.bots.setdefault(
            bot_id, Bucket(per_second=options.messages_per_second, burst=max(1.0, options.messages_per_second))
        )
        chat = self.chats.setdefault(
            (bot_id, chat_id), Bucket(per_second=options.chat_messages_per_second, burst=options.chat_burst)
        )
        wait_s = max(bot.wait_s(), chat.wait_s())
        if wait_s > 0:
            raise too_many_requests(max(1, math.ceil(wait_s)))
        bot.tokens -= 1
        chat.tokens -= 1
