"""What can be made to go wrong goes wrong as asked, and no further."""

import time
from collections.abc import Iterator

import httpx
import pytest

from tests.integration.sandbox_server import Reply, SandboxError, SandboxServer, WebhookReceiver
from tests.integration.service import eventually

ADA = 1001
INVOICE = {
    "chat_id": ADA,
    "title": "Gold",
    "description": "Signals",
    "payload": "gold",
    "currency": "XTR",
    "prices": [{"label": "Gold", "amount": 100}],
}


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(quiet_s=0.02) as server:
        yield server


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as receiver:
        yield receiver


@pytest.fixture
def telegram(server: SandboxServer, receiver: WebhookReceiver) -> SandboxServer:
    server.reset()
    server.call("deleteWebhook", {"drop_pending_updates": True})
    server.set_webhook(receiver.url)
    server.create_user("Ada", id=ADA, started=True)
    return server


@pytest.mark.parametrize("fault", ["deliver_times", "deliver_concurrently"])
def test_each_update_is_delivered_so_often(telegram: SandboxServer, receiver: WebhookReceiver, fault: str) -> None:
    telegram.faults(**{fault: 3})
    telegram.say(ADA, "hello")
    telegram.wait_idle()
    assert len({one.body for one in receiver.received}) == 1
    assert len(receiver.received) == 3


def test_an_answer_that_is_lost_is_a_time_out_and_delivered_again(
    telegram: SandboxServer, receiver: WebhookReceiver
) -> None:
    telegram.faults(lose_answers=2)
    telegram.say(ADA, "hello")
    telegram.wait_idle()
    assert len(receiver.received) == 3
    errors = [attempt["error"] for attempt in telegram.updates()[0]["attempts"]]
    assert errors == ["Read timeout expired", "Read timeout expired", ""]


def test_deliveries_are_held_back_until_they_are_let_go(telegram: SandboxServer, receiver: WebhookReceiver) -> None:
    telegram.faults(hold_deliveries=True)
    telegram.say(ADA, "hello")
    with pytest.raises(SandboxError, match="not idle"):
        telegram.wait_idle(timeout_s=0.1)
    assert receiver.received == []
    telegram.faults()
    telegram.wait_idle()
    assert len(receiver.received) == 1


def test_what_waits_for_a_day_is_never_delivered(telegram: SandboxServer, receiver: WebhookReceiver) -> None:
    receiver.answer = lambda update: Reply(status=503)
    telegram.say(ADA, "hello")
    eventually(lambda: receiver.received)
    assert telegram.let_expire() == 1
    telegram.wait_idle()
    assert telegram.updates()[0]["state"] == "expired"
    receiver.answer = receiver.approve
    telegram.say(ADA, "hello again")
    telegram.wait_idle()
    assert telegram.updates()[1]["state"] == "delivered"


def test_money_of_an_approved_payment_can_move_later(telegram: SandboxServer, receiver: WebhookReceiver) -> None:
    sent = telegram.call("sendInvoice", INVOICE)
    telegram.faults(hold_charges=True)
    telegram.pay(ADA, sent["result"]["message_id"], wait=False)
    eventually(lambda: receiver.updates("pre_checkout_query"))
    assert telegram.ledger() == []
    telegram.faults()
    eventually(telegram.ledger)
    assert telegram.ledger()[0]["pre_checkout"] == "approved"


def test_calls_are_refused_so_many_times(telegram: SandboxServer) -> None:
    telegram.faults(api_429=1, api_retry_after=7)
    assert telegram.call("getMe")["parameters"] == {"retry_after": 7}
    assert telegram.call("getMe")["ok"]


def test_a_gateways_error_is_no_json(telegram: SandboxServer) -> None:
    telegram.faults(api_5xx=1)
    with pytest.raises(ValueError, match="Expecting value"):
        telegram.call("getMe")
    assert telegram.calls()[-1]["status"] == 502


@pytest.mark.parametrize(("fault", "sent"), [("api_resets", 0), ("api_lose_replies", 1)])
def test_a_connection_breaks_before_or_after_the_call_was_executed(
    telegram: SandboxServer, fault: str, sent: int
) -> None:
    telegram.faults(**{fault: 1})
    with pytest.raises(httpx.TransportError):
        telegram.call("sendMessage", {"chat_id": ADA, "text": "hello"})
    assert len(telegram.bot_messages(ADA)) == sent


def test_a_fault_can_concern_one_method_alone(telegram: SandboxServer) -> None:
    telegram.faults(api_429=-1, api_methods=["sendMessage"])
    assert telegram.call("getMe")["ok"]
    assert not telegram.call("sendMessage", {"chat_id": ADA, "text": "hello"})["ok"]


def test_a_fault_can_concern_one_bot_alone(telegram: SandboxServer) -> None:
    other = "7000009:" + "z" * 35
    telegram.call("getMe", token=other)
    telegram.faults(bot=7000009, api_429=-1)
    assert telegram.call("getMe")["ok"]
    assert not telegram.call("getMe", token=other)["ok"]


def test_slow_calls_take_their_time(telegram: SandboxServer) -> None:
    telegram.faults(api_delay_s=0.2)
    started = time.monotonic()
    assert telegram.call("getMe")["ok"]
    # The event loop's timers are exact to a millisecond or two, either way.
    assert time.monotonic() - started >= 0.195
    assert telegram.calls()[-1]["duration_ms"] >= 195


def test_while_it_is_down_nothing_is_answered_or_delivered(telegram: SandboxServer, receiver: WebhookReceiver) -> None:
    telegram.faults(down=True)
    with pytest.raises(httpx.TransportError):
        telegram.call("getMe")
    telegram.say(ADA, "hello")
    time.sleep(0.1)
    assert receiver.received == []
    telegram.faults()
    telegram.wait_idle()
    assert len(receiver.received) == 1


def test_whoever_presses_pay_somebody_else_pays(telegram: SandboxServer) -> None:
    telegram.faults(pay_as_user=1002)
    prices = [{"label": "x", "amount": 5}]
    invoice = {"chat_id": ADA, "title": "t", "description": "d", "payload": "p", "currency": "XTR", "prices": prices}
    message_id = telegram.call("sendInvoice", invoice)["result"]["message_id"]
    assert telegram.pay(ADA, message_id).status == "paid"
    assert telegram.ledger()[0]["user_id"] == 1002


def test_a_fault_that_does_not_exist_is_refused(telegram: SandboxServer) -> None:
    with pytest.raises(SandboxError, match="unknown field `api_420`"):
        telegram.faults(api_420=1)


def test_a_foreign_page_cannot_switch_anything(telegram: SandboxServer) -> None:
    answer = httpx.post(f"{telegram.url}/sandbox/api/say", content=b'{"user_id": 1, "text": "x"}')
    assert answer.status_code == 400
    answer = httpx.patch(f"{telegram.url}/sandbox/api/faults", content=b'{"down": true}')
    assert answer.status_code == 400
