"""What a bot must know to go on over Telegram's own protocol."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class TelegramLogin:
    """A bot's login over Telegram's own protocol, made with the data centre at `server`.

    A bot has several places to log in: at place 0 it is told what happens, from the others it only speaks. `key` is all
    that it takes to speak as the bot; empty before the first time.
    """

    bot_id: int
    place: int
    dc_id: int = 0
    server: str = ""
    key: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatesPosition:
    """How far a bot has come in what Telegram tells it (https://core.telegram.org/api/updates)."""

    pts: int
    qts: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TelegramPeer:
    """A user (above zero) or a group that a bot has met; it is spoken to by its `access_hash`."""

    id: int
    access_hash: int
    language: str = ""


class TelegramLogins(Protocol):
    """What a bot must know to go on over Telegram's own protocol where it, or another process, was.

    A place is held by one process at a time, by a lease. Every method raises Unavailable.
    """

    @abstractmethod
    def hold(
        self, bot_id: int, holder: str, now: datetime, *, places: Sequence[int], lease: timedelta
    ) -> TelegramLogin | None:
        """The first of these places that nobody else holds, held from now on; None where there is none. Asked again by
        who holds it, for longer."""

    @abstractmethod
    def release(self, login: TelegramLogin, holder: str) -> None:
        """Let others have it at once."""

    @abstractmethod
    def keep(self, login: TelegramLogin) -> None: ...

    @abstractmethod
    def position(self, bot_id: int) -> UpdatesPosition | None:
        """Everything before it is done; None where the bot was never told anything."""

    @abstractmethod
    def move(self, bot_id: int, position: UpdatesPosition) -> None: ...

    @abstractmethod
    def peer(self, bot_id: int, peer_id: int) -> TelegramPeer | None: ...

    @abstractmethod
    def meet(self, bot_id: int, peers: Sequence[TelegramPeer]) -> None:
        """Keep them as they are now."""

    @abstractmethod
    def holder(self, bot_id: int, now: datetime) -> str | None:
        """Who is told what happens to the bot."""
