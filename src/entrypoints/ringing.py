"""Lets those who wait in this process know at once that something happened, whoever did it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from application.ports.surroundings import Journal
from domain.events import Event, RefundOrdered
from domain.notices import notices

_ANY_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Bell:
    """Calls all who listen. They are called by whatever thread rings, and must not wait."""

    listeners: list[Callable[[], object]] = field(default_factory=list)

    def listen(self, listener: Callable[[], object]) -> None:
        self.listeners.append(listener)

    def ring(self) -> None:
        for listener in self.listeners:
            listener()


@dataclass(frozen=True, slots=True)
class RingingJournal(Journal):
    """`journal` records what happened; an order to give money back rings the `bell` as well, and what stands in the
    feed for other services the `feed_bell`."""

    journal: Journal
    bell: threading.Event
    feed_bell: Bell = field(default_factory=Bell)

    def record(self, *events: Event) -> None:
        self.journal.record(*events)
        if any(isinstance(event, RefundOrdered) for event in events):
            self.bell.set()
        if self.feed_bell.listeners and any(notices([event], _ANY_TIME) for event in events):
            self.feed_bell.ring()
