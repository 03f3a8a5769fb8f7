"""What people do: write, press, pay, and get their money back."""

import secrets
from typing import Literal, TypeVar

from litestar import post

from entrypoints.sandbox.chats import Chat
from entrypoints.sandbox.checkout import Attempt
from entrypoints.sandbox.control.request import Act, Asked, Impossible, checkout_of, read, telegram_of
from entrypoints.sandbox.faults import ForgeAt
from entrypoints.sandbox.invoices import Invoice
from entrypoints.sandbox.ledger import Charge
from entrypoints.sandbox.people import Bot, Json, User
from entrypoints.sandbox.telegram import CallbackQuery, Telegram

LONGEST_TEXT = 4096
T = TypeVar("T")
SERVICE_ACCOUNT: Json = {"id": 777000, "is_bot": False, "first_name": "Telegram"}


class Say(Act, kw_only=True, forbid_unknown_fields=True):
    user_id: int
    text: str
    chat_id: int | None = None
    """A group's or channel's negative id; the private chat with the bot by default."""
    kind: Literal["message", "forwarded", "edited", "business", "channel"] = "message"
    message_id: int | None = None
    """Which message is edited."""
    bot_sees_all: bool = False
    """In a group a bot is only told of commands and mentions, unless it is an administrator."""


class Press(Act, kw_only=True, forbid_unknown_fields=True):
    user_id: int
    message_id: int
    chat_id: int | None = None
    text: str | None = None
    """The button by its label, or …"""
    data: str | None = None
    """… the callback data to send, on a button or not: an odd client can send anything."""


class Pay(Act, kw_only=True, forbid_unknown_fields=True):
    user_id: int
    message_id: int | None = None
    chat_id: int | None = None
    link: str | None = None
    """The invoice by its link or slug, instead of by its message."""
    as_user: int | None = None
    amount: int | None = None
    currency: str | None = None
    payload: str | None = None
    forge_at: ForgeAt | None = None
    skip_pre_checkout: bool | None = None
    wait: bool = True


class OfCharge(Act, kw_only=True, forbid_unknown_fields=True):
    charge_id: str
    listed: bool = True
    """Of a chargeback: whether the list of transactions tells of it, or only the balance."""


@post("/say", status_code=200)
async def say(request: Asked) -> Json:
    wanted, telegram = await read(request, Say), telegram_of(request)
    bot, user = telegram.bot(wanted.bot), telegram.user(wanted.user_id)
    if not 1 <= len(wanted.text) <= LONGEST_TEXT:
        raise Impossible(400, f"a text has 1 to {LONGEST_TEXT} characters")
    if wanted.kind == "edited":
        return _edit(telegram, bot, user, wanted)
    chat = _chat_to_say_it_in(telegram, bot, user, wanted)
    content = telegram.text_of_user(wanted.text)
    sender: Json | None = user.wire()
    kind = "message"
    if wanted.kind == "forwarded":
        origin = {"type": "user", "sender_user": SERVICE_ACCOUNT, "date": telegram.unix_time() - 60}
        content |= {"forward_origin": origin}
    elif wanted.kind == "business":
        content |= {"business_connection_id": secrets.token_urlsafe(12)}
        kind = "business_message"
    elif wanted.kind == "channel":
        content |= {"sender_chat": chat.wire()}
        sender, kind = None, "channel_post"
    message = telegram.post(bot, chat, sender, content)
    told = chat.kind in ("private", "channel") or wanted.bot_sees_all or _addressed(bot, wanted.text)
    update = telegram.tell_bot(bot, kind, message.wire) if told else None
    return {"message_id": message.id, "chat_id": chat.id, "update_id": update.id if update is not None else None}


def _chat_to_say_it_in(telegram: Telegram, bot: Bot, user: User, wanted: Say) -> Chat:
    if wanted.kind == "channel" or (wanted.chat_id is not None and wanted.chat_id < 0):
        kind = "channel" if wanted.kind == "channel" else "supergroup"
        chat_id = wanted.chat_id if wanted.chat_id is not None else -1_001_000_000_001
        chat = telegram.group(bot, chat_id, kind=kind)
        chat.members.add(user.id)
        user.known_to.add(bot.id)
        return chat
    if bot.id in user.blocked:
        raise Impossible(409, "the user has blocked the bot")
    user.started.add(bot.id)
    telegram.tell_user(user)
    return telegram.private_chat(bot, user)


def _edit(telegram: Telegram, bot: Bot, user: User, wanted: Say) -> Json:
    chat_id = wanted.chat_id if wanted.chat_id is not None else user.id
    message = telegram.find_message(bot, chat_id, wanted.message_id or 0)
    if message is None or message.wire.get("from", {}).get("id") != user.id:
        raise Impossible(404, "the user has no such message to edit")
    kept = {name: message.wire[name] for name in ("message_id", "from", "chat", "date")}
    message.wire = kept | {"edit_date": telegram.unix_time()} | telegram.text_of_user(wanted.text)
    telegram.tell_message(bot, message)
    update = telegram.tell_bot(bot, "edited_message", message.wire)
    return {"message_id": message.id, "chat_id": chat_id, "update_id": update.id if update is not None else None}


def _addressed(bot: Bot, text: str) -> bool:
    first = text.split(maxsplit=1)[0] if text.strip() else ""
    if first.startswith("/"):
        _, at, name = first.partition("@")
        return not at or name.lower() == bot.username.lower()
    return f"@{bot.username}".lower() in text.lower()


@post("/press", status_code=200)
async def press(request: Asked) -> Json:
    wanted, telegram = await read(request, Press), telegram_of(request)
    bot, user = telegram.bot(wanted.bot), telegram.user(wanted.user_id)
    message = telegram.find_message(bot, wanted.chat_id if wanted.chat_id is not None else user.id, wanted.message_id)
    if message is None:
        raise Impossible(404, f"no message {wanted.message_id} in this chat")
    data = wanted.data if wanted.data is not None else _data_of_button(message.wire, wanted.text)
    query = CallbackQuery(id=str(secrets.randbelow(2**63)), bot_id=bot.id, user_id=user.id)
    telegram.callback_queries[query.id] = query
    user.known_to.add(bot.id)
    content: Json = {
        "id": query.id,
        "from": user.wire(),
        "message": message.wire,
        "chat_instance": str(secrets.randbelow(2**63)),
        "data": data,
    }
    update = telegram.tell_bot(bot, "callback_query", content)
    return {"callback_query_id": query.id, "update_id": update.id if update is not None else None}


def _data_of_button(wire: Json, text: str | None) -> str:
    rows = wire.get("reply_markup", {}).get("inline_keyboard", [])
    buttons = [button for row in rows for button in row]
    for button in buttons:
        if button["text"] == text:
            if "callback_data" not in button:
                raise Impossible(400, f"the button {text!r} is not one that the bot is told of")
            return str(button["callback_data"])
    labels = ", ".join(repr(button["text"]) for button in buttons) or "none"
    raise Impossible(404, f"no button {text!r}; there are: {labels}")


@post("/pay", status_code=200)
async def pay(request: Asked) -> Json:
    wanted, checkout = await read(request, Pay), checkout_of(request)
    telegram = checkout.telegram
    invoice, chat_id = _invoice_to_pay(telegram, wanted)
    faults = telegram.weather.at(invoice.bot_id)

    payer_id = _first(wanted.as_user, faults.pay_as_user)
    attempt = Attempt(
        payer=telegram.user(payer_id if payer_id is not None else wanted.user_id),
        invoice=invoice,
        chat_id=chat_id,
        message_id=wanted.message_id,
        amount=_first(wanted.amount, faults.pay_amount),
        currency=_first(wanted.currency, faults.pay_currency),
        payload=_first(wanted.payload, faults.pay_payload),
        forge_at=_first(wanted.forge_at, faults.forge_at) or "both",
        skip_pre_checkout=bool(_first(wanted.skip_pre_checkout, faults.skip_pre_checkout)),
    )
    outcome = checkout.start(attempt)
    if not wanted.wait:
        return {"status": "started"}
    return (await outcome).view()


def _first(mine: T | None, of_fault: T | None) -> T | None:
    return mine if mine is not None else of_fault


def _invoice_to_pay(telegram: Telegram, wanted: Pay) -> tuple[Invoice, int]:
    chat_id = wanted.chat_id if wanted.chat_id is not None else wanted.user_id
    if wanted.link is not None:
        invoice = telegram.links.get(wanted.link.rsplit("/", 1)[-1])
        if invoice is None:
            raise Impossible(404, "no invoice has this link")
        return invoice, chat_id
    message = telegram.find_message(telegram.bot(wanted.bot), chat_id, wanted.message_id or 0)
    if message is None or message.invoice is None:
        raise Impossible(404, f"message {wanted.message_id} of chat {chat_id} is no invoice")
    return message.invoice, chat_id


@post("/refund", status_code=200)
async def refund(request: Asked) -> Json:
    """By the operator of the sandbox, whatever the method of payment: the bot is told, not asked."""
    wanted, checkout = await read(request, OfCharge), checkout_of(request)
    bot, charge = _charge(checkout.telegram, wanted)
    if charge.refunded_at is not None:
        raise Impossible(409, "this charge is refunded already")
    return {"update_id": checkout.refund(bot, charge)}


@post("/chargeback", status_code=200)
async def chargeback(request: Asked) -> Json:
    wanted, telegram = await read(request, OfCharge), telegram_of(request)
    bot, charge = _charge(telegram, wanted)
    if charge.refunded_at is not None or charge.charged_back_at is not None:
        raise Impossible(409, "the money of this charge has gone back already")
    telegram.ledger.charge_back(charge, bot, telegram.user(charge.user_id), listed=wanted.listed)
    return charge.view()


def _charge(telegram: Telegram, wanted: OfCharge) -> tuple[Bot, Charge]:
    charge = telegram.ledger.charges.get(wanted.charge_id)
    if charge is None:
        raise Impossible(404, "no such charge")
    return telegram.bots[charge.bot_id], charge


handlers = [say, press, pay, refund, chargeback]
