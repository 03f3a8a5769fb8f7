"""Text from outside stays text, in the database and in the logs; and no secret is ever seen in any output."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.integration.conftest import set_webhook
from tests.integration.sandbox_server import Json, SandboxServer
from tests.integration.service import Service, eventually, only, update_id
from tests.integration.test_threat_forged_updates import (
    SECRET_HEADER,
    as_telegram,
    charge_id,
    offered,
    payment,
    pre_checkout,
    rows,
)
from tests.postgres import Postgres

SEND = "/api/v1/telegram/payment/send-invoice"
SQL = [
    "'; DROP TABLE payments; --",
    "' OR '1'='1",
    '" OR ""="',
    "\\'; DELETE FROM entitlements; --",
    "1); UPDATE payments SET status = 'granted'; --",
    "%(user)s :user ? $1 {0} %s %%",
    "$$; DROP TABLE outbox; $$",
    "' UNION SELECT message FROM payments --",
    "/* */ x'00' -- \t",
]
FORGED = '{"timestamp":"2026-01-01T00:00:00Z","level":"info","event":"payment.settled","decision":"granted"}'
BREAKS = ["\n", "\r", "\r\n", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1b[2K\x1b[1A", "\x00"]


@pytest.fixture
def ada(telegram: SandboxServer) -> Json:
    return telegram.create_user("Ada", started=True)


@pytest.fixture(scope="module")
def on_postgresql(
    telegram: SandboxServer, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("on-postgresql")
    with postgres.database() as url, Service(folder, telegram.url, {"DATABASE_URL": url}) as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def either_service(request: pytest.FixtureRequest) -> Service:
    running: Service = request.getfixturevalue("service" if request.param == "sqlite" else "on_postgresql")
    return running


def in_every_field(user: Json, text: str, payload: str) -> list[Json]:
    """Updates with this text wherever Telegram lets somebody write."""
    person = {
        "id": user["id"],
        "is_bot": False,
        "first_name": text,
        "last_name": text,
        "username": text,
        "language_code": text,
    }
    chat = {"id": user["id"], "type": "private", "first_name": text, "title": text}
    said = {"message_id": 1, "date": 1_700_000_000, "from": person, "chat": chat}
    paid = payment(user["id"], payload, charge=charge_id())
    paid["message"] |= {"from": person, "chat": chat}
    paid["message"]["successful_payment"] |= {"provider_payment_charge_id": text, "order_info": {"name": text}}
    stray = payment(user["id"], text, charge="".join(c for c in text if "!" <= c <= "~") + secrets.token_hex(4))
    asked = pre_checkout(user["id"], text)
    asked["pre_checkout_query"] |= {"from": person}
    contents: list[Json] = [
        *({"message": said | {"text": f"/{command} {text}"}} for command in ("start", "buy", "status", "x")),
        {"message": said | {"text": f"/start buy_{text}"}},
        {"message": said | {"text": text}},
        {"message": said | {"text": f"/buy@{text} x"}},
        *(
            {"callback_query": {"id": "1", "from": person, "chat_instance": text, "data": data, "message": said}}
            for data in (text, f"m:{user['id']}:{text}", f"s:{user['id']}:{text}", f"x:{user['id']}:{text}")
        ),
        {text: said, "edited_message": said | {"text": text}},
    ]
    return [*({"update_id": update_id()} | content for content in contents), asked, stray, paid]


def in_every_parameter(service: Service, client: httpx.Client, text: str) -> list[httpx.Response]:
    """The same text wherever a caller of the API may write."""
    header = quote(text, safe=" ;'()*=")
    told = {"X-Request-Id": header, "User-Agent": header, "Idempotency-Key": header}
    body: Json = {"plan_code": "gold_1m"}
    asked = [client.post(SEND, json=body | {name: text}, headers=told) for name in ("plan_code", "method", "bot")]
    asked += [client.post(SEND, json={text: text}, headers=told)]
    asked += [
        client.get("/api/v1/me/payments", params={name: text}, headers=told) for name in ("cursor", "limit", text)
    ]
    with service.as_service() as other:
        where = quote(text, safe="")
        asked += [
            other.get(f"/internal/v1/users/{where}/entitlements", headers=told),
            other.get(f"/internal/v1/users/4711/features/{where}", headers=told),
            other.get(f"/internal/v1/users/4711/features/signals?as_of={where}", headers=told),
        ]
        asked += [other.post(f"/api/v1/telegram/{where}/webhook", headers=told)]
    return asked


@pytest.mark.threat(31)
def test_sql_in_any_field_is_nothing_but_text(either_service: Service, telegram: SandboxServer) -> None:
    service = either_service
    for text in SQL:
        user = telegram.create_user("Ada", started=True)
        updates = in_every_field(user, text, offered(service, telegram, user))
        with as_telegram(service) as bring:
            assert {bring(update).status_code for update in updates} == {200}
        with service.as_user(user["id"]) as client:
            assert {answer.status_code for answer in in_every_parameter(service, client, text)} <= {200, 400, 404, 422}
            told = client.get("/api/v1/me/payments").json()["items"]
        assert sorted(kept["status"] for kept in told) == ["granted", "quarantined"]
        kept = rows(
            service,
            "SELECT payload, provider_charge_id FROM payments WHERE user_id = ? ORDER BY status DESC",
            user["id"],
        )
        as_it_lies = text.replace("\\", "\\\\")
        assert kept[0][0] == as_it_lies
        assert kept[1][1] == as_it_lies
        assert service.allowed(user["id"], "signals")
    assert rows(service, "SELECT count(*) FROM payments WHERE status = 'granted'") == [(len(SQL),)]
    assert rows(service, "SELECT count(*) FROM entitlements") == [(len(SQL),)]
    assert not service.log_lines("request.failed")


@pytest.mark.threat(33)
def test_no_line_break_from_outside_begins_a_line_of_the_log(
    service: Service, telegram: SandboxServer, ada: Json
) -> None:
    payload = offered(service, telegram, ada)
    with service.as_user(ada["id"]) as client, as_telegram(service) as bring:
        for end in BREAKS:
            text = f"gold{end}{FORGED}{end}"
            assert {bring(update).status_code for update in in_every_field(ada, text, payload)} == {200}
            in_every_parameter(service, client, text)
    lines = service.log_text().split("\n")
    assert lines.pop() == ""
    assert len(lines) > 50
    for line in lines:
        told = json.loads(line)
        assert {"timestamp", "level", "event"} <= told.keys()
        assert line.isprintable(), ascii(line)
    settled = [line for line in service.log_lines("payment.settled") if line.get("user_id") == ada["id"]]
    assert len(settled) == 1
    assert all(line.get("user_id") for line in service.log_lines("payment.settled"))


@pytest.mark.threat(33)
def test_a_request_id_from_outside_is_taken_only_where_it_is_plain(service: Service) -> None:
    for odd in ("a b", 'x","event":"payment.settled', "é".encode().decode("latin-1"), "a" * 65, "", "%0a", "<b>"):
        answer = httpx.get(f"{service.url}/health/live", headers={b"X-Request-Id": odd.encode("latin-1")}, timeout=10)
        assert answer.headers.get_list("x-request-id") != [odd]
        assert answer.headers["x-request-id"].startswith("req_")
    answer = httpx.get(f"{service.url}/health/live", headers={"X-Request-Id": "mine-1.a_B"}, timeout=10)
    assert answer.headers["x-request-id"] == "mine-1.a_B"


CANARIES = {
    "TELEGRAM_BOT_TOKEN": "7000003:CANARY-bot-token-CANARY-bot-token-CANARY",
    "TELEGRAM_BOT_TOKENS_JSON": json.dumps({"second": "7000004:CANARY-second-token-CANARY-second-token"}),
    "TELEGRAM_WEBHOOK_SECRET": "CANARY-webhook-secret-1,CANARY-webhook-secret-2",
    "TELEGRAM_PAYMENT_PROVIDER_TOKEN": "284685063:TEST:CANARYprovidertoken",
    "AUTH_JWT_SECRET": "CANARY-jwt-secret-CANARY-jwt-secret-CANARY",
    "INVOICE_SIGNING_KEYS": "CANARY-signing-key-1-CANARY-signing-key,CANARY-signing-key-2-CANARY-signing-key",
    "LOG_LEVEL": "DEBUG",
    "INVOICE_TTL_SECONDS": "120",
}


@pytest.mark.threat(34)
def test_no_secret_is_seen_in_any_output_whatever_goes_wrong(
    telegram: SandboxServer, postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every secret bears CANARY in it: wherever that shows, one has got out."""
    monkeypatch.setattr("tests.integration.service.JWT_SECRET", CANARIES["AUTH_JWT_SECRET"])
    name = postgres.create_database()
    address = postgres.url(name).replace("tollgram@", "tollgram:CANARYpassword@")
    secret = {SECRET_HEADER: "CANARY-webhook-secret-1"}
    seen: list[str] = []
    presented: list[str] = []
    with Service(tmp_path, telegram.url, CANARIES | {"DATABASE_URL": address}) as service:
        telegram.set_webhook(service.webhook, secret="CANARY-webhook-secret-1", token=CANARIES["TELEGRAM_BOT_TOKEN"])
        ada = telegram.create_user("Ada", started=True)
        token = service.token(ada["id"])
        init_data = telegram.init_data(ada, bot=7_000_003)
        presented += [token, token.rsplit(".", 1)[1], init_data, init_data.partition("hash=")[2][:64]]

        def try_all() -> None:
            for authorization in (f"Bearer {token}", f"Bearer {token}x", f"tma {init_data}", f"tma {init_data}0", "x"):
                with httpx.Client(base_url=service.url, headers={"Authorization": authorization}, timeout=20) as client:
                    asked = [
                        client.post(SEND, json={"plan_code": plan, "method": method})
                        for plan, method in (("gold_1m", "stars"), ("gold_1m", "telegram"), ("nothing", "stars"))
                    ]
                    asked += [client.get(path) for path in ("/api/v1/me/payments", "/internal/v1/users/1/entitlements")]
                    asked += [client.post(service.webhook, content=b"{"), client.get("/health/ready")]
                    asked += [client.get(path) for path in ("/metrics", "/schema", "/schema/openapi.json", "/x")]
                    seen.extend(str(answer.headers) + answer.text for answer in asked)
            for update in (pre_checkout(ada["id"], "x"), payment(ada["id"], "x", charge=charge_id())):
                answer = httpx.post(service.webhook, json=update, headers=secret, timeout=20)
                seen.append(answer.text)
            seen.append(service.deliver({"update_id": 1}, secret="CANARY-webhook-secret").text)

        def commands(*of: str) -> None:
            for command in of:
                ran = service.run(*command.split(), check=False)
                seen.append(ran.stdout + ran.stderr)

        try_all()
        telegram.wait_idle()
        payload = telegram.invoice_payload(ada, telegram.last_invoice(ada)["message_id"])
        presented += [payload, payload.rsplit(".", 1)[1]]
        httpx.post(service.webhook, json=payment(ada["id"], payload, charge=charge_id()), headers=secret, timeout=20)
        httpx.post(service.webhook, json={"update_id": 1, "poll": {}}, headers=secret, timeout=20)
        commands("doctor", "webhook set", "webhook info --json")
        for fault in ({"api_5xx": 6}, {"api_429": 6}, {"api_resets": 6}, {"api_lose_replies": 6}):
            telegram.faults(**fault)
            try_all()
        telegram.faults(down=True)
        commands("doctor", "webhook set")
        telegram.faults()
        postgres.drop_database(name)
        try_all()
        commands("doctor --json", "migrate")
        service.stop()
        seen.append(service.log_text())
        wrong_settings = {
            "TELEGRAM_BOT_TOKEN": "CANARY",
            "TELEGRAM_BOT_TOKENS_JSON": '{"main": "CANARY"',
            "TELEGRAM_WEBHOOK_SECRET": "CANARY !",
            "AUTH_JWT_SECRET": "CANARY",
            "INVOICE_SIGNING_KEYS": "CANARY",
            "DATABASE_URL": "mysql://x:CANARY@host/x",
            "TELEGRAM_API_BASE": "CANARY",
            "PUBLIC_URL": "http://x:CANARY@x/?CANARY",
        }
        ran = Service(tmp_path, telegram.url, {**service.settings, **wrong_settings}).run("serve", check=False)
        assert ran.returncode == 2
        assert [setting for setting in wrong_settings if setting not in ran.stderr] == []
        seen.append(ran.stdout + ran.stderr)
    assert any("telegram_precheck_total" in text for text in seen)
    assert any('"level":"debug"' in text for text in seen)
    for text in seen:
        where = text.find("CANARY")
        assert where < 0, text[max(0, where - 300) : where + 100]
        for given in presented:
            assert given not in text, text[max(0, text.find(given) - 300) :][:400]


@pytest.mark.threat(34)
def test_what_telegram_told_of_a_payer_is_not_in_the_log(service: Service, telegram: SandboxServer, ada: Json) -> None:
    update = payment(ada["id"], offered(service, telegram, ada), charge=(charge := charge_id()))
    update["message"]["successful_payment"]["order_info"] = {"name": "CANARYname", "email": "CANARY@example.com"}
    update["message"]["from"]["first_name"] = "CANARYfirst"
    assert service.deliver(update).status_code == 200
    line = only([line for line in service.log_lines("payment.settled") if line["charge_id"] == charge])
    assert line["request_id"]
    eventually(lambda: "Gold" in telegram.last_text(ada))
    assert "CANARY" not in service.log_text()
    set_webhook(telegram, service)
