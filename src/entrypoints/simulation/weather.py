"""What goes wrong, when, and how often it did. All of it comes from the seed."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any, Final, TypeVar

from domain.errors import Unavailable
from entrypoints.simulation.world import Process, Task, World

Answer = TypeVar("Answer")
LATENCY_S: Final = (0.005, 0.2)
PATIENCE_S: Final = 10.0
LONGEST_S: Final = 60.0
REFUNDS_LOST: Final = 0.2
"""There are few refunds, and much hangs on each."""
STALL_S: Final = 30.0
TURN_AFTER: Final = 24
"""Points, on the average, until others have their turn in the middle of whatever is going on."""
TORN: Final = "no answer in time"
DIED_AT: Final = "died at "
"""What is counted for a boundary at which a process died begins with it."""
TELEGRAM: Final = "Telegram"
STRIPE: Final = "Stripe"


class TimedOut(Exception):
    """Nobody knows whether it was carried out."""


@dataclass(slots=True, kw_only=True)
class Weather:
    """`strength` 0 is calm. Nothing goes wrong any more from `ends_at` on. `seen` counts what did."""

    world: World
    strength: float
    ends_at: datetime
    restart: Callable[[Process, float], None] = lambda process, seconds: None
    seen: Counter[str] = field(default_factory=Counter)
    away_until: dict[str, datetime] = field(default_factory=dict)
    """Which provider can't be asked anything, and until when."""
    troubles: int = 0
    """How often the database did not do its part."""

    def begin(self) -> None:
        rough = self.world.random("weather")
        self.world.gap = lambda: max(1, int(rough.expovariate(1 / TURN_AFTER)))
        self.world.strike = self._strike
        self.world.strike_within(self.world.gap())

    @property
    def over(self) -> bool:
        return self.world.now >= self.ends_at

    def happens(self, what: str, chance: float, random: Random) -> bool:
        """Whether it goes wrong this time; counted where it does."""
        if not self.strength or self.over or random.random() >= chance * min(1.0, self.strength * 50):
            return False
        self.seen[what] += 1
        return True

    def call(
        self, name: str, ask: Callable[[], Answer], *, lost: float = 0.04, latency_s: float | None = None
    ) -> Answer:
        """Over the network: the request may get lost, and so may the answer, each of so many. Raises TimedOut."""
        random = self.world.random("network")
        self.world.wait(random.uniform(*LATENCY_S) if latency_s is None else latency_s)
        self.world.point(f"{name}.asked")
        if self.happens(f"{name}: request lost", lost, random):
            self.world.wait(PATIENCE_S)
            raise TimedOut(TORN)
        began = self.world.now
        answer = ask()
        self.world.point(f"{name}.done")
        if self.happens(f"{name}: answer lost", lost, random):
            self.world.wait(PATIENCE_S)
            raise TimedOut(TORN)
        if (self.world.now - began).total_seconds() > LONGEST_S:
            self.seen[f"{name}: too late"] += 1
            raise TimedOut(TORN)
        return answer

    def ask(self, name: str, ask: Callable[[], Answer], *, lost: float = 0.04) -> Answer:
        """As `call`, of a provider who may also be in trouble itself. Raises TimedOut."""
        random = self.world.random("providers")
        provider = STRIPE if name.startswith("stripe") else TELEGRAM
        if not self.over and self.world.now < self.away_until.get(provider, self.world.now):
            self.seen[f"{provider} was away"] += 1
            raise TimedOut("Connection refused")
        if self.happens(f"{name}: 5xx", 0.02, random):
            raise TimedOut("502 Bad Gateway")
        answer = self.call(name, ask, lost=lost)
        if self.happens(f"{name}: garbage", 0.02, random):
            raise TimedOut("an answer that nobody can read")
        return answer

    def kill(self, name: str, task: Task[Any]) -> None:
        """The process dies here, and comes back soon."""
        self._dies(name, task, 3.0)

    def _strike(self, name: str, task: Task[Any]) -> None:
        if self.over:
            return
        random = self.world.random("strikes")
        if random.random() >= self.strength * TURN_AFTER:
            self.seen["others had their turn"] += 1
            self.world.wait(random.choice((0.0, 0.02, 0.4)))
            return
        chance = random.random()
        if chance < 0.35:
            self._dies(name, task, random.choice((0.5, 3.0, 60.0)))
        elif name.endswith((".asked", ".done")):
            return
        elif chance >= 0.9:
            self.seen["a stall of 30 s"] += 1
            self.world.wait(STALL_S)
        else:
            self.troubles += 1
            self._database_fails(name)

    def _database_fails(self, name: str) -> None:
        if name == "store.committed":
            self.seen["committed, and nobody learnt it"] += 1
            raise Unavailable("The connection was lost after the commit.")
        if name == "store.commit":
            self.seen["not committed, and nobody learnt it"] += 1
            raise Unavailable("The connection was lost before the commit.")
        self.seen["a deadlock or a serialization failure"] += 1
        raise Unavailable("The database broke the transaction off.")

    def _dies(self, name: str, task: Task[Any], for_s: float) -> None:
        if task.process is None:
            return
        self.seen["a process died"] += 1
        self.seen[f"{DIED_AT}{name}"] += 1
        self.world.tell(task.process.name, "dies", at=name)
        self.restart(task.process, for_s)
        self.world.kill(task.process)
