"""What Telegram tells is taken at its word only where it has the form that Telegram gives it."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.telegram.updates import TYPES, Ignored, NotAnUpdate, Sender, Unreadable, Update, read_update
from application.buttons import Buy
from application.chat import ButtonPress, ChatMessage
from domain.catalog import Method
from domain.errors import InvalidRequest
from domain.ids import BotName, PlanCode, UserId
from domain.invoice import PreCheckout
from domain.money import Money
from domain.payment import Charge, Provider, Refund

Json = dict[str, Any]

MAIN = BotName("main")
ADA = 42
LAST_USER = 2**52 - 1


def sender(**changes: Any) -> Json:
    return {"id": ADA, "is_bot": False, "first_name": "Ada", "language_code": "en"} | changes


def message(**changes: Any) -> Json:
    chat = {"id": ADA, "type": "private", "first_name": "Ada"}
    return {"message_id": 1, "date": 1_790_000_000, "chat": chat, "from": sender()} | changes


def payment(**changes: Any) -> Json:
    return {
        "currency": "XTR",
        "total_amount": 1250,
        "invoice_payload": "t1.gold_1m.payload",
        "telegram_payment_charge_id": "stxfT4H-gA_8",
        "provider_payment_charge_id": "42_1",
    } | changes


def paid(in_message: Json | None = None, **changes: Any) -> Json:
    return message(successful_payment=payment(**changes), **(in_message or {}))


def asked(**changes: Any) -> Json:
    return {
        "id": "-4611686018427387904",
        "from": sender(),
        "currency": "XTR",
        "total_amount": 1250,
        "invoice_payload": "t1.gold_1m.payload",
    } | changes


def pressed(**changes: Any) -> Json:
    return {"id": "77", "from": sender(), "message": message(), "chat_instance": "1", "data": f"s:{ADA}:gold"} | changes


def read(content: Json | str, *, username: str | None = "shop_bot") -> Update:
    body = content if isinstance(content, str) else json.dumps({"update_id": 7} | content)
    return read_update(body.encode(), MAIN, username)


def problem(content: Json | str) -> str:
    read_content = read(content).content
    assert isinstance(read_content, Unreadable), read_content
    return read_content.problem


# Payments


def test_a_payment_becomes_a_charge_with_the_bytes_it_came_in() -> None:
    body = json.dumps({"update_id": 7, "message": paid()}).encode()
    update = read_update(body, MAIN, None)
    assert update == Update(
        update_id=7,
        type="successful_payment",
        content=Charge(
            provider=Provider.TELEGRAM,
            charge_id="stxfT4H-gA_8",  # type: ignore[arg-type]
            provider_charge_id="42_1",
            bot=MAIN,
            payer=UserId(ADA),
            paid=Money(amount=1250, currency="XTR"),
            method=Method.STARS,
            payload="t1.gold_1m.payload",
            charged_at=datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC),
            message=body,
        ),
        language="en",
        sender=Sender(user_id=UserId(ADA), name="Ada", username=""),
    )


@pytest.mark.threat(12)
@pytest.mark.parametrize(
    ("currency", "amount", "method", "shown"),
    [
        ("XTR", 250, Method.STARS, "250 ⭐"),
        ("GBP", 2500, Method.TELEGRAM, "£25.00"),
        ("JPY", 1200, Method.TELEGRAM, "¥1,200"),
        ("KWD", 1500, Method.TELEGRAM, "1.500 KWD"),
        ("HUF", 99900, Method.TELEGRAM, "999.00 HUF"),
        ("UGX", 5000, Method.TELEGRAM, "5,000 UGX"),
    ],
)
def test_an_amount_is_in_the_smallest_units_of_its_currency(
    currency: str, amount: int, method: Method, shown: str
) -> None:
    charge = read({"message": paid(currency=currency, total_amount=amount)}).content
    assert isinstance(charge, Charge)
    assert (charge.paid, charge.method, str(charge.paid)) == (Money(amount=amount, currency=currency), method, shown)


def test_a_refund_is_read_whoever_its_message_is_from() -> None:
    from_bot = sender(id=7_000_001, is_bot=True)
    update = read({"message": message(refunded_payment=payment(), **{"from": from_bot})})
    assert update.type == "refunded_payment"
    assert isinstance(update.content, Refund)
    assert update.content.key == (Provider.TELEGRAM, "stxfT4H-gA_8")
    assert update.content.refunded == Money(amount=1250, currency="XTR")


def test_fields_that_we_have_never_heard_of_do_not_stand_in_the_way_of_a_payment() -> None:
    strange = {"is_recurring": True, "order_info": {"name": None}, "new": [{"deep": {"er": 1.5}}]}
    assert isinstance(read({"message": paid(**strange, in_message=strange), "new": strange}).content, Charge)


@pytest.mark.threat(16)
@pytest.mark.parametrize("text", ["\\ud800", "\\u0000", "a\\udfff\\ud800b", "\\u202e"], ids=ascii)
def test_no_name_however_odd_stands_in_the_way_of_a_payment(text: str) -> None:
    body = json.dumps({"update_id": 7, "message": paid()}).replace('"Ada"', f'"{text}"')
    assert isinstance(read(body).content, Charge)
    key = body.replace('"first_name"', f'"{text}"')
    assert isinstance(read(key).content, Charge)


@pytest.mark.threat(16)
@pytest.mark.parametrize("text", ["\\ud800", "\\u0000", "t1.\\ud83d.x"], ids=ascii)
def test_a_payload_that_no_database_keeps_is_made_keepable_and_the_charge_kept(text: str) -> None:
    body = json.dumps({"update_id": 7, "message": paid(invoice_payload="PAYLOAD")}).replace("PAYLOAD", text)
    first, again = read(body).content, read(body).content
    assert isinstance(first, Charge)
    assert first == again
    assert "\0" not in first.payload
    assert "\N{REPLACEMENT CHARACTER}" in first.payload
    first.payload.encode("utf-8")


@pytest.mark.criterion("4.6")
@pytest.mark.threat(13)
@pytest.mark.parametrize(
    "amount", ["0", "-1", str(2**53), str(2**63), str(2**64), "9" * 400, "1e3", "1.0", '"1"', "true", "null", "[1]"]
)
@pytest.mark.parametrize("content", [{"message": paid()}, {"pre_checkout_query": asked()}], ids=["payment", "query"])
def test_an_amount_that_is_no_whole_positive_number_is_unreadable(content: Json, amount: str) -> None:
    body = json.dumps({"update_id": 7} | content)
    assert "total_amount" in problem(body.replace("1250", amount))


def test_the_largest_amount_is_read() -> None:
    charge = read({"message": paid(total_amount=2**53 - 1)}).content
    assert isinstance(charge, Charge)
    assert charge.paid.amount == 2**53 - 1


@pytest.mark.criterion("4.6")
@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"currency": "xtr"}, id="currency in small letters"),
        pytest.param({"currency": "ZZZ"}, id="unknown currency"),
        pytest.param({"currency": None}, id="no currency"),
        pytest.param({"telegram_payment_charge_id": ""}, id="empty charge id"),
        pytest.param({"telegram_payment_charge_id": 5}, id="charge id of digits"),
        pytest.param({"telegram_payment_charge_id": "a\0b"}, id="NUL in the charge id"),
        pytest.param({"telegram_payment_charge_id": "a\n"}, id="line break after the charge id"),
        pytest.param({"telegram_payment_charge_id": "a" * 257}, id="endless charge id"),
        pytest.param({"telegram_payment_charge_id": "ä"}, id="charge id of other letters"),
        pytest.param({"invoice_payload": None}, id="no payload"),
        pytest.param({"invoice_payload": {}}, id="payload an object"),
        pytest.param({"in_message": {"from": None}}, id="from nobody"),
        pytest.param({"in_message": {"from": sender(id=0)}}, id="user 0"),
        pytest.param({"in_message": {"from": sender(id=-5)}}, id="negative user"),
        pytest.param({"in_message": {"from": sender(id=2**52)}}, id="user beyond 52 bits"),
        pytest.param({"in_message": {"from": sender(id=True)}}, id="user true"),
        pytest.param({"in_message": {"from": sender(id="42")}}, id="user as text"),
        pytest.param({"in_message": {"from": sender(is_bot=True)}}, id="a bot"),
        pytest.param({"in_message": {"date": 0}}, id="no date"),
        pytest.param({"in_message": {"date": 10**12}}, id="date beyond the year 9999"),
        pytest.param({"in_message": {"date": "1790000000"}}, id="date as text"),
    ],
)
def test_a_payment_of_another_form_is_unreadable_and_grants_nothing(wrong: Json) -> None:
    assert problem({"message": paid(**wrong)})


def test_the_last_possible_user_can_pay() -> None:
    charge = read({"message": paid({"from": sender(id=LAST_USER)})}).content
    assert isinstance(charge, Charge)
    assert charge.payer == LAST_USER


@pytest.mark.threat(46)
@pytest.mark.parametrize(
    "kind", ["edited_message", "channel_post", "edited_channel_post", "business_message", "edited_business_message"]
)
@pytest.mark.parametrize("what", ["successful_payment", "refunded_payment"])
def test_a_payment_anywhere_but_in_a_message_counts_for_nothing(kind: str, what: str) -> None:
    update = read({kind: message(**{what: payment()})})
    assert update.type == kind
    assert isinstance(update.content, Unreadable)


@pytest.mark.threat(46)
@pytest.mark.parametrize(
    "sign",
    [
        {"forward_origin": {"type": "user", "date": 1, "sender_user": sender()}},
        {"forward_date": 1},
        {"forward_from": sender()},
        {"forward_from_chat": {"id": -1, "type": "channel"}},
        {"sender_chat": {"id": -1, "type": "supergroup"}},
        {"business_connection_id": "abc"},
        {"sender_business_bot": sender()},
        {"via_bot": sender()},
    ],
    ids=lambda sign: next(iter(sign)),
)
@pytest.mark.parametrize("what", ["successful_payment", "refunded_payment"])
def test_a_payment_in_a_message_that_others_passed_on_counts_for_nothing(sign: Json, what: str) -> None:
    assert next(iter(sign)) in problem({"message": message(**{what: payment()}, **sign)})


@pytest.mark.threat(46)
def test_a_payment_in_the_message_that_is_answered_is_not_the_message_s() -> None:
    said = read({"message": message(text="thanks", reply_to_message=paid())}).content
    assert isinstance(said, ChatMessage)


def test_payment_and_refund_at_once_are_unreadable() -> None:
    assert problem({"message": paid({"refunded_payment": payment()})})


@pytest.mark.threat(17)
@pytest.mark.parametrize(
    "twice",
    [
        pytest.param(('"total_amount": 1250', '"total_amount": 1, "total_amount": 1250'), id="amount"),
        pytest.param(('"currency": "XTR"', '"currency": "XTR", "currency": "XTR"'), id="currency, the same"),
        pytest.param(('"first_name": "Ada"', '"first_name": "Ada", "first_name": "Eve"'), id="a name"),
        pytest.param(('"message": {', '"message": {}, "message": {'), id="the message"),
        pytest.param(('"currency": "XTR"', '"currency": "XTR", "curr\\u0065ncy": "XTR"'), id="once escaped"),
    ],
)
def test_a_doubled_key_grants_nothing(twice: tuple[str, str]) -> None:
    body = json.dumps({"update_id": 7, "message": paid()})
    assert isinstance(read(body).content, Charge)
    assert problem(body.replace(*twice, 1)) == "a key is doubled"


# Questions


@pytest.mark.criterion("2.1")
def test_a_pre_checkout_query_is_read_with_its_id_and_the_language_to_answer_in() -> None:
    update = read({"pre_checkout_query": asked(**{"from": sender(language_code="pt-BR")})})
    assert update.type == "pre_checkout_query"
    assert update.query_id == "-4611686018427387904"
    assert update.language == "pt-br"
    assert update.content == PreCheckout(
        query_id="-4611686018427387904",
        bot=MAIN,
        payer=UserId(ADA),
        paid=Money(amount=1250, currency="XTR"),
        payload="t1.gold_1m.payload",
    )


def test_an_unreadable_query_can_still_be_answered_with_a_no() -> None:
    update = read({"pre_checkout_query": asked(currency="ZZZ")})
    assert isinstance(update.content, Unreadable)
    assert update.query_id == "-4611686018427387904"


@pytest.mark.threat(43)
@pytest.mark.parametrize(
    "id",
    ["", "1 ", "1\n", "--1", "+1", "1" * 21, "٣", "abc", "1.0", '"', 5, None, True, {}, ["1"]],
    ids=ascii,
)
@pytest.mark.parametrize("kind", ["pre_checkout_query", "callback_query"])
def test_an_id_that_is_not_digits_is_never_one_to_answer(kind: str, id: Any) -> None:
    update = read({kind: (asked if kind == "pre_checkout_query" else pressed)(id=id)})
    assert update.query_id is None
    assert isinstance(update.content, Unreadable)


def test_a_press_is_read_with_the_action_and_its_owner() -> None:
    update = read({"callback_query": pressed()})
    assert update.query_id == "77"
    assert update.content == ButtonPress(
        bot=MAIN,
        update_id=7,
        chat_id=ADA,
        user_id=UserId(ADA),
        language="en",
        owner=UserId(ADA),
        action=Buy(plan_code=PlanCode("gold"), method=Method.STARS),
    )


@pytest.mark.parametrize("data", ["", "buy", "s:42", "s:0:gold", None], ids=str)
def test_a_press_with_data_that_is_not_ours_has_no_action(data: str | None) -> None:
    press = read({"callback_query": pressed(data=data)}).content
    assert isinstance(press, ButtonPress)
    assert (press.action, press.owner) == (None, None)


def test_a_press_on_a_message_out_of_sight_has_no_chat() -> None:
    press = read({"callback_query": pressed(message=None, inline_message_id="x")}).content
    assert isinstance(press, ButtonPress)
    assert press.chat_id is None


# Talk


@pytest.mark.parametrize(
    ("text", "command", "argument"),
    [
        ("/buy", "buy", ""),
        ("/buy gold_1m", "buy", "gold_1m"),
        ("  /BUY   gold_1m \n", "buy", "gold_1m"),
        ("/buy@shop_bot gold_1m", "buy", "gold_1m"),
        ("/Buy@Shop_Bot", "buy", ""),
        ("/start buy_gold_1m", "start", "buy_gold_1m"),
        ("/buy\ngold_1m", "buy", "gold_1m"),
        ("/nothing", "nothing", ""),
        ("hello", None, ""),
        ("please /buy", None, ""),
        ("/", None, ""),
        ("/buy@other_bot gold_1m", None, ""),
        ("/купить", None, ""),
        ("/" + "a" * 65, None, ""),
        ("/buy " + "a" * 200, "buy", "a" * 64),
        ("/buy \ud800", "buy", "\N{REPLACEMENT CHARACTER}"),
    ],
    ids=ascii,
)
def test_a_command_is_read_however_it_is_written(text: str, command: str | None, argument: str) -> None:
    assert read({"message": message(text=text)}).content == ChatMessage(
        bot=MAIN,
        update_id=7,
        chat_id=ADA,
        user_id=UserId(ADA),
        language="en",
        command=command,
        argument=argument,
    )


def test_as_long_as_our_name_is_not_known_a_command_in_the_private_chat_is_ours() -> None:
    said = read({"message": message(text="/buy@anything gold")}, username=None).content
    assert isinstance(said, ChatMessage)
    assert said.command == "buy"


def test_a_picture_is_answered_like_plain_talk() -> None:
    said = read({"message": message(photo=[{}])}).content
    assert isinstance(said, ChatMessage)
    assert said.command is None


GROUP = {"id": -100, "type": "supergroup"}


@pytest.mark.parametrize("text", ["/buy@shop_bot", "/BUY@SHOP_BOT gold"])
def test_in_a_group_a_command_that_names_us_is_ours(text: str) -> None:
    said = read({"message": message(text=text, chat=GROUP)}).content
    assert isinstance(said, ChatMessage)
    assert not said.private


@pytest.mark.parametrize(
    "ignored",
    [
        pytest.param({"message": message(text="/buy", chat=GROUP)}, id="a command to nobody in a group"),
        pytest.param({"message": message(text="/buy@other_bot", chat=GROUP)}, id="a command to another bot"),
        pytest.param({"message": message(text="hello @shop_bot", chat=GROUP)}, id="talk in a group"),
        pytest.param({"message": message(text="/buy", **{"from": sender(is_bot=True)})}, id="another bot"),
        pytest.param({"message": {"date": 1, "chat": GROUP, "text": "/buy@shop_bot"}}, id="from nobody"),
        pytest.param(
            {"message": message(text="/buy@shop_bot", chat=GROUP, sender_chat=GROUP)}, id="in the name of a group"
        ),
        pytest.param({"message": message(pinned_message=message())}, id="something was pinned"),
        pytest.param({"edited_message": message(text="/buy")}, id="an edited command"),
        pytest.param({"channel_post": message(text="/buy@shop_bot")}, id="a channel post"),
        pytest.param({"my_chat_member": {"chat": GROUP}}, id="membership"),
        pytest.param({"shipping_query": {"id": "1"}}, id="shipping"),
        pytest.param({"subscription": {}}, id="a subscription"),
        pytest.param({"something_new": {"successful_payment": payment()}}, id="a kind that we don't know"),
        pytest.param({}, id="nothing at all"),
    ],
)
def test_what_means_nothing_to_us_is_let_be(ignored: Json) -> None:
    assert isinstance(read(ignored).content, Ignored)


def test_in_a_group_nothing_is_ours_before_we_know_our_name() -> None:
    assert isinstance(read({"message": message(text="/buy@shop_bot", chat=GROUP)}, username=None).content, Ignored)


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        ("de", "de"),
        ("pt-BR", "pt-br"),
        ("zh-hans", "zh-hans"),
        (None, "en"),
        ("", "en"),
        ("e", "en"),
        ("../etc", "en"),
        ("d" * 100, "en"),
        ("de\n", "en"),
        (7, "en"),
        ({}, "en"),
    ],
    ids=str,
)
def test_the_language_is_a_short_tag_or_english(tag: Any, language: str) -> None:
    update = read({"message": message(text="/buy", **{"from": sender(language_code=tag)})})
    assert isinstance(update.content, ChatMessage)
    assert update.language == update.content.language == language


# What is no update


@pytest.mark.threat(15, 16)
@pytest.mark.criterion("4.6")
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"hello", id="no JSON"),
        pytest.param(b"[]", id="an array"),
        pytest.param(b"null", id="null"),
        pytest.param(b"7", id="a number"),
        pytest.param(b"{}", id="no update_id"),
        pytest.param(b'{"update_id": "7"}', id="update_id as text"),
        pytest.param(b'{"update_id": true}', id="update_id true"),
        pytest.param(b'{"update_id": 7.0}', id="update_id a fraction"),
        pytest.param(b'{"update_id": -1}', id="update_id negative"),
        pytest.param(b'{"update_id": 9223372036854775808}', id="update_id beyond 63 bits"),
        pytest.param(b'{"update_id": 7, "message": NaN}', id="NaN"),
        pytest.param(b'{"update_id": 7, "message": -Infinity}', id="infinity"),
        pytest.param(b'{"update_id": 7} {}', id="two documents"),
        pytest.param(b'{"update_id": 7, "message": ' + b"9" * 5000 + b"}", id="a number of 5000 digits"),
        pytest.param(b"[" * 100_000, id="100 000 deep"),
        pytest.param(b'{"update_id": 7, "a": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001, id="objects 100 000 deep"),
        pytest.param(b'{"update_id": 7, "a": "\xff"}', id="invalid UTF-8"),
        pytest.param(b'{"update_id": 7, "a": "\xed\xa0\x80"}', id="half a surrogate pair as bytes"),
        pytest.param('{"update_id": 7}'.encode("utf-16"), id="UTF-16"),
        pytest.param('\N{BYTE ORDER MARK}{"update_id": 7}'.encode(), id="byte order mark"),
    ],
)
def test_what_is_no_json_object_with_an_update_id_is_no_update(body: bytes) -> None:
    with pytest.raises(NotAnUpdate):
        read_update(body, MAIN, None)
    assert issubclass(NotAnUpdate, InvalidRequest)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param({"message": None}, id="null"),
        pytest.param({"message": []}, id="an array"),
        pytest.param({"message": "text"}, id="a text"),
        pytest.param({"message": {}}, id="an empty message"),
        pytest.param({"message": message(chat={"id": 43, "type": "private"}, text="x")}, id="another one's chat"),
        pytest.param({"message": message(chat={"id": ADA, "type": "group"}, text="x")}, id="a group with a user's id"),
        pytest.param({"message": message(text=5)}, id="a number said"),
        pytest.param({"message": message(text="a"), "poll": {}}, id="two contents"),
    ],
)
def test_an_update_of_another_form_is_unreadable_and_so_kept(content: Json) -> None:
    assert problem(content)


@pytest.mark.threat(33)
def test_a_problem_never_quotes_what_was_sent() -> None:
    secret = "quoted\nwords"
    for content in (
        {"message": paid(currency=secret)},
        {"message": paid(total_amount=secret)},
        {"message": message(text="x", chat={"id": secret, "type": secret})},
        {"callback_query": pressed(id=secret)},
    ):
        assert "quoted" not in problem(content)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
FORMS: list[Json] = [
    {"message": paid()},
    {"message": message(refunded_payment=payment())},
    {"message": message(text="/buy gold")},
    {"pre_checkout_query": asked()},
    {"callback_query": pressed()},
]


@given(st.binary(max_size=300))
def test_any_bytes_are_an_update_or_not_and_never_an_accident(body: bytes) -> None:
    with suppress(NotAnUpdate):
        assert read_update(body, MAIN, None).type in TYPES


@given(st.dictionaries(st.sampled_from(sorted(TYPES)) | st.text(), json_values, max_size=4), st.integers(0, 2**63 - 1))
def test_any_object_with_an_update_id_is_read(content: Json, update_id: int) -> None:
    update = read_update(json.dumps(content | {"update_id": update_id}).encode(), MAIN, "shop_bot")
    assert update.update_id == update_id
    assert update.type in TYPES


@given(st.data())
def test_whatever_stands_in_any_place_of_an_update_it_is_read_or_kept(data: st.DataObject) -> None:
    content = json.loads(json.dumps(data.draw(st.sampled_from(FORMS))))
    place: Json = content
    while True:
        name = data.draw(st.sampled_from(sorted(place)))
        if not isinstance(place[name], dict) or data.draw(st.booleans()):
            break
        place = place[name]
    place[name] = data.draw(json_values)
    update = read_update(json.dumps({"update_id": 7} | content).encode(), MAIN, "shop_bot")
    assert update.type in TYPES
    if isinstance(update.content, Charge):
        assert 0 < update.content.paid.amount < 2**53
        assert 0 < update.content.payer <= LAST_USER
        assert "\0" not in update.content.payload.encode("utf-8").decode("utf-8")
