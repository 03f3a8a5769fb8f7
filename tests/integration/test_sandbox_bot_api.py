"""The sandbox answers calls of the Bot API as Telegram does, and refuses what Telegram refuses."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest

from tests.integration.sandbox_server import BOT_TOKEN, Json, SandboxServer

ADA = 1001
PAY_BUTTON = {"text": "Pay", "pay": True}
PLAIN_BUTTON = {"text": "x", "callback_data": "x"}
STARS_INVOICE: Json = {
    "chat_id": ADA,
    "title": "Gold",
    "description": "Signals",
    "payload": "p",
    "currency": "XTR",
    "prices": [{"label": "Gold", "amount": 100}],
}


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(chat_messages_per_second=1e3, chat_burst=1000, messages_per_second=1e3, quiet_s=0.02) as server:
        yield server


@pytest.fixture
def telegram(server: SandboxServer) -> SandboxServer:
    server.reset()
    server.call("getMe")
    server.create_user("Ada", id=ADA, started=True)
    return server


def refusal(telegram: SandboxServer, method: str, arguments: Json) -> str:
    answer = telegram.call(method, arguments)
    assert answer["ok"] is False
    return f"{answer['error_code']} {answer['description']}"


def test_any_well_formed_token_is_a_bot_whose_id_is_its_number(telegram: SandboxServer) -> None:
    me = telegram.call("getMe", token="123456:" + "x" * 35)["result"]
    assert (me["id"], me["is_bot"], me["username"]) == (123456, True, "sandbox2_bot")


def test_a_malformed_token_is_unauthorized(telegram: SandboxServer) -> None:
    assert telegram.call("getMe", token="1:short") == {"ok": False, "error_code": 401, "description": "Unauthorized"}


def test_where_tokens_are_named_every_other_is_unauthorized() -> None:
    with SandboxServer(tokens=[BOT_TOKEN]) as telegram:
        assert telegram.call("getMe")["ok"]
        assert telegram.call("getMe", token="123456:" + "x" * 35)["error_code"] == 401


def test_an_unknown_method_is_not_found(telegram: SandboxServer) -> None:
    assert refusal(telegram, "sendMoney", {}) == "404 Not Found: method not found"


def test_the_case_of_a_method_does_not_matter(telegram: SandboxServer) -> None:
    assert telegram.call("GETME")["ok"]


@pytest.mark.parametrize("shape", ["json", "form", "multipart", "query"])
def test_arguments_come_as_json_form_or_query(telegram: SandboxServer, shape: str) -> None:
    url = f"{telegram.url}/bot{BOT_TOKEN}/sendMessage"
    keyboard = {"inline_keyboard": [[{"text": "Buy", "callback_data": "b"}]]}
    plain = {"chat_id": str(ADA), "text": "hello", "reply_markup": json.dumps(keyboard)}
    answer = {
        "json": lambda: httpx.post(url, json={"chat_id": ADA, "text": "hello", "reply_markup": keyboard}),
        "form": lambda: httpx.post(url, data=plain),
        "multipart": lambda: httpx.post(url, files={name: (None, value) for name, value in plain.items()}),
        "query": lambda: httpx.get(url, params=plain),
    }[shape]()
    message = answer.json()["result"]
    assert (message["text"], message["chat"]["id"], message["reply_markup"]) == ("hello", ADA, keyboard)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        pytest.param({"text": "hi"}, "400 Bad Request: chat_id is empty", id="no chat"),
        pytest.param({"chat_id": 999, "text": "hi"}, "400 Bad Request: chat not found", id="a stranger"),
        pytest.param({"chat_id": ADA, "text": " \n "}, "400 Bad Request: message text is empty", id="nothing said"),
        pytest.param(
            {"chat_id": ADA, "text": "x" * 4097}, "400 Bad Request: message is too long", id="4097 characters"
        ),
    ],
)
def test_a_message_telegram_would_not_take_is_refused(telegram: SandboxServer, arguments: Json, why: str) -> None:
    assert refusal(telegram, "sendMessage", arguments) == why


def test_the_length_of_a_text_is_counted_after_its_tags(telegram: SandboxServer) -> None:
    text = f"<b>{'x' * 4096}</b>"
    assert telegram.call("sendMessage", {"chat_id": ADA, "text": text, "parse_mode": "HTML"})["ok"]


def test_html_becomes_entities_that_count_utf16_units(telegram: SandboxServer) -> None:
    text = 'Star 😀 <b>bold <i>both</i></b> &lt;x&gt; <a href="https://a.example/?x=1&amp;y=2">link</a> /buy'
    message = telegram.call("sendMessage", {"chat_id": ADA, "text": text, "parse_mode": "HTML"})["result"]
    assert message["text"] == "Star 😀 bold both <x> link /buy"
    assert message["entities"] == [
        {"type": "bold", "offset": 8, "length": 9},
        {"type": "italic", "offset": 13, "length": 4},
        {"type": "text_link", "url": "https://a.example/?x=1&y=2", "offset": 22, "length": 4},
        {"type": "bot_command", "offset": 27, "length": 4},
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("<b>x", 'Can\'t find end tag corresponding to start tag "b"', id="never closed"),
        pytest.param("x</b>", "Unexpected end tag at byte offset 1", id="never opened"),
        pytest.param(
            "<b><i>x</b></i>", 'Unmatched end tag at byte offset 7, expected "</i>", found "</b>"', id="crossed"
        ),
        pytest.param("a <script>x</script>", 'Unsupported start tag "script" at byte offset 2', id="no tag of theirs"),
        pytest.param("1 < 2", 'Unsupported start tag "" at byte offset 2', id="a lone less-than"),
    ],
)
def test_broken_html_is_refused(telegram: SandboxServer, text: str, why: str) -> None:
    answer = refusal(telegram, "sendMessage", {"chat_id": ADA, "text": text, "parse_mode": "HTML"})
    assert answer == f"400 Bad Request: can't parse entities: {why}"


@pytest.mark.parametrize(
    ("button", "why"),
    [
        pytest.param({"text": "x", "callback_data": "d" * 65}, "BUTTON_DATA_INVALID", id="65 bytes of data"),
        pytest.param({"text": "x", "callback_data": "é" * 33}, "BUTTON_DATA_INVALID", id="33 letters of two bytes"),
        pytest.param({"text": "x", "callback_data": ""}, "BUTTON_DATA_INVALID", id="empty data"),
        pytest.param({"text": "x"}, "Text buttons are unallowed in the inline keyboard", id="a button for nothing"),
        pytest.param({"text": "x", "pay": True}, "BUTTON_TYPE_INVALID", id="pay without an invoice"),
        pytest.param({"text": "x", "url": "javascript:1"}, "Unsupported URL protocol", id="a link of another kind"),
    ],
)
def test_a_keyboard_telegram_would_not_take_is_refused(telegram: SandboxServer, button: Json, why: str) -> None:
    arguments = {"chat_id": ADA, "text": "x", "reply_markup": {"inline_keyboard": [[button]]}}
    assert why in refusal(telegram, "sendMessage", arguments)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"title": "x" * 33}, id="title of 33"),
        pytest.param({"title": ""}, id="no title"),
        pytest.param({"description": "x" * 256}, id="description of 256"),
        pytest.param({"description": ""}, id="no description"),
        pytest.param({"payload": "x" * 129}, id="payload of 129 bytes"),
        pytest.param({"payload": "é" * 65}, id="payload of 65 letters of two bytes"),
        pytest.param({"payload": ""}, id="no payload"),
        pytest.param({"currency": ""}, id="no currency"),
        pytest.param({"provider_token": "123:TEST:x"}, id="Stars with a provider"),
        pytest.param({"prices": []}, id="no price"),
        pytest.param({"prices": [{"label": "a", "amount": 1}, {"label": "b", "amount": 1}]}, id="two prices in Stars"),
        pytest.param({"prices": [{"label": "a", "amount": 0}]}, id="nothing to pay"),
        pytest.param({"prices": [{"label": "a", "amount": -5}]}, id="less than nothing"),
        pytest.param({"prices": [{"label": "a", "amount": 1.5}]}, id="half a Star"),
        pytest.param({"prices": [{"label": "a", "amount": True}]}, id="an amount that is true"),
        pytest.param({"max_tip_amount": 5}, id="a tip in Stars"),
        pytest.param({"is_flexible": True}, id="shipping for Stars"),
        pytest.param({"subscription_period": 2592000}, id="a subscription that is sent"),
        pytest.param({"currency": "GBP"}, id="pounds without a provider"),
        pytest.param({"currency": "gbp", "provider_token": "x"}, id="a currency in small letters"),
        pytest.param({"reply_markup": {"inline_keyboard": [[PLAIN_BUTTON]]}}, id="no pay button first"),
    ],
)
def test_an_invoice_telegram_would_not_take_is_refused(telegram: SandboxServer, change: Json) -> None:
    assert refusal(telegram, "sendInvoice", STARS_INVOICE | change).startswith("400 Bad Request: ")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({}, id="plain"),
        pytest.param({"title": "x" * 32, "description": "x" * 255, "payload": "x" * 128}, id="at every limit"),
        pytest.param({"provider_token": ""}, id="an empty provider"),
        pytest.param(
            {
                "reply_markup": {
                    "inline_keyboard": [[{"text": "Pay", "pay": True}], [{"text": "x", "callback_data": "x"}]]
                }
            },
            id="its own keyboard",
        ),
        pytest.param(
            {
                "currency": "GBP",
                "provider_token": "x",
                "prices": [{"label": "a", "amount": 1}, {"label": "b", "amount": 2}],
            },
            id="pounds in two parts",
        ),
    ],
)
def test_an_invoice_within_the_limits_is_sent(telegram: SandboxServer, change: Json) -> None:
    message = telegram.call("sendInvoice", STARS_INVOICE | change)["result"]
    assert message["invoice"]["total_amount"] > 0
    assert message["reply_markup"]["inline_keyboard"][0][0]["pay"] is True
    assert "payload" not in message["invoice"]


def test_a_subscription_is_only_made_by_link_and_for_thirty_days(telegram: SandboxServer) -> None:
    arguments = {name: value for name, value in STARS_INVOICE.items() if name != "chat_id"}
    link = telegram.call("createInvoiceLink", arguments | {"subscription_period": 2592000})["result"]
    assert link.startswith(f"{telegram.url}/$")
    assert "SUBSCRIPTION" in refusal(telegram, "createInvoiceLink", arguments | {"subscription_period": 86400})


def test_a_bot_may_not_write_to_who_blocked_it_or_never_wrote(telegram: SandboxServer) -> None:
    telegram.block(ADA)
    assert (
        refusal(telegram, "sendMessage", {"chat_id": ADA, "text": "x"}) == "403 Forbidden: bot was blocked by the user"
    )
    telegram.say(1002, "/start@sandbox_bot", chat_id=-100)
    assert refusal(telegram, "sendMessage", {"chat_id": 1002, "text": "x"}).startswith(
        "403 Forbidden: bot can't initiate"
    )


def test_a_message_is_edited_and_deleted_by_its_own_bot_alone(telegram: SandboxServer) -> None:
    sent = telegram.call("sendMessage", {"chat_id": ADA, "text": "one"})["result"]
    place = {"chat_id": ADA, "message_id": sent["message_id"]}
    assert telegram.call("editMessageText", place | {"text": "two"})["result"]["text"] == "two"
    assert "message is not modified" in refusal(telegram, "editMessageText", place | {"text": "two"})
    said = telegram.say(ADA, "mine")
    theirs = {"chat_id": ADA, "message_id": said["message_id"], "text": "theirs"}
    assert refusal(telegram, "editMessageText", theirs) == "400 Bad Request: message can't be edited"
    assert telegram.call("deleteMessage", place)["result"] is True
    assert "message to edit not found" in refusal(telegram, "editMessageText", place | {"text": "three"})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        pytest.param({"url": "http://example.com/"}, "An HTTPS URL must be provided", id="http in the world"),
        pytest.param({"url": "https://example.com:8000/"}, "only on ports 80, 88, 443 or 8443", id="another port"),
        pytest.param({"url": "nonsense"}, "invalid webhook URL", id="no address"),
        pytest.param({"secret_token": "with space"}, "unallowed characters", id="a secret with a space"),
        pytest.param({"secret_token": "x" * 257}, "too long", id="a secret of 257"),
    ],
)
def test_a_webhook_telegram_would_not_call_is_refused(telegram: SandboxServer, change: Json, why: str) -> None:
    assert why in refusal(telegram, "setWebhook", {"url": "https://example.com/"} | change)


def test_commands_are_kept_for_the_menu_and_checked(telegram: SandboxServer) -> None:
    commands = [{"command": "buy", "description": "See the plans"}]
    assert telegram.call("setMyCommands", {"commands": commands})["result"] is True
    assert telegram.call("getMyCommands")["result"] == commands
    wrong = [{"command": "Buy Now", "description": "x"}]
    assert refusal(telegram, "setMyCommands", {"commands": wrong}) == "400 Bad Request: BOT_COMMAND_INVALID"


def test_every_call_is_on_record_without_the_token(telegram: SandboxServer) -> None:
    telegram.call("sendMessage", {"chat_id": ADA, "text": "hello"})
    (call,) = telegram.calls("sendMessage")
    assert call["arguments"] == {"chat_id": ADA, "text": "hello"}
    assert (call["status"], call["answer"]["ok"]) == (200, True)
    assert BOT_TOKEN not in json.dumps(telegram.calls())


def test_init_data_bears_the_signature_that_telegram_documents(telegram: SandboxServer) -> None:
    fields: dict[str, Any] = dict(parse_qsl(telegram.init_data(ADA, auth_date=1_700_000_000, start_param="gold")))
    given = fields.pop("hash")
    lines = "\n".join(f"{name}={value}" for name, value in sorted(fields.items()))
    key = hmac.new(b"WebAppData", BOT_TOKEN.encode(), hashlib.sha256).digest()
    assert given == hmac.new(key, lines.encode(), hashlib.sha256).hexdigest()
    assert (json.loads(fields["user"])["id"], fields["auth_date"]) == (ADA, "1700000000")


def test_two_messages_a_second_in_one_chat_are_too_many_after_a_burst() -> None:
    with SandboxServer(chat_burst=2) as telegram:
        telegram.call("getMe")
        telegram.create_user("Ada", id=ADA, started=True)
        telegram.create_user("Bob", id=1002, started=True)
        answers = [telegram.call("sendMessage", {"chat_id": ADA, "text": "x"}) for _ in range(3)]
        assert [answer["ok"] for answer in answers] == [True, True, False]
        assert (answers[2]["error_code"], answers[2]["parameters"]) == (429, {"retry_after": 1})
        assert telegram.call("sendMessage", {"chat_id": 1002, "text": "x"})["ok"], "another chat is not concerned"
