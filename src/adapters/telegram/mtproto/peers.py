"""Whom a bot has met: what it must know to speak to them, and what they read. Asked of memory first, then of the
database."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from telethon.tl import types

from adapters.telegram.mtproto.requests import CHANNELS_BEYOND
from application.ports.telegram_logins import TelegramLogins, TelegramPeer
from domain.errors import Unavailable

MOST_REMEMBERED: Final = 20_000
UNKNOWN_HASH: Final = 0
"""A bot may say so of a user whom it has met (https://core.telegram.org/api/peers)."""


@dataclass(slots=True)
class Peers:
    bot_id: int
    logins: TelegramLogins
    _known: dict[int, TelegramPeer] = field(default_factory=dict)
    _names: dict[int, dict[str, str]] = field(default_factory=dict)
    """As they were told last; they come with nearly every update, so that none is kept for later."""
    _bots: set[int] = field(default_factory=set)
    _keeping: "set[asyncio.Task[None]]" = field(default_factory=set)

    async def access_hash(self, peer_id: int) -> int:
        peer = await self._find(peer_id)
        return UNKNOWN_HASH if peer is None else peer.access_hash

    async def user(self, user_id: int) -> dict[str, Any]:
        """As the Bot API's User object."""
        peer = await self._find(user_id)
        found: dict[str, Any] = {"id": user_id, "is_bot": user_id in self._bots, **self._names.get(user_id, {})}
        if peer is not None and peer.language:
            found["language_code"] = peer.language
        return found

    def meet(self, met: Iterable[Any]) -> None:
        """Users and groups, as Telegram tells of them. What can't be kept now is met again. Never waits."""
        new = []
        for one in met:
            if isinstance(one, types.User):
                self._hear_names(one)
            peer = _peer(one)
            if peer is not None and self._known.get(peer.id) != peer:
                new.append(peer)
        if not new:
            return
        if len(self._known) + len(new) > MOST_REMEMBERED:
            self._known.clear()
        self._known |= {peer.id: peer for peer in new}
        task = asyncio.get_running_loop().create_task(self._keep(new))
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)

    def _hear_names(self, user: Any) -> None:
        if user.bot:
            self._bots.add(user.id)
        if len(self._names) >= MOST_REMEMBERED:
            self._names.clear()
        told = {"first_name": user.first_name, "last_name": user.last_name, "username": user.username}
        self._names[user.id] = {name: value for name, value in told.items() if value}

    async def _keep(self, peers: list[TelegramPeer]) -> None:
        with suppress(Unavailable):
            await asyncio.to_thread(self.logins.meet, self.bot_id, peers)

    async def _find(self, peer_id: int) -> TelegramPeer | None:
        if peer_id not in self._known:
            with suppress(Unavailable):
                peer = await asyncio.to_thread(self.logins.peer, self.bot_id, peer_id)
                if peer is not None:
                    self._known[peer_id] = peer
        return self._known.get(peer_id)


def _peer(met: Any) -> TelegramPeer | None:
    """None for who is only half told of: such an access hash serves nothing."""
    if getattr(met, "min", None) or getattr(met, "access_hash", None) is None:
        return None
    if isinstance(met, types.User):
        return TelegramPeer(id=met.id, access_hash=met.access_hash, language=met.lang_code or "")
    if isinstance(met, types.Channel):
        return TelegramPeer(id=-CHANNELS_BEYOND - met.id, access_hash=met.access_hash)
    return None
