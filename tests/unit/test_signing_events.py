"""Pushed events are signed as the Standard Webhooks specification says, by every secret at once."""

import base64
from datetime import UTC, datetime

import pytest

from adapters.webhooks.signing import secret_of, signed_headers

AT = datetime(2022, 11, 3, 20, 26, 10, 999999, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_specification_s_own_example_is_signed_as_it_says() -> None:
    """https://github.com/standard-webhooks/standard-webhooks: the test vector of its libraries."""
    at = datetime.fromtimestamp(1614265330, UTC)
    headers = signed_headers([secret_of(SECRET)], "msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}')
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_while_a_secret_is_changed_both_sign() -> None:
    old, new = secret_of(SECRET), b"n" * 24
    both = signed_headers([new, old], "evt_1", AT, b"{}")["webhook-signature"].split(" ")
    assert both == [signed_headers([key], "evt_1", AT, b"{}")["webhook-signature"] for key in (new, old)]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", id="without its prefix"),
        pytest.param("whsec_" + base64.b64encode(b"k" * 23).decode(), id="too short"),
        pytest.param("whsec_" + base64.b64encode(b"k" * 65).decode(), id="too long"),
        pytest.param("whsec_not base64 canary", id="no base64"),
        pytest.param("whsec_canäry", id="no ASCII"),
    ],
)
def test_a_secret_that_is_none_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="a secret is whsec_") as refused:
        secret_of(text)
    assert "can" not in str(refused.value)
