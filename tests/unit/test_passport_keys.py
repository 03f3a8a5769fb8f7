"""The keys of passports: what is signed by them, what is published of them, and how they change without a gap."""

import json
import os
import stat
import threading
from base64 import urlsafe_b64encode
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt import PyJWKSet

from adapters.passports.key_file import MAX_BYTES, PassportKeyFile, read_keys, write_keys
from adapters.passports.key_set import KEPT_BY_OTHERS, MAX_KEYS, PassportKey, PassportKeySet
from adapters.passports.rotation import KNOWN_WITHIN, RotationUnderWay, rotate, rotated
from adapters.passports.signer import Ed25519Signer
from domain.errors import Unavailable
from domain.ids import PassportId
from domain.passport import GOOD_FOR, Passport, revocations
from tests.builders import ALICE, DAY, SECOND
from tests.memory import NOON

Json = dict[str, Any]
MINUTE = timedelta(minutes=1)
ISSUER = "https://shop.example"
# RFC 8037, appendix A: a key, and its thumbprint.
OF_THE_RFC = {
    "kty": "OKP",
    "crv": "Ed25519",
    "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
}
THUMBPRINT = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def new() -> PassportKey:
    return PassportKey.new(Ed25519PrivateKey.generate())


def written(*keys: Json) -> bytes:
    return json.dumps({"keys": keys}).encode()


def trouble(_: str) -> None:
    raise AssertionError("nothing is wrong with the file")


def kept(path: Path, *keys: PassportKey) -> Path:
    write_keys(path, PassportKeySet(keys))
    return path


class TestReading:
    def test_a_key_without_a_name_is_called_by_its_thumbprint(self) -> None:
        (key,) = PassportKeySet.read(written(OF_THE_RFC)).keys

        assert key.id == THUMBPRINT
        assert key.public == {"kty": "OKP", "crv": "Ed25519", "x": OF_THE_RFC["x"], "kid": THUMBPRINT} | {
            "use": "sig",
            "alg": "EdDSA",
        }

    def test_a_name_of_its_own_is_kept_and_what_is_not_ours_is_let_be(self) -> None:
        (key,) = PassportKeySet.read(written({**OF_THE_RFC, "kid": "autumn", "key_ops": ["sign"]})).keys

        assert key.id == "autumn"

    def test_what_is_written_is_read_again_with_its_times(self) -> None:
        keys = rotated(PassportKeySet((new(),)), new(), NOON)

        again = PassportKeySet.read(keys.written())

        assert [(k.id, k.signs_from, k.published_until) for k in again.keys] == [
            (k.id, k.signs_from, k.published_until) for k in keys.keys
        ]
        assert again.written() == keys.written()

    @pytest.mark.threat(34)
    @pytest.mark.parametrize(
        ("text", "because"),
        [
            pytest.param(b"", "no JWKS", id="nothing"),
            pytest.param(b"[" * 60_000, "no JWKS", id="a tower"),
            pytest.param(b"\xff\xfe", "no JWKS", id="bytes"),
            pytest.param(b'{"keys": {}}', "no JWKS", id="no list"),
            pytest.param(written({k: v for k, v in OF_THE_RFC.items() if k != "d"}), "no JWKS", id="a public key"),
            pytest.param(written(), "0 keys", id="no key"),
            pytest.param(written(*[OF_THE_RFC] * (MAX_KEYS + 1)), "17 keys", id="too many"),
            pytest.param(written(OF_THE_RFC, OF_THE_RFC), "same kid", id="the same twice"),
            pytest.param(written({**OF_THE_RFC, "crv": "X25519"}), "key 1 none of Ed25519", id="another curve"),
            pytest.param(written({**OF_THE_RFC, "kty": "oct"}), "key 1 none of Ed25519", id="a shared secret"),
            pytest.param(written({**OF_THE_RFC, "d": "canary"}), "whose d is none", id="too short"),
            pytest.param(written({**OF_THE_RFC, "d": "ä" * 43}), "whose d is none", id="no base64"),
            pytest.param(written({**OF_THE_RFC, "x": "canary"}), "does not go with its d", id="the x of another"),
            pytest.param(written({**OF_THE_RFC, "kid": ""}), "1 to 128", id="an empty name"),
            pytest.param(written({**OF_THE_RFC, "kid": "k" * 129}), "1 to 128", id="a long name"),
            pytest.param(
                written({**OF_THE_RFC, "signs_from": "2026-11-28T12:00:00"}), "without zone", id="a time of nowhere"
            ),
        ],
    )
    def test_what_is_no_such_file_is_told_without_a_word_of_it(self, text: bytes, because: str, tmp_path: Path) -> None:
        path = tmp_path / "keys.json"
        path.write_bytes(text)
        with pytest.raises(ValueError, match=because) as raised:
            read_keys(path)
        assert str(path) in str(raised.value)
        assert "canary" not in str(raised.value)
        assert OF_THE_RFC["d"] not in str(raised.value)

    def test_a_file_that_is_not_there_or_endless_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="can't be read: No such file"):
            read_keys(tmp_path / "keys.json")
        (tmp_path / "keys.json").write_bytes(b" " * (MAX_BYTES + 1))
        with pytest.raises(ValueError, match="is larger than"):
            read_keys(tmp_path / "keys.json")

    @pytest.mark.threat(34)
    def test_a_key_that_is_shown_shows_nothing_private(self) -> None:
        key = PassportKeySet.read(written(OF_THE_RFC)).keys[0]

        assert "d" not in key.public
        assert "private" not in repr(key)


class TestSigning:
    def test_a_passport_is_a_jwt_that_others_can_read(self, tmp_path: Path) -> None:
        key = new()
        passport = Passport(
            id=PassportId("pas_1"),
            user_id=ALICE,
            issued_at=NOON,
            expires_at=NOON + GOOD_FOR,
            features=("signals",),
            limits={"rooms": 3},
            rights=("mark",),
        )
        token = signer(kept(tmp_path / "keys", key)).passport(passport)

        assert jwt.get_unverified_header(token) == {"alg": "EdDSA", "kid": key.id, "typ": "passport+jwt"}
        assert claims(token, key) == {
            "iss": ISSUER,
            "aud": "tollgram-passport",
            "sub": str(ALICE),
            "iat": int(NOON.timestamp()),
            "exp": int(NOON.timestamp()) + 300,
            "jti": "pas_1",
            "features": ["signals"],
            "limits": {"rooms": 3},
            "rights": ["mark"],
        }

    def test_the_list_is_one_of_another_kind(self, tmp_path: Path) -> None:
        key = new()
        told = revocations([], since=NOON - MINUTE, now=NOON)
        token = signer(kept(tmp_path / "keys", key)).revocations(told)

        assert jwt.get_unverified_header(token) == {"alg": "EdDSA", "kid": key.id, "typ": "revocations+jwt"}
        noon = int(NOON.timestamp())
        assert claims(token, key) == {
            "iss": ISSUER,
            "aud": "tollgram-revocations",
            "iat": noon,
            "exp": noon + 60,
            "since": noon - 60,
            "revoked": [],
        }

    def test_the_first_key_signs(self) -> None:
        first, second = new(), new()

        assert PassportKeySet((first, second)).signing(NOON) is first

    def test_where_none_may_sign_nothing_is_signed(self) -> None:
        waiting, _ = rotated(PassportKeySet((new(),)), new(), NOON).keys
        with pytest.raises(Unavailable):
            PassportKeySet((waiting,)).signing(NOON)


class TestRotation:
    def test_the_first_key_of_all_signs_at_once(self) -> None:
        key = new()

        assert rotated(None, key, NOON).keys == (key,)

    def test_at_every_moment_whoever_checks_knows_the_key_of_every_living_passport(self) -> None:
        """Also where processes read the file as late as they may, and who checks has kept the keys as long as that."""
        old, fresh = new(), new()
        before = PassportKeySet((old,))
        after = rotated(before, fresh, NOON)
        slow = KNOWN_WITHIN - KEPT_BY_OTHERS - SECOND
        for minute in range(-10, 60):
            issued = NOON + minute * MINUTE
            signers = [before.signing(issued)] if issued < NOON + slow else []
            signers += [after.signing(issued)] if issued >= NOON else []
            for signing in signers:
                for age in (timedelta(0), GOOD_FOR - SECOND):
                    for kept_for in (timedelta(0), KEPT_BY_OTHERS):
                        seen_at = issued + age - kept_for
                        answers = [before.published(seen_at)] if seen_at < NOON + slow else []
                        answers += [after.published(seen_at)] if seen_at >= NOON else []
                        for published in answers:
                            assert signing.id in {key.id for key in published}

    def test_the_old_key_signs_until_the_new_one_does_and_goes_after_its_last_passport(self) -> None:
        old, fresh = new(), new()
        keys = rotated(PassportKeySet((old,)), fresh, NOON)
        change = NOON + KNOWN_WITHIN

        assert keys.signing(change - SECOND).id == old.id
        assert keys.signing(change).id == fresh.id
        assert [len(keys.published(NOON + m * MINUTE)) for m in (0, 15, 34, 35)] == [2, 2, 2, 1]
        assert keys.published(NOON + DAY)[0].id == fresh.id

    def test_while_one_waits_there_is_no_other(self) -> None:
        keys = rotated(PassportKeySet((new(),)), new(), NOON)
        with pytest.raises(RotationUnderWay) as raised:
            rotated(keys, new(), NOON + KNOWN_WITHIN - SECOND)
        assert raised.value.key is keys.keys[0]
        assert len(rotated(keys, new(), NOON + KNOWN_WITHIN).keys) == 3

    def test_year_after_year_the_file_holds_two_keys(self, tmp_path: Path) -> None:
        path = tmp_path / "keys.json"
        made = [rotate(path, NOON + day * DAY).keys[0].id for day in range(20)]

        assert [key.id for key in read_keys(path).keys] == made[:-3:-1]
        assert read_keys(path).signing(NOON + 20 * DAY).id == made[-1]

    def test_a_key_in_wrong_hands_is_gone_at_once_also_in_the_middle_of_a_rotation(self, tmp_path: Path) -> None:
        path = tmp_path / "keys.json"
        rotate(path, NOON)
        rotate(path, NOON)
        known = {key.id for key in read_keys(path).keys}

        (fresh,) = rotate(path, NOON, at_once=True).keys

        assert fresh.id not in known
        assert read_keys(path).signing(NOON).id == fresh.id

    def test_a_file_that_is_wrong_is_replaced_only_if_all_its_keys_shall_go(self, tmp_path: Path) -> None:
        path = tmp_path / "keys.json"
        path.write_text("{")
        with pytest.raises(ValueError, match="no JWKS"):
            rotate(path, NOON)
        assert path.read_text() == "{"
        assert len(rotate(path, NOON, at_once=True).keys) == 1

    def test_of_two_who_rotate_at_once_one_comes_second(self, tmp_path: Path) -> None:
        path = tmp_path / "keys.json"
        rotate(path, NOON)
        told: list[str] = []

        def try_it() -> None:
            try:
                told.append(rotate(path, NOON).keys[0].id)
            except RotationUnderWay as waiting:
                told.append(waiting.key.id)

        threads = [threading.Thread(target=try_it) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(told) == 4
        assert len(set(told)) == 1

    @pytest.mark.threat(34)
    def test_the_file_is_for_its_owner_alone_and_nothing_is_left_beside_it(self, tmp_path: Path) -> None:
        path = tmp_path / "secrets" / "keys.json"
        rotate(path, NOON)
        path.chmod(0o644)
        rotate(path, NOON)

        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert list(path.parent.iterdir()) == [path]

    def test_where_it_can_t_be_written_nothing_changes(self, tmp_path: Path) -> None:
        path = kept(tmp_path / "keys.json", new())
        before = path.read_bytes()
        (tmp_path / f".keys.json.{os.getpid()}").mkdir()
        with pytest.raises(OSError, match="directory"):
            rotate(path, NOON)
        assert path.read_bytes() == before

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
    def test_a_file_of_another_user_stays_that_user_s(self, tmp_path: Path) -> None:
        path = kept(tmp_path / "keys.json", new())
        os.chown(path, 65534, 65534)
        rotate(path, NOON)

        assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65534)


class TestARunningService:
    def test_it_reads_the_file_when_it_has_changed(self, tmp_path: Path) -> None:
        first, second = new(), new()
        file = PassportKeyFile(kept(tmp_path / "keys.json", first), trouble)
        assert file.current() is file.current()

        kept(tmp_path / "keys.json", second, first)

        assert [key.id for key in file.current().keys] == [second.id, first.id]

    @pytest.mark.parametrize("spoilt", ["removed", "emptied"])
    def test_a_file_that_is_spoilt_is_told_of_once_and_stops_nothing(self, tmp_path: Path, spoilt: str) -> None:
        key, told = new(), list[str]()
        path = kept(tmp_path / "keys.json", key)
        file = PassportKeyFile(path, told.append)
        if spoilt == "removed":
            path.unlink()
        else:
            path.write_text("")

        assert [file.current().signing(NOON).id for _ in range(3)] == [key.id] * 3
        assert len(told) == 1
        assert str(path) in told[0]

        mended = new()
        kept(path, mended)
        assert file.current().signing(NOON).id == mended.id
        assert len(told) == 1

    def test_many_who_look_at_once_read_it_once(self, tmp_path: Path) -> None:
        told = list[str]()
        path = kept(tmp_path / "keys.json", new())
        file = PassportKeyFile(path, told.append)
        path.write_text("")
        threads = [threading.Thread(target=file.current) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(told) == 1

    def test_it_does_not_begin_without_keys(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="can't be read"):
            PassportKeyFile(tmp_path / "keys.json", trouble)


def test_what_is_published_is_a_key_set_as_libraries_read_it() -> None:
    keys = PassportKeySet((new(), new()))
    published = PyJWKSet.from_dict({"keys": [dict(key.public) for key in keys.published(NOON)]})

    assert [key.key_id for key in published.keys] == [key.id for key in keys.keys]
    assert {key.algorithm_name for key in published.keys} == {"EdDSA"}


def signer(path: Path) -> Ed25519Signer:
    return Ed25519Signer(PassportKeyFile(path, trouble), ISSUER)


def claims(token: str, key: PassportKey) -> Json:
    raw = urlsafe_b64encode(key.private.public_key().public_bytes_raw())
    assert raw.decode().rstrip("=") == key.public["x"]
    checks: dict[str, Any] = {"options": {"verify_exp": False, "verify_aud": False, "verify_iat": False}}
    return jwt.decode(token, key.private.public_key(), algorithms=["EdDSA"], **checks)
