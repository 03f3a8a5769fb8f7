"""Telegram's objects as MTProto has them, out of the JSON that the sandbox keeps."""

import hashlib
from datetime import UTC, datetime
from typing import Any, Final

from telethon.tl import types

from entrypoints.sandbox.people import Bot, Json, User

CHANNELS_BEYOND: Final = 1_000_000_000_000
ENTITIES: Final[dict[str, Any]] = {
    "bold": types.MessageEntityBold,
    "italic": types.MessageEntityItalic,
    "underline": types.MessageEntityUnderline,
    "strikethrough": types.MessageEntityStrike,
    "spoiler": types.MessageEntitySpoiler,
    "code": types.MessageEntityCode,
    "blockquote": types.MessageEntityBlockquote,
    "bot_command": types.MessageEntityBotCommand,
    "url": types.MessageEntityUrl,
}


def access_hash(bot: Bot, peer_id: int) -> int:
    """What a bot must know of somebody to speak to them; another bot's is of no use."""
    digest = hashlib.sha256(f"{bot.token}:{peer_id}".encode()).digest()
    return int.from_bytes(digest[:8], "little", signed=True)


def moment(unix_time: float) -> datetime:
    return datetime.fromtimestamp(int(unix_time), UTC)


def user(bot: Bot, person: User) -> Any:
    return types.User(
        person.id,
        access_hash=access_hash(bot, person.id),
        first_name=person.first_name,
        last_name=person.last_name or None,
        username=person.username or None,
        lang_code=person.language_code or None,
        premium=person.is_premium or None,
    )


def myself(bot: Bot) -> Any:
    return types.User(
        bot.id,
        is_self=True,
        bot=True,
        access_hash=access_hash(bot, bot.id),
        first_name=bot.first_name,
        username=bot.username,
        bot_info_version=1,
    )


def peer(chat_id: int) -> Any:
    if chat_id > 0:
        return types.PeerUser(chat_id)
    if chat_id < -CHANNELS_BEYOND:
        return types.PeerChannel(-chat_id - CHANNELS_BEYOND)
    return types.PeerChat(-chat_id)


def chat(bot: Bot, said: Json) -> list[Any]:
    """The group or channel of a message; a person is told of among the users."""
    chat_id = said["id"]
    if chat_id > 0:
        return []
    title, photo, now = said.get("title", ""), types.ChatPhotoEmpty(), moment(0)
    if chat_id >= -CHANNELS_BEYOND:
        return [types.Chat(-chat_id, title, photo, 2, now, 1)]
    broadcast = said["type"] == "channel"
    return [
        types.Channel(
            -chat_id - CHANNELS_BEYOND,
            title,
            photo,
            now,
            access_hash=access_hash(bot, chat_id),
            broadcast=broadcast or None,
            megagroup=not broadcast or None,
        )
    ]


def message(bot: Bot, said: Json) -> Any:
    """A message as the bot sees it."""
    sender = said.get("from", {}).get("id")
    ours, chat_id = sender == bot.id, said["chat"]["id"]
    fields: dict[str, Any] = {
        "id": said["message_id"],
        "peer_id": peer(chat_id),
        "date": moment(said["date"]),
        "out": ours or None,
        "from_id": types.PeerUser(sender) if sender and chat_id < 0 and not ours else None,
        "post": said["chat"]["type"] == "channel" or None,
    }
    if action := _action(said, chat_id):
        return types.MessageService(action=action, **fields)
    if origin := said.get("forward_origin"):
        by = types.PeerUser(origin["sender_user"]["id"])
        fields["fwd_from"] = types.MessageFwdHeader(moment(origin["date"]), from_id=by)
    return types.Message(
        message=said.get("text", ""),
        entities=_entities(said.get("entities", [])),
        reply_markup=keyboard(said.get("reply_markup")),
        media=_media(said.get("invoice")),
        edit_date=moment(said["edit_date"]) if "edit_date" in said else None,
        **fields,
    )


def _action(said: Json, chat_id: int) -> Any:
    if paid := said.get("successful_payment"):
        until = paid.get("subscription_expiration_date")
        return types.MessageActionPaymentSentMe(
            paid["currency"],
            paid["total_amount"],
            paid["invoice_payload"].encode(),
            types.PaymentCharge(paid["telegram_payment_charge_id"], paid["provider_payment_charge_id"]),
            recurring_init=paid.get("is_first_recurring"),
            recurring_used=paid.get("is_recurring"),
            subscription_until_date=moment(until) if until else None,
        )
    if refunded := said.get("refunded_payment"):
        return types.MessageActionPaymentRefunded(
            peer(chat_id),
            refunded["currency"],
            refunded["total_amount"],
            types.PaymentCharge(refunded["telegram_payment_charge_id"], refunded.get("provider_payment_charge_id", "")),
            payload=refunded["invoice_payload"].encode(),
        )
    return None


def _entities(entities: list[Json]) -> list[Any]:
    found = []
    for entity in entities:
        place = entity["offset"], entity["length"]
        if entity["type"] == "text_link":
            found.append(types.MessageEntityTextUrl(*place, entity["url"]))
        elif kind := ENTITIES.get(entity["type"]):
            found.append(kind(*place))
    return found


def keyboard(markup: Json | None) -> Any:
    if not markup:
        return None
    rows = [types.KeyboardInlineButtonRow([_button(button) for button in row]) for row in markup["inline_keyboard"]]
    return types.ReplyInlineMarkup(rows)


def _button(button: Json) -> Any:
    if "callback_data" in button:
        kind = types.InlineButtonTypeCallback(button["callback_data"].encode())
    elif "url" in button:
        kind = types.InlineButtonTypeUrl(button["url"])
    else:
        kind = types.InlineButtonTypeBuy()
    return types.KeyboardInlineButton(button["text"], kind)


def _media(invoice: Json | None) -> Any:
    if not invoice:
        return None
    return types.MessageMediaInvoice(
        invoice["title"],
        invoice["description"],
        invoice["currency"],
        invoice["total_amount"],
        invoice.get("start_parameter", ""),
    )


def transaction(line: Json) -> Any:
    """A line of the ledger. Money that went back bears the same id, and an amount below zero."""
    partner = line.get("source") or line["receiver"]
    incoming = "source" in line
    return types.StarsTransaction(
        line["id"],
        types.StarsAmount(line["amount"] if incoming else -line["amount"], 0),
        moment(line["date"]),
        types.StarsTransactionPeer(types.PeerUser(partner["user"]["id"])),
        refund=None if incoming else True,
        bot_payload=partner["invoice_payload"].encode() if "invoice_payload" in partner else None,
    )
