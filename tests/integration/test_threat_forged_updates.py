"""Nobody but Telegram reports updates, and nothing that is odd about one becomes money or comes back."""

import ast
import json
import re
import secrets
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.integration.sandbox_server import ArriveAs, Json, SandboxServer
from tests.integration.service import CATALOG, ROOT, WEBHOOK_SECRET, Service, eventually, only, update_id
from tests.postgres import Postgres

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"
WEBHOOKS = ["/api/v1/telegram/main/webhook", "/api/v1/telegram/webhook"]
MIB = 1 << 20
CANARY = "canary7f3a"
PRICE = 1250


# What the other files about threats use too -------------------------------------------------------------------------


def rows(service: Service, query: str, *values: object) -> list[tuple[Any, ...]]:
    """What stands in the service's database."""
    address = service.environment["DATABASE_URL"]
    if address.startswith("sqlite"):
        with closing(sqlite3.connect(address.removeprefix("sqlite:///"))) as database:
            return database.execute(query, values).fetchall()
    with psycopg.connect(address) as connection:
        return connection.execute(query.replace("?", "%s").encode(), values).fetchall()


def offered(service: Service, telegram: SandboxServer, user: Json, plan_code: str = "gold_1m") -> str:
    """The payload of an invoice that now stands in the user's chat."""
    with service.as_user(user["id"]) as client:
        answer = client.post("/api/v1/telegram/payment/send-invoice", json={"plan_code": plan_code})
        assert answer.status_code == 200, answer.text
    return telegram.invoice_payload(user, answer.json()["telegram_message_id"])


def charge_id() -> str:
    return "stx" + secrets.token_urlsafe(48)


def payment(user_id: int, payload: str, *, charge: str, amount: int = PRICE, currency: str = "XTR") -> Json:
    """An update that says: this user has paid."""
    return {
        "update_id": update_id(),
        "message": {
            "message_id": 77,
            "date": int(time.time()),
            "from": {"id": user_id, "is_bot": False, "first_name": "Ada"},
            "chat": {"id": user_id, "type": "private", "first_name": "Ada"},
            "successful_payment": {
                "currency": currency,
                "total_amount": amount,
                "invoice_payload": payload,
                "telegram_payment_charge_id": charge,
                "provider_payment_charge_id": f"{user_id}_1",
            },
        },
    }


def pre_checkout(user_id: int, payload: str, *, amount: int = PRICE, currency: str = "XTR") -> Json:
    """An update that asks: may this user pay?"""
    return {
        "update_id": update_id(),
        "pre_checkout_query": {
            "id": str(secrets.randbelow(2**63)),
            "from": {"id": user_id, "is_bot": False, "first_name": "Ada"},
            "currency": currency,
            "total_amount": amount,
            "invoice_payload": payload,
        },
    }


@contextmanager
def as_telegram(service: Service) -> Iterator[Callable[[Json], httpx.Response]]:
    """Brings many updates over connections that stay open."""
    with httpx.Client(headers={SECRET_HEADER: WEBHOOK_SECRET}, timeout=30) as client:
        yield lambda update: client.post(service.webhook, json=update)


def approved(answer: httpx.Response) -> bool:
    """What the webhook told Telegram about a pre-checkout."""
    assert answer.status_code == 200, answer.text
    assert answer.json()["method"] == "answerPreCheckoutQuery"
    return bool(answer.json()["ok"])


# ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def ada(telegram: SandboxServer) -> Json:
    return telegram.create_user("Ada", started=True)


@pytest.fixture(scope="module")
def on_postgresql(
    telegram: SandboxServer, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """Beside the other service, whose the webhook stays: its updates are brought by hand."""
    folder = tmp_path_factory.mktemp("on-postgresql")
    with postgres.database() as url, Service(folder, telegram.url, {"DATABASE_URL": url}) as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def either_service(request: pytest.FixtureRequest) -> Service:
    """A test that asks for it runs on both databases."""
    running: Service = request.getfixturevalue("service" if request.param == "sqlite" else "on_postgresql")
    return running


def kept_raw(service: Service, body: bytes) -> bool:
    return any(bytes(kept) == body for (kept,) in rows(service, "SELECT body FROM inbox"))


def bytes_of(update: Json) -> bytes:
    return json.dumps(update).encode()


@pytest.mark.threat(1)
@pytest.mark.parametrize("address", WEBHOOKS)
@pytest.mark.parametrize(
    "presented",
    [
        pytest.param([], id="no secret"),
        pytest.param([""], id="an empty secret"),
        pytest.param(["a-secret-of-somebody-else"], id="another secret"),
        pytest.param([WEBHOOK_SECRET[:-1]], id="all but the last letter"),
        pytest.param([WEBHOOK_SECRET + "x"], id="one letter more"),
        pytest.param([WEBHOOK_SECRET.upper()], id="in capitals"),
        pytest.param([WEBHOOK_SECRET, WEBHOOK_SECRET], id="the right one twice"),
        pytest.param(["wrong", WEBHOOK_SECRET], id="a wrong and the right one"),
        pytest.param([f"{WEBHOOK_SECRET},{WEBHOOK_SECRET}"], id="the right one twice in one header"),
        pytest.param([WEBHOOK_SECRET + "\u00e9"], id="a letter beyond ASCII"),
    ],
)
def test_a_payment_without_exactly_the_secret_is_refused_and_leaves_nothing(
    service: Service, telegram: SandboxServer, ada: Json, address: str, presented: list[str]
) -> None:
    body = bytes_of(payment(ada["id"], "any", charge=(charge := charge_id())))
    headers = [("Content-Type", "application/json"), *((SECRET_HEADER, secret) for secret in presented)]
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    answer = httpx.post(service.url + address, content=body, headers=encoded, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert rows(service, "SELECT 1 FROM payments WHERE charge_id = ?", charge) == []
    assert not kept_raw(service, body)


@pytest.mark.threat(1)
def test_the_right_secret_opens_no_bot_that_is_not_ours(service: Service) -> None:
    headers = {SECRET_HEADER: WEBHOOK_SECRET}
    for bot in ("other", "MAIN", "main%00", "..%2fmain", "main%20"):
        answer = httpx.post(f"{service.url}/api/v1/telegram/{bot}/webhook", content=b"{}", headers=headers, timeout=10)
        assert answer.status_code == 404, bot


@pytest.mark.threat(1)
@pytest.mark.parametrize("setting", ["", " ", ",", " , ,"])
def test_without_a_secret_the_service_does_not_start(tmp_path: Path, setting: str) -> None:
    (tmp_path / "catalog.toml").write_text(CATALOG)
    ended = Service(tmp_path, "http://127.0.0.1:1", {"TELEGRAM_WEBHOOK_SECRET": setting}).run("serve", check=False)
    assert ended.returncode == 2
    assert "TELEGRAM_WEBHOOK_SECRET" in ended.stderr


@pytest.mark.threat(2)
def test_no_secret_or_signature_is_ever_compared_by_an_equals_sign() -> None:
    """Whatever bears such a name in the code goes through hmac.compare_digest, or is not compared at all."""
    secretive = re.compile(r"secret|signature|signed|mac$|^mac|digest|presented|password|hash$|^hash", re.IGNORECASE)
    found = []
    for path in sorted((ROOT / "src").rglob("*.py")):
        if "sandbox" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Compare):
                continue
            if not any(isinstance(operator, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for operator in node.ops):
                continue
            sides = [side for side in (node.left, *node.comparators) if not isinstance(side, ast.Call)]
            names = [side.id for side in sides if isinstance(side, ast.Name)]
            names += [side.attr for side in sides if isinstance(side, ast.Attribute)]
            found += [f"{path.name}:{node.lineno} {name}" for name in names if secretive.search(name)]
    assert found == []


@pytest.mark.threat(2)
def test_every_secret_is_compared_in_constant_time_and_no_way_leads_past_it() -> None:
    webhook = ast.parse((ROOT / "src/entrypoints/http/webhook.py").read_text())
    admit = only([n for n in ast.walk(webhook) if isinstance(n, ast.AsyncFunctionDef) and n.name == "admit"])
    comparison = only([n for n in ast.walk(admit) if isinstance(n, ast.ListComp) and "compare_digest" in ast.dump(n)])
    # A list, not a generator inside any(): it does not stop at the first that fits.
    assert ast.unparse(only(comparison.generators).iter) == "self.secrets"
    assert ast.unparse(comparison.elt.func) == "hmac.compare_digest"

    beside = {"sandbox", "simulation"}  # no part of the service
    sources = {path: path.read_text() for path in (ROOT / "src").rglob("*.py") if not beside & set(path.parts)}
    made = [path.name for path, text in sources.items() for _ in re.findall(r"(?<!class )\bAuthenticUpdate\(", text)]
    doors = ["receiving.py", "webhook.py"]  # what comes over Telegram's own protocol is encrypted with a key agreed on
    assert sorted(made) == doors, "an authentic update is made in one place of each transport, by its door"
    assert "AuthenticUpdate(" in ast.unparse(admit)
    reads = [path.name for path, text in sources.items() for _ in re.findall(r"(?<!def )\bread_update\(", text)]
    assert set(reads) == {"webhook.py", "intake.py"}, "an update is read where it is authentic, or was when it was kept"
    kept = [path.name for path, text in sources.items() for _ in re.findall(r"source=Source.TELEGRAM_UPDATE\b", text)]
    assert kept == ["webhook.py"], "and is kept in one place, behind the door"


AMOUNTS = ["0", "-1", "9007199254740992", "9223372036854775808", "1e3", "1250.0", '"1250"', "true", "null", "[1250]"]


@pytest.mark.threat(13)
@pytest.mark.parametrize("amount", [*AMOUNTS, "1e400", '{"amount":1250}'])
def test_an_amount_that_is_no_amount_is_kept_and_grants_nothing(
    service: Service, telegram: SandboxServer, ada: Json, amount: str
) -> None:
    payload = offered(service, telegram, ada)
    asked = bytes_of(pre_checkout(ada["id"], payload)).replace(b"1250,", f"{amount},".encode(), 1)
    assert f'"total_amount": {amount},'.encode() in asked
    assert not approved(service.deliver(asked))
    paid = bytes_of(payment(ada["id"], payload, charge=charge_id())).replace(b"1250,", f"{amount},".encode(), 1)
    assert f'"total_amount": {amount},'.encode() in paid
    assert service.deliver(paid).status_code == 200
    assert kept_raw(service, paid)
    assert rows(service, "SELECT 1 FROM payments WHERE user_id = ?", ada["id"]) == []
    assert not service.allowed(ada["id"], "signals")


@pytest.mark.threat(13)
def test_a_number_of_thousands_of_digits_is_refused_at_once(service: Service, ada: Json) -> None:
    body = bytes_of(payment(ada["id"], "any", charge=charge_id())).replace(b"1250,", b"9" * 500_000 + b",", 1)
    began = time.monotonic()
    assert service.deliver(body).status_code == 400
    assert time.monotonic() - began < 2


def peak_memory(service: Service) -> int:
    """In bytes, the most that the process ever held."""
    assert service.process is not None
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    return int(only(re.findall(r"VmHWM:\s+(\d+) kB", status))) * 1024


def pour(service: Service, path: str, headers: dict[str, str], *, at_most: int, go_on: int = 0) -> tuple[bytes, int]:
    """Send a body in chunks until an answer comes, and `go_on` bytes more; what was answered, and after how many."""
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    chunk = b"10000\r\n" + b" " * (1 << 16) + b"\r\n"
    answer, sent, after = b"", 0, 0
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n{head}\r\n".encode())
        while sent < at_most and (not answer or sent < after + go_on):
            try:
                connection.sendall(chunk)
                sent += len(chunk)
                connection.setblocking(False)
                with suppress(BlockingIOError):
                    if received := connection.recv(65536):
                        answer, after = answer + received, after or sent
                connection.setblocking(True)
            except (ConnectionError, TimeoutError):
                break
        if not answer:
            connection.settimeout(5)
            answer, after = connection.recv(65536), sent
    return answer, after


@pytest.mark.threat(14)
@pytest.mark.parametrize("path", [*WEBHOOKS, "/api/v1/telegram/payment/send-invoice"])
def test_a_gigabyte_in_chunks_is_refused_early_and_takes_no_memory(service: Service, ada: Json, path: str) -> None:
    headers = {
        SECRET_HEADER: WEBHOOK_SECRET,
        "Content-Type": "application/json",
        "Authorization": f"Bearer {service.token(ada['id'])}",
    }
    pour(service, path, headers, at_most=1024 * MIB)  # whatever is loaded at the first such request, is
    before = peak_memory(service)
    answer, after = pour(service, path, headers, at_most=1024 * MIB, go_on=64 * MIB)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"code":"too_large"' in answer
    assert after < 32 * MIB
    assert peak_memory(service) - before < 8 * MIB


@pytest.mark.threat(14)
def test_a_gigabyte_that_is_announced_is_refused_before_it_comes(service: Service) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall(
            f"POST {WEBHOOKS[0]} HTTP/1.1\r\nHost: x\r\n{SECRET_HEADER}: {WEBHOOK_SECRET}\r\n"
            f"Content-Length: {1 << 30}\r\n\r\n".encode()
        )
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


@pytest.mark.threat(14)
def test_an_update_of_exactly_a_mebibyte_is_taken_and_one_byte_more_is_not(service: Service) -> None:
    update = b'{"update_id": 1, "poll": "' + b"x" * MIB
    whole = update[: MIB - 2] + b'"}'
    assert len(whole) == MIB
    assert service.deliver(whole).status_code == 200
    assert service.deliver(whole + b" ").status_code == 413


@pytest.mark.threat(15)
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_json_nested_100_000_deep_is_no_json_to_us(service: Service, ada: Json, opening: str) -> None:
    deep = opening * 100_000
    assert service.process is not None
    process = service.process.pid
    for body in (
        deep,
        f'{{"update_id": 1, "message": {deep}',
        f'{{"message": {deep}1{"]" * 100_000}, "update_id": 1}}',
    ):
        assert service.deliver(body.encode()).status_code == 400
    with service.as_user(ada["id"]) as client:
        content = f'{{"plan_code": {opening * 10_000}'
        headers = {"Content-Type": "application/json"}
        answer = client.post("/api/v1/telegram/payment/send-invoice", content=content, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert service.process.poll() is None
    assert service.process.pid == process
    assert not service.log_lines("request.failed")


@pytest.mark.threat(16)
@pytest.mark.parametrize(
    "bad",
    [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82"],
    ids=["no such byte", "an overlong NUL", "half a surrogate pair", "beyond Unicode", "cut off"],
)
def test_a_body_that_is_not_utf8_is_refused(service: Service, ada: Json, bad: bytes) -> None:
    body = bytes_of(payment(ada["id"], "any", charge=charge_id())).replace(b"Ada", bad)
    answer = service.deliver(body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    with service.as_user(ada["id"]) as client:
        headers = {"Content-Type": "application/json"}
        content = b'{"plan_code": "' + bad + b'"}'
        answer = client.post("/api/v1/telegram/payment/send-invoice", content=content, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


@pytest.mark.threat(16)
def test_halves_of_surrogates_and_nul_in_a_name_cost_nobody_their_purchase(
    either_service: Service, telegram: SandboxServer, ada: Json
) -> None:
    service = either_service
    payload = offered(service, telegram, ada)
    assert approved(service.deliver(bytes_of(pre_checkout(ada["id"], payload)).replace(b"Ada", rb"\ud800\u0000")))
    body = bytes_of(payment(ada["id"], payload, charge=(charge := charge_id())))
    body = body.replace(b"Ada", rb"\udfff \u0000 \ud83d").replace(b'_1"', rb'\u0000\ud800"')
    assert service.deliver(body).status_code == 200
    ((status, message),) = rows(service, "SELECT status, message FROM payments WHERE charge_id = ?", charge)
    assert status == "granted"
    assert bytes(message) == body
    assert service.allowed(ada["id"], "copy_trading")
    eventually(lambda: "Gold, 1 month" in telegram.last_text(ada))
    again = service.deliver(body)
    assert again.status_code == 200
    assert rows(service, "SELECT count(*) FROM entitlements WHERE user_id = ?", ada["id"]) == [(1,)]


@pytest.mark.threat(16)
@pytest.mark.parametrize("odd", [r"\ud800", r"\u0000", r"t1.\u0000.\udfff"])
def test_a_payload_with_odd_characters_is_kept_and_quarantined(either_service: Service, ada: Json, odd: str) -> None:
    body = bytes_of(payment(ada["id"], "PAYLOAD", charge=(charge := charge_id()))).replace(b"PAYLOAD", odd.encode())
    assert either_service.deliver(body).status_code == 200
    kept = rows(either_service, "SELECT status, quarantine_reason FROM payments WHERE charge_id = ?", charge)
    assert kept == [("quarantined", "bad_payload")]
    assert not either_service.allowed(ada["id"], "signals")


@pytest.mark.threat(17)
@pytest.mark.parametrize(
    "key",
    ["update_id", "message", "from", "id", "successful_payment", "total_amount", "currency", "invoice_payload"],
)
def test_a_payment_with_a_doubled_key_is_kept_and_grants_nothing(
    service: Service, telegram: SandboxServer, ada: Json, key: str
) -> None:
    update = payment(ada["id"], offered(service, telegram, ada), charge=(charge := charge_id()))
    body = re.sub(rb'"%b": ' % key.encode(), rb'"%b": 1, \g<0>' % key.encode(), bytes_of(update), count=1)
    assert body.count(f'"{key}"'.encode()) >= 2
    assert service.deliver(body).status_code == 200
    assert kept_raw(service, body)
    assert rows(service, "SELECT 1 FROM payments WHERE charge_id = ?", charge) == []
    assert not service.allowed(ada["id"], "signals")


@pytest.mark.threat(17)
def test_a_pre_checkout_or_a_purchase_with_a_doubled_key_is_refused(
    service: Service, telegram: SandboxServer, ada: Json
) -> None:
    asked = bytes_of(pre_checkout(ada["id"], offered(service, telegram, ada)))
    assert not approved(service.deliver(asked.replace(b'"total_amount"', b'"total_amount": 1, "total_amount"')))
    with service.as_user(ada["id"]) as client:
        answer = client.post(
            "/api/v1/telegram/payment/send-invoice",
            content=b'{"plan_code": "gold_1m", "plan_code": "founder"}',
            headers={"Content-Type": "application/json"},
        )
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


REPLY_FIELDS = {
    "answerPreCheckoutQuery": {"method", "pre_checkout_query_id", "ok", "error_message"},
    "answerCallbackQuery": {"method", "callback_query_id", "text", "show_alert"},
}


@pytest.mark.threat(43)
@pytest.mark.parametrize(
    "bot_answers_to", ["pre_checkout_query", "callback_query", "message", "shipping_query", "poll"]
)
@pytest.mark.parametrize("query_id", ["4711", f'1","text":"{CANARY}', CANARY, "1\n", "", "9" * 30])
def test_what_came_in_never_goes_out_in_a_reply(
    service: Service, ada: Json, bot_answers_to: str, query_id: str
) -> None:
    content = {
        "id": query_id,
        "from": {"id": ada["id"], "is_bot": False, "first_name": CANARY, "language_code": CANARY, "username": CANARY},
        "chat": {"id": ada["id"], "type": "private", "title": CANARY},
        "message": {"message_id": 1, "date": 1, "chat": {"id": ada["id"], "type": "private"}, "text": CANARY},
        "message_id": 1,
        "date": 1,
        "text": f"/buy {CANARY}",
        "data": f"m:{ada['id']}:{CANARY}",
        "chat_instance": CANARY,
        "currency": "XTR",
        "total_amount": 1,
        "invoice_payload": CANARY,
        "method": "sendMessage",
    }
    update = {"update_id": update_id(), "method": "sendMessage", "chat_id": 1, "text": CANARY, bot_answers_to: content}
    answer = service.deliver(update)
    assert answer.status_code == 200
    assert CANARY not in answer.text
    reply = answer.json()
    if reply:
        assert reply.keys() <= REPLY_FIELDS[reply["method"]]
        ids = [reply[name] for name in ("pre_checkout_query_id", "callback_query_id") if name in reply]
        assert ids == ["4711"]


@pytest.mark.threat(43)
def test_no_refusal_of_the_webhook_repeats_what_came_in(service: Service) -> None:
    secret = {SECRET_HEADER: WEBHOOK_SECRET}
    answers = [
        httpx.post(f"{service.url}/api/v1/telegram/{CANARY}/webhook", content=b"{}", headers=secret, timeout=10),
        httpx.post(service.webhook, content=b"{}", headers={SECRET_HEADER: CANARY}, timeout=10),
        httpx.post(service.webhook, content=CANARY.encode(), headers=secret, timeout=10),
        httpx.post(service.webhook, content=json.dumps({"update_id": CANARY}).encode(), headers=secret, timeout=10),
        httpx.post(service.webhook, content=b"{}", headers=secret | {"Content-Encoding": CANARY}, timeout=10),
        httpx.put(f"{service.webhook}?{CANARY}", content=b"{}", headers=secret, timeout=10),
    ]
    assert [answer.status_code for answer in answers] == [404, 401, 400, 400, 415, 405]
    assert [answer.url for answer in answers if CANARY in answer.text] == []


@pytest.mark.threat(46)
@pytest.mark.parametrize("arrive_as", ["edited_message", "forwarded", "business_message", "channel_post"])
@pytest.mark.parametrize("refunded", [False, True], ids=["a payment", "a refund"])
def test_money_in_any_other_kind_of_message_counts_for_nothing(
    service: Service, telegram: SandboxServer, ada: Json, arrive_as: ArriveAs, refunded: bool
) -> None:
    payload = offered(service, telegram, ada)
    charge = charge_id()
    if refunded:
        assert service.deliver(payment(ada["id"], payload, charge=charge)).status_code == 200
    delivery = only(
        telegram.forge_payment(
            ada, amount=PRICE, payload=payload, charge_id=charge, arrive_as=arrive_as, refunded=refunded
        )
    )
    assert delivery.status == 200
    expected = [("granted",)] if refunded else []
    assert rows(service, "SELECT status FROM payments WHERE charge_id = ?", charge) == expected
    assert service.allowed(ada["id"], "signals") is refunded


def _inside(where: str, update: Json) -> Json:
    """The payment moved into another place of the update."""
    message = update["message"]
    paid = {"successful_payment": message.pop("successful_payment")}
    other = {"message_id": 5, "date": message["date"], "from": message["from"], "chat": message["chat"], **paid}
    match where:
        case "reply_to_message" | "pinned_message" | "external_reply":
            message[where] = other
        case "edited_channel_post" | "edited_business_message" | "guest_message":
            update[where] = update.pop("message") | paid
        case "two kinds":
            update["channel_post"] = message
            message |= paid
        case "callback_query":
            query = {"id": "1", "from": message["from"], "chat_instance": "1", "data": "x", "message": other}
            return {"update_id": update["update_id"], "callback_query": query}
        case _:
            message |= paid | {where: {"id": 1, "is_bot": True, "first_name": "x", "type": "channel", "title": "x"}}
    return update


@pytest.mark.threat(46)
@pytest.mark.parametrize(
    "where",
    [
        "reply_to_message",
        "pinned_message",
        "external_reply",
        "edited_channel_post",
        "edited_business_message",
        "guest_message",
        "callback_query",
        "two kinds",
        "via_bot",
        "sender_chat",
        "sender_business_bot",
        "forward_from",
        "forward_date",
    ],
)
def test_a_payment_anywhere_else_in_an_update_counts_for_nothing(
    service: Service, telegram: SandboxServer, ada: Json, where: str
) -> None:
    update = _inside(where, payment(ada["id"], offered(service, telegram, ada), charge=(charge := charge_id())))
    assert charge in json.dumps(update)
    assert service.deliver(update).status_code == 200
    assert rows(service, "SELECT 1 FROM payments WHERE charge_id = ?", charge) == []
    assert not service.allowed(ada["id"], "signals")


@pytest.mark.threat(46)
def test_a_bot_can_not_have_paid(service: Service, telegram: SandboxServer, ada: Json) -> None:
    update = payment(ada["id"], offered(service, telegram, ada), charge=(charge := charge_id()))
    update["message"]["from"]["is_bot"] = True
    assert service.deliver(update).status_code == 200
    assert rows(service, "SELECT 1 FROM payments WHERE charge_id = ?", charge) == []


@pytest.mark.threat(47)
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "identity, gzip", "x"])
def test_a_compressed_body_is_not_taken(service: Service, encoding: str) -> None:
    headers = {SECRET_HEADER: WEBHOOK_SECRET, "Content-Encoding": encoding}
    answer = httpx.post(service.webhook, content=b'{"update_id": 1}', headers=headers, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


HIDDEN = f"POST {WEBHOOKS[0]} HTTP/1.1\r\nHost: x\r\n{SECRET_HEADER}: {WEBHOOK_SECRET}\r\nContent-Length: "


@pytest.mark.threat(48)
@pytest.mark.parametrize(
    "lengths",
    [
        pytest.param("Content-Length: 5\r\nContent-Length: 6\r\n", id="two lengths"),
        pytest.param("Content-Length: 5\r\nContent-Length: 5\r\n", id="the same length twice"),
        pytest.param("Content-Length: 5, 6\r\n", id="two lengths in one header"),
        pytest.param("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", id="a length and chunks"),
        pytest.param("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", id="chunks and a length"),
        pytest.param("Transfer-Encoding: chunked, identity\r\n", id="chunked, but not last"),
        pytest.param("Transfer-Encoding: xchunked\r\n", id="an unknown coding"),
        pytest.param("Content-Length: -5\r\n", id="a negative length"),
        pytest.param("Content-Length: +5\r\n", id="a length with a plus"),
        pytest.param("Content-Length: 0x5\r\n", id="a hexadecimal length"),
        pytest.param("Content-Length: 5 5\r\n", id="a length with a space"),
        pytest.param("Content-Length: 18446744073709551621\r\n", id="a length beyond 64 bits"),
        pytest.param("Content-Length : 5\r\n", id="a space before the colon"),
        pytest.param("X: a\r\n Content-Length: 5\r\nContent-Length: 3\r\nContent-Length: 5\r\n", id="a folded line"),
    ],
)
def test_a_request_with_conflicting_lengths_is_refused_and_nothing_behind_it_is_read(
    service: Service, ada: Json, lengths: str
) -> None:
    body = bytes_of(payment(ada["id"], "any", charge=(charge := charge_id())))
    smuggled = f"{HIDDEN}{len(body)}\r\n\r\n".encode() + body
    head = f"POST {WEBHOOKS[0]} HTTP/1.1\r\nHost: x\r\n{SECRET_HEADER}: {WEBHOOK_SECRET}\r\n{lengths}\r\n"
    answers = b""
    with socket.create_connection(("127.0.0.1", service.port), timeout=5) as connection:
        connection.sendall(head.encode() + b"0\r\n\r\n" + smuggled)
        with suppress(ConnectionError):
            while received := connection.recv(65536):
                answers += received
    assert answers.startswith(b"HTTP/1.1 400 ")
    assert answers.count(b"HTTP/1.1 ") == 1
    assert rows(service, "SELECT 1 FROM payments WHERE charge_id = ?", charge) == []


@pytest.mark.threat(14)
def test_the_service_came_through_all_of_it_with_the_same_process_and_its_files_closed(service: Service) -> None:
    assert service.process is not None
    assert service.process.poll() is None
    assert not service.log_lines("request.failed")
    assert len(list(Path(f"/proc/{service.process.pid}/fd").iterdir())) < 200
