"""Calls of the Bot API as requests of MTProto, and results of these as the Bot API's."""

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from telethon.extensions import html
from telethon.tl import functions, types

from adapters.telegram.bot_api import Unreachable
from adapters.telegram.calls import Call
from adapters.telegram.mtproto.transactions import bot_api_transaction

CHANNELS_BEYOND: Final = 1_000_000_000_000
"""A channel's or supergroup's number is so far below zero in the Bot API."""
NO_MESSAGE_ID: Final = 0

Json = Mapping[str, Any]


def spoken_to(call: Call) -> int | None:
    """Whose access hash is needed: a user's or group's number as the Bot API has it."""
    found = call.parameters.get("chat_id", call.parameters.get("user_id"))
    return None if found is None else int(found)


def request_of(call: Call, access_hash: int) -> Any:
    """Raises ValueError for a call that has nothing to correspond to."""
    given = call.parameters
    match call.method:
        case "sendMessage":
            text, entities = _text(given)
            return functions.messages.SendMessageRequest(
                _peer(given, access_hash),
                text,
                no_webpage=True,
                random_id=random_id(call),
                reply_markup=_keyboard(given),
                entities=entities,
            )
        case "editMessageText":
            text, entities = _text(given)
            return functions.messages.EditMessageRequest(
                _peer(given, access_hash),
                given["message_id"],
                no_webpage=True,
                message=text,
                reply_markup=_keyboard(given),
                entities=entities,
            )
        case "editMessageReplyMarkup":
            peer = _peer(given, access_hash)
            return functions.messages.EditMessageRequest(peer, given["message_id"], reply_markup=_keyboard(given))
        case "sendInvoice":
            return functions.messages.SendMediaRequest(
                _peer(given, access_hash),
                _invoice(given),
                message="",
                random_id=random_id(call),
                reply_markup=_keyboard(given),
            )
        case "createInvoiceLink":
            return functions.payments.ExportInvoiceRequest(_invoice(given))
        case "answerPreCheckoutQuery":
            query_id, ok = int(given["pre_checkout_query_id"]), bool(given["ok"])
            error = None if ok else given["error_message"]
            return functions.messages.SetBotPrecheckoutResultsRequest(query_id, success=ok or None, error=error)
        case "answerCallbackQuery":
            return functions.messages.SetBotCallbackAnswerRequest(
                int(given["callback_query_id"]),
                cache_time=0,
                alert=given.get("show_alert") or None,
                message=given.get("text"),
            )
        case "refundStarPayment":
            user = types.InputUser(given["user_id"], access_hash)
            return functions.payments.RefundStarsChargeRequest(user, given["telegram_payment_charge_id"])
        case "getStarTransactions":
            return functions.payments.GetStarsTransactionsRequest(
                types.InputPeerSelf(), str(given["offset"] or ""), given["limit"], ascending=True
            )
        case "getMyStarBalance":
            return functions.payments.GetStarsStatusRequest(types.InputPeerSelf())
        case "getMe":
            return functions.users.GetUsersRequest([types.InputUserSelf()])
        case "setMyCommands":
            commands = [types.BotCommand(one["command"], one["description"]) for one in given["commands"]]
            language = given.get("language_code", "")
            return functions.bots.SetBotCommandsRequest(types.BotCommandScopeDefault(), language, commands)
        case _:
            raise ValueError(f"{call.method}: not spoken over MTProto")


def result_of(call: Call, request: Any, result: Any) -> Any:
    """Raises Unreachable for what is no answer to it."""
    try:
        match call.method:
            case "sendMessage" | "sendInvoice":
                return {"message_id": _message_id(request, result)}
            case "editMessageText" | "editMessageReplyMarkup":
                return {"message_id": call.parameters["message_id"]}
            case "createInvoiceLink":
                return result.url
            case "getStarTransactions":
                return {"transactions": [bot_api_transaction(line) for line in result.history or []]}
            case "getMyStarBalance":
                return {"amount": result.balance.amount}
            case "getMe":
                (me,) = result
                return {"id": me.id, "is_bot": True, "first_name": me.first_name or "", "username": me.username or ""}
            case _:
                return True
    except (AttributeError, TypeError, ValueError):
        raise Unreachable(f"{call.method}: answered with a {type(result).__name__}") from None


def random_id(call: Call) -> int:
    """By which Telegram knows a message that is sent again; the same for the same words under the same key."""
    if not call.key:
        return secrets.randbits(64) - 2**63
    said = msgspec.json.encode([call.key, call.method, call.parameters], order="deterministic")
    return int.from_bytes(hashlib.sha256(said).digest()[:8], "big", signed=True)


def bot_api_number(peer: Any) -> int:
    """The number that the Bot API gives to a user, group or channel."""
    match peer:
        case types.PeerUser():
            return int(peer.user_id)
        case types.PeerChat():
            return -int(peer.chat_id)
        case types.PeerChannel():
            return -CHANNELS_BEYOND - int(peer.channel_id)
        case _:
            raise ValueError("neither user nor group nor channel")


def _peer(given: Json, access_hash: int) -> Any:
    number = int(given["chat_id"])
    if number > 0:
        return types.InputPeerUser(number, access_hash)
    if number < -CHANNELS_BEYOND:
        return types.InputPeerChannel(-number - CHANNELS_BEYOND, access_hash)
    return types.InputPeerChat(-number)


def _text(given: Json) -> tuple[str, Any]:
    if given.get("parse_mode") != "HTML":
        return given["text"], None
    text, entities = html.parse(given["text"])
    return text, entities or None


def _keyboard(given: Json) -> Any:
    markup = given.get("reply_markup")
    if not markup:
        return None
    rows = [types.KeyboardInlineButtonRow([_button(one) for one in row]) for row in markup["inline_keyboard"]]
    return types.ReplyInlineMarkup(rows)


def _button(button: Json) -> Any:
    if "callback_data" in button:
        kind = types.InlineButtonTypeCallback(button["callback_data"].encode())
    elif "url" in button:
        kind = types.InlineButtonTypeUrl(button["url"])
    else:
        kind = types.InlineButtonTypeBuy()
    return types.KeyboardInlineButton(button["text"], kind)


def _invoice(given: Json) -> Any:
    prices = [types.LabeledPrice(price["label"], price["amount"]) for price in given["prices"]]
    return types.InputMediaInvoice(
        given["title"],
        given["description"],
        types.Invoice(given["currency"], prices, subscription_period=given.get("subscription_period")),
        given["payload"].encode(),
        types.DataJSON("{}"),
        provider=given.get("provider_token") or None,
        start_param=given.get("start_parameter"),
    )


def _message_id(request: Any, result: Any) -> int:
    if isinstance(result, types.UpdateShortSentMessage):
        return int(result.id)
    for update in result.updates:
        if isinstance(update, types.UpdateMessageID) and update.random_id == request.random_id:
            return int(update.id)
    # It was taken, whatever it says: sending it again would say everything twice.
    return NO_MESSAGE_ID
