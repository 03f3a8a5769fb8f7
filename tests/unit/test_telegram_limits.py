"""Telegram's limits are held before anything is sent, and what breaks one is told by name."""

from typing import Any

import pytest

from adapters.telegram.calls import Call
from adapters.telegram.limits import BeyondLimits, check, visible_length


def invoice(**changes: Any) -> dict[str, Any]:
    return {
        "chat_id": 42,
        "title": "Gold, 1 month",
        "description": "Signals",
        "payload": "t1.gold",
        "provider_token": "",
        "currency": "XTR",
        "prices": [{"label": "Gold", "amount": 1250}],
        "start_parameter": "forwarded",
        "reply_markup": {"inline_keyboard": [[{"text": "Pay", "pay": True}], [{"text": "No", "callback_data": "x"}]]},
    } | changes


def message(**changes: Any) -> dict[str, Any]:
    return {"chat_id": 42, "text": "Hello", "parse_mode": "HTML"} | changes


def keyboard(*buttons: dict[str, Any]) -> dict[str, Any]:
    return {"inline_keyboard": [[button] for button in buttons]}


def webhook(**changes: Any) -> dict[str, Any]:
    return {"url": "https://shop.example/hook", "secret_token": "a" * 256, "max_connections": 40} | changes


BUTTON = {"text": "Buy", "callback_data": "p:42"}


@pytest.mark.criterion("1.10")
@pytest.mark.parametrize(
    "call",
    [
        pytest.param(Call("sendInvoice", invoice()), id="Stars"),
        pytest.param(Call("sendInvoice", invoice(title="é" * 32, description="é" * 255)), id="longest texts"),
        pytest.param(Call("sendInvoice", invoice(payload="p" * 128)), id="longest payload"),
        pytest.param(Call("sendInvoice", invoice(currency="GBP", provider_token="1:TEST:x")), id="pounds"),
        pytest.param(
            Call(
                "createInvoiceLink",
                {k: invoice()[k] for k in ("title", "description", "payload")}
                | {"currency": "XTR", "prices": [{"label": "Gold", "amount": 1}]},
            ),
            id="a link",
        ),
        pytest.param(Call("sendMessage", message(text="x" * 4096)), id="longest message"),
        pytest.param(
            Call("sendMessage", message(text="<b>" + "&lt;" * 4096 + "</b>")), id="longest once tags are read"
        ),
        pytest.param(Call("sendMessage", message(reply_markup=keyboard(*[BUTTON] * 100))), id="100 buttons"),
        pytest.param(
            Call("sendMessage", message(reply_markup=keyboard({"text": "B", "callback_data": "b" * 64}))), id="64 bytes"
        ),
        pytest.param(Call("setWebhook", webhook()), id="a webhook"),
        pytest.param(Call("answerCallbackQuery", {"text": "x" * 200}), id="longest toast"),
        pytest.param(Call("getMe", {}), id="a call without limits"),
    ],
)
def test_what_telegram_takes_passes(call: Call) -> None:
    check(call)


@pytest.mark.parametrize(
    ("call", "what"),
    [
        pytest.param(Call("sendInvoice", invoice(title="")), "title: 1 to 32", id="no title"),
        pytest.param(Call("sendInvoice", invoice(title="   ")), "title", id="blank title"),
        pytest.param(Call("sendInvoice", invoice(title="x" * 33)), "not 33", id="long title"),
        pytest.param(Call("sendInvoice", invoice(description="")), "description", id="no description"),
        pytest.param(Call("sendInvoice", invoice(description="x" * 256)), "not 256", id="long description"),
        pytest.param(Call("sendInvoice", invoice(payload="")), "payload", id="no payload"),
        pytest.param(
            Call("sendInvoice", invoice(payload="é" * 65)), "payload: 1 to 128 bytes", id="130 bytes of payload"
        ),
        pytest.param(Call("sendInvoice", invoice(start_parameter="a b")), "start_parameter", id="odd start parameter"),
        pytest.param(Call("sendInvoice", invoice(currency="ZZZ")), "currency", id="unknown currency"),
        pytest.param(Call("sendInvoice", invoice(prices=[])), "prices", id="no price"),
        pytest.param(Call("sendInvoice", invoice(prices=[{"label": "", "amount": 1}])), "label", id="price unnamed"),
        pytest.param(Call("sendInvoice", invoice(prices=[{"label": "x", "amount": 0}])), "total", id="for nothing"),
        pytest.param(
            Call("sendInvoice", invoice(prices=[{"label": "x", "amount": 2**53}])), "total", id="more than all money"
        ),
        pytest.param(
            Call("sendInvoice", invoice(prices=[{"label": "x", "amount": 1}] * 2)),
            "exactly one",
            id="Stars, two prices",
        ),
        pytest.param(Call("sendInvoice", invoice(provider_token="1:x")), "empty for Stars", id="Stars by a provider"),
        pytest.param(Call("sendInvoice", invoice(max_tip_amount=1)), "max_tip_amount", id="Stars with a tip"),
        pytest.param(Call("sendInvoice", invoice(is_flexible=True)), "is_flexible", id="Stars shipped"),
        pytest.param(Call("sendInvoice", invoice(currency="GBP")), "provider_token: needed", id="pounds by nobody"),
        pytest.param(
            Call("sendInvoice", invoice(reply_markup=keyboard(BUTTON))), "one to pay", id="nothing to pay with"
        ),
        pytest.param(
            Call("sendMessage", message(reply_markup=keyboard({"text": "Pay", "pay": True}))),
            "one to pay",
            id="pay what",
        ),
        pytest.param(Call("sendMessage", message(text="")), "text: 1 to 4096", id="no text"),
        pytest.param(Call("sendMessage", message(text="<b></b>")), "text", id="only tags"),
        pytest.param(Call("sendMessage", message(text="x" * 4097)), "not 4097", id="long text"),
        pytest.param(Call("sendMessage", message(text="👍" * 2049)), "not 4098", id="faces count twice"),
        pytest.param(Call("sendMessage", message(reply_markup=keyboard(*[BUTTON] * 101))), "not 101", id="101 buttons"),
        pytest.param(
            Call("sendMessage", message(reply_markup=keyboard(*[{"text": "x" * 60, "callback_data": "b" * 30}] * 100))),
            "8192 bytes",
            id="large keyboard",
        ),
        pytest.param(
            Call("sendMessage", message(reply_markup=keyboard({"text": " ", "callback_data": "p"}))),
            "empty",
            id="blank",
        ),
        pytest.param(
            Call("sendMessage", message(reply_markup=keyboard({"text": "B", "callback_data": "b" * 65}))),
            "callback_data",
            id="65 bytes on a button",
        ),
        pytest.param(Call("setWebhook", webhook(secret_token="")), "secret_token", id="no secret"),
        pytest.param(Call("setWebhook", webhook(secret_token="a" * 257)), "secret_token", id="long secret"),
        pytest.param(Call("setWebhook", webhook(secret_token="canary!")), "secret_token", id="odd secret"),
        pytest.param(
            Call("sendMessage", message(reply_markup=keyboard({"text": "B", "url": "javascript:alert(1)"}))),
            "url",
            id="a button that is no link to a page",
        ),
        pytest.param(Call("setWebhook", webhook(url="ftp://x")), "url", id="odd address"),
        pytest.param(Call("setWebhook", webhook(max_connections=101)), "max_connections", id="101 connections"),
        pytest.param(Call("answerCallbackQuery", {"text": "x" * 201}), "toast", id="long toast"),
    ],
)
def test_what_telegram_would_refuse_is_refused_here_by_name(call: Call, what: str) -> None:
    with pytest.raises(BeyondLimits, match=what) as refusal:
        check(call)
    assert "canary" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "length"),
    [("abc", 3), ("<b>abc</b>", 3), ("&lt;&amp;", 2), ("👍", 2), ('<a href="x">y</a>', 1), ("a < b", 5), ("é", 1)],
)
def test_telegram_counts_what_is_seen(text: str, length: int) -> None:
    assert visible_length(text) == length
