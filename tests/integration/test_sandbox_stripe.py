"""The sandbox's Stripe, asked through Stripe's own library: what it takes, what it refuses, and what it adds up."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import stripe

from tests.integration.sandbox_server import SandboxError, SandboxServer

GOLD: dict[str, Any] = {
    "price_data": {"currency": "gbp", "unit_amount": 2500, "product_data": {"name": "Gold, 1 month"}},
    "quantity": 1,
}


@pytest.fixture(scope="module")
def telegram() -> Iterator[SandboxServer]:
    with SandboxServer() as telegram:
        yield telegram


@pytest.fixture
def ours(telegram: SandboxServer) -> Iterator[Any]:
    """The SDK's client, with nobody's retries between us and what Stripe says."""
    telegram.stripe.reset()
    yield client(telegram)
    telegram.stripe.faults()


def client(telegram: SandboxServer, key: str = "", *, retries: int = 0) -> Any:
    # Untyped on purpose: the SDK's parameter types would have us cast every dictionary.
    made: Any = stripe.StripeClient(
        key or telegram.stripe.secret_key,
        base_addresses={"api": telegram.stripe.api_base},
        max_network_retries=retries,
    )
    return made.v1


def order(**more: Any) -> dict[str, Any]:
    return {
        "mode": "payment",
        "line_items": [GOLD],
        "success_url": "https://example.com/paid?session={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://example.com/back",
        **more,
    }


# Keys and addresses


@pytest.mark.parametrize("key", ["sk_tost_sandboxsandbox", "pk_test_sandboxsandbox", "sk_test_", "nonsense"])
def test_a_key_that_is_no_secret_key_is_refused(telegram: SandboxServer, key: str) -> None:
    with pytest.raises(stripe.AuthenticationError):
        client(telegram, key).customers.list()


def test_a_refused_key_is_not_told_again_in_full(telegram: SandboxServer) -> None:
    with pytest.raises(stripe.AuthenticationError) as refused:
        client(telegram, "sk_wrong_abcdefghijklmnop").customers.list()
    assert "abcdefghijkl" not in str(refused.value)


def test_without_a_key_nothing_is_answered(telegram: SandboxServer) -> None:
    answer = httpx.get(f"{telegram.stripe.api_base}/v1/customers")
    assert (answer.status_code, answer.json()["error"]["type"]) == (401, "invalid_request_error")
    assert answer.headers["request-id"].startswith("req_")


def test_what_is_made_in_test_mode_is_unknown_in_live_mode(telegram: SandboxServer, ours: Any) -> None:
    session = ours.checkout.sessions.create(order())
    live = client(telegram, telegram.stripe.live_key)
    with pytest.raises(stripe.InvalidRequestError, match="a similar object exists in test mode"):
        live.checkout.sessions.retrieve(session.id)
    assert session.livemode is False
    assert session.id.startswith("cs_test_")
    real = live.checkout.sessions.create(order())
    assert real.livemode is True
    assert real.id.startswith("cs_live_")
    assert live.checkout.sessions.list().data[0].id == real.id
    assert len(ours.checkout.sessions.list().data) == 1


def test_the_account_says_who_it_is(ours: Any) -> None:
    assert ours.accounts.retrieve_current().charges_enabled is True


def test_an_address_that_is_not_modelled_says_so(ours: Any, telegram: SandboxServer) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="Unrecognized request URL"):
        ours.subscriptions.list()


# Sessions


def test_a_session_is_open_unpaid_and_has_a_page(telegram: SandboxServer, ours: Any) -> None:
    session = ours.checkout.sessions.create(
        order(
            client_reference_id="inv_1",
            metadata={"invoice_id": "inv_1", "7": "a key that is a number"},
            expand=["line_items"],
        )
    )
    assert (session.status, session.payment_status, session.payment_intent) == ("open", "unpaid", None)
    assert (session.amount_total, session.currency, session.client_reference_id) == (2500, "gbp", "inv_1")
    assert session.metadata.to_dict() == {"invoice_id": "inv_1", "7": "a key that is a number"}
    assert session.line_items.data[0].description == "Gold, 1 month"
    assert session.url == f"{telegram.url}/stripe/checkout/{session.id}"
    assert session.expires_at == session.created + 24 * 3600
    assert httpx.get(session.url).status_code == 200


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        pytest.param({"success_url": None}, "success_url", "parameter_missing", id="no success_url"),
        pytest.param({"success_url": "example.com"}, "success_url", "url_invalid", id="no url"),
        pytest.param({"mode": None}, "mode", "parameter_missing", id="no mode"),
        pytest.param({"mode": "subscription"}, "mode", None, id="a mode that is not modelled"),
        pytest.param({"line_items": []}, "line_items", "parameter_missing", id="nothing to buy"),
        pytest.param({"customer": "cus_nobody"}, "customer", "resource_missing", id="unknown customer"),
        pytest.param({"nonsense": "1"}, "nonsense", "parameter_unknown", id="unknown parameter"),
        pytest.param({"metadata": {"k": "v" * 501}}, "metadata", None, id="metadata too long"),
        pytest.param({"client_reference_id": "x" * 201}, "client_reference_id", None, id="reference too long"),
        pytest.param({"client_reference_id": ""}, "client_reference_id", "parameter_invalid_empty", id="empty"),
        pytest.param({"expires_at": "soon"}, "expires_at", "parameter_invalid_integer", id="no number"),
        pytest.param(
            {"line_items": [{"price": "price_gone", "quantity": 1}]},
            "line_items[0][price]",
            "resource_missing",
            id="unknown price",
        ),
        pytest.param(
            {"line_items": [{**GOLD, "price_data": {**GOLD["price_data"], "unit_amount": -1}}]},
            "line_items[0][price_data][unit_amount]",
            "parameter_invalid_integer",
            id="less than nothing",
        ),
        pytest.param(
            {"line_items": [{**GOLD, "price_data": {**GOLD["price_data"], "unit_amount": 29}}]},
            None,
            "amount_too_small",
            id="a penny below the least",
        ),
    ],
)
def test_what_stripe_refuses_is_refused(ours: Any, change: dict[str, Any], param: str | None, code: str | None) -> None:
    wanted = {name: value for name, value in order(**change).items() if value is not None}
    with pytest.raises(stripe.InvalidRequestError) as refused:
        ours.checkout.sessions.create(wanted)
    assert (refused.value.http_status, refused.value.param, refused.value.code) == (400, param, code)


@pytest.mark.parametrize(
    ("after_s", "taken"),
    [
        pytest.param(30 * 60 - 5, False, id="5 seconds short of 30 minutes"),
        pytest.param(30 * 60 + 5, True, id="a little over 30 minutes"),
        pytest.param(24 * 3600 - 5, True, id="a little less than 24 hours"),
        pytest.param(24 * 3600 + 5, False, id="5 seconds over 24 hours"),
    ],
)
def test_a_session_lives_between_30_minutes_and_24_hours(ours: Any, after_s: int, taken: bool) -> None:
    expires_at = int(time.time()) + after_s
    if taken:
        assert ours.checkout.sessions.create(order(expires_at=expires_at)).expires_at == expires_at
    else:
        with pytest.raises(stripe.InvalidRequestError, match="from Checkout Session creation") as refused:
            ours.checkout.sessions.create(order(expires_at=expires_at))
        assert refused.value.param == "expires_at"


def test_a_price_of_the_table_can_change_under_the_feet_of_its_user(telegram: SandboxServer, ours: Any) -> None:
    telegram.stripe.set_price("price_gold", 2500, "GBP", name="Gold")
    wanted = order(line_items=[{"price": "price_gold", "quantity": 2}])
    assert ours.checkout.sessions.create(wanted).amount_total == 5000
    telegram.stripe.set_price("price_gold", 2600, "GBP")
    assert ours.checkout.sessions.create(wanted).amount_total == 5200
    assert ours.prices.retrieve("price_gold").unit_amount == 2600


def test_paying_completes_the_session_and_what_lies_behind_it(telegram: SandboxServer, ours: Any) -> None:
    customer = ours.customers.create({"metadata": {"user_id": "1001"}})
    wanted = order(customer=customer.id, payment_intent_data={"metadata": {"invoice_id": "inv_1"}})
    session = ours.checkout.sessions.create(wanted)
    paid = telegram.stripe.pay(session.id)
    assert paid.redirect == f"https://example.com/paid?session={session.id}"
    session = ours.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent.latest_charge"]})
    assert (session.status, session.payment_status, session.url) == ("complete", "paid", None)
    intent, charge = session.payment_intent, session.payment_intent.latest_charge
    assert (intent.id, intent.status, intent.amount_received) == (paid.payment_intent, "succeeded", 2500)
    assert intent.metadata["invoice_id"] == charge.metadata["invoice_id"] == "inv_1"
    assert (charge.id, charge.paid, charge.customer) == (paid.charge, True, customer.id)
    assert ours.checkout.sessions.list({"payment_intent": intent.id}).data[0].id == session.id
    assert ours.checkout.sessions.list({"customer": customer.id, "status": "open"}).data == []
    (truth,) = telegram.stripe.ledger()
    assert (truth["amount"], truth["paid"], truth["customer"]) == (2500, True, customer.id)


def test_a_session_is_paid_once(telegram: SandboxServer, ours: Any) -> None:
    session = ours.checkout.sessions.create(order())
    telegram.stripe.pay(session.id)
    with pytest.raises(SandboxError, match="409 the session is complete"):
        telegram.stripe.pay(session.id)
    with pytest.raises(stripe.InvalidRequestError, match="has a status of `complete`"):
        ours.checkout.sessions.expire(session.id)


def test_a_session_that_is_expired_cannot_be_paid(telegram: SandboxServer, ours: Any) -> None:
    session = ours.checkout.sessions.create(order())
    assert ours.checkout.sessions.expire(session.id).status == "expired"
    with pytest.raises(SandboxError, match="409 the session is expired"):
        telegram.stripe.pay(session.id)
    assert telegram.stripe.ledger() == []


def test_a_declined_card_leaves_the_session_open_for_another(telegram: SandboxServer, ours: Any) -> None:
    session = ours.checkout.sessions.create(order())
    refused = telegram.stripe.decline(session.id, code="insufficient_funds")
    assert refused.error_message == "Your card has insufficient funds."
    intent = ours.payment_intents.retrieve(refused.payment_intent)
    assert (intent.status, intent.last_payment_error.decline_code) == ("requires_payment_method", "insufficient_funds")
    paid = telegram.stripe.pay(session.id)
    assert paid.payment_intent == refused.payment_intent
    assert paid.charge != refused.charge
    assert [charge.status for charge in ours.charges.list({"payment_intent": intent.id}).data] == [
        "succeeded",
        "failed",
    ]


def test_who_goes_back_changes_nothing(telegram: SandboxServer, ours: Any) -> None:
    session = ours.checkout.sessions.create(order())
    assert telegram.stripe.abandon(session.id) == "https://example.com/back"
    assert ours.checkout.sessions.retrieve(session.id).status == "open"


@pytest.mark.parametrize("outcome", ["succeeded", "failed"])
def test_money_that_comes_late_completes_the_session_first(telegram: SandboxServer, ours: Any, outcome: Any) -> None:
    session = ours.checkout.sessions.create(order())
    telegram.stripe.pay_late(session.id)
    between = ours.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    assert (between.status, between.payment_status) == ("complete", "unpaid")
    assert between.payment_intent.status == "processing"
    telegram.stripe.settle_late(session.id, outcome)
    after = ours.checkout.sessions.retrieve(session.id)
    assert after.payment_status == ("paid" if outcome == "succeeded" else "unpaid")
    with pytest.raises(SandboxError, match="no money is on its way"):
        telegram.stripe.settle_late(session.id, outcome)


def test_late_money_can_come_by_itself(telegram: SandboxServer, ours: Any) -> None:
    session = ours.checkout.sessions.create(order())
    telegram.stripe.pay_late(session.id, outcome="succeeded", after_s=10)
    assert telegram.stripe.session(session.id)["payment_status"] == "unpaid"
    telegram.wait_idle()
    assert telegram.stripe.session(session.id)["payment_status"] == "paid"


# Customers and their portal


def test_a_customer_has_a_portal_with_what_they_paid(telegram: SandboxServer, ours: Any) -> None:
    customer = ours.customers.create({"name": "Ada Okafor"})
    session = ours.checkout.sessions.create(order(customer=customer.id))
    telegram.stripe.pay(session.id)
    portal = ours.billing_portal.sessions.create({"customer": customer.id, "return_url": "https://example.com/"})
    assert httpx.get(portal.url).status_code == 200
    shown = httpx.get(f"{telegram.url}/sandbox/api/stripe/portal/{portal.id}").json()
    assert [payment["amount"] for payment in shown["payments"]] == [2500]
    assert shown["return_url"] == "https://example.com/"


def test_a_customer_who_was_deleted_can_buy_no_more(ours: Any) -> None:
    customer = ours.customers.create({"email": "ada@example.com"})
    assert ours.customers.list({"email": "ada@example.com"}).data[0].id == customer.id
    ours.customers.delete(customer.id)
    assert ours.customers.retrieve(customer.id).deleted is True
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        ours.checkout.sessions.create(order(customer=customer.id))


def test_a_customer_is_made_on_paying_where_that_was_asked_for(telegram: SandboxServer, ours: Any) -> None:
    session = ours.checkout.sessions.create(order(customer_creation="always"))
    telegram.stripe.pay(session.id, email="new@example.com")
    made = ours.checkout.sessions.retrieve(session.id, {"expand": ["customer"]}).customer
    assert made.email == "new@example.com"


# Refunds and disputes


def test_refunds_add_up_on_the_charge(telegram: SandboxServer, ours: Any) -> None:
    paid = telegram.stripe.pay(ours.checkout.sessions.create(order()).id)
    ours.refunds.create({"payment_intent": paid.payment_intent, "amount": 1000, "metadata": {"why": "late"}})
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded amount"):
        ours.refunds.create({"charge": paid.charge, "amount": 1501})
    telegram.stripe.refund(paid.charge, amount=500)
    charge = ours.charges.retrieve(paid.charge, {"expand": ["refunds"]})
    assert (charge.amount_refunded, charge.refunded, len(charge.refunds.data)) == (1500, False, 2)
    ours.refunds.create({"payment_intent": paid.payment_intent})
    charge = ours.charges.retrieve(paid.charge)
    assert (charge.amount_refunded, charge.refunded) == (2500, True)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        ours.refunds.create({"payment_intent": paid.payment_intent})
    assert refused.value.code == "charge_already_refunded"
    assert [refund.amount for refund in ours.refunds.list({"charge": paid.charge}).data] == [1000, 500, 1000]


def test_a_refund_that_fails_gives_the_money_back_to_the_account(telegram: SandboxServer, ours: Any) -> None:
    paid = telegram.stripe.pay(ours.checkout.sessions.create(order()).id)
    telegram.stripe.faults(refunds_pending=True)
    refund = ours.refunds.create({"charge": paid.charge})
    assert (refund.status, ours.charges.retrieve(paid.charge).refunded) == ("pending", True)
    telegram.stripe.settle_refund(refund.id, "failed")
    charge = ours.charges.retrieve(paid.charge)
    assert (charge.amount_refunded, charge.refunded) == (0, False)
    assert ours.refunds.retrieve(refund.id).status == "failed"


def test_money_that_never_came_cannot_be_refunded(telegram: SandboxServer, ours: Any) -> None:
    late = telegram.stripe.pay_late(ours.checkout.sessions.create(order()).id)
    with pytest.raises(stripe.InvalidRequestError, match="does not have a successful charge"):
        ours.refunds.create({"payment_intent": late.payment_intent})
    with pytest.raises(SandboxError, match="has not succeeded"):
        telegram.stripe.refund(late.charge)


def test_a_dispute_moves_money_step_by_step(telegram: SandboxServer, ours: Any) -> None:
    paid = telegram.stripe.pay(ours.checkout.sessions.create(order()).id)
    opened = telegram.stripe.dispute(paid.charge, "open")

    def dispute() -> Any:
        return ours.disputes.retrieve(opened["id"])

    assert (dispute().status, dispute().balance_transactions) == ("needs_response", [])
    assert ours.charges.retrieve(paid.charge).disputed is True
    telegram.stripe.dispute(paid.payment_intent, "withdraw")
    assert [moved.amount for moved in dispute().balance_transactions] == [-2500]
    with pytest.raises(stripe.InvalidRequestError) as refused:
        ours.refunds.create({"charge": paid.charge})
    assert refused.value.code == "charge_disputed"
    telegram.stripe.dispute(opened["id"], "answer")
    assert dispute().status == "under_review"
    telegram.stripe.dispute(opened["id"], "win")
    assert dispute().status == "won"
    assert [moved.amount for moved in dispute().balance_transactions] == [-2500, 2500]
    with pytest.raises(SandboxError, match="409 the dispute is won"):
        telegram.stripe.dispute(opened["id"], "lose")


def test_a_dispute_can_be_lost(telegram: SandboxServer, ours: Any) -> None:
    paid = telegram.stripe.pay(ours.checkout.sessions.create(order()).id)
    telegram.stripe.dispute(paid.charge, "open")
    telegram.stripe.dispute(paid.charge, "lose")
    (truth,) = telegram.stripe.ledger()
    assert (truth["dispute"], truth["funds_withdrawn"]) == ("lost", True)
    assert ours.disputes.list({"charge": paid.charge}).data[0].status == "lost"


def test_an_inquiry_moves_nothing_unless_it_becomes_a_chargeback(telegram: SandboxServer, ours: Any) -> None:
    first, second = (telegram.stripe.pay(ours.checkout.sessions.create(order()).id) for _ in range(2))
    assert telegram.stripe.dispute(first.charge, "inquiry")["status"] == "warning_needs_response"
    with pytest.raises(SandboxError, match="no funds are withdrawn"):
        telegram.stripe.dispute(first.charge, "withdraw")
    assert telegram.stripe.dispute(first.charge, "close")["status"] == "warning_closed"
    telegram.stripe.dispute(second.charge, "inquiry")
    assert telegram.stripe.dispute(second.charge, "escalate")["status"] == "needs_response"
    assert [one["funds_withdrawn"] for one in telegram.stripe.ledger()] == [False, True]


# Lists


def test_lists_come_newest_first_a_page_at_a_time(ours: Any) -> None:
    made = [ours.customers.create({"name": str(number)}).id for number in range(5)]
    page = ours.customers.list({"limit": 2})
    assert ([one.id for one in page.data], page.has_more) == ([made[4], made[3]], True)
    assert [one.id for one in page.auto_paging_iter()] == made[::-1]
    before = ours.customers.list({"limit": 2, "ending_before": made[1]})
    assert [one.id for one in before.data] == [made[3], made[2]]
    assert ours.customers.list({"created": {"gt": int(time.time()) + 10}}).data == []
    assert len(ours.customers.list({"created": {"gte": int(time.time()) - 60}}).data) == 5
    with pytest.raises(stripe.InvalidRequestError):
        ours.customers.list({"limit": 101})
    with pytest.raises(stripe.InvalidRequestError, match="No such object"):
        ours.customers.list({"starting_after": "cus_nobody"})


def test_a_page_goes_on_from_what_is_no_longer_asked_for(telegram: SandboxServer, ours: Any) -> None:
    oldest, between, newest = (ours.checkout.sessions.create(order()).id for _ in range(3))
    page = ours.checkout.sessions.list({"status": "open", "limit": 1})
    assert ([one.id for one in page.data], page.has_more) == ([newest], True)
    telegram.stripe.pay(newest)
    telegram.stripe.pay(oldest)
    after = ours.checkout.sessions.list({"status": "open", "starting_after": newest})
    assert ([one.id for one in after.data], after.has_more) == ([between], False)
    before = ours.checkout.sessions.list({"status": "open", "ending_before": oldest})
    assert [one.id for one in before.data] == [between]


def test_expanding_what_is_no_object_is_refused(ours: Any) -> None:
    session = ours.checkout.sessions.create(order())
    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        ours.checkout.sessions.retrieve(session.id, {"expand": ["amount_total"]})
    listed = ours.checkout.sessions.list({"expand": ["data.line_items"]})
    assert listed.data[0].line_items.data[0].amount_total == 2500


# Idempotency


def test_the_same_key_with_the_same_words_gets_the_same_answer(telegram: SandboxServer, ours: Any) -> None:
    first = ours.checkout.sessions.create(order(), {"idempotency_key": "once"})
    again = ours.checkout.sessions.create(order(), {"idempotency_key": "once"})
    assert first.id == again.id
    assert again.last_response.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.last_response.headers
    assert len(ours.checkout.sessions.list().data) == 1


def test_the_stored_answer_stays_as_it_was_given(telegram: SandboxServer, ours: Any) -> None:
    first = ours.checkout.sessions.create(order(), {"idempotency_key": "once"})
    telegram.stripe.pay(first.id)
    assert ours.checkout.sessions.create(order(), {"idempotency_key": "once"}).status == "open"


def test_the_same_key_with_other_words_is_refused(ours: Any) -> None:
    ours.checkout.sessions.create(order(), {"idempotency_key": "once"})
    with pytest.raises(stripe.IdempotencyError, match="same parameters"):
        ours.checkout.sessions.create(order(client_reference_id="other"), {"idempotency_key": "once"})
    with pytest.raises(stripe.IdempotencyError, match="same endpoint"):
        ours.customers.create({}, {"idempotency_key": "once"})


def test_a_refusal_of_the_words_frees_the_key(ours: Any) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        ours.checkout.sessions.create({"mode": "payment"}, {"idempotency_key": "once"})
    assert ours.checkout.sessions.create(order(), {"idempotency_key": "once"}).status == "open"


def test_a_key_in_use_is_a_conflict(telegram: SandboxServer, ours: Any) -> None:
    telegram.stripe.faults(api_delay_s=0.4)
    first = threading.Thread(target=lambda: client(telegram).customers.create({}, {"idempotency_key": "once"}))
    first.start()
    time.sleep(0.15)
    with pytest.raises(stripe.APIError) as refused:
        ours.customers.create({}, {"idempotency_key": "once"})
    first.join()
    body: Any = refused.value.json_body
    assert (refused.value.http_status, body["error"]["code"]) == (409, "idempotency_key_in_use")
    telegram.stripe.faults()
    assert len(ours.customers.list().data) == 1


# Faults


def test_too_many_requests(telegram: SandboxServer, ours: Any) -> None:
    telegram.stripe.faults(api_429=1, api_methods=["customers.create"])
    assert ours.customers.list().data == []
    with pytest.raises(stripe.RateLimitError):
        ours.customers.create({})
    assert ours.customers.create({}).id.startswith("cus_")


def test_a_gateway_in_front_answers_in_html(telegram: SandboxServer, ours: Any) -> None:
    telegram.stripe.faults(api_5xx=1)
    with pytest.raises(stripe.APIError):
        ours.customers.create({})
    assert ours.customers.list().data == []


def test_a_lost_reply_is_made_good_by_asking_again_with_the_key(telegram: SandboxServer, ours: Any) -> None:
    telegram.stripe.faults(api_lose_replies=1)
    with pytest.raises(stripe.APIConnectionError):
        ours.customers.create({}, {"idempotency_key": "once"})
    made = ours.customers.create({}, {"idempotency_key": "once"})
    assert [one.id for one in ours.customers.list().data] == [made.id]


def test_the_library_itself_tries_again_after_a_reset(telegram: SandboxServer, ours: Any) -> None:
    telegram.stripe.faults(api_resets=1)
    made = client(telegram, retries=1).customers.create({})
    assert [one.id for one in ours.customers.list().data] == [made.id]
    assert [call["fault"] for call in telegram.stripe.calls("customers.create")] == ["connection reset", ""]


def test_down_is_down_for_stripe_alone(telegram: SandboxServer, ours: Any) -> None:
    telegram.stripe.faults(down=True)
    with pytest.raises(stripe.APIConnectionError):
        ours.customers.list()
    assert telegram.call("getMe")["ok"] is True


def test_calls_are_on_record_without_the_key(telegram: SandboxServer, ours: Any) -> None:
    ours.customers.create({"metadata": {"user_id": "1"}}, {"idempotency_key": "once"})
    (call,) = telegram.stripe.calls("customers.create")
    assert call["arguments"] == {"metadata": {"user_id": "1"}}
    assert (call["status"], call["idempotency_key"]) == (200, "once")
    assert telegram.stripe.secret_key not in str(call)
