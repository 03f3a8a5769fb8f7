"""A purchase goes the same way by the Bot API's webhook and by Telegram's own protocol."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from domain.ids import MAX_USER_ID
from tests.integration.buying import (
    buy,
    entitlements_of,
    invoice_for,
    make_older,
    newcomer,
    payload_for,
    payments_of,
    rows,
    told,
)
from tests.integration.sandbox_server import Json, SandboxServer
from tests.integration.service import Service, eventually, only
from tests.integration.shops import MTPROTO, TRANSPORTS, Shop, shop_by


@pytest.fixture(scope="module", params=TRANSPORTS)
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Tests of one transport share it: use users of your own."""
    with shop_by(request.param, tmp_path_factory.mktemp(request.param)) as running:
        yield running


@pytest.fixture
def service(shop: Shop) -> Service:
    return shop.service


@pytest.fixture
def telegram(shop: Shop) -> SandboxServer:
    return shop.telegram


def press(telegram: SandboxServer, user_id: int, label: str) -> Json:
    def shown() -> str | None:
        return next((one["text"] for one in telegram.buttons(user_id) if label in one["text"]), None)

    return telegram.press_button(user_id, str(eventually(shown)))


def invoice_in_chat(telegram: SandboxServer, user_id: int) -> Json:
    return dict(eventually(lambda: telegram.invoices(user_id))[-1])


def statuses(service: Service, user_id: int) -> list[str]:
    return [payment["status"] for payment in payments_of(service, user_id)]


@pytest.mark.criterion("2.1")
@pytest.mark.parametrize(("label", "price"), [("Telegram Stars", "1,250 ⭐"), ("Telegram Pay", "£25.00")])
def test_from_the_menu_to_the_plan(service: Service, telegram: SandboxServer, label: str, price: str) -> None:
    ada = newcomer(telegram, "Ada <b>\u202eAda\u202c</b> 🇬🇧")
    telegram.say(ada, "/buy")
    press(telegram, ada, "Gold, 1 month")
    press(telegram, ada, label)
    shown = invoice_in_chat(telegram, ada)
    assert shown["reply_markup"]["inline_keyboard"][0][0]["text"] == f"Pay {price}"

    assert telegram.pay(ada, shown["message_id"]).status == "paid"

    assert "until" in told(telegram, ada, "Thank you")
    assert service.allowed(ada, "signals")
    (payment,) = payments_of(service, ada)
    assert (payment["status"], payment["plan_code"]) == ("granted", "gold_1m")


def test_the_button_s_waiting_ends_and_a_cancelled_invoice_is_refused(
    service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    telegram.say(ada, "/buy gold_1m")
    press(telegram, ada, "Telegram Stars")
    shown = invoice_in_chat(telegram, ada)
    pressed = press(telegram, ada, "Cancel")

    def answers() -> list[Json]:
        calls = [call["arguments"] for call in telegram.calls("answerCallbackQuery")]
        return [call for call in calls if call["callback_query_id"] == pressed["callback_query_id"]]

    assert "Cancelled" in only(eventually(answers))["text"]
    outcome = telegram.pay(ada, shown["message_id"])
    assert (outcome.status, bool(outcome.error_message)) == ("refused", True)


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param({"amount": 1249}, id="one star short"),
        pytest.param({"payload": "none of ours"}, id="a payload of somebody else's"),
        pytest.param({"currency": "EUR", "amount": 1250}, id="another currency"),
    ],
)
def test_what_was_changed_on_its_way_is_refused(
    service: Service, telegram: SandboxServer, forged: dict[str, Any]
) -> None:
    ada = newcomer(telegram)
    sent = invoice_for(service, ada)
    outcome = telegram.pay(ada, sent["telegram_message_id"], **forged)
    assert outcome.status == "refused"
    assert outcome.error_message
    assert payments_of(service, ada) == []


def test_who_it_was_not_offered_to_and_who_comes_too_late_is_refused(service: Service, telegram: SandboxServer) -> None:
    ada, mallory = newcomer(telegram), newcomer(telegram)
    sent = invoice_for(service, ada)
    assert telegram.pay(ada, sent["telegram_message_id"], as_user=mallory).status == "refused"
    make_older(service, sent["invoice_id"], timedelta(hours=2))
    assert telegram.pay(ada, sent["telegram_message_id"]).status == "refused"
    assert not service.allowed(ada, "signals")
    assert not service.allowed(mallory, "signals")


def test_what_is_paid_already_is_not_sold_again(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    bought = buy(service, telegram, ada)
    eventually(lambda: statuses(service, ada) == ["granted"])
    assert telegram.pay(ada, bought.invoice["telegram_message_id"]).status == "refused"


@pytest.mark.threat(3)
def test_a_payment_that_is_told_again_and_again_counts_once(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    bought = buy(service, telegram, ada)
    telegram.redeliver(bought.update_id, times=5)
    telegram.say(ada, "/status")  # what was told before it in this chat has been taken by then
    told(telegram, ada, "until")
    eventually(lambda: statuses(service, ada) == ["granted"])
    assert len(entitlements_of(service, ada)) == 1


@pytest.mark.parametrize("by", ["us", "telegram"])
def test_money_that_went_back_ends_the_access(service: Service, telegram: SandboxServer, by: str) -> None:
    ada = newcomer(telegram)
    bought = buy(service, telegram, ada)
    eventually(lambda: service.allowed(ada, "signals"))
    if by == "telegram":
        telegram.refund(bought.charge_id)
    else:
        (payment,) = payments_of(service, ada)
        with service.as_service("payments:refund") as client:
            client.post(
                f"/internal/v1/payments/{payment['payment_id']}/refund", json={"reason": "asked for it"}
            ).raise_for_status()
    eventually(lambda: statuses(service, ada) == ["refunded"])
    assert not service.allowed(ada, "signals")
    (charge,) = [one for one in telegram.ledger() if one["charge_id"] == bought.charge_id]
    assert charge["refunded"]


def test_a_link_is_paid_where_it_is_opened(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    with service.as_user(ada) as client:
        link = client.post("/api/v1/telegram/payment/invoice-link", json={"plan_code": "day_pass"})
    assert telegram.pay(ada, link=link.raise_for_status().json()["url"]).status == "paid"
    eventually(lambda: service.allowed(ada, "signals"))


def test_a_group_is_shown_the_way_to_the_private_chat(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    group = -1_001_000_000_000 - ada
    telegram.say(ada, "/buy@sandbox_bot gold_1m", chat_id=group)

    def shown() -> list[Json]:
        return [call for call in telegram.calls("sendMessage") if int(call["arguments"]["chat_id"]) == group]

    (call,) = eventually(shown)
    (button,) = call["arguments"]["reply_markup"]["inline_keyboard"][0]
    assert button["url"] == "https://t.me/sandbox_bot?start=buy_gold_1m"


def test_who_blocked_the_bot_is_not_written_to(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    telegram.block(ada)
    with service.as_user(ada) as client:
        answer = client.post("/api/v1/telegram/payment/send-invoice", json={"plan_code": "gold_1m"})
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


def test_the_ledger_tells_of_a_payment_that_nobody_told(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    sent = invoice_for(service, ada)
    telegram.faults(hold_deliveries=True)
    outcome = telegram.pay(ada, sent["telegram_message_id"], skip_pre_checkout=True)
    telegram.let_expire()
    done = service.run("reconcile")
    telegram.faults()
    assert done.returncode == 0
    eventually(lambda: [one for one in payments_of(service, ada) if one["status"] == "granted"])
    assert outcome.charge_id


def test_who_writes_is_known_by_name(service: Service, telegram: SandboxServer) -> None:
    user = telegram.create_user("Rosa", last_name="Klebb", username="rosa_k")["id"]
    telegram.say(user, "/start")

    query = "SELECT name, username FROM people WHERE user_id = ?"
    kept = only(eventually(lambda: rows(service, query, user)))
    assert (kept["name"], kept["username"]) == ("Rosa Klebb", "rosa_k")


def test_what_came_is_kept_whole(shop: Shop) -> None:
    ada = newcomer(shop.telegram)
    buy(shop.service, shop.telegram, ada)
    eventually(lambda: statuses(shop.service, ada) == ["granted"])
    (kept,) = rows(shop.service, "SELECT message FROM payments WHERE user_id = ?", ada)
    assert (b'"mtproto":"' in bytes(kept["message"])) == (shop.transport == MTPROTO)


def test_the_longest_number_of_a_user_and_what_a_subscription_tells_are_understood(
    service: Service, telegram: SandboxServer
) -> None:
    """The last test here: whoever comes after this user would have a number that is too long."""
    last = telegram.create_user("ذهبي\u200b", id=MAX_USER_ID, started=True)["id"]
    payment = {
        "currency": "XTR",
        "total_amount": 1250,
        "invoice_payload": payload_for(last),
        "telegram_payment_charge_id": f"stx-{last}",
        "provider_payment_charge_id": "",
        "subscription_expiration_date": 1_900_000_000,
        "is_recurring": True,
        "is_first_recurring": True,
    }
    person = {"id": last, "is_bot": False, "first_name": "Last", "language_code": "ar"}
    message = {
        "message_id": 9_000_001,
        "from": person,
        "chat": {"id": last, "type": "private"},
        "date": int(time.time()),
        "successful_payment": payment,
    }
    telegram.inject({"message": message})
    eventually(lambda: statuses(service, last) == ["granted"])
    (kept,) = rows(service, "SELECT message FROM payments WHERE user_id = ?", last)
    assert b'"subscription_expiration_date":1900000000' in bytes(kept["message"])
    assert b'"is_first_recurring":true' in bytes(kept["message"])
