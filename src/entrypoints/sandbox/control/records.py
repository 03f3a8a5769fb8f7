"""What has happened: chats, calls, updates, charges; and waiting until nothing happens any more."""

import asyncio
import time

import msgspec
from litestar import get, post
from litestar.params import FromPath
from litestar.response import Stream as StreamedAnswer

from entrypoints.sandbox.control.request import (
    Act,
    Asked,
    bot_of,
    checkout_of,
    read,
    stripe_of,
    telegram_of,
    whole_number,
)
from entrypoints.sandbox.people import Json

LARGEST_PAGE = 100_000
PAGE = 1000
STEP_S = 0.005


class Settle(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    timeout_s: float = 10.0
    quiet_s: float = 0.1
    """For so long no call of the Bot API or of Stripe's has come."""


@get("/state")
async def state(request: Asked) -> Json:
    """`?user_id=` for the chats of one user alone."""
    telegram = telegram_of(request)
    user_id = whole_number(request, "user_id", 0)
    chats = [
        {
            "bot_id": chat.bot_id,
            "chat": chat.wire(telegram.users.get(chat.id)),
            "messages": [message.view(chat.bot_id) for message in chat.messages.values()],
        }
        for chat in telegram.chats.values()
        if not user_id or user_id in (chat.id, *chat.members)
    ]
    return {
        "bots": [
            bot.wire()
            | {
                "commands": bot.commands,
                "stars": bot.stars,
                "webhook": _webhook(request, bot.id),
                "mtproto": _mtproto(request, bot.id),
            }
            for bot in telegram.bots.values()
        ],
        "users": [user.view() for user in telegram.users.values()],
        "chats": chats,
        "faults": msgspec.to_builtins(telegram.weather.everywhere),
        "waiting": telegram.waiting(),
        "service_url": telegram.options.service_url,
        "service_features": list(telegram.options.service_features) if telegram.options.service_token else [],
    }


def _webhook(request: Asked, bot_id: int) -> Json | None:
    webhook = telegram_of(request).couriers[bot_id].webhook
    if webhook is None:
        return None
    return {"url": webhook.url, "last_error": webhook.last_error, "last_error_at": webhook.last_error_at}


def _mtproto(request: Asked, bot_id: int) -> Json | None:
    """None of a bot that has not spoken MTProto."""
    post = telegram_of(request).posts.get(bot_id)
    return {"connected": post.connected} if post else None


@get("/calls")
async def calls(request: Asked) -> Json:
    """`?method=&after=<number>&limit=`, oldest first; the newest `limit` of them."""
    method, after = request.query_params.get("method", "").lower(), whole_number(request, "after", 0)
    limit = min(LARGEST_PAGE, whole_number(request, "limit", PAGE))
    found = [
        call.view()
        for call in telegram_of(request).calls
        if call.number > after and (not method or call.method.lower() == method)
    ]
    return {"calls": found[-limit:]}


@get("/updates")
async def updates(request: Asked) -> Json:
    """`?kind=&after=<number>&limit=`, oldest first; the newest `limit` of them."""
    kind, after = request.query_params.get("kind", ""), whole_number(request, "after", 0)
    limit = min(LARGEST_PAGE, whole_number(request, "limit", PAGE))
    found = [update for update in telegram_of(request).updates if update.number > after and kind in ("", update.kind)]
    return {"updates": [update.view() for update in found[-limit:]]}


@get("/ledger")
async def ledger(request: Asked) -> Json:
    telegram = telegram_of(request)
    return {
        "charges": [charge.view() for charge in telegram.ledger.charges.values()],
        "transactions": [line.wire() | {"bot_id": line.bot_id} for line in telegram.ledger.transactions],
        "balances": {str(bot.id): bot.stars for bot in telegram.bots.values()},
    }


@get("/links/{slug:str}")
async def link(request: Asked, slug: FromPath[str]) -> Json:
    invoice = telegram_of(request).links.get(slug)
    return {"invoice": invoice.view() if invoice is not None else None}


@post("/settle", status_code=200)
async def settle(request: Asked) -> Json:
    wanted, checkout = await read(request, Settle), checkout_of(request)
    telegram, stripe = checkout.telegram, stripe_of(request)
    deadline = time.monotonic() + wanted.timeout_s
    idle_since = time.monotonic()
    while True:
        now = time.monotonic()
        waiting = telegram.waiting() + stripe.waiting()
        busy = waiting > 0 or checkout.under_way or telegram.calls_in_flight + stripe.calls_in_flight > 0
        if busy or max(telegram.last_call_at, stripe.last_call_at) > time.time() - wanted.quiet_s:
            idle_since = now
        if not busy and now - idle_since >= wanted.quiet_s:
            return {"idle": True, "waiting": 0}
        if now >= deadline:
            return {"idle": False, "waiting": waiting}
        await asyncio.sleep(STEP_S)


@post("/reset", status_code=200)
async def reset(request: Asked) -> Json:
    """All is forgotten but the bots, their webhooks, and Stripe's endpoints and prices."""
    stripe_of(request).clear()
    telegram_of(request).clear()
    return {}


@post("/update-ids", status_code=200)
async def start_update_ids_anew(request: Asked) -> Json:
    """As after a quiet week: the next update has a random id, maybe a lower one."""
    bot = bot_of(request, (await read(request, Act)).bot)
    telegram_of(request).update_ids[bot.id].start_anew()
    return {}


@get("/stream")
async def stream(request: Asked) -> StreamedAnswer:
    return StreamedAnswer(
        telegram_of(request).stream.read(),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-cache"},
    )


handlers = [state, calls, updates, ledger, link, settle, reset, start_update_ids_anew, stream]
