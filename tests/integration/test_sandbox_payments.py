"""Money in the sandbox moves as in Telegram: asked first, charged once a payment, refunded once a charge."""

import time
from collections.abc import Iterator

import pytest

from tests.integration.sandbox_server import Json, Reply, SandboxError, SandboxServer, WebhookReceiver

ADA, BOB = 1001, 1002
PRICE = 250
DEADLINE_S = 2.0


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(pre_checkout_deadline_s=DEADLINE_S, quiet_s=0.02) as server:
        yield server


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as receiver:
        yield receiver


@pytest.fixture
def telegram(server: SandboxServer, receiver: WebhookReceiver) -> SandboxServer:
    server.call("deleteWebhook", {"drop_pending_updates": True})
    server.reset()
    server.set_webhook(receiver.url, allowed_updates=[])
    server.create_user("Ada", id=ADA, stars=1000, started=True)
    server.create_user("Bob", id=BOB, stars=1000, started=True)
    return server


def send_invoice(telegram: SandboxServer, **changes: object) -> int:
    arguments: Json = {
        "chat_id": ADA,
        "title": "Gold",
        "description": "Signals",
        "payload": "offer-1",
        "currency": "XTR",
        "prices": [{"label": "Gold", "amount": PRICE}],
    }
    return int(telegram.call("sendInvoice", arguments | changes)["result"]["message_id"])


def refund(telegram: SandboxServer, charge_id: str | None, user_id: int = ADA) -> Json:
    return telegram.call("refundStarPayment", {"user_id": user_id, "telegram_payment_charge_id": charge_id})


def test_a_payment_is_asked_about_then_charged_then_told(telegram: SandboxServer, receiver: WebhookReceiver) -> None:
    outcome = telegram.pay(ADA, send_invoice(telegram))
    telegram.wait_idle()
    asked, told = receiver.updates()
    query = asked["pre_checkout_query"]
    assert (query["from"]["id"], query["currency"], query["total_amount"]) == (ADA, "XTR", PRICE)
    assert (query["id"], query["invoice_payload"]) == (outcome.pre_checkout_query_id, "offer-1")
    assert -(2**63) <= int(query["id"]) < 2**63
    message = told["message"]
    assert (message["from"]["id"], message["chat"]["type"]) == (ADA, "private")
    assert message["successful_payment"] == {
        "currency": "XTR",
        "total_amount": PRICE,
        "invoice_payload": "offer-1",
        "telegram_payment_charge_id": outcome.charge_id,
        "provider_payment_charge_id": telegram.ledger()[0]["provider_charge_id"],
    }
    assert outcome.status == "paid"


def test_stars_leave_the_users_balance_and_enter_the_bots(telegram: SandboxServer) -> None:
    before = telegram.call("getMyStarBalance")["result"]["amount"]
    telegram.pay(ADA, send_invoice(telegram))
    assert telegram.call("getMyStarBalance")["result"]["amount"] == before + PRICE
    assert {user["id"]: user["stars"] for user in telegram.users()}[ADA] == 1000 - PRICE


def test_who_has_too_few_stars_cannot_pay(telegram: SandboxServer, receiver: WebhookReceiver) -> None:
    telegram.change_user(ADA, stars=PRICE - 1)
    outcome = telegram.pay(ADA, send_invoice(telegram))
    assert (outcome.status, outcome.error_message) == ("refused", "BALANCE_TOO_LOW")
    assert receiver.received == []


def test_a_refused_pre_checkout_moves_no_money(telegram: SandboxServer, receiver: WebhookReceiver) -> None:
    receiver.answer = receiver.refuse
    outcome = telegram.pay(ADA, send_invoice(telegram))
    assert (outcome.status, outcome.error_message, outcome.charge_id) == ("refused", "Not today", None)
    assert telegram.ledger() == []


def test_an_answer_after_the_deadline_comes_too_late(telegram: SandboxServer, receiver: WebhookReceiver) -> None:
    receiver.answer = lambda update: Reply()
    outcome = telegram.pay(ADA, send_invoice(telegram))
    assert outcome.status == "timeout"
    late = telegram.call("answerPreCheckoutQuery", {"pre_checkout_query_id": outcome.pre_checkout_query_id, "ok": True})
    assert late["description"].startswith("Bad Request: query is too old")
    assert telegram.ledger() == []


def test_a_query_can_be_answered_by_a_call_too_but_only_once(
    telegram: SandboxServer, receiver: WebhookReceiver
) -> None:
    receiver.answer = lambda update: Reply()
    telegram.pay(ADA, send_invoice(telegram), wait=False)
    while not receiver.updates("pre_checkout_query"):
        time.sleep(0.005)
    arguments = {"pre_checkout_query_id": receiver.updates()[0]["pre_checkout_query"]["id"], "ok": True}
    assert telegram.call("answerPreCheckoutQuery", arguments)["result"] is True
    assert telegram.call("answerPreCheckoutQuery", arguments)["ok"] is False
    telegram.wait_idle()
    assert len(telegram.ledger()) == 1


def test_an_invoice_is_paid_many_times_by_many_each_with_its_own_charge(telegram: SandboxServer) -> None:
    message_id = send_invoice(telegram)
    outcomes = [telegram.pay(ADA, message_id, as_user=payer) for payer in (None, None, BOB)]
    assert [outcome.status for outcome in outcomes] == ["paid"] * 3
    assert len({outcome.charge_id for outcome in outcomes}) == 3
    assert [charge["user_id"] for charge in telegram.ledger()] == [ADA, ADA, BOB]
    assert "successful_payment" in telegram.messages(BOB)[-1], "it is told in the payer's own chat"


def test_a_link_opens_its_invoice_for_anybody(telegram: SandboxServer) -> None:
    prices = [{"label": "Gold", "amount": PRICE}]
    link = telegram.call(
        "createInvoiceLink",
        {"title": "Gold", "description": "d", "payload": "linked", "currency": "XTR", "prices": prices},
    )["result"]
    assert telegram.pay(BOB, link=link).status == "paid"
    assert telegram.ledger()[0]["payload"] == "linked"


def test_a_card_payment_has_a_providers_charge_and_no_stars(telegram: SandboxServer) -> None:
    outcome = telegram.pay(ADA, send_invoice(telegram, currency="GBP", provider_token="123:TEST:x"))
    (charge,) = telegram.ledger()
    assert (outcome.status, charge["currency"], charge["amount"]) == ("paid", "GBP", PRICE)
    assert charge["provider_charge_id"].startswith("ch_")
    assert telegram.transactions() == []
    assert refund(telegram, outcome.charge_id)["description"] == "Bad Request: CHARGE_NOT_FOUND"


def test_a_refund_is_made_once_and_told(telegram: SandboxServer, receiver: WebhookReceiver) -> None:
    charge_id = telegram.pay(ADA, send_invoice(telegram)).charge_id
    assert refund(telegram, charge_id, BOB)["description"] == "Bad Request: CHARGE_NOT_FOUND"
    assert refund(telegram, charge_id)["result"] is True
    assert refund(telegram, charge_id)["description"] == "Bad Request: CHARGE_ALREADY_REFUNDED"
    telegram.wait_idle()
    message = receiver.updates("message")[-1]["message"]
    assert message["refunded_payment"]["telegram_payment_charge_id"] == charge_id
    assert message["from"]["id"] == ADA
    assert telegram.ledger()[0]["refunded"] is True


def test_the_operator_refunds_without_being_asked_and_may_hide_the_user(
    telegram: SandboxServer, receiver: WebhookReceiver
) -> None:
    charge_id = telegram.pay(ADA, send_invoice(telegram)).charge_id
    assert charge_id is not None
    telegram.faults(refund_from_bot=True)
    telegram.refund(charge_id)
    telegram.wait_idle()
    assert receiver.updates("message")[-1]["message"]["from"]["is_bot"] is True
    with pytest.raises(SandboxError, match="refunded already"):
        telegram.refund(charge_id)


def test_the_list_of_transactions_bears_a_refund_under_its_charges_id(telegram: SandboxServer) -> None:
    message_id = send_invoice(telegram)
    first, second = telegram.pay(ADA, message_id), telegram.pay(ADA, message_id)
    refund(telegram, first.charge_id)
    listed = telegram.call("getStarTransactions")["result"]["transactions"]
    assert [(line["id"], "source" in line, "receiver" in line) for line in listed] == [
        (first.charge_id, True, False),
        (second.charge_id, True, False),
        (first.charge_id, False, True),
    ]
    assert listed[0]["source"]["invoice_payload"] == "offer-1"
    page = telegram.call("getStarTransactions", {"offset": 1, "limit": 1})["result"]["transactions"]
    assert page == [listed[1]]


@pytest.mark.parametrize("listed", [True, False])
def test_a_chargeback_is_seen_in_the_ledger_or_only_in_the_balance(
    telegram: SandboxServer, receiver: WebhookReceiver, listed: bool
) -> None:
    charge_id = telegram.pay(ADA, send_invoice(telegram)).charge_id
    assert charge_id is not None
    telegram.wait_idle()
    updates, balance = len(receiver.received), telegram.call("getMyStarBalance")["result"]["amount"]
    telegram.charge_back(charge_id, listed=listed)
    telegram.wait_idle()
    assert len(receiver.received) == updates
    assert telegram.call("getMyStarBalance")["result"]["amount"] == balance - PRICE
    assert len(telegram.transactions()) == (2 if listed else 1)


@pytest.mark.parametrize(
    ("forge_at", "asked", "told"),
    [("both", 1, 1), ("pre_checkout", 1, PRICE), ("payment", PRICE, 1)],
)
def test_what_is_paid_can_be_forged_before_after_or_both(
    telegram: SandboxServer, receiver: WebhookReceiver, forge_at: str, asked: int, told: int
) -> None:
    telegram.pay(ADA, send_invoice(telegram), amount=1, forge_at=forge_at)  # type: ignore[arg-type]
    telegram.wait_idle()
    query, payment = receiver.updates()
    assert query["pre_checkout_query"]["total_amount"] == asked
    assert payment["message"]["successful_payment"]["total_amount"] == told
    assert telegram.ledger()[0]["amount"] == told, "the ledger tells what really moved"


def test_a_payment_can_come_without_being_asked_about(telegram: SandboxServer, receiver: WebhookReceiver) -> None:
    telegram.pay(ADA, send_invoice(telegram), payload="another", currency="EUR", skip_pre_checkout=True)
    telegram.wait_idle()
    (told,) = receiver.updates()
    payment = told["message"]["successful_payment"]
    assert (payment["invoice_payload"], payment["currency"]) == ("another", "EUR")
    assert telegram.ledger()[0]["pre_checkout"] == "skipped"


@pytest.mark.parametrize("arrive_as", ["message", "edited_message", "forwarded", "business_message", "channel_post"])
def test_a_forged_payment_is_told_but_never_in_the_ledger(
    telegram: SandboxServer, receiver: WebhookReceiver, arrive_as: str
) -> None:
    telegram.forge_payment(ADA, amount=5, payload="p", charge_id="c", arrive_as=arrive_as)  # type: ignore[arg-type]
    (update,) = receiver.updates()
    message = update["message" if arrive_as == "forwarded" else arrive_as]
    assert message["successful_payment"]["telegram_payment_charge_id"] == "c"
    assert telegram.ledger() == []
