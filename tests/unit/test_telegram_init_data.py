"""A Mini App says who opened it; only Telegram's signature makes it true, for our bots, for a day."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.telegram.init_data import InitData, verify_init_data
from domain.errors import Unauthenticated
from domain.ids import BotName, UserId

NOW = datetime(2026, 9, 21, 14, 0, tzinfo=UTC)
MAIN, CLUB = BotName("main"), BotName("club")
TOKENS = {MAIN: "7000001:AAE-token-of-the-main-bot-000000", CLUB: "7000002:AAE-token-of-the-club-bot-000000"}


def fields(*, at: datetime = NOW, user: Any = None, **more: str) -> dict[str, str]:
    person = {"id": 42, "first_name": "Ada", "language_code": "pt-BR"} if user is None else user
    return {
        "query_id": "AAF",
        "user": person if isinstance(person, str) else json.dumps(person),
        "auth_date": str(int(at.timestamp())),
        "signature": "c2lnbmF0dXJl",
    } | more


def signed(values: Mapping[str, str], token: str = TOKENS[MAIN], tail: str = "") -> str:
    text = "\n".join(f"{name}={value}" for name, value in sorted(values.items()))
    key = hmac.digest(b"WebAppData", token.encode(), hashlib.sha256)
    digest = hmac.digest(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()
    return urlencode(dict(values) | {"hash": digest}) + tail


@pytest.mark.criterion("5.7")
def test_signed_init_data_tells_who_came_through_which_bot() -> None:
    assert verify_init_data(signed(fields()), TOKENS, NOW) == InitData(user_id=UserId(42), bot=MAIN, language="pt-br")
    assert verify_init_data(signed(fields(), TOKENS[CLUB]), TOKENS, NOW).bot == CLUB


def test_the_example_in_the_handbook_of_mini_apps_is_genuine() -> None:
    """Source: https://docs.telegram-mini-apps.com/packages/tma-js-init-data/validating."""
    example = (
        "query_id=AAHdF6IQAAAAAN0XohDhrOrc&user=%7B%22id%22%3A279058397%2C%22first_name%22%3A%22Vladislav%22%2C"
        "%22last_name%22%3A%22Kibenko%22%2C%22username%22%3A%22vdkfrost%22%2C%22language_code%22%3A%22ru%22%2C"
        "%22is_premium%22%3Atrue%7D&auth_date=1662771648"
        "&hash=c501b71e775f74ce10e377dea85a7ea24ecd640b223ea86dfe453e0eaed2e2b2"
    )
    made_at = datetime.fromtimestamp(1662771648, UTC)
    token = "5768337691:AAH5YkoiEuPk8-FZa32hStHTqXiLPtAEhx8"  # published there
    assert verify_init_data(example, {MAIN: token}, made_at).user_id == 279058397


@pytest.mark.parametrize("age_s", [0, 1, 86_399, 86_400, -60], ids="{} s old".format)
def test_it_is_good_for_a_day_and_clocks_may_differ_by_a_minute(age_s: int) -> None:
    assert verify_init_data(signed(fields(at=NOW - timedelta(seconds=age_s))), TOKENS, NOW).user_id == 42


@pytest.mark.threat(40)
@pytest.mark.parametrize("age_s", [86_401, 10**8, -61, -(10**9)], ids="{} s old".format)
def test_stale_or_future_init_data_is_refused(age_s: int) -> None:
    with pytest.raises(Unauthenticated):
        verify_init_data(signed(fields(at=NOW - timedelta(seconds=age_s))), TOKENS, NOW)


@pytest.mark.threat(40)
@pytest.mark.parametrize(
    "forged",
    [
        pytest.param(signed(fields(), "7000009:AAE-token-of-somebody-else-000000"), id="of another bot"),
        pytest.param(signed(fields()).replace("42", "43"), id="another user put in"),
        pytest.param(signed(fields()) + "&start_param=x", id="a field added"),
        pytest.param(signed(fields()).replace("query_id=AAF&", ""), id="a field taken away"),
        pytest.param(signed(fields()).replace("signature=c", "signature=d"), id="Telegram's own signature changed"),
        pytest.param(signed(fields()).rpartition("&hash=")[0], id="no hash"),
        pytest.param(signed(fields()).rpartition("&hash=")[0] + "&hash=", id="empty hash"),
        pytest.param(signed(fields()).rpartition("&hash=")[0] + "&hash=" + "0" * 64, id="hash of zeros"),
        pytest.param(signed(fields())[:-1], id="hash cut short"),
        pytest.param(signed(fields(), tail="&user=%7B%22id%22%3A43%7D"), id="the user named twice"),
        pytest.param(signed(fields(), tail="&query_id=AAF"), id="a field twice, the same"),
        pytest.param(signed(fields(), tail="&" + "&".join(f"f{i}=1" for i in range(40))), id="too many fields"),
        pytest.param(signed(fields(start_param="x" * 9000)), id="too long"),
        pytest.param("", id="nothing"),
        pytest.param("hash", id="no pairs"),
        pytest.param("=&=", id="no names"),
        pytest.param("%ff%fe=1&hash=" + "0" * 64, id="no UTF-8"),
        pytest.param("a=\ud800&hash=" + "0" * 64, id="half a surrogate pair"),
    ],
)
def test_forged_init_data_is_refused(forged: str) -> None:
    with pytest.raises(Unauthenticated):
        verify_init_data(forged, TOKENS, NOW)


@pytest.mark.threat(40)
@pytest.mark.parametrize(
    "values",
    [
        pytest.param(fields(auth_date=""), id="no date"),
        pytest.param(fields(auth_date="-5"), id="negative date"),
        pytest.param(fields(auth_date="1e9"), id="date with an exponent"),
        pytest.param(fields(auth_date="9" * 30), id="date of 30 digits"),
        pytest.param({k: v for k, v in fields().items() if k != "user"}, id="no user"),
        pytest.param(fields(user=""), id="empty user"),
        pytest.param(fields(user="[]"), id="user an array"),
        pytest.param(fields(user={"id": "42"}), id="user id as text"),
        pytest.param(fields(user={"id": True}), id="user id true"),
        pytest.param(fields(user={"id": 0}), id="user 0"),
        pytest.param(fields(user={"id": 2**52}), id="user beyond 52 bits"),
        pytest.param(fields(user={"id": 42, "is_bot": True}), id="a bot"),
        pytest.param(fields(user='{"id": 42, "id": 43}'), id="two ids"),
        pytest.param(fields(user="[" * 7000), id="nested too deep"),
    ],
)
def test_signed_init_data_that_names_nobody_is_refused(values: Mapping[str, str]) -> None:
    with pytest.raises(Unauthenticated):
        verify_init_data(signed(values), TOKENS, NOW)


def test_without_bots_nobody_is_believed() -> None:
    with pytest.raises(Unauthenticated):
        verify_init_data(signed(fields()), {}, NOW)


@pytest.mark.threat(34)
def test_no_refusal_tells_a_token() -> None:
    with pytest.raises(Unauthenticated) as refusal:
        verify_init_data(signed(fields(), "7:x"), TOKENS, NOW)
    assert not any(token in str(refusal.value) for token in TOKENS.values())


@given(st.text(max_size=200))
def test_any_text_is_refused_and_nothing_worse_happens(text: str) -> None:
    with pytest.raises(Unauthenticated):
        verify_init_data(text, TOKENS, NOW)
