"""What is for operators stays behind the scenes, what is compressed stays outside, and names do nothing."""

import gzip
import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.integration.buying import buy, newcomer, payments_of, rows, settled, told
from tests.integration.conftest import set_webhooks
from tests.integration.sandbox_server import SandboxServer
from tests.integration.service import LOOPBACK, ROOT, WEBHOOK_SECRET, Service, eventually, free_port
from tests.integration.stripe_buying import stripe_settings

DEPLOY = ROOT / "deploy"
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


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "shop.example.org")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("certificate")
    plain = serialization.NoEncryption()
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "privkey.pem").write_bytes(key.private_bytes(pem, form, plain))
    (folder / "fullchain.pem").write_bytes(made.public_bytes(pem))
    return folder


@pytest.fixture(params=["nginx", "caddy"])
def outside(
    request: pytest.FixtureRequest, service: Service, certificate: Path, tmp_path: Path
) -> Iterator[httpx.Client]:
    """Whoever calls through a proxy as the documents configure it; no more than addresses is changed."""
    program = str(request.param)
    if not shutil.which(program):
        pytest.skip(f"no {program} on this machine")
    port = free_port()
    upstream = service.url.removeprefix("http://")
    if program == "nginx":
        command, scheme = _nginx(tmp_path, certificate, upstream, port), "https"
    else:
        command, scheme = _caddy(tmp_path, upstream, port), "http"
    homes = dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"), str(tmp_path))
    with (tmp_path / "proxy.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **homes})
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    try:
        with httpx.Client(base_url=f"{scheme}://127.0.0.1:{port}", verify=trusting, trust_env=False) as client:
            eventually(lambda: _answers(client))
            yield client
    finally:
        process.terminate()
        process.wait(60)


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/").status_code == 404
    except httpx.TransportError:
        return False


def _nginx(folder: Path, certificate: Path, upstream: str, port: int) -> list[str]:
    given = (DEPLOY / "nginx.conf").read_text()
    for name, ours in {
        "127.0.0.1:8000": upstream,
        "listen 80;": f"listen 127.0.0.1:{free_port()};",
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "/etc/ssl/shop.example.org": str(certificate),
    }.items():
        assert name in given
        given = given.replace(name, ours)
    (folder / "tollgram.conf").write_text(given)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root; " if os.geteuid() == 0 else ""  # so that it may write into the test's own folder
    (folder / "whole.conf").write_text(
        f"{user}daemon off; worker_processes 1; pid {folder}/pid; error_log stderr; events {{}}\n"
        f"http {{ access_log off; {temporary} include {folder}/tollgram.conf; }}\n"
    )
    command = ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(folder / "whole.conf")]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert "test is successful" in checked.stderr, checked.stderr
    return command


def _caddy(folder: Path, upstream: str, port: int) -> list[str]:
    given = (DEPLOY / "Caddyfile").read_text()
    assert "\nshop.example.org {" in given
    given = given.replace("127.0.0.1:8000", upstream)
    given = given.replace("\nshop.example.org {", f"\nhttp://127.0.0.1:{port} {{\n\tbind 127.0.0.1")
    (folder / "Caddyfile").write_text("{\n\tadmin off\n}\n" + given)
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


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
