"""What was true at a past moment is what the service would have answered then, whatever became known since."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from application.access import TRAIL_PAGE
from application.holding import hold_back, release
from application.ports.payments import ChargeKey
from application.ports.trail import TrailEntry
from domain.access import Access
from domain.entitlement import known_at
from domain.ids import ChargeId, EntitlementId
from domain.payment import Charge, DisputeState, PaymentStatus
from tests.builders import (
    ALICE,
    DAY,
    GOLD,
    MAIN,
    SECOND,
    SILVER,
    Service,
    charge,
    entitlement,
    invoice,
    invoice_id,
    payment,
    refund,
    standing,
    stars,
    stripe_charge,
    stripe_invoice,
)
from tests.memory import NOON

WEEK = timedelta(days=7)
FEATURES = ("signals", "copy_trading")
WITHDRAWN, WON = DisputeState.WITHDRAWN, DisputeState.WON


def bought(service: Service, number: int) -> Charge:
    """Alice pays for a month of Gold, again and again."""
    offered = stripe_invoice(id=invoice_id(number))
    paid = stripe_charge(offered, charge_id=ChargeId(f"pi_{number}"))
    service.keep(offered)
    service.settle(paid)
    return paid


def told(service: Service, moment: datetime | None = None) -> list[object]:
    """Everything that can be asked about Alice, of one moment or of now."""
    explained = [service.explain(ALICE, feature, moment) for feature in FEATURES]
    payments = [[reason.payment and reason.payment.status for reason in because] for _, because in explained]
    return [
        *(service.check(ALICE, feature, moment) for feature in FEATURES),
        *(access for access, _ in explained),
        payments,
        sorted(service.listed(ALICE, moment), key=lambda row: row.id),
    ]


def hold(service: Service, key: ChargeKey) -> None:
    with service.work.begin() as tx:
        hold_back(tx, key, service.ids, service.clock.now())


def let_go(service: Service, key: ChargeKey) -> None:
    with service.work.begin() as tx:
        release(tx, key, service.ids, service.clock.now())


def dispute(state: DisputeState) -> Callable[[Service, Charge], None]:
    return lambda service, paid: service.follow(standing(paid, disputes={"dp_1": state}))


def revoke(service: Service, paid: Charge) -> None:
    named = service.state.payments[paid.key]
    rows = [row for row in service.state.entitlements.values() if row.payment_id == named.id]
    service.revoke(rows[0])


def give(service: Service, _: Charge) -> None:
    service.grant()


def order(service: Service, paid: Charge) -> None:
    named = service.state.payments[paid.key]
    if named.status is not PaymentStatus.REFUNDED:
        service.order_refund(named)


STEPS: dict[str, Callable[[Service, Charge], None]] = {
    "refund": lambda service, paid: service.refund(refund(paid)),
    "dispute": dispute(WITHDRAWN),
    "win": dispute(WON),
    "hold": lambda service, paid: hold(service, paid.key),
    "release": lambda service, paid: let_go(service, paid.key),
    "revoke": revoke,
    "give": give,
    "order": order,
}


@settings(max_examples=50)  # each is a story with a question after every step
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 2), st.integers(1, 20 * 86_400)), max_size=12
    )
)
def test_whatever_happened_since_the_answers_of_every_moment_stay_what_they_were(
    steps: list[tuple[str, int, int]],
) -> None:
    service = Service()
    paid = [bought(service, number) for number in range(3)]
    answered = {service.clock.time: told(service)}
    for step, which, seconds in steps:
        service.clock.pass_by(seconds * SECOND)
        answered[service.clock.time - SECOND] = told(service, service.clock.time - SECOND)
        STEPS[step](service, paid[which])
        answered[service.clock.time] = told(service)

    for moment, answers in answered.items():
        assert told(service, moment) == answers, moment


def test_a_refund_does_not_make_untrue_what_was_true_before_it() -> None:
    service = Service()
    service.keep(invoice())
    service.settle(charge())
    before = service.check(ALICE, "signals")
    service.clock.pass_by(10 * DAY)
    service.refund(refund())

    assert service.check(ALICE, "signals", NOON) == before
    assert service.check(ALICE, "signals", NOON + 10 * DAY - SECOND).expires_at == GOLD.duration.after(NOON)
    assert service.check(ALICE, "signals", NOON + 10 * DAY) == Access(allowed=False)


def test_before_it_was_granted_nobody_knew_of_it() -> None:
    service = Service()
    service.give(entitlement(starts_at=NOON - DAY))

    assert not service.check(ALICE, "signals", NOON - SECOND).allowed
    assert service.listed(ALICE, NOON - SECOND) == []
    assert service.check(ALICE, "signals", NOON).allowed


def test_while_a_dispute_had_the_money_the_answer_was_no() -> None:
    service = Service()
    paid = bought(service, 1)
    for days, state in ((3, WITHDRAWN), (5, WON)):
        service.clock.time = NOON + days * DAY
        service.follow(standing(paid, disputes={"dp_1": state}))

    answers = [service.check(ALICE, "signals", NOON + day * DAY).allowed for day in range(7)]

    assert answers == [True, True, True, False, False, True, True]


def test_what_moved_up_counts_from_where_it_moved_to_only_since_it_moved() -> None:
    service = Service()
    first, second = entitlement(SILVER, name="a"), entitlement(SILVER, name="b", starts_at=NOON + WEEK)
    service.give(first, second)
    service.clock.pass_by(DAY)
    service.revoke(first)

    assert service.check(ALICE, "signals", NOON).expires_at == NOON + 2 * WEEK
    assert service.check(ALICE, "signals", NOON + DAY).expires_at == NOON + DAY + WEEK


def test_of_a_moment_to_come_the_answer_is_what_is_known_now() -> None:
    service = Service()
    service.give(entitlement(SILVER))

    assert service.check(ALICE, "signals", NOON + WEEK - SECOND).allowed
    assert not service.check(ALICE, "signals", NOON + WEEK).allowed


def test_rows_are_known_from_when_they_were_written_until_they_were_ended() -> None:
    row = entitlement(granted_at=NOON, moved_at=NOON + DAY, revoked_at=NOON + 2 * DAY)

    assert [known_at([row], NOON + day * DAY) for day in range(3)] == [[], [replace(row, revoked_at=None)], [row]]


# Why it is so -------------------------------------------------------------------------------------------------------


def test_an_answer_is_explained_by_every_right_that_decides_it_each_with_its_payment() -> None:
    service = Service()
    first, second = bought(service, 1), bought(service, 2)
    given = service.grant(SILVER)

    access, because = service.explain(ALICE, "signals")

    assert access == service.check(ALICE, "signals")
    assert [reason.payment and reason.payment.charge for reason in because] == [first, None, second]
    assert [reason.entitlement for reason in because] == list(access.because)
    assert (given.granted_by, given.reason) == ("olga", "a gift")
    assert access.expires_at == because[2].entitlement.expires_at


def test_what_was_ended_explains_nothing_also_to_a_clock_that_was_set_back() -> None:
    service = Service()
    service.give(entitlement(revoked_at=NOON + DAY))

    assert service.explain(ALICE, "signals") == (service.check(ALICE, "signals"), [])
    assert not service.check(ALICE, "signals").allowed


def test_a_disputed_payment_is_told_as_it_stood_whatever_else_the_trail_says_of_it() -> None:
    service = Service()
    paid = bought(service, 1)
    service.clock.pass_by(DAY)
    service.follow(standing(paid, disputes={"dp_1": WITHDRAWN}))
    service.follow(standing(paid, disputes={"dp_1": WON}))

    _, [reason] = service.explain(ALICE, "signals", service.clock.now())

    assert reason.payment
    assert reason.payment.status is PaymentStatus.GRANTED


def test_a_no_has_nothing_that_allows_it() -> None:
    assert Service().explain(ALICE, "signals") == (Access(allowed=False), [])


def test_what_a_person_granted_out_of_quarantine_tells_of_the_payment_and_of_the_person() -> None:
    service = Service()
    service.keep(invoice())
    [held] = service.settle(charge(paid=stars(1))).values()
    resolved = service.resolve(held)

    _, [reason] = service.explain(ALICE, "signals")

    assert reason.payment == resolved
    assert reason.entitlement.source == "payment"
    assert (reason.entitlement.granted_by, reason.entitlement.reason) == ("olga", "a good customer")


def test_a_payment_is_told_as_it_stood_then_also_under_a_long_trail() -> None:
    service = Service()
    service.keep(invoice())
    service.settle(charge())
    service.clock.pass_by(DAY)
    service.order_refund(service.state.payments[charge().key])
    service.clock.pass_by(DAY)
    service.refund(refund(refunded_at=service.clock.time))
    noise = TrailEntry(kind="charge_conflict", bot=MAIN, at=service.clock.time, charge_id=charge().charge_id)
    with service.work.begin() as tx:
        tx.trail.add([noise] * (TRAIL_PAGE + 1))

    stood = []
    for day in range(2):
        _, [reason] = service.explain(ALICE, "signals", NOON + day * DAY)
        assert reason.payment is not None
        assert reason.payment.refunded_at is None
        stood.append(reason.payment.status)

    assert stood == [PaymentStatus.GRANTED, PaymentStatus.REFUND_PENDING]


def test_a_payment_of_which_the_trail_tells_nothing_is_told_as_it_is() -> None:
    service = Service()
    kept = payment()
    service.state.payments[kept.charge.key] = kept
    service.give(entitlement(payment_id=kept.id, name=EntitlementId("ent_1")))

    _, [reason] = service.explain(ALICE, "signals", NOON)

    assert reason.payment == kept
