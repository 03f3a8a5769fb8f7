"""A token is believed only where one of our keys signed it, for us, for now, and for somebody."""

import base64
import hashlib
import hmac
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from adapters.tokens import (
    FETCH_AGAIN_AFTER_S,
    KEYS_FRESH_S,
    KEYS_KEPT_S,
    MAX_KEY_SET_BYTES,
    MAX_TOKEN_BYTES,
    Keys,
    KeySetAddress,
    KeySetFile,
    SharedSecret,
    Token,
    TokenMaker,
    TokenVerifier,
)
from domain.errors import Unauthenticated, Unavailable

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
IN_AN_HOUR = (NOW + timedelta(hours=1)).timestamp()
SECRET = "a-secret-of-the-tests-that-is-long-enough"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
Json = dict[str, Any]


class TestASharedSecret:
    def test_what_is_made_is_verified(self) -> None:
        token = made(scopes=("entitlements:read", "payments:read"))

        assert verifier().verify(token, NOW) == Token(
            subject="1001", scopes=frozenset({"entitlements:read", "payments:read"}), expires_at=IN_AN_HOUR
        )
        assert verifier().verify(token, NOW).user_id() == 1001

    def test_an_issuer_that_is_asked_for_is_put_in(self) -> None:
        maker = TokenMaker(SECRET, "tollgram", "https://id.example")
        token = maker.make(subject="7", scopes=(), now=NOW, good_for=timedelta(hours=1))

        assert verifier(issuer="https://id.example").verify(token, NOW) == Token(
            subject="7", scopes=frozenset(), expires_at=IN_AN_HOUR
        )

    @pytest.mark.threat(20)
    @pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", ""])
    def test_an_unsigned_token_is_nothing(self, algorithm: str) -> None:
        refused(by_hand({"alg": algorithm, "typ": "JWT"}, claims()))

    @pytest.mark.threat(20)
    @pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
    def test_only_hs256_is_taken(self, algorithm: str) -> None:
        refused(jwt.encode(claims(), SECRET * 2, algorithm=algorithm), verifier(SharedSecret(SECRET * 2)))

    @pytest.mark.threat(20)
    @pytest.mark.parametrize(
        "key",
        [SECRET + "x", SECRET.upper(), "another-secret-of-the-tests-of-some-length"],
        ids=["longer", "loud", "other"],
    )
    def test_another_secret_is_no_secret(self, key: str) -> None:
        refused(jwt.encode(claims(), key, algorithm="HS256"))

    @pytest.mark.threat(20)
    def test_each_flipped_bit_breaks_it(self) -> None:
        token = made()
        header, payload, signature = token.split(".")
        for number, part in enumerate((header, payload, signature)):
            raw = bytearray(base64.urlsafe_b64decode(part + "=="))
            for bit in range(0, len(raw) * 8, 7):
                raw[bit // 8] ^= 1 << bit % 8
                parts = [header, payload, signature]
                parts[number] = b64(bytes(raw))
                refused(".".join(parts))
                raw[bit // 8] ^= 1 << bit % 8

    @pytest.mark.threat(20)
    @pytest.mark.parametrize(
        "header",
        [
            pytest.param({"jku": "http://127.0.0.1:9/keys"}, id="jku"),
            pytest.param({"x5u": "http://127.0.0.1:9/cert"}, id="x5u"),
            pytest.param({"jwk": {"kty": "oct", "k": "eA"}}, id="jwk"),
            pytest.param({"x5c": ["MII"]}, id="x5c"),
            pytest.param({"kid": "../../etc/passwd"}, id="kid of a path"),
        ],
    )
    def test_a_key_that_the_token_brings_along_is_not_looked_at(self, header: Json) -> None:
        brought = "a-key-that-the-token-brings-along-itself"

        refused(jwt.encode(claims(), brought, algorithm="HS256", headers=header))
        assert verifier().verify(jwt.encode(claims(), SECRET, algorithm="HS256", headers=header), NOW).subject == "1001"

    @pytest.mark.threat(20)
    @pytest.mark.parametrize(
        "token",
        [
            "", ".", "..", "...", "a.b.c", "x" * 100, "\u00e9.\u00e9.\u00e9", "\udcff.a.b", " ", "null", "e30.e30.",
            "e30.e30.e30", "W10.e30.e30", "\x00", "eyJhbGciOiJIUzI1NiJ9..", "=.=.=", "e30=.e30=.e30=",
        ],
    )  # fmt: skip
    def test_what_is_no_token_is_refused_quietly(self, token: str) -> None:
        refused(token)

    def test_a_token_that_is_too_long_is_not_read(self) -> None:
        long = made(scopes=("x" * MAX_TOKEN_BYTES,))

        with pytest.raises(Unauthenticated, match="too long"):
            verifier().verify(long, NOW)

    @pytest.mark.threat(20)
    @pytest.mark.parametrize("deep", [b"[" * 5000, b'{"a":' * 1000], ids=["lists", "objects"])
    def test_a_header_nested_without_end_is_refused(self, deep: bytes) -> None:
        refused(f"{b64(deep)}.e30.e30")

    @pytest.mark.threat(20)
    @pytest.mark.parametrize("payload", [b"[]", b"null", b'"1001"', b"7", b"", b"\xff", b"{"])
    def test_claims_that_are_no_object_are_refused(self, payload: bytes) -> None:
        refused(jwt.api_jws.encode(payload, SECRET, algorithm="HS256"))


class TestWhatWeSignForOthers:
    @pytest.mark.threat(20)
    @pytest.mark.parametrize(
        "kind",
        ["passport+jwt", "revocations+jwt", "Passport+JWT", "application/passport+jwt", "APPLICATION/revocations+jwt"],
    )
    def test_is_no_token_for_us_also_with_our_key_and_audience(self, kind: str) -> None:
        refused(jwt.encode(claims(), SECRET, algorithm="HS256", headers={"typ": kind}))

    @pytest.mark.parametrize("kind", ["JWT", "at+jwt", "", None])
    def test_is_told_by_its_type_and_other_types_are_let_be(self, kind: str | None) -> None:
        token = jwt.encode(claims(), SECRET, algorithm="HS256", headers={"typ": kind})

        assert verifier().verify(token, NOW).subject == "1001"


class TestTimes:
    @pytest.mark.threat(21)
    @pytest.mark.parametrize(
        ("changed", "good"),
        [
            pytest.param({"exp": NOW + timedelta(seconds=1)}, True, id="a second before its end"),
            pytest.param({"exp": NOW}, False, id="at its end"),
            pytest.param({"exp": NOW - timedelta(days=1)}, False, id="a day late"),
            pytest.param({"exp": None}, False, id="without an end"),
            pytest.param({"nbf": NOW}, True, id="valid from now"),
            pytest.param({"nbf": NOW + timedelta(seconds=1)}, False, id="valid from the next second"),
            pytest.param({"iat": NOW + timedelta(seconds=60)}, True, id="a clock a minute ahead"),
            pytest.param({"iat": NOW + timedelta(seconds=61)}, False, id="made in the future"),
            pytest.param({"exp": str(2**40)}, False, id="an end in quotes"),
            pytest.param({"exp": True}, False, id="an end of true"),
            pytest.param({"exp": [2**40]}, False, id="an end in a list"),
            pytest.param({"exp": math.inf}, False, id="an end at infinity"),
            pytest.param({"exp": math.nan}, False, id="an end that is no number"),
            pytest.param({"exp": -1}, False, id="before 1970"),
            pytest.param({"exp": 10**30}, True, id="a very late end"),
            pytest.param({"nbf": "soon"}, False, id="a beginning in words"),
            pytest.param({"nbf": math.nan}, False, id="a beginning that is no number"),
            pytest.param({"iat": None}, True, id="not saying when it was made"),
            pytest.param({"iat": "now"}, False, id="made in words"),
        ],
    )
    def test_it_is_good_from_its_beginning_to_before_its_end(self, changed: Json, good: bool) -> None:
        token = signed(changed)

        if good:
            assert verifier().verify(token, NOW).subject == "1001"
        else:
            refused(token)


class TestAudienceAndIssuer:
    @pytest.mark.threat(21)
    @pytest.mark.parametrize(
        ("changed", "good"),
        [
            pytest.param({"aud": "tollgram"}, True, id="for us"),
            pytest.param({"aud": ["others", "tollgram"]}, True, id="for us and others"),
            pytest.param({"aud": "others"}, False, id="for others"),
            pytest.param({"aud": ["others"]}, False, id="for others in a list"),
            pytest.param({"aud": "tollgram2"}, False, id="for one whose name begins as ours"),
            pytest.param({"aud": ""}, False, id="for nobody"),
            pytest.param({"aud": []}, False, id="for none"),
            pytest.param({"aud": None}, False, id="for whom it may concern"),
            pytest.param({"aud": {"tollgram": 1}}, False, id="an audience that is an object"),
            pytest.param({"aud": 7}, False, id="an audience that is a number"),
        ],
    )
    def test_it_must_be_for_us(self, changed: Json, good: bool) -> None:
        token = signed(changed)

        if good:
            assert verifier().verify(token, NOW).subject == "1001"
        else:
            refused(token)

    @pytest.mark.threat(21)
    @pytest.mark.parametrize(
        "issuer", ["https://evil.example", "https://id.example/", "", None, 7, ["https://id.example"]]
    )
    def test_where_an_issuer_is_set_no_other_is_believed(self, issuer: object) -> None:
        refused(signed({"iss": issuer}), verifier(issuer="https://id.example"))

    def test_where_none_is_set_any_is_good(self) -> None:
        assert verifier().verify(signed({"iss": "https://any.example"}), NOW).subject == "1001"


class TestTheSubject:
    @pytest.mark.threat(21)
    @pytest.mark.parametrize("subject", [None, "", 1001, 1.5, True, ["1001"], {"id": 1001}])
    def test_without_one_in_words_a_token_is_nobody_s(self, subject: object) -> None:
        refused(signed({"sub": subject}))

    @pytest.mark.threat(21)
    @pytest.mark.parametrize(
        "subject",
        ["0", "-1", "+1", "01", " 1", "1 ", "1.0", "1e3", "0x1", "١", "1_0", "1,2", "ada", "4503599627370496", "9" * 17,
         "1\n", "1\x00"],
    )  # fmt: skip
    def test_an_odd_one_is_no_user(self, subject: str) -> None:
        with pytest.raises(Unauthenticated):
            verifier().verify(signed({"sub": subject}), NOW).user_id()

    @pytest.mark.parametrize("user_id", [1, 2**52 - 1])
    def test_the_smallest_and_the_largest_are_users(self, user_id: int) -> None:
        assert verifier().verify(signed({"sub": str(user_id)}), NOW).user_id() == user_id

    @pytest.mark.threat(21)
    @pytest.mark.parametrize("scope", [None, 7, ["payments:refund"], {"payments:refund": True}, True])
    def test_a_scope_that_is_no_text_gives_none(self, scope: object) -> None:
        assert verifier().verify(signed({"scope": scope}), NOW).scopes == frozenset()

    def test_scopes_are_separated_by_blanks(self) -> None:
        assert verifier().verify(signed({"scope": " a  b\tc "}), NOW).scopes == {"a", "b", "c"}


class TestAKeySetInAFile:
    @pytest.mark.parametrize(
        ("key", "algorithm"),
        [
            pytest.param(RSA, "RS256", id="RSA"),
            pytest.param(EC, "ES256", id="elliptic curve"),
            pytest.param(ED, "EdDSA", id="Edwards curve"),
        ],
    )
    def test_each_kind_of_public_key_verifies_its_own(self, tmp_path: Path, key: Any, algorithm: str) -> None:
        keys = in_file(tmp_path, public(RSA, "r"), public(EC, "e"), public(ED, "d"))
        kid = {"RS256": "r", "ES256": "e", "EdDSA": "d"}[algorithm]

        assert verifier(keys).verify(signed_by(key, algorithm, kid=kid), NOW).subject == "1001"
        for other in {"r", "e", "d"} - {kid}:
            refused(signed_by(key, algorithm, kid=other), verifier(keys))

    def test_the_only_key_needs_no_id(self, tmp_path: Path) -> None:
        keys = in_file(tmp_path, public(RSA, "r"))

        assert verifier(keys).verify(signed_by(RSA, "RS256"), NOW).subject == "1001"

    @pytest.mark.threat(20)
    @pytest.mark.parametrize("kid", [None, "unknown", ""])
    def test_of_several_one_must_be_named(self, tmp_path: Path, kid: str | None) -> None:
        keys = in_file(tmp_path, public(RSA, "r"), public(EC, "e"))

        refused(signed_by(RSA, "RS256", kid=kid), verifier(keys))

    @pytest.mark.threat(20)
    def test_two_keys_of_one_id_are_no_key(self, tmp_path: Path) -> None:
        keys = in_file(tmp_path, public(RSA, "r"), public(OTHER_RSA, "r"))

        refused(signed_by(RSA, "RS256", kid="r"), verifier(keys))

    @pytest.mark.threat(20)
    def test_the_public_key_is_not_taken_as_a_shared_secret(self, tmp_path: Path) -> None:
        keys = in_file(tmp_path, public(RSA, "r"))
        pem = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        for secret in (pem, pem.strip(), json.dumps(public(RSA, "r")).encode(), public(RSA, "r")["n"].encode()):
            for algorithm in ("HS256", "HS384", "HS512"):
                refused(confused(secret, algorithm, "r"), verifier(keys))

    @pytest.mark.threat(20)
    @pytest.mark.parametrize("algorithm", ["none", "HS256", "RS384", "PS256", "ES256", "EdDSA"])
    def test_the_token_does_not_choose_the_algorithm(self, tmp_path: Path, algorithm: str) -> None:
        keys = in_file(tmp_path, public(RSA, "r"))
        _, payload, signature = signed_by(RSA, "RS256", kid="r").split(".")
        header = b64(json.dumps({"alg": algorithm, "kid": "r"}).encode())

        refused(f"{header}.{payload}.{signature}", verifier(keys))

    @pytest.mark.threat(20)
    def test_another_s_key_under_our_id_is_refused(self, tmp_path: Path) -> None:
        refused(signed_by(OTHER_RSA, "RS256", kid="r"), verifier(in_file(tmp_path, public(RSA, "r"))))

    @pytest.mark.threat(20)
    def test_a_critical_header_that_we_do_not_know_is_refused(self, tmp_path: Path) -> None:
        keys = in_file(tmp_path, public(RSA, "r"))
        token = jwt.encode(claims(), RSA, algorithm="RS256", headers={"kid": "r", "crit": ["exp-in-court"]})

        refused(token, verifier(keys))

    @pytest.mark.threat(20)
    def test_a_shared_secret_in_a_key_set_is_never_believed(self, tmp_path: Path) -> None:
        keys = in_file(tmp_path, public(RSA, "r"), shared(SECRET, "s"))

        refused(jwt.encode(claims(), SECRET, algorithm="HS256", headers={"kid": "s"}), verifier(keys))

    @pytest.mark.threat(20)
    def test_a_key_for_encryption_verifies_nothing(self, tmp_path: Path) -> None:
        keys = in_file(tmp_path, public(RSA, "r", use="enc"), public(EC, "e"))

        refused(signed_by(RSA, "RS256", kid="r"), verifier(keys))

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            pytest.param(b"", "is no JWKS", id="empty"),
            pytest.param(b"\xff", "is no JWKS", id="not UTF-8"),
            pytest.param(b"[]", "is no JWKS", id="a list"),
            pytest.param(b"7", "is no JWKS", id="a number"),
            pytest.param(b'{"keys": 7}', "is no JWKS", id="keys that are a number"),
            pytest.param(b'{"keys": []}', "is no JWKS", id="no keys"),
            pytest.param(b'{"keys": [{"kty": "RSA"}]}', "is no JWKS", id="half a key"),
            pytest.param(b"[" * 100_000, "is no JWKS", id="nested without end"),
        ],
    )
    def test_a_file_that_is_none_says_so(self, tmp_path: Path, content: bytes, told: str) -> None:
        (tmp_path / "keys.json").write_bytes(content)

        with pytest.raises(ValueError, match=told):
            KeySetFile.read(tmp_path / "keys.json")

    @pytest.mark.threat(20)
    def test_a_file_of_nothing_but_secrets_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="holds no public key"):
            in_file(tmp_path, shared(SECRET, "s"))

    def test_a_file_that_is_missing_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="can't be read: No such file"):
            KeySetFile.read(tmp_path / "keys.json")


class TestAKeySetAtAnAddress:
    def test_it_is_fetched_once_for_many_tokens(self) -> None:
        with published(public(RSA, "r")) as site:
            keys = KeySetAddress(site.address, tick=site.tick)
            for _ in range(5):
                assert verifier(keys).verify(signed_by(RSA, "RS256", kid="r"), NOW).subject == "1001"

            assert site.asked == 1

    def test_it_is_fetched_once_for_many_at_once(self) -> None:
        with published(public(RSA, "r")) as site:
            keys = KeySetAddress(site.address, tick=site.tick)
            token, start, found = signed_by(RSA, "RS256", kid="r"), Barrier(8), []

            def verify() -> None:
                start.wait(10)
                found.append(verifier(keys).verify(token, NOW).subject)

            threads = [Thread(target=verify) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(10)

            assert (found, site.asked) == (["1001"] * 8, 1)

    def test_a_new_key_is_found_without_a_restart(self) -> None:
        with published(public(RSA, "old")) as site:
            keys = KeySetAddress(site.address, tick=site.tick)
            verifier(keys).verify(signed_by(RSA, "RS256", kid="old"), NOW)
            site.publish(public(RSA, "old"), public(EC, "new"))
            site.seconds += FETCH_AGAIN_AFTER_S

            assert verifier(keys).verify(signed_by(EC, "ES256", kid="new"), NOW).subject == "1001"
            assert site.asked == 2

    @pytest.mark.threat(20)
    def test_a_key_that_was_taken_back_is_forgotten(self) -> None:
        with published(public(RSA, "old"), public(EC, "new")) as site:
            keys = KeySetAddress(site.address, tick=site.tick)
            verifier(keys).verify(signed_by(RSA, "RS256", kid="old"), NOW)
            site.publish(public(EC, "new"))
            site.seconds += KEYS_FRESH_S

            refused(signed_by(RSA, "RS256", kid="old"), verifier(keys))

    @pytest.mark.threat(20)
    def test_made_up_ids_do_not_have_us_fetch_again_and_again(self) -> None:
        with published(public(RSA, "r")) as site:
            keys = KeySetAddress(site.address, tick=site.tick)
            for number in range(20):
                refused(signed_by(OTHER_RSA, "RS256", kid=f"made-up-{number}"), verifier(keys))

            assert site.asked == 1

    def test_known_keys_last_through_an_outage(self) -> None:
        with published(public(RSA, "r")) as site:
            keys = KeySetAddress(site.address, tick=site.tick)
            verifier(keys).verify(signed_by(RSA, "RS256", kid="r"), NOW)
            site.status = 503
            for _ in range(5):
                site.seconds += KEYS_FRESH_S
                assert verifier(keys).verify(signed_by(RSA, "RS256", kid="r"), NOW).subject == "1001"

            assert site.asked == 6

    def test_but_not_for_ever(self) -> None:
        with published(public(RSA, "r")) as site:
            keys = KeySetAddress(site.address, tick=site.tick)
            verifier(keys).verify(signed_by(RSA, "RS256", kid="r"), NOW)
            site.status = 503
            site.seconds += KEYS_KEPT_S + 1

            with pytest.raises(Unavailable):
                verifier(keys).verify(signed_by(RSA, "RS256", kid="r"), NOW)

    def test_in_an_outage_nobody_is_called_a_liar(self) -> None:
        with published(public(RSA, "r")) as site:
            keys = KeySetAddress(site.address, tick=site.tick)
            verifier(keys).verify(signed_by(RSA, "RS256", kid="r"), NOW)
            site.status = 503
            site.seconds += FETCH_AGAIN_AFTER_S

            with pytest.raises(Unavailable):
                verifier(keys).verify(signed_by(EC, "ES256", kid="perhaps-new"), NOW)

    def test_after_an_outage_all_goes_on(self) -> None:
        with published(public(RSA, "r")) as site:
            site.status = 500
            keys = KeySetAddress(site.address, tick=site.tick)
            for _ in range(3):
                with pytest.raises(Unavailable):
                    verifier(keys).verify(signed_by(RSA, "RS256", kid="r"), NOW)
            assert site.asked == 1
            site.status = 200
            site.seconds += FETCH_AGAIN_AFTER_S

            assert verifier(keys).verify(signed_by(RSA, "RS256", kid="r"), NOW).subject == "1001"

    @pytest.mark.parametrize(
        ("status", "content"),
        [
            pytest.param(200, b"<html>", id="a page"),
            pytest.param(200, b"[]", id="a list"),
            pytest.param(200, b'{"keys": []}', id="no keys"),
            pytest.param(200, b" " * (MAX_KEY_SET_BYTES + 1), id="without end"),
            pytest.param(204, b"", id="nothing"),
            pytest.param(404, b"{}", id="not found"),
        ],
    )
    def test_an_answer_that_is_no_key_set_is_our_trouble_and_not_the_caller_s(
        self, status: int, content: bytes
    ) -> None:
        with published() as site:
            site.status, site.content = status, content

            with pytest.raises(Unavailable):
                verifier(KeySetAddress(site.address)).verify(signed_by(RSA, "RS256", kid="r"), NOW)

    @pytest.mark.threat(20)
    def test_a_redirect_is_not_followed(self) -> None:
        with published(public(RSA, "r")) as real, published(public(RSA, "r")) as site:
            site.status, site.location = 302, real.address

            with pytest.raises(Unavailable):
                verifier(KeySetAddress(site.address)).verify(signed_by(RSA, "RS256", kid="r"), NOW)
            assert real.asked == 0

    def test_nobody_there_is_our_trouble_too(self) -> None:
        with published() as site:
            address = site.address

        with pytest.raises(Unavailable):
            verifier(KeySetAddress(address)).verify(signed_by(RSA, "RS256", kid="r"), NOW)

    @pytest.mark.threat(20)
    def test_addresses_in_a_token_are_not_asked(self) -> None:
        with published(public(OTHER_RSA, "r")) as evil, published(public(RSA, "r")) as site:
            token = jwt.encode(
                claims(), OTHER_RSA, algorithm="RS256", headers={"kid": "r", "jku": evil.address, "x5u": evil.address}
            )

            refused(token, verifier(KeySetAddress(site.address)))
            assert evil.asked == 0


class Site:
    """Publishes a key set on the loopback, and counts how often it is asked. Its clock is the verifier's."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.asked = 0
        self.seconds = 1000.0
        self.status = 200
        self.location = ""
        self.content = b""

    def publish(self, *keys: Json) -> None:
        self.content = json.dumps({"keys": keys}).encode()

    def tick(self) -> float:
        return self.seconds


@contextmanager
def published(*keys: Json) -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked += 1
            self.send_response(site.status)
            if site.location:
                self.send_header("Location", site.location)
            self.send_header("Content-Length", str(len(site.content)))
            self.end_headers()
            self.wfile.write(site.content)

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site = Site(f"http://127.0.0.1:{server.server_port}/keys")
    site.publish(*keys)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def verifier(keys: Keys | None = None, *, issuer: str | None = None) -> TokenVerifier:
    return TokenVerifier(keys or SharedSecret(SECRET), "tollgram", issuer)


def refused(token: str, by: TokenVerifier | None = None) -> None:
    with pytest.raises(Unauthenticated) as refusal:
        (by or verifier()).verify(token, NOW)
    assert len(token) < 10 or token not in str(refusal.value)


def made(*, scopes: tuple[str, ...] = ()) -> str:
    maker = TokenMaker(SECRET, "tollgram", None)
    return maker.make(subject="1001", scopes=scopes, now=NOW, good_for=timedelta(hours=1))


def claims() -> Json:
    return {"sub": "1001", "aud": "tollgram", "exp": int((NOW + timedelta(hours=1)).timestamp())}


def signed(changed: Mapping[str, Any]) -> str:
    """Rightly signed, with other claims; None leaves one out. Not by the library, which would refuse some of them."""
    wanted = {name: value for name, value in {**claims(), **changed}.items() if value is not None}
    payload = {name: value.timestamp() if isinstance(value, datetime) else value for name, value in wanted.items()}
    return jwt.api_jws.encode(json.dumps(payload).encode(), SECRET, algorithm="HS256")


def signed_by(key: Any, algorithm: str, *, kid: str | None = None) -> str:
    return jwt.encode(claims(), key, algorithm=algorithm, headers=None if kid is None else {"kid": kid})


def confused(secret: bytes, algorithm: str, kid: str) -> str:
    """Signed by hand: the library refuses to take a public key for a secret."""
    header = b64(json.dumps({"alg": algorithm, "kid": kid}).encode())
    payload = b64(json.dumps(claims()).encode())
    digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}[algorithm]
    return f"{header}.{payload}.{b64(hmac.digest(secret, f'{header}.{payload}'.encode(), digest))}"


def by_hand(header: Json, body: Json) -> str:
    return f"{b64(json.dumps(header).encode())}.{b64(json.dumps(body).encode())}."


def b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def in_file(folder: Path, *keys: Json) -> KeySetFile:
    (folder / "keys.json").write_text(json.dumps({"keys": keys}))
    return KeySetFile.read(folder / "keys.json")


def public(key: Any, kid: str, *, use: str = "sig") -> Json:
    kinds: dict[type, Any] = {rsa.RSAPrivateKey: RSAAlgorithm, ec.EllipticCurvePrivateKey: ECAlgorithm}
    algorithm = next((kind for private, kind in kinds.items() if isinstance(key, private)), OKPAlgorithm)
    return {**json.loads(algorithm.to_jwk(key.public_key())), "kid": kid, "use": use}


def shared(secret: str, kid: str) -> Json:
    return {"kty": "oct", "k": b64(secret.encode()), "kid": kid, "alg": "HS256", "use": "sig"}
