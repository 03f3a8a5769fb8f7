"""What a bot asks for over MTProto, as the call of the Bot API that does the same."""

import json
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from telethon.tl import functions, types

from entrypoints.sandbox.mtproto.wire import CHANNELS_BEYOND
from entrypoints.sandbox.people import Json

TAGS: Final[dict[Any, str]] = {
    types.MessageEntityBold: "b",
    types.MessageEntityItalic: "i",
    types.MessageEntityUnderline: "u",
    types.MessageEntityStrike: "s",
    types.MessageEntityCode: "code",
    types.MessageEntityPre: "pre",
    types.MessageEntityBlockquote: "blockquote",
}


@dataclass(frozen=True, slots=True)
class BotCall:
    method: str
    values: Json


def call_of(request: Any) -> BotCall | None:
    """None for what the Bot API has no call for."""
    match request:
        case functions.messages.SendMessageRequest():
            return BotCall("sendMessage", {"chat_id": chat_id(request.peer), **_text(request), **_keyboard(request)})
        case functions.messages.SendMediaRequest():
            values = {"chat_id": chat_id(request.peer), **_invoice(request.media), **_keyboard(request)}
            return BotCall("sendInvoice", values)
        case functions.payments.ExportInvoiceRequest():
            return BotCall("createInvoiceLink", _invoice(request.invoice_media))
        case functions.messages.EditMessageRequest():
            place = {"chat_id": chat_id(request.peer), "message_id": request.id}
            if request.message is None:
                return BotCall("editMessageReplyMarkup", {**place, **_keyboard(request)})
            return BotCall("editMessageText", {**place, **_text(request), **_keyboard(request)})
        case functions.messages.SetBotCallbackAnswerRequest():
            values = {"callback_query_id": str(request.query_id), "show_alert": bool(request.alert)}
            return BotCall("answerCallbackQuery", values | ({"text": request.message} if request.message else {}))
        case functions.messages.SetBotPrecheckoutResultsRequest():
            values = {"pre_checkout_query_id": str(request.query_id), "ok": bool(request.success)}
            return BotCall(
                "answerPreCheckoutQuery", values | ({"error_message": request.error} if request.error else {})
            )
        case functions.payments.RefundStarsChargeRequest():
            asked = {"user_id": chat_id(request.user_id), "telegram_payment_charge_id": request.charge_id}
            return BotCall("refundStarPayment", asked)
        case functions.payments.GetStarsTransactionsRequest():
            return BotCall("getStarTransactions", {"offset": int(request.offset or 0), "limit": request.limit})
        case functions.payments.GetStarsStatusRequest():
            return BotCall("getMyStarBalance", {})
        case functions.bots.SetBotCommandsRequest():
            commands = [{"command": one.command, "description": one.description} for one in request.commands]
            return BotCall("setMyCommands", {"commands": commands, "language_code": request.lang_code})
        case _:
            return None


def chat_id(peer: Any) -> int:
    """By the number that the Bot API knows it by."""
    match peer:
        case types.InputPeerUser() | types.InputUser():
            return int(peer.user_id)
        case types.InputPeerChat():
            return -int(peer.chat_id)
        case types.InputPeerChannel():
            return -CHANNELS_BEYOND - int(peer.channel_id)
        case _:
            return 0


def _text(request: Any) -> Json:
    return {"text": html(request.message, request.entities or []), "parse_mode": "HTML"}


def html(text: str, entities: list[Any]) -> str:
    """Plain text and its entities as the markup that they came from. Offsets count UTF-16 units."""
    units = text.encode("utf-16-le", "surrogatepass")
    opened: dict[int, list[str]] = {}
    closed: dict[int, list[str]] = {}
    for entity in sorted(entities, key=lambda one: (one.offset, -one.length)):
        if isinstance(entity, types.MessageEntityTextUrl):
            begin, end = f'<a href="{escape(entity.url)}">', "</a>"
        elif tag := TAGS.get(type(entity)):
            begin, end = f"<{tag}>", f"</{tag}>"
        else:
            continue
        opened.setdefault(entity.offset, []).append(begin)
        closed.setdefault(entity.offset + entity.length, []).insert(0, end)
    parts, done = [], 0
    for at in sorted({*opened, *closed, len(units) // 2}):
        parts.append(escape(units[2 * done : 2 * at].decode("utf-16-le", "surrogatepass"), quote=False))
        parts += closed.get(at, []) + opened.get(at, [])
        done = at
    return "".join(parts)


def _keyboard(request: Any) -> Json:
    markup = request.reply_markup
    if not isinstance(markup, types.ReplyInlineMarkup):
        return {}
    return {"reply_markup": {"inline_keyboard": [[_button(one) for one in row.buttons] for row in markup.rows]}}


def _button(button: Any) -> Json:
    match button.type:
        case types.InlineButtonTypeCallback():
            return {"text": button.text, "callback_data": button.type.data.decode("utf-8", "replace")}
        case types.InlineButtonTypeUrl():
            return {"text": button.text, "url": button.type.url}
        case types.InlineButtonTypeBuy():
            return {"text": button.text, "pay": True}
        case _:
            return {"text": button.text}


def _invoice(media: Any) -> Json:
    if not isinstance(media, types.InputMediaInvoice):
        return {}
    invoice = media.invoice
    # The Bot API's own server passes it on like this; it must be JSON.
    json.loads(media.provider_data.data)
    period = {"subscription_period": invoice.subscription_period} if invoice.subscription_period else {}
    return {
        "title": media.title,
        "description": media.description,
        "payload": media.payload.decode("utf-8", "replace"),
        "currency": invoice.currency,
        "prices": [{"label": price.label, "amount": price.amount} for price in invoice.prices],
        "provider_token": media.provider or "",
        "start_parameter": media.start_param or "",
        **period,
    }
