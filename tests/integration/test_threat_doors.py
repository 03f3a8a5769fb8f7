"""What is for operators stays behind the scenes, what is compressed stays outside, and names do nothing."""

import gzip
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.integration.buying import buy, newcomer, payments_of, rows, settled, told
from tests.integration.conftest import set_webhooks
from tests.integration.proxies import PROXIES, in_front_of
from tests.integration.sandbox_server import SandboxServer
from tests.integration.service import LOOPBACK, WEBHOOK_SECRET, Service, eventually
from tests.integration.stripe_buying import stripe_settings

BEHIND_THE_SCENES = ("/metrics", "/metrics/", "//metrics", "/schema", "/schema/openapi.json")
NOT_FROM_OUTSIDE = (*BEHIND_THE_SCENES, "/health/ready", "/console", "/internal/v1/payments", "/api/v2", "/.env", "/")
FROM_OUTSIDE = {
    "/api/v1/catalog": 200,
    "/api/v1/me/payments": 401,
    "/billing/done": 200,
    "/schema/reference.css": 200,
    "/.well-known/jwks.json": 404,
}
OUTSIDE, INSIDE = "203.0.113.9", "10.1.2.3"


@pytest.fixture(scope="module")
def service(telegram: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    settings = stripe_settings(telegram.stripe)
    with Service(tmp_path_factory.mktemp("doors"), telegram.url, settings) as running:
        set_webhooks(telegram, running)
        yield running


@pytest.mark.threat(35)
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([("X-Forwarded-For", OUTSIDE)], id="from outside"),
        pytest.param([("X-Forwarded-For", f"127.0.0.1, {OUTSIDE}")], id="who says it was from inside"),
        pytest.param([("X-Forwarded-For", "10.0.0.1"), ("X-Forwarded-For", OUTSIDE)], id="in a second header"),
        pytest.param([("X-Forwarded-For", "nobody")], id="an address that is none"),
        pytest.param([("X-Real-IP", OUTSIDE)], id="as another proxy tells it"),
        pytest.param([("Forwarded", f"for={OUTSIDE}")], id="as RFC 7239 tells it"),
        pytest.param([("X-Forwarded-For", "2001:db8::9")], id="over IPv6"),
    ],
)
def test_through_a_proxy_that_hands_on_everything_figures_and_description_are_not_there(
    service: Service, headers: list[tuple[str, str]]
) -> None:
    nothing = LOOPBACK.get(f"{service.url}/nothing-here", headers=headers)
    for path in BEHIND_THE_SCENES:
        answer = LOOPBACK.get(f"{service.url}{path}", headers=headers)
        assert (answer.status_code, answer.json()) == (404, nothing.json()), path
    assert LOOPBACK.get(f"{service.url}/schema/reference.css", headers=headers).status_code == 200


@pytest.mark.threat(35)
@pytest.mark.parametrize("inside", ["127.0.0.1", INSIDE, "::1", "::ffff:10.1.2.3", "fd00::1"])
def test_from_a_network_of_one_s_own_they_are(service: Service, inside: str) -> None:
    for path in ("/metrics", "/schema", "/schema/openapi.json"):
        assert LOOPBACK.get(f"{service.url}{path}").status_code == 200
        assert LOOPBACK.get(f"{service.url}{path}", headers={"X-Forwarded-For": inside}).status_code == 200


@pytest.fixture(params=PROXIES)
def outside(request: pytest.FixtureRequest, service: Service, tmp_path: Path) -> Iterator[httpx.Client]:
    """Whoever calls through a proxy as the documents configure it; no more than addresses is changed."""
    with in_front_of(service, str(request.param), tmp_path) as client:
        yield client


@pytest.mark.threat(35)
def test_through_the_proxies_that_we_describe_only_the_shop_is_reached(outside: httpx.Client, service: Service) -> None:
    for path in NOT_FROM_OUTSIDE:
        assert outside.get(path).status_code == 404, path
    for path, status in FROM_OUTSIDE.items():
        assert outside.get(path).status_code == status, path
    headers = {"X-Telegram-Bot-Api-Secret-Token": WEBHOOK_SECRET}
    webhook = service.webhook.removeprefix(service.url)
    assert outside.post(webhook, content=b'{"update_id": 1}', headers=headers).status_code == 200
    with suppress(httpx.TransportError):  # a proxy may hang up before who still sends has read the refusal
        # Caddy before 2.7 calls it 502.
        assert outside.post(webhook, content=b" " * ((1 << 20) + 1), headers=headers).status_code in {413, 502}
    big = b'{"update_id": 2}'.ljust(1 << 20)
    assert outside.post(webhook, content=big, headers=headers).status_code == 200


@pytest.mark.threat(47)
@pytest.mark.parametrize("path", ["telegram/main/webhook", "billing/stripe/webhook", "telegram/payment/send-invoice"])
def test_a_body_that_is_really_compressed_is_refused_and_leaves_nothing(service: Service, path: str) -> None:
    bomb = gzip.compress(b'{"update_id": 1, "x": "' + b"0" * (64 << 20) + b'"}')
    with service.as_user(4711) as client:
        answer = client.post(
            f"/api/v1/{path}",
            content=bomb,
            headers={
                "Content-Encoding": "gzip",
                "Content-Type": "application/json",
                "X-Telegram-Bot-Api-Secret-Token": WEBHOOK_SECRET,
            },
        )

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert rows(service, "SELECT 1 FROM inbox") == []


@pytest.mark.threat(18)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("<b>Eve</b><a href='https://evil.example'>win</a>", id="HTML"),
        pytest.param("*Eve* _x_ [win](https://evil.example) `", id="Markdown"),
        pytest.param("Eve\u202egnp.exe\u202c", id="right-to-left"),
        pytest.param("\u200b\u2060\ufeff", id="no width at all"),
        pytest.param("{$plan} { -brand } %s {0}", id="places for words"),
    ],
)
def test_whatever_somebody_is_called_they_buy_and_the_bot_says_what_it_says_to_anybody(
    service: Service, telegram: SandboxServer, name: str
) -> None:
    eve, ada = newcomer(telegram, name[:64]), newcomer(telegram, "Ada")
    for user in (eve, ada):
        for said in ("/start", "/plans", name, "/status", "/help"):
            telegram.say(user, said)
        settled(telegram)
        buy(service, telegram, user)
        told(telegram, user, "Gold, 1 month")

    def heard(user: int) -> list[tuple[str, int]]:
        """The invoice is sent by a way of its own, and may stand anywhere between them."""
        said = [message for message in telegram.bot_messages(user) if "text" in message]
        return [(message["text"], len(message.get("entities", ()))) for message in said]

    eventually(lambda: len(heard(eve)) == len(heard(ada)))
    assert heard(eve) == heard(ada)
    assert [one["status"] for one in payments_of(service, eve)] == ["granted"]
