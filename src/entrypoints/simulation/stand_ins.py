"""A clock that may be wrong, ids that can be foreseen, and a journal that only counts."""

from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from application.ports.surroundings import Causes, Clock, Ids, Journal
from domain.events import Event
from domain.ids import EntitlementId, InvoiceId, PassportId, PaymentId
from entrypoints.simulation.world import World


@dataclass(slots=True)
class SkewedClock(Clock):
    world: World
    skew: timedelta = timedelta(0)

    def now(self) -> datetime:
        return self.world.now + self.skew


@dataclass(slots=True)
class CountedIds(Ids):
    """Over all processes, and never again after a restart."""

    number: int = 0

    def invoice(self) -> InvoiceId:
        return InvoiceId(f"inv_{self._next():032x}")

    def payment(self) -> PaymentId:
        return PaymentId(f"pay_{self._next():032x}")

    def entitlement(self) -> EntitlementId:
        return EntitlementId(f"ent_{self._next():032x}")

    def passport(self) -> PassportId:
        return PassportId(f"pas_{self._next():032x}")

    def _next(self) -> int:
        self.number += 1
        return self.number


@dataclass(slots=True)
class NoCauses(Causes):
    """Nobody reads the log of a simulation."""

    def going_on(self, cause: str, what: str, **facts: str) -> AbstractContextManager[None]:
        return nullcontext()


@dataclass(slots=True)
class CountingJournal(Journal):
    seen: Counter[str] = field(default_factory=Counter)

    def record(self, *events: Event) -> None:
        for event in events:
            self.seen[type(event).__name__] += 1
