"""What Telegram tells over MTProto, in the words of the Bot API: https://core.telegram.org/bots/api#update.

The whole of what came is put beside it, under `mtproto`, as it was on the wire.
"""

import hashlib
from base64 import b64encode
from collections.abc import Callable
from typing import Any, Final

from telethon.tl import types

from adapters.telegram.mtproto.requests import bot_api_number

ABOVE_THE_BOT_API: Final = 1 << 62
"""Update ids of the Bot API are small: a bot that changes the transport meets none of its old ones."""

Json = dict[str, Any]
People = Callable[[int], Json]
"""A user as the Bot API's User object, by number."""


def bot_api_update(told: Any, people: People, bot_id: int) -> Json | None:
    """None for what the Bot API has no update for, and for what the bot said itself."""
    found = _content(told, people, bot_id)
    if found is None:
        return None
    kind, content, mark = found
    return {
        "update_id": update_id(kind, mark),
        kind: content,
        "mtproto": b64encode(bytes(told)).decode(),
    }


def update_id(kind: str, mark: object) -> int:
    """The same for the same, however often it is told."""
    digest = hashlib.sha256(f"{kind}:{mark}".encode()).digest()
    return ABOVE_THE_BOT_API | int.from_bytes(digest[:8], "big") >> 2


def _content(told: Any, people: People, bot_id: int) -> tuple[str, Json, object] | None:
    match told:
        case types.UpdateNewMessage():
            return _message(told.message, people, bot_id, "message")
        case types.UpdateNewChannelMessage():
            kind = "channel_post" if getattr(told.message, "post", None) else "message"
            return _message(told.message, people, bot_id, kind)
        case types.UpdateEditMessage() | types.UpdateEditChannelMessage():
            return _message(told.message, people, bot_id, "edited_message")
        case types.UpdateBotNewBusinessMessage():
            return _message(told.message, people, bot_id, "business_message", business=told.connection_id)
        case types.UpdateBotCallbackQuery():
            return "callback_query", _press(told, people), told.query_id
        case types.UpdateBotPrecheckoutQuery():
            return "pre_checkout_query", _query(told, people), told.query_id
        case types.UpdateBotShippingQuery():
            asked = {"id": str(told.query_id), "from": people(told.user_id), "invoice_payload": _words(told.payload)}
            return "shipping_query", asked, told.query_id
        case types.UpdateBotStarsSubscription():
            return "subscription", _subscription(told, people), f"{told.user_id}:{told.qts}"
        case types.UpdateBotStopped():
            status = "kicked" if told.stopped else "member"
            content = {"from": people(told.user_id), "new_chat_member": {"status": status}}
            return "my_chat_member", content, f"{told.user_id}:{told.qts}"
        case _:
            return None


def _message(
    message: Any, people: People, bot_id: int, kind: str, *, business: str = ""
) -> tuple[str, Json, object] | None:
    action = getattr(message, "action", None)
    if isinstance(message, types.MessageEmpty) or (message.out and not isinstance(action, _MONEY)):
        return None
    chat = bot_api_number(message.peer_id)
    content: Json = {
        "message_id": message.id,
        "date": int(message.date.timestamp()) if message.date else 0,
        "chat": {"id": chat, "type": _kind_of_chat(message, chat)},
    }
    if sender := _sender(message, chat, people, bot_id):
        content |= sender
    if business:
        content["business_connection_id"] = business
    if message.fwd_from is not None:
        content["forward_origin"] = {"type": "hidden_user"}
    if message.via_bot_id:
        content["via_bot"] = {"id": message.via_bot_id, "is_bot": True}
    if isinstance(action, types.MessageActionPaymentSentMe):
        content["successful_payment"] = _payment(action)
    elif isinstance(action, types.MessageActionPaymentRefunded):
        content["refunded_payment"] = _refund(action)
    elif action is None:
        content |= _said(message)
    edited = getattr(message, "edit_date", None)
    if kind == "edited_message" and edited:
        content["edit_date"] = int(edited.timestamp())
    return kind, content, f"{chat}:{message.id}:{content.get('edit_date', '')}"


_MONEY: Final = (types.MessageActionPaymentSentMe, types.MessageActionPaymentRefunded)


def _kind_of_chat(message: Any, chat: int) -> str:
    if chat > 0:
        return "private"
    return "channel" if message.post else "supergroup"


def _sender(message: Any, chat: int, people: People, bot_id: int) -> Json:
    if message.out:
        return {"from": people(bot_id) | {"id": bot_id, "is_bot": True}}
    if isinstance(message.from_id, types.PeerUser):
        return {"from": people(message.from_id.user_id)}
    if message.from_id is not None:
        return {"sender_chat": {"id": bot_api_number(message.from_id)}}
    return {"from": people(chat)} if chat > 0 else {"sender_chat": {"id": chat}}


def _said(message: Any) -> Json:
    content: Json = {}
    if message.message and message.media is None:
        content["text"] = message.message
    elif isinstance(message.media, types.MessageMediaWebPage | types.MessageMediaEmpty):
        content["text"] = message.message or ""
    elif message.media is not None:
        content["document"] = {"media": type(message.media).__name__}
    return content


def _payment(action: Any) -> Json:
    content: Json = {
        "currency": action.currency,
        "total_amount": action.total_amount,
        "invoice_payload": _words(action.payload),
        "telegram_payment_charge_id": action.charge.id,
        "provider_payment_charge_id": action.charge.provider_charge_id,
    }
    if action.subscription_until_date is not None:
        content["subscription_expiration_date"] = int(action.subscription_until_date.timestamp())
    if action.recurring_used:
        content["is_recurring"] = True
    if action.recurring_init:
        content["is_first_recurring"] = True
    return content


def _refund(action: Any) -> Json:
    return {
        "currency": action.currency,
        "total_amount": action.total_amount,
        "invoice_payload": _words(action.payload or b""),
        "telegram_payment_charge_id": action.charge.id,
        "provider_payment_charge_id": action.charge.provider_charge_id,
    }


def _press(told: Any, people: People) -> Json:
    chat = bot_api_number(told.peer)
    content: Json = {
        "id": str(told.query_id),
        "from": people(told.user_id),
        "message": {"message_id": told.msg_id, "date": 0, "chat": {"id": chat, "type": _private_or_not(chat)}},
        "chat_instance": str(told.chat_instance),
    }
    if told.data is not None:
        content["data"] = _words(told.data)
    return content


def _private_or_not(chat: int) -> str:
    return "private" if chat > 0 else "supergroup"


def _query(told: Any, people: People) -> Json:
    return {
        "id": str(told.query_id),
        "from": people(told.user_id),
        "currency": told.currency,
        "total_amount": told.total_amount,
        "invoice_payload": _words(told.payload),
    }


def _subscription(told: Any, people: People) -> Json:
    states = {"canceled": told.canceled, "payment_failed": told.payment_failed, "restored": told.restored}
    state = next((name for name, holds in states.items() if holds), "active")
    return {"user": people(told.user_id), "invoice_payload": _words(told.payload), "state": state}


def _words(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
