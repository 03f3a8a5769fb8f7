"""Criteria 4: whatever is sent, nobody gets more than was paid for, and no money that moved is forgotten."""

import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest

from tests.integration.buying import (
    SEND_INVOICE,
    buy,
    counted,
    entitlements_of,
    invoice_for,
    newcomer,
    pay,
    payload_for,
    payments_of,
    purchase_lines,
    rows,
    told,
    trail_of,
)
from tests.integration.conftest import set_webhook
from tests.integration.sandbox_server import ArriveAs, Json, SandboxServer
from tests.integration.service import JWT_SECRET, LOOPBACK, Service, only, update_id

GET, POST = "GET", "POST"
DOORS = [
    (POST, SEND_INVOICE),
    (POST, "/api/v1/telegram/payment/invoice-link"),
    (GET, "/api/v1/me/entitlements"),
    (GET, "/api/v1/me/payments"),
    (GET, "/internal/v1/users/1/entitlements"),
    (GET, "/internal/v1/users/1/features/signals"),
]


@pytest.fixture(scope="module")
def service(telegram: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Nothing is refunded by itself here, so that what was quarantined can be looked at."""
    with Service(tmp_path_factory.mktemp("service"), telegram.url, {"AUTO_REFUND": "off"}) as running:
        set_webhook(telegram, running)
        yield running


def held_because(service: Service, user_id: int, charge_id: str | None) -> str:
    """Why this charge, which is on record as this user's, opened nothing."""
    payment = only(rows(service, "SELECT * FROM payments WHERE charge_id = ?", charge_id))
    assert (payment["user_id"], payment["status"]) == (user_id, "quarantined")
    event = next(e for e in trail_of(service, user_id, "successful_payment") if e["message"] == payment["message"])
    assert (event["decision"], event["reason"]) == ("quarantined", payment["quarantine_reason"])
    return str(payment["quarantine_reason"])


@pytest.mark.criterion("4.1")
def test_an_invoice_that_was_paid_is_not_paid_again(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    first = buy(service, telegram, ada)

    assert pay(telegram, ada, first.invoice).status == "refused"
    assert len(payments_of(service, ada)) == 1


@pytest.mark.criterion("4.1")
def test_money_that_moves_on_a_paid_invoice_all_the_same_is_kept_and_opens_nothing_more(
    service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    first = buy(service, telegram, ada)
    before = entitlements_of(service, ada)
    again = pay(telegram, ada, first.invoice, skip_pre_checkout=True)

    assert held_because(service, ada, again.charge_id) == "invoice_already_paid"
    assert entitlements_of(service, ada) == before
    assert "/paysupport" in told(telegram, ada, "it opened nothing")


@pytest.mark.criterion("4.1")
def test_an_old_payload_put_under_a_new_invoice_opens_nothing(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    old = buy(service, telegram, ada, "day_pass").invoice
    used = telegram.invoice_payload(ada, old["telegram_message_id"])
    new = invoice_for(service, ada, "day_pass")

    assert pay(telegram, ada, new, payload=used).status == "refused"
    charged = pay(telegram, ada, new, payload=used, skip_pre_checkout=True)
    assert held_because(service, ada, charged.charge_id) == "invoice_already_paid"
    assert len(entitlements_of(service, ada)) == 1


@pytest.mark.criterion("4.1")
def test_a_payload_whose_hour_is_over_opens_nothing_where_nobody_approved_it(
    service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    sent = invoice_for(service, ada)
    rows(
        service, "UPDATE invoices SET expires_at = '2020-01-01 00:00:00.000000+00:00' WHERE id = ?", sent["invoice_id"]
    )
    charged = pay(telegram, ada, sent, skip_pre_checkout=True)

    assert held_because(service, ada, charged.charge_id) == "stale_invoice"
    assert entitlements_of(service, ada) == []


@pytest.mark.criterion("4.2")
@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"amount": 1}, id="less"),
        pytest.param({"amount": 125000}, id="more"),
        pytest.param({"currency": "GBP"}, id="another currency"),
        pytest.param({"payload": "somebody else's"}, id="another payload"),
        pytest.param({"user": "Mallory"}, id="another payer"),
    ],
)
def test_a_charge_id_used_again_with_other_facts_changes_nothing_and_somebody_is_told(
    service: Service, telegram: SandboxServer, other: dict[str, Any]
) -> None:
    ada, mallory = newcomer(telegram), newcomer(telegram, "Mallory")
    bought = buy(service, telegram, ada)
    payload = telegram.invoice_payload(ada, bought.invoice["telegram_message_id"])
    before = (payments_of(service, ada), entitlements_of(service, ada))
    conflicts = counted(service, "payment_conflicts_total")
    who = mallory if "user" in other else ada
    facts: dict[str, Any] = {"amount": 1250, "payload": payload} | {
        name: value for name, value in other.items() if name != "user"
    }
    (delivery,) = telegram.forge_payment(who, charge_id=bought.charge_id, **facts)

    assert (delivery.status, delivery.body) == (200, "{}")
    assert (payments_of(service, ada), entitlements_of(service, ada)) == before
    assert (payments_of(service, mallory), entitlements_of(service, mallory)) == ([], [])
    assert counted(service, "payment_conflicts_total") == conflicts + 1
    conflict = only(trail_of(service, who, "charge_conflict"))
    assert (conflict["telegram_payment_charge_id"], conflict["decision"]) == (bought.charge_id, "granted")
    line = only(purchase_lines(service, event="payment.conflicted", charge_id=bought.charge_id))
    assert (line["level"], line["user_id"], line["known_user_id"]) == ("error", who, ada)


@pytest.mark.criterion("4.3")
@pytest.mark.parametrize("amount", [1, 1249, 1251, 125000])
def test_another_amount_than_was_asked_for_opens_nothing_not_even_a_part(
    service: Service, telegram: SandboxServer, amount: int
) -> None:
    """Approved at the right amount, and then another one moved."""
    ada = newcomer(telegram)
    charged = pay(telegram, ada, invoice_for(service, ada), amount=amount, forge_at="payment")

    assert held_because(service, ada, charged.charge_id) == "amount_mismatch"
    assert only(payments_of(service, ada))["amount"] == amount
    assert entitlements_of(service, ada) == []
    assert not service.allowed(ada, "signals")


@pytest.mark.criterion("4.3")
def test_another_currency_than_was_asked_for_opens_nothing(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    charged = pay(telegram, ada, invoice_for(service, ada, "founder"), currency="JPY", forge_at="payment")

    assert held_because(service, ada, charged.charge_id) == "currency_mismatch"
    assert entitlements_of(service, ada) == []


@pytest.mark.criterion("4.3")
@pytest.mark.parametrize("amount", [0, -1, 2**53, 2**63, 1e3, 1250.5, "1250", True, None, [1250]])
def test_an_amount_that_is_none_is_kept_raw_and_opens_nothing(
    service: Service, telegram: SandboxServer, amount: object
) -> None:
    ada = newcomer(telegram)
    payload = telegram.invoice_payload(ada, invoice_for(service, ada)["telegram_message_id"])
    update = payment_update(ada, payload)
    update["message"]["successful_payment"]["total_amount"] = amount

    assert service.deliver(update).status_code == 200
    kept = only(rows(service, "SELECT body FROM inbox WHERE instr(body, ?)", str(update["update_id"]).encode()))
    assert json.loads(kept["body"]) == update
    assert (payments_of(service, ada), entitlements_of(service, ada)) == ([], [])


@pytest.mark.criterion("4.4")
def test_a_cheap_payload_with_a_dear_plan_written_into_it_is_not_ours(
    service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    sent = invoice_for(service, ada, "day_pass")
    forged = telegram.invoice_payload(ada, sent["telegram_message_id"]).replace("day_pass", "founder")

    assert pay(telegram, ada, sent, payload=forged).status == "refused"
    charged = pay(telegram, ada, sent, payload=forged, skip_pre_checkout=True)
    assert held_because(service, ada, charged.charge_id) == "bad_payload"
    assert entitlements_of(service, ada) == []


@pytest.mark.criterion("4.4")
def test_even_with_a_good_signature_another_plan_than_the_invoices_opens_nothing(
    service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    sent = invoice_for(service, ada, "day_pass")
    other = payload_for(ada, plan_code="founder", amount=75, invoice_id=sent["invoice_id"])
    charged = pay(telegram, ada, sent, payload=other, skip_pre_checkout=True)

    assert held_because(service, ada, charged.charge_id) == "plan_mismatch"
    assert entitlements_of(service, ada) == []


@pytest.mark.criterion("4.4")
def test_the_payload_of_a_cheap_plan_under_the_invoice_of_a_dear_one_is_money_for_no_plan(
    service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    cheap, dear = invoice_for(service, ada, "day_pass"), invoice_for(service, ada, "founder")
    payload = telegram.invoice_payload(ada, cheap["telegram_message_id"])

    assert pay(telegram, ada, dear, payload=payload).status == "refused"
    charged = pay(telegram, ada, dear, payload=payload, skip_pre_checkout=True)
    assert held_because(service, ada, charged.charge_id) == "amount_mismatch"
    assert entitlements_of(service, ada) == []


@pytest.mark.criterion("4.5")
def test_what_somebody_else_paid_opens_nothing_for_either_of_the_two(service: Service, telegram: SandboxServer) -> None:
    ada, mallory = newcomer(telegram), newcomer(telegram, "Mallory")
    sent = invoice_for(service, ada)

    assert pay(telegram, ada, sent, as_user=mallory).status == "refused"
    charged = pay(telegram, ada, sent, as_user=mallory, skip_pre_checkout=True)
    assert held_because(service, mallory, charged.charge_id) == "wrong_user"
    assert entitlements_of(service, ada) == entitlements_of(service, mallory) == []
    assert payments_of(service, ada) == []
    assert "somebody else" in told(telegram, mallory, "it opened nothing")


@pytest.mark.criterion("4.5")
def test_the_one_for_whom_it_was_can_still_pay_after_somebody_else_tried(
    service: Service, telegram: SandboxServer
) -> None:
    ada, mallory = newcomer(telegram), newcomer(telegram, "Mallory")
    sent = invoice_for(service, ada)
    pay(telegram, ada, sent, as_user=mallory, skip_pre_checkout=True)

    assert pay(telegram, ada, sent).status == "paid"
    assert only(entitlements_of(service, ada))["plan_code"] == "gold_1m"


@pytest.mark.criterion("4.5")
def test_nobody_sees_with_their_token_what_somebody_else_bought(service: Service, telegram: SandboxServer) -> None:
    ada, mallory = newcomer(telegram), newcomer(telegram, "Mallory")
    buy(service, telegram, ada)

    assert (payments_of(service, mallory), entitlements_of(service, mallory)) == ([], [])
    with service.as_user(mallory) as client:
        assert client.get(f"/internal/v1/users/{ada}/entitlements").status_code == 403
        assert client.get(f"/internal/v1/users/{ada}/features/signals").status_code == 403


@pytest.mark.criterion("4.6")
@pytest.mark.parametrize(
    "payload",
    [
        pytest.param("", id="empty"),
        pytest.param("gold_1m", id="a plan's code"),
        pytest.param("t1.gold_1m", id="cut short"),
        pytest.param("t1.gold_1m." + "A" * 51 + "." + "A" * 22, id="zeros, and a signature of zeros"),
        pytest.param("\0\ud800\N{PILE OF POO}", id="NUL and half a letter"),
        pytest.param("x" * 5000, id="longer than Telegram takes"),
        pytest.param("'; DROP TABLE payments; --", id="SQL"),
        pytest.param('{"plan": "gold_1m", "user": 1}', id="JSON"),
    ],
)
def test_money_with_a_payload_that_is_not_ours_is_kept_and_opens_nothing(
    service: Service, telegram: SandboxServer, payload: str
) -> None:
    ada = newcomer(telegram)
    update = payment_update(ada, payload)
    answer = service.deliver(update)

    assert (answer.status_code, answer.content) == (200, b"{}")
    assert held_because(service, ada, f"charge-of-{ada}") == "bad_payload"
    assert entitlements_of(service, ada) == []


@pytest.mark.criterion("4.6")
def test_a_payload_with_any_one_letter_changed_is_not_ours(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    payload = telegram.invoice_payload(ada, invoice_for(service, ada)["telegram_message_id"])
    answers = set()
    for place, letter in enumerate(payload):
        other = payload[:place] + ("A" if letter != "A" else "B") + payload[place + 1 :]
        query = pre_checkout_update(ada, other)
        answers.add(service.deliver(query).json()["ok"])

    assert answers == {False}
    assert service.deliver(pre_checkout_update(ada, payload)).json()["ok"] is True


@pytest.mark.criterion("4.6")
@pytest.mark.parametrize("arrive_as", ["edited_message", "forwarded", "business_message", "channel_post"])
def test_a_payment_counts_only_in_the_message_that_telegram_writes_when_money_moves(
    service: Service, telegram: SandboxServer, arrive_as: ArriveAs
) -> None:
    ada = newcomer(telegram)
    payload = telegram.invoice_payload(ada, invoice_for(service, ada)["telegram_message_id"])
    (delivery,) = telegram.forge_payment(ada, amount=1250, payload=payload, arrive_as=arrive_as)

    assert (delivery.status, delivery.body) == (200, "{}")
    assert (payments_of(service, ada), entitlements_of(service, ada)) == ([], [])


@pytest.mark.criterion("4.6")
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="half an object"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"null", id="null"),
        pytest.param(b"{}", id="no update_id"),
        pytest.param(b'{"update_id": "1"}', id="an update_id in quotes"),
        pytest.param(b'{"update_id": true}', id="an update_id that is true"),
        pytest.param(b'{"update_id": -1}', id="a negative update_id"),
        pytest.param(b'{"update_id": 1e3}', id="an update_id with an exponent"),
        pytest.param(b'{"update_id": 9223372036854775808}', id="an update_id of 64 bits"),
        pytest.param(b'{"update_id": 1, "message": NaN}', id="NaN"),
        pytest.param(b'{"update_id": 1, "message": "\xff\xfe"}', id="not UTF-8"),
        pytest.param('{"update_id": 1}'.encode("utf-16"), id="UTF-16"),
        pytest.param(b"[" * 100_000, id="100 000 deep"),
        pytest.param(b'{"update_id": 1, "a": ' + b"9" * 5000 + b"}", id="a number of 5000 digits"),
    ],
)
def test_what_is_no_update_is_refused(service: Service, body: bytes) -> None:
    answer = service.deliver(body)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


@pytest.mark.criterion("4.6")
@pytest.mark.parametrize(
    "content",
    [
        pytest.param({"message": []}, id="a message that is a list"),
        pytest.param({"message": {"successful_payment": None}}, id="a payment that is null"),
        pytest.param({"message": {"successful_payment": {}}, "callback_query": {}}, id="two contents"),
        pytest.param({"pre_checkout_query": {"id": "x"}}, id="a query without its facts"),
        pytest.param({"callback_query": {"id": "1", "from": 5, "data": 7}}, id="a press without a sender"),
    ],
)
def test_an_update_that_nobody_understands_is_kept_and_never_sent_again(service: Service, content: Json) -> None:
    update = {"update_id": update_id()} | content
    answer = service.deliver(update)

    assert answer.status_code == 200
    kept = only(rows(service, "SELECT body FROM inbox WHERE instr(body, ?)", str(update["update_id"]).encode()))
    assert json.loads(kept["body"]) == update


@pytest.mark.criterion("4.6")
def test_a_payment_with_a_doubled_key_opens_nothing(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    payload = telegram.invoice_payload(ada, invoice_for(service, ada)["telegram_message_id"])
    text = json.dumps(payment_update(ada, payload)).replace(
        '"total_amount": 1250', '"total_amount": 1, "total_amount": 1250'
    )

    assert service.deliver(text.encode()).status_code == 200
    assert (payments_of(service, ada), entitlements_of(service, ada)) == ([], [])


@pytest.mark.criterion("4.6")
def test_an_update_of_more_than_a_mebibyte_is_refused_before_it_is_read(service: Service) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(64):
            yield b" " * (64 << 10)

    just = b'{"update_id": 1}'.ljust(1 << 20)
    headers = {"X-Telegram-Bot-Api-Secret-Token": "webhook-secret-of-the-tests"}
    assert service.deliver(just).status_code == 200
    assert service.deliver(just + b" ").status_code == 413
    assert LOOPBACK.post(service.webhook, content=endless(), headers=headers, timeout=20).status_code == 413


@pytest.mark.criterion("4.6")
def test_a_refund_that_nobody_paid_for_and_its_payment_later_open_nothing(
    service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    payload = telegram.invoice_payload(ada, invoice_for(service, ada)["telegram_message_id"])
    telegram.forge_payment(ada, amount=1250, payload=payload, charge_id="news-in-the-wrong-order", refunded=True)
    telegram.forge_payment(ada, amount=1250, payload=payload, charge_id="news-in-the-wrong-order")

    assert only(payments_of(service, ada))["status"] == "refunded"
    assert entitlements_of(service, ada) == []


@pytest.mark.criterion("4.7")
@pytest.mark.parametrize(("method", "address"), DOORS)
def test_without_a_token_every_door_is_shut(service: Service, method: str, address: str) -> None:
    with httpx.Client(base_url=service.url, verify=False) as nobody:
        for headers in ({}, {"Authorization": ""}, {"Authorization": "Bearer"}, {"Authorization": "Basic YTpi"}):
            answer = nobody.request(method, address, headers=headers, json={} if method == POST else None)

            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
            assert "WWW-Authenticate" in answer.headers


@pytest.mark.criterion("4.7", "4.8")
@pytest.mark.parametrize(
    "secret",
    [
        None,
        "",
        "webhook-secret-of-the-test",
        "webhook-secret-of-the-testsx",
        "WEBHOOK-SECRET-OF-THE-TESTS",
        "webhook-secret-of-the-tests, x",
    ],
)
def test_nobody_reports_a_payment_without_telegrams_secret(
    service: Service, telegram: SandboxServer, secret: str | None
) -> None:
    ada = newcomer(telegram)
    payload = telegram.invoice_payload(ada, invoice_for(service, ada)["telegram_message_id"])
    headers = {} if secret is None else {"X-Telegram-Bot-Api-Secret-Token": secret}
    answer = LOOPBACK.post(service.webhook, json=payment_update(ada, payload), headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert (payments_of(service, ada), entitlements_of(service, ada)) == ([], [])


def unsigned(claims: Json) -> str:
    return jwt.encode(claims, "", algorithm="none")


def by_another_key(claims: Json) -> str:
    return jwt.encode(claims, "a-secret-of-somebody-else-that-is-long-enough", algorithm="HS256")


def by_a_key_that_it_brings(claims: Json) -> str:
    key = base64.urlsafe_b64encode(b"k" * 32).rstrip(b"=").decode()
    headers = {"jku": "http://127.0.0.1:1/jwks.json", "jwk": {"kty": "oct", "k": key}, "kid": "../../dev/null"}
    return jwt.encode(claims, "k" * 32, algorithm="HS256", headers=headers)


def by_another_algorithm(claims: Json) -> str:
    return jwt.encode(claims, JWT_SECRET, algorithm="HS512")


def with_another_user_written_in(claims: Json) -> str:
    head, _, signature = jwt.encode(claims, JWT_SECRET, algorithm="HS256").split(".")
    body = json.dumps(claims | {"sub": "1"}, default=str).encode()
    return f"{head}.{base64.urlsafe_b64encode(body).rstrip(b'=').decode()}.{signature}"


@pytest.mark.criterion("4.8")
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize(
    "forge", [unsigned, by_another_key, by_a_key_that_it_brings, by_another_algorithm, with_another_user_written_in]
)
@pytest.mark.parametrize(("method", "address"), DOORS)
def test_a_forged_token_opens_no_door(
    service: Service, method: str, address: str, forge: Callable[[Json], str]
) -> None:
    claims = good_claims() | {"scope": "entitlements:read"}
    headers = {"Authorization": f"Bearer {forge(claims)}"}
    answer = LOOPBACK.request(method, service.url + address, headers=headers, json={} if method == POST else None)

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


NOW = datetime.now(UTC)


@pytest.mark.criterion("4.8")
@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"exp": NOW - timedelta(seconds=1)}, id="expired"),
        pytest.param({"exp": None}, id="without an end"),
        pytest.param({"exp": "tomorrow"}, id="an end in words"),
        pytest.param({"nbf": NOW + timedelta(hours=1)}, id="not valid yet"),
        pytest.param({"iat": NOW + timedelta(hours=1)}, id="made in the future"),
        pytest.param({"aud": "somebody-else"}, id="for somebody else"),
        pytest.param({"aud": None}, id="for nobody"),
        pytest.param({"sub": None}, id="of nobody"),
        pytest.param({"sub": ""}, id="of an empty name"),
        pytest.param({"sub": "some-service"}, id="of no user"),
        pytest.param({"sub": "0"}, id="of user 0"),
        pytest.param({"sub": "-5"}, id="of a negative user"),
        pytest.param({"sub": "007"}, id="of a user with leading zeros"),
        pytest.param({"sub": "1.0"}, id="of a user with a point"),
        pytest.param({"sub": "\u0661"}, id="of a user in other digits"),
        pytest.param({"sub": str(2**52)}, id="of a user beyond the last"),
    ],
)
def test_a_token_of_our_own_key_that_is_not_right_is_no_users(service: Service, wrong: Json) -> None:
    claims = {name: value for name, value in (good_claims() | wrong).items() if value is not None}
    token = jwt.encode(claims, JWT_SECRET, algorithm="HS256")
    with httpx.Client(base_url=service.url, headers={"Authorization": f"Bearer {token}"}, verify=False) as client:
        answer = client.get("/api/v1/me/entitlements")

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


@pytest.mark.criterion("4.8")
def test_a_good_token_beside_a_forged_one_is_no_token(service: Service) -> None:
    good = service.token(5)
    headers = [("Authorization", f"Bearer {good}"), ("Authorization", f"Bearer {unsigned(good_claims())}")]

    assert LOOPBACK.get(f"{service.url}/api/v1/me/entitlements", headers=headers).status_code == 401


def good_claims() -> Json:
    return {"sub": "5", "aud": "tollgram", "exp": datetime.now(UTC) + timedelta(hours=1)}


def payment_update(user_id: int, payload: str) -> Json:
    """What Telegram writes when this user has paid 1250 Stars on that payload."""
    return {
        "update_id": update_id(),
        "message": {
            "message_id": 7,
            "from": {"id": user_id, "is_bot": False, "first_name": "Ada"},
            "chat": {"id": user_id, "type": "private", "first_name": "Ada"},
            "date": int(datetime.now(UTC).timestamp()),
            "successful_payment": {
                "currency": "XTR",
                "total_amount": 1250,
                "invoice_payload": payload,
                "telegram_payment_charge_id": f"charge-of-{user_id}",
                "provider_payment_charge_id": "",
            },
        },
    }


def pre_checkout_update(user_id: int, payload: str) -> Json:
    query = {
        "id": "123456789",
        "from": {"id": user_id, "is_bot": False, "first_name": "Ada"},
        "currency": "XTR",
        "total_amount": 1250,
        "invoice_payload": payload,
    }
    return {"update_id": update_id(), "pre_checkout_query": query}
