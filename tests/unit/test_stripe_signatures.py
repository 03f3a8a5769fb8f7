"""An event counts only when Stripe has signed exactly its bytes, with a secret of ours, within five minutes of now."""

import hashlib
import hmac
import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from adapters.stripe.signatures import MAX_BODY_BYTES, BadSignature, NotAnEvent, verify_event
from application.ports.checkout import StripeEvent
from domain.errors import InvalidRequest, TooLarge

SECRET = "whsec_the_one_of_today_0123456789"
OLD_SECRET = "whsec_the_one_before_0123456789"
OTHER_SECRET = "whsec_of_somebody_else_0123456789"
NOW = 1_795_000_000
EVENT: dict[str, Any] = {
    "id": "evt_1",
    "object": "event",
    "type": "checkout.session.completed",
    "livemode": True,
    "data": {"object": {"id": "cs_live_a1", "object": "checkout.session"}},
}
BODY = json.dumps(EVENT).encode()


def signature(body: bytes = BODY, secret: str = SECRET, at: int = NOW) -> str:
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def header(*signatures: str, at: int = NOW, scheme: str = "v1") -> str:
    return ",".join([f"t={at}", *(f"{scheme}={one}" for one in signatures or [signature(at=at)])])


def verify(body: bytes = BODY, signed: str | None = None, *secrets: str) -> StripeEvent:
    """At this moment, with the secret of today."""
    return verify_event(body, signed, secrets or (SECRET,), datetime.fromtimestamp(NOW, UTC))


def tolerance_s() -> int:
    """By which Stripe's library, which asks the clock itself, tolerates as much as if it were NOW."""
    return int(300 + time.time() - NOW)


def stripe_agrees(body: bytes, signed: str | None, *secrets: str) -> bool:
    """Whether Stripe's own library believes it with any of the secrets."""
    for secret in secrets:
        try:
            stripe.WebhookSignature.verify_header(body, signed, secret, tolerance_s())
        except (stripe.SignatureVerificationError, TypeError):
            continue
        return True
    return False


def test_what_is_signed_is_read_and_nothing_but_its_ids_is_believed() -> None:
    assert verify(BODY, header()) == StripeEvent(
        id="evt_1", type="checkout.session.completed", live=True, object_id="cs_live_a1", body=BODY
    )


@pytest.mark.parametrize(
    ("signed", "secrets"),
    [
        pytest.param(header(), [SECRET], id="by the one secret"),
        pytest.param(
            header(signature(secret=OLD_SECRET)), [SECRET, OLD_SECRET], id="by the secret before, while it is rolled"
        ),
        pytest.param(
            header(signature(secret=OLD_SECRET), signature()), [SECRET], id="by two secrets of which we have the new"
        ),
        pytest.param(
            header(signature(), signature(secret=OLD_SECRET)), [OLD_SECRET], id="by two of which we have the old"
        ),
        pytest.param(header("0" * 64, signature()), [SECRET], id="a wrong signature before the right one"),
        pytest.param(header(signature(), signature()), [SECRET], id="the same signature twice"),
        pytest.param(f"{header()},v0={'0' * 64}", [SECRET], id="with one of another scheme beside"),
        pytest.param(f"v1={signature()},t={NOW}", [SECRET], id="the time behind the signature"),
        pytest.param(f"{header()},,x", [SECRET], id="with odd ends"),
        pytest.param(header(at=NOW - 290), [SECRET], id="almost five minutes old"),
    ],
)
def test_a_good_signature_is_good_for_stripe_s_own_library_too(signed: str, secrets: list[str]) -> None:
    assert stripe_agrees(BODY, signed, *secrets)
    assert verify(BODY, signed, *secrets).id == "evt_1"


@pytest.mark.threat(37, 44)
@pytest.mark.parametrize(
    ("body", "signed", "secrets"),
    [
        pytest.param(BODY, None, [SECRET], id="no header"),
        pytest.param(BODY, "", [SECRET], id="an empty header"),
        pytest.param(BODY, "nonsense", [SECRET], id="nonsense"),
        pytest.param(BODY, f"t={NOW}", [SECRET], id="a time alone"),
        pytest.param(BODY, f"v1={signature()}", [SECRET], id="a signature alone"),
        pytest.param(BODY, f"t=,v1={signature()}", [SECRET], id="an empty time"),
        pytest.param(BODY, f"t=soon,v1={signature()}", [SECRET], id="a time in words"),
        pytest.param(BODY, f"t=-{NOW},v1={signature(at=-NOW)}", [SECRET], id="a time before there was time"),
        pytest.param(BODY, header("0" * 64), [SECRET], id="a made-up signature"),
        pytest.param(BODY, header(""), [SECRET], id="an empty signature"),
        pytest.param(BODY, header(signature()[:-1]), [SECRET], id="a signature cut short"),
        pytest.param(BODY, header("é" * 64), [SECRET], id="a signature of other letters"),
        pytest.param(BODY, header(scheme="v0"), [SECRET], id="the right signature under another scheme"),
        pytest.param(BODY, header(signature(secret=OTHER_SECRET)), [SECRET, OLD_SECRET], id="somebody else's secret"),
        pytest.param(BODY, header(signature(secret=OLD_SECRET)), [SECRET], id="a secret that was given up"),
        pytest.param(BODY, header(signature(secret="")), ["not-empty"], id="signed with nothing"),
        pytest.param(BODY + b" ", header(), [SECRET], id="a space behind the body"),
        pytest.param(BODY.replace(b"true", b"null"), header(), [SECRET], id="another body"),
        pytest.param(b"", header(), [SECRET], id="no body"),
        pytest.param(BODY, f"t={NOW - 1},v1={signature()}", [SECRET], id="moved in time"),
        pytest.param(BODY, header(hashlib.sha256(BODY).hexdigest()), [SECRET], id="a mere hash"),
        pytest.param(BODY, header(at=NOW - 320), [SECRET], id="more than five minutes old"),
        pytest.param(BODY, header(at=NOW - 86_400), [SECRET], id="of yesterday"),
    ],
)
def test_anything_else_is_refused_by_stripe_s_own_library_and_by_us(
    body: bytes, signed: str | None, secrets: list[str]
) -> None:
    assert not stripe_agrees(body, signed, *secrets)
    with pytest.raises(BadSignature):
        verify(body, signed, *secrets)


@pytest.mark.parametrize("age_s", [300, 299, 0, -299, -300])
def test_within_five_minutes_either_way_a_signature_is_good(age_s: int) -> None:
    assert verify(BODY, header(at=NOW - age_s)).id == "evt_1"


@pytest.mark.parametrize("age_s", [301, 3600, -301, -3600, NOW, -(10**11)])
def test_further_from_now_it_is_not_in_the_past_nor_in_the_future(age_s: int) -> None:
    with pytest.raises(BadSignature, match="within 300 s"):
        verify(BODY, header(at=NOW - age_s))


def test_stripe_s_own_library_takes_a_signature_from_the_future_and_we_do_not() -> None:
    ahead = header(at=int(time.time()) + 10**6)
    assert stripe_agrees(BODY, ahead, SECRET)
    with pytest.raises(BadSignature):
        verify(BODY, ahead)


@pytest.mark.parametrize(
    "signed",
    [
        pytest.param(f"t={NOW},t={NOW},v1={signature()}", id="the same time twice"),
        pytest.param(f"t={NOW},t={NOW - 9999},v1={signature()}", id="two times"),
        pytest.param(f"t=+{NOW},v1={signature()}", id="a sign before the time"),
        pytest.param(f"t={NOW:_},v1={signature()}", id="a time in groups"),
        pytest.param(header() + ",v1=" + "0" * 4096, id="a header of more than 4096 characters"),
    ],
)
def test_what_stripe_never_writes_is_refused_even_where_its_library_would_take_it(signed: str) -> None:
    assert stripe_agrees(BODY, signed, SECRET)
    with pytest.raises(BadSignature):
        verify(BODY, signed)


@pytest.mark.parametrize("secrets", [(), ("",), ("", "")])
def test_without_a_secret_nothing_is_believed(secrets: tuple[str, ...]) -> None:
    with pytest.raises(BadSignature):
        verify_event(BODY, header(signature(secret="")), secrets, datetime.fromtimestamp(NOW, UTC))


def test_what_stripe_s_own_library_signs_we_take() -> None:
    signed = stripe.WebhookSignature.generate_signature_header(BODY.decode(), SECRET, NOW)
    assert verify(BODY, signed).id == "evt_1"
    assert stripe.Webhook.construct_event(BODY, signed, SECRET, tolerance_s()).id == "evt_1"


@given(st.text(max_size=80), st.text(st.characters(codec="utf-8"), max_size=80))
def test_a_header_of_any_letters_is_refused_and_never_more_than_that(time_said: str, said: str) -> None:
    for signed in (said, f"t={time_said},v1={said}", f"t={NOW},v1={said}"):
        with pytest.raises(BadSignature):
            verify(BODY, signed)


# What is signed, and no event


def signed_as(body: bytes) -> StripeEvent:
    return verify(body, header(signature(body)))


NOT_AN_EVENT_S: dict[str, list[Any]] = {
    "id": [None, 1, "", "evt 1", "e" * 256, "../evt"],
    "type": [None, 7, "", "a b", "x" * 101],
    "livemode": [None, 1, "true"],
    "data": [None, [], {}, {"object": None}, {"object": "cs_1"}, {"object": {"id": 5}}, {"object": {"id": "../v1"}}],
}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="cut off"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'"evt_1"', id="a word"),
        pytest.param(b"null", id="null"),
        pytest.param(b"\xff\xfe{\0}\0", id="UTF-16"),
        pytest.param(b"[" * 100_000, id="nested too deep"),
        pytest.param(BODY.replace(b'"id": "evt_1"', b'"id": "evt_1", "id": "evt_2"'), id="its id twice"),
        pytest.param(BODY.replace(b'"id": "cs_live_a1"', b'"id": "cs_1", "id": "cs_2"'), id="its object's id twice"),
        pytest.param(BODY.replace(b"true", b"NaN"), id="a number that is none"),
        *(
            pytest.param(json.dumps(EVENT | {name: value}).encode(), id=f"{name} is {value!r}")
            for name, values in NOT_AN_EVENT_S.items()
            for value in values
        ),
    ],
)
def test_what_is_signed_but_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(NotAnEvent):
        signed_as(body)


def test_an_event_about_something_without_id_is_an_event() -> None:
    balance = EVENT | {"type": "balance.available", "data": {"object": {"object": "balance"}}}
    assert signed_as(json.dumps(balance).encode()).object_id == ""


def test_fields_that_we_have_never_heard_of_do_no_harm() -> None:
    assert signed_as(json.dumps(EVENT | {"new": {"id": [1]}, "api_version": "2031-01-01.z"}).encode()).id == "evt_1"


def test_a_body_beyond_the_limit_is_not_even_hashed() -> None:
    with pytest.raises(TooLarge):
        verify(b" " * (MAX_BODY_BYTES + 1), None)


def test_an_unsigned_body_is_never_read() -> None:
    with pytest.raises(BadSignature):
        verify(b"{", header())


def test_a_refusal_quotes_neither_secret_nor_signature() -> None:
    with pytest.raises(InvalidRequest) as refused:
        verify(BODY, header(signature(secret=OTHER_SECRET)))
    assert SECRET not in str(refused.value)
    assert signature(secret=OTHER_SECRET) not in str(refused.value)
    assert refused.value.code == "invalid_request"
