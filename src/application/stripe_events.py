"""Keeping Stripe's events, each once, with what became of it."""

from dataclasses import dataclass

from application.ports.checkout import StripeEvent
from application.ports.surroundings import Clock, Journal
from application.ports.work import UnitOfWork
from domain.events import StripeEventKept


@dataclass(frozen=True, slots=True)
class KeepStripeEvent:
    """Called after what the event was about is settled, so that a crash in between has it delivered again."""

    work: UnitOfWork
    clock: Clock
    journal: Journal

    def known(self, event: StripeEvent) -> bool:
        """Whether it was kept before."""
        with self.work.look() as tx:
            return tx.stripe_events.known(event.id)

    def __call__(self, event: StripeEvent, outcome: str) -> None:
        with self.work.begin() as tx:
            tx.stripe_events.add(event, outcome, self.clock.now())
        self.journal.record(StripeEventKept(id=event.id, type=event.type, outcome=outcome))
