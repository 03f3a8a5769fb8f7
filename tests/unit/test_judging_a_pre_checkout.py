"""Before the money moves, a "no" costs nobody anything: whatever does not fit the offer is refused, and says why."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import combinations

import pytest

from application.ports.trail import TrailEntry
from application.pre_checkout import JudgePreCheckouts
from domain.catalog import Catalog
from domain.duration import Duration
from domain.entitlement import Holding
from domain.errors import Unavailable
from domain.events import PreCheckoutJudged
from domain.ids import ChargeId, PlanCode
from domain.invoice import Invoice, Objection, PreCheckout, Terms, judge
from tests.builders import (
    ALICE,
    CATALOG,
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
    Service,
    catalog,
    charge,
    entitlement,
    invoice,
    invoice_id,
    offer,
    payload,
    pence,
    query,
    stars,
)
from tests.memory import NOON


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Everything that a judgement hangs on. As it stands, it is approved."""

    query: PreCheckout = field(default_factory=query)
    terms: Terms | None = field(default_factory=lambda: invoice().terms)
    invoice: Invoice | None = field(default_factory=invoice)
    catalog: Catalog = CATALOG
    held: Mapping[PlanCode, Holding] = field(default_factory=dict)
    enabled: bool = True

    def judged(self) -> Objection | None:
        return judge(
            self.query,
            terms=self.terms,
            invoice=self.invoice,
            catalog=self.catalog,
            held=self.held,
            enabled=self.enabled,
            now=NOON,
        )


def without_signature(case: Case) -> Case:
    return replace(case, terms=None)


def without_invoice(case: Case) -> Case:
    return replace(case, invoice=None)


def by_somebody_else(case: Case) -> Case:
    return replace(case, query=replace(case.query, payer=MALLORY))


def signed_for_another_plan(case: Case) -> Case:
    return replace(case, terms=case.terms and replace(case.terms, plan_code=SILVER.code))


def in_another_currency(case: Case) -> Case:
    return replace(case, query=replace(case.query, paid=pence(case.query.paid.amount)))


def one_short(case: Case) -> Case:
    return replace(case, query=replace(case.query, paid=replace(case.query.paid, amount=case.query.paid.amount - 1)))


def too_old(case: Case) -> Case:
    return replace(case, invoice=case.invoice and replace(case.invoice, expires_at=NOON - SECOND))


def paid_already(case: Case) -> Case:
    return replace(case, invoice=case.invoice and replace(case.invoice, settled_by=ChargeId("charge-0")))


def cancelled(case: Case) -> Case:
    return replace(case, invoice=case.invoice and replace(case.invoice, cancelled_at=NOON - SECOND))


def of_a_withdrawn_plan(case: Case) -> Case:
    return replace(case, catalog=catalog(*(plan for plan in case.catalog.plans.values() if plan.code != GOLD.code)))


def of_a_plan_that_costs_more_now(case: Case) -> Case:
    dearer = {
        plan.code: replace(plan, prices={"XTR": 1251, "GBP": 1251}) if plan.code == GOLD.code else plan
        for plan in case.catalog.plans.values()
    }
    return replace(case, catalog=Catalog(plans=dearer))


def held_for_long(case: Case) -> Case:
    return replace(case, held={GOLD.code: Holding(expires_at=NOON + 4 * DAY)})


def switched_off(case: Case) -> Case:
    return replace(case, enabled=False)


OBSTACLES: list[tuple[Callable[[Case], Case], Objection]] = [
    (without_signature, Objection.BAD_PAYLOAD),
    (without_invoice, Objection.UNKNOWN_INVOICE),
    (by_somebody_else, Objection.WRONG_USER),
    (signed_for_another_plan, Objection.PLAN_MISMATCH),
    (in_another_currency, Objection.CURRENCY_MISMATCH),
    (one_short, Objection.AMOUNT_MISMATCH),
    (too_old, Objection.STALE_INVOICE),
    (paid_already, Objection.INVOICE_ALREADY_PAID),
    (cancelled, Objection.INVOICE_CANCELLED),
    (of_a_withdrawn_plan, Objection.PLAN_WITHDRAWN),
    (of_a_plan_that_costs_more_now, Objection.PRICE_CHANGED),
    (held_for_long, Objection.ALREADY_ENTITLED),
    (switched_off, Objection.DISABLED),
]
"""Each thing that stands in the way, in the order in which the reasons are given."""


@pytest.mark.criterion("2.7")
def test_exactly_what_was_offered_to_whom_it_was_offered_is_approved() -> None:
    assert Case().judged() is None


@pytest.mark.criterion("2.4", "2.6", "4.3", "4.4", "4.5", "4.6")
@pytest.mark.threat(6)
@pytest.mark.parametrize(
    ("obstacle", "because"),
    [pytest.param(make, because, id=make.__name__.replace("_", " ")) for make, because in OBSTACLES],
)
def test_a_payment_is_refused_that_is(obstacle: Callable[[Case], Case], because: Objection) -> None:
    assert obstacle(Case()).judged() is because


@pytest.mark.parametrize(
    ("first", "second", "because"),
    [
        pytest.param(one, other, because, id=f"{one.__name__} before {other.__name__}".replace("_", " "))
        for (one, because), (other, _) in combinations(OBSTACLES, 2)
    ],
)
def test_of_two_reasons_the_first_is_given(
    first: Callable[[Case], Case], second: Callable[[Case], Case], because: Objection
) -> None:
    assert first(second(Case())).judged() is because
    assert second(first(Case())).judged() is because


@pytest.mark.criterion("2.4", "2.3")
@pytest.mark.threat(6, 12)
@pytest.mark.parametrize(
    ("paid", "because"),
    [
        pytest.param(stars(1249), Objection.AMOUNT_MISMATCH, id="one star short"),
        pytest.param(stars(1251), Objection.AMOUNT_MISMATCH, id="one star too many"),
        pytest.param(stars(1), Objection.AMOUNT_MISMATCH, id="a single star"),
        pytest.param(stars(125_000), Objection.AMOUNT_MISMATCH, id="a hundred times as much"),
        pytest.param(pence(1250), Objection.CURRENCY_MISMATCH, id="the same number of pence"),
        pytest.param(pence(2500), Objection.CURRENCY_MISMATCH, id="the plan's price in another currency"),
    ],
)
def test_another_sum_is_refused(paid: object, because: Objection) -> None:
    assert Case(query=query(paid=paid)).judged() is because


@pytest.mark.criterion("2.6", "4.5")
def test_an_invoice_pays_for_nobody_but_whom_its_signature_names() -> None:
    case = Case(terms=replace(invoice().terms, payer=MALLORY))

    assert case.judged() is Objection.WRONG_USER


@pytest.mark.criterion("2.5", "4.1")
@pytest.mark.threat(10)
@pytest.mark.parametrize(
    ("age", "answer"),
    [
        pytest.param(HOUR - SECOND, None, id="one second before the hour is over"),
        pytest.param(HOUR, None, id="on the hour"),
        pytest.param(HOUR + SECOND, Objection.STALE_INVOICE, id="one second after the hour"),
        pytest.param(30 * DAY, Objection.STALE_INVOICE, id="a month later"),
    ],
)
def test_an_invoice_can_be_paid_for_an_hour(age: timedelta, answer: Objection | None) -> None:
    service = Service()
    service.keep(invoice())
    service.clock.pass_by(age)

    assert service.judge(query()) == {query().query_id: answer}


@pytest.mark.parametrize(
    ("held", "answer"),
    [
        pytest.param({}, None, id="nothing"),
        pytest.param({GOLD.code: Holding(expires_at=NOON + 3 * DAY + SECOND)}, Objection.ALREADY_ENTITLED, id="early"),
        pytest.param({GOLD.code: Holding(expires_at=NOON + 3 * DAY)}, None, id="from three days before its end"),
        pytest.param({GOLD.code: Holding(expires_at=None)}, Objection.ALREADY_ENTITLED, id="for life"),
        pytest.param({FOR_LIFE.code: Holding(expires_at=None)}, None, id="another plan for life"),
    ],
)
def test_who_may_pay_while_holding(held: Mapping[PlanCode, Holding], answer: Objection | None) -> None:
    assert Case(held=held).judged() is answer


def test_the_window_in_which_a_plan_may_be_bought_again_is_the_plan_s_own() -> None:
    wide = catalog(replace(GOLD, renew_window=Duration.parse("2 weeks")))
    held = {GOLD.code: Holding(expires_at=NOON + 10 * DAY)}

    assert Case(catalog=wide, held=held).judged() is None
    assert Case(held=held).judged() is Objection.ALREADY_ENTITLED


@pytest.mark.threat(8)
@pytest.mark.parametrize(
    ("prices", "answer"),
    [
        pytest.param({"XTR": 1250}, None, id="only another currency's"),
        pytest.param({"XTR": 1251, "GBP": 2500}, Objection.PRICE_CHANGED, id="up"),
        pytest.param({"XTR": 1249, "GBP": 2500}, Objection.PRICE_CHANGED, id="down"),
        pytest.param({"GBP": 2500}, Objection.PRICE_CHANGED, id="away"),
    ],
)
def test_a_price_that_changed_since_is_noticed_when_it_went(prices: dict[str, int], answer: Objection | None) -> None:
    assert Case(catalog=catalog(replace(GOLD, prices=prices))).judged() is answer


@pytest.mark.criterion("2.2", "4.6")
@pytest.mark.threat(5)
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("gold_1m", id="a plan code"),
        pytest.param(payload()[:-1], id="cut short"),
        pytest.param(payload().replace("gold_1m", "gold_1y"), id="of another plan"),
        pytest.param(SIGNER.sign(invoice().terms, SECOND_BOT), id="another bot's"),
    ],
)
def test_a_payload_is_not_believed_that_is(text: str) -> None:
    service = Service()
    service.keep(invoice())

    assert service.judge(query(payload=text)) == {query().query_id: Objection.BAD_PAYLOAD}


def test_an_invoice_of_which_we_know_nothing_is_not_sold_before_the_money_moves() -> None:
    assert Service().judge(query()) == {query().query_id: Objection.UNKNOWN_INVOICE}


@pytest.mark.criterion("2.7")
def test_a_yes_is_on_record_before_it_is_said() -> None:
    service = Service()
    service.keep(invoice())

    assert service.judge(query()) == {query().query_id: None}
    assert service.state.invoices[invoice_id()].approved_at == NOON


def test_a_no_leaves_the_invoice_as_it_is() -> None:
    service = Service()
    service.keep(invoice())

    service.judge(query(payer=MALLORY))

    assert service.state.invoices[invoice_id()] == invoice()


def test_the_first_approval_is_the_one_that_is_kept() -> None:
    service = Service()
    service.keep(invoice())

    service.judge(query())
    service.clock.pass_by(SECOND)
    service.judge(query(query_id="again"))

    assert service.state.invoices[invoice_id()].approved_at == NOON


@pytest.mark.criterion("4.1")
def test_a_query_that_is_repeated_after_its_payment_is_refused_and_moves_nothing_back() -> None:
    service = Service()
    service.keep(invoice())
    service.judge(query())
    service.settle(charge())
    before = replace(service.state.invoices[invoice_id()]), list(service.held(ALICE))

    assert service.judge(query()) == {query().query_id: Objection.INVOICE_ALREADY_PAID}
    assert (service.state.invoices[invoice_id()], service.held(ALICE)) == before


@pytest.mark.criterion("2.9")
@pytest.mark.parametrize(
    ("asked", "decision", "because"),
    [
        pytest.param(query(), "ok", None, id="yes"),
        pytest.param(query(paid=stars(1)), "rejected", Objection.AMOUNT_MISMATCH, id="no"),
    ],
)
def test_every_answer_is_on_the_trail_and_in_the_journal(
    asked: PreCheckout, decision: str, because: Objection | None
) -> None:
    service = Service()
    service.keep(invoice())

    service.judge(asked)

    assert service.state.trail == [
        TrailEntry(
            kind="pre_checkout",
            bot=MAIN,
            at=NOON,
            user_id=ALICE,
            invoice_id=invoice_id(),
            decision=decision,
            reason=because,
        )
    ]
    assert service.journal.events == [PreCheckoutJudged(query=asked, invoice=invoice(), objection=because)]


def test_what_names_no_invoice_of_ours_is_on_the_trail_without_one() -> None:
    service = Service()

    service.judge(query(payload="nonsense"))

    assert [(entry.invoice_id, entry.reason) for entry in service.state.trail] == [(None, Objection.BAD_PAYLOAD)]


def test_what_the_payer_holds_is_looked_up_and_nobody_else_s() -> None:
    service = Service()
    service.keep(invoice())
    service.give(entitlement(name="mallorys", user_id=MALLORY))
    assert service.judge(query()) == {query().query_id: None}

    service.give(entitlement(name="alices"))
    assert service.judge(query()) == {query().query_id: Objection.ALREADY_ENTITLED}


def test_where_selling_is_switched_off_every_good_query_is_refused() -> None:
    service = Service(enabled=False)
    service.keep(invoice())

    assert service.judge(query()) == {query().query_id: Objection.DISABLED}


def test_several_queries_at_once_are_answered_as_if_one_by_one() -> None:
    asked = [
        query(query_id="good"),
        query(query_id="short", paid=stars(1)),
        query(query_id="strange", payload="nonsense"),
        query(query_id="lost", payload=payload(invoice(id=invoice_id(9)))),
        query(invoice(SILVER, id=invoice_id(2)), query_id="silver"),
        query(query_id="good again"),
    ]
    together, apart = Service(), Service()
    for service in (together, apart):
        service.keep(invoice(), invoice(SILVER, id=invoice_id(2)))

    answers = together.judge(*asked)
    one_by_one = {id: answer for one in asked for id, answer in apart.judge(one).items()}

    assert answers == one_by_one
    assert together.state == apart.state


def test_a_question_that_is_not_decided_in_time_is_answered_with_a_no_that_costs_nothing() -> None:
    service = Service()
    judging = JudgePreCheckouts(
        work=service.work, clock=service.clock, shop=service.shop, journal=service.journal, enabled=True
    )

    assert judging.undecided(query()) is Objection.UNAVAILABLE
    assert service.journal.events == [
        PreCheckoutJudged(query=query(), invoice=None, objection=Objection.UNAVAILABLE, terms=invoice().terms),
    ]


def test_of_an_invoice_that_is_lost_it_is_told_what_was_signed_for_it() -> None:
    service = Service()
    lost, kept = invoice(), invoice(id=invoice_id(2))
    service.keep(kept)

    service.judge(query(lost), query(kept, query_id="2"))

    assert service.journal.events == [
        PreCheckoutJudged(query=query(lost), invoice=None, objection=Objection.UNKNOWN_INVOICE, terms=lost.terms),
        PreCheckoutJudged(query=query(kept, query_id="2"), invoice=kept, objection=None),
    ]


def test_nothing_is_approved_that_could_not_be_put_on_record() -> None:
    service = Service()
    service.keep(invoice())
    service.work.broken = True

    with pytest.raises(Unavailable):
        service.judge(query())
    assert service.journal.events == []


def test_an_invoice_in_money_is_judged_by_the_price_in_money() -> None:
    in_pounds = invoice(offer=offer(GOLD, "GBP"))
    service = Service()
    service.keep(in_pounds)

    assert service.judge(query(in_pounds)) == {query().query_id: None}
