"""One connection of a bot to Telegram, from the login to the day it breaks. Whoever has it makes a new one then."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from telethon import TelegramClient, errors
from telethon.crypto import AuthKey, rsa
from telethon.sessions import MemorySession
from telethon.tl import functions

from adapters.telegram.bot_api import Unreachable
from adapters.telegram.mtproto.refusals import NO_SUCH_LOGIN, SAID_BEFORE, name_of, refused
from application.ports.telegram_logins import TelegramLogin

CONNECTED_WITHIN_S: Final = 15.0
ANSWERED_WITHIN_S: Final = 12.0

_BROKEN: Final = (OSError, EOFError, TimeoutError, BufferError)
"""How a connection ends, or does not come about."""

Told = Callable[[Any], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TelegramApp:
    """Who we are to Telegram (https://my.telegram.org), and where that is: `server` None for Telegram's own; `key_path`
    is the public key of another."""

    api_id: int
    api_hash: str = field(repr=False)
    server: str | None = None
    dc_id: int = 2
    key_path: Path | None = None


class LoginLost(Exception):
    """Telegram does not know the key of this login any more: it takes a new one."""


class SaidBefore(Exception):
    """Telegram has this very message already."""


class _Client(TelegramClient):  # type: ignore[misc] # it has no types
    """Telethon, but what Telegram tells is handed over as it comes.

    Its own loop keeps in memory how far it has come, holds back what comes while it catches up, and lets a payment go
    that it has handed out and nobody has written down yet. We keep the place ourselves, behind what is committed.
    """

    def __init__(self, *arguments: Any, told: Told, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._told = told

    async def _update_loop(self) -> None:
        while True:
            self._told(await self._updates_queue.get())


class Line:
    """`told` None: nothing is wanted to be told; this one only speaks."""

    def __init__(self, token: str, app: TelegramApp, login: TelegramLogin, told: Told | None) -> None:
        self._token = token
        self._app = app
        self._login = login
        if app.key_path is not None:
            rsa.add_key(app.key_path.read_text(encoding="ascii"), old=False)
        self._client = _Client(
            _session(app, login),
            app.api_id,
            app.api_hash,
            told=told or _nothing,
            receive_updates=told is not None,
            # What fails is told at once: whoever asked knows better whether to wait, and for how long.
            auto_reconnect=False,
            connection_retries=0,
            request_retries=0,
            retry_delay=0,
            flood_sleep_threshold=0,
            raise_last_call_error=True,
            timeout=int(CONNECTED_WITHIN_S),
            device_model="server",
            app_version="tollgram",
            base_logger=_quiet_logger(),
        )

    async def open(self) -> TelegramLogin:
        """Connect, log in where that was not done, and give the login to go on with next time.

        Raises LoginLost, Refused or Unreachable.
        """
        try:
            async with asyncio.timeout(CONNECTED_WITHIN_S):
                await self._client.connect()
        except errors.AuthKeyNotFound:
            raise LoginLost from None
        except asyncio.CancelledError:
            _only_if_lost()
            raise Unreachable("no connection (it was lost at once)") from None
        except (*_BROKEN, ValueError, errors.RPCError) as problem:
            raise Unreachable(f"no connection ({type(problem).__name__})") from None
        await self._log_in()
        session = self._client.session
        return replace(
            self._login,
            dc_id=session.dc_id,
            server=f"{session.server_address}:{session.port}",
            key=session.auth_key.key,
        )

    async def _log_in(self) -> None:
        try:
            await self.ask(functions.updates.GetStateRequest())
        except LoginLost:
            if self._login.key:
                raise
            asked = functions.auth.ImportBotAuthorizationRequest(0, self._app.api_id, self._app.api_hash, self._token)
            await self.ask(asked)

    async def ask(self, request: Any) -> Any:
        """What Telegram answers.

        Raises SaidBefore, LoginLost, Refused, or Unreachable where nobody knows whether it was carried out.
        """
        name = type(request).__name__.removesuffix("Request")
        try:
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                return await self._client(request)
        except errors.RPCError as error:
            raise _in_our_words(error) from None
        except errors.AuthKeyNotFound:
            raise LoginLost from None
        except asyncio.CancelledError:
            _only_if_lost()
            raise Unreachable(f"{name}: the connection was lost") from None
        except _BROKEN as problem:
            raise Unreachable(f"{name}: no answer ({type(problem).__name__})") from None

    async def ended(self) -> None:
        """Until the connection is lost."""
        try:
            await self._client.disconnected
        except asyncio.CancelledError:
            _only_if_lost()
        except (*_BROKEN, errors.AuthKeyNotFound):
            pass

    async def close(self) -> None:
        await self._client.disconnect()


def _session(app: TelegramApp, login: TelegramLogin) -> MemorySession:
    session = MemorySession()
    known = bool(login.key) and app.server in (None, login.server)
    if server := (login.server if known else app.server):
        host, _, port = server.rpartition(":")
        session.set_dc(login.dc_id if known else app.dc_id, host, int(port))
    if known:
        session.auth_key = AuthKey(login.key)
    return session


def _in_our_words(error: errors.RPCError) -> Exception:
    name = name_of(error)
    if name in NO_SUCH_LOGIN:
        return LoginLost()
    return SaidBefore() if name == SAID_BEFORE else refused(error)


def _only_if_lost() -> None:
    """Telethon cancels what waits for an answer when a connection ends; when we are cancelled ourselves, we end."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _nothing(_: Any) -> None:
    """What a line that only speaks is told."""


def _quiet_logger() -> logging.Logger:
    """Its lines tell of what we tell ourselves, and below WARNING of everything that is sent."""
    logger = logging.getLogger("telethon")
    logger.setLevel(logging.CRITICAL)
    return logger
