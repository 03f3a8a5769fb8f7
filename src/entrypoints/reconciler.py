"""Compares every ledger with our books, each when its time has come: the end of it often, all of it daily."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from application.ports.ledgers import LedgerMark
from application.ports.surroundings import Clock
from application.ports.work import UnitOfWork
from application.reconciliation import STRIPE, ReconcileStars, ReconcileStripe
from domain.errors import ProviderUnavailable, Unavailable
from domain.findings import Findings
from domain.ids import BotName

DAILY = timedelta(days=1)
AFTER_TROUBLE = timedelta(minutes=1)
"""For so long a ledger is left alone that could not be read, or that we tripped over: it would be asked each second."""
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
    _troubled_at: dict[str, datetime] = field(default_factory=dict)

    def __call__(self) -> int:
        """Compare what is due; always 0, since nothing is left to do at once. Raises Unavailable where the database
        does not do its part."""
        if not self.every:
            return 0
        with self.work.look() as tx:
            marks = {mark.ledger: mark for mark in tx.ledger_marks.all()}
        for ledger, compare in self.ledgers():
            mark = marks.get(ledger)
            whole = mark is None or self._due(mark, DAILY)
            if (whole or (mark and self._tail_due(mark))) and not self._left_alone(ledger):
                self._compare(ledger, compare, whole=whole)
        return 0

    def ledgers(self) -> Iterator[tuple[str, Callable[[bool], Findings]]]:
        for bot in self.bots:
            yield f"stars:{bot}", lambda whole, bot=bot: self.stars(bot, whole=whole)  # type: ignore[misc]
        if self.stripe:
            yield STRIPE, lambda whole: self.stripe(whole=whole)  # type: ignore[misc]

    def _compare(self, ledger: str, compare: Callable[[bool], Findings], *, whole: bool) -> None:
        try:
            compare(whole)
        except Unavailable:
            raise
        except ProviderUnavailable as problem:
            log.warning("ledger.not_read", ledger=ledger, problem=str(problem))
        except Exception as fault:  # ours: what one ledger says keeps nobody from the others
            log.error("ledger.not_read", ledger=ledger, problem=type(fault).__name__, exc_info=fault)
        else:
            return
        self._troubled_at[ledger] = self.clock.now()

    def _left_alone(self, ledger: str) -> bool:
        at = self._troubled_at.get(ledger)
        return at is not None and abs(self.clock.now() - at) < AFTER_TROUBLE

    def _due(self, mark: LedgerMark, every: timedelta) -> bool:
        last = mark.whole_read_at
        # Also where a clock that was set back since has noted it.
        return last is None or abs(self.clock.now() - last) >= every

    def _tail_due(self, mark: LedgerMark) -> bool:
        return mark.tail_read_at is None or abs(self.clock.now() - mark.tail_read_at) >= self.every
