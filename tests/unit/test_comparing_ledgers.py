"""What a provider's ledger has and our books do not is repaired; what only our books have is held back, and told."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from application.holding import hold_back, release
from application.inbox import LEASE
from application.payments import FindPaymentEvents, FindPayments, ShowPayment
from application.ports.inbox import FoundBy, Report, Source
from application.ports.ledgers import LedgerEntry, LedgerMark, LedgerPage, StarLedger, StripeEntry, StripeLedger
from application.ports.pages import Page
from application.ports.payments import ChargeKey, PaymentFilter
from application.ports.trail import TrailFilter
from application.reconciliation import (
    MOST_HELD,
    STAR_OVERLAP,
    STRIPE_OVERLAP,
    ReconcileStars,
    ReconcileStripe,
)
from domain.catalog import Method
from domain.errors import NotFound
from domain.events import (
    EntitlementRestored,
    EntitlementSuspended,
    Event,
    LedgerCompared,
    PaymentQuarantined,
    PaymentReleased,
)
from domain.findings import Findings
from domain.ids import BotName, ChargeId, PaymentId
from domain.invoice import Objection
from domain.payment import Charge, DisputeState, Payment, PaymentStatus, Refund
from tests.builders import (
    ALICE,
    DAY,
    HOUR,
    MAIN,
    SECOND,
    SECOND_BOT,
    SIGNER,
    Rigged,
    Service,
    charge,
    invoice,
    invoice_id,
    payment,
    refund,
    standing,
    stars,
    stripe_charge,
    stripe_invoice,
)
from tests.memory import NOON, MemoryTransaction

LEDGER = "stars:main"


@dataclass(slots=True)
class ListedStars(StarLedger):
    """A ledger as a test writes it, in pages of `size`."""

    lines: list[Charge | Refund | None] = field(default_factory=list)
    size: int = 3
    lost: int = 0
    read: list[int] = field(default_factory=list)

    def page(self, bot: BotName, offset: int) -> LedgerPage:
        self.read.append(offset)
        entries = tuple(entry(number, line) for number, line in enumerate(self.lines))[offset : offset + self.size]
        return LedgerPage(entries=entries, next_from=offset + self.size if len(entries) == self.size else None)

    def balance(self, bot: BotName) -> int:
        return sum(worth(line) for line in self.lines) - self.lost


@dataclass(slots=True)
class ListedPayments(StripeLedger):
    pages: list[list[StripeEntry]] = field(default_factory=list)
    asked: list[datetime] = field(default_factory=list)

    def entries(self, since: datetime) -> Iterator[Sequence[StripeEntry]]:
        self.asked.append(since)
        yield from self.pages

    def report(self, charge_id: ChargeId) -> Report:
        return Report(source=Source.STRIPE_PAYMENT, bot=BotName(""), body=charge_id.encode())


def worth(line: Charge | Refund | None) -> int:
    match line:
        case Charge():
            return line.paid.amount
        case Refund():
            return -line.refunded.amount
        case None:
            return 7


def report(number: int) -> Report:
    return Report(source=Source.STAR_TRANSACTION, bot=MAIN, body=str(number).encode())


def entry(number: int, line: Charge | Refund | None) -> LedgerEntry:
    return LedgerEntry(report=report(number), content=line, stars=worth(line))


def known(service: Service) -> Service:
    """The shop has been open since the day before."""
    service.state.ledger_marks[LEDGER] = LedgerMark(ledger=LEDGER, first_started_at=NOON - DAY)
    service.state.ledger_marks["stripe"] = LedgerMark(ledger="stripe", first_started_at=NOON - DAY)
    return service


def compare(
    service: Service,
    ledger: StarLedger,
    *,
    whole: bool = True,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Findings:
    reconcile = ReconcileStars(
        work=service.work,
        clock=service.clock,
        ids=service.ids,
        signer=SIGNER,
        ledger=ledger,
        journal=service.journal,
    )
    return reconcile(MAIN, whole=whole, dry_run=dry_run, progress=progress)


def compare_stripe(
    service: Service,
    ledger: StripeLedger,
    *,
    whole: bool = True,
    dry_run: bool = False,
    since: datetime | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Findings:
    reconcile = ReconcileStripe(work=service.work, clock=service.clock, ledger=ledger, journal=service.journal)
    return reconcile(whole=whole, dry_run=dry_run, since=since, progress=progress)


def waiting(service: Service) -> list[Report]:
    return [kept.kept.report for kept in service.state.inbox.values() if kept.waits]


def bought(service: Service, number: int = 1) -> Payment:
    named = invoice(id=invoice_id(number))
    service.keep(named)
    [granted] = service.settle(charge(named, charge_id=ChargeId(f"charge-{number}"))).values()
    return granted


def test_where_both_tell_the_same_nothing_is_found() -> None:
    service = known(Service())
    ledger = ListedStars([bought(service, number).charge for number in range(7)])

    assert compare(service, ledger) == Findings(ledger=LEDGER, whole=True, entries=7)
    assert waiting(service) == []
    assert set(service.state.confirmed) == set(service.state.payments)


def test_a_payment_that_nobody_told_us_of_goes_into_the_inbox_with_the_mark() -> None:
    service = known(Service())
    ledger = ListedStars([bought(service).charge, charge(charge_id=ChargeId("missed"))])

    found = compare(service, ledger)

    assert (found.missing_payments, found.repaired, found.unexplained) == (1, 1, 0)
    assert waiting(service) == [report(1)]
    assert service.state.inbox[report(1)].kept.found_by is FoundBy.RECONCILIATION
    mark = service.state.ledger_marks[LEDGER]
    assert (mark.read_to, mark.tail_read_at, mark.whole_begun_at, mark.whole_read_at) == (2, NOON, NOON, NOON)


def test_what_was_given_up_is_tried_again_once_a_day_and_not_once_a_minute() -> None:
    service = known(Service())
    ledger = ListedStars([charge(charge_id=ChargeId("missed"))])
    compare(service, ledger)
    with service.work.begin() as tx:
        [kept] = tx.inbox.claim(NOON, at_most=1, lease=LEASE)
        tx.inbox.give_up(kept, NOON, "a process died over it again and again")

    compare(service, ledger, whole=False)
    assert waiting(service) == []

    compare(service, ledger, whole=True, dry_run=True)
    assert waiting(service) == []

    compare(service, ledger, whole=True)
    assert waiting(service) == [report(0)]


def test_a_refund_that_nobody_told_us_of_goes_into_the_inbox() -> None:
    service = known(Service())
    paid = bought(service)

    found = compare(service, ListedStars([paid.charge, refund(paid.charge)]))

    assert found.missing_refunds == 1
    assert waiting(service) == [report(1)]


def test_a_refund_that_we_know_is_not_found_again() -> None:
    service = known(Service())
    paid = bought(service)
    service.refund(refund(paid.charge))

    assert compare(service, ListedStars([paid.charge, refund(paid.charge)])).repaired == 0


def test_a_refund_is_found_also_where_a_false_one_was_told_in_its_place() -> None:
    service = known(Service())
    paid = bought(service)
    service.refund(refund(paid.charge, refunded=stars(1)))

    found = compare(service, ListedStars([paid.charge, refund(paid.charge)]))

    assert found.missing_refunds == 1
    assert waiting(service) == [report(1)]


def test_a_false_refund_that_is_listed_is_not_found_for_ever() -> None:
    service = known(Service())
    paid = bought(service)
    false = refund(paid.charge, refunded=stars(1))
    service.refund(false)

    assert compare(service, ListedStars([paid.charge, false])).missing_refunds == 0


def test_a_refund_that_came_before_its_charge_is_not_found_again() -> None:
    service = known(Service())
    service.refund(refund())

    assert compare(service, ListedStars([refund()])).missing_refunds == 0


@pytest.mark.parametrize(
    ("back", "ours"),
    [
        pytest.param(refund(charge(charge_id=ChargeId("older")), refunded_at=NOON - DAY - SECOND), False, id="no"),
        pytest.param(refund(charge(charge_id=ChargeId("older")), refunded_at=NOON - DAY), True, id="since we began"),
        pytest.param(
            refund(charge(charge_id=ChargeId("charge-1")), refunded_at=NOON - DAY - SECOND), True, id="of what we know"
        ),
    ],
)
def test_a_refund_is_ours(back: Refund, ours: bool) -> None:
    service = known(Service())
    paid = bought(service)

    found = compare(service, ListedStars([paid.charge, back]))

    assert (found.missing_refunds, found.foreign) == ((1, 0) if ours else (0, 1))
    assert waiting(service) == ([report(1)] if ours else [])


def test_the_tail_is_read_from_a_little_before_where_it_was_left() -> None:
    service = known(Service())
    ledger = ListedStars([bought(service, number).charge for number in range(60)], size=100)
    compare(service, ledger)
    ledger.read.clear()
    ledger.lines.append(charge(charge_id=ChargeId("missed")))

    found = compare(service, ledger, whole=False)

    assert ledger.read == [60 - STAR_OVERLAP]
    assert (found.entries, found.missing_payments) == (STAR_OVERLAP + 1, 1)
    assert service.state.ledger_marks[LEDGER].read_to == 61


@pytest.mark.parametrize("lines", [1, STAR_OVERLAP])
def test_the_tail_of_a_short_ledger_is_all_of_it(lines: int) -> None:
    service = known(Service())
    ledger = ListedStars([bought(service, number).charge for number in range(lines)], size=100)
    compare(service, ledger)
    ledger.read.clear()

    found = compare(service, ledger, whole=False)

    assert ledger.read == [0]
    assert (found.entries, found.whole) == (lines, False)


def test_a_tail_whose_last_page_is_full_is_not_read_whole() -> None:
    service = known(Service())
    ledger = ListedStars([bought(service, number).charge for number in range(3)], size=3)

    found = compare(service, ledger, whole=False)

    assert ledger.read == [0, 3]
    assert not found.whole


@pytest.mark.parametrize("lines", [2, 3], ids=["to a page in part", "to a full page"])
def test_a_ledger_that_became_shorter_while_the_whole_of_it_is_read_is_read_once(lines: int) -> None:
    service = known(Service())
    service.state.ledger_marks[LEDGER] = replace(service.state.ledger_marks[LEDGER], read_to=1000)
    ledger = ListedStars([bought(service, number).charge for number in range(lines)], size=3)

    assert compare(service, ledger).entries == lines


def test_a_dry_run_over_a_ledger_that_became_shorter_changes_nothing_either() -> None:
    service = known(Service())
    service.state.ledger_marks[LEDGER] = replace(service.state.ledger_marks[LEDGER], read_to=1000)
    before = service.state.copy()
    told: list[int] = []

    found = compare(
        service,
        ListedStars([charge(charge_id=ChargeId("missed"))]),
        whole=False,
        dry_run=True,
        progress=told.append,
    )

    assert (found.whole, found.missing_payments) == (True, 1)
    assert service.state == before
    assert told == [1]


def test_who_waits_is_told_how_many_entries_were_read() -> None:
    service = known(Service())
    told: list[int] = []

    compare(service, ListedStars([None] * 7), progress=told.append)
    compare_stripe(service, ListedPayments([[listed(stripe_charge())], []]), progress=told.append)

    assert told == [3, 3, 1, 1, 0]


def test_a_ledger_that_became_shorter_is_read_whole() -> None:
    service = known(Service())
    service.state.ledger_marks[LEDGER] = replace(service.state.ledger_marks[LEDGER], read_to=1000)
    ledger = ListedStars([charge(charge_id=ChargeId("missed"))])

    found = compare(service, ledger, whole=False)

    assert ledger.read == [1000 - STAR_OVERLAP, 0]
    assert (found.whole, found.missing_payments) == (True, 1)
    assert service.state.ledger_marks[LEDGER].read_to == 1000


def test_what_was_never_ours_to_sell_is_counted_and_left_alone() -> None:
    service = known(Service())
    before = NOON - 2 * DAY
    old = charge(charge_id=ChargeId("old"), payload="of another shop", charged_at=before)
    ledger = ListedStars([None, old, refund(charge(charge_id=ChargeId("older")), refunded_at=before)])

    assert compare(service, ledger).foreign == 3
    assert waiting(service) == []


def test_an_invoice_of_ours_is_ours_even_from_before_a_backup_was_restored() -> None:
    service = known(Service())
    ledger = ListedStars([charge(charged_at=NOON - 2 * DAY)])

    assert compare(service, ledger).missing_payments == 1


def test_money_without_an_invoice_of_ours_is_kept_once_we_sell_here() -> None:
    service = known(Service())

    assert compare(service, ListedStars([charge(payload="nothing of ours")])).missing_payments == 1


@pytest.mark.parametrize(
    ("before", "foreign"), [pytest.param(timedelta(0), 0, id="that second"), pytest.param(SECOND, 1, id="before it")]
)
def test_we_sell_here_from_the_second_on_in_which_we_began(before: timedelta, foreign: int) -> None:
    """Telegram's times have no parts of a second."""
    service = known(Service())
    began = NOON - DAY + timedelta(milliseconds=900)
    service.state.ledger_marks[LEDGER] = LedgerMark(ledger=LEDGER, first_started_at=began)
    strange = charge(payload="nothing of ours", charged_at=NOON - DAY - before)

    assert compare(service, ListedStars([strange])).foreign == foreign


def test_what_is_in_our_books_is_ours_whenever_it_was_and_whatever_it_names() -> None:
    service = known(Service())
    strange = charge(payload="nothing of ours", charged_at=NOON - 2 * DAY)
    service.settle(strange)

    assert compare(service, ListedStars([strange])).foreign == 0
    assert set(service.state.confirmed) == {strange.key}


def test_the_first_look_begins_our_time_here() -> None:
    service = Service()

    assert compare(service, ListedStars([charge(payload="of before", charged_at=NOON - SECOND)])).foreign == 1
    assert service.state.ledger_marks[LEDGER].first_started_at == NOON


def test_other_facts_than_ours_are_told_and_change_nothing() -> None:
    service = known(Service())
    paid = bought(service)

    found = compare(service, ListedStars([replace(paid.charge, paid=stars(1))]))

    assert (found.other_facts, found.unexplained) == (1, 1)
    assert waiting(service) == []


def test_an_entry_that_nobody_can_read_is_kept_and_told_and_stops_nothing() -> None:
    service = known(Service())
    paid = bought(service)

    class Illegible(ListedStars):
        def page(self, bot: BotName, offset: int) -> LedgerPage:
            page = ListedStars.page(self, bot, offset)
            odd = LedgerEntry(report=report(99), content=None, stars=0, readable=False)
            return replace(page, entries=(odd, *page.entries))

    found = compare(service, Illegible([paid.charge]))

    assert (found.other_facts, found.foreign, found.unexplained) == (1, 0, 1)
    assert waiting(service) == [report(99)]


def test_stars_that_are_gone_without_an_entry_are_told() -> None:
    service = known(Service())

    found = compare(service, ListedStars([bought(service).charge], lost=250))

    assert (found.drift, found.unexplained) == (250, 1)


def test_more_stars_than_the_entries_tell_of_are_nobody_s_loss() -> None:
    service = known(Service())

    found = compare(service, ListedStars([bought(service).charge], lost=-1))

    assert (found.drift, found.unexplained) == (0, 0)


def test_what_the_whole_ledger_showed_is_kept_until_the_whole_of_it_is_read_again() -> None:
    service = known(Service())
    paid = bought(service)
    odd = replace(paid.charge, paid=stars(1))

    def kept() -> tuple[int | None, ...]:
        mark = service.state.ledger_marks[LEDGER]
        return mark.drift, mark.other_facts, mark.unknown_to_provider

    compare(service, ListedStars([odd], lost=250), whole=False)
    assert kept() == (None, None, None)
    compare(service, ListedStars([odd], lost=250), dry_run=True)
    assert kept() == (None, None, None)
    compare(service, ListedStars([odd], lost=250))
    compare(service, ListedStars([paid.charge]), whole=False)
    assert kept() == (250, 1, 0)
    compare(service, ListedStars([paid.charge]))
    assert kept() == (0, 0, 0)


def test_a_payment_that_the_provider_does_not_know_is_held_back_with_its_access() -> None:
    service = known(Service())
    paid = bought(service)
    service.clock.pass_by(HOUR + SECOND)

    found = compare(service, ListedStars())

    held = service.state.payments[paid.charge.key]
    assert (found.held, found.unknown_to_provider, found.unexplained) == (1, 1, 1)
    assert (held.status, held.quarantine_reason) == (PaymentStatus.QUARANTINED, Objection.UNKNOWN_TO_PROVIDER)
    assert not service.check(ALICE, "signals").allowed
    assert service.state.trail[-1].kind == "payment_held"
    assert compare(service, ListedStars()).held == 0


def test_what_turns_up_later_is_granted_again_with_the_time_that_was_left() -> None:
    service = known(Service())
    paid = bought(service)
    [before] = service.held(ALICE)
    service.clock.pass_by(DAY)
    compare(service, ListedStars())
    service.clock.pass_by(DAY)

    found = compare(service, ListedStars([paid.charge]))

    assert found.released == 1
    assert service.state.payments[paid.charge.key] == paid
    [after] = service.held(ALICE)
    assert before.expires_at is not None
    assert after.expires_at == before.expires_at + DAY
    assert service.state.trail[-1].kind == "payment_released"


def test_what_is_fresh_or_given_back_or_of_another_bot_is_not_missed() -> None:
    service = known(Service())
    returned = bought(service, 1)
    service.refund(refund(returned.charge))
    other = charge(invoice(bot=SECOND_BOT), bot=SECOND_BOT, charge_id=ChargeId("other"))
    service.settle(other)
    service.clock.pass_by(HOUR + SECOND)
    bought(service, 2)

    assert compare(service, ListedStars([])).unknown_to_provider == 0


def test_where_a_ledger_lacks_too_much_it_is_not_believed() -> None:
    service = known(Service())
    for number in range(MOST_HELD + 1):
        bought(service, number)
    service.clock.pass_by(HOUR + SECOND)

    found = compare(service, ListedStars())

    assert (found.held, found.unknown_to_provider) == (0, MOST_HELD + 1)
    assert service.check(ALICE, "signals").allowed


def test_as_many_as_may_be_missing_are_held_back_whatever_else_waits() -> None:
    service = known(Service())
    for number in range(MOST_HELD):
        bought(service, number)
    service.settle(*(charge(charge_id=ChargeId(f"odd-{number}"), payload="odd") for number in range(3)))
    service.clock.pass_by(HOUR + SECOND)

    found = compare(service, ListedStars())

    assert (found.held, found.unknown_to_provider) == (MOST_HELD, MOST_HELD + 3)


@pytest.mark.parametrize(
    ("lines", "held"), [pytest.param(600, 6, id="one of a hundred"), pytest.param(599, 0, id="more than that")]
)
def test_of_a_long_ledger_one_of_a_hundred_may_be_missing(lines: int, held: int) -> None:
    service = known(Service())
    for number in range(6):
        bought(service, number)
    service.clock.pass_by(HOUR + SECOND)

    assert compare(service, ListedStars([None] * lines, size=100)).held == held


def test_a_dry_run_tells_the_same_and_changes_nothing() -> None:
    service = known(Service())
    bought(service, 1)
    service.clock.pass_by(HOUR + SECOND)
    before = service.state.copy()
    begun: list[MemoryTransaction] = []
    service.work = Rigged(state=service.state, rig=begun.append)

    found = compare(service, ListedStars([charge(charge_id=ChargeId("missed"))]), dry_run=True)

    assert (found.missing_payments, found.unknown_to_provider, found.held) == (1, 1, 0)
    assert service.state == before
    assert begun == []
    assert service.journal.events[-1] == LedgerCompared(findings=found, dry_run=True)


def test_a_dry_run_before_the_first_start_knows_no_mark() -> None:
    service = Service()

    assert compare(service, ListedStars([None]), dry_run=True).foreign == 1
    assert service.state.ledger_marks == {}


def test_a_dry_run_begins_where_the_mark_of_its_own_ledger_stands() -> None:
    service = known(Service())
    marks = service.state.ledger_marks
    for name, read_to in ((LEDGER, 60), ("stars:second", 70), ("stars:a", 80)):
        marks[name] = LedgerMark(ledger=name, first_started_at=NOON - DAY, read_to=read_to)
    ledger = ListedStars([None] * 60, size=100)

    compare(service, ledger, whole=False, dry_run=True)

    assert ledger.read == [60 - STAR_OVERLAP]


def test_held_and_let_go_it_is_told_to_other_services_with_what_moves() -> None:
    service = known(Service())
    paid, _ = bought(service, 1), bought(service, 2)
    [first, second] = service.held(ALICE)
    key: ChargeKey = paid.charge.key
    now = NOON + DAY

    with service.work.begin() as tx:
        held_back = hold_back(tx, key, service.ids, now)
    [moved] = service.held(ALICE)
    held = service.state.payments[key]

    ended, gone = replace(first, revoked_at=now), replace(second, revoked_at=now)
    suspended = EntitlementSuspended(entitlement=ended, payment=held, moved_up=((gone, moved),))
    assert held_back == [PaymentQuarantined(payment=held), suspended]

    with service.work.begin() as tx:
        let_go = release(tx, key, service.ids, now)
    [_, resumed] = service.held(ALICE)
    granted = service.state.payments[key]
    assert let_go == [PaymentReleased(payment=granted), EntitlementRestored(entitlement=resumed, payment=granted)]


@pytest.mark.parametrize("act", [hold_back, release])
def test_the_charge_and_then_whoever_is_concerned_is_locked_before(act: Callable[..., list[Event]]) -> None:
    service = known(Service())
    paid = bought(service)
    service.clock.pass_by(DAY)
    if act is release:
        compare(service, ListedStars())
    begun: list[MemoryTransaction] = []
    service.work = Rigged(state=service.state, rig=begun.append)

    with service.work.begin() as tx:
        act(tx, paid.charge.key, service.ids, service.clock.now())

    assert [tx.locked for tx in begun] == [[paid.charge.key, ALICE]]


@pytest.mark.parametrize(
    "different",
    [
        pytest.param({"quarantine_reason": Objection.AMOUNT_MISMATCH}, id="what is kept for another reason"),
        pytest.param({"status": PaymentStatus.REFUND_PENDING}, id="what is being given back"),
    ],
)
def test_what_turns_up_in_the_ledger_does_not_let_go(different: dict[str, Any]) -> None:
    """A person may have decided so between the look at the ledger and the lock."""
    service = known(Service())
    waits = {"status": PaymentStatus.QUARANTINED, "quarantine_reason": Objection.UNKNOWN_TO_PROVIDER}
    paid = payment(**{**waits, **different})
    service.state.payments[paid.charge.key] = paid

    compare(service, ListedStars([paid.charge]))
    with service.work.begin() as tx:
        assert release(tx, paid.charge.key, service.ids, NOON) == []

    assert service.state.payments[paid.charge.key] == paid


def test_only_what_is_granted_is_held_and_only_what_is_held_is_let_go() -> None:
    service = known(Service())
    paid = bought(service)
    key: ChargeKey = paid.charge.key
    service.refund(refund(paid.charge))

    with service.work.begin() as tx:
        assert hold_back(tx, key, service.ids, NOON) == []
        assert release(tx, key, service.ids, NOON) == []


def test_held_without_a_door_there_is_none_to_close_or_to_open() -> None:
    service = known(Service())
    paid = payment()
    service.keep(invoice())
    service.state.payments[paid.charge.key] = paid

    with service.work.begin() as tx:
        assert len(hold_back(tx, paid.charge.key, service.ids, NOON)) == 1
    with service.work.begin() as tx:
        assert len(release(tx, paid.charge.key, service.ids, NOON)) == 1
    assert service.state.payments[paid.charge.key] == paid


def test_time_that_was_over_when_it_was_held_is_as_over_as_it_was() -> None:
    service = known(Service())
    paid = bought(service)
    [span] = service.held(ALICE)
    assert span.expires_at is not None
    service.clock.time = span.expires_at + DAY
    compare(service, ListedStars())

    compare(service, ListedStars([paid.charge]))

    [again] = service.held(ALICE)
    assert (again.starts_at, again.expires_at) == (span.starts_at, span.expires_at)
    assert service.state.payments[paid.charge.key].status is PaymentStatus.GRANTED


def test_what_is_disputed_meanwhile_stays_closed_when_it_is_let_go() -> None:
    service = known(Service())
    service.keep(stripe_invoice())
    [paid] = service.settle(stripe_charge()).values()
    with service.work.begin() as tx:
        hold_back(tx, paid.charge.key, service.ids, NOON)
    service.follow(standing(paid.charge, disputes={"dp_1": DisputeState.WITHDRAWN}))

    with service.work.begin() as tx:
        events = release(tx, paid.charge.key, service.ids, NOON)

    assert [type(event) for event in events] == [PaymentReleased]
    assert service.held(ALICE) == []
    service.follow(standing(paid.charge, disputes={"dp_1": DisputeState.WON}))
    assert len(service.held(ALICE)) == 1


# Stripe ---------------------------------------------------------------------------------------------------------------


def listed(paid: Charge, **different: object) -> StripeEntry:
    valid = StripeEntry(charge_id=paid.charge_id, ours=True, at=NOON, moved=True)
    return replace(valid, **different)  # type: ignore[arg-type]


def paid_by_stripe(service: Service) -> Payment:
    service.keep(stripe_invoice())
    [granted] = service.settle(stripe_charge()).values()
    return granted


def test_stripe_tells_of_nothing_new() -> None:
    service = known(Service())
    paid = paid_by_stripe(service)

    found = compare_stripe(service, ListedPayments([[listed(paid.charge)], []]))

    assert found == Findings(ledger="stripe", whole=True, entries=1)
    assert set(service.state.confirmed) == {paid.charge.key}


@pytest.mark.parametrize(
    ("different", "missing"),
    [
        pytest.param({}, 1, id="paid"),
        pytest.param({"moved": False}, 0, id="not paid"),
        pytest.param({"ours": False}, 0, id="none of ours"),
        pytest.param({"ours": None}, 0, id="nobody knows whose, and we don't know it"),
    ],
)
def test_a_payment_at_stripe_that_we_missed_is_fetched(different: dict[str, object], missing: int) -> None:
    service = known(Service())

    found = compare_stripe(service, ListedPayments([[listed(stripe_charge(), **different)]]))

    assert found.missing_payments == missing
    assert len(waiting(service)) == missing
    assert found.foreign == (different.get("ours") is False)


@pytest.mark.parametrize(
    ("different", "behind"),
    [
        pytest.param({"given_back": 1}, 1, id="a part went back"),
        pytest.param({"disputes": {"dp_1": DisputeState.WITHDRAWN}}, 1, id="a dispute"),
        pytest.param({"given_back": 0}, 0, id="nothing"),
    ],
)
def test_what_became_of_a_payment_at_stripe_is_fetched(different: dict[str, object], behind: int) -> None:
    service = known(Service())
    paid = paid_by_stripe(service)

    found = compare_stripe(service, ListedPayments([[listed(paid.charge, ours=None, **different)]]))

    assert found.missing_refunds == behind
    assert waiting(service) == [ListedPayments().report(paid.charge.charge_id)] * behind


def test_what_went_back_in_whole_is_known_to_the_end() -> None:
    service = known(Service())
    paid = paid_by_stripe(service)
    service.refund(refund(paid.charge))

    assert compare_stripe(service, ListedPayments([[listed(paid.charge, given_back=9999)]])).repaired == 0


def test_stripes_tail_is_read_from_an_hour_before_its_newest_and_all_from_our_beginning() -> None:
    service = known(Service())
    ledger = ListedPayments()
    beginning = NOON - DAY - STRIPE_OVERLAP

    compare_stripe(service, ledger, whole=False)
    ledger.pages = [[listed(stripe_charge(), at=NOON - SECOND), listed(stripe_charge(), at=NOON)], []]
    service.clock.pass_by(HOUR)
    compare_stripe(service, ledger, whole=False)
    compare_stripe(service, ledger, whole=False)
    compare_stripe(service, ledger, whole=True)
    compare_stripe(service, ledger, since=NOON - 30 * DAY)

    assert ledger.asked == [beginning, beginning, NOON - STRIPE_OVERLAP, beginning, NOON - 30 * DAY]


def test_a_clock_that_is_ahead_for_a_while_has_nothing_of_stripes_lists_skipped() -> None:
    service = known(Service())
    ledger = ListedPayments([[listed(stripe_charge(), at=NOON)]])
    service.clock.time = NOON + 30 * DAY
    compare_stripe(service, ledger, whole=False)
    service.clock.time = NOON + SECOND

    compare_stripe(service, ledger, whole=False)

    assert ledger.asked[-1] == NOON - STRIPE_OVERLAP


def test_a_mark_that_is_still_to_come_is_not_kept() -> None:
    service = known(Service())
    ledger = ListedPayments()
    compare_stripe(service, ledger, whole=False)
    mark = service.state.ledger_marks["stripe"]
    service.state.ledger_marks["stripe"] = replace(mark, read_to=int((NOON + 30 * DAY).timestamp()))

    compare_stripe(service, ledger, whole=False)

    assert service.state.ledger_marks["stripe"].read_to == int(NOON.timestamp())


def test_where_we_started_by_a_clock_that_was_ahead_stripes_lists_are_read_from_now() -> None:
    service = known(Service())
    service.clock.time = NOON - 30 * DAY
    ledger = ListedPayments()

    compare_stripe(service, ledger, whole=False)

    assert ledger.asked == [NOON - 30 * DAY - STRIPE_OVERLAP]


def test_reading_from_a_later_time_by_hand_skips_nothing_of_what_lies_before() -> None:
    service = known(Service())
    ledger = ListedPayments([[listed(stripe_charge(), at=NOON - HOUR)]])
    compare_stripe(service, ledger, whole=False)
    ledger.pages = [[listed(stripe_charge(), at=NOON + DAY)]]

    compare_stripe(service, ledger, whole=False, since=NOON)
    compare_stripe(service, ledger, whole=False)

    assert ledger.asked[-1] == NOON - HOUR - STRIPE_OVERLAP


def test_a_payment_of_ours_that_stripe_does_not_list_is_told() -> None:
    service = known(Service())
    paid_by_stripe(service)
    service.clock.pass_by(HOUR + SECOND)

    found = compare_stripe(service, ListedPayments())

    assert (found.unknown_to_provider, found.unexplained) == (1, 1)
    mark = service.state.ledger_marks["stripe"]
    assert (mark.drift, mark.other_facts, mark.unknown_to_provider) == (None, 0, 1)


def test_what_is_fresh_is_not_missed_at_stripe() -> None:
    service = known(Service())
    paid_by_stripe(service)
    service.clock.pass_by(HOUR)

    assert compare_stripe(service, ListedPayments()).unknown_to_provider == 0


def test_only_who_has_read_all_of_it_knows_what_stripe_does_not_list() -> None:
    service = known(Service())
    paid_by_stripe(service)
    service.clock.pass_by(HOUR + SECOND)
    later = service.clock.now()

    def mark() -> LedgerMark:
        return replace(service.state.ledger_marks["stripe"], first_started_at=NOON)

    begun = LedgerMark(ledger="stripe", first_started_at=NOON)
    assert compare_stripe(service, ListedPayments(), whole=False).unknown_to_provider == 0
    assert mark() == replace(begun, tail_read_at=later)
    found = compare_stripe(service, ListedPayments())
    assert mark() == replace(
        begun, tail_read_at=later, whole_begun_at=later, whole_read_at=later, other_facts=0, unknown_to_provider=1
    )
    assert service.journal.events[-1] == LedgerCompared(findings=found, dry_run=False)


def test_a_dry_run_over_stripe_changes_nothing() -> None:
    service = known(Service())
    before = service.state.copy()
    begun: list[MemoryTransaction] = []
    service.work = Rigged(state=service.state, rig=begun.append)

    found = compare_stripe(service, ListedPayments([[listed(stripe_charge())]]), dry_run=True)

    assert found.missing_payments == 1
    assert service.state == before
    assert begun == []


# Looking ------------------------------------------------------------------------------------------------------------


def test_payments_are_shown_with_the_entitlement_that_they_open() -> None:
    service = Service()
    paid = bought(service)
    [opened] = service.held(ALICE)

    assert FindPayments(service.work)(PaymentFilter(method=Method.STARS), Page()) == ([(paid, opened.id)], None)
    assert ShowPayment(service.work)(paid.id) == (paid, opened.id)


def test_a_payment_that_is_not_there_can_not_be_shown() -> None:
    with pytest.raises(NotFound):
        ShowPayment(Service().work)(PaymentId("pay_none"))


def test_the_trail_is_shown_newest_first() -> None:
    service = Service()
    paid = bought(service)
    service.refund(refund(paid.charge))

    found = FindPaymentEvents(service.work)(TrailFilter(charge_id=paid.charge.charge_id), Page())

    assert [kept.entry.kind for kept in found.items] == ["refunded_payment", "successful_payment"]
