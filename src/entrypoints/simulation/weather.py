"""What goes wrong, when, and how often it did. All of it comes from the seed."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final, TypeVar

from domain.errors import Unavailable
from entrypoints.simulation.world import Process, Task, World

Answer = TypeVar("Answer")
LATENCY_S: Final = (0.005, 0.2)
STALL_S: Final = 30.0
TURN_AFTER: Final = 12
"""Points, on the average, until others have their turn in the middle of whatever is going on."""
TORN: Final = "no answer in time"


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
    spared: frozenset[str] = frozenset()
    """Points at which nothing strikes: for scripts that choose their own."""

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
        if self.over or random.random() >= chance * min(1.0, self.strength * 50):
            return False
        self.seen[what] += 1
        return True

    def call(self, name: str, ask: Callable[[], Answer]) -> Answer:
        """Over the network: the request may get lost, and so may the answer. Raises TimedOut."""
        random = self.world.random("network")
        self.world.wait(random.uniform(*LATENCY_S))
        self.world.point(f"{name}.asked")
        if self.happens(f"{name}: request lost", 0.04, random):
            self.world.wait(10.0)
            raise TimedOut(TORN)
        answer = ask()
        self.world.point(f"{name}.done")
        if self.happens(f"{name}: answer lost", 0.04, random):
            self.world.wait(10.0)
            raise TimedOut(TORN)
        self.world.wait(random.uniform(*LATENCY_S))
        return answer

    def kill(self, name: str, task: Task[Any]) -> None:
        """The process dies here, and comes back soon."""
        if task.process is not None:
            self.seen["a process died"] += 1
            self.seen[f"died at {name}"] += 1
            self.world.tell(task.process.name, "dies", at=name)
            self.restart(task.process, 3.0)
            self.world.kill(task.process)

    def _strike(self, name: str, task: Task[Any]) -> None:
        if self.over:
            return
        random = self.world.random("strikes")
        if random.random() >= self.strength * TURN_AFTER:
            self.seen["others had their turn"] += 1
            self.world.wait(random.choice((0.0, 0.001, 0.05)))
            return
        chance = random.random()
        if task.process is not None and chance < 0.35:
            self.seen["a process died"] += 1
            self.seen[f"died at {name}"] += 1
            self.world.tell(task.process.name, "dies", at=name)
            self.restart(task.process, random.choice((0.5, 3.0, 60.0)))
            self.world.kill(task.process)
        elif name == "store.committed" and chance < 0.9:
            self.seen["committed, and nobody learnt it"] += 1
            raise Unavailable("The connection was lost after the commit.")
        elif name == "store.commit" and chance < 0.9:
            self.seen["not committed, and nobody learnt it"] += 1
            raise Unavailable("The connection was lost before the commit.")
        elif name.endswith((".asked", ".done")):
            return
        elif chance < 0.9:
            self.seen["a deadlock or a serialization failure"] += 1
            raise Unavailable("The database broke the transaction off.")
        else:
            self.seen["a stall of 30 s"] += 1
            self.world.wait(STALL_S)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)
