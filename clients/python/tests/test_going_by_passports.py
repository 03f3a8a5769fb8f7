"""A passport answers while it lives, for whom it was issued, and as long as nothing that it rests on has ended."""

from collections.abc import Callable, Mapping
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from clients.python.tests.town import ALICE, AWAY, BOB, ISSUER, KEYS, LIST, PASSPORT, START, Town, answer, key_set
from tollgram_client import Forbidden, NotFound, PassportRefused, Unavailable, Unreachable
from tollgram_client.conversation import Outcome


@pytest.fixture
def town() -> Town:
    return Town()


def test_one_passport_answers_many_questions(town: Town) -> None:
    assert town.allowed()
    assert town.asked == [PASSPORT, KEYS]
    town.now += 14
    assert [town.allowed(), town.asked] == [True, []]
    assert town.allowed(user_id=BOB)
    assert town.asked == [PASSPORT]


def test_the_next_one_is_got_shortly_before_the_end(town: Town) -> None:
    town.check.list_every_s = None
    town.allowed()
    town.now += 239.9
    assert [town.allowed(), town.asked] == [True, []]
    town.now += 0.1
    assert [town.allowed(), town.asked] == [True, [PASSPORT]]


def test_a_no_is_asked_about_anew_and_then_stands_for_a_while(town: Town) -> None:
    assert not town.allowed("copy_trading")
    town.features.append("copy_trading")
    town.now += 4.9
    assert [town.allowed("copy_trading"), town.asked] == [False, []]
    town.now += 0.1
    assert [town.allowed("copy_trading"), town.asked] == [True, [PASSPORT]]


def test_while_the_service_is_away_it_answers_until_it_expires_and_not_a_moment_longer(town: Town) -> None:
    town.allowed()
    town.goes_away()
    for seconds in (100, 100, 99.9):
        town.now += seconds
        assert [town.allowed(), town.allowed("other")] == [True, False]
    town.now += 0.1
    with pytest.raises(Unreachable):
        town.allowed()
    assert town.asked == [PASSPORT, PASSPORT]
    town.answers.clear()
    assert town.allowed()


def test_while_it_is_away_it_is_tried_once_every_few_seconds(town: Town) -> None:
    town.allowed()
    town.goes_away()
    town.now += 250
    assert [town.allowed(), town.asked] == [True, [LIST]]
    assert [town.allowed(), town.asked] == [True, []]
    town.now += 5
    assert [town.allowed(), town.asked] == [True, [PASSPORT]]
    town.now += 4.9
    assert [town.allowed(), town.asked] == [True, []]


def test_whoever_was_never_asked_about_is_not_answered_while_it_is_away(town: Town) -> None:
    town.allowed()
    town.goes_away()
    with pytest.raises(Unreachable):
        town.allowed(user_id=BOB)


def test_what_ended_early_opens_nothing_once_it_is_listed(town: Town) -> None:
    town.allowed()
    town.allowed(user_id=BOB)
    town.features, town.revoked = [], [f"right of {ALICE}, 0 before"]
    town.now += 15
    assert [town.allowed(), town.asked] == [False, [LIST, PASSPORT]]
    town.features = ["signals"]
    assert [town.allowed(user_id=BOB), town.asked] == [True, []]


def test_while_the_service_is_away_what_is_listed_opens_nothing(town: Town) -> None:
    town.allowed()
    town.allowed(user_id=BOB)
    town.revoked = [f"right of {ALICE}, 0 before"]
    town.now += 15
    assert town.allowed(user_id=BOB)
    town.goes_away()
    with pytest.raises(Unreachable):
        town.allowed()


def test_the_list_goes_on_from_the_one_before_and_keeps_what_that_said(town: Town) -> None:
    town.allowed()
    town.revoked = ["some mark"]
    town.now += 15
    town.allowed()
    town.revoked = ["another mark"]
    town.now += 15
    town.allowed()
    assert town.queries[0] == {"since": "2027-01-15T08:00:15+00:00"}
    assert set(town.check._revoked) == {"some mark", "another mark"}
    town.now += 901
    town.revoked = []
    town.allowed()
    town.now += 15
    town.allowed()
    assert town.check._revoked == {}


@pytest.mark.parametrize(
    "list_",
    [
        pytest.param(AWAY, id="can't be had"),
        pytest.param(answer({"code": "unavailable", "detail": ""}, 503), id="is too long for the service"),
        pytest.param(answer({"revocations": "eyJ"}), id="is no JWT"),
    ],
)
def test_without_the_list_a_passport_goes_on_to_its_end(town: Town, list_: Outcome) -> None:
    town.allowed()
    town.answers[LIST] = list_
    town.now += 200
    assert town.allowed()
    assert LIST in town.asked
    town.now += 100
    assert [town.allowed(), PASSPORT in town.asked] == [True, True]


def test_an_old_list_is_not_taken_for_a_new_one(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    town.allowed()
    town.changed = {"exp": START + 9}
    town.revoked = [f"right of {ALICE}, 0 before"]
    town.now += 15
    assert [town.allowed(), town.asked] == [True, [LIST]]
    assert "an old one" in caplog.text


def test_one_that_is_short_is_not_got_anew_for_each_question(town: Town) -> None:
    town.good_for = 30
    town.allowed()
    town.now += 4.9
    assert [town.allowed(), town.asked] == [True, []]


def test_of_many_users_those_asked_about_last_are_kept(town: Town) -> None:
    town.check.most = 2
    for user_id in (1, 2, 1, 3):
        town.allowed(user_id=user_id)
    assert [town.allowed(user_id=1), town.asked] == [True, []]
    assert [town.allowed(user_id=2), town.asked] == [True, [PASSPORT]]


def test_a_new_key_is_looked_up_and_the_passports_of_one_that_is_gone_are_void(town: Town) -> None:
    town.allowed()
    town.allowed(user_id=BOB)
    town.key_id, town.key = "k2", Ed25519PrivateKey.generate()
    town.now += 15
    assert [town.allowed(), town.asked] == [True, [LIST, KEYS, PASSPORT]]
    assert [town.allowed(user_id=BOB), town.asked] == [True, [PASSPORT]]


def test_an_unknown_key_is_looked_up_every_few_seconds_at_most(town: Town) -> None:
    town.allowed()
    town.key_id = "k2"
    town.answers[KEYS] = key_set(k1=town.key)
    for user_id, seconds, asked in ((1, 5, [PASSPORT, KEYS]), (2, 4.9, [PASSPORT]), (3, 0.1, [PASSPORT, KEYS])):
        town.now += seconds
        with pytest.raises(PassportRefused, match="not published"):
            town.allowed(user_id=user_id)
        assert town.asked == asked


def test_keys_that_can_t_be_had_are_kept_or_waited_for(town: Town) -> None:
    town.answers[KEYS] = answer({"code": "unavailable", "detail": ""}, 503)
    with pytest.raises(Unavailable):
        town.allowed()
    del town.answers[KEYS]
    town.check.list_every_s = None
    assert town.allowed()
    town.answers[KEYS] = AWAY
    town.now += 301
    assert town.allowed()
    assert town.asked[:2] == [PASSPORT, KEYS]


def test_a_key_that_is_none_is_refused(town: Town) -> None:
    town.answers[KEYS] = answer({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": "AA"}]})
    with pytest.raises(PassportRefused, match="published key"):
        town.allowed()


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"iss": "https://other.example"}, id="another service's"),
        pytest.param({"aud": "tollgram-revocations"}, id="for another purpose"),
        pytest.param({"sub": str(BOB)}, id="somebody else's"),
        pytest.param({"sub": None}, id="nobody's"),
        pytest.param({"exp": START}, id="expired"),
        pytest.param({"exp": None}, id="for ever"),
        pytest.param({"exp": "tomorrow"}, id="with an end that is none"),
        pytest.param({"exp": True}, id="with a yes for an end"),
        pytest.param({"features": None}, id="silent about features"),
        pytest.param({"features": "signals"}, id="with a text for features"),
        pytest.param({"rights": 7}, id="with a number for rights"),
    ],
)
def test_a_passport_is_refused_that_is(town: Town, changed: Mapping[str, Any]) -> None:
    town.changed = changed
    with pytest.raises(PassportRefused):
        town.allowed()


def unsigned(town: Town, claims: Mapping[str, Any]) -> str:
    return jwt.encode(dict(claims), "", "none", {"kid": town.key_id, "typ": "passport+jwt"})


def signed_by_the_public_key(town: Town, claims: Mapping[str, Any]) -> str:
    raw = town.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return jwt.encode(dict(claims), raw, "HS256", {"kid": town.key_id, "typ": "passport+jwt"})


def signed_by_another(town: Town, claims: Mapping[str, Any]) -> str:
    return jwt.encode(dict(claims), Ed25519PrivateKey.generate(), "EdDSA", {"kid": town.key_id, "typ": "passport+jwt"})


def of_another_type(town: Town, claims: Mapping[str, Any]) -> str:
    return jwt.encode(dict(claims), town.key, "EdDSA", {"kid": town.key_id, "typ": "JWT"})


def without_a_key(town: Town, claims: Mapping[str, Any]) -> str:
    return jwt.encode(dict(claims), town.key, "EdDSA", {"typ": "passport+jwt"})


def cut_off(town: Town, claims: Mapping[str, Any]) -> str:
    return town.signed(claims)[:-9]


@pytest.mark.parametrize(
    "forged", [unsigned, signed_by_the_public_key, signed_by_another, of_another_type, without_a_key, cut_off]
)
def test_a_passport_is_refused_that_was_forged(town: Town, forged: Callable[[Town, Mapping[str, Any]], str]) -> None:
    claims = {
        "iss": ISSUER,
        "aud": "tollgram-passport",
        "sub": str(ALICE),
        "iat": START,
        "exp": START + 300,
        "features": ["signals"],
    }
    town.answers[PASSPORT] = answer({"passport": town.signed(claims)})
    assert town.allowed()
    town.answers[PASSPORT] = answer({"passport": forged(town, claims)})
    town.now += 5
    with pytest.raises(PassportRefused) as refused:
        town.allowed("copy_trading")
    assert "eyJ" not in str(refused.value)


def test_a_service_without_passports_says_so(town: Town) -> None:
    town.answers[PASSPORT] = answer({"code": "not_found", "detail": "Passports are not set up here."}, 404)
    with pytest.raises(NotFound, match="not set up"):
        town.allowed()


def test_a_token_without_the_scope_is_told_so_though_a_passport_lives(town: Town) -> None:
    town.allowed()
    town.answers[PASSPORT] = answer({"code": "forbidden", "detail": "no"}, 403)
    town.now += 240
    with pytest.raises(Forbidden):
        town.allowed()
