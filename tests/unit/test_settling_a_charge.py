"""Money that moved is never dropped: it is granted to whom it was offered, for exactly its price, or kept visibly."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.messages import Confirmation, PaymentHeld, Price
from application.ports.payments import ChargeKey
from application.ports.trail import TrailEntry
from domain.catalog import Method, Plan
from domain.duration import LIFETIME
from domain.entitlement import Holding
from domain.errors import Unavailable
from domain.events import ChargeConflicted, ChargeRepeated, PaymentGranted, PaymentQuarantined
from domain.ids import ChargeId, EntitlementId, PaymentId, PlanCode, UserId
from domain.invoice import Invoice, Objection, Terms
from domain.money import Money
from domain.payment import Charge, Payment, PaymentStatus, Provider
from domain.settlement import Repeat, Settlement, repeat, settle
from tests.builders import (
    ALICE,
    BOB,
    DAY,
    FOR_LIFE,
    GOLD,
    HOUR,
    MAIN,
    MALLORY,
    SECOND,
    SECOND_BOT,
    SIGNER,
    SILVER,
    Rigged,
    Service,
    catalog,
    charge,
    entitlement,
    invoice,
    invoice_id,
    payload,
    payment,
    pence,
    query,
    shop,
    stars,
)
from tests.memory import NOON, MemoryPayments, MemoryTransaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Everything that a settlement hangs on. As it stands, it is granted."""

    charge: Charge = field(default_factory=charge)
    terms: Terms | None = field(default_factory=lambda: invoice().terms)
    invoice: Invoice | None = field(default_factory=invoice)
    refunded_at: datetime | None = None
    held: Mapping[PlanCode, Holding] = field(default_factory=dict)

    def settled(self) -> Settlement:
        return settle(
            self.charge,
            terms=self.terms,
            invoice=self.invoice,
            refunded_at=self.refunded_at,
            held=self.held,
            payment_id=PaymentId("pay_1"),
            new_entitlement_id=lambda: EntitlementId("ent_1"),
            now=NOON,
        )


def with_a_payload_not_signed_by_us(case: Case) -> Case:
    return replace(case, terms=None)


def for_an_invoice_that_is_lost(case: Case) -> Case:
    return replace(case, invoice=None)


def by_somebody_else(case: Case) -> Case:
    return replace(case, charge=replace(case.charge, payer=MALLORY))


def signed_for_another_plan(case: Case) -> Case:
    return replace(case, terms=case.terms and replace(case.terms, plan_code=SILVER.code))


def in_another_currency(case: Case) -> Case:
    return replace(case, charge=replace(case.charge, paid=pence(case.charge.paid.amount)))


def one_short(case: Case) -> Case:
    return replace(case, charge=replace(case.charge, paid=replace(case.charge.paid, amount=1249)))


def for_what_another_charge_paid(case: Case) -> Case:
    return replace(case, invoice=case.invoice and replace(case.invoice, settled_by=ChargeId("charge-0")))


def too_late_and_never_approved(case: Case) -> Case:
    return replace(case, charge=replace(case.charge, charged_at=invoice().expires_at + SECOND))


def for_what_is_held_for_life(case: Case) -> Case:
    return replace(case, held={GOLD.code: Holding(expires_at=None)})


def otherwise_good(case: Case) -> Case:
    return case


OBSTACLES: list[tuple[Callable[[Case], Case], Objection]] = [
    (with_a_payload_not_signed_by_us, Objection.BAD_PAYLOAD),
    (for_an_invoice_that_is_lost, Objection.UNKNOWN_INVOICE),
    (by_somebody_else, Objection.WRONG_USER),
    (signed_for_another_plan, Objection.PLAN_MISMATCH),
    (in_another_currency, Objection.CURRENCY_MISMATCH),
    (one_short, Objection.AMOUNT_MISMATCH),
    (for_what_another_charge_paid, Objection.INVOICE_ALREADY_PAID),
    (too_late_and_never_approved, Objection.STALE_INVOICE),
    (for_what_is_held_for_life, Objection.ALREADY_ENTITLED),
]
"""Each thing that keeps a charge from granting, in the order of the table."""


@pytest.mark.criterion("3.3", "5.1", "5.3")
def test_the_right_person_s_exact_price_opens_what_was_offered() -> None:
    settlement = Case().settled()

    assert settlement.payment.status is PaymentStatus.GRANTED
    assert settlement.entitlement is not None
    assert settlement.entitlement.plan_code == GOLD.code
    assert settlement.entitlement.active(NOON)
    assert settlement.invoice == invoice(settled_by=charge().charge_id)


@pytest.mark.criterion("4.1", "4.3", "4.4", "4.5", "4.6")
@pytest.mark.threat(7)
@pytest.mark.parametrize(
    ("obstacle", "because"),
    [pytest.param(make, because, id=make.__name__.replace("_", " ")) for make, because in OBSTACLES],
)
def test_a_charge_is_kept_and_grants_nothing_that_came(obstacle: Callable[[Case], Case], because: Objection) -> None:
    case = obstacle(Case())

    settlement = case.settled()

    assert settlement.payment.status is PaymentStatus.QUARANTINED
    assert settlement.payment.quarantine_reason is because
    assert settlement.payment.charge == case.charge
    assert settlement.entitlement is None
    assert settlement.invoice == case.invoice


@pytest.mark.parametrize(
    ("first", "second", "because"),
    [
        pytest.param(one, other, because, id=f"{one.__name__} before {other.__name__}".replace("_", " "))
        for (one, because), (other, _) in combinations(OBSTACLES, 2)
    ],
)
def test_of_two_rows_that_fit_the_first_decides(
    first: Callable[[Case], Case], second: Callable[[Case], Case], because: Objection
) -> None:
    assert first(second(Case())).settled().payment.quarantine_reason is because
    assert second(first(Case())).settled().payment.quarantine_reason is because


@pytest.mark.threat(26)
@pytest.mark.parametrize(
    "obstacle",
    [
        pytest.param(make, id=make.__name__.replace("_", " "))
        for make in [otherwise_good, *(make for make, _ in OBSTACLES)]
    ],
)
def test_a_charge_whose_refund_was_seen_before_is_refunded_whatever_else_it_is(
    obstacle: Callable[[Case], Case],
) -> None:
    settlement = replace(obstacle(Case()), refunded_at=NOON - DAY).settled()

    assert settlement.payment.status is PaymentStatus.REFUNDED
    assert settlement.payment.refunded_at == NOON - DAY
    assert settlement.entitlement is None


@pytest.mark.criterion("4.3")
@pytest.mark.threat(7, 12)
@pytest.mark.parametrize(
    ("paid", "because"),
    [
        pytest.param(stars(1249), Objection.AMOUNT_MISMATCH, id="one star short"),
        pytest.param(stars(1251), Objection.AMOUNT_MISMATCH, id="one star too many"),
        pytest.param(stars(625), Objection.AMOUNT_MISMATCH, id="half of it"),
        pytest.param(stars(2500), Objection.AMOUNT_MISMATCH, id="twice as much"),
        pytest.param(pence(1250), Objection.CURRENCY_MISMATCH, id="the same number of pence"),
        pytest.param(pence(2500), Objection.CURRENCY_MISMATCH, id="the plan's price in another currency"),
    ],
)
def test_another_sum_never_grants_not_even_a_part(paid: Money, because: Objection) -> None:
    settlement = Case(charge=charge(paid=paid)).settled()

    assert (settlement.payment.quarantine_reason, settlement.entitlement) == (because, None)


@pytest.mark.threat(10)
@pytest.mark.parametrize(
    ("charged_at", "approved_at", "because"),
    [
        pytest.param(NOON + HOUR, None, None, id="in the last second of the hour, not approved"),
        pytest.param(NOON + HOUR + SECOND, None, Objection.STALE_INVOICE, id="a second late, not approved"),
        pytest.param(NOON + HOUR + SECOND, NOON + HOUR, None, id="a second late, approved in time"),
        pytest.param(NOON + 90 * DAY, NOON + HOUR, None, id="months late, approved in time"),
        pytest.param(NOON - DAY, None, None, id="before it was issued, by a clock that is wrong"),
    ],
)
def test_a_telegram_charge_was_approved_or_made_within_the_hour(
    charged_at: datetime, approved_at: datetime | None, because: Objection | None
) -> None:
    case = Case(invoice=invoice(approved_at=approved_at), charge=charge(charged_at=charged_at))

    assert case.settled().payment.quarantine_reason is because


def test_a_stripe_session_is_its_own_approval() -> None:
    case = Case(charge=charge(provider=Provider.STRIPE, method=Method.STRIPE, charged_at=NOON + 2 * HOUR))

    assert case.settled().payment.status is PaymentStatus.GRANTED


def test_a_cancelled_invoice_that_was_paid_nevertheless_is_granted() -> None:
    assert Case(invoice=invoice(cancelled_at=NOON)).settled().payment.status is PaymentStatus.GRANTED


@pytest.mark.criterion("4.5")
def test_an_invoice_settles_for_nobody_but_whom_its_signature_names() -> None:
    case = Case(terms=replace(invoice().terms, payer=MALLORY))

    assert case.settled().payment.quarantine_reason is Objection.WRONG_USER


def test_a_plan_held_for_life_from_a_later_day_on_is_held_for_life_too() -> None:
    service = Service()
    service.keep(invoice(FOR_LIFE))
    service.give(entitlement(FOR_LIFE, starts_at=NOON + DAY))

    assert [p.quarantine_reason for p in service.settle(charge(invoice(FOR_LIFE))).values()] == ["already_entitled"]


@pytest.mark.criterion("3.3", "3.7", "5.1", "5.2", "5.3", "5.4")
def test_the_door_is_open_from_the_moment_of_settling_for_as_long_as_was_paid_for() -> None:
    service = Service()
    service.keep(invoice())
    assert not service.check(ALICE, "signals").allowed

    service.settle(charge())

    [granted] = service.held(ALICE)
    assert (granted.plan_code, granted.features, granted.limits) == (GOLD.code, GOLD.features, GOLD.limits)
    assert (granted.granted_at, granted.starts_at) == (NOON, NOON)
    assert granted.expires_at == datetime.fromisoformat("2026-12-22T12:00:00+00:00")
    assert service.check(ALICE, "signals").allowed


@pytest.mark.threat(8)
@pytest.mark.parametrize(
    "today",
    [
        pytest.param(catalog(replace(GOLD, prices={"XTR": 9999}, features=("less",))), id="dearer and opens less"),
        pytest.param(catalog(replace(GOLD, duration=LIFETIME)), id="for life"),
        pytest.param(catalog(), id="no longer sold"),
    ],
)
def test_what_was_offered_is_granted_though_the_plan_is_now(today: Any) -> None:
    service = Service(shop=shop(catalog=today))
    service.keep(invoice())

    service.settle(charge())

    [granted] = service.held(ALICE)
    assert (granted.features, granted.duration) == (GOLD.features, GOLD.duration)


@pytest.mark.criterion("3.4", "3.5", "4.2")
@pytest.mark.parametrize("times", [1, 2, 50])
def test_a_charge_that_is_reported_again_changes_nothing(times: int) -> None:
    service = Service()
    service.keep(invoice())
    first = service.settle(charge())
    before = service.state.copy()

    for _ in range(times):
        assert service.settle(charge()) == first

    assert service.state == before
    assert service.journal.events[1:] == [ChargeRepeated(payment=payment) for payment in first.values()] * times


@pytest.mark.criterion("3.4", "5.5")
def test_a_charge_that_is_reported_twice_at_once_has_one_effect() -> None:
    service = Service()
    service.keep(invoice())

    service.settle(charge(), charge(), charge())

    assert len(service.held(ALICE)) == len(service.state.payments) == len(service.state.messages) == 1


def test_the_wording_and_the_time_of_a_repeat_may_differ() -> None:
    again = charge(message=b"{}", charged_at=NOON + DAY, provider_charge_id="elsewhere")

    assert repeat(payment(charge()), again) is Repeat.SAME_FACTS


@pytest.mark.criterion("4.2")
@pytest.mark.threat(11)
@pytest.mark.parametrize(
    "different",
    [
        pytest.param({"payer": MALLORY}, id="another user"),
        pytest.param({"paid": stars(1)}, id="another amount"),
        pytest.param({"paid": pence(1250)}, id="another currency"),
        pytest.param({"bot": SECOND_BOT}, id="another bot"),
        pytest.param({"payload": payload(invoice(id=invoice_id(2)))}, id="another payload"),
    ],
)
def test_a_known_charge_id_with_other_facts_changes_nothing_and_is_put_on_the_trail(different: dict[str, Any]) -> None:
    service = Service()
    service.keep(invoice(), invoice(id=invoice_id(2)))
    service.settle(charge())
    before = service.state.copy()
    other = charge(**different)

    kept = service.settle(other)

    [known] = kept.values()
    assert known.charge == charge()
    assert (service.state.payments, service.state.entitlements) == (before.payments, before.entitlements)
    assert (service.state.invoices, service.state.outbox) == (before.invoices, before.outbox)
    assert service.state.trail[len(before.trail) :] == [
        TrailEntry(
            kind="charge_conflict",
            bot=other.bot,
            at=NOON,
            user_id=other.payer,
            invoice_id=invoice_id(),
            charge_id=charge().charge_id,
            decision="granted",
            message=other.message,
        )
    ]
    assert service.journal.events[-1] == ChargeConflicted(known=known, reported=other)


def test_the_same_id_at_another_provider_is_another_charge() -> None:
    service = Service()
    service.keep(invoice(), invoice(id=invoice_id(2)))

    service.settle(charge(), charge(invoice(id=invoice_id(2)), provider=Provider.STRIPE, method=Method.STRIPE))

    assert [p.status for p in service.state.payments.values()] == [PaymentStatus.GRANTED] * 2


@pytest.mark.criterion("4.1", "5.5")
@pytest.mark.threat(4)
@pytest.mark.parametrize("together", [True, False], ids=["at once", "one by one"])
def test_an_old_payload_paid_by_a_new_charge_grants_nothing_more(together: bool) -> None:
    service = Service()
    service.keep(invoice())
    charges = [charge(charge_id=ChargeId(f"charge-{n}")) for n in range(5)]

    for batch in [charges] if together else [[one] for one in charges]:
        service.settle(*batch)

    assert len(service.held(ALICE)) == 1
    assert [p.quarantine_reason for p in service.state.payments.values()] == [None] + ["invoice_already_paid"] * 4


@pytest.mark.criterion("4.5", "5.5")
@pytest.mark.threat(9)
@pytest.mark.parametrize("together", [True, False], ids=["at once", "one by one"])
def test_of_a_hundred_payers_of_one_link_only_its_own_is_granted(together: bool) -> None:
    service = Service()
    service.keep(invoice())
    crowd = [UserId(9_000 + n) for n in range(100)]
    crowd[42] = ALICE
    charges = [charge(charge_id=ChargeId(f"of-{payer}"), payer=payer) for payer in crowd]

    for batch in [charges] if together else [[one] for one in charges]:
        service.settle(*batch)

    assert [e.user_id for e in service.state.entitlements.values()] == [ALICE]
    assert [p.quarantine_reason for p in service.state.payments.values()].count(Objection.WRONG_USER) == 99
    assert len(service.state.payments) == 100


def test_whoever_pays_for_another_gets_nothing_for_either_also_when_holding_the_plan() -> None:
    service = Service()
    service.keep(invoice())
    service.give(entitlement(user_id=MALLORY))

    service.settle(charge(payer=MALLORY))

    assert service.held(MALLORY) == [entitlement(user_id=MALLORY)]
    assert service.held(ALICE) == []
    assert service.state.invoices[invoice_id()] == invoice()


def test_the_right_payer_is_granted_after_somebody_else_has_paid() -> None:
    service = Service()
    service.keep(invoice())
    service.judge(query())

    service.settle(charge(charge_id=ChargeId("hers"), payer=MALLORY), charge())

    assert [p.status for p in service.state.payments.values()] == ["quarantined", "granted"]


@pytest.mark.threat(5)
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="no payload"),
        pytest.param("gold_1m", id="a plan code"),
        pytest.param(payload()[:-1] + "!", id="a broken one"),
        pytest.param(SIGNER.sign(invoice().terms, SECOND_BOT), id="another bot's"),
    ],
)
def test_money_that_came_with_a_payload_of_nobody_is_kept(text: str) -> None:
    service = Service()
    service.keep(invoice())

    [kept] = service.settle(charge(payload=text)).values()

    assert (kept.status, kept.quarantine_reason) == (PaymentStatus.QUARANTINED, Objection.BAD_PAYLOAD)
    assert (kept.invoice_id, kept.plan_code) == (None, None)


@pytest.mark.criterion("3.2", "3.6")
def test_a_charge_is_put_on_the_trail_with_the_provider_s_whole_message() -> None:
    service = Service()
    service.keep(invoice())

    service.settle(charge())

    assert service.state.trail == [
        TrailEntry(
            kind="successful_payment",
            bot=MAIN,
            at=NOON,
            user_id=ALICE,
            invoice_id=invoice_id(),
            charge_id=charge().charge_id,
            decision="granted",
            message=b'{"message_id":1}',
        )
    ]


@pytest.mark.criterion("3.6")
def test_what_is_quarantined_is_put_on_the_trail_with_its_reason() -> None:
    service = Service()
    service.keep(invoice())

    service.settle(charge(paid=stars(1)))

    [entry] = service.state.trail
    assert (entry.decision, entry.reason) == ("quarantined", Objection.AMOUNT_MISMATCH)
    assert entry.message == b'{"message_id":1}'


@pytest.mark.criterion("3.8")
def test_the_payer_gets_a_confirmation_in_the_language_of_the_invoice() -> None:
    service = Service()
    service.keep(invoice(language="de"))

    service.settle(charge())

    [kept] = service.state.outbox
    assert (kept.letter.bot, kept.letter.chat_id, kept.letter.language) == (MAIN, ALICE, "de")
    assert kept.letter.about == charge().key
    assert kept.letter.message == Confirmation(
        plan="Gold, 1 month",
        price=Price(amount=1250, currency="XTR"),
        starts_at=NOON,
        expires_at=datetime.fromisoformat("2026-12-22T12:00:00+00:00"),
        extends=False,
    )


@pytest.mark.parametrize(
    ("different", "to", "message"),
    [
        pytest.param(
            {"paid": stars(1)},
            ALICE,
            PaymentHeld(price=Price(amount=1, currency="XTR"), reason="amount_mismatch", plan="Gold, 1 month"),
            id="on an invoice",
        ),
        pytest.param(
            {"payer": MALLORY},
            MALLORY,
            PaymentHeld(price=Price(amount=1250, currency="XTR"), reason="wrong_user", plan="Gold, 1 month"),
            id="on somebody else's invoice",
        ),
        pytest.param(
            {"payload": "nonsense"},
            ALICE,
            PaymentHeld(price=Price(amount=1250, currency="XTR"), reason="bad_payload"),
            id="on no invoice of ours",
        ),
    ],
)
def test_who_paid_for_what_is_quarantined_is_told_so(
    different: dict[str, Any], to: UserId, message: PaymentHeld
) -> None:
    service = Service()
    service.keep(invoice())

    service.settle(charge(**different))

    [kept] = service.state.outbox
    assert (kept.letter.chat_id, kept.letter.language, kept.letter.message) == (to, "en", message)


@pytest.mark.criterion("3.9", "3.10")
def test_what_became_of_a_charge_is_told_to_the_journal_once() -> None:
    service = Service()
    service.keep(invoice())

    [granted] = service.settle(charge()).values()
    [held] = service.settle(charge(charge_id=ChargeId("charge-2"))).values()

    assert service.journal.events == [
        PaymentGranted(payment=granted, entitlement=service.held(ALICE)[0], extends=False),
        PaymentQuarantined(payment=held),
    ]


def test_a_settlement_that_fails_leaves_no_trace_and_tells_nothing() -> None:
    service = Service()
    service.keep(invoice())
    service.give(entitlement(name=f"ent_{1:032x}", user_id=BOB))  # the id that the grant would get
    before = service.state.copy()

    with pytest.raises(AssertionError):
        service.settle(charge())

    assert service.state == before
    assert service.journal.events == []


def test_no_charges_are_no_work() -> None:
    service = Service()

    assert service.settle() == {}
    assert service.state == Service().state


class Unseen(MemoryPayments):
    """What somebody else wrote between our look and our insert is not seen by the look."""

    def of(self, charges: Sequence[ChargeKey]) -> Mapping[ChargeKey, Payment]:
        return {}


@pytest.mark.criterion("3.4", "5.5")
@pytest.mark.parametrize(
    "reported", [pytest.param(charge(), id="grants"), pytest.param(charge(paid=stars(1)), id="grants nothing")]
)
def test_a_charge_that_somebody_else_settles_at_the_same_moment_is_left_to_them_where_it(reported: Charge) -> None:
    service = Service()
    service.keep(invoice())
    service.settle(reported)
    before = service.state.copy()

    def overtaken(tx: MemoryTransaction) -> None:
        tx.payments = Unseen(before.copy())

    service.work = Rigged(state=service.state, rig=overtaken)

    with pytest.raises(Unavailable):
        service.settle(reported)

    assert service.state == before
    assert len(service.journal.events) == 1


def test_every_charge_and_then_every_payer_is_locked_before_a_word_is_read() -> None:
    begun: list[MemoryTransaction] = []
    service = Service(work=Rigged(rig=begun.append))

    service.settle(charge(), charge(charge_id=ChargeId("charge-2"), payer=BOB))

    [tx] = begun
    assert tx.locked == [charge().key, (Provider.TELEGRAM, ChargeId("charge-2")), ALICE, BOB]


def a_charge(number: int, of: int, payer: UserId, amount: int, payload_of: str) -> Charge:
    named = invoice([GOLD, SILVER, FOR_LIFE][of % 3], id=invoice_id(of))
    return charge(
        named,
        charge_id=ChargeId(f"charge-{number}"),
        payer=payer,
        paid=stars(amount) if amount else named.offer.price,
        payload=payload_of or payload(named),
    )


reported = st.builds(
    a_charge,
    number=st.integers(1, 6),
    of=st.integers(0, 8),
    payer=st.sampled_from([ALICE, ALICE, ALICE, BOB]),
    amount=st.sampled_from([0, 0, 0, 1]),
    payload_of=st.sampled_from(["", "", "", "nonsense"]),
)


@given(charges=st.lists(reported, max_size=12), cuts=st.sets(st.integers(1, 11)))
def test_charges_settled_at_once_end_as_if_settled_one_by_one(charges: list[Charge], cuts: set[int]) -> None:
    apart, parted = Service(), Service()
    for service in (apart, parted):
        service.keep(*(invoice([GOLD, SILVER, FOR_LIFE][n % 3], id=invoice_id(n)) for n in range(8)))
        service.clock.pass_by(timedelta(minutes=5))

    for one in charges:
        apart.settle(one)
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(charges)], strict=True):
        parted.settle(*charges[start:end])

    assert parted.state == apart.state
    assert parted.journal.events == apart.journal.events


@pytest.mark.criterion("2.7", "3.3")
@given(
    purchases=st.lists(
        st.tuples(
            st.sampled_from([GOLD, SILVER, SILVER, FOR_LIFE]),
            st.sampled_from([ALICE, ALICE, ALICE, BOB]),
            st.sampled_from([timedelta(0), HOUR, 5 * DAY, 40 * DAY]),
            st.booleans(),
        ),
        max_size=10,
    )
)
def test_whatever_was_approved_is_granted_however_late_it_is_paid(
    purchases: list[tuple[Plan, UserId, timedelta, bool]],
) -> None:
    service = Service()
    for number, (plan, payer, pause, withdrawn) in enumerate(purchases):
        named = invoice(plan, id=invoice_id(number), issued_at=service.clock.now())
        service.keep(named)
        service.shop = shop()
        [objection] = service.judge(query(named, payer=payer)).values()

        service.clock.pass_by(pause)
        service.shop = shop(catalog=catalog()) if withdrawn else shop()
        paid = charge(named, charge_id=ChargeId(f"charge-{number}"), payer=payer, charged_at=service.clock.now())
        [settled] = service.settle(paid).values()

        if objection is None:
            assert settled.status is PaymentStatus.GRANTED


@given(charges=st.lists(reported, max_size=12))
def test_every_charge_ends_in_exactly_one_way_and_every_grant_has_one_charge(charges: list[Charge]) -> None:
    service = Service()
    service.keep(*(invoice([GOLD, SILVER, FOR_LIFE][n % 3], id=invoice_id(n)) for n in range(8)))

    service.settle(*charges)

    payments = service.state.payments
    assert set(payments) == {one.key for one in charges}
    granted = {p.id for p in payments.values() if p.status is PaymentStatus.GRANTED}
    assert all((p.quarantine_reason is None) == (p.id in granted) for p in payments.values())
    assert sorted(granted) == sorted(e.payment_id for e in service.state.entitlements.values() if e.payment_id)
    settled_by = [kept.settled_by for kept in service.state.invoices.values() if kept.settled_by]
    assert sorted(settled_by) == sorted(p.charge.charge_id for p in payments.values() if p.id in granted)
