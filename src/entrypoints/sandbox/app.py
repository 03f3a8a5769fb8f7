"""Puts the sandbox together, and runs it."""

import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import uvicorn
from litestar import Litestar
from litestar.datastructures import State

from entrypoints.sandbox import bot_api, control, page, service
from entrypoints.sandbox.checkout import Checkout
from entrypoints.sandbox.connection import TearableProtocol
from entrypoints.sandbox.control.request import Impossible, refuse
from entrypoints.sandbox.options import Options
from entrypoints.sandbox.people import Bot, Json
from entrypoints.sandbox.stream import Stream
from entrypoints.sandbox.stripe import card_page
from entrypoints.sandbox.stripe import control as stripe_control
from entrypoints.sandbox.stripe.account import Stripe
from entrypoints.sandbox.stripe.api import call_stripe
from entrypoints.sandbox.telegram import NoBot, Telegram

LARGEST_BODY = 20 * 1024 * 1024
GRACE_S = 1
IDLE_CONNECTION_S = 75
"""Longer than any client here keeps a connection for its next call, so that none is closed under one."""


def create_app(options: Options | None = None) -> Litestar:
    """One Telegram and one Stripe, in memory."""
    chosen = options or Options()

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncGenerator[None, None]:
        def execute_reply(bot: Bot, call: Json) -> None:
            values = {name: value for name, value in call.items() if name != "method"}
            bot_api.execute(checkout, bot, call["method"], values, via="reply")

        stream = Stream()
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
        async with httpx.AsyncClient(limits=limits, trust_env=False, timeout=chosen.answer_timeout_s) as client:
            telegram = Telegram(options=chosen, client=client, execute=execute_reply, stream=stream)
            checkout = Checkout(telegram)
            app.state.checkout = checkout
            app.state.mtproto = mtproto = await _open_mtproto(chosen, checkout)
            app.state.stripe = stripe = Stripe(options=chosen, client=client, stream=stream)
            yield
            stream.close()
            await stripe.close()
            if mtproto is not None:
                await mtproto.close()
            await telegram.close()

    return Litestar(
        route_handlers=[
            control.router,
            stripe_control.router,
            call_stripe,
            card_page.checkout,
            card_page.portal,
            service.ask_service,
            page.static_files,
            page.page,
            page.linked_invoice,
            bot_api.call_method,
        ],
        exception_handlers={Impossible: refuse, NoBot: refuse},
        lifespan=[lifespan],
        state=State(),
        openapi_config=None,
        logging_config=None,
        request_max_body_size=LARGEST_BODY,
    )


async def _open_mtproto(options: Options, checkout: Checkout) -> Any:
    """The other door of this Telegram; None where it stays shut, so that Telethon is not loaded for nothing."""
    if options.mtproto_port is None:
        return None
    from entrypoints.sandbox.mtproto.server import open_server  # noqa: PLC0415

    return await open_server(checkout, options.mtproto_port, options.mtproto_key_path)


class SandboxProcess(uvicorn.Server):
    """Lets go of whoever waits before it waits for them."""

    def __init__(self, config: uvicorn.Config, app: Litestar) -> None:
        super().__init__(config)
        self.app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        checkout: Checkout = self.app.state.checkout
        checkout.leave()
        checkout.telegram.stream.close()
        await super().shutdown(sockets)


def server(options: Options, *, host: str = "127.0.0.1", port: int = 0) -> SandboxProcess:
    """A server that can also tear connections; `server.run()` blocks."""
    app = create_app(options)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=TearableProtocol,
        ws="none",
        log_level="error",
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=IDLE_CONNECTION_S,
        backlog=4096,
    )
    return SandboxProcess(config, app)


def run(host: str = "127.0.0.1", port: int = 8081, options: Options | None = None) -> None:
    """Blocks until it is stopped. `tollgram sandbox` ends here."""
    chosen = options or Options(demo=True)
    chosen = replace(chosen, public_url=chosen.public_url or f"http://{host}:{port}")
    bases = f"TELEGRAM_API_BASE={chosen.public_url} STRIPE_API_BASE={chosen.public_url}/stripe"
    print(f"Sandbox at {chosen.public_url}  ({bases})", file=sys.stderr, flush=True)
    server(chosen, host=host, port=port).run()
