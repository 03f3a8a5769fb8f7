"""Lets the worker for refunds know at once that one was ordered, whoever ordered it."""

import threading
from dataclasses import dataclass

from application.ports import Journal
from domain.events import Event, RefundOrdered


@dataclass(frozen=True, slots=True)
class RingingJournal(Journal):
    """`journal` records what happened; an order to give money back rings the `bell` as well."""

    journal: Journal
    bell: threading.Event

    def record(self, *events: Event) -> None:
        self.journal.record(*events)
        if any(isinstance(event, RefundOrdered) for event in events):
            self.bell.set()
