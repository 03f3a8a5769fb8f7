"""What the API answers where all is well: to everybody, to users, to services and to operators."""

import re

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.buying import buy, invoice_for, newcomer, rows
from tests.integration.sandbox_server import Json, SandboxServer
from tests.integration.service import LOOPBACK, WEBHOOK_SECRET, Service, eventually, free_port, only

RFC_3339_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def lives(service: Service) -> bool:
    try:
        return LOOPBACK.get(f"{service.url}/health/live").is_success
    except httpx.TransportError:
        return False


def page(service: Service, user_id: int, **query: object) -> Json:
    with service.as_user(user_id) as client:
        answer: Json = client.get("/api/v1/me/payments", params=dict(query)).raise_for_status().json()  # type: ignore[arg-type]
        return answer


@pytest.fixture(scope="module")
def payer(telegram: SandboxServer, service: Service) -> int:
    """Somebody with seven payments."""
    payer = newcomer(telegram)
    for number in range(7):
        telegram.forge_payment(payer, amount=100 + number, payload="not ours")
    return payer


def test_the_catalog_is_for_everybody_and_names_only_prices_that_can_be_paid(service: Service) -> None:
    answer = LOOPBACK.get(f"{service.url}/api/v1/catalog")

    assert answer.status_code == 200
    plans = {plan["plan_code"]: plan for plan in answer.json()["plans"]}
    assert list(plans) == ["gold_1m", "day_pass", "founder", "pounds_only"]
    assert plans["gold_1m"] == {
        "plan_code": "gold_1m",
        "title": "Gold, 1 month",
        "description": "Signals and copy trading",
        "features": ["signals", "copy_trading"],
        "limits": {"max_devices": 3},
        "duration": "1 month",
        "prices": [
            {"method": "stars", "amount": 1250, "currency": "XTR"},
            {"method": "telegram", "amount": 2500, "currency": "GBP"},
        ],
    }
    assert plans["founder"]["duration"] == "lifetime"
    assert plans["day_pass"]["prices"] == [{"method": "stars", "amount": 75, "currency": "XTR"}]


def test_an_invoices_end_is_told_in_utc(service: Service, telegram: SandboxServer) -> None:
    assert RFC_3339_UTC.fullmatch(invoice_for(service, newcomer(telegram))["expires_at"])


def test_a_payment_tells_all_that_the_user_may_know(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    bought = buy(service, telegram, ada)
    telegram.refund(bought.charge_id)
    telegram.wait_idle()
    payment = only(page(service, ada)["items"])

    assert payment.pop("payment_id").startswith("pay_")
    assert RFC_3339_UTC.fullmatch(payment.pop("paid_at"))
    assert RFC_3339_UTC.fullmatch(payment.pop("refunded_at"))
    assert payment == {
        "invoice_id": bought.invoice["invoice_id"],
        "plan_code": "gold_1m",
        "method": "stars",
        "amount": 1250,
        "currency": "XTR",
        "status": "refunded",
    }


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 8, 200])
def test_page_after_page_tells_every_payment_once_newest_first(service: Service, payer: int, limit: int) -> None:
    pages = [page(service, payer, limit=limit)]
    while cursor := pages[-1]["next_cursor"]:
        pages.append(page(service, payer, limit=limit, cursor=cursor))

    amounts = [payment["amount"] for one in pages for payment in one["items"]]
    assert amounts == [106, 105, 104, 103, 102, 101, 100]
    assert len(pages) == -(-7 // limit)
    assert all(len(one["items"]) <= limit for one in pages)


def test_a_payment_that_comes_in_between_moves_no_page(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    for amount in (1, 2, 3):
        telegram.forge_payment(ada, amount=amount, payload="not ours")
    first = page(service, ada, limit=2)
    telegram.forge_payment(ada, amount=4, payload="not ours")
    second = page(service, ada, limit=2, cursor=first["next_cursor"])

    assert [payment["amount"] for payment in (*first["items"], *second["items"])] == [3, 2, 1]


def test_a_cursor_shows_nobody_elses_payments(service: Service, telegram: SandboxServer, payer: int) -> None:
    cursor = page(service, payer, limit=1)["next_cursor"]

    assert page(service, newcomer(telegram, "Mallory"), cursor=cursor) == {"items": [], "next_cursor": None}


@pytest.mark.parametrize("limit", ["0", "201", "-1", "1.5", "ten", "", "٣", "1" * 30, "+5", " 5"])
def test_a_limit_out_of_bounds_is_refused(service: Service, payer: int, limit: str) -> None:
    with service.as_user(payer) as client:
        answer = client.get("/api/v1/me/payments", params={"limit": limit})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert "limit" in answer.json()["detail"]


@pytest.mark.parametrize("cursor", ["x", "AAAA", "💎", "' OR 1=1 --", "a" * 5000])
def test_a_cursor_that_is_none_of_ours_is_refused(service: Service, payer: int, cursor: str) -> None:
    with service.as_user(payer) as client:
        answer = client.get("/api/v1/me/payments", params={"cursor": cursor})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


def test_a_service_sees_of_a_user_what_the_user_sees(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    buy(service, telegram, ada)
    with service.as_service("entitlements:read") as other, service.as_user(ada) as user:
        theirs = other.get(f"/internal/v1/users/{ada}/entitlements")

        assert theirs.status_code == 200
        assert theirs.json() == user.get("/api/v1/me/entitlements").json()


def test_one_scope_among_several_is_enough(service: Service) -> None:
    with service.as_service("payments:read", "entitlements:read", "events:read") as client:
        assert client.get("/internal/v1/users/7/features/signals").json()["allowed"] is False


def test_a_feature_may_have_any_name_up_to_64_letters(service: Service) -> None:
    with service.as_service() as client:
        for name in ("a" * 64, "copy-trading.v2", "%F0%9F%92%8E", "%27%20OR%201%3D1"):
            assert client.get(f"/internal/v1/users/7/features/{name}").json()["allowed"] is False
        assert client.get(f"/internal/v1/users/7/features/{'a' * 65}").status_code == 400


def test_it_lives_and_is_ready(service: Service) -> None:
    for address in ("/health/live", "/health/ready"):
        answer = LOOPBACK.get(service.url + address)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok", "missing": []})


def test_with_a_schema_of_another_version_it_lives_but_is_not_ready(service: Service) -> None:
    newest = only(rows(service, "SELECT version_num FROM alembic_version"))["version_num"]
    rows(service, "UPDATE alembic_version SET version_num = '0000_ancient'")
    try:
        ready, live = (LOOPBACK.get(f"{service.url}/health/{what}") for what in ("ready", "live"))
    finally:
        rows(service, "UPDATE alembic_version SET version_num = ?", newest)

    assert (ready.status_code, live.status_code) == (503, 200)
    assert ready.json()["status"] == "unavailable"
    assert "tollgram migrate" in only(ready.json()["missing"])


def test_while_the_database_is_away_it_lives_but_is_not_ready(telegram: SandboxServer, service: Service) -> None:
    """Also from the start: a database that comes up later than the service is no reason to fall over."""
    away = f"postgresql://tollgram:secret@127.0.0.1:{free_port()}/tollgram"
    folder = service.folder / "away"
    folder.mkdir()
    (folder / "catalog.toml").write_text((service.folder / "catalog.toml").read_text())
    alone = Service(folder, telegram.url, {"DATABASE_URL": away})
    try:
        alone.start(ready=False)
        eventually(lambda: lives(alone))
        live, ready = (LOOPBACK.get(f"{alone.url}/health/{what}", timeout=10) for what in ("live", "ready"))
        catalog = LOOPBACK.get(f"{alone.url}/api/v1/catalog")
    finally:
        alone.stop()

    assert (live.status_code, ready.status_code, catalog.status_code) == (200, 503, 200)
    assert ready.json() == {"status": "unavailable", "missing": ["the database can't be reached"]}


def test_metrics_are_text_that_prometheus_reads(service: Service) -> None:
    answer = LOOPBACK.get(f"{service.url}/metrics")

    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    kinds = {family.name: family.type for family in text_string_to_metric_families(answer.text)}
    assert kinds["telegram_payments"] == "counter"
    assert kinds["telegram_payment_processing_seconds"] == "histogram"
    assert kinds["telegram_payments_pending"] == kinds["outbox_pending"] == "gauge"


@pytest.mark.parametrize("path", ["/schema", "/billing/done", "/billing/cancelled", "/billing/returned"])
def test_a_page_names_its_encoding_once(service: Service, path: str) -> None:
    page = LOOPBACK.get(service.url + path, headers={"Accept": "text/html"})

    assert page.headers["Content-Type"] == "text/html; charset=utf-8"


def test_where_no_passports_are_set_up_there_are_none(service: Service) -> None:
    with service.as_user(1) as user, service.as_service() as other:
        answers = [
            user.get("/api/v1/me/passport"),
            other.post("/internal/v1/users/1/passport"),
            LOOPBACK.get(f"{service.url}/.well-known/jwks.json"),
            LOOPBACK.get(f"{service.url}/.well-known/revocations"),
        ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(404, "not_found")] * 4
    assert LOOPBACK.get(f"{service.url}/api/v1/me/passport").status_code == 401


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        pytest.param("/internal/v1/users/7/features/signals", {}, id="a check"),
        pytest.param("/internal/v1/users/0/features/signals", {}, id="a check of nobody"),
        pytest.param("/internal/v1/users/7/features/" + "x" * 65, {}, id="a check of too long a name"),
        pytest.param("/internal/v1/users/7/features/signals", {"Authorization": "Bearer none"}, id="by nobody"),
        pytest.param(
            "/api/v1/telegram/main/webhook", {"X-Telegram-Bot-Api-Secret-Token": "wrong"}, id="a false update"
        ),
        pytest.param("/api/v1/telegram/unknown/webhook", {}, id="an update of no bot of ours"),
        pytest.param("/api/v1/telegram/main/webhook", {"Content-Encoding": "gzip"}, id="a compressed update"),
        pytest.param("/api/v1/telegram/main/webhook", {}, id="an update"),
    ],
)
def test_the_short_way_and_the_framework_s_answer_the_same(
    service: Service, path: str, headers: dict[str, str]
) -> None:
    """A slash at the end is one more way to write an address, and none that the short way knows."""
    by_telegram = path.startswith("/api")
    given = {
        "X-Telegram-Bot-Api-Secret-Token": WEBHOOK_SECRET,
        "Authorization": f"Bearer {service.token('some-service', 'entitlements:read')}",
        "X-Request-Id": "the-same",
        **headers,
    }
    method, body = ("POST", b'{"update_id": 1}') if by_telegram else ("GET", b"")

    short, long = (
        LOOPBACK.request(method, f"{service.url}{path}{end}", headers=given, content=body) for end in ("", "/")
    )

    assert (short.status_code, short.content) == (long.status_code, long.content)
    assert _told(short) == _told(long)
    assert short.headers["X-Request-Id"] == "the-same"


def _told(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name != "date"}


def test_addresses_of_the_short_way_take_no_other_method(service: Service) -> None:
    for path, allowed in (("/api/v1/telegram/main/webhook", "POST"), ("/internal/v1/users/7/features/signals", "GET")):
        answer = LOOPBACK.delete(f"{service.url}{path}")

        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
        assert allowed in answer.headers["Allow"]


def test_an_odd_host_is_refused_on_the_short_way_too(service: Service) -> None:
    token = service.token("some-service", "entitlements:read")
    headers = {"Host": "a b", "Authorization": f"Bearer {token}"}

    answer = LOOPBACK.get(f"{service.url}/internal/v1/users/7/features/signals", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
