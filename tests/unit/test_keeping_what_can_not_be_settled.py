"""What can't be dealt with is kept as it came and tried again until it ends, and holds up nothing else."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from application.inbox import (
    ASKED_FOR,
    LAST_RESORTS,
    LEASE,
    LEFT_ALONE_FOR,
    MOST_ATTEMPTS,
    KeepReport,
    QuarantineUnprocessable,
    WorkInbox,
    pause,
)
from application.messages import Letter, PaymentHeld, PaymentReturned, Price
from application.ports.inbox import FoundBy, IllegibleReport, Report, Source
from application.ports.payments import ChargeKey
from application.ports.trail import TrailEntry
from domain.errors import ProviderUnavailable, Unavailable
from domain.events import PaymentQuarantined, PaymentRefunded, ReportDone, ReportGivenUp, ReportKept, ReportRetried
from domain.ids import BotName
from domain.invoice import Objection
from domain.notices import NoticeType
from domain.payment import Payment, PaymentStatus
from tests.builders import ALICE, MAIN, SECOND, Rigged, Service, charge, invoice, refund, stars
from tests.memory import (
    NOON,
    FixedClock,
    MemoryIntake,
    MemoryOutbox,
    MemoryPayments,
    MemoryState,
    MemoryTransaction,
    MemoryUnitOfWork,
    WaitingReport,
)

REPORT = Report(source=Source.TELEGRAM_UPDATE, bot=MAIN, body=b"{}")
BUG = ZeroDivisionError("a secret")
AWAY = ProviderUnavailable("Stripe does not answer.")


def kept(service: Service, report: Report = REPORT) -> WaitingReport:
    return service.state.inbox[report]


def keep(service: Service, report: Report = REPORT, found_by: FoundBy = FoundBy.WEBHOOK) -> None:
    with service.work.begin() as tx:
        tx.inbox.keep([report], found_by=found_by, now=service.clock.now())


def go_on(service: Service, rounds: int = 100) -> timedelta:
    """Work whatever falls due until nothing waits; how long that took."""
    began = service.clock.now()
    for _ in range(rounds):
        if not any(waiting.waits for waiting in service.state.inbox.values()):
            break
        with suppress(Unavailable):
            if service.work_inbox():
                continue
        service.clock.pass_by(SECOND)
    return service.clock.now() - began


def die_over_it(service: Service) -> None:
    """A process takes up what is due, and is never heard of again."""
    with service.work.begin() as tx:
        tx.inbox.claim(service.clock.now(), at_most=1, lease=LEASE)
    service.clock.pass_by(LEASE)


def quarantine(service: Service) -> QuarantineUnprocessable:
    return QuarantineUnprocessable(work=service.work, clock=service.clock, ids=service.ids, journal=service.journal)


def test_it_is_on_disk_once_that_is_said_and_the_same_bytes_are_kept_once() -> None:
    service = Service()
    keep_report = KeepReport(work=service.work, clock=service.clock, journal=service.journal)

    for _ in range(3):
        keep_report(REPORT, "ZeroDivisionError")

    assert list(service.state.inbox) == [REPORT]
    assert kept(service).problem == "ZeroDivisionError"
    assert service.journal.events == [
        ReportKept(source="telegram_update", bot=MAIN, problem="ZeroDivisionError") for _ in range(3)
    ]


def test_where_nothing_waits_nothing_is_taken_up() -> None:
    assert Service().work_inbox() == 0


def test_what_waits_is_dealt_with_and_never_taken_up_again() -> None:
    service = Service()
    keep(service, found_by=FoundBy.RECONCILIATION)

    assert service.work_inbox() == 1
    assert service.work_inbox() == 0

    assert service.intake.taken == [REPORT]
    assert (kept(service).outcome, kept(service).done_at) == ("done", NOON)
    assert service.journal.events == [ReportDone(source="telegram_update", found_by="reconciliation", outcome="done")]


@pytest.mark.parametrize("failures", range(1, MOST_ATTEMPTS))
def test_a_fault_of_ours_that_goes_away_costs_nothing_but_time(failures: int) -> None:
    service = Service()
    service.intake.faults.extend([BUG] * failures)
    keep(service)

    assert go_on(service, 1000) <= timedelta(minutes=4)

    assert len(service.intake.taken) == failures + 1
    assert kept(service).outcome == "done"


def test_what_fails_every_time_goes_to_a_person_within_minutes() -> None:
    service = Service()
    service.intake.faults.extend([BUG] * 100)
    keep(service)

    assert go_on(service, 1000) <= timedelta(minutes=4)

    assert len(service.intake.taken) == MOST_ATTEMPTS
    assert kept(service).outcome == "quarantined"


@pytest.mark.parametrize(
    ("last", "problem"),
    [
        pytest.param(
            IllegibleReport("it tells of no charge"), "no amount; it tells of no charge", id="no charge in it"
        ),
        pytest.param(BUG, "no amount; ZeroDivisionError", id="not even that can be done"),
    ],
)
def test_what_is_no_charge_that_can_be_read_stays_on_record_and_somebody_is_told(last: Exception, problem: str) -> None:
    service = Service()
    service.intake.faults.extend([IllegibleReport("no amount")] * 100)
    service.intake.last = last
    keep(service)

    go_on(service, 1000)

    assert kept(service).given_up_at is not None
    assert kept(service).problem == problem
    assert service.journal.events[-1] == ReportGivenUp(source="telegram_update", bot=MAIN, problem=problem)


def test_what_was_given_up_is_tried_as_if_it_were_new_once_somebody_asks() -> None:
    service = Service()
    service.intake.faults.extend([BUG] * MOST_ATTEMPTS)
    service.intake.last = BUG
    keep(service)
    go_on(service, 1000)

    with service.work.begin() as tx:
        assert tx.inbox.reopen(service.clock.now()) == 1
    assert service.work_inbox() == 1

    assert kept(service).outcome == "done"


def test_a_poisonous_one_holds_up_no_other() -> None:
    service = Service()
    poison, other = REPORT, Report(source=Source.TELEGRAM_UPDATE, bot=MAIN, body=b'{"other":1}')
    service.intake.faults.append(BUG)
    keep(service, poison)
    keep(service, other)

    assert [service.work_inbox(), service.work_inbox(), service.work_inbox()] == [1, 1, 0]

    assert kept(service, other).outcome == "done"
    assert kept(service, poison).waits


def test_one_over_which_processes_die_is_tried_as_often_and_then_kept_for_a_person() -> None:
    service = Service()
    keep(service)
    for _ in range(MOST_ATTEMPTS):
        die_over_it(service)

    service.work_inbox()

    assert service.intake.taken == []
    assert kept(service).outcome == "quarantined"


def test_one_over_which_processes_die_even_in_the_last_resort_stays_on_record() -> None:
    service = Service()
    keep(service)
    for _ in range(MOST_ATTEMPTS + LAST_RESORTS):
        die_over_it(service)

    service.work_inbox()

    assert kept(service).given_up_at is not None
    assert service.journal.events == [
        ReportGivenUp(source="telegram_update", bot=MAIN, problem="taken up again and again, and never put down")
    ]


def test_each_try_that_fails_is_told_of_with_the_fault() -> None:
    service = Service()
    service.intake.faults.append(BUG)
    keep(service)

    service.work_inbox()

    assert service.journal.events == [
        ReportRetried(source="telegram_update", bot=MAIN, problem="ZeroDivisionError", attempts=1)
    ]
    [told] = service.journal.events
    assert isinstance(told, ReportRetried)
    assert told.fault is BUG


def test_whoever_mends_a_fault_of_ours_is_given_it_also_when_the_report_is_kept_and_when_it_is_given_up() -> None:
    service = Service()
    another = TypeError("another secret")
    service.intake.faults.extend([BUG] * MOST_ATTEMPTS)
    service.intake.last = another
    KeepReport(work=service.work, clock=service.clock, journal=service.journal)(REPORT, "ZeroDivisionError", BUG)

    go_on(service, 1000)

    first, last = service.journal.events[0], service.journal.events[-1]
    assert isinstance(first, ReportKept)
    assert isinstance(last, ReportGivenUp)
    assert (first.fault, last.fault) == (BUG, another)


@pytest.mark.parametrize(
    ("away", "count"), [(AWAY, 0), (Unavailable("The database does not answer."), 1)], ids=["provider", "database"]
)
def test_what_is_put_off_is_told_of_with_the_attempts_that_count(away: Exception, count: int) -> None:
    service = Service()
    service.intake.faults.extend([BUG, away])
    keep(service)
    service.work_inbox()
    service.clock.pass_by(SECOND)

    with suppress(Unavailable):
        service.work_inbox()

    assert service.journal.events[1:] == [
        ReportRetried(source="telegram_update", bot=MAIN, problem=str(away), attempts=count)
    ]


def test_a_provider_that_is_away_is_asked_again_for_days() -> None:
    service = Service()
    service.intake.faults.extend([AWAY] * 200)
    keep(service)

    assert go_on(service, 20_000) > timedelta(hours=2)

    assert len(service.intake.taken) == 201
    assert kept(service).outcome == "done"


def test_a_provider_that_comes_back_soon_is_asked_soon() -> None:
    service = Service()
    service.intake.faults.extend([AWAY] * 3)
    keep(service)

    assert go_on(service) <= timedelta(seconds=10)


@pytest.mark.parametrize("away", [AWAY, Unavailable("The database does not answer.")], ids=lambda away: away.code)
def test_what_was_nobodys_fault_leaves_every_attempt_to_what_comes_after(away: Exception) -> None:
    service = Service()
    service.intake.faults.extend([away] * 20)
    service.intake.faults.extend([BUG] * (MOST_ATTEMPTS - 1))
    keep(service)

    go_on(service, 2000)

    assert kept(service).outcome == "done"


def test_processes_that_die_while_a_provider_is_away_do_not_die_of_the_report() -> None:
    service = Service()
    service.intake.faults.extend([AWAY] * 3)
    keep(service)
    for _ in range(3):
        for _ in range(MOST_ATTEMPTS - 1):
            die_over_it(service)
        service.work_inbox()
        service.clock.pass_by(LEASE)
    for _ in range(MOST_ATTEMPTS - 1):
        die_over_it(service)

    service.work_inbox()

    assert kept(service).outcome == "done"


def test_processes_that_die_while_the_database_comes_and_goes_may_die_of_the_report() -> None:
    service = Service()
    service.intake.faults.append(Unavailable("The database does not answer."))
    keep(service)
    for _ in range(MOST_ATTEMPTS - 1):
        die_over_it(service)
    with suppress(Unavailable):
        service.work_inbox()
    service.clock.pass_by(LEASE)
    die_over_it(service)

    service.work_inbox()

    assert kept(service).outcome == "quarantined"


def test_a_provider_that_stays_away_for_good_is_a_matter_for_a_person() -> None:
    service = Service()
    service.intake.faults.extend([AWAY] * 2)
    keep(service)
    service.work_inbox()
    service.clock.pass_by(ASKED_FOR + SECOND)

    service.work_inbox()

    assert kept(service).problem == "Stripe does not answer."
    assert kept(service).given_up_at is not None


def test_up_to_the_end_of_that_time_it_is_asked_again() -> None:
    service = Service()
    service.intake.faults.append(AWAY)
    keep(service)
    service.clock.pass_by(ASKED_FOR)

    service.work_inbox()

    assert kept(service).waits
    assert kept(service).due_at > service.clock.now()


def test_what_is_opened_again_after_all_that_time_is_asked_for_as_long_again() -> None:
    service = Service()
    service.intake.faults.extend([AWAY] * 3)
    keep(service)
    service.work_inbox()
    service.clock.pass_by(ASKED_FOR + SECOND)
    service.work_inbox()
    with service.work.begin() as tx:
        tx.inbox.reopen(service.clock.now())

    service.work_inbox()

    assert kept(service).waits


def test_a_provider_that_is_away_in_the_last_resort_is_asked_again_too() -> None:
    service = Service()
    service.intake.faults.extend([BUG] * MOST_ATTEMPTS)
    service.intake.last = AWAY
    keep(service)
    while len(service.intake.taken) < MOST_ATTEMPTS:
        go_on(service, 1)
    assert kept(service).waits
    assert kept(service).problem == "Stripe does not answer."

    service.intake.last = "quarantined"
    service.intake.faults.append(BUG)
    go_on(service)

    assert kept(service).outcome == "quarantined"


@dataclass(slots=True)
class SlowlyAway(MemoryIntake):
    """Asks a provider that answers nothing, and gives up after four seconds; what is not Stripe's it takes at once."""

    clock: FixedClock = field(default_factory=FixedClock)

    def take(self, report: Report) -> str:
        self.taken.append(report)
        if report.source is Source.TELEGRAM_UPDATE:
            return "done"
        self.clock.pass_by(4 * SECOND)
        raise AWAY


def test_many_that_wait_for_a_provider_that_hangs_hold_up_no_other() -> None:
    service = Service()
    intake = SlowlyAway(clock=service.clock)
    work = WorkInbox(
        work=service.work, clock=service.clock, intake=intake, journal=service.journal, causes=service.causes
    )
    for number in range(50):
        keep(service, Report(source=Source.STRIPE_EVENT, bot=BotName(""), body=str(number).encode()))
    service.clock.pass_by(SECOND)
    keep(service)
    began = service.clock.now()

    while kept(service).waits:
        work()

    assert service.clock.now() - began < timedelta(seconds=10)
    assert len(intake.taken) == 2


def test_a_provider_that_hung_is_asked_again_after_a_while() -> None:
    service = Service()
    intake = SlowlyAway(clock=service.clock)
    work = WorkInbox(
        work=service.work, clock=service.clock, intake=intake, journal=service.journal, causes=service.causes
    )
    keep(service, Report(source=Source.STRIPE_EVENT, bot=BotName(""), body=b""))
    work()
    service.clock.pass_by(LEFT_ALONE_FOR)

    work()

    assert len(intake.taken) == 2


@pytest.mark.threat(30)
def test_a_clock_that_is_set_back_makes_nobody_wait_for_a_provider_that_hung_once() -> None:
    service = Service()
    intake = SlowlyAway(clock=service.clock)
    work = WorkInbox(
        work=service.work, clock=service.clock, intake=intake, journal=service.journal, causes=service.causes
    )
    keep(service, Report(source=Source.STRIPE_EVENT, bot=BotName(""), body=b""))
    work()
    service.clock.pass_by(-timedelta(days=1))

    work()

    assert len(intake.taken) == 2


def test_a_database_that_is_away_is_no_fault_of_the_report() -> None:
    service = Service()
    service.intake.faults.extend([Unavailable("The database does not answer.")] * 20)
    keep(service)

    for _ in range(20):
        with pytest.raises(Unavailable):
            service.work_inbox()
        service.clock.pass_by(timedelta(minutes=1))
    assert service.work_inbox() == 1

    assert kept(service).outcome == "done"


def test_a_database_that_goes_away_during_the_last_resort_leaves_the_report_waiting() -> None:
    service = Service()
    service.intake.faults.extend([BUG] * MOST_ATTEMPTS)
    service.intake.last = Unavailable("The database does not answer.")
    keep(service)

    while len(service.intake.taken) < MOST_ATTEMPTS:
        go_on(service, 1)

    assert kept(service).waits


def test_pauses_double_up_to_a_minute() -> None:
    assert [pause(n).total_seconds() for n in (1, 2, 3, 4, 5, 6, 7, 8)] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_charge_on_which_our_code_fails_is_kept_for_a_person_and_its_payer_told() -> None:
    service = Service()
    paid = charge()

    payment = quarantine(service)(paid)

    assert (payment.status, payment.quarantine_reason) == (PaymentStatus.QUARANTINED, Objection.UNPROCESSABLE)
    assert service.state.payments == {paid.key: payment}
    assert service.state.trail == [
        TrailEntry(
            kind="successful_payment",
            bot=MAIN,
            at=NOON,
            user_id=ALICE,
            charge_id=paid.charge_id,
            decision="quarantined",
            reason=Objection.UNPROCESSABLE,
            message=paid.message,
        )
    ]
    price = Price(amount=paid.paid.amount, currency=paid.paid.currency)
    [waiting] = service.state.outbox
    assert (waiting.letter.chat_id, waiting.letter.language) == (ALICE, "en")
    assert waiting.letter.message == PaymentHeld(price=price, reason="unprocessable")
    assert service.journal.events == [PaymentQuarantined(payment=payment)]
    assert [notice.type for notice in service.state.notices] == [NoticeType.PAYMENT_QUARANTINED]


def test_the_charge_is_locked_before_it_is_kept_for_a_person() -> None:
    begun: list[MemoryTransaction] = []
    service = Service(work=Rigged(rig=begun.append))

    quarantine(service)(charge())

    assert [tx.locked for tx in begun] == [[charge().key]]


def test_one_that_was_given_back_before_is_returned_and_waits_for_nobody() -> None:
    service = Service()
    paid = charge()
    service.refund(refund(paid))

    payment = quarantine(service)(paid)

    assert payment.status is PaymentStatus.REFUNDED
    price = Price(amount=paid.paid.amount, currency=paid.paid.currency)
    assert service.state.messages[-1] == PaymentReturned(price=price, plan=None, ended=False)
    assert service.journal.events[-1] == PaymentRefunded(payment=payment)


def test_one_that_was_settled_meanwhile_stays_as_it_is() -> None:
    service = Service()
    service.keep(invoice())
    [granted] = service.settle(charge()).values()

    assert quarantine(service)(charge()) == granted
    assert len(service.state.payments) == 1


def test_a_payer_who_can_not_be_told_is_no_reason_to_lose_the_charge() -> None:
    service = Service(work=Rigged(rig=without_letters))
    paid = charge()

    payment = quarantine(service)(paid)

    assert service.state.payments == {paid.key: payment}
    assert service.state.messages == []
    assert service.journal.events == [PaymentQuarantined(payment=payment)]


def test_a_database_that_is_away_keeps_nothing_and_says_so() -> None:
    service = Service(work=MemoryUnitOfWork(broken=True))

    with pytest.raises(Unavailable):
        quarantine(service)(charge())


def test_a_charge_that_is_settled_past_every_lock_at_that_moment_is_left_to_whoever_did() -> None:
    service = Service(work=Rigged(rig=never_new))

    with pytest.raises(Unavailable):
        quarantine(service)(charge())

    assert service.state.trail == []
    assert service.state.messages == []


def test_a_refund_of_other_money_than_the_charge_does_not_count() -> None:
    service = Service()
    paid = charge()
    service.refund(refund(paid, refunded=stars(1)))

    assert quarantine(service)(paid).status is PaymentStatus.QUARANTINED


def without_letters(tx: MemoryTransaction) -> None:
    class NoOutbox(MemoryOutbox):
        def add(self, letters: Sequence[Letter], now: datetime) -> None:
            raise ZeroDivisionError

    tx.outbox = NoOutbox(MemoryState())


def never_new(tx: MemoryTransaction) -> None:
    class Taken(MemoryPayments):
        def add_new(self, payments: Sequence[Payment]) -> set[ChargeKey]:
            return set()

    tx.payments = Taken(MemoryState())
