"""Telegram's limits, held before anything is sent, so that a refusal says what is wrong and how far.

https://core.telegram.org/bots/api#sendinvoice, #sendmessage, #inlinekeyboardbutton, #setwebhook
"""

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any

from adapters.telegram.calls import Call
from domain.money import EXPONENTS, MAX_AMOUNT, STARS

LONGEST_TEXT = 4096
LONGEST_TITLE = 32
LONGEST_DESCRIPTION = 255
LONGEST_PAYLOAD_BYTES = 128
LONGEST_START_PARAMETER = 64
LONGEST_CALLBACK_BYTES = 64
LONGEST_TOAST = 200
MOST_BUTTONS = 100
LARGEST_KEYBOARD_BYTES = 8192
"""Telegram names no number for REPLY_MARKUP_TOO_LONG; keyboards of 10 KiB were seen refused, so we stay below."""
LONGEST_SECRET = 256
MOST_CONNECTIONS = 100

_TAG = re.compile(r"</?[a-z]+(?: [^<>]*)?>")
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}", re.ASCII)
_START_PARAMETER = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)

Json = Mapping[str, Any]


class BeyondLimits(ValueError):
    """Telegram would refuse this; `str()` says which limit is passed, and quotes nothing that is secret."""


def check(call: Call) -> None:
    """Raises BeyondLimits."""
    match call.method:
        case "sendMessage":
            _check_text(call.parameters)
        case "sendInvoice" | "createInvoiceLink":
            _check_invoice(call.parameters)
        case "answerCallbackQuery":
            _within("toast", _utf16(call.parameters.get("text", "")), 0, LONGEST_TOAST, "characters")
        case "setWebhook":
            _check_webhook(call.parameters)
    if markup := call.parameters.get("reply_markup"):
        _check_keyboard(markup["inline_keyboard"], invoice=call.method == "sendInvoice")


def visible_length(text: str) -> int:
    """How long Telegram finds this HTML: tags are gone, references are one, and a flag or face counts twice."""
    return _utf16(html.unescape(_TAG.sub("", text)))


def keyboard_bytes(rows: list[list[dict[str, str]]]) -> int:
    """The size of what the buttons say and carry."""
    return sum(len(str(value).encode()) for row in rows for button in row for value in button.values())


def _check_text(parameters: Json) -> None:
    _within("text", visible_length(parameters["text"].strip()), 1, LONGEST_TEXT, "characters")


def _check_invoice(parameters: Json) -> None:
    _within("title", len(parameters["title"].strip()), 1, LONGEST_TITLE, "characters")
    _within("description", len(parameters["description"].strip()), 1, LONGEST_DESCRIPTION, "characters")
    _within("payload", len(parameters["payload"].encode()), 1, LONGEST_PAYLOAD_BYTES, "bytes")
    start = parameters.get("start_parameter")
    if start is not None and not _START_PARAMETER.fullmatch(start):
        raise BeyondLimits("start_parameter: 1 to 64 of A-Z, a-z, 0-9, _ and - are taken")
    currency, prices = parameters["currency"], parameters["prices"]
    if currency not in EXPONENTS:
        raise BeyondLimits("currency: Telegram does not take it")
    if not prices or any(not price["label"] for price in prices):
        raise BeyondLimits("prices: at least one is needed, each with a label")
    _within("total of the prices", sum(price["amount"] for price in prices), 1, MAX_AMOUNT, "minor units")
    if currency == STARS:
        _check_stars(parameters, len(prices))
    elif not parameters.get("provider_token"):
        raise BeyondLimits("provider_token: needed for anything but Stars")


def _check_stars(parameters: Json, prices: int) -> None:
    if parameters.get("provider_token"):
        raise BeyondLimits("provider_token: must be empty for Stars")
    if prices != 1:
        raise BeyondLimits(f"prices: exactly one is taken for Stars, not {prices}")
    if forbidden := sorted(_NOT_FOR_STARS & parameters.keys()):
        raise BeyondLimits(f"{forbidden[0]}: not taken for Stars")


_NOT_FOR_STARS = frozenset(
    {
        "max_tip_amount",
        "suggested_tip_amounts",
        "need_name",
        "need_phone_number",
        "need_email",
        "need_shipping_address",
        "is_flexible",
    }
)


def _check_keyboard(rows: list[list[dict[str, Any]]], *, invoice: bool) -> None:
    buttons = list(_buttons(rows))
    _within("inline keyboard", len(buttons), 1, MOST_BUTTONS, "buttons")
    _within("inline keyboard", keyboard_bytes(rows), 1, LARGEST_KEYBOARD_BYTES, "bytes")
    for index, button in enumerate(buttons):
        if not button["text"].strip():
            raise BeyondLimits("button: its text is empty")
        if "url" in button and not button["url"].startswith(("https://", "http://")):
            raise BeyondLimits("url of a button: it must begin with https://")
        if "callback_data" in button:
            _within("callback_data", len(button["callback_data"].encode()), 1, LONGEST_CALLBACK_BYTES, "bytes")
        if bool(button.get("pay")) != (invoice and index == 0):
            raise BeyondLimits("button: the first of an invoice, and no other, is the one to pay")


def _buttons(rows: list[list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield from row


def _check_webhook(parameters: Json) -> None:
    if not parameters["url"].startswith(("https://", "http://")):
        raise BeyondLimits("url: it must begin with https://")
    if not _SECRET.fullmatch(parameters["secret_token"]):
        raise BeyondLimits("secret_token: 1 to 256 of A-Z, a-z, 0-9, _ and - are taken")
    _within("max_connections", parameters["max_connections"], 1, MOST_CONNECTIONS, "at once")


def _within(what: str, is_: int, least: int, most: int, unit: str) -> None:
    if not least <= is_ <= most:
        raise BeyondLimits(f"{what}: {least} to {most} {unit} are taken, not {is_}")


def _utf16(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
