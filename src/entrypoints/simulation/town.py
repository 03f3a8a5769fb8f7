"""Where a story takes place: the world, the providers, the processes of the service, and how one reaches the other."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Final, TypeVar

from domain.errors import Refusal
from domain.ids import UserId
from entrypoints.simulation.service import Service
from entrypoints.simulation.stand_ins import CountedIds, CountingJournal
from entrypoints.simulation.store import Store
from entrypoints.simulation.stripe import Stripe
from entrypoints.simulation.telegram import Telegram
from entrypoints.simulation.truth import Truth
from entrypoints.simulation.watch import Watch
from entrypoints.simulation.weather import Weather
from entrypoints.simulation.world import Lost, Process, World

LEDGER_AFTER_S: Final = 800.0
"""From a change in a ledger until it is compared."""
WORK_AFTER_S: Final = 1.0
"""From a commit until the workers look at what waits."""
WORK_AGAIN_S: Final = 10.0
LEDGERS: Final = 2

Answer = TypeVar("Answer")
MakeService = Callable[..., Service]


@dataclass(slots=True)
class Town:
    world: World
    weather: Weather
    store: Store
    make: MakeService
    processes: int
    users: list[UserId]
    random: Random = field(init=False)
    telegram: Telegram = field(init=False)
    stripe: Stripe = field(init=False)
    truth: Truth = field(init=False)
    watch: Watch = field(init=False)
    services: list[Service] = field(init=False)
    journal: CountingJournal = field(default_factory=CountingJournal)
    down_until: datetime | None = None
    """While all processes are held down, until when."""
    oldest_backup: int = 0
    """After how many commits the first backup was made."""
    _work_is_due: bool = False
    _ledger_is_due: bool = False

    def __post_init__(self) -> None:
        self.random = self.world.random("town")
        self.telegram = Telegram(self.world, self.weather)
        self.stripe = Stripe(self.world, self.weather)
        self.truth = Truth(self.telegram, self.stripe)
        self.watch = Watch(self.store, self.truth)
        self.weather.restart = self.restart_later
        ids = CountedIds()
        self.services = [
            self.make(
                f"service {number}",
                world=self.world,
                store=self.store,
                telegram=self.telegram,
                stripe=self.stripe,
                ids=ids,
                journal=self.journal,
                poison=self.truth.poison,
            )
            for number in range(1, 1 + self.processes)
        ]
        self.telegram.webhook = self._telegram_webhook
        self.stripe.webhook = self._stripe_webhook
        self.telegram.down_until = self.stripe.down_until = lambda: self.down_until
        self.telegram.on_letter = self.watch.delivered
        self.telegram.on_ledger = self.stripe.on_change = self.compare_soon
        self.store.watchers += [self.watch.committed, lambda commit: self.work_soon(WORK_AFTER_S)]

    # How one reaches the service --------------------------------------------------------------------------------------

    def on_any(self, name: str, ask: Callable[[Service], Answer]) -> Answer:
        """Asked of some process, half the time of one with the least to do. Raises Lost where there is none, or it
        dies over it."""
        alive = [service for service in self.services if service.alive]
        if not alive:
            raise Lost(name)
        random = self.world.random("routing")
        if random.random() < 0.5:
            least = min(len(service.tasks) for service in alive)
            alive = [service for service in alive if len(service.tasks) == least]
        service = random.choice(alive)
        return self.world.call(name, lambda: ask(service), service)

    def later(self, seconds: float, name: str, act: Callable[[], None]) -> None:
        """Somebody does that after so many seconds, and shrugs where it does not work."""

        def bravely() -> None:
            try:
                act()
            except (Refusal, Lost):
                self.weather.seen["somebody tried in vain"] += 1

        self.world.after(seconds, lambda: self.world.spawn(name, bravely), name)

    def _telegram_webhook(self, body: bytes) -> tuple[int, bytes]:
        troubles = self.troubles
        status, reply = self.on_any("webhook", lambda service: service.telegram_webhook(body))
        self.watch.answered(body, status, undone=self.troubles > troubles)
        self.watch.judged(body, reply)
        self.watch.no_secret(reply)
        return status, reply

    def _stripe_webhook(self, body: bytes) -> int:
        troubles = self.troubles
        status = self.on_any("stripe webhook", lambda service: service.stripe_webhook(body))
        self.watch.answered(body, status, undone=self.troubles > troubles)
        return status

    @property
    def troubles(self) -> int:
        """How often the store did not do its part until now."""
        return self.store.failures + self.weather.troubles

    # Processes --------------------------------------------------------------------------------------------------------

    def restart_later(self, process: Process, seconds: float) -> None:
        self.world.after(seconds, lambda: self.restart(process), "restart")

    def restart(self, process: Process) -> None:
        if not process.alive and self.down_until is None and isinstance(process, Service):
            process.start()
            self.world.tell(process.name, "starts")
            self.work_soon(WORK_AFTER_S)

    def work_soon(self, seconds: float) -> None:
        if not self._work_is_due:
            self._work_is_due = True
            self.world.after(seconds, self._work, "work")

    def _work(self) -> None:
        self._work_is_due = False
        alive = [service for service in self.services if service.alive]
        tables = self.store.tables
        idle = not (tables.letters_waiting.keys or tables.reports_waiting.keys or tables.orders_waiting.keys)
        if not alive or idle:  # whoever is started, and whoever commits, has it looked at again
            return
        service = self.world.random("routing").choice(alive)
        self.world.spawn("workers", service.work_through, service)
        self.work_soon(WORK_AGAIN_S)

    def compare_soon(self, after_s: float = LEDGER_AFTER_S) -> None:
        if not self._ledger_is_due:
            self._ledger_is_due = True
            self.world.after(after_s, lambda: self.compare(whole=False), "ledger")

    def compare(self, *, whole: bool) -> None:
        """Have both ledgers held against our books, and again soon where that does not work."""
        self._ledger_is_due = False
        alive = [service for service in self.services if service.alive]
        if not alive:
            self.compare_soon()
            return
        service = self.world.random("routing").choice(alive)
        task = self.world.spawn("reconciler", lambda: service.reconcile(whole=whole), service)
        task.on_end.append(lambda: None if task.result else self.compare_soon())

    @property
    def ledgers_known(self) -> bool:
        """Whether both were begun to be read: from before that no restored backup can have them read."""
        return len(self.store.tables.marks.rows) == LEDGERS

    def waiting(self) -> dict[str, int]:
        """What waits to be dealt with, by its queue."""
        tables = self.store.tables
        waiting = {
            "letters": sum(len(keys) for keys in tables.letters_waiting.keys.values()),
            "reports": len(tables.reports_waiting.keys.get(True, ())),
            "refunds": len(tables.orders_waiting.keys.get(True, ())),
        }
        return {name: number for name, number in waiting.items() if number}

    def quiet(self) -> bool:
        return not self.waiting() and self.telegram.quiet and self.stripe.quiet and not self._ledger_is_due
