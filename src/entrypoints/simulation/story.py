"""One seed: a town of buyers, what they do, what goes wrong meanwhile, and a look at how it all ended."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from domain.ids import UserId
from entrypoints.simulation.follower import Follower
from entrypoints.simulation.mishaps import Mishaps
from entrypoints.simulation.people import People
from entrypoints.simulation.service import Service
from entrypoints.simulation.store import Store
from entrypoints.simulation.town import MakeService, Town
from entrypoints.simulation.truth import moved_at
from entrypoints.simulation.verdict import judge, may_be_forgotten
from entrypoints.simulation.weather import Weather
from entrypoints.simulation.world import World

STORM: Final = timedelta(hours=4)
QUIET_WITHIN: Final = timedelta(hours=4)
STEP: Final = timedelta(minutes=5)
READING: Final = timedelta(hours=2)
"""Until when both ledgers have been read once, at most, however often a provider does not answer."""
READS: Final = 5
FOUND_WITHIN: Final = timedelta(minutes=15)
"""Where nobody tells of a charge, and it stands in a ledger alone."""
STRENGTHS: Final = (0.0, 0.002, 0.005, 0.01, 0.02)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a seed ended. `violations` are what must not be; `seen` counts what happened, `points` the I/O boundaries."""

    seed: int
    payments: int
    violations: tuple[str, ...]
    seen: Counter[str]
    points: int
    boundaries: frozenset[str] = frozenset()
    """The names of the points."""


class Story:
    """`payments` is how many charges there are at least; how rough it gets is chosen by the seed."""

    def __init__(
        self,
        seed: int,
        *,
        payments: int = 100,
        make: MakeService = Service,
        listener: Callable[[str], None] | None = None,
    ) -> None:
        self.seed = seed
        self.payments = payments
        world = World(seed, story=listener)
        random = world.random("story")
        weather = Weather(world=world, strength=random.choice(STRENGTHS), ends_at=world.now + STORM)
        store = Store(world, one_writer=random.random() < 0.3)
        users = [UserId(number) for number in range(1, 2 + payments // 3)]
        self.random = random
        self.town = Town(world, weather, store, make, processes=random.choice((1, 2, 2, 3)), users=users)
        self.people = People(self.town)
        self.follower = Follower(self.town)
        self.calm_since = world.now

    def run(self) -> Outcome:
        world, town = self.town.world, self.town
        self._start()
        self._begin()
        world.run_until(world.now + STORM)
        self._calm()
        while town.truth.moved < self.payments:
            self._customers_come(max(3, (self.payments - town.truth.moved) * 9 // 10))
            world.run_until(world.now + timedelta(hours=3))
        self._quiet()
        self._look_for_the_overdue()
        for _ in range(2):  # the second finds nothing to do
            town.compare(whole=True)
            world.run_until(world.now + timedelta(minutes=1))
            self._quiet()
        self._read_to_the_end()
        outcome = outcome_of(self.seed, town)
        world.end()
        return outcome

    # What is going to happen ------------------------------------------------------------------------------------------

    def _start(self) -> None:
        """Where the ledgers are read for the first time, and a backup is made."""
        self.town.compare(whole=True)
        patience = self.town.world.now + READING  # there is a planted bug that never reads them
        while not self.town.ledgers_known and self.town.world.now < patience:
            self.town.world.run_until(self.town.world.now + timedelta(minutes=1))
        self.town.oldest_backup = self.town.store.commits

    def _begin(self) -> None:
        town, hours_s = self.town, STORM.total_seconds()
        users = town.users
        for _ in range(int(self.payments * 0.66)):
            user = users[0] if self.random.random() < 0.15 else self.random.choice(users)
            town.later(self.random.uniform(0, hours_s * 0.9), "buyer", lambda user=user: self.people.buy(user))  # type: ignore[misc]
        for _ in range(10):
            town.later(self.random.uniform(0, hours_s * 1.2), "service", self.people.look)
            town.later(self.random.uniform(0, hours_s), "reader", self.follower.read)
        town.later(self.random.uniform(0, hours_s), "attacker", self.people.attack)
        town.world.after(self.random.uniform(0, hours_s), lambda: town.compare(whole=True), "daily walk")
        if not town.weather.strength:
            return
        for act in (self.people.operate, self.people.operate):
            town.later(self.random.uniform(0, hours_s), "operator", act)
        mishaps = Mishaps(town)
        befalls: tuple[tuple[float, Callable[[], None]], ...] = (
            (0.2, mishaps.outage),
            (0.2, mishaps.backup_restored),
            (0.3, mishaps.failover),
            (0.5, mishaps.clock_jumps),
            (0.3, mishaps.keys_rotated),
            (0.2, mishaps.plan_withdrawn),
            (0.4, mishaps.database_away),
            (0.3, mishaps.telegram_away),
            (0.3, mishaps.stripe_away),
            (0.5, mishaps.numbers_anew),
            (0.5, mishaps.nonsense),
            (0.5, mishaps.gift),
            (0.3, mishaps.blocked),
        )
        for chance, act in befalls:
            if self.random.random() < chance:
                town.world.after(self.random.uniform(0, hours_s), act)
        town.weather.begin()

    def _calm(self) -> None:
        """Faults stop. Who is away stays so until the outage is over."""
        town = self.town
        town.weather.ends_at = min(town.weather.ends_at, town.world.now)
        town.store.away = False
        if town.down_until:
            town.world.run_until(town.down_until + timedelta(minutes=1))
        for service in town.services:
            service.clock.skew = timedelta(0)
            town.restart(service)
        self.calm_since = town.world.now

    def _customers_come(self, number: int) -> None:
        """Nothing goes wrong any more, so that what becomes of them has to be seen in time."""
        for _ in range(number):
            user = self.random.choice(self.town.users)
            self.town.later(self.random.uniform(0, 3000.0), "buyer", lambda user=user: self.people.buy(user))  # type: ignore[misc]

    def _quiet(self) -> None:
        if not self.town.world.run_until_quiet(self.town.quiet, within=QUIET_WITHIN, step=STEP):
            self.town.watch.violations.append(f"21: queues do not drain: {self.town.waiting()}")

    def _read_to_the_end(self) -> None:
        """Until nothing happens while it is read, which for some planted bugs would be never."""
        world = self.town.world
        for _ in range(READS):
            reading = world.spawn("reader", self.follower.read_to_the_end)
            world.run_until(world.now + timedelta(minutes=1))
            if not reading.done:
                self.town.watch.violations.append("10: the feed could not be read to its end")
            if not reading.done or self.town.quiet():
                return
            self._quiet()

    def _look_for_the_overdue(self) -> None:
        """By when each charge was entered: once all was well, within minutes of its being seen."""
        town = self.town
        for key, charge in town.truth.charges().items():
            if moved_at(charge) < self.calm_since or may_be_forgotten(charge, town.truth):
                continue
            row = town.store.tables.payments.rows.get(key)
            slow = key[1] in town.truth.poisoned  # our own code had to fail over it often enough first
            if row is None or (row.payment.received_at - moved_at(charge) > FOUND_WITHIN and not slow):
                town.watch.violations.append(f"1: {key[1]} was not entered within {FOUND_WITHIN}")


def outcome_of(seed: int, town: Town) -> Outcome:
    """What is to be said of it, once it is at its end."""
    watch = town.watch
    violations = [*watch.violations, *town.telegram.violations, *town.stripe.violations]
    violations += judge(town.store, town.truth)
    seen = town.weather.seen + town.journal.seen + watch.seen
    for row in town.store.tables.payments.rows.values():
        reason = f": {row.payment.quarantine_reason}" if row.payment.quarantine_reason else ""
        seen[f"{row.payment.status}{reason}"] += 1
    return Outcome(seed, town.truth.moved, tuple(violations), seen, town.world.points, frozenset(town.world.boundaries))
