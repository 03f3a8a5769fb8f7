"""A bot by aiogram on its own webhook server, which hands each payment to `settle`."""

import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop
from aiogram import Bot, Dispatcher, F
from aiogram.types import Message
from aiogram.webhook.aiohttp_server import SimpleRequestHandler
from aiohttp import web

from bench.stock import SECRET, WEBHOOK

Settle = Callable[[Message], Awaitable[None]]


def run(opened: Callable[[], Awaitable[Settle]]) -> None:
    """Listen on the port that the command names. `opened` connects to the database, once the loop runs."""
    dispatcher = Dispatcher()
    settle: list[Settle] = []

    @dispatcher.message(F.successful_payment)
    async def paid(message: Message) -> None:
        await settle[0](message)

    async def started(_: web.Application) -> None:
        settle.append(await opened())

    async def ready(_: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    app = web.Application()
    app.on_startup.append(started)
    app.router.add_get("/", ready)
    handler: Any = SimpleRequestHandler(dispatcher, Bot("1:" + "a" * 35), secret_token=SECRET)
    app.router.add_post(WEBHOOK, handler.handle)
    uvloop.install()
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
