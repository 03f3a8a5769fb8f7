"""Deliveries beside the queues: an update once more, updates that nobody made, and those that nobody gets."""

import base64
import binascii
import secrets
from typing import Any, Literal

import msgspec
from litestar import post

from entrypoints.sandbox.control.request import Act, Asked, Impossible, read, telegram_of
from entrypoints.sandbox.people import Bot, Json, User
from entrypoints.sandbox.telegram import Telegram
from entrypoints.sandbox.updates import KINDS, Update, user_of

MOST_TIMES = 1000
ARRIVALS = Literal["message", "edited_message", "forwarded", "business_message", "channel_post"]


class Redeliver(Act, kw_only=True, forbid_unknown_fields=True):
    update_id: int
    times: int = 1
    concurrent: bool = False


class Inject(Act, kw_only=True, forbid_unknown_fields=True):
    update: msgspec.Raw = msgspec.Raw()
    """Any JSON, sent byte for byte. An object without `update_id` is given one, unless `as_is`."""
    raw: str | None = None
    raw_base64: str | None = None
    as_is: bool = False
    times: int = 1
    concurrent: bool = False
    secret: str | None = None
    """Instead of the real secret token; empty for none at all."""


class Forge(Act, kw_only=True, forbid_unknown_fields=True):
    """A payment message for money that never moved: the ledger knows nothing of it."""

    user_id: int
    amount: int
    currency: str = "XTR"
    payload: str
    charge_id: str | None = None
    provider_charge_id: str | None = None
    arrive_as: ARRIVALS = "message"
    refunded: bool = False
    times: int = 1
    concurrent: bool = False


@post("/redeliver", status_code=200)
async def redeliver(request: Asked) -> Json:
    wanted, telegram = await read(request, Redeliver), telegram_of(request)
    bot = telegram.bot(wanted.bot)
    for update in reversed(telegram.updates):
        if update.id == wanted.update_id and update.bot_id == bot.id:
            return await _send(telegram, bot, update, wanted, why="redelivery")
    raise Impossible(404, f"no update {wanted.update_id}")


@post("/expire", status_code=200)
async def expire(request: Asked) -> Json:
    """A day passes: what waits is never delivered."""
    wanted, telegram = await read(request, Act), telegram_of(request)
    bot = telegram.bot(wanted.bot)
    courier = telegram.posts.get(bot.id) or telegram.couriers[bot.id]
    waiting = len(courier.pending())
    courier.let_expire()
    return {"expired": waiting}


@post("/inject", status_code=200)
async def inject(request: Asked) -> Json:
    wanted, telegram = await read(request, Inject), telegram_of(request)
    bot = telegram.bot(wanted.bot)
    raw, update_id, kind, user_id = _bytes_of(telegram, bot, wanted)
    update = telegram.new_update(bot, kind, raw, update_id)
    update.user_id = user_id
    return await _send(telegram, bot, update, wanted, why="injection", secret=wanted.secret)


@post("/forge", status_code=200)
async def forge(request: Asked) -> Json:
    wanted, telegram = await read(request, Forge), telegram_of(request)
    bot, user = telegram.bot(wanted.bot), telegram.user(wanted.user_id)
    kind, message = _forged_message(telegram, bot, user, wanted)
    update_id = telegram.update_ids[bot.id].next()
    update = telegram.new_update(bot, kind, msgspec.json.encode({"update_id": update_id, kind: message}), update_id)
    update.user_id = user.id
    return await _send(telegram, bot, update, wanted, why="injection")


def _forged_message(telegram: Telegram, bot: Bot, user: User, wanted: Forge) -> tuple[str, Json]:
    payment: Json = {
        "currency": wanted.currency,
        "total_amount": wanted.amount,
        "invoice_payload": wanted.payload,
        "telegram_payment_charge_id": wanted.charge_id or "stx" + secrets.token_urlsafe(66),
        "provider_payment_charge_id": wanted.provider_charge_id or f"{user.id}_{secrets.randbelow(1000)}",
    }
    message: Json = {
        "message_id": bot.next_message_id(),
        "from": user.wire(),
        "chat": telegram.private_chat(bot, user).wire(user),
        "date": telegram.unix_time(),
        ("refunded_payment" if wanted.refunded else "successful_payment"): payment,
    }
    match wanted.arrive_as:
        case "edited_message":
            message["edit_date"] = telegram.unix_time()
        case "forwarded":
            message["forward_origin"] = {"type": "user", "sender_user": user.wire(), "date": telegram.unix_time() - 60}
            return "message", message
        case "business_message":
            message["business_connection_id"] = secrets.token_urlsafe(12)
        case "channel_post":
            message["chat"] = {"id": -1_001_000_000_001, "type": "channel", "title": "Channel"}
            message["sender_chat"] = message["chat"]
            del message["from"]
        case "message":
            pass
    return wanted.arrive_as, message


def _bytes_of(telegram: Telegram, bot: Bot, wanted: Inject) -> tuple[bytes, int, str, int | None]:
    """(bytes, update id, kind, user id); id 0 and kind "raw" for what is no update."""
    if wanted.raw is not None:
        return wanted.raw.encode("utf-8", "surrogatepass"), 0, "raw", None
    if wanted.raw_base64 is not None:
        try:
            return base64.b64decode(wanted.raw_base64, validate=True), 0, "raw", None
        except binascii.Error:
            raise Impossible(400, "raw_base64 is not base64") from None
    raw = bytes(wanted.update)
    if not raw:
        raise Impossible(400, "one of update, raw and raw_base64 is needed")
    try:
        update: Any = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return raw, 0, "raw", None
    if not isinstance(update, dict):
        return raw, 0, "raw", None
    kind = next((name for name in update if name in KINDS), "raw")
    content = update.get(kind)
    if "update_id" not in update and not wanted.as_is:
        update = {"update_id": telegram.update_ids[bot.id].next()} | update
        raw = msgspec.json.encode(update)
    number = update.get("update_id")
    update_id = number if isinstance(number, int) else 0
    return raw, update_id, kind, user_of(content) if isinstance(content, dict) else None


async def _send(
    telegram: Telegram,
    bot: Bot,
    update: Update,
    wanted: Redeliver | Inject | Forge,
    *,
    why: str,
    secret: str | None = None,
) -> Json:
    if not 1 <= wanted.times <= MOST_TIMES:
        raise Impossible(400, f"times must be 1 to {MOST_TIMES}")
    if post := telegram.posts.get(bot.id):
        for _ in range(wanted.times):
            post.again(update)
        return {"update_id": update.id, "number": update.number, "attempts": []}
    attempts = await telegram.couriers[bot.id].send_outside_the_queue(
        update, times=wanted.times, concurrent=wanted.concurrent, secret=secret, why=why
    )
    if why == "injection":
        update.state = "delivered" if any(attempt.succeeded for attempt in attempts) else "dropped"
    return {"update_id": update.id, "number": update.number, "attempts": [attempt.view() for attempt in attempts]}


handlers = [redeliver, expire, inject, forge]
