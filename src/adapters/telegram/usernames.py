"""What Telegram's users call our bots: needed to know a command in a group as ours, and to link to the private chat."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from adapters.telegram.bot_api import BotApiError
from adapters.telegram.calls import Bot, Call
from domain.ids import BotName


@dataclass(frozen=True, slots=True)
class Usernames:
    """Asked for once, and kept: a username changes only with a visit to @BotFather, and then a restart is due."""

    bots: Mapping[BotName, Bot]
    known: dict[BotName, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, bot: BotName) -> str | None:
        """The username without @, as far as known. Never asks Telegram, so that no update waits for it."""
        return self.known.get(bot)

    def learn(self) -> Mapping[BotName, str]:
        """Ask Telegram for those not known yet, and give what became of each that could not be learnt."""
        problems = {}
        with self._lock:
            for name, bot in self.bots.items():
                if name not in self.known:
                    try:
                        self.known[name] = str(bot.call(Call("getMe", {}))["username"])
                    except (BotApiError, LookupError, TypeError) as problem:
                        problems[name] = str(problem)
        return problems
