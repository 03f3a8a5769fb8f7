"""A payment that differs in anything from what was offered is kept, and opens no door."""

import json
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.conftest import set_webhook
from tests.integration.sandbox_server import Json, PaymentOutcome, SandboxServer
from tests.integration.service import CATALOG, WEBHOOK_SECRET, Service, eventually, only, update_id
from tests.integration.test_threat_forged_updates import (
    PRICE,
    SECRET_HEADER,
    approved,
    charge_id,
    offered,
    payment,
    pre_checkout,
    rows,
)

SECOND_TOKEN = "7000002:AAE-sandbox-token-of-the-second-bot-0"
SECOND = 7_000_002
HANDS = 8
SETTINGS = {
    # What could only be a mistake is to be looked at here, not given back by itself.
    "AUTO_REFUND": "off",
    "PURCHASE_ATTEMPTS_PER_MINUTE": "1000",
    "TELEGRAM_BOT_TOKENS_JSON": json.dumps({"second": SECOND_TOKEN}),
}


@pytest.fixture(scope="module")
def service(telegram: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service with two bots."""
    with Service(tmp_path_factory.mktemp("service"), telegram.url, SETTINGS) as running:
        set_webhook(telegram, running)
        telegram.set_webhook(webhook_of_second(running), secret=WEBHOOK_SECRET, token=SECOND_TOKEN)
        yield running


@pytest.fixture
def ada(telegram: SandboxServer) -> Json:
    return telegram.create_user("Ada", started=True)


@pytest.fixture
def bob(telegram: SandboxServer) -> Json:
    return telegram.create_user("Bob", started=True)


def webhook_of_second(service: Service) -> str:
    return service.webhook.replace("/main/", "/second/")


@dataclass(frozen=True)
class Ended:
    """What became of a charge."""

    status: str
    reason: str | None
    amount: int
    currency: str
    user_id: int


def ended(service: Service, charge: str | None) -> Ended:
    found = rows(
        service,
        "SELECT status, quarantine_reason, amount, currency, user_id FROM payments WHERE charge_id = ?",
        charge,
    )
    return Ended(*only(found))


def opened(service: Service, user: Json) -> int:
    """How many spans of access the user ever got."""
    return len(rows(service, "SELECT 1 FROM entitlements WHERE user_id = ?", user["id"]))


def last_refusal(service: Service, user: Json) -> str:
    """Why the latest pre-checkout of that user was refused."""
    found = rows(
        service,
        "SELECT reason FROM telegram_payment_events WHERE kind = 'pre_checkout' AND user_id = ? ORDER BY id DESC",
        user["id"],
    )
    return str(found[0][0])


def invoice_message(service: Service, user: Json, plan_code: str = "gold_1m") -> int:
    with service.as_user(user["id"]) as client:
        answer = client.post("/api/v1/telegram/payment/send-invoice", json={"plan_code": plan_code})
        assert answer.status_code == 200, answer.text
        return int(answer.json()["telegram_message_id"])


# ---------------------------------------------------------------------------------------------------------------------


def a_day(service: Service, telegram: SandboxServer, people: Sequence[Json]) -> None:
    """People buy, buy twice, change their mind, are refused, pay the wrong sum, get money back, and talk."""
    ada, bob, eve, dan, fay = people
    for user in people:
        telegram.say(user, "/start")
        telegram.say(user, "/buy gold_1m")
    telegram.wait_idle()
    for user in (ada, bob, dan):
        telegram.press_button(user, "Telegram Stars")
    telegram.wait_idle(quiet_s=0.4)
    invoices = {user["id"]: telegram.last_invoice(user)["message_id"] for user in (ada, bob, dan)}
    assert telegram.pay(ada, invoices[ada["id"]]).status == "paid"
    telegram.wait_idle()
    assert telegram.pay(ada, invoices[ada["id"]]).status == "refused"
    telegram.pay(ada, invoices[ada["id"]], skip_pre_checkout=True)
    refunded = telegram.pay(bob, invoices[bob["id"]])
    telegram.wait_idle()
    assert refunded.charge_id is not None
    telegram.refund(refunded.charge_id)
    telegram.pay(eve, invoice_message(service, eve, "day_pass"))
    telegram.pay(eve, invoice_message(service, eve), amount=1, skip_pre_checkout=True)
    telegram.pay(eve, invoices[dan["id"]], chat_id=dan["id"], as_user=eve, skip_pre_checkout=True)
    telegram.press_button(dan, "Cancel")
    telegram.pay(fay, invoice_message(service, fay, "founder"))
    telegram.say(fay, "/status")
    telegram.say(dan, "thanks")
    telegram.wait_idle(quiet_s=0.4)


def everything(service: Service, people: Sequence[Json]) -> Json:
    """What the API tells of these people, and every row that money or access depends on."""
    state: Json = {
        table: sorted(map(repr, rows(service, f"SELECT * FROM {table}")))
        for table in ("payments", "refunds", "entitlements", "invoices")
    }
    # Letters are carried meanwhile, so only which there are is compared.
    state["letters"] = rows(service, "SELECT id, chat_id, kind, body FROM outbox ORDER BY id")
    state["trail"] = rows(
        service, "SELECT * FROM telegram_payment_events WHERE kind NOT IN ('pre_checkout') ORDER BY id"
    )
    for user in people:
        with service.as_user(user["id"]) as client:
            for address in ("/api/v1/me/payments", "/api/v1/me/entitlements"):
                state[f"{address} {user['id']}"] = client.get(address).json()
    return state


@pytest.mark.threat(3)
def test_a_whole_day_replayed_in_any_order_changes_nothing(service: Service, telegram: SandboxServer) -> None:
    people = [telegram.create_user(name) for name in ("Ada", "Bob", "Eve", "Dan", "Fay")]
    a_day(service, telegram, people)
    before = everything(service, people)
    assert len(before["payments"]) == 7
    assert len(before["entitlements"]) == 4
    updates = [kept["update"] for kept in telegram.updates()]
    assert {kind for update in updates for kind in update} >= {"message", "callback_query", "pre_checkout_query"}

    shuffled = list(updates)
    random.Random(3).shuffle(shuffled)
    anew = [update | {"update_id": update_id()} for update in shuffled if "successful_payment" in str(update)]
    refunds = [update | {"update_id": update_id()} for update in updates if "refunded_payment" in str(update)]
    for again in (updates, updates[::-1], shuffled, [*anew, *refunds]):
        assert {service.deliver(update).status_code for update in again} == {200}
        assert everything(service, people) == before
    with ThreadPoolExecutor(HANDS) as hands:
        assert {answer.status_code for answer in hands.map(service.deliver, shuffled)} == {200}
    assert everything(service, people) == before


@pytest.mark.threat(4)
def test_an_old_payload_with_a_new_charge_is_kept_and_grants_nothing(
    service: Service, telegram: SandboxServer, ada: Json
) -> None:
    payload = offered(service, telegram, ada)
    first, second, third = charge_id(), charge_id(), charge_id()
    service.deliver(payment(ada["id"], payload, charge=first))
    assert not approved(service.deliver(pre_checkout(ada["id"], payload)))
    service.deliver(payment(ada["id"], payload, charge=second))
    telegram.forge_payment(ada, amount=PRICE, payload=payload, charge_id=first, refunded=True)
    assert not approved(service.deliver(pre_checkout(ada["id"], payload)))
    service.deliver(payment(ada["id"], payload, charge=third))
    assert ended(service, first).status == "refunded"
    for again in (second, third):
        assert (ended(service, again).status, ended(service, again).reason) == ("quarantined", "invoice_already_paid")
    assert opened(service, ada) == 1
    assert not service.allowed(ada["id"], "signals")


@pytest.mark.threat(5)
def test_no_payload_with_any_one_bit_flipped_is_approved_or_grants(
    service: Service, telegram: SandboxServer, ada: Json
) -> None:
    payload = offered(service, telegram, ada).encode()
    # One bit of each place; each bit of each is tried where no service has to be asked.
    forged = [
        (payload[:place] + bytes([payload[place] ^ 1 << place % 8]) + payload[place + 1 :]).decode("latin-1")
        for place in range(len(payload))
    ]
    assert len(set(forged)) == len(payload)
    headers = {SECRET_HEADER: WEBHOOK_SECRET, "Content-Type": "application/json"}
    with httpx.Client(headers=headers, timeout=30) as client, ThreadPoolExecutor(HANDS) as hands:

        def try_both(text: str) -> tuple[bool, int]:
            asked = approved(client.post(service.webhook, json=pre_checkout(ada["id"], text)))
            paid = client.post(service.webhook, json=payment(ada["id"], text, charge=charge_id()))
            return asked, paid.status_code

        assert set(hands.map(try_both, forged)) == {(False, 200)}
    kept = rows(
        service,
        "SELECT status, quarantine_reason, count(*) FROM payments WHERE user_id = ? GROUP BY 1, 2",
        ada["id"],
    )
    assert kept == [("quarantined", "bad_payload", len(forged))]
    assert opened(service, ada) == 0
    assert approved(service.deliver(pre_checkout(ada["id"], payload.decode())))  # the true one still is good


@pytest.mark.threat(5)
def test_a_payload_of_one_bot_is_worth_nothing_at_another(service: Service, telegram: SandboxServer, ada: Json) -> None:
    payload = offered(service, telegram, ada)
    headers = {SECRET_HEADER: WEBHOOK_SECRET}
    to_second = webhook_of_second(service)
    assert not approved(httpx.post(to_second, json=pre_checkout(ada["id"], payload), headers=headers, timeout=10))
    charge = charge_id()
    paid = payment(ada["id"], payload, charge=charge)
    assert httpx.post(to_second, json=paid, headers=headers, timeout=10).status_code == 200
    assert (ended(service, charge).status, ended(service, charge).reason) == ("quarantined", "bad_payload")
    assert opened(service, ada) == 0


def tampered(
    telegram: SandboxServer, ada: Json, bob: Json, message: int, *, what: str, forge_at: Any
) -> PaymentOutcome:
    """The invoice of Ada, paid with one thing changed."""
    payload = telegram.invoice_payload(ada, message)
    match what:
        case "amount":
            return telegram.pay(ada, message, amount=PRICE - 1, forge_at=forge_at)
        case "currency":
            return telegram.pay(ada, message, currency="GBP", forge_at=forge_at)
        case "plan":
            return telegram.pay(ada, message, payload=payload.replace("gold_1m", "founder"), forge_at=forge_at)
        case "another offer":
            telegram.wait_idle()
            cheap = [
                telegram.invoice_payload(ada, invoice["message_id"])
                for invoice in telegram.invoices(ada)
                if invoice["invoice"]["total_amount"] == 75
            ]
            return telegram.pay(ada, message, payload=only(cheap), forge_at=forge_at)
        case _:
            return telegram.pay(ada, message, as_user=bob, skip_pre_checkout=forge_at == "payment")


TAMPERED = [
    ("amount", "amount_mismatch"),
    ("currency", "currency_mismatch"),
    ("plan", "bad_payload"),
    ("another offer", "amount_mismatch"),
    ("user", "wrong_user"),
]


@pytest.mark.threat(6)
@pytest.mark.parametrize(("what", "reason"), TAMPERED)
def test_what_was_changed_is_noticed_before_money_moves(
    service: Service, telegram: SandboxServer, ada: Json, bob: Json, *, what: str, reason: str
) -> None:
    invoice_message(service, ada, "day_pass")
    message = invoice_message(service, ada)
    charges = len(telegram.ledger())
    outcome = tampered(telegram, ada, bob, message, what=what, forge_at="pre_checkout")
    assert outcome.status == "refused"
    assert outcome.error_message
    assert last_refusal(service, bob if what == "user" else ada) == reason
    assert len(telegram.ledger()) == charges


@pytest.mark.threat(7)
@pytest.mark.parametrize(("what", "reason"), TAMPERED)
def test_what_was_changed_after_the_approval_is_kept_and_grants_nothing(
    service: Service, telegram: SandboxServer, ada: Json, bob: Json, *, what: str, reason: str
) -> None:
    invoice_message(service, ada, "day_pass")
    message = invoice_message(service, ada)
    outcome = tampered(telegram, ada, bob, message, what=what, forge_at="payment")
    assert outcome.status == "paid"
    telegram.wait_idle()
    charge = only([charge for charge in telegram.ledger() if charge["charge_id"] == outcome.charge_id])
    assert ended(service, outcome.charge_id) == Ended(
        "quarantined", reason, charge["amount"], charge["currency"], charge["user_id"]
    )
    assert opened(service, ada) == opened(service, bob) == 0
    assert telegram.pay(ada, message).status == "paid", "the true buyer can still buy"


@pytest.mark.threat(8)
def test_a_price_that_changes_after_the_approval_changes_nothing_and_before_it_refuses(
    telegram: SandboxServer, tmp_path: Path
) -> None:
    users = [telegram.create_user(name, started=True) for name in ("Ada", "Bob", "Eve", "Dan")]
    ada, bob, eve, dan = users
    with Service(tmp_path, telegram.url, SETTINGS) as service:
        approved_first = [offered(service, telegram, ada), offered(service, telegram, bob, "day_pass")]
        asked_late = [offered(service, telegram, eve), offered(service, telegram, dan, "day_pass")]
        assert approved(service.deliver(pre_checkout(ada["id"], approved_first[0])))
        assert approved(service.deliver(pre_checkout(bob["id"], approved_first[1], amount=75)))
        service.stop()
        changed = CATALOG.replace("XTR = 1250", "XTR = 9999").replace('"1 month"', '"1 day"', 1)
        changed = changed.replace("[plans.day_pass]", "[plans.other_pass]").replace(
            "max_devices = 3", "max_devices = 1"
        )
        (tmp_path / "catalog.toml").write_text(changed)
        service.start()
        for user, payload, amount in ((ada, approved_first[0], PRICE), (bob, approved_first[1], 75)):
            charge = charge_id()
            service.deliver(payment(user["id"], payload, charge=charge, amount=amount))
            assert ended(service, charge).status == "granted"
        with service.as_user(ada["id"]) as client:
            granted = only(client.get("/api/v1/me/entitlements").json()["entitlements"])
        lasts = datetime.fromisoformat(granted["expires_at"]) - datetime.fromisoformat(granted["starts_at"])
        assert lasts >= timedelta(days=28), "a month, as was offered"
        assert granted["limits"] == {"max_devices": 3}
        assert service.allowed(bob["id"], "signals")
        assert not approved(service.deliver(pre_checkout(eve["id"], asked_late[0])))
        assert not approved(service.deliver(pre_checkout(dan["id"], asked_late[1], amount=75)))
        assert [last_refusal(service, user) for user in (eve, dan)] == ["price_changed", "plan_withdrawn"]
        assert not approved(service.deliver(pre_checkout(eve["id"], asked_late[0], amount=9999)))
        assert last_refusal(service, eve) == "amount_mismatch"


@pytest.mark.threat(9)
def test_of_a_hundred_payers_of_one_link_one_is_granted_and_99_are_kept(
    service: Service, telegram: SandboxServer, ada: Json
) -> None:
    with service.as_user(ada["id"]) as client:
        link = client.post("/api/v1/telegram/payment/invoice-link", json={"plan_code": "gold_1m"}).json()["url"]
    others = [telegram.create_user(f"Payer {number}") for number in range(99)]
    assert {telegram.pay(user, link=link).status for user in others[:3]} == {"refused"}
    payers = [*others[:50], ada, *others[50:]]
    with ThreadPoolExecutor(HANDS) as hands:
        paid = list(hands.map(lambda user: telegram.pay(user, link=link, skip_pre_checkout=True), payers))
    telegram.wait_idle(timeout_s=30)
    charges = {outcome.charge_id for outcome in paid}
    assert len(charges) == 100
    found = rows(service, "SELECT charge_id, user_id, status, quarantine_reason FROM payments")
    of_link = {charge: rest for charge, *rest in found if charge in charges}
    assert len(of_link) == 100
    assert sorted(of_link.values(), key=str) == sorted(
        [[ada["id"], "granted", None], *([user["id"], "quarantined", "wrong_user"] for user in others)], key=str
    )
    assert rows(service, "SELECT count(*) FROM entitlements WHERE user_id >= ?", ada["id"])[0][0] == 1
    assert not any(service.allowed(user["id"], "signals") for user in others[:5])
    eventually(lambda: "/paysupport" in telegram.last_text(others[0]))


@pytest.mark.threat(11)
def test_a_charge_id_under_another_user_or_with_other_facts_changes_nothing(
    service: Service, telegram: SandboxServer, ada: Json, bob: Json
) -> None:
    payload, charge = offered(service, telegram, ada), charge_id()
    service.deliver(payment(ada["id"], payload, charge=charge))
    before = ended(service, charge)
    conflicts = service.metrics()["payment_conflicts_total"]
    forged = [
        payment(bob["id"], offered(service, telegram, bob), charge=charge),
        payment(bob["id"], payload, charge=charge),
        payment(ada["id"], payload, charge=charge, amount=1),
        payment(ada["id"], payload, charge=charge, currency="GBP"),
        payment(ada["id"], offered(service, telegram, ada, "day_pass"), charge=charge),
    ]
    for update in forged:
        assert service.deliver(update).status_code == 200
    headers = {SECRET_HEADER: WEBHOOK_SECRET}
    elsewhere = payment(ada["id"], payload, charge=charge)
    assert httpx.post(webhook_of_second(service), json=elsewhere, headers=headers, timeout=10).status_code == 200
    assert ended(service, charge) == before
    assert (opened(service, ada), opened(service, bob)) == (1, 0)
    assert not service.allowed(bob["id"], "signals")
    kinds = rows(service, "SELECT kind FROM telegram_payment_events WHERE telegram_payment_charge_id = ?", charge)
    assert sorted(kind for (kind,) in kinds) == ["charge_conflict"] * 6 + ["successful_payment"]
    assert service.metrics()["payment_conflicts_total"] == conflicts + 6


@pytest.mark.threat(12)
@pytest.mark.parametrize(
    ("currency", "amount", "written"),
    [
        ("XTR", 1251, "1,251 ⭐"),
        ("JPY", 1200, "¥1,200"),
        ("USD", 1234, "$12.34"),
        ("KWD", 1500, "1.500 KWD"),
        ("HUF", 123456, "1,234.56 HUF"),
        ("UGX", 5000, "5,000 UGX"),
    ],
)
def test_money_is_kept_in_the_units_it_came_in_and_told_in_those_that_people_use(
    service: Service, telegram: SandboxServer, ada: Json, *, currency: str, amount: int, written: str
) -> None:
    charge = charge_id()
    service.deliver(
        payment(ada["id"], offered(service, telegram, ada), charge=charge, amount=amount, currency=currency)
    )
    kept = ended(service, charge)
    assert (kept.status, kept.amount, kept.currency) == ("quarantined", amount, currency)
    eventually(lambda: written in telegram.last_text(ada))
