"""The inbox: what could not be dealt with when it came is kept as it came, and tried again until it ends.

Trying ends: after some attempts a charge goes into quarantine, and what is no charge stays on record for a person. So
nothing that fails again and again holds up anything else.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from application.feed import tell
from application.messages import Letter, PaymentHeld, PaymentReturned, Price
from application.ports.inbox import FoundBy, IllegibleReport, Intake, KeptReport, Report, Source
from application.ports.surroundings import Causes, Clock, Ids, Journal
from application.ports.trail import TrailEntry
from application.ports.work import UnitOfWork
from domain.errors import ProviderUnavailable, Unavailable
from domain.events import (
    PaymentQuarantined,
    PaymentRefunded,
    ReportDone,
    ReportGivenUp,
    ReportKept,
    ReportRetried,
)
from domain.invoice import Objection
from domain.payment import Charge, Payment, PaymentStatus

LEASE = timedelta(seconds=60)
FIRST_PAUSE = timedelta(seconds=1)
MOST_ATTEMPTS = 8
"""With a pause that doubles each time: within about two minutes. Who dies over a report has tried it as well."""
LAST_RESORTS = 5
"""Further claims of a report over which processes die, to keep at least the charge in it."""
LONGEST_PAUSE = timedelta(minutes=1)
ASKED_FOR = timedelta(days=7)
"""How long a provider may be away before a person has to see to it."""
SLOW = timedelta(seconds=1)
LEFT_ALONE_FOR = timedelta(seconds=10)
"""A provider that keeps us waiting for nothing is not asked again at once, so that other reports get their turn."""

Away = Unavailable | ProviderUnavailable


@dataclass(frozen=True, slots=True)
class KeepReport:
    """Keep an authentic report that can't be dealt with now; once this returns, it is on disk."""

    work: UnitOfWork
    clock: Clock
    journal: Journal

    def __call__(self, report: Report, problem: str, fault: Exception | None = None) -> None:
        """`fault` is there where it is our own, for whoever mends it."""
        with self.work.begin() as tx:
            tx.inbox.keep([report], found_by=FoundBy.WEBHOOK, now=self.clock.now(), problem=problem)
        self.journal.record(ReportKept(source=report.source, bot=report.bot, problem=problem, fault=fault))


@dataclass(frozen=True, slots=True)
class WorkInbox:
    """Deal with the report that has been due longest. Each is taken up by one process at a time.

    What is nobody's fault but that of a database or a provider which is away does not count against the report. That a
    provider is away shows, too, that the report does no harm until there: whoever died over it died of something else.
    """

    work: UnitOfWork
    clock: Clock
    intake: Intake
    journal: Journal
    causes: Causes
    _left_alone: dict[Source, datetime] = field(default_factory=dict)

    def __call__(self) -> int:
        """How many were taken up: one or none. Raises Unavailable where the database does not do its part."""
        with self.work.begin() as tx:
            due = tx.inbox.claim(self.clock.now(), at_most=1, lease=LEASE)
        for kept in due:
            with self.causes.going_on(kept.cause, "report", source=kept.report.source, found_by=kept.found_by):
                self._take(kept)
        return len(due)

    def _take(self, kept: KeptReport) -> None:
        if kept.attempts > MOST_ATTEMPTS:
            self._last_resort(kept, None)
            return
        try:
            outcome = self._ask(kept.report, self.intake.take)
        except ProviderUnavailable as away:
            self._put_off(kept, away, forgiven=kept.attempts)
        except Unavailable as away:
            self._put_off(kept, away, forgiven=1)
        except Exception as fault:  # ours: a bug, or a report that nobody has thought of
            if kept.attempts < MOST_ATTEMPTS:
                self._retry(kept, fault)
            else:
                self._last_resort(kept, fault)
        else:
            self._done(kept, outcome)

    def _last_resort(self, kept: KeptReport, fault: Exception | None) -> None:
        problem = _in_words(fault) if fault else "taken up again and again, and never put down"
        if kept.attempts > MOST_ATTEMPTS + LAST_RESORTS:
            self._give_up(kept, problem, fault)
            return
        try:
            outcome = self._ask(kept.report, self.intake.quarantine)
        except (Unavailable, ProviderUnavailable) as away:
            self._put_off(kept, away, forgiven=1)
        except Exception as another:
            self._give_up(kept, f"{problem}; {_in_words(another)}", another)
        else:
            self._done(kept, outcome)

    def _ask(self, report: Report, story: Callable[[Report], str]) -> str:
        began = self.clock.now()
        left_alone_until = self._left_alone.get(report.source, began)
        if began < left_alone_until <= began + LEFT_ALONE_FOR:
            raise ProviderUnavailable("It kept us waiting for nothing a moment ago.")
        try:
            return story(report)
        except ProviderUnavailable:
            if (now := self.clock.now()) - began >= SLOW:
                self._left_alone[report.source] = now + LEFT_ALONE_FOR
            raise

    def _done(self, kept: KeptReport, outcome: str) -> None:
        with self.work.begin() as tx:
            tx.inbox.done(kept, outcome, self.clock.now())
        self.journal.record(ReportDone(source=kept.report.source, found_by=kept.found_by, outcome=outcome))

    def _retry(self, kept: KeptReport, fault: Exception) -> None:
        problem = _in_words(fault)
        with self.work.begin() as tx:
            tx.inbox.retry(kept, self.clock.now() + pause(kept.attempts), problem)
        self._tell_of_retry(kept, problem, kept.attempts, fault)

    def _put_off(self, kept: KeptReport, away: Away, *, forgiven: int) -> None:
        """Raises it where it is the database's: then nothing else would work either."""
        with self.work.begin() as tx:
            now = self.clock.now()
            waited = now - kept.received_at
            if waited <= ASKED_FOR:
                # As long again as it has waited.
                after = min(max(waited, FIRST_PAUSE), LONGEST_PAUSE)
                tx.inbox.retry(kept, now + after, str(away), forgiven=forgiven)
        if waited > ASKED_FOR:
            self._give_up(kept, str(away), None)
        else:
            self._tell_of_retry(kept, str(away), kept.attempts - forgiven, None)
        if isinstance(away, Unavailable):
            raise away

    def _give_up(self, kept: KeptReport, problem: str, fault: Exception | None) -> None:
        report = kept.report
        with self.work.begin() as tx:
            tx.inbox.give_up(kept, self.clock.now(), problem)
        self.journal.record(ReportGivenUp(source=report.source, bot=report.bot, problem=problem, fault=fault))

    def _tell_of_retry(self, kept: KeptReport, problem: str, attempts: int, fault: Exception | None) -> None:
        report = kept.report
        self.journal.record(
            ReportRetried(source=report.source, bot=report.bot, problem=problem, attempts=attempts, fault=fault)
        )


def _in_words(fault: Exception) -> str:
    """Only our own words: others' may quote what must not be seen."""
    return str(fault) if isinstance(fault, IllegibleReport) else type(fault).__name__


def pause(attempts: int) -> timedelta:
    """How long to wait after that many attempts: twice as long each time."""
    return min(FIRST_PAUSE * (1 << attempts - 1), LONGEST_PAUSE)


@dataclass(frozen=True, slots=True)
class QuarantineUnprocessable:
    """Keep a charge on which our own code fails again and again, by as little code as there can be."""

    work: UnitOfWork
    clock: Clock
    ids: Ids
    journal: Journal

    def __call__(self, charge: Charge) -> Payment:
        """What became of it; one that was settled meanwhile stays as it is."""
        try:
            return self._keep(charge, _letter)
        except Unavailable:
            raise
        except Exception:  # better kept and not told of than lost
            return self._keep(charge, None)

    def _keep(self, charge: Charge, letter: Callable[[Payment], Letter] | None) -> Payment:
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
            refund = tx.refunds.of([charge.key]).get(charge.key)
            if refund and refund.gives_back(charge):
                payment = payment.refunded(refund.refunded_at)
            if not tx.payments.add_new([payment]):
                raise Unavailable("A charge was settled elsewhere at the same moment.")
            tx.trail.add([_entry(payment, now)])
            refunded = payment.status is PaymentStatus.REFUNDED
            event = PaymentRefunded(payment=payment) if refunded else PaymentQuarantined(payment=payment)
            if letter:
                tx.outbox.add([letter(payment)], now)
                tell(tx, [event], now)
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
