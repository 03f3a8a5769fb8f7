"""Whoever paid and sees nothing is answered from one id: what became of the charge, in one sentence, and what to do."""

from dataclasses import replace
from typing import Any

import pytest

from application.charge_story import ChargeStory, TellCharge
from application.ports.trail import TrailEntry
from domain.catalog import Method
from domain.duration import Duration
from domain.invoice import Objection
from domain.payment import DisputeState
from entrypoints.charge_words import what_happened, what_to_do
from entrypoints.trail_words import BECAUSE, told
from tests.builders import (
    ALICE,
    BOB,
    DAY,
    HOUR,
    MALLORY,
    SECOND,
    Service,
    charge,
    invoice,
    invoice_id,
    query,
    refund,
    standing,
    stars,
    stripe_charge,
    stripe_invoice,
)
from tests.memory import NOON

CHARGE = charge().charge_id


def story_of(service: Service, named: str = CHARGE) -> ChargeStory:
    [story] = TellCharge(service.work, service.clock)(named)
    return story


def sentence(service: Service, named: str = CHARGE) -> str:
    return what_happened(story_of(service, named), named)


def paid(**different: Any) -> Service:
    """Alice's invoice for Gold was approved, and paid unless told otherwise."""
    service = Service()
    service.keep(invoice())
    service.judge(query())
    service.settle(charge(**different))
    return service


def test_a_charge_that_was_granted_opened_its_plan_until_its_end() -> None:
    service = paid()

    assert sentence(service) == f"Granted: 1,250 ⭐ of user {ALICE} opened gold_1m, until {_month_later()} UTC."
    assert what_to_do(story_of(service)) == (
        "Nothing is to be done. Services that ask are told yes to: signals, copy_trading."
    )


def test_it_is_found_by_the_id_of_its_payment_and_of_its_invoice_too() -> None:
    service = paid()
    [payment] = service.state.payments.values()

    by_charge = story_of(service)

    assert story_of(service, payment.id) == by_charge
    assert story_of(service, invoice_id()) == by_charge
    assert by_charge.payment == payment


def test_all_that_was_told_of_it_is_told_newest_first_and_before_it_that_of_its_invoice() -> None:
    service = paid()
    service.refund(refund())

    assert [kept.entry.kind for kept in story_of(service).trail] == [
        "refunded_payment",
        "successful_payment",
        "pre_checkout",
    ]


def test_a_plan_for_life_has_no_end() -> None:
    service = Service()
    granted = service.grant(duration=Duration.parse("lifetime"))
    story = replace(story_of(paid()), spans=(granted,))

    assert what_happened(story, CHARGE).endswith("opened gold_1m, for life.")


def test_time_that_was_bought_on_top_begins_later() -> None:
    service = paid()
    second = invoice(id=invoice_id(2), issued_at=NOON + SECOND)
    service.keep(second)
    service.settle(charge(second, charge_id="second"))

    assert f"opened gold_1m from {_month_later()} UTC, until " in sentence(service, "second")
    assert what_to_do(story_of(service, "second")) == "Nothing is to be done. It begins by itself."


def test_time_that_is_over_says_so() -> None:
    service = paid()
    service.clock.pass_by(60 * DAY)

    assert sentence(service) == f"Over: 1,250 ⭐ of user {ALICE} opened gold_1m, until {_month_later()} UTC."
    assert what_to_do(story_of(service)) == "They may buy it again: /buy"


def test_what_a_person_ended_names_the_person_and_the_reason() -> None:
    service = paid()
    service.revoke(service.held(ALICE)[0])

    assert sentence(service).startswith(
        f"Ended: 1,250 ⭐ of user {ALICE} opened gold_1m, until {NOON:%Y-%m-%d %H:%M} UTC,"
    )
    assert " ended it: " in sentence(service)
    assert what_to_do(story_of(service)).startswith(f"To give it again: tollgram grant {ALICE} gold_1m ")


def test_what_ended_without_anybody_on_the_trail_is_told_without_a_name() -> None:
    service = paid()
    service.revoke(service.held(ALICE)[0])
    story = replace(story_of(service), trail=())

    assert what_happened(story, CHARGE).endswith("when it was ended.")


@pytest.mark.parametrize("because", [pytest.param({"paid": stars(1249)}, id="one star short")])
def test_what_is_in_quarantine_says_why_and_how_to_decide(because: dict[str, Any]) -> None:
    service = paid(**because)
    [payment] = service.state.payments.values()

    assert sentence(service) == (
        f"In quarantine: 1,249 ⭐ of user {ALICE} opened nothing, because it is another amount than the invoice."
    )
    assert f"tollgram quarantine grant {payment.id} --reason WHY" in what_to_do(story_of(service))
    assert f"tollgram quarantine refund {payment.id} --reason WHY" in what_to_do(story_of(service))


def test_what_was_granted_to_another_user_names_both() -> None:
    service = paid(paid=stars(1249))
    [payment] = service.state.payments.values()
    service.resolve(payment, user_id=BOB)

    assert f"of user {ALICE} opened gold_1m for user {BOB}, until " in sentence(service)


def test_what_another_user_has_lost_since_is_told_without_an_end() -> None:
    service = paid(paid=stars(1249))
    [payment] = service.state.payments.values()
    service.resolve(payment, user_id=BOB)
    service.revoke(service.held(BOB)[0])

    assert sentence(service) == f"Granted: 1,249 ⭐ of user {ALICE}, to another user, whose access has ended since."
    assert what_to_do(story_of(service)) == "They may buy it again: /buy"


def test_what_is_on_its_way_back_says_who_ordered_it() -> None:
    service = paid()
    [payment] = service.state.payments.values()
    service.order_refund(payment)

    said = sentence(service)

    assert said.startswith(f"Going back: 1,250 ⭐ of user {ALICE}, ordered by ")
    assert said.endswith("; the provider has not confirmed it yet.")
    assert "look again" in what_to_do(story_of(service))
    assert "as was ordered" in what_happened(replace(story_of(service), trail=()), CHARGE)


@pytest.mark.parametrize(
    ("service", "end"),
    [
        pytest.param(paid(), "the access that it paid for has ended", id="after it had opened the plan"),
        pytest.param(paid(paid=stars(1249)), "it never opened anything", id="out of quarantine"),
    ],
)
def test_what_went_back_says_what_it_had_opened(service: Service, end: str) -> None:
    [payment] = service.state.payments.values()
    service.refund(refund(payment.charge))

    assert sentence(service).startswith("Given back: ")
    assert sentence(service).endswith(f"; {end}.")
    assert what_to_do(story_of(service)) == "Nothing is to be done. The money is back where it came from."


def test_only_what_goes_back_to_a_bank_takes_days_to_be_seen() -> None:
    service = Service()
    service.keep(stripe_invoice())
    service.settle(stripe_charge())
    service.refund(refund(stripe_charge()))

    assert what_to_do(story_of(service, "pi_1")).endswith("came from; banks may take days to show it.")


def test_what_went_back_and_could_not_be_paid_out_is_to_be_seen_to() -> None:
    service = Service()
    service.keep(stripe_invoice())
    service.settle(stripe_charge())
    service.refund(refund(stripe_charge()))
    service.follow(standing(refunds_failed=1))

    told = what_to_do(story_of(service, "pi_1"))

    assert "the buyer's bank did not take a refund" in told
    assert f"tollgram grant {ALICE} gold_1m --reason WHY" in told


def test_a_part_that_went_back_is_told_beside_what_is_open() -> None:
    service = Service()
    service.keep(stripe_invoice())
    service.settle(stripe_charge())
    service.follow(standing(stripe_charge(), amount_refunded=500))

    assert sentence(service, stripe_charge().charge_id).endswith(" UTC. £5.00 of it went back.")


def test_a_dispute_interrupts_and_is_to_be_answered() -> None:
    service = Service()
    service.keep(stripe_invoice())
    service.settle(stripe_charge())
    service.follow(standing(stripe_charge(), disputes={"dp_1": DisputeState.WITHDRAWN}))

    named = stripe_charge().charge_id
    assert sentence(service, named).startswith("Interrupted: a dispute has taken £25.00 of user ")
    assert "Stripe's dashboard" in what_to_do(story_of(service, named))


def test_a_refund_of_a_charge_that_nobody_told_of_is_known_all_the_same() -> None:
    service = Service()
    service.refund(refund())

    assert sentence(service).startswith("Given back: 1,250 ⭐ at ")
    assert sentence(service).endswith(", says the provider, who never told us of the payment.")
    assert "never open anything" in what_to_do(story_of(service))


def test_an_invoice_that_nobody_paid_says_how_it_stands() -> None:
    service = Service()
    service.keep(invoice())

    assert sentence(service, invoice_id()) == (
        f"Not paid: the invoice of user {ALICE} for gold_1m at 1,250 ⭐ is open, and nobody has told us of a payment."
    )
    assert "tollgram reconcile" in what_to_do(story_of(service, invoice_id()))


def test_an_invoice_that_was_refused_at_the_last_step_says_why() -> None:
    service = Service()
    service.keep(invoice())
    service.clock.pass_by(2 * HOUR)
    service.judge(query())

    assert "is expired, and nobody" in sentence(service, invoice_id())
    assert sentence(service, invoice_id()).endswith(
        f"the last try was refused, because {BECAUSE[Objection.STALE_INVOICE]}."
    )


def test_of_two_charges_of_an_invoice_the_one_that_paid_it_is_told() -> None:
    service = paid()
    service.settle(charge(charge_id="second", payer=MALLORY))

    assert story_of(service, invoice_id()).payment == service.state.payments[charge().key]


@pytest.mark.parametrize("named", ["never-heard-of", "pay_none", invoice_id(9)])
def test_what_nobody_has_told_us_of_is_unknown_and_looked_for_in_the_ledgers(named: str) -> None:
    story = story_of(paid(), named)

    assert not story.known
    assert what_happened(story, named) == f"Unknown: nobody has told us of {named}."
    assert "tollgram reconcile" in what_to_do(story)


def test_a_charge_id_that_two_providers_use_is_told_of_both() -> None:
    service = paid()
    service.keep(stripe_invoice(id=invoice_id(2)))
    service.settle(stripe_charge(stripe_invoice(id=invoice_id(2)), charge_id=CHARGE))

    stories = TellCharge(service.work, service.clock)(CHARGE)

    assert {story.payment.charge.method for story in stories if story.payment} == {Method.STARS, Method.STRIPE}


def test_every_reason_has_its_words() -> None:
    assert set(BECAUSE) == set(Objection)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"kind": "invoice_issued"}, "invoice issued"),
        ({"kind": "pre_checkout", "decision": "ok"}, "about to pay: approved"),
        (
            {"kind": "pre_checkout", "decision": "rejected", "reason": Objection.WRONG_USER},
            "about to pay: refused, because the invoice was made out to somebody else",
        ),
        ({"kind": "successful_payment", "decision": "granted"}, "paid: granted"),
        (
            {"kind": "charge_standing", "decision": "suspended"},
            "the provider tells of a dispute or a partial refund: suspended",
        ),
        (
            {"kind": "refund_came_back", "decision": "refunded", "note": "no such account"},
            "a refund has not arrived: no such account",
        ),
        (
            {"kind": "payment_resolved", "decision": "granted", "actor": "olga", "note": "kind"},
            "out of quarantine: granted by olga: kind",
        ),
        ({"kind": "refund_ordered", "actor": "olga", "note": "asked"}, "refund ordered by olga: asked"),
        ({"kind": "refunded_payment"}, "given back, says the provider"),
        ({"kind": "refunded_payment", "actor": "olga", "note": "asked"}, "given back, as olga ordered"),
        ({"kind": "something_new"}, "something new"),
    ],
)
def test_a_line_of_the_trail_says_what_who_and_why(entry: dict[str, Any], words: str) -> None:
    assert told(TrailEntry(bot=invoice().bot, at=NOON, **entry)) == words


def _month_later() -> str:
    return f"{Duration.parse('1 month').after(NOON):%Y-%m-%d %H:%M}"
