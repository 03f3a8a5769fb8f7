"""Holding the providers' own ledgers against our books, both ways.

What a provider has and we do not, goes into the inbox in the transaction that moves the mark; from there on it takes
the same way as what a webhook brings. What we have and the provider does not, is held back, unless it is so much that
the ledger is more likely to be wrong than we.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from application.holding import hold_back, release
from application.ports.inbox import FoundBy, Report
from application.ports.ledgers import LedgerEntry, LedgerMark, StarLedger, StripeEntry, StripeLedger
from application.ports.payments import ChargeKey
from application.ports.surroundings import Clock, Ids, Journal
from application.ports.work import Transaction, UnitOfWork
from domain.catalog import Method
from domain.events import Event, LedgerCompared
from domain.findings import Findings
from domain.ids import BotName
from domain.invoice import Objection
from domain.payload import PayloadSigner
from domain.payment import Charge, Payment, PaymentStatus, Provider, Refund
from domain.settlement import signed_terms

STAR_OVERLAP = 50
"""Entries that are read again each time: nobody promises that a ledger shows them in one order at once."""
STRIPE_OVERLAP = timedelta(hours=1)
TOO_FRESH = timedelta(hours=1)
"""A ledger may be behind; what is younger is not missed in it."""
MOST_HELD = 5
MOST_HELD_OF_HUNDRED = 1
LOOKED_AT = 1000
STRIPE = "stripe"

Progress = Callable[[int], None]
"""Told how many entries were read just now."""


@dataclass(slots=True)
class _Tally:
    """Findings while they grow."""

    reports: list[Report] = field(default_factory=list)
    confirmed: list[Charge] = field(default_factory=list)
    missing_payments: int = 0
    missing_refunds: int = 0
    other_facts: int = 0
    foreign: int = 0
    released: int = 0


@dataclass(frozen=True, slots=True)
class ReconcileStars:
    """Telegram's list of one bot's Stars, all of it (`whole`) or from a little before where it was left."""

    work: UnitOfWork
    clock: Clock
    ids: Ids
    signer: PayloadSigner
    ledger: StarLedger
    journal: Journal

    def __call__(
        self, bot: BotName, *, whole: bool, dry_run: bool = False, progress: Progress = lambda _: None
    ) -> Findings:
        """Raises ProviderUnavailable where Telegram can't be asked; what was found until then is kept."""
        begun = self.clock.now()
        mark = _mark(self.work, f"stars:{bot}", begun, dry_run=dry_run)
        findings = Findings(ledger=mark.ledger, whole=whole)
        offset: int | None = 0 if whole else max(0, mark.read_to - STAR_OVERLAP)
        stars = 0
        while offset is not None:
            page = self.ledger.page(bot, offset)
            if not page.entries and 0 < offset <= mark.read_to and not whole:
                # It has become shorter, which it never should: what we know of it is worth nothing.
                return self(bot, whole=True, dry_run=dry_run, progress=progress)
            end = offset + len(page.entries)
            findings = self._enter(page.entries, findings, mark, end, dry_run=dry_run)
            stars += sum(entry.stars for entry in page.entries)
            progress(len(page.entries))
            offset = page.next_from
        if whole:
            # Read before the balance: a payment that comes in between would look like a loss.
            drift = stars - self.ledger.balance(bot)
            findings = self._close(bot, replace(findings, drift=max(0, drift)), mark, begun, dry_run=dry_run)
        self.journal.record(LedgerCompared(findings=findings, dry_run=dry_run))
        return findings

    def _enter(
        self, entries: Sequence[LedgerEntry], findings: Findings, mark: LedgerMark, end: int, *, dry_run: bool
    ) -> Findings:
        found_again: Sequence[ChargeKey] = ()
        with self.work.look() if dry_run else self.work.begin() as tx:
            now = self.clock.now()
            tally = self._compare(tx, entries, mark)
            if not dry_run:
                found_again = _enter(tx, tally, now, whole=findings.whole)
                known = tx.ledger_marks.take(mark.ledger, now)
                tx.ledger_marks.move(replace(known, read_to=max(known.read_to, end), tail_read_at=now))
        tally.released = _each(found_again, release, self)
        return _added(findings, tally, len(entries))

    def _compare(self, tx: Transaction, entries: Sequence[LedgerEntry], mark: LedgerMark) -> _Tally:
        told = [entry.content for entry in entries if entry.content is not None]
        keys = [content.key for content in told]
        payments, refunds = tx.payments.of(keys), tx.refunds.of(keys)
        illegible = [entry.report for entry in entries if not entry.readable]
        # Kept with the rest, so that somebody sees them.
        tally = _Tally(reports=illegible, other_facts=len(illegible), foreign=len(entries) - len(told) - len(illegible))
        for entry in entries:
            match entry.content:
                case Charge() as charge:
                    known = payments.get(charge.key)
                    if known is None and self._foreign(charge, mark):
                        tally.foreign += 1
                    elif known is None:
                        tally.missing_payments += 1
                        tally.reports.append(entry.report)
                    else:
                        tally.confirmed.append(known.charge)
                        tally.other_facts += not known.charge.same_facts(charge)
                case Refund() as refund if _missing(refund, payments.get(refund.key), refunds.get(refund.key)):
                    if refund.key not in payments and refund.refunded_at < mark.first_started_at:
                        tally.foreign += 1
                    else:
                        tally.missing_refunds += 1
                        tally.reports.append(entry.report)
        return tally

    def _foreign(self, charge: Charge, mark: LedgerMark) -> bool:
        """Never ours to sell: from before we began here, and not by an invoice of ours."""
        signed = signed_terms(self.signer, charge.payload, charge.bot)
        return signed is None and charge.charged_at < mark.first_started_at.replace(microsecond=0)

    def _close(self, bot: BotName, findings: Findings, mark: LedgerMark, begun: datetime, *, dry_run: bool) -> Findings:
        """After the whole ledger was read: what is in our books and not in it."""
        with self.work.look() as tx:
            unknown = [
                payment
                for payment in tx.payments.unconfirmed([Method.STARS], begun - TOO_FRESH, at_most=LOOKED_AT)
                if payment.charge.bot == bot and payment.status is not PaymentStatus.REFUNDED
            ]
        granted = [payment for payment in unknown if payment.status is PaymentStatus.GRANTED]
        believed = len(granted) <= max(MOST_HELD, findings.entries * MOST_HELD_OF_HUNDRED // 100)
        held = 0
        if not dry_run:
            held = _each([payment.charge.key for payment in granted if believed], hold_back, self)
            with self.work.begin() as tx:
                now = self.clock.now()
                known = tx.ledger_marks.take(mark.ledger, now)
                read = replace(known, whole_begun_at=begun, whole_read_at=now, drift=findings.drift)
                tx.ledger_marks.move(replace(read, other_facts=findings.other_facts, unknown_to_provider=len(unknown)))
        return replace(findings, held=held, unknown_to_provider=len(unknown))


@dataclass(frozen=True, slots=True)
class ReconcileStripe:
    """Stripe's lists, from our first start here (`whole`), or from an hour before they were last read."""

    work: UnitOfWork
    clock: Clock
    ledger: StripeLedger
    journal: Journal

    def __call__(
        self,
        *,
        whole: bool,
        since: datetime | None = None,
        dry_run: bool = False,
        progress: Progress = lambda _: None,
    ) -> Findings:
        """Raises ProviderUnavailable where Stripe can't be asked; what was found until then is kept."""
        begun = self.clock.now()
        mark = _mark(self.work, STRIPE, begun, dry_run=dry_run)
        read_to = datetime.fromtimestamp(mark.read_to, UTC) if mark.read_to and not whole else mark.first_started_at
        # A time that is still to come was noted by a clock of ours that was ahead.
        start = since or min(read_to, begun) - STRIPE_OVERLAP
        findings, newest = Findings(ledger=STRIPE, whole=whole), min(mark.read_to, int(begun.timestamp()))
        for entries in self.ledger.entries(start):
            findings = self._enter(entries, findings, dry_run=dry_run)
            # Nothing is known of what lies between the mark and a later start.
            newest = max(newest, *(int(entry.at.timestamp()) for entry in entries if start <= read_to), 0)
            progress(len(entries))
        if whole:
            with self.work.look() as tx:
                unknown = tx.payments.unconfirmed([Method.STRIPE], begun - TOO_FRESH, at_most=LOOKED_AT)
            findings = replace(findings, unknown_to_provider=len(unknown))
        if not dry_run:
            with self.work.begin() as tx:
                now = self.clock.now()
                moved = replace(tx.ledger_marks.take(STRIPE, now), read_to=newest, tail_read_at=now)
                if whole:
                    moved = replace(
                        moved,
                        whole_begun_at=begun,
                        whole_read_at=now,
                        other_facts=findings.other_facts,
                        unknown_to_provider=findings.unknown_to_provider,
                    )
                tx.ledger_marks.move(moved)
        self.journal.record(LedgerCompared(findings=findings, dry_run=dry_run))
        return findings

    def _enter(self, entries: Sequence[StripeEntry], findings: Findings, *, dry_run: bool) -> Findings:
        with self.work.look() if dry_run else self.work.begin() as tx:
            payments = tx.payments.of([(Provider.STRIPE, entry.charge_id) for entry in entries])
            tally = _Tally()
            for entry in entries:
                known = payments.get((Provider.STRIPE, entry.charge_id))
                if known is None:
                    if entry.ours is False:
                        tally.foreign += 1
                    elif entry.ours and entry.moved:
                        tally.missing_payments += 1
                        tally.reports.append(self.ledger.report(entry.charge_id))
                    continue
                tally.confirmed.append(known.charge)
                if _behind(known, entry):
                    tally.missing_refunds += 1
                    tally.reports.append(self.ledger.report(entry.charge_id))
            if not dry_run:
                _enter(tx, tally, self.clock.now(), whole=findings.whole)
        return _added(findings, tally, len(entries))


def _missing(refund: Refund, known: Payment | None, kept: Refund | None) -> bool:
    """Whether we don't have it, or have a false one in its place."""
    if kept is None:
        return True
    return known is not None and known.status is not PaymentStatus.REFUNDED and refund.gives_back(known.charge)


def _behind(known: Payment, entry: StripeEntry) -> bool:
    """Whether Stripe tells of more than we know."""
    if known.status is PaymentStatus.REFUNDED:
        return False
    new_dispute = any(known.disputes.get(dispute) is not state for dispute, state in entry.disputes.items())
    return new_dispute or entry.given_back > known.amount_refunded


def _mark(work: UnitOfWork, ledger: str, now: datetime, *, dry_run: bool) -> LedgerMark:
    if dry_run:
        with work.look() as tx:
            found = [mark for mark in tx.ledger_marks.all() if mark.ledger == ledger]
        return found[0] if found else LedgerMark(ledger=ledger, first_started_at=now)
    with work.begin() as tx:
        return tx.ledger_marks.take(ledger, now)


def _enter(tx: Transaction, tally: _Tally, now: datetime, *, whole: bool) -> list[ChargeKey]:
    """Those that were held back because no ledger had them. What is found in a walk over the `whole` ledger is tried
    again even where it was given up."""
    tx.inbox.keep(tally.reports, found_by=FoundBy.RECONCILIATION, now=now)
    if whole and tally.reports:
        # Whatever stopped it then, a deploy may have mended; once a day, so that what never ends is tried seldom.
        tx.inbox.reopen(now, tally.reports)
    keys = [charge.key for charge in tally.confirmed]
    tx.payments.confirm(keys, now)
    held = Objection.UNKNOWN_TO_PROVIDER
    return [key for key, payment in tx.payments.of(keys).items() if payment.quarantine_reason is held]


def _each(
    charges: Sequence[ChargeKey],
    act: Callable[[Transaction, ChargeKey, Ids, datetime], list[Event]],
    of: "ReconcileStars",
) -> int:
    """Each in a transaction of its own, since each locks its users; how many were changed."""
    changed = 0
    for charge in charges:
        with of.work.begin() as tx:
            events = act(tx, charge, of.ids, of.clock.now())
        of.journal.record(*events)
        changed += bool(events)
    return changed


def _added(findings: Findings, tally: _Tally, entries: int) -> Findings:
    return replace(
        findings,
        entries=findings.entries + entries,
        missing_payments=findings.missing_payments + tally.missing_payments,
        missing_refunds=findings.missing_refunds + tally.missing_refunds,
        other_facts=findings.other_facts + tally.other_facts,
        foreign=findings.foreign + tally.foreign,
        released=findings.released + tally.released,
    )
