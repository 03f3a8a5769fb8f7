"""Another service that follows the feed from its beginning, and what must hold of all that it was told."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from domain.notices import Notice, NoticeType
from domain.payment import PaymentStatus
from entrypoints.simulation.store import Store
from entrypoints.simulation.store_rows import FeedRow
from entrypoints.simulation.town import Town
from entrypoints.simulation.truth import Truth

PAGE: Final = 50
OPENS: Final = (NoticeType.ENTITLEMENT_GRANTED, NoticeType.ENTITLEMENT_EXTENDED, NoticeType.ENTITLEMENT_RESTORED)
ENDS: Final = (NoticeType.ENTITLEMENT_REVOKED, NoticeType.ENTITLEMENT_SUSPENDED)
TOLD: Final[Mapping[PaymentStatus, NoticeType]] = {
    PaymentStatus.GRANTED: NoticeType.PAYMENT_SETTLED,
    PaymentStatus.QUARANTINED: NoticeType.PAYMENT_QUARANTINED,
    PaymentStatus.REFUNDED: NoticeType.PAYMENT_REFUNDED,
}


@dataclass(slots=True)
class Follower:
    """Reads on from the last number that it was given, and from nothing else."""

    town: Town
    last: int = 0
    got: dict[int, Notice] = field(default_factory=dict)
    _reading: bool = False

    def read(self) -> None:
        """Inside a task: all that there is, unless that is being done. Before it, some process looks for spans that are
        over."""
        if self._reading:
            return
        self._reading = True
        try:
            self._read()
        finally:
            self._reading = False

    def read_to_the_end(self) -> None:
        """Inside a task, once all is well: all that there is, and what is to be said of it at that moment."""
        self._read()
        self.town.watch.violations += self.judge(self.town.store, self.town.truth)

    def _read(self) -> None:
        self.town.on_any("worker", lambda service: service.note_ends())
        while page := self.town.on_any("reader", lambda service: service.read_feed(self.last, PAGE)):
            for event in page:
                if event.sequence <= self.last:
                    self.town.watch.violations.append(f"10: event {event.sequence} came after {self.last}")
                self.got[event.sequence] = event.notice
                self.last = event.sequence
            self.town.weather.seen["events were read"] += 1

    def judge(self, store: Store, truth: Truth) -> Iterator[str]:
        """Every violation, with the number of its invariant in docs/guarantees.md."""
        rows = sorted(store.tables.feed.rows.values(), key=lambda row: row.sequence or 0)
        for row in rows:
            # Numbers follow the clock, which keeps them from being given twice; a wrong clock and a backup do not.
            if row.sequence not in self.got and not (truth.restored and truth.clocks_jumped):
                yield f"10: event {row.sequence} of user {row.notice.user_id} was not read"
        yield from _payments(store, rows)
        yield from _spans(store, rows)


def _payments(store: Store, rows: list[FeedRow]) -> Iterator[str]:
    last = {row.notice.data["payment_id"]: row.notice.type for row in rows if row.notice.type.startswith("payment.")}
    for row in store.tables.payments.rows.values():
        payment = row.payment
        if payment.status in TOLD and last.get(payment.id) is not TOLD[payment.status]:
            yield f"10: {payment.charge.charge_id} is {payment.status}, and {last.get(payment.id)} was told of it last"


def _spans(store: Store, rows: list[FeedRow]) -> Iterator[str]:
    told: dict[object, list[NoticeType]] = defaultdict(list)
    for row in rows:
        if row.notice.type.startswith("entitlement."):
            told[row.notice.data["entitlement_id"]].append(row.notice.type)
    for span in store.tables.entitlements.rows.values():
        counted = Counter(told[span.id])
        if sum(counted[kind] for kind in OPENS) != 1 or told[span.id][0] not in OPENS:
            yield f"10: {span.id} was opened, and told was {told[span.id]}"
        if bool(span.revoked_at) != any(counted[kind] for kind in ENDS) or counted[NoticeType.ENTITLEMENT_EXPIRED] > 1:
            yield f"10: {span.id} was ended at {span.revoked_at}, and told was {told[span.id]}"
    if strangers := told.keys() - store.tables.entitlements.rows.keys():
        yield f"11: {strangers} were told of, and are not committed"
