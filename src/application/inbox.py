"""The inbox: what could not be dealt with when it came is kept as it came, and tried again until it ends.

Trying ends: after some attempts a charge goes into quarantine, and what is no charge stays on record for a person. So
nothing that fails again and again holds up anything else.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from application.messages import Letter, PaymentHeld, PaymentReturned, Price
from application.ports import (
    Clock,
    FoundBy,
    Ids,
    IllegibleReport,
    Intake,
    Journal,
    KeptReport,
    Report,
    TrailEntry,
    UnitOfWork,
)
from domain.errors import ProviderUnavailable, Unavailable
from domain.events import Event, PaymentQuarantined, PaymentRefunded, ReportDone, ReportGivenUp, ReportKept
from domain.invoice import Objection
from domain.payment import Charge, Payment, PaymentStatus

LEASE = timedelta(seconds=60)
FIRST_PAUSE = timedelta(seconds=1)
MOST_ATTEMPTS = 8
"""With a pause that doubles each time: within about two minutes."""
LONGEST_PAUSE = timedelta(minutes=1)
ASKED_FOR = timedelta(days=7)
"""How long a provider may be away before a person has to see to it."""
UNTIL_THE_DATABASE_IS_WELL = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class KeepReport:
    """Keep an authentic report that can't be dealt with now; once this returns, it is on disk."""

    work: UnitOfWork
    clock: Clock
    journal: Journal

    def __call__(self, report: Report, problem: str) -> None:
        with self.work.begin() as tx:
            tx.inbox.keep([report], found_by=FoundBy.WEBHOOK, now=self.clock.now(), problem=problem)
        self.journal.record(ReportKept(source=report.source, bot=report.bot, problem=problem))


@dataclass(frozen=True, slots=True)
class WorkInbox:
    """Deal with the report that has waited longest. Each is taken up by one process at a time."""

    work: UnitOfWork
    clock: Clock
    intake: Intake
    journal: Journal

    def __call__(self) -> int:
        """How many were taken up: one or none. Raises Unavailable where the database does not do its part."""
        with self.work.begin() as tx:
            due = tx.inbox.claim(self.clock.now(), at_most=1, lease=LEASE)
        for kept in due:
            self._take(kept)
        return len(due)

    def _take(self, kept: KeptReport) -> None:
        try:
            outcome = self.intake.take(kept.report)
        except Unavailable as problem:
            self._retry(kept, str(problem), UNTIL_THE_DATABASE_IS_WELL)
            raise
        except ProviderUnavailable as problem:
            if self.clock.now() - kept.received_at > ASKED_FOR:
                self._give_up(kept, str(problem))
            else:
                self._retry(kept, str(problem), pause(kept.attempts))
        except Exception as fault:  # ours: a bug, or a report that nobody has thought of
            if kept.attempts < MOST_ATTEMPTS:
                self._retry(kept, _in_words(fault), pause(kept.attempts))
            else:
                self._last_resort(kept, _in_words(fault))
        else:
            self._done(kept, outcome)

    def _last_resort(self, kept: KeptReport, problem: str) -> None:
        try:
            outcome = self.intake.quarantine(kept.report)
        except Unavailable:
            raise
        except Exception as fault:
            self._give_up(kept, f"{problem}; {_in_words(fault)}")
        else:
            self._done(kept, outcome)

    def _done(self, kept: KeptReport, outcome: str) -> None:
        with self.work.begin() as tx:
            tx.inbox.done(kept, outcome, self.clock.now())
        self.journal.record(ReportDone(source=kept.report.source, found_by=kept.found_by, outcome=outcome))

    def _retry(self, kept: KeptReport, problem: str, after: timedelta) -> None:
        with self.work.begin() as tx:
            tx.inbox.retry(kept, self.clock.now() + after, problem)

    def _give_up(self, kept: KeptReport, problem: str) -> None:
        with self.work.begin() as tx:
            tx.inbox.give_up(kept, self.clock.now(), problem)
        self.journal.record(ReportGivenUp(source=kept.report.source, bot=kept.report.bot, problem=problem))


def _in_words(fault: Exception) -> str:
    """Only our own words: others' may quote what must not be seen."""
    return str(fault) if isinstance(fault, IllegibleReport) else type(fault).__name__


def pause(attempts: int) -> timedelta:
    """How long to wait after that many attempts: twice as long each time."""
    return min(FIRST_PAUSE * 2 ** (attempts - 1), LONGEST_PAUSE) if attempts < MOST_ATTEMPTS else LONGEST_PAUSE


@dataclass(frozen=True, slots=True)
class QuarantineUnprocessable:
    """Keep a charge on which our own code fails again and again, by as little code as there can be."""

    work: UnitOfWork
    clock: Clock
    ids: Ids
    journal: Journal

    def __call__(self, charge: Charge) -> Payment:
        """What became of it; one that was settled meanwhile stays as it is."""
        event: Event
        with self.work.begin() as tx:
            tx.lock(charges=[charge.key])
            if known := tx.payments.of([charge.key]).get(charge.key):
                return known
            now = self.clock.now()
            payment = Payment(
                id=self.ids.payment(),
                charge=charge,
                status=PaymentStatus.QUARANTINED,
                received_at=now,
                quarantine_reason=Objection.UNPROCESSABLE,
            )
            refunded_at = tx.refunds.of([charge.key]).get(charge.key)
            payment = payment.refunded(refunded_at) if refunded_at else payment
            tx.payments.add_new([payment])
            tx.trail.add([_entry(payment, now)])
            tx.outbox.add([_letter(payment)], now)
        event = PaymentRefunded(payment=payment) if refunded_at else PaymentQuarantined(payment=payment)
        self.journal.record(event)
        return payment


def _letter(payment: Payment) -> Letter:
    charge = payment.charge
    price = Price(amount=charge.paid.amount, currency=charge.paid.currency)
    refunded = payment.status is PaymentStatus.REFUNDED
    return Letter(
        bot=charge.bot,
        chat_id=charge.payer,
        language="en",
        message=PaymentReturned(price=price, plan=None, ended=False)
        if refunded
        else PaymentHeld(price=price, reason=Objection.UNPROCESSABLE),
    )


def _entry(payment: Payment, now: datetime) -> TrailEntry:
    charge = payment.charge
    return TrailEntry(
        kind="successful_payment",
        bot=charge.bot,
        at=now,
        user_id=charge.payer,
        charge_id=charge.charge_id,
        decision=payment.status,
        reason=payment.quarantine_reason,
        message=charge.message,
    )
