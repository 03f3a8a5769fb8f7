"""Compares every ledger with our books, each when its time has come: the end of it often, all of it daily."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from application.ports.ledgers import LedgerMark
from application.ports.surroundings import Clock
from application.ports.work import UnitOfWork
from application.reconciliation import STRIPE, ReconcileStars, ReconcileStripe
from domain.errors import ProviderUnavailable
from domain.findings import Findings
from domain.ids import BotName

DAILY = timedelta(days=1)
AFTER_TROUBLE = timedelta(minutes=1)
log = structlog.get_logger("tollgram")


@dataclass(slots=True)
class Reconciler:
    """`stripe` is None where it is not set up; `every` zero: never by itself. Several processes may run it: one looks
    when another has not."""

    work: UnitOfWork
    clock: Clock
    stars: ReconcileStars
    stripe: ReconcileStripe | None
    bots: Sequence[BotName]
    every: timedelta

    def __call__(self) -> int:
        """Compare what is due; always 0, since nothing is left to do at once. Raises what our own code raised over one
        of them, once all were tried."""
        if not self.every:
            return 0
        with self.work.look() as tx:
            marks = {mark.ledger: mark for mark in tx.ledger_marks.all()}
        faults: list[Exception] = []
        for ledger, compare in self.ledgers():
            mark = marks.get(ledger)
            whole = mark is None or self._due(mark, DAILY)
            if whole or (mark and self._tail_due(mark)):
                try:
                    compare(whole)
                except ProviderUnavailable as problem:
                    log.warning("ledger.not_read", ledger=ledger, problem=str(problem))
                except Exception as fault:  # what one ledger says keeps nobody from the others
                    faults.append(fault)
        if faults:
            raise faults[0]
        return 0

    def ledgers(self) -> Iterator[tuple[str, Callable[[bool], Findings]]]:
        for bot in self.bots:
            yield f"stars:{bot}", lambda whole, bot=bot: self.stars(bot, whole=whole)  # type: ignore[misc]
        if self.stripe:
            yield STRIPE, lambda whole: self.stripe(whole=whole)  # type: ignore[misc]

    def _due(self, mark: LedgerMark, every: timedelta) -> bool:
        last = mark.whole_read_at
        # Also where a clock that was set back since has noted it.
        return last is None or abs(self.clock.now() - last) >= every

    def _tail_due(self, mark: LedgerMark) -> bool:
        return mark.tail_read_at is None or abs(self.clock.now() - mark.tail_read_at) >= self.every
