"""Nobody gets in where they do not belong: false tokens, other people's data, other scopes, too many at once."""

import base64
import hashlib
import hmac
import itertools
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl, quote, urlencode

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from adapters.passports.rotation import rotate
from entrypoints.http.app import ROUTES
from tests.integration.conftest import set_webhook
from tests.integration.sandbox_server import BOT_TOKEN, Json, SandboxServer
from tests.integration.service import JWT_SECRET, LOOPBACK, Service
from tests.integration.test_threat_forged_updates import charge_id, offered, payment, pre_checkout, rows

SEND = "/api/v1/telegram/payment/send-invoice"
LINK = "/api/v1/telegram/payment/invoice-link"
OTHER_BOT = "7000009:AAE-sandbox-token-of-a-strange-bot-00"
SCOPES = ["entitlements:read", "entitlements:write", "payments:read", "payments:refund", "events:read"]
HANDS = 32
DAY_S = 86_400


@pytest.fixture(scope="module")
def service(telegram: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One with passports, so that every address that there can be is there."""
    folder = tmp_path_factory.mktemp("service")
    rotate(folder / "keys.json", datetime.now(UTC))
    with Service(folder, telegram.url, {"PASSPORT_KEYS": str(folder / "keys.json")}) as running:
        set_webhook(telegram, running)
        yield running


@pytest.fixture
def ada(telegram: SandboxServer) -> Json:
    return telegram.create_user("Ada", started=True)


@pytest.fixture
def bob(telegram: SandboxServer) -> Json:
    return telegram.create_user("Bob", started=True)


def b64(data: bytes | str) -> str:
    return base64.urlsafe_b64encode(data.encode() if isinstance(data, str) else data).rstrip(b"=").decode()


def claims(subject: Any = "4711", **changed: Any) -> Json:
    """What a good token says, with some of it changed; None takes a claim away."""
    now = int(time.time())
    good = {"sub": subject, "aud": "tollgram", "iat": now, "exp": now + 600, "scope": " ".join(SCOPES)}
    return {name: value for name, value in (good | changed).items() if value is not None}


def written(head: Json, said: Json, key: bytes) -> str:
    """A token by hand, signed with HMAC whatever its header says."""
    signed = f"{b64(json.dumps(head))}.{b64(json.dumps(said))}"
    return f"{signed}.{b64(hmac.digest(key, signed.encode(), hashlib.sha256))}"


def admitted(service: Service, token: str, scheme: str = "Bearer") -> bool:
    """Whether any door opened; every other answer must be a plain 401."""
    doors = ["/api/v1/me/payments", "/internal/v1/users/4711/entitlements"]
    answers = [
        httpx.get(service.url + door, headers={b"Authorization": f"{scheme} {token}".strip().encode()}, timeout=10)
        for door in doors
    ]
    codes = {answer.status_code for answer in answers}
    assert codes <= {200, 401}, [answer.text for answer in answers]
    assert all(answer.json()["code"] == "unauthenticated" for answer in answers if answer.status_code == 401)
    return 200 in codes


# ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class _Lure(BaseHTTPRequestHandler):
    """Where a token's jku would lead; it must never be asked."""

    asked: ClassVar[list[str]] = []

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(404)
        self.end_headers()


@pytest.fixture(scope="module")
def lure() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Lure)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def with_keys(
    telegram: SandboxServer, key: rsa.RSAPrivateKey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service that knows its callers by public keys. Somebody left a shared secret among them by mistake."""
    folder = tmp_path_factory.mktemp("with-keys")
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    shared = {"kty": "oct", "kid": "shared", "k": b64(JWT_SECRET)}
    (folder / "jwks.json").write_text(json.dumps({"keys": [public | {"kid": "ours"}, shared]}))
    settings = {"AUTH_JWT_SECRET": "", "AUTH_JWKS": str(folder / "jwks.json"), "AUTH_JWT_ISSUER": "https://id.example"}
    with Service(folder, telegram.url, settings) as running:
        yield running


@pytest.mark.threat(20)
@pytest.mark.parametrize("algorithm", ["none", "NONE", "nOnE", "", "HS1", "RS256", "ES256", "HS512", None, 5])
def test_a_token_that_names_another_algorithm_is_refused(service: Service, algorithm: Any) -> None:
    said = claims()
    head = {"typ": "JWT", "alg": algorithm} if algorithm is not None else {"typ": "JWT"}
    unsigned = f"{b64(json.dumps(head))}.{b64(json.dumps(said))}."
    assert not admitted(service, unsigned)
    assert not admitted(service, unsigned[:-1])
    assert not admitted(service, written(head, said, JWT_SECRET.encode()))
    assert admitted(service, written({"typ": "JWT", "alg": "HS256"}, said, JWT_SECRET.encode()))


@pytest.mark.threat(20)
@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "...", "a.b.c", "\xff.\xfe.x", b64("[" * 5000) + ".e30.x", "e30." + b64('{"a":' * 1500) + ".x"],
    ids=["empty", "one dot", "two dots", "three dots", "letters", "not ASCII", "a deep header", "deep claims"],
)
def test_what_is_no_token_at_all_is_refused_in_good_order(service: Service, token: str) -> None:
    answer = httpx.get(
        service.url + "/api/v1/me/payments",
        headers={b"Authorization": f"Bearer {token}".strip().encode("latin-1")},
        timeout=10,
    )
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


@pytest.mark.threat(20)
def test_a_token_of_any_length_is_refused_before_it_is_read(service: Service) -> None:
    token = written({"alg": "HS256"}, claims(padding="x" * 9000), JWT_SECRET.encode())
    assert not admitted(service, token)


@pytest.mark.threat(20)
def test_a_public_key_is_no_shared_secret(with_keys: Service, key: rsa.RSAPrivateKey) -> None:
    said = claims(iss="https://id.example")
    assert admitted(with_keys, jwt.encode(said, key, algorithm="RS256", headers={"kid": "ours"}))
    public = key.public_key()
    formats = serialization.PublicFormat
    forms = [
        public.public_bytes(serialization.Encoding.PEM, formats.SubjectPublicKeyInfo),
        public.public_bytes(serialization.Encoding.PEM, formats.SubjectPublicKeyInfo).strip(),
        public.public_bytes(serialization.Encoding.PEM, formats.PKCS1),
        public.public_bytes(serialization.Encoding.DER, formats.SubjectPublicKeyInfo),
        (with_keys.folder / "jwks.json").read_bytes(),
        b"",
    ]
    heads: list[Json] = [{"alg": "HS256", "kid": "ours"}, {"alg": "HS256"}, {"alg": "RS256", "kid": "ours"}]
    for secret, head in itertools.product(forms, heads):
        assert not admitted(with_keys, written(head, said, secret))


@pytest.mark.threat(20)
def test_a_shared_secret_among_public_keys_is_never_believed(with_keys: Service) -> None:
    said = claims(iss="https://id.example")
    for head in (
        {"alg": "HS256", "kid": "shared"},
        {"alg": "HS512", "kid": "shared"},
        {"alg": "none", "kid": "shared"},
    ):
        assert not admitted(with_keys, written(head, said, JWT_SECRET.encode()))


@pytest.mark.threat(20)
def test_a_token_never_says_where_its_key_is(with_keys: Service, key: rsa.RSAPrivateKey, lure: str) -> None:
    foreign = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(foreign.public_key()))
    said = claims(iss="https://id.example")
    heads: list[Json] = [
        {"kid": "ours"},
        {"kid": "ours", "jku": f"{lure}/jwks.json"},
        {"kid": "ours", "x5u": f"{lure}/cert.pem"},
        {"kid": "ours", "jwk": jwk},
        {"kid": "ours", "x5c": ["AAAA"]},
        {"kid": f"{lure}/jwks.json"},
        {"kid": "/dev/null"},
        {"kid": "../../../../dev/null"},
        {"kid": "' OR 1=1 --"},
        {"kid": ""},
        {"crit": ["exp"], "kid": "ours"},
        {},
    ]
    for head in heads:
        assert not admitted(with_keys, jwt.encode(said, foreign, algorithm="RS256", headers=head)), head
    for kid in (None, 5, ["ours"], {"ours": 1}, True):
        signed = f"{b64(json.dumps({'alg': 'RS256', 'kid': kid}))}.{b64(json.dumps(said))}"
        assert not admitted(with_keys, f"{signed}.{b64(b'x' * 256)}"), kid
    assert _Lure.asked == []


@pytest.mark.threat(21)
@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"exp": 1}, id="expired long ago"),
        pytest.param({"exp": int(time.time()) - 1}, id="expired just now"),
        pytest.param({"exp": None}, id="for ever"),
        pytest.param({"exp": "tomorrow"}, id="an end in words"),
        pytest.param({"exp": str(int(time.time()) + 600)}, id="an end as a text"),
        pytest.param({"exp": True}, id="an end that is true"),
        pytest.param({"exp": [int(time.time()) + 600]}, id="an end in a list"),
        pytest.param({"nbf": int(time.time()) + 7200}, id="not valid yet"),
        pytest.param({"nbf": "x"}, id="a beginning in words"),
        pytest.param({"iat": int(time.time()) + 7200}, id="issued in the future"),
        pytest.param({"aud": "somebody-else"}, id="for another audience"),
        pytest.param({"aud": ["a", "b"]}, id="for two others"),
        pytest.param({"aud": None}, id="for nobody"),
        pytest.param({"aud": ""}, id="for an empty audience"),
        pytest.param({"aud": {"tollgram": 1}}, id="for an object"),
        pytest.param({"aud": 5}, id="for a number"),
        pytest.param({"sub": None}, id="of nobody"),
    ],
)
def test_a_token_out_of_its_time_or_place_is_refused(service: Service, changed: Json) -> None:
    said = claims(**changed)
    assert not admitted(service, written({"typ": "JWT", "alg": "HS256"}, said, JWT_SECRET.encode()))


@pytest.mark.threat(21)
@pytest.mark.parametrize("issuer", [None, "", "https://id.example/", "https://evil.example", ["https://id.example"], 5])
def test_a_token_of_another_issuer_is_refused(with_keys: Service, key: rsa.RSAPrivateKey, issuer: Any) -> None:
    said = claims() | ({} if issuer is None else {"iss": issuer})
    signed = f"{b64(json.dumps({'alg': 'RS256', 'kid': 'ours'}))}.{b64(json.dumps(said))}"
    rs256 = jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256)
    assert not admitted(with_keys, f"{signed}.{b64(rs256.sign(signed.encode(), key))}")


@pytest.mark.threat(21)
@pytest.mark.parametrize(
    "subject",
    [
        *(
            "",
            "0",
            "-1",
            "007",
            "4711 ",
            "+4711",
            "4711.0",
            "1e3",
            "٤٧١١",
            "4503599627370496",
            "9" * 40,
            "ada",
            "4711,12",
        ),
        *("4711\n", 4711, 47.0, True, None, ["4711"], {"id": "4711"}),
    ],
)
def test_an_odd_subject_is_no_user(service: Service, subject: Any) -> None:
    token = written({"alg": "HS256"}, claims(subject), JWT_SECRET.encode())
    for method, path in (("GET", "/api/v1/me/payments"), ("GET", "/api/v1/me/entitlements"), ("POST", SEND)):
        answer = httpx.request(
            method,
            service.url + path,
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            content=b'{"plan_code":"gold_1m"}' if method == "POST" else None,
            timeout=10,
        )
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


@pytest.mark.threat(21)
@pytest.mark.parametrize(
    "headers",
    [
        [],
        ["Basic NDcxMTp4"],
        ["Bearer"],
        ["tma"],
        ["Bearer {token}", "Bearer {token}"],
        ["Bearer {token}, Bearer {token}"],
        ["Bearer Bearer {token}"],
        ["Token {token}"],
    ],
)
def test_one_plain_authorization_header_is_needed(service: Service, headers: list[str]) -> None:
    sent = [("Authorization", header.format(token=service.token(4711))) for header in headers]
    answer = httpx.get(service.url + "/api/v1/me/payments", headers=sent, timeout=10)
    assert answer.status_code == 401
    by_query = httpx.get(f"{service.url}/api/v1/me/payments", params={"access_token": service.token(4711)}, timeout=10)
    assert by_query.status_code == 401


def operations(service: Service) -> list[tuple[str, str, Json]]:
    document = httpx.get(f"{service.url}/schema/openapi.json", timeout=10).json()
    return [
        (method.upper(), path, told) for path, told_of in document["paths"].items() for method, told in told_of.items()
    ]


@pytest.mark.threat(22)
def test_whatever_a_user_asks_for_only_their_own_is_answered(
    service: Service, telegram: SandboxServer, ada: Json, bob: Json
) -> None:
    charges = [charge_id() for _ in range(3)]
    for charge, plan, amount in zip(charges, ("gold_1m", "day_pass", "founder"), (1250, 75, 25000), strict=True):
        update = payment(ada["id"], offered(service, telegram, ada, plan), charge=charge, amount=amount)
        assert service.deliver(update).status_code == 200
    with service.as_user(ada["id"]) as client:
        hers = client.get("/api/v1/me/payments", params={"limit": 1}).json()
        cursor = hers["next_cursor"]
        ids = re.findall(
            r"(?:inv|pay|ent)_[0-9a-f]{32}",
            client.get("/api/v1/me/payments").text + client.get("/api/v1/me/entitlements").text,
        )
    assert cursor
    assert len(set(ids)) == 9
    curious: list[Json] = [
        {},
        {"user_id": ada["id"]},
        {"sub": ada["id"]},
        {"cursor": cursor},
        {"cursor": cursor, "limit": 200, "user_id": ada["id"]},
    ]
    tried = 0
    with service.as_user(bob["id"]) as client:
        for method, path, told in operations(service):
            if method != "GET" or {"user": []} not in told["security"]:
                continue
            for query in curious:
                headers = {"X-User-Id": str(ada["id"]), "X-Forwarded-User": str(ada["id"])}
                answer = client.get(path, params=query, headers=headers)
                assert answer.status_code == 200, answer.text
                assert not [id for id in (*ids, *charges, str(ada["id"])) if id in answer.text]
                tried += 1
        for path in (SEND, LINK):
            assert client.post(path, json={"plan_code": "gold_1m", "user_id": ada["id"]}).status_code == 400
    assert tried >= 10
    assert not service.allowed(bob["id"], "signals")
    for user_id in (ada["id"], bob["id"]):
        with service.as_user(bob["id"]) as client:
            assert client.get(f"/internal/v1/users/{user_id}/entitlements").status_code == 403


@pytest.mark.threat(22)
def test_nobody_cancels_or_buys_with_the_buttons_of_another(
    service: Service, telegram: SandboxServer, ada: Json, bob: Json
) -> None:
    payload = offered(service, telegram, ada)
    ((invoice_id,),) = rows(service, "SELECT id FROM invoices WHERE user_id = ?", ada["id"])
    message_id = telegram.last_invoice(ada)["message_id"]
    telegram.say(bob, "/start")
    telegram.wait_idle()
    of_bob = telegram.bot_messages(bob)[-1]["message_id"]
    number = invoice_id.removeprefix("inv_")
    for data in (f"x:{ada['id']}:{number}", f"x:{bob['id']}:{number}", f"s:{ada['id']}:day_pass"):
        telegram.press(bob, of_bob, data=data)
    telegram.press(bob, message_id, data=f"x:{ada['id']}:{number}", chat_id=ada["id"])
    telegram.wait_idle()
    assert rows(service, "SELECT cancelled_at FROM invoices WHERE id = ?", invoice_id) == [(None,)]
    assert rows(service, "SELECT count(*) FROM invoices WHERE user_id IN (?, ?)", ada["id"], bob["id"]) == [(1,)]
    assert service.deliver(pre_checkout(ada["id"], payload)).json()["ok"] is True


ANYBODY, A_USER, BY_SECRET = "anybody", "a user", "whoever has the provider's secret"
FOR_PEOPLE = ("/billing/done", "/billing/cancelled", "/billing/returned")
OF_THE_DOCUMENT = ("/schema", "/schema/openapi.json", "/schema/reference.css")
FOR_OPERATORS = ("/health/live", "/health/ready", "/metrics")
# Whom each address is for: another list than the one that the document is made of, since both could be wrong together.
WHOSE: dict[tuple[str, str], str] = {
    **{("GET", path): ANYBODY for path in (*FOR_PEOPLE, *OF_THE_DOCUMENT, *FOR_OPERATORS, "/api/v1/catalog")},
    ("GET", "/.well-known/jwks.json"): ANYBODY,
    ("GET", "/.well-known/revocations"): ANYBODY,
    ("POST", "/api/v1/telegram/{bot}/webhook"): BY_SECRET,
    ("POST", "/api/v1/telegram/webhook"): BY_SECRET,
    ("POST", "/api/v1/billing/stripe/webhook"): BY_SECRET,
    ("POST", SEND): A_USER,
    ("POST", LINK): A_USER,
    ("POST", "/api/v1/billing/checkout"): A_USER,
    ("POST", "/api/v1/billing/portal"): A_USER,
    ("GET", "/api/v1/me/entitlements"): A_USER,
    ("GET", "/api/v1/me/payments"): A_USER,
    ("GET", "/api/v1/me/passport"): A_USER,
    ("GET", "/internal/v1/users/{user_id}/entitlements"): "entitlements:read",
    ("GET", "/internal/v1/users/{user_id}/features/{feature}"): "entitlements:read",
    ("POST", "/internal/v1/features/check"): "entitlements:read",
    ("POST", "/internal/v1/users/{user_id}/passport"): "entitlements:read",
    ("POST", "/internal/v1/users/{user_id}/entitlements"): "entitlements:write",
    ("POST", "/internal/v1/entitlements/{entitlement_id}/revoke"): "entitlements:write",
    ("GET", "/internal/v1/payments"): "payments:read",
    ("GET", "/internal/v1/payments/export"): "payments:read",
    ("GET", "/internal/v1/payments/{payment_id}"): "payments:read",
    ("GET", "/internal/v1/payment-events"): "payments:read",
    ("GET", "/internal/v1/payment-events/export"): "payments:read",
    ("POST", "/internal/v1/payments/{payment_id}/refund"): "payments:refund",
    ("POST", "/internal/v1/payments/{payment_id}/resolve"): "payments:refund",
    ("GET", "/internal/v1/events"): "events:read",
}
NAMED = {"user_id": 4711, "feature": "signals", "bot": "main", "payment_id": "pay_x", "entitlement_id": "ent_x"}


def routes() -> list[tuple[str, str]]:
    """Every address of the application with every method that it takes, from the application itself."""
    return sorted(
        (str(method), re.sub(r"\{(\w+):\w+\}", r"{\1}", path))
        for route in ROUTES
        for path in route.paths
        for method in route.http_methods
    )


def near(scope: str) -> list[str]:
    """Scopes that look like it, each alone."""
    return [
        scope.upper(),
        f"{scope}s",
        scope.split(":", maxsplit=1)[0],
        f"{scope}:x",
        "*",
        "admin",
        scope.replace(":", " "),
    ]


@pytest.mark.threat(23)
def test_every_route_is_known_to_be_somebodys() -> None:
    assert set(routes()) <= set(WHOSE), "say in WHOSE whom a new route is for"
    assert set(SCOPES) == set(WHOSE.values()) - {ANYBODY, A_USER, BY_SECRET}


@pytest.mark.threat(22, 23)
def test_every_route_opens_to_whom_it_is_for_and_to_nobody_else(
    service: Service, telegram: SandboxServer, ada: Json
) -> None:
    bearer = {
        "a user": service.token(ada["id"]),
        "a user's token with every scope misspelt": service.token(ada["id"], *(near(SCOPES[0]) + near(SCOPES[2]))),
        **{scope: service.token("some-service", scope) for scope in SCOPES},
        **{f"all but {scope}": service.token("a-service", *(s for s in SCOPES if s != scope)) for scope in SCOPES},
        **{f"near {scope}": service.token("a-service", *near(scope)) for scope in SCOPES},
        "a service without a scope": service.token("some-service"),
    }
    callers = {name: {"Authorization": f"Bearer {token}"} for name, token in bearer.items()}
    callers["a Mini App"] = {"Authorization": f"tma {telegram.init_data(ada)}"}
    callers["nobody"] = {}
    opened: dict[tuple[str, str], set[str]] = {}
    with httpx.Client(base_url=service.url, timeout=20, verify=False) as client:
        for method, path in routes():
            opened[method, path] = set()
            for name, headers in callers.items():
                body: Json | None = {} if method == "POST" else None
                answer = client.request(method, path.format(**NAMED), json=body, headers=headers)
                if answer.status_code in (401, 403):
                    known = WHOSE[method, path] in SCOPES and name in bearer
                    expected = (403, "forbidden") if known else (401, "unauthenticated")
                    assert (answer.status_code, answer.json()["code"]) == expected, (method, path, name)
                else:
                    opened[method, path].add(name)
    users = {"a user", "a user's token with every scope misspelt", "a Mini App"}
    for (method, path), found in opened.items():
        match WHOSE[method, path]:
            case "anybody":
                assert found == set(callers), path
            case "a user":
                assert found == users, path
            case "whoever has the provider's secret":
                # Stripe is not set up here: its address is as if it were not there.
                assert found == (set(callers) if "stripe" in path else set()), path
            case scope:
                others = {f"all but {other}" for other in SCOPES if other != scope}
                assert found == {scope, *others}, path


@pytest.mark.threat(23)
@pytest.mark.parametrize("scope", [["entitlements:read"], {"entitlements:read": True}, None, 1, "entitlements:read,x"])
def test_a_scope_that_is_not_a_text_with_spaces_opens_nothing(service: Service, scope: Any) -> None:
    token = written({"alg": "HS256"}, claims() | {"scope": scope}, JWT_SECRET.encode())
    headers = {"Authorization": f"Bearer {token}"}
    answer = httpx.get(service.url + "/internal/v1/users/1/entitlements", headers=headers, timeout=10)
    assert answer.status_code == 403


@pytest.mark.threat(23)
def test_every_address_is_described_and_whoever_comes_with_nothing_is_sent_away(service: Service) -> None:
    for method, path, told in operations(service):
        address = path.format(**NAMED)
        answer = httpx.request(method, service.url + address, json={} if method == "POST" else None, timeout=10)
        if {"stripe": []} in told["security"]:
            assert answer.status_code == 404, path  # it is not set up here
        elif told["security"]:
            assert answer.status_code == 401, path
        else:
            assert answer.status_code == 200, path
    with service.as_user(4711) as client:
        for tried in ("TRACE", "CONNECT", "PROPFIND", "DELETE", "PUT", "PATCH"):
            assert client.request(tried, "/api/v1/me/payments").status_code in (400, 405), tried


@pytest.mark.threat(24)
def test_of_500_purchases_at_once_from_everywhere_exactly_5_are_admitted(
    service: Service, telegram: SandboxServer, ada: Json
) -> None:
    token = service.token(ada["id"])
    limits = httpx.Limits(max_connections=HANDS)
    with httpx.Client(base_url=service.url, timeout=60, limits=limits) as client, ThreadPoolExecutor(HANDS) as hands:

        def attempt(number: int) -> httpx.Response:
            somewhere = f"10.{number % 7}.{number % 251}.{number % 13}"
            headers = {
                "Authorization": f"Bearer {token}",
                "X-Forwarded-For": f"{somewhere}, 127.0.0.1",
                "X-Real-IP": somewhere,
                "Forwarded": f"for={somewhere}",
                "User-Agent": f"agent {number}",
                "X-Request-Id": f"n{number}",
            }
            plan = ("gold_1m", "day_pass", "founder")[number % 3]
            return client.post((SEND, LINK)[number % 2], json={"plan_code": plan}, headers=headers)

        answers = list(hands.map(attempt, range(500)))
    assert Counter(answer.status_code for answer in answers) == {200: 5, 429: 495}
    refused = [answer for answer in answers if answer.status_code == 429]
    assert all(1 <= int(answer.headers["Retry-After"]) <= 60 for answer in refused)
    assert {answer.json()["code"] for answer in refused} == {"rate_limited"}
    assert rows(service, "SELECT count(*) FROM invoices WHERE user_id = ?", ada["id"]) == [(5,)]
    telegram.press(ada, telegram.last_invoice(ada)["message_id"], data=f"s:{ada['id']}:gold_1m")
    telegram.wait_idle()
    assert rows(service, "SELECT count(*) FROM invoices WHERE user_id = ?", ada["id"]) == [(5,)], "the chat counts too"


@pytest.mark.threat(25)
def test_a_foreign_host_changes_nothing_in_any_answer(service: Service, ada: Json) -> None:
    foreign = {
        "Host": "evil.example:666",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "gopher",
        "X-Original-URL": "/metrics",
        "X-Rewrite-URL": "/metrics",
        "Forwarded": "host=evil.example;proto=gopher",
    }
    token = {"Authorization": f"Bearer {service.token(ada['id'], *SCOPES)}"}
    changing = ("date", "x-request-id")
    paths = [path.format(**NAMED) for _, path, _ in operations(service)]
    for path in (*paths, "/schema", "/schema/reference.css", "/nowhere", "/schema/", "//evil.example/"):
        if path == "/metrics":
            continue
        for method in ("GET", "POST"):
            plain, other = (
                LOOPBACK.request(method, service.url + path, headers=headers)
                for headers in (token | {"Accept": "text/html"}, token | {"Accept": "text/html"} | foreign)
            )
            assert (plain.status_code, lasting(plain)) == (other.status_code, lasting(other)), path
            told = [
                [(name, value) for name, value in answer.headers.items() if name not in changing]
                for answer in (plain, other)
            ]
            assert told[0] == told[1]
            assert "evil" not in lasting(other)
            assert "evil" not in other.text.replace("//evil.example/", "")
            assert "location" not in other.headers


def lasting(answer: httpx.Response) -> str:
    """What it says, but for what is of the moment in a passport or in a list of revocations: when, and its own id."""
    if not (signed := re.search(r'"(?:passport|revocations)":"([^"]+)"', answer.text)):
        return answer.text
    said: Json = jwt.decode(signed[1], options={"verify_signature": False})
    return str({name: said[name] for name in said if name not in ("iat", "exp", "jti", "since")})


def forged(init_data: str, **changed: str) -> str:
    """The same fields and hash, with some changed."""
    return urlencode(dict(parse_qsl(init_data)) | changed, quote_via=quote)


@pytest.mark.threat(40)
def test_init_data_that_is_forged_stale_or_of_another_bot_opens_nothing(
    service: Service, telegram: SandboxServer, ada: Json, bob: Json
) -> None:
    telegram.call("getMe", token=OTHER_BOT)
    good = telegram.init_data(ada)
    now = int(time.time())
    fields = dict(parse_qsl(good))
    unsigned = "&".join(f"{quote(name)}={quote(value)}" for name, value in fields.items() if name != "hash")
    check = "\n".join(f"{name}={value}" for name, value in sorted(fields.items()) if name != "hash").encode()
    wrong_keys = [BOT_TOKEN.encode(), b"", b"WebAppData", hashlib.sha256(BOT_TOKEN.encode()).digest()]
    bad = {
        "another user": forged(good, user=json.dumps({"id": bob["id"], "first_name": "Bob"})),
        "another time": forged(good, auth_date=str(now + 1)),
        "a field more": good + "&chat_type=private",
        "a field less": "&".join(pair for pair in good.split("&") if not pair.startswith("query_id")),
        "no hash": unsigned,
        "an empty hash": unsigned + "&hash=",
        "two hashes": good + "&hash=" + fields["hash"],
        "a hash in capitals": unsigned + "&hash=" + fields["hash"].upper(),
        "the user twice": good + "&user=" + quote(fields["user"]),
        "stale": telegram.init_data(ada, auth_date=now - DAY_S - 5),
        "from the future": telegram.init_data(ada, auth_date=now + 3600),
        "of another bot": telegram.init_data(ada, bot=7_000_009),
        "of a bot": telegram.init_data(ada, extra={"user": json.dumps({"id": 5, "is_bot": True, "first_name": "x"})}),
        "of a user 0": telegram.init_data(ada, extra={"user": json.dumps({"id": 0, "first_name": "x"})}),
        "of user true": telegram.init_data(ada, extra={"user": '{"id": true, "first_name": "x"}'}),
        "two ids": telegram.init_data(ada, extra={"user": f'{{"id": 5, "id": {ada["id"]}, "first_name": "x"}}'}),
        "deep": telegram.init_data(ada, extra={"user": "[" * 2000}),
        "long": good + "&x=" + "y" * 20_000,
        "many fields": good + "&a=1" * 500,
        "not UTF-8": good + "&x=%ff",
        "nothing": "",
        **{
            f"signed with {key!r:.20}": unsigned + "&hash=" + hmac.new(key, check, hashlib.sha256).hexdigest()
            for key in wrong_keys
        },
    }
    assert len({good, *bad.values()}) == len(bad) + 1
    for what, init_data in bad.items():
        assert not admitted(service, init_data, "tma"), what
    for init_data in (good, telegram.init_data(ada, auth_date=now - DAY_S + 60)):
        headers = {"Authorization": f"tma {init_data}"}
        answer = httpx.get(service.url + "/api/v1/me/entitlements", headers=headers, timeout=10)
        assert answer.json()["user_id"] == ada["id"]
        services = httpx.get(f"{service.url}/internal/v1/users/{ada['id']}/entitlements", headers=headers, timeout=10)
        assert services.status_code == 401


@pytest.mark.threat(52)
def test_ids_follow_no_sequence_and_have_80_bits_that_nobody_knows(service: Service, telegram: SandboxServer) -> None:
    users = [telegram.create_user(f"Buyer {number}", started=True) for number in range(40)]

    def buys(user: Json) -> list[str]:
        payload = offered(service, telegram, user)
        assert service.deliver(payment(user["id"], payload, charge=charge_id())).status_code == 200
        with service.as_user(user["id"]) as client:
            told = client.get("/api/v1/me/payments").text + client.get("/api/v1/me/entitlements").text
        return re.findall(r"(?:inv|pay|ent)_([0-9a-f]{32})", told)

    with ThreadPoolExecutor(4) as hands:
        ids = [id for found in hands.map(buys, users) for id in found]
    assert len(ids) == len(set(ids)) == 120
    unknown = [int(id[12:], 16) for id in ids]
    assert len(set(unknown)) == 120
    steps = {later - earlier for earlier, later in itertools.pairwise(sorted(unknown))}
    assert len(steps) == 119, "no two are equally far apart"
    assert min(steps) > 2**40
    for bit in range(80):
        # 120 throws of a coin: fewer than 25 heads or tails come once in 10^10.
        assert 25 <= sum(number >> bit & 1 for number in unknown) <= 95, bit


@pytest.mark.threat(52)
def test_whoever_guesses_an_id_learns_nothing_from_any_address(
    service: Service, telegram: SandboxServer, ada: Json
) -> None:
    offered(service, telegram, ada)
    ((invoice_id,),) = rows(service, "SELECT id FROM invoices WHERE user_id = ?", ada["id"])
    with service.as_user(4711) as client:
        for path in (
            f"/api/v1/invoices/{invoice_id}",
            f"/api/v1/telegram/payment/{invoice_id}",
            f"/api/v1/me/payments/{invoice_id}",
            f"/internal/v1/payments/{invoice_id}",
        ):
            answer = client.get(path)
            assert answer.status_code in (403, 404), path
            assert invoice_id not in answer.text


def test_the_keys_that_verify_tokens_are_read_before_the_service_starts(tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_text("{}")
    service = Service(tmp_path, "http://127.0.0.1:1", {"AUTH_JWT_SECRET": "", "AUTH_JWKS": str(tmp_path / "jwks.json")})
    (tmp_path / "catalog.toml").write_text(
        '[plans.a]\ntitle="A"\ndescription="A"\nfeatures=["a"]\nduration="1 day"\nprices={XTR=1}\n'
    )
    ended = service.run("serve", "--port", str(service.port), check=False)
    assert ended.returncode != 0
    assert "AUTH_JWKS" in ended.stderr + ended.stdout
