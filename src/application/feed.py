"""The feed for other services: writing what happened into it, and reading it by numbers that skip nothing."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from application.ports.feed import NumberedNotice
from application.ports.surroundings import Clock, Journal
from application.ports.work import Transaction, UnitOfWork
from domain.entitlement import expires
from domain.errors import Unavailable
from domain.events import EntitlementExpired, Event
from domain.ids import EntitlementId, UserId
from domain.notices import notices, opened

NUMBERED_AT_ONCE = 1000
ENDS_AT_ONCE = 50


def tell(tx: Transaction, events: Sequence[Event], now: datetime) -> list[Event]:
    """Write into the feed what others are told of these events, and tell them back with what had to be told first.

    Whoever gets something new is told first that what they had is over, however late that is noticed: else the end
    would come after what began later. Such users must be locked.
    """
    new = opened(events)
    users = sorted({span.user_id for span in new})
    ends = note_ends(tx, now, users=users, but={span.id for span in new}) if new else []
    tx.feed.add(notices([*ends, *events], now))
    return [*ends, *events]


def note_ends(
    tx: Transaction, now: datetime, *, users: Sequence[UserId], but: AbstractSet[EntitlementId] = frozenset()
) -> list[Event]:
    """Take note of these users' spans that are over by time, each once, `but` of those that were not told of yet. The
    users must be locked."""
    over = [span for span in tx.entitlements.over(now, at_most=ENDS_AT_ONCE, users=users) if span.id not in but]
    if not over:
        return []
    new = tx.entitlements.note_over([span.id for span in over], now)
    of = {user: tx.entitlements.of_user(user) for user in {span.user_id for span in over}}
    return [EntitlementExpired(entitlement=span) for span in over if span.id in new and expires(span, of[span.user_id])]


@dataclass(frozen=True, slots=True)
class NoteEnds:
    """Notice that spans are over by time, and tell of those that nothing follows."""

    work: UnitOfWork
    clock: Clock
    journal: Journal

    def __call__(self) -> int:
        """How many spans were over."""
        with self.work.look() as tx:
            over = tx.entitlements.over(self.clock.now(), at_most=ENDS_AT_ONCE)
        if not over:
            return 0
        users = sorted({span.user_id for span in over})
        with self.work.begin() as tx:
            tx.lock(users=users)  # whatever extends or ends a span at this moment is waited for
            now = self.clock.now()
            ends = note_ends(tx, now, users=users)
            tx.feed.add(notices(ends, now))
        self.journal.record(*ends)
        return len(over)


@dataclass(frozen=True, slots=True)
class ReadFeed:
    """Events after a number, in their order. Whatever was committed before is among them."""

    work: UnitOfWork
    clock: Clock

    def __call__(self, after: int, limit: int) -> Sequence[NumberedNotice]:
        self._number()
        with self.work.look() as tx:
            return tx.feed.after(after, limit=limit)

    def newest(self) -> int:
        """The highest number that was given."""
        self._number()
        with self.work.look() as tx:
            return tx.feed.newest()

    def _number(self) -> None:
        try:
            number(self.work, self.clock)
        except Unavailable:
            return  # others write just now, or number themselves: what has a number can be read all the same


def number(work: UnitOfWork, clock: Clock) -> None:
    """Number what was committed, as far as one transaction goes."""
    with work.look() as tx:
        if not tx.feed.unnumbered():
            return
    with work.begin() as tx:
        tx.feed.number(clock.now(), at_most=NUMBERED_AT_ONCE)
