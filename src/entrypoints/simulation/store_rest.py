"""The other ports over the simulated store: the trail, the inbox, ledgers, updates, attempts, and Stripe's."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from application.ports.checkout import Checkouts, Customers, KeptCheckout, StripeEvent, StripeEvents
from application.ports.inbox import FoundBy, Inbox, KeptReport, Report, Updates
from application.ports.invoices import Attempts
from application.ports.ledgers import LedgerMark, LedgerMarks
from application.ports.pages import Page, PageOf
from application.ports.trail import KeptEntry, Trail, TrailEntry, TrailFilter
from domain.errors import InvalidRequest, Unavailable
from domain.ids import BotName, InvoiceId, UserId
from entrypoints.simulation.store_money import BrokenConstraint, Port, claimable
from entrypoints.simulation.store_rows import CheckoutRow, EventRow, ReportRow


class StoreTrail(Port, Trail):
    __slots__ = ()

    def add(self, entries: Sequence[TrailEntry]) -> None:
        if entries:
            self._s.statement("trail.add")
        for entry in entries:
            self._s.insert(self._t.trail, self._t.trail.next_number(), entry)

    def found(self, wanted: TrailFilter, page: Page) -> PageOf[KeptEntry]:
        self._s.statement("trail.found")
        before = _place(page.cursor)
        own = self._s.writes.get(self._t.trail, {})
        rows = [
            KeptEntry(id=id, entry=entry)
            for id, entry in sorted({**self._t.trail.rows, **own}.items(), reverse=True)
            if (before is None or id < before)
            and wanted.user_id in (None, entry.user_id)
            and wanted.invoice_id in (None, entry.invoice_id)
            and wanted.charge_id in (None, entry.charge_id)
        ]
        shown = tuple(rows[: page.limit])
        return PageOf(items=shown, next_cursor=str(shown[-1].id) if len(rows) > page.limit else None)


def _place(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit()):
        raise InvalidRequest("The cursor is none of ours.")
    return int(cursor)


def _taken_up(row: ReportRow, kept: KeptReport, until: datetime) -> ReportRow:
    return row._replace(kept=kept, claimed_until=until)


class StoreInbox(Port, Inbox):
    __slots__ = ()

    def keep(self, reports: Sequence[Report], *, found_by: FoundBy, now: datetime, problem: str = "") -> int:
        new = 0
        if reports and found_by is FoundBy.RECONCILIATION:
            self._s.statement("inbox.keep.again")
            for row in self._of(reports):
                new += self._s.change(self._t.inbox, row.kept.id, lambda row: _again(row, now))
        if reports:
            self._s.statement("inbox.keep")
        for report in reports:
            id = self._t.inbox.next_number()
            kept = KeptReport(id=id, report=report, found_by=found_by, received_at=now, attempts=0)
            new += self._s.insert(self._t.inbox, id, ReportRow(kept, due_at=now, problem=problem))
        return new

    def claim(self, now: datetime, *, at_most: int, lease: timedelta) -> Sequence[KeptReport]:
        self._s.statement("inbox.claim.lock")
        self._s.hold("inbox")
        self._s.statement("inbox.claim")
        rows = self._s.find(self._t.inbox, self._t.reports_waiting, True)
        due = [row for row in rows if claimable(row.due_at, row.claimed_until, now, lease)]
        claimed = []
        for row in sorted(due, key=lambda row: (row.due_at, row.kept.id))[:at_most]:
            self._s.statement("inbox.claimed")
            kept = replace(row.kept, attempts=row.kept.attempts + 1)
            self._change(kept, partial(_taken_up, kept=kept, until=now + lease))
            claimed.append(kept)
        return claimed

    def done(self, kept: KeptReport, outcome: str, now: datetime) -> None:
        self._s.statement("inbox.done")
        self._change(kept, lambda row: row._replace(done_at=now, outcome=outcome, claimed_until=None))

    def retry(self, kept: KeptReport, due_at: datetime, problem: str, *, forgiven: int = 0) -> None:
        self._s.statement("inbox.retry")
        self._change(kept, lambda row: _put_off(row, due_at, problem, forgiven))

    def give_up(self, kept: KeptReport, now: datetime, problem: str) -> None:
        self._s.statement("inbox.give_up")
        self._change(kept, lambda row: row._replace(given_up_at=now, problem=problem, claimed_until=None))

    def reopen(self, now: datetime, reports: Sequence[Report] | None = None) -> int:
        self._s.statement("inbox.reopen")
        rows = self._s.all(self._t.inbox) if reports is None else self._of(reports)
        given_up = [row.kept.id for row in rows if row.given_up_at]
        return sum(
            self._s.change(self._t.inbox, id, lambda row: _anew(row, now) if row.given_up_at else None)
            for id in given_up
        )

    def _of(self, reports: Sequence[Report]) -> list[ReportRow]:
        return [row for report in reports for row in self._s.find(self._t.inbox, self._t.reports, report)]

    def _change(self, kept: KeptReport, how: Callable[[ReportRow], ReportRow]) -> None:
        self._s.change(self._t.inbox, kept.id, lambda row: how(row) if row.waits else None)


def _put_off(row: ReportRow, due_at: datetime, problem: str, forgiven: int) -> ReportRow:
    kept = replace(row.kept, attempts=max(0, row.kept.attempts - forgiven))
    return row._replace(kept=kept, due_at=due_at, problem=problem, claimed_until=None)


def _again(row: ReportRow, now: datetime) -> ReportRow | None:
    return _anew(row, now) if row.done_at else None


def _anew(row: ReportRow, now: datetime) -> ReportRow:
    return ReportRow(replace(row.kept, attempts=0, received_at=now), due_at=now, problem=row.problem)


class StoreLedgerMarks(Port, LedgerMarks):
    __slots__ = ()

    def take(self, ledger: str, now: datetime) -> LedgerMark:
        self._s.statement("ledger_marks.take.lock")
        self._s.hold(("ledger", ledger))
        self._s.statement("ledger_marks.take.add")
        self._s.insert(self._t.marks, ledger, LedgerMark(ledger=ledger, first_started_at=now))
        self._s.statement("ledger_marks.take")
        mark = self._s.read(self._t.marks, ledger)
        if mark is None:
            raise BrokenConstraint("a mark that was just made")
        return mark

    def all(self) -> Sequence[LedgerMark]:
        self._s.statement("ledger_marks.all")
        return sorted(self._s.all(self._t.marks), key=lambda mark: mark.ledger)

    def move(self, mark: LedgerMark) -> None:
        self._s.statement("ledger_marks.move")
        self._s.change(self._t.marks, mark.ledger, lambda kept: replace(mark, first_started_at=kept.first_started_at))


class StoreUpdates(Port, Updates):
    __slots__ = ()

    def first_seen(self, bot: BotName, update_id: int, now: datetime) -> bool:
        self._s.statement("updates.first_seen")
        return self._s.insert(self._t.updates, (bot, update_id), now)

    def forget(self, before: datetime) -> int:
        self._s.statement("updates.forget")
        gone = [key for key, at in self._t.updates.rows.items() if at < before]
        return sum(self._s.delete(self._t.updates, key, lambda at: at < before) for key in gone)


class StoreAttempts(Port, Attempts):
    __slots__ = ()

    def admit(self, user_id: UserId, now: datetime, *, at_most: int, within: timedelta) -> timedelta | None:
        self._s.statement("attempts.lock")
        self._s.hold(("attempts", user_id))
        self._s.statement("attempts.within")
        rows = self._s.find(self._t.attempts, self._t.attempts_of, user_id)
        # What lies further in the future than that was noted by a clock that was set back since.
        times = sorted(at for _, at in rows if now - within < at <= now + within)
        if len(times) >= at_most:
            return times[-at_most] + within - now
        self._s.statement("attempts.admit")
        self._s.insert(self._t.attempts, self._t.attempts.next_number(), (user_id, now))
        return None


class StoreCheckouts(Port, Checkouts):
    __slots__ = ()

    def of(self, invoice_id: InvoiceId) -> KeptCheckout | None:
        self._s.statement("checkouts.of")
        row = self._s.read(self._t.checkouts, invoice_id)
        return row.checkout if row else None

    def by_key(self, user_id: UserId, key: str) -> tuple[str, KeptCheckout] | None:
        self._s.statement("checkouts.by_key")
        found = self._s.find(self._t.checkouts, self._t.checkout_keys, (user_id, key))
        return (found[0].fingerprint, found[0].checkout) if found else None

    def add(self, checkout: KeptCheckout, *, user_id: UserId, key: str | None, fingerprint: str, now: datetime) -> None:
        self._s.statement("checkouts.add")
        if self._s.read(self._t.invoices, checkout.invoice_id) is None:
            raise BrokenConstraint("fk_checkouts_invoice_id_invoices")
        row = CheckoutRow(checkout, user_id, key, fingerprint, now)
        if not self._s.insert(self._t.checkouts, checkout.invoice_id, row):
            raise Unavailable("The same purchase was begun elsewhere at the same moment.")

    def opened(self, checkout: KeptCheckout) -> None:
        self._s.statement("checkouts.opened")
        self._s.change(self._t.checkouts, checkout.invoice_id, lambda row: row._replace(checkout=checkout))

    def release(self, invoice_id: InvoiceId) -> None:
        self._s.statement("checkouts.release")
        self._s.change(self._t.checkouts, invoice_id, lambda row: row._replace(key=None))


class StoreCustomers(Port, Customers):
    __slots__ = ()

    def of(self, user_id: UserId) -> str | None:
        self._s.statement("customers.of")
        return self._s.read(self._t.customers, user_id)

    def add(self, user_id: UserId, customer_id: str) -> str:
        self._s.statement("customers.add")
        self._s.insert(self._t.customers, user_id, customer_id)
        kept = self.of(user_id)
        if kept is None:
            raise Unavailable("Stripe's customer is another user's.")
        return kept


class StoreStripeEvents(Port, StripeEvents):
    __slots__ = ()

    def known(self, event_id: str) -> bool:
        self._s.statement("stripe_events.known")
        return self._s.read(self._t.events, event_id) is not None

    def add(self, event: StripeEvent, outcome: str, now: datetime) -> None:
        self._s.statement("stripe_events.add")
        self._s.insert(self._t.events, event.id, EventRow(event, outcome, now))
