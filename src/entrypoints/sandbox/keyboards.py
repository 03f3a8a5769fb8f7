"""Inline keyboards: what Telegram takes, and what it refuses."""

from typing import Any

from entrypoints.sandbox.arguments import Arguments
from entrypoints.sandbox.people import Json
from entrypoints.sandbox.refusal import bad_request

LONGEST_CALLBACK_DATA = 64
MOST_BUTTONS = 100
_ACTIONS = ("callback_data", "url", "pay", "web_app", "copy_text", "login_url", "switch_inline_query")


def inline_keyboard(arguments: Arguments, *, with_invoice: bool = False) -> Json | None:
    """The reply_markup argument; None where there is none, or no button in it."""
    markup = arguments.json("reply_markup", "reply keyboard markup")
    if markup is None:
        return None
    if not isinstance(markup, dict):
        raise bad_request("object expected as reply markup")
    rows = markup.get("inline_keyboard")
    if rows is None:
        if with_invoice:
            raise bad_request("inline keyboard expected")
        return None  # a reply keyboard: taken, not modelled
    if not isinstance(rows, list):
        raise bad_request('field "inline_keyboard" must be of type Array')
    keyboard = [[_button(button) for button in _row(row)] for row in rows]
    keyboard = [row for row in keyboard if row]
    buttons = [button for row in keyboard for button in row]
    if len(buttons) > MOST_BUTTONS:
        raise bad_request("REPLY_MARKUP_TOO_LONG")
    for index, button in enumerate(buttons):
        # A pay button is the first of an invoice's keyboard, and an invoice's first button is a pay button.
        if bool(button.get("pay")) != (with_invoice and index == 0):
            raise bad_request("BUTTON_TYPE_INVALID" if button.get("pay") else "REPLY_MARKUP_BUY_EMPTY")
    return {"inline_keyboard": keyboard} if keyboard else None


def _row(row: Any) -> list[Any]:
    if not isinstance(row, list):
        raise bad_request("can't parse inline keyboard button: keyboard row must be an Array")
    return row


def _button(button: Any) -> Json:
    if not isinstance(button, dict):
        raise bad_request("can't parse inline keyboard button: InlineKeyboardButton must be an Object")
    text = button.get("text")
    if not isinstance(text, str):
        raise bad_request("can't parse inline keyboard button: Can't find field \"text\"")
    if not text.strip():
        raise bad_request("BUTTON_TEXT_INVALID" if text else "can't parse inline keyboard button: text is empty")
    actions = [name for name in _ACTIONS if button.get(name) not in (None, False)]
    if not actions:
        raise bad_request("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")
    action = actions[0]
    if action == "callback_data":
        data = button["callback_data"]
        if not isinstance(data, str) or not 1 <= len(data.encode()) <= LONGEST_CALLBACK_DATA:
            raise bad_request("BUTTON_DATA_INVALID")
    if action == "url" and not _is_link(button["url"]):
        raise bad_request(f"inline keyboard button URL '{button['url']}' is invalid: Unsupported URL protocol")
    return {"text": text, action: button[action]}


def _is_link(url: Any) -> bool:
    # Telegram takes only real hosts; loopback links are let through, so that a local service can be tried.
    return isinstance(url, str) and url.startswith(("http://", "https://", "tg://", "t.me/"))
