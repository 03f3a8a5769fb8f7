"""Updates that come over Telegram's own protocol go to the same desk as those of the webhook.

The desk works on the loop of the HTTP server, each bot on a thread of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import msgspec

from adapters.ids import random_hex
from adapters.telegram.calls import Call
from adapters.telegram.replies import NO_CALL
from adapters.telemetry import bound
from domain.ids import BotName
from entrypoints.http.webhook import AuthenticUpdate, UpdateDesk

Take = Callable[[bytes], Awaitable[Call | None]]


class Listener(Protocol):
    """A bot that has what it is told dealt with."""

    @property
    def state(self) -> str:
        """In a word or two."""

    @property
    def listens(self) -> bool:
        """Whether it is this process that is told."""

    @property
    def problem(self) -> str:
        """Why it has no connection; empty where it has one."""

    @property
    def was_connected(self) -> bool:
        """Ever, since the start."""

    def receive(self, take: Take) -> None: ...

    def close(self) -> None: ...


def listen(bots: Mapping[BotName, Listener], desk: UpdateDesk) -> None:
    """Have everything that these bots are told taken to the desk. Called where the desk shall work."""
    loop = asyncio.get_running_loop()
    for name, bot in bots.items():
        bot.receive(_taker(name, desk, loop))


def _taker(name: BotName, desk: UpdateDesk, loop: asyncio.AbstractEventLoop) -> Take:
    async def take(body: bytes) -> Call | None:
        reply = asyncio.run_coroutine_threadsafe(_take(desk, name, body), loop)
        return _call(await asyncio.wrap_future(reply))

    return take


async def _take(desk: UpdateDesk, name: BotName, body: bytes) -> bytes:
    bound.begin(request_id=f"upd_{random_hex(12)}")
    try:
        return await desk.take(AuthenticUpdate(bot=name, body=body))
    except Exception:
        desk.metrics.errors.labels(name).inc()
        raise


def _call(reply: bytes) -> Call | None:
    """The one call that a reply to a webhook may be."""
    if reply == NO_CALL:
        return None
    parameters: dict[str, Any] = msgspec.json.decode(reply)
    return Call(parameters.pop("method"), parameters)
