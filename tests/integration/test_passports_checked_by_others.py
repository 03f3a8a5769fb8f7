"""Passports as others check them: by the examples of docs/passports.md, as they stand there."""

import hashlib
import hmac
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import Page

from adapters.clock import SystemClock
from adapters.passports.key_file import PassportKeyFile, read_keys
from adapters.passports.key_set import PassportKey
from adapters.passports.rotation import rotate
from adapters.passports.signer import Ed25519Signer
from adapters.sql.work import SqlUnitOfWork
from application.passports import ListRevocations
from domain.ids import PassportId, UserId
from domain.passport import Passport, mark
from tests.builders import ALICE, BOB, MALLORY, entitlement
from tests.integration.browser import chromium
from tests.integration.buying import buy, newcomer
from tests.integration.conftest import set_webhook
from tests.integration.sandbox_server import Json, SandboxServer
from tests.integration.service import LOOPBACK, ROOT, Service, eventually
from tests.integration.transactions import undone

pytest_plugins = ["tests.integration.databases"]

PAGE = (ROOT / "docs" / "passports.md").read_text()
MINE = "/api/v1/me/passport"
Read = Callable[[str], Json]
"""Gives the claims. Raises Refused."""


class Refused(Exception):
    pass


def example(language: str, service: Service) -> str:
    """How a passport is checked, and then what ended early."""
    code = "\n\n".join(blocks(language))
    assert "https://shop.example.org" in code
    return code.replace("https://shop.example.org", service.url)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("language", ["python", "js"])
def test_ten_lines_are_enough_to_check_a_passport(language: str) -> None:
    checks, _listed = blocks(language)

    lines = [line for line in checks.splitlines() if line.strip()]
    assert len(lines) <= 10
    assert max(len(line) for line in lines) <= 140


def names_of(service: Service) -> Json:
    """What the example in Python defines, as one who has just started."""
    names: Json = {}
    exec(compile(example("python", service), "the example in Python", "exec"), names)
    return names


@pytest.fixture(scope="module")
def service(telegram: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("passports")
    rotate(folder / "keys.json", datetime.now(UTC))
    with Service(folder, telegram.url, {"PASSPORT_KEYS": str(folder / "keys.json")}) as running:
        set_webhook(telegram, running)
        yield running


@pytest.fixture(scope="module")
def in_python(service: Service) -> Json:
    return names_of(service)


@pytest.fixture(scope="module")
def in_javascript(service: Service) -> Iterator[Page]:
    with chromium() as browser:
        page = browser.new_page()
        page.goto(f"{service.url}/health/live")
        page.add_script_tag(content=example("js", service))
        yield page


@pytest.fixture(params=["python", "javascript"])
def read(request: pytest.FixtureRequest, service: Service) -> Read:
    if request.param == "python":
        names = request.getfixturevalue("in_python")

        def by_python(token: str) -> Json:
            try:
                claims: Json = names["read"](token)
            except jwt.PyJWTError as problem:
                raise Refused(repr(problem)) from None
            return claims

        return by_python
    page = request.getfixturevalue("in_javascript")
    keys = published(service)

    def by_javascript(token: str) -> Json:
        claims: Json = in_the_page(page, "read(given.token, given.keys)", {"token": token, "keys": keys})
        return claims

    return by_javascript


def in_the_page(page: Page, asked: str, given: Mapping[str, Any]) -> Any:
    script = f"async (given) => {{ try {{ return [await {asked}] }} catch (problem) {{ return String(problem) }} }}"
    answer = page.evaluate(script, given)
    if isinstance(answer, str):
        raise Refused(answer)
    return answer[0]


def published(service: Service) -> list[Json]:
    keys: list[Json] = LOOPBACK.get(f"{service.url}/.well-known/jwks.json").raise_for_status().json()["keys"]
    return keys


def passport_of(service: Service, user_id: int) -> str:
    with service.as_user(user_id) as client:
        return str(client.get(MINE).raise_for_status().json()["passport"])


def key_of(service: Service) -> PassportKey:
    return read_keys(service.folder / "keys.json").signing(datetime.now(UTC))


class TestWhatIsAccepted:
    def test_a_passport_says_what_was_bought(self, service: Service, telegram: SandboxServer, read: Read) -> None:
        ada = newcomer(telegram)
        buy(service, telegram, ada)
        with service.as_user(ada) as client:
            answer = client.get(MINE)
        said = read(answer.json()["passport"])

        assert (said["iss"], said["aud"], said["sub"]) == (service.url, "tollgram-passport", str(ada))
        assert (said["features"], said["limits"]) == (["signals", "copy_trading"], {"max_devices": 3})
        assert said["exp"] - said["iat"] == 300
        assert len(said["rights"]) == 1
        assert datetime.fromisoformat(answer.json()["expires_at"]).timestamp() == said["exp"]
        assert answer.headers["Cache-Control"] == "no-store"

    def test_another_service_gets_it_for_the_user(self, service: Service, telegram: SandboxServer, read: Read) -> None:
        ada = newcomer(telegram)
        buy(service, telegram, ada, "day_pass")
        with service.as_service("entitlements:read") as client:
            answer = client.post(f"/internal/v1/users/{ada}/passport")
            unknown = client.post("/internal/v1/users/1/passport")

        assert (answer.status_code, read(answer.json()["passport"])["features"]) == (200, ["signals"])
        assert read(unknown.json()["passport"])["features"] == []

    def test_the_keys_are_public_and_may_be_kept_for_five_minutes(self, service: Service) -> None:
        answer = LOOPBACK.get(f"{service.url}/.well-known/jwks.json")

        assert answer.headers["Cache-Control"] == "public, max-age=300"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        (key,) = answer.json()["keys"]
        assert set(key) == {"kty", "crv", "x", "kid", "use", "alg"}
        private = json.loads((service.folder / "keys.json").read_text())["keys"][0]["d"]
        assert private not in answer.text
        assert private not in service.log_text()


def b64(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def by_hand(head: Json, said: Json, sign: Callable[[bytes], bytes]) -> str:
    signed = f"{b64(json.dumps(head).encode())}.{b64(json.dumps(said).encode())}"
    return f"{signed}.{b64(sign(signed.encode()))}"


def forgeries(service: Service, good: Json) -> Mapping[str, str]:
    """What must be refused, all of it as near to a good one as can be."""
    key = key_of(service)
    public = key.private.public_key()
    head = {"alg": "EdDSA", "kid": key.id, "typ": "passport+jwt"}
    ours = key.private.sign

    def hmac_by(secret: bytes) -> Callable[[bytes], bytes]:
        return lambda text: hmac.digest(secret, text, hashlib.sha256)

    signature = by_hand(head, good, ours).split(".")
    richer = b64(json.dumps({**good, "features": ["everything"]}).encode())
    now = int(datetime.now(UTC).timestamp())
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return {
        "no algorithm": by_hand({**head, "alg": "none"}, good, lambda _: b""),
        "no algorithm, but signed": by_hand({**head, "alg": "none"}, good, ours),
        "HS256 by the public key": by_hand({**head, "alg": "HS256"}, good, hmac_by(public.public_bytes_raw())),
        "HS256 by its text": by_hand({**head, "alg": "HS256"}, good, hmac_by(key.public["x"].encode())),
        "HS256 by its PEM": by_hand({**head, "alg": "HS256"}, good, hmac_by(pem)),
        "another algorithm's name": by_hand({**head, "alg": "ES256"}, good, ours),
        "somebody else's key": by_hand(head, good, Ed25519PrivateKey.generate().sign),
        "a kid of nobody": by_hand({**head, "kid": "nobody"}, good, ours),
        "no kid": by_hand({"alg": "EdDSA"}, good, ours),
        "a key that it brings along": by_hand({**head, "kid": "mine", "jwk": dict(key.public)}, good, ours),
        "other claims": f"{signature[0]}.{richer}.{signature[2]}",
        "another header": f"{b64(json.dumps({**head, 'x': 1}).encode())}.{signature[1]}.{signature[2]}",
        "half a signature": ".".join([*signature[:2], signature[2][:43]]),
        "no signature": ".".join([*signature[:2], ""]),
        "nothing": "",
        "expired": by_hand(head, {**good, "iat": now - 310, "exp": now - 10}, ours),
        "no end": by_hand(head, {name: good[name] for name in good if name != "exp"}, ours),
        "of another service": by_hand(head, {**good, "iss": "https://other.example"}, ours),
        "for our API": by_hand(head, {**good, "aud": "tollgram"}, ours),
        "a list of revocations": LOOPBACK.get(f"{service.url}/.well-known/revocations").json()["revocations"],
        "a token of our API": service.token(good["sub"], "entitlements:read"),
    }


@pytest.mark.threat(20, 21)
def test_what_is_no_passport_of_ours_is_refused(service: Service, read: Read) -> None:
    token = passport_of(service, ALICE)
    good = read(token)
    key = key_of(service)
    rebuilt = by_hand({"alg": "EdDSA", "kid": key.id, "typ": "passport+jwt"}, good, key.private.sign)
    assert read(rebuilt) == good
    accepted = []
    for name, forged in forgeries(service, good).items():
        try:
            read(forged)
        except Refused:
            continue
        accepted.append(name)

    assert accepted == []


class TestNoTokenOfOurs:
    @pytest.mark.threat(20, 23)
    def test_a_passport_opens_nothing_here(self, service: Service) -> None:
        with service._client(passport_of(service, ALICE)) as client:
            answers = [
                client.get("/api/v1/me/entitlements"),
                client.get(MINE),
                client.get(f"/internal/v1/users/{ALICE}/entitlements"),
                client.post(f"/internal/v1/users/{ALICE}/passport"),
            ]

        assert [answer.status_code for answer in answers] == [401] * 4

    @pytest.mark.threat(22, 23)
    def test_nobody_gets_the_passport_of_another(self, service: Service, read: Read) -> None:
        with service.as_user(MALLORY) as client:
            answers = [client.post(f"/internal/v1/users/{ALICE}/passport"), client.get(f"{MINE}?user_id={ALICE}")]
        with service.as_service("payments:read", "entitlements:write") as client:
            without_scope = client.post(f"/internal/v1/users/{ALICE}/passport")
            without_token = LOOPBACK.get(service.url + MINE)

        assert (answers[0].status_code, without_scope.status_code, without_token.status_code) == (403, 403, 401)
        assert read(answers[1].json()["passport"])["sub"] == str(MALLORY)


def revoked(service: Service, in_python: Json) -> set[str]:
    found: set[str] = in_python["revoked"]()
    return found


class TestWhatEndedEarly:
    @pytest.mark.threat(26)
    def test_a_right_that_was_given_back_is_on_the_list_by_the_time_that_we_say_no(
        self, service: Service, telegram: SandboxServer, in_python: Json, in_javascript: Page
    ) -> None:
        ada, bob = newcomer(telegram), newcomer(telegram)
        bought = buy(service, telegram, ada)
        buy(service, telegram, bob)
        before, of_bob = in_python["read"](passport_of(service, ada)), in_python["read"](passport_of(service, bob))
        telegram.refund(bought.charge_id)
        eventually(lambda: not service.allowed(ada, "signals"))

        # Where somebody has just asked, the list is two seconds old at most.
        eventually(lambda: set(before["rights"]) <= revoked(service, in_python))
        listed = revoked(service, in_python)
        assert not set(of_bob["rights"]) & listed
        assert in_python["read"](passport_of(service, ada))["features"] == []
        keys = {"keys": published(service)}
        assert set(in_the_page(in_javascript, "revoked(given.keys).then((found) => [...found])", keys)) == listed

    def test_the_list_names_nobody_and_says_how_far_back_it_goes(self, service: Service) -> None:
        answer = LOOPBACK.get(f"{service.url}/.well-known/revocations")
        token = answer.json()["revocations"]
        said = json.loads(urlsafe_b64decode(token.split(".")[1] + "=="))

        assert set(said) == {"iss", "aud", "iat", "exp", "since", "revoked"}
        assert (said["iss"], said["aud"]) == (service.url, "tollgram-revocations")
        assert said["exp"] - said["iat"] == 60
        assert 600 <= said["iat"] - said["since"] <= 601
        assert all(re.fullmatch(r"[A-Za-z0-9_-]{16}", one) for one in said["revoked"])
        assert answer.headers["Cache-Control"] == "public, max-age=5"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"

    @pytest.mark.parametrize(
        ("since", "status"),
        [
            pytest.param("2026-11-28T12:00:00Z", 200, id="a time"),
            pytest.param("2026-11-28T14:00:00+02:00", 200, id="a time elsewhere"),
            pytest.param("0001-01-01T00:00:00Z", 200, id="the first of all"),
            pytest.param("9999-12-31T23:59:59Z", 200, id="the last of all"),
            pytest.param("2026-11-28T12:00:00", 400, id="a time without zone"),
            pytest.param("yesterday", 400, id="a word"),
            pytest.param("1764331200", 400, id="a number"),
            pytest.param("", 400, id="nothing"),
        ],
    )
    def test_since_is_a_time_with_its_zone(self, service: Service, since: str, status: int) -> None:
        answer = LOOPBACK.get(f"{service.url}/.well-known/revocations", params={"since": since})

        assert answer.status_code == status, answer.text


def marks(work: SqlUnitOfWork, signer: Ed25519Signer, asked: datetime | None) -> tuple[Sequence[str], datetime]:
    told, _ = ListRevocations(work, SystemClock(), signer)(asked)
    return told.marks, told.issued_at


@pytest.mark.threat(51)
def test_what_is_committed_after_a_later_list_is_on_the_next_one(sql_work: SqlUnitOfWork, tmp_path: Path) -> None:
    """A transaction notes the time at which it began; others may commit, and ask, before it is through."""
    rotate(tmp_path / "keys.json", datetime.now(UTC))
    signer = Ed25519Signer(PassportKeyFile(tmp_path / "keys.json", print), "https://shop.example")
    slow, quick = entitlement(name="slow", payment_id=None), entitlement(name="quick", payment_id=None, user_id=BOB)
    now = datetime.now(UTC)
    with sql_work.begin() as tx:
        tx.entitlements.add([slow, quick])
    with sql_work.begin() as late:
        late.entitlements.end([entitlement(name="slow", revoked_at=now - timedelta(seconds=40))])
        seen, asked_at = marks(sql_work, signer, None)
        assert list(seen) == []
    with sql_work.begin() as tx:
        tx.entitlements.end([entitlement(name="quick", revoked_at=now)])
    with undone(sql_work) as broken:
        broken.entitlements.end([entitlement(name="slow", revoked_at=now)])

    for asked in (asked_at, None):
        assert list(marks(sql_work, signer, asked)[0]) == [mark(slow.id), mark(quick.id)]


class TestNewKeys:
    def test_a_new_key_is_there_without_a_restart_and_known_to_others_before_it_signs(self, service: Service) -> None:
        path = service.folder / "keys.json"
        (old,) = published(service)
        before = passport_of(service, ALICE)
        rotate(path, datetime.now(UTC))

        assert [key["kid"] for key in published(service)][1:] == [old["kid"]]
        assert jwt.get_unverified_header(passport_of(service, ALICE))["kid"] == old["kid"]
        fresh = published(service)[0]["kid"]
        read = names_of(service)["read"]
        assert read(before)["sub"] == str(ALICE)
        # As the file stands when the time has come; nobody waits for that here.
        path.write_text(re.sub(r'"signs_from": "[^"]+"', '"signs_from": "2026-01-01T00:00:00Z"', path.read_text()))
        after = passport_of(service, ALICE)

        assert jwt.get_unverified_header(after)["kid"] == fresh
        assert [read(token)["sub"] for token in (before, after)] == [str(ALICE)] * 2

    def test_a_file_that_is_spoilt_is_told_in_the_log_and_stops_nothing(self, service: Service) -> None:
        path = service.folder / "keys.json"
        good = path.read_bytes()
        path.write_text("{")
        try:
            assert passport_of(service, ALICE)
            (line,) = service.log_lines("passport.keys_unreadable")
            assert (line["level"], line["problem"]) == ("error", f"{path} is no JWKS with private Ed25519 keys")
        finally:
            path.write_bytes(good)


class TestWithoutUs:
    """The last of this file: after it the service is down."""

    def test_while_the_service_is_down_a_passport_is_good_until_it_expires(
        self, service: Service, in_javascript: Page
    ) -> None:
        read = names_of(service)["read"]
        keys, token = published(service), passport_of(service, ALICE)
        good = read(token)
        signer = Ed25519Signer(PassportKeyFile(service.folder / "keys.json", print), service.url)
        an_older = signer.passport(
            Passport(
                id=PassportId("pas_older"),
                user_id=UserId(ALICE),
                issued_at=datetime.now(UTC) - timedelta(seconds=310),
                expires_at=datetime.now(UTC) - timedelta(seconds=10),
            )
        )
        service.stop()

        assert read(token) == good
        with pytest.raises(jwt.ExpiredSignatureError):
            read(an_older)
        asked = {"token": token, "keys": keys}
        assert in_the_page(in_javascript, "read(given.token, given.keys)", asked) == good
        with pytest.raises(Refused, match="no longer"):
            in_the_page(in_javascript, "read(given.token, given.keys)", {**asked, "token": an_older})
