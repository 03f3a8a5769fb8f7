"""What went back in part leaves the access; a dispute interrupts it, and what was left goes on once it is won."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.messages import (
    AccessRestored,
    AccessSuspended,
    Confirmation,
    PartReturned,
    PaymentReturned,
    Price,
)
from application.ports.trail import TrailEntry
from domain.catalog import Plan
from domain.duration import END_OF_TIME, LIFETIME, Duration, Unit
from domain.entitlement import Entitlement, Holding, reinstate, resume
from domain.errors import Unavailable
from domain.events import (
    EntitlementRestored,
    EntitlementRevoked,
    EntitlementSuspended,
    PaymentPartlyRefunded,
    PaymentRefunded,
    RefundFailed,
)
from domain.ids import ChargeId, EntitlementId, PlanCode
from domain.payment import Charge, DisputeState, Payment, PaymentStatus
from tests.builders import (
    ALICE,
    DAY,
    FOR_LIFE,
    GOLD,
    HOUR,
    MAIN,
    MALLORY,
    MONTH,
    SECOND,
    Rigged,
    Service,
    charge,
    entitlement,
    invoice,
    invoice_id,
    payment,
    refund,
    standing,
    stripe_charge,
    stripe_invoice,
)
from tests.memory import NOON, MemoryTransaction

FORTNIGHT = replace(GOLD, duration=Duration.parse("2 weeks"))
LONG = 14 * DAY
OPENED, WITHDRAWN, WON, LOST = DisputeState


def sold(plan: Plan = FORTNIGHT) -> Service:
    """Alice has paid for the plan by Stripe, at noon; what was told and written until then is put away."""
    service = Service()
    service.keep(stripe_invoice(plan))
    service.settle(paid(plan))
    service.state.outbox.clear()
    service.state.trail.clear()
    service.journal.events.clear()
    return service


def paid(plan: Plan = FORTNIGHT) -> Charge:
    return stripe_charge(stripe_invoice(plan))


def kept(service: Service) -> Payment:
    return service.state.payments[stripe_charge().key]


def dispute(service: Service, *states: DisputeState, name: str = "dp_1") -> None:
    for state in states:
        service.follow(standing(disputes={name: state}))


def returned(service: Service, *totals: int) -> None:
    for total in totals:
        service.follow(standing(amount_refunded=total))


def extend(service: Service, number: int = 2, plan: Plan = FORTNIGHT) -> None:
    """She pays for it once more, in Telegram."""
    another = invoice(plan, id=invoice_id(number))
    service.keep(another)
    service.settle(charge(another, charge_id=ChargeId(f"charge-{number}")))


def spans(service: Service) -> list[tuple[datetime, datetime | None]]:
    return [(span.starts_at, span.expires_at) for span in service.held(ALICE)]


# A part goes back -----------------------------------------------------------------------------------------------------


def test_what_went_back_in_part_is_recorded_and_leaves_the_access() -> None:
    service = sold()
    before = service.held(ALICE)

    returned(service, 700)

    assert (kept(service).amount_refunded, kept(service).left) == (700, 1800)
    assert kept(service).status is PaymentStatus.GRANTED
    assert service.held(ALICE) == before
    assert service.journal.events == [PaymentPartlyRefunded(payment=kept(service))]
    assert service.state.trail == [
        TrailEntry(
            kind="charge_standing",
            bot=MAIN,
            at=NOON,
            user_id=ALICE,
            invoice_id=invoice_id(),
            charge_id=ChargeId("pi_1"),
            decision="granted",
        )
    ]
    assert service.state.messages == [
        PartReturned(price=Price(amount=700, currency="GBP"), left=Price(amount=1800, currency="GBP"), plan=GOLD.title)
    ]


@pytest.mark.parametrize(
    ("totals", "told"),
    [
        pytest.param([500, 500], [500], id="the same twice"),
        pytest.param([500, 1200], [500, 700], id="more"),
        pytest.param([1200, 500], [1200], id="an older one late"),
        pytest.param([500, 1200, 500, 1200, 2499], [500, 700, 1299], id="all of it mixed"),
    ],
)
def test_it_is_counted_from_totals_and_each_part_is_told_once(totals: list[int], told: list[int]) -> None:
    service = sold()

    returned(service, *totals)

    assert kept(service).amount_refunded == max(totals)
    assert [said.price.amount for said in service.state.messages if isinstance(said, PartReturned)] == told
    assert service.check(ALICE, "signals").allowed


def test_when_the_rest_goes_back_too_the_access_ends_and_the_rest_is_told() -> None:
    service = sold()
    returned(service, 700)

    service.refund(refund(paid()))

    assert (kept(service).status, kept(service).left) == (PaymentStatus.REFUNDED, 0)
    assert service.held(ALICE) == []
    assert service.state.messages[-1] == PaymentReturned(
        price=Price(amount=1800, currency="GBP"), plan=GOLD.title, ended=True
    )


def test_what_is_told_of_a_part_after_the_whole_went_back_changes_nothing() -> None:
    service = sold()
    service.refund(refund(paid()))
    before = service.state.copy()

    returned(service, 700)

    assert service.state == before


# A refund that could not be paid out ----------------------------------------------------------------------------------


def failed(service: Service, *counts: int, given_back: int = 0) -> None:
    for count in counts:
        service.follow(standing(amount_refunded=given_back, refunds_failed=count))


def test_a_refund_that_the_bank_sends_back_is_told_to_a_person_once_and_undoes_nothing() -> None:
    service = sold()
    service.refund(refund(paid()))
    before = kept(service)
    told = len(service.journal.events)

    failed(service, 1, 1)

    problem = "the buyer's bank did not take a refund that had been made; the money is yours again"
    assert service.journal.events[told:] == [RefundFailed(payment=before, problem=problem)]
    assert kept(service) == before
    assert (service.state.trail[-1].kind, service.state.trail[-1].note) == ("refund_came_back", problem)
    assert [entry.kind for entry in service.state.trail].count("refund_came_back") == 1


def test_each_further_one_is_told_too() -> None:
    service = sold()
    service.refund(refund(paid()))

    failed(service, 1, 2, 1, 2)

    assert len([event for event in service.journal.events if isinstance(event, RefundFailed)]) == 2


def test_a_part_that_the_bank_sends_back_is_told_too() -> None:
    service = sold()
    returned(service, 700)

    failed(service, 1)

    [told] = [event for event in service.journal.events if isinstance(event, RefundFailed)]
    assert told.payment == kept(service)
    assert service.check(ALICE, "signals").allowed


@pytest.mark.parametrize(
    ("before", "given_back"),
    [pytest.param([], 0, id="that was never told of as done"), pytest.param([700], 700, id="beside one that is done")],
)
def test_nobody_is_told_of_a_refund_that_failed(before: list[int], given_back: int) -> None:
    service = sold()
    returned(service, *before)

    failed(service, 1, given_back=given_back)

    assert not any(isinstance(event, RefundFailed) for event in service.journal.events)


@pytest.mark.parametrize("told", [DisputeState.WITHDRAWN, DisputeState.LOST], ids=["asked for before", "or after"])
def test_nobody_is_told_to_pay_a_buyer_who_has_the_money_by_a_lost_dispute(told: DisputeState) -> None:
    """A dispute makes Stripe fail the refunds that are on their way (`charge_for_pending_refund_disputed`)."""
    service = sold()
    dispute(service, DisputeState.LOST)
    service.refund(refund(paid()))

    service.follow(standing(disputes={"dp_1": told}, refunds_failed=1))

    assert not any(isinstance(event, RefundFailed) for event in service.journal.events)


# A dispute ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [OPENED, WON])
def test_a_dispute_that_took_no_money_changes_nothing_but_the_record(state: DisputeState) -> None:
    service = sold()
    before = service.held(ALICE)

    dispute(service, state)

    assert kept(service).disputes == {"dp_1": state}
    assert service.held(ALICE) == before
    assert (service.state.messages, service.journal.events) == ([], [])


def test_a_dispute_that_took_the_money_shuts_the_door_at_once() -> None:
    service = sold()
    service.clock.pass_by(DAY)
    [span] = service.held(ALICE)

    dispute(service, WITHDRAWN)

    interrupted = replace(span, revoked_at=NOON + DAY)
    assert not service.check(ALICE, "signals").allowed
    assert service.state.entitlements == {span.id: interrupted}
    assert (kept(service).status, kept(service).suspended) == (PaymentStatus.GRANTED, span.id)
    assert service.state.messages == [AccessSuspended(plan=GOLD.title)]
    assert service.journal.events == [EntitlementSuspended(entitlement=interrupted, payment=kept(service))]
    assert service.state.trail[-1].decision == "suspended"


def test_once_it_is_won_what_was_left_goes_on_as_a_new_span() -> None:
    service = sold()
    service.clock.pass_by(5 * DAY)
    dispute(service, WITHDRAWN)
    service.clock.pass_by(30 * DAY)
    told = len(service.journal.events)

    dispute(service, WON)

    [rest] = service.held(ALICE)
    assert (rest.starts_at, rest.expires_at) == (NOON + 35 * DAY, NOON + 35 * DAY + LONG - 5 * DAY)
    assert (rest.payment_id, rest.features, rest.limits) == (kept(service).id, GOLD.features, GOLD.limits)
    assert str(rest.duration) == "777600 seconds"
    assert service.check(ALICE, "signals").allowed
    assert kept(service).suspended is None
    assert service.state.messages[-1] == AccessRestored(plan=GOLD.title, expires_at=rest.expires_at)
    assert service.journal.events[told:] == [EntitlementRestored(entitlement=rest, payment=kept(service))]


def test_once_it_is_lost_the_payment_is_refunded_and_nothing_goes_on() -> None:
    service = sold()
    dispute(service, WITHDRAWN)
    [interrupted] = service.state.entitlements.values()
    told = len(service.journal.events)

    for _ in range(2):
        service.refund(refund(paid()))
    dispute(service, WITHDRAWN, WON)

    assert kept(service).status is PaymentStatus.REFUNDED
    assert kept(service).suspended is None
    assert service.state.entitlements == {interrupted.id: interrupted}
    assert service.journal.events[told:] == [
        PaymentRefunded(payment=replace(kept(service), disputes={"dp_1": WITHDRAWN})),
        EntitlementRevoked(entitlement=interrupted),
    ]
    assert service.state.messages[1:] == [
        PaymentReturned(price=Price(amount=2500, currency="GBP"), plan=GOLD.title, ended=True)
    ]


def test_one_that_is_lost_leaves_other_time_of_the_plan_open() -> None:
    service = sold()
    extend(service)
    dispute(service, WITHDRAWN)

    service.refund(refund(paid()))

    assert service.check(ALICE, "signals").allowed
    last = service.state.messages[-1]
    assert isinstance(last, PaymentReturned)
    assert not last.ended


def test_what_was_lost_never_goes_on_also_when_that_is_told_before_the_refund_and_old_news_after_it() -> None:
    service = sold()
    dispute(service, WITHDRAWN)

    dispute(service, LOST, WITHDRAWN, WON)

    assert service.held(ALICE) == []
    assert kept(service).suspended is not None
    assert kept(service).disputes == {"dp_1": LOST}
    service.refund(refund(paid()))
    assert kept(service).status is PaymentStatus.REFUNDED


def test_a_total_of_everything_ends_nothing_by_itself_and_is_no_part() -> None:
    service = sold()

    returned(service, 2500)

    assert service.state.messages == []
    assert kept(service).status is PaymentStatus.GRANTED
    service.refund(refund(paid()))
    assert service.state.messages == [
        PaymentReturned(price=Price(amount=2500, currency="GBP"), plan=GOLD.title, ended=True)
    ]


@pytest.mark.parametrize(
    ("news", "known"),
    [
        pytest.param([WITHDRAWN, OPENED], WITHDRAWN, id="opened, after the money went"),
        pytest.param([WITHDRAWN, WON, WITHDRAWN, OPENED], WON, id="everything before it was won"),
        pytest.param([WON, WITHDRAWN], WON, id="that the money went, after it came back"),
    ],
)
def test_old_news_moves_nothing_back(news: list[DisputeState], known: DisputeState) -> None:
    service = sold()

    dispute(service, *news)

    assert kept(service).disputes == {"dp_1": known}
    assert service.check(ALICE, "signals").allowed is (known is WON)


def test_a_second_dispute_interrupts_what_went_on_after_the_first() -> None:
    service = sold()
    service.clock.pass_by(DAY)
    dispute(service, WITHDRAWN, WON)
    service.clock.pass_by(DAY)
    dispute(service, WITHDRAWN, name="dp_2")
    assert not service.check(ALICE, "signals").allowed
    service.clock.pass_by(DAY)

    dispute(service, WON, name="dp_2")

    assert kept(service).disputes == {"dp_1": WON, "dp_2": WON}
    assert spans(service) == [(NOON + 3 * DAY, NOON + DAY + LONG)]


def test_of_two_disputes_both_must_be_won() -> None:
    service = sold()
    dispute(service, WITHDRAWN)
    dispute(service, WITHDRAWN, name="dp_2")
    dispute(service, WON)
    assert service.held(ALICE) == []

    dispute(service, WON, name="dp_2")

    assert spans(service) == [(NOON, NOON + LONG)]


@pytest.mark.parametrize("states", [[WON], [LOST], [WITHDRAWN], [WITHDRAWN, WON]])
def test_who_has_nothing_left_is_told_nothing_of_a_dispute(states: list[DisputeState]) -> None:
    service = sold()
    service.clock.pass_by(60 * DAY)

    dispute(service, *states)

    assert not service.check(ALICE, "signals").allowed
    assert service.state.messages == []


def test_a_dispute_won_after_the_time_was_over_leaves_the_payment_with_the_span_it_had() -> None:
    service = sold()
    service.clock.pass_by(60 * DAY)

    dispute(service, WITHDRAWN, WON)

    assert spans(service) == [(NOON, NOON + LONG)]


def test_money_withdrawn_by_a_clock_that_is_ahead_closes_the_door_for_all_others() -> None:
    service = sold()
    service.clock.pass_by(60 * DAY)
    dispute(service, WITHDRAWN)
    service.clock.pass_by(-60 * DAY)

    assert service.held(ALICE) == []
    assert isinstance(service.journal.events[-1], EntitlementSuspended)


def test_a_dispute_won_by_a_clock_that_is_ahead_opens_the_door_again_for_all_others() -> None:
    service = sold()
    service.clock.pass_by(60 * DAY)
    dispute(service, WITHDRAWN, WON)
    service.clock.pass_by(-60 * DAY)

    assert service.check(ALICE, "signals").allowed


def test_a_dispute_over_money_that_granted_nothing_interrupts_nothing() -> None:
    service = Service()
    wrong = stripe_charge(payer=MALLORY)
    service.keep(stripe_invoice())
    service.settle(wrong)

    dispute(service, WITHDRAWN, WON)

    assert kept(service).status is PaymentStatus.QUARANTINED
    assert kept(service).disputes == {"dp_1": WON}
    assert service.state.entitlements == {}
    assert [type(said) for said in service.state.messages[1:]] == []


def test_a_payment_without_an_invoice_is_followed_in_words_without_a_plan() -> None:
    service = Service()
    stray = payment(paid(), invoice_id=None)
    service.state.payments[stray.charge.key] = stray
    service.give(entitlement(payment_id=stray.id))

    returned(service, 700)
    dispute(service, WITHDRAWN, WON)

    assert service.state.messages == [
        PartReturned(price=Price(amount=700, currency="GBP"), left=Price(amount=1800, currency="GBP"), plan=None),
        AccessSuspended(plan=GOLD.code),
        AccessRestored(plan=GOLD.code, expires_at=MONTH.after(NOON)),
    ]


def test_a_charge_that_nobody_told_of_is_not_followed() -> None:
    service = Service()

    dispute(service, WITHDRAWN)
    returned(service, 700)

    assert service.state == Service().state
    assert service.journal.events == []


def test_where_the_interrupted_span_is_gone_nothing_goes_on() -> None:
    service = sold()
    dispute(service, WITHDRAWN)
    service.state.entitlements.clear()

    dispute(service, WON)

    assert kept(service).suspended is None
    assert [type(said) for said in service.state.messages] == [AccessSuspended]


def test_where_it_is_gone_the_refund_is_kept_all_the_same() -> None:
    service = sold()
    dispute(service, WITHDRAWN)
    service.state.entitlements.clear()

    service.refund(refund(paid()))

    assert kept(service).status is PaymentStatus.REFUNDED
    assert isinstance(service.state.messages[-1], PaymentReturned)


def test_where_less_than_a_second_is_left_the_span_is_put_back_as_it_was() -> None:
    service = sold()
    service.clock.pass_by(LONG - timedelta(milliseconds=400))
    dispute(service, WITHDRAWN)
    assert kept(service).suspended is not None

    dispute(service, WON)

    assert kept(service).suspended is None
    assert spans(service) == [(NOON, NOON + LONG)]
    assert [type(said) for said in service.state.messages] == [AccessSuspended, AccessRestored]


def test_news_of_a_charge_stand_in_line_with_all_that_concerns_its_payer() -> None:
    begun: list[MemoryTransaction] = []
    service = sold()
    service.work = Rigged(rig=begun.append, state=service.state)

    dispute(service, WITHDRAWN)

    assert [tx.locked for tx in begun] == [[stripe_charge().key, ALICE]]


def test_while_the_database_is_away_nothing_is_told() -> None:
    service = sold()
    service.work.broken = True

    with pytest.raises(Unavailable):
        dispute(service, WITHDRAWN)
    assert service.journal.events == []


# Other time of the plan -----------------------------------------------------------------------------------------------


def test_while_one_payment_is_disputed_time_that_was_paid_by_another_moves_up_and_the_rest_follows_it() -> None:
    service = sold()
    extend(service)
    service.clock.pass_by(4 * DAY)

    dispute(service, WITHDRAWN)
    assert spans(service) == [(NOON + 4 * DAY, NOON + 4 * DAY + LONG)]
    assert service.state.messages[-1] == AccessSuspended(plan=GOLD.title, ended=False)

    service.clock.pass_by(DAY)
    dispute(service, WON)
    assert spans(service) == [(NOON + 4 * DAY, NOON + 4 * DAY + LONG), (NOON + 4 * DAY + LONG, NOON + 2 * LONG)]


def test_what_moves_up_is_told_with_what_is_interrupted() -> None:
    service = sold()
    extend(service)
    [first, second] = service.held(ALICE)
    service.clock.pass_by(DAY)

    dispute(service, WITHDRAWN)

    [moved] = service.held(ALICE)
    now = NOON + DAY
    assert service.journal.events[-1] == EntitlementSuspended(
        entitlement=replace(first, revoked_at=now),
        payment=kept(service),
        moved_up=((replace(second, revoked_at=now), moved),),
    )


@pytest.mark.parametrize("known", [True, False], ids=["of the invoice", "English, where that is lost"])
def test_the_payer_is_told_in_the_language(known: bool) -> None:
    service = Service()
    if known:
        service.keep(stripe_invoice(language="de"))
    paid = stripe_charge() if known else stripe_charge(payload="nonsense")
    service.settle(paid)

    service.follow(standing(paid, amount_refunded=700))

    letter = service.state.outbox[-1].letter
    assert (letter.chat_id, letter.language) == (ALICE, "de" if known else "en")


def test_time_that_had_not_begun_goes_on_whole_and_as_it_was_bought() -> None:
    service = sold()
    extend(service, plan=GOLD)
    late = charge(charge_id=ChargeId("charge-2")).key
    service.clock.pass_by(DAY)

    service.follow(standing(amount=1250, provider=late[0], charge_id=late[1], disputes={"dp": WITHDRAWN}))
    assert spans(service) == [(NOON, NOON + LONG)]
    service.follow(standing(amount=1250, provider=late[0], charge_id=late[1], disputes={"dp": WON}))

    assert spans(service) == [(NOON, NOON + LONG), (NOON + LONG, MONTH.after(NOON + LONG))]
    assert service.held(ALICE)[1].duration == MONTH


def test_what_is_bought_while_a_payment_is_disputed_begins_at_once_and_the_rest_follows_it() -> None:
    service = sold()
    service.clock.pass_by(4 * DAY)
    dispute(service, WITHDRAWN)

    extend(service)
    assert spans(service) == [(NOON + 4 * DAY, NOON + 4 * DAY + LONG)]
    said = service.state.messages[-1]
    assert isinstance(said, Confirmation)
    assert not said.extends

    dispute(service, WON)
    assert spans(service)[1] == (NOON + 4 * DAY + LONG, NOON + 2 * LONG)


def test_a_rest_that_waits_behind_other_time_moves_up_when_that_is_given_back() -> None:
    service = sold()
    extend(service)
    service.clock.pass_by(4 * DAY)
    dispute(service, WITHDRAWN, WON)

    service.refund(refund(charge(charge_id=ChargeId("charge-2"))))

    assert spans(service) == [(NOON + 4 * DAY, NOON + LONG)]


def test_a_life_that_was_interrupted_goes_on_for_life() -> None:
    service = sold(FOR_LIFE)
    dispute(service, WITHDRAWN)
    assert not service.check(ALICE, "signals").allowed

    dispute(service, WON)

    assert spans(service) == [(NOON, None)]
    assert service.state.messages[-1] == AccessRestored(plan=FOR_LIFE.title, expires_at=None)


def test_beside_a_life_bought_meanwhile_it_goes_on_too_for_that_may_be_given_back() -> None:
    service = sold(FOR_LIFE)
    dispute(service, WITHDRAWN)
    extend(service, plan=FOR_LIFE)

    dispute(service, WON)
    service.refund(refund(charge(invoice(FOR_LIFE, id=invoice_id(2)), charge_id=ChargeId("charge-2"))))

    assert spans(service) == [(NOON, None)]
    assert service.check(ALICE, "signals").allowed


def test_beside_a_life_each_of_several_has_its_own_time_for_the_life_may_be_given_back() -> None:
    service = sold()
    extend(service)
    service.clock.pass_by(4 * DAY)
    dispute(service, WITHDRAWN)
    forever = replace(FOR_LIFE, code=GOLD.code)
    extend(service, 3, plan=forever)

    dispute(service, WON)
    service.refund(refund(charge(invoice(forever, id=invoice_id(3)), charge_id=ChargeId("charge-3"))))

    begins = NOON + 4 * DAY
    assert spans(service) == [(begins, begins + LONG), (begins + LONG, begins + LONG + 10 * DAY)]


# The rule alone -------------------------------------------------------------------------------------------------------


def rest(span: Entitlement, *, held: Holding | None = None, now: datetime = NOON + 90 * DAY) -> Entitlement | None:
    return resume(span, id=EntitlementId("rest"), held=held, now=now)


@pytest.mark.parametrize(
    "different",
    [
        pytest.param({"revoked_at": None}, id="what was not interrupted"),
        pytest.param({"revoked_at": MONTH.after(NOON)}, id="what was interrupted at its end"),
        pytest.param({"revoked_at": NOON + 90 * DAY}, id="what was interrupted after its end"),
    ],
)
def test_nothing_is_left_of(different: dict[str, Any]) -> None:
    assert rest(entitlement(**different)) is None


def put_back(span: Entitlement, *others: Entitlement) -> Entitlement:
    return reinstate(span, id=EntitlementId("again"), among=[span, *others], held=None, now=NOON + 91 * DAY)


def other(starts_at: datetime, days: int, **different: Any) -> Entitlement:
    return entitlement(id=EntitlementId("other"), starts_at=starts_at, expires_at=starts_at + days * DAY, **different)


def test_where_nothing_is_left_the_span_is_put_back_as_it_was() -> None:
    over = entitlement(FORTNIGHT, revoked_at=NOON + 90 * DAY)

    assert put_back(over) == replace(
        over, id=EntitlementId("again"), origin=over.id, granted_at=NOON + 91 * DAY, revoked_at=None
    )


@pytest.mark.parametrize(
    ("others", "begins"),
    [
        pytest.param([other(NOON + DAY, 3)], NOON + 4 * DAY, id="one"),
        pytest.param([other(NOON + DAY, 3), other(NOON + 5 * DAY, 3)], NOON + 8 * DAY, id="two, one after the other"),
        pytest.param([other(NOON + DAY, 3, plan_code=PlanCode("silver"))], NOON, id="of another plan"),
        pytest.param([other(NOON + DAY, 3, revoked_at=NOON + 2 * DAY)], NOON, id="that was ended"),
        pytest.param([other(NOON + LONG, 3)], NOON, id="that begins where it ends"),
        pytest.param([other(NOON - 3 * DAY, 3)], NOON, id="that ends where it begins"),
        pytest.param([other(NOON - 9 * DAY, 3)], NOON, id="that was over before it began"),
        pytest.param([other(NOON + 16 * DAY, 3), other(NOON + DAY, 3)], NOON + 19 * DAY, id="two, the later one first"),
        pytest.param([entitlement(duration=LIFETIME)], NOON, id="for life"),
    ],
)
def test_it_follows_what_has_taken_its_place_since(others: list[Entitlement], begins: datetime) -> None:
    again = put_back(entitlement(FORTNIGHT, revoked_at=NOON + 90 * DAY), *others)

    assert (again.starts_at, again.expires_at) == (begins, begins + LONG)


@pytest.mark.parametrize("used", [HOUR, LONG], ids=["of which something is left", "of which nothing is left"])
def test_what_goes_on_is_the_same_grant_and_nobody_knew_of_it_before(used: timedelta) -> None:
    moved = entitlement(
        FORTNIGHT, origin=EntitlementId("first"), moved_at=NOON - HOUR, granted_at=NOON - DAY, revoked_at=NOON + used
    )

    again = put_back(moved)

    assert again.grant == moved.grant
    assert again.known_from == NOON + 91 * DAY


def test_what_was_never_interrupted_is_not_put_back() -> None:
    with pytest.raises(ValueError, match="never interrupted"):
        put_back(entitlement())


@given(used=st.timedeltas(timedelta(0), LONG - SECOND), waited=st.timedeltas(-DAY, 400 * DAY))
def test_what_is_left_is_what_was_not_used_to_the_second(used: timedelta, waited: timedelta) -> None:
    span = entitlement(FORTNIGHT, revoked_at=NOON + used)

    left = rest(span, now=NOON + used + waited)

    assert left is not None
    assert left.expires_at is not None
    assert left.starts_at == NOON + used + waited
    assert timedelta(0) <= (LONG - used) - (left.expires_at - left.starts_at) < SECOND
    assert left.duration.unit is Unit.SECOND or used == timedelta(0)


@pytest.mark.parametrize(
    ("held", "begins"),
    [
        pytest.param(None, NOON + 90 * DAY, id="now, where nothing is held"),
        pytest.param(Holding(expires_at=NOON + DAY), NOON + 90 * DAY, id="now, where what was held is over"),
        pytest.param(Holding(expires_at=NOON + 99 * DAY), NOON + 99 * DAY, id="at the end of what is held"),
        pytest.param(Holding(expires_at=None), NOON + 90 * DAY, id="now, beside a life"),
        pytest.param(Holding(expires_at=END_OF_TIME), NOON + 90 * DAY, id="now, where nothing can follow"),
    ],
)
def test_what_is_left_begins(held: Holding | None, begins: datetime) -> None:
    left = rest(entitlement(revoked_at=NOON + HOUR), held=held)

    assert left is not None
    assert left.starts_at == begins


def test_a_life_has_all_of_it_left() -> None:
    left = rest(entitlement(FOR_LIFE, duration=LIFETIME, revoked_at=NOON + DAY))

    assert left is not None
    assert (left.expires_at, left.duration) == (None, LIFETIME)


def test_what_is_left_is_the_same_grant() -> None:
    span = entitlement(revoked_at=NOON + HOUR)

    left = rest(span)

    assert left is not None
    assert left.grant == span.grant
