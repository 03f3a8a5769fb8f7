"""Whatever breaks between the service and Telegram over MTProto: each charge is granted once, and none is lost."""

import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.buying import buy, invoice_for, newcomer, payments_of, rows, told
from tests.integration.sandbox_server import Json, SandboxServer
from tests.integration.service import LOOPBACK, Service, eventually
from tests.integration.shops import MTPROTO, Shop, mtproto_telegram, shop_by

PURCHASES = 12
ANSWER = "answerPreCheckoutQuery"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with shop_by(MTPROTO, tmp_path_factory.mktemp("unkind"), {"PURCHASE_ATTEMPTS_PER_MINUTE": "1000"}) as running:
        yield running


@pytest.fixture(autouse=True)
def _fair_weather(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "shop" in request.fixturenames:
        request.getfixturevalue("shop").telegram.faults()


@pytest.fixture
def service(shop: Shop) -> Service:
    return shop.service


@pytest.fixture
def telegram(shop: Shop) -> SandboxServer:
    return shop.telegram


def granted_once(service: Service, user_id: int) -> bool:
    return [payment["status"] for payment in payments_of(service, user_id)] == ["granted"]


def connected(service: Service) -> bool:
    answer: Json = LOOPBACK.get(f"{service.url}/health/ready", timeout=10).json()
    return bool(answer["telegram"]["main"] == "connected")


def spoil(telegram: SandboxServer, fault: str, method: str) -> None:
    """The next call of this method."""
    faults: dict[str, Any] = {fault: 1, "api_methods": [method]}
    telegram.faults(**faults)


def texts(telegram: SandboxServer, user_id: int, words: str) -> list[str]:
    return [one["text"] for one in telegram.bot_messages(user_id) if words in one.get("text", "")]


@pytest.mark.parametrize("fault", ["api_resets", "api_lose_replies"])
def test_a_connection_that_breaks_over_the_answer_to_a_pre_checkout_costs_no_sale(
    service: Service, telegram: SandboxServer, fault: str
) -> None:
    ada = newcomer(telegram)
    sent = invoice_for(service, ada)
    spoil(telegram, fault, ANSWER)
    assert telegram.pay(ada, sent["telegram_message_id"]).status == "paid"
    eventually(lambda: granted_once(service, ada))


@pytest.mark.parametrize("fault", ["api_resets", "api_lose_replies", "api_5xx", "api_429"])
def test_whatever_happens_to_a_message_it_is_said_once(service: Service, telegram: SandboxServer, fault: str) -> None:
    ada = newcomer(telegram)
    spoil(telegram, fault, "sendMessage")
    telegram.say(ada, "/help")
    told(telegram, ada, "/buy")
    telegram.faults()
    telegram.say(ada, "/terms")  # said after it in this chat
    eventually(lambda: len(telegram.bot_messages(ada)) >= 2)
    assert len(telegram.bot_messages(ada)) == 2
    eventually(lambda: service.metrics()["outbox_pending"] == 0)


def test_a_wait_that_telegram_asks_for_holds_up_no_pre_checkout(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    sent = invoice_for(service, ada)
    telegram.faults(api_429=-1, api_retry_after=2, api_methods=["sendMessage", "GetDifference"])
    telegram.say(ada, "/help")
    assert telegram.pay(ada, sent["telegram_message_id"]).status == "paid"
    eventually(lambda: granted_once(service, ada))
    telegram.faults()
    assert told(telegram, ada, "Thank you")


def test_an_answer_that_comes_late_holds_up_nobody(service: Service, telegram: SandboxServer) -> None:
    ada, bob = newcomer(telegram), newcomer(telegram)
    sent = invoice_for(service, bob)
    telegram.faults(api_delay_s=2, api_methods=["sendMessage"])
    telegram.say(ada, "/help")
    assert telegram.pay(bob, sent["telegram_message_id"]).status == "paid"
    eventually(lambda: granted_once(service, bob))
    telegram.faults()
    told(telegram, ada, "/buy")


def test_updates_that_come_three_times_are_dealt_with_once(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    telegram.faults(deliver_times=3)
    telegram.say(ada, "/help")
    buy(service, telegram, ada)
    eventually(lambda: granted_once(service, ada))
    told(telegram, ada, "Thank you")
    assert len(texts(telegram, ada, "/buy")) == 1


def test_a_payment_that_was_never_pushed_comes_with_the_next_gap(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    sent = invoice_for(service, ada)
    telegram.faults(lose_updates=1)
    assert telegram.pay(ada, sent["telegram_message_id"], skip_pre_checkout=True).status == "paid"
    telegram.say(ada, "/help")
    eventually(lambda: granted_once(service, ada))


def test_a_payment_that_was_made_while_nobody_could_connect_arrives(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    sent = invoice_for(service, ada)
    assert telegram.drop_connections(refuse_for_s=1.0) > 0
    assert telegram.pay(ada, sent["telegram_message_id"], skip_pre_checkout=True).status == "paid"
    eventually(lambda: granted_once(service, ada))


def test_a_login_that_telegram_has_forgotten_is_made_anew(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    sent = invoice_for(service, ada)
    telegram.forget_keys()
    telegram.pay(ada, sent["telegram_message_id"], skip_pre_checkout=True)
    eventually(lambda: granted_once(service, ada))
    eventually(lambda: connected(service))


@pytest.mark.threat(27)
@pytest.mark.parametrize("fault", ["api_resets", "api_lose_replies", "api_5xx"])
def test_a_refund_whose_answer_is_lost_is_made_once(service: Service, telegram: SandboxServer, fault: str) -> None:
    ada = newcomer(telegram)
    bought = buy(service, telegram, ada)
    eventually(lambda: granted_once(service, ada))
    (payment,) = payments_of(service, ada)
    spoil(telegram, fault, "refundStarPayment")
    with service.as_service("payments:refund") as client:
        address = f"/internal/v1/payments/{payment['payment_id']}/refund"
        client.post(address, json={"reason": "asked for it"}).raise_for_status()
    eventually(lambda: [one["status"] for one in payments_of(service, ada)] == ["refunded"])
    assert len([one for one in telegram.transactions() if one["id"] == bought.charge_id]) == 2


def test_connections_that_break_at_any_moment_cost_nobody_a_payment(service: Service, telegram: SandboxServer) -> None:
    users = [newcomer(telegram) for _ in range(PURCHASES)]
    done = threading.Event()

    def break_connections() -> None:
        while not done.wait(random.uniform(0.2, 2)):
            telegram.drop_connections()

    breaking = threading.Thread(target=break_connections, daemon=True)
    breaking.start()
    try:
        charges = [paid_at_last(service, telegram, user) for user in users]
    finally:
        done.set()
        breaking.join()
    eventually(lambda: all(granted_once(service, user) for user in users))
    assert len(set(charges)) == PURCHASES
    kept = rows(service, "SELECT charge_id FROM payments")
    assert {row["charge_id"] for row in kept} == {one["charge_id"] for one in telegram.ledger()}


def paid_at_last(service: Service, telegram: SandboxServer, user_id: int) -> str:
    """Who gets no invoice or no answer asks again."""

    def try_it() -> str | None:
        with service.as_user(user_id) as client:
            answer = client.post("/api/v1/telegram/payment/send-invoice", json={"plan_code": "day_pass"})
        if not answer.is_success:
            return None
        message_id = telegram.last_invoice(user_id)["message_id"]
        # Money that moved is at stake: a query that nobody was there to hear is the buyer's to repeat.
        return telegram.pay(user_id, message_id, skip_pre_checkout=True).charge_id

    return str(eventually(try_it, within_s=120))


def test_where_the_process_that_listens_is_killed_the_one_that_stands_by_goes_on(tmp_path: Path) -> None:
    first_folder, second_folder = tmp_path / "first", tmp_path / "second"
    first_folder.mkdir()
    second_folder.mkdir()
    with mtproto_telegram(tmp_path) as telegram:
        settings: dict[str, Any] = {
            **telegram.mtproto_settings,
            "DATABASE_URL": f"sqlite:///{tmp_path}/shared.db",
        }
        with (
            Service(first_folder, telegram.url, settings) as first,
            Service(second_folder, telegram.url, settings) as second,
        ):
            ada, bob = newcomer(telegram), newcomer(telegram)
            eventually(lambda: state(first) == "connected")
            assert state(second) == "standing by"
            assert invoice_for(second, ada)["telegram_message_id"], "who stands by speaks all the same"
            sent = invoice_for(second, bob)
            first.kill()
            assert telegram.pay(bob, sent["telegram_message_id"], skip_pre_checkout=True).status == "paid"
            eventually(lambda: granted_once(second, bob))
            assert state(second) == "connected"
            assert telegram.pay(ada, telegram.last_invoice(ada)["message_id"]).status == "paid"
            eventually(lambda: granted_once(second, ada))


def state(service: Service) -> str:
    answer: httpx.Response = LOOPBACK.get(f"{service.url}/health/ready", timeout=10)
    return str(answer.json()["telegram"]["main"])
