"""What becomes of a payment is the same in whichever order its events come, and however often each of them does."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.integration.buying import (
    buy,
    entitlements_of,
    invoice_for,
    make_older,
    newcomer,
    payments_of,
    rows,
    settled,
    told,
)
from tests.integration.sandbox_server import SandboxServer
from tests.integration.service import Service, only
from tests.integration.stripe_buying import PRICE, money_of, page_for, pay_page, stripe_does

PART = 700
OPEN, SHUT, ENDED = "open", "shut", "ended"
STORIES: dict[tuple[str, ...], str] = {
    (): OPEN,
    ("part",): OPEN,
    ("part", "part"): OPEN,
    ("whole",): ENDED,
    ("part", "whole"): ENDED,
    ("part", "part", "whole"): ENDED,
    ("open",): OPEN,
    ("inquiry", "close"): OPEN,
    ("inquiry", "escalate"): SHUT,
    ("open", "withdraw"): SHUT,
    ("open", "withdraw", "answer"): SHUT,
    ("open", "win"): OPEN,
    ("open", "withdraw", "win"): OPEN,
    ("open", "lose"): ENDED,
    ("open", "withdraw", "lose"): ENDED,
    ("open", "withdraw", "win", "whole"): ENDED,
    ("part", "open", "withdraw", "win"): OPEN,
    ("part", "open", "withdraw", "lose"): ENDED,
}
"""What happens to a payment once it was made, and what must come of it."""


def happen(telegram: SandboxServer, charge: str, act: str) -> None:
    match act:
        case "part":
            telegram.stripe.refund(charge, amount=PART)
        case "whole":
            telegram.stripe.refund(charge)
        case "open" | "inquiry" | "close" | "escalate" | "withdraw" | "answer" | "win" | "lose":
            telegram.stripe.dispute(charge, act)
        case _:
            raise AssertionError(act)


class Held:
    """The events that Stripe holds back, from now on."""

    def __init__(self, telegram: SandboxServer) -> None:
        self._telegram = telegram
        self._before = set(telegram.stripe.event_ids())

    def ids(self) -> list[str]:
        return [id for id in self._telegram.stripe.event_ids() if id not in self._before]

    def deliver(self, ids: Sequence[str]) -> None:
        for delivery in self._telegram.stripe.resend(ids):
            assert delivery.status == 200, delivery


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    story=st.sampled_from(sorted(STORIES)),
    manner=st.sampled_from(["at once", "late", "at once, impatient", "late, impatient"]),
    chance=st.randoms(use_true_random=False),
)
@example(story=("open", "withdraw", "win"), manner="at once, impatient", chance=Random(1))
@example(story=("part", "whole"), manner="late", chance=Random(2))
@example(story=("open", "withdraw", "win", "whole"), manner="at once, impatient", chance=Random(3))
def test_every_order_ends_the_same(
    stripe_service: Service,
    telegram: SandboxServer,
    story: tuple[str, ...],
    manner: str,
    chance: Random,
) -> None:
    """Each event comes twice at least, in any order; impatient, some already while the story goes on."""
    ada = newcomer(telegram)
    page = page_for(stripe_service, ada)
    with stripe_does(telegram, hold_events=True):
        held = Held(telegram)

        def some() -> None:
            if "impatient" in manner:
                ids = held.ids()
                held.deliver(chance.sample(ids, chance.randint(0, len(ids))))

        if "late" in manner:
            telegram.stripe.pay_late(page["session_id"])
            some()
            paid = telegram.stripe.settle_late(page["session_id"])
        else:
            paid = telegram.stripe.pay(page["session_id"])
        for act in story:
            some()
            happen(telegram, paid.charge, act)
        twice = held.ids() * 2
        chance.shuffle(twice)
        held.deliver(twice)
    settled(telegram)

    assert_it_ended_well(stripe_service, telegram, ada, story, paid.payment_intent)


def assert_it_ended_well(
    service: Service, telegram: SandboxServer, user: int, story: tuple[str, ...], intent: str
) -> None:
    end = STORIES[story]
    payment = only(payments_of(service, user))
    assert payment["status"] == ("refunded" if end == ENDED else "granted")
    assert service.allowed(user, "signals") == (end == OPEN)
    given_back = money_of(telegram, intent)["amount_refunded"] if end != ENDED else PRICE
    stored = only(rows(service, "SELECT amount_refunded FROM payments WHERE charge_id = ?", intent))
    assert stored["amount_refunded"] == given_back
    living = [one for one in entitlements_of(service, user) if one["active"]]
    if end == OPEN:
        left = datetime.fromisoformat(only(living)["expires_at"]) - datetime.now(UTC)
        assert timedelta(days=27) < left <= timedelta(days=31)
    else:
        assert living == []
    letters = Counter(row["kind"] for row in rows(service, "SELECT kind FROM outbox WHERE chat_id = ?", user))
    assert letters["Confirmation"] <= 1
    assert letters["Confirmation"] == 1 or end == ENDED
    assert letters["PaymentReturned"] == (1 if end == ENDED else 0)
    assert letters["PartReturned"] <= story.count("part")
    if end != ENDED:
        assert letters["AccessSuspended"] - letters["AccessRestored"] == (1 if end == SHUT else 0)
    charges = rows(service, "SELECT charge_id FROM payments WHERE user_id = ?", user)
    assert [charge["charge_id"] for charge in charges] == [intent]


@pytest.mark.parametrize(
    "story", [("whole",), ("open", "withdraw", "win"), ("open", "lose"), ("part", "whole")], ids=str
)
def test_all_events_at_once_end_the_same(
    stripe_service: Service, telegram: SandboxServer, story: tuple[str, ...]
) -> None:
    ada = newcomer(telegram)
    page = page_for(stripe_service, ada)
    with stripe_does(telegram, hold_events=True):
        held = Held(telegram)
        paid = telegram.stripe.pay(page["session_id"])
        for act in story:
            happen(telegram, paid.charge, act)
        statuses = {d.status for d in telegram.stripe.resend(held.ids(), times=2, concurrent=True)}
        assert statuses <= {200, 503}  # who is told to come again, does
    settled(telegram)
    assert_it_ended_well(stripe_service, telegram, ada, story, paid.payment_intent)


def test_a_part_that_goes_back_leaves_access_and_the_user_is_told_what_is_left(
    stripe_service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    paid = pay_page(telegram, page_for(stripe_service, ada))
    telegram.stripe.refund(paid.charge, amount=PART)
    settled(telegram)
    said = told(telegram, ada, "We returned £7.00")
    assert "£18.00" in said
    assert stripe_service.allowed(ada, "signals")
    telegram.stripe.refund(paid.charge, amount=PART)
    settled(telegram)
    assert "£11.00" in told(telegram, ada, "£11.00")
    telegram.stripe.refund(paid.charge)
    settled(telegram)
    assert "The access that it paid for has ended." in told(telegram, ada, "We returned £11.00")
    assert not stripe_service.allowed(ada, "signals")
    assert only(payments_of(stripe_service, ada))["refunded_at"] is not None


def test_a_dispute_interrupts_and_when_it_is_won_the_rest_of_the_time_goes_on(
    stripe_service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    paid = pay_page(telegram, page_for(stripe_service, ada))
    (bought,) = entitlements_of(stripe_service, ada)
    telegram.stripe.dispute(paid.charge, "open")
    settled(telegram)
    assert stripe_service.allowed(ada, "signals")
    telegram.stripe.dispute(paid.charge, "withdraw")
    settled(telegram)
    assert not stripe_service.allowed(ada, "signals")
    told(telegram, ada, "Access is interrupted until then.")
    telegram.stripe.dispute(paid.charge, "win")
    settled(telegram)
    assert stripe_service.allowed(ada, "signals")
    told(telegram, ada, "access is open again")
    resumed = only([one for one in entitlements_of(stripe_service, ada) if one["active"]])
    first, then = (datetime.fromisoformat(one["expires_at"]) for one in (bought, resumed))
    assert timedelta(seconds=-1) < then - first < timedelta(minutes=1)  # what is left is counted in whole seconds


def test_a_refund_that_is_only_on_its_way_ends_nothing_until_it_is_through(
    stripe_service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    paid = pay_page(telegram, page_for(stripe_service, ada))
    failing = telegram.stripe.refund(paid.charge, pending=True)
    settled(telegram)
    assert stripe_service.allowed(ada, "signals")
    telegram.stripe.settle_refund(failing["id"], "failed")
    settled(telegram)
    assert stripe_service.allowed(ada, "signals")
    telegram.stripe.settle_refund(telegram.stripe.refund(paid.charge, pending=True)["id"])
    settled(telegram)
    assert not stripe_service.allowed(ada, "signals")
    assert only(payments_of(stripe_service, ada))["status"] == "refunded"


def failures_of(service: Service) -> float:
    return service.metrics()['refunds_failed_total{method="stripe"}']


def test_a_refund_that_the_bank_sends_back_later_is_told_to_the_operator(
    stripe_service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    paid = pay_page(telegram, page_for(stripe_service, ada))
    done = telegram.stripe.refund(paid.charge)
    settled(telegram)
    assert only(payments_of(stripe_service, ada))["status"] == "refunded"
    before = failures_of(stripe_service)

    telegram.stripe.settle_refund(done["id"], "failed")
    settled(telegram)

    assert failures_of(stripe_service) == before + 1
    assert not stripe_service.allowed(ada, "signals")


# Money that comes later than its page ------------------------------------------------------------------------------


def test_a_page_that_is_completed_unpaid_opens_nothing_until_the_money_is_there(
    stripe_service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    page = page_for(stripe_service, ada)
    telegram.stripe.pay_late(page["session_id"])
    settled(telegram)
    assert telegram.stripe.session(page["session_id"])["status"] == "complete"
    assert payments_of(stripe_service, ada) == entitlements_of(stripe_service, ada) == []
    telegram.stripe.settle_late(page["session_id"])
    settled(telegram)
    assert stripe_service.allowed(ada, "signals")
    assert only(payments_of(stripe_service, ada))["status"] == "granted"


def test_money_that_never_comes_opens_nothing_and_one_can_buy_again(
    stripe_service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    page = page_for(stripe_service, ada)
    telegram.stripe.pay_late(page["session_id"])
    telegram.stripe.settle_late(page["session_id"], "failed")
    settled(telegram)
    assert payments_of(stripe_service, ada) == entitlements_of(stripe_service, ada) == []
    pay_page(telegram, page_for(stripe_service, ada))
    assert stripe_service.allowed(ada, "signals")


def test_money_that_comes_long_after_the_invoice_is_over_opens_what_was_bought(
    stripe_service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    page = page_for(stripe_service, ada)
    telegram.stripe.pay_late(page["session_id"])
    settled(telegram)
    make_older(stripe_service, page["invoice_id"], timedelta(days=5))
    telegram.stripe.settle_late(page["session_id"])
    settled(telegram)
    payment = only(payments_of(stripe_service, ada))
    assert (payment["status"], payment["invoice_id"]) == ("granted", page["invoice_id"])
    assert stripe_service.allowed(ada, "signals")


def test_a_page_whose_time_is_over_opens_nothing(stripe_service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    page = page_for(stripe_service, ada)
    telegram.stripe.expire(page["session_id"])
    settled(telegram)
    assert only(rows(stripe_service, "SELECT outcome FROM stripe_events WHERE object_id = ?", page["session_id"]))
    assert payments_of(stripe_service, ada) == entitlements_of(stripe_service, ada) == []


# Both rails --------------------------------------------------------------------------------------------------------


def test_the_same_plan_by_both_rails_at_once_keeps_both_charges_and_the_second_extends(
    stripe_service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    page, invoice = page_for(stripe_service, ada), invoice_for(stripe_service, ada)
    # Stripe has the money before we know of it: known a moment earlier, the other way would have been refused.
    with stripe_does(telegram, hold_events=True), ThreadPoolExecutor(2) as hands:
        by_card = hands.submit(telegram.stripe.pay, page["session_id"])
        by_stars = hands.submit(telegram.pay, ada, invoice["telegram_message_id"])
        assert (by_card.result().status, by_stars.result().status) == ("paid", "paid")
        telegram.stripe.release()
    settled(telegram)
    payments = payments_of(stripe_service, ada)
    assert {(payment["method"], payment["status"]) for payment in payments} == {
        ("stripe", "granted"),
        ("stars", "granted"),
    }
    first, second = sorted(entitlements_of(stripe_service, ada), key=lambda one: one["starts_at"])
    assert second["starts_at"] == first["expires_at"]
    end = datetime.fromisoformat(second["expires_at"])
    assert timedelta(days=58) < end - datetime.now(UTC) <= timedelta(days=62)


def test_when_the_first_of_two_is_refunded_the_second_moves_up(
    stripe_service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    page = page_for(stripe_service, ada)
    buy(stripe_service, telegram, ada)
    paid = pay_page(telegram, page)
    assert stripe_service.allowed(ada, "signals")
    telegram.stripe.refund(paid.charge)
    settled(telegram)
    assert stripe_service.allowed(ada, "signals")
    living = only([one for one in entitlements_of(stripe_service, ada) if one["revoked_at"] is None])
    left = datetime.fromisoformat(living["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=27) < left <= timedelta(days=31)
