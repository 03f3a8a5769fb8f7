"""Letters to users, and Telegram, which carries them."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from application.messages import Letter
from application.ports.outcomes import Rejected, TryLater
from domain.ids import BotName


class Outbox(Protocol):
    """Messages that wait to be sent; written in the transaction of what they tell of."""

    @abstractmethod
    def add(self, letters: Sequence[Letter], now: datetime) -> None: ...

    @abstractmethod
    def claim(self, now: datetime, *, at_most: int, lease: timedelta) -> Sequence[Letter]:
        """Take letters to send: of each chat only its oldest, none that another process has claimed, and no more
        than Telegram's rates allow, counted over all processes."""

    @abstractmethod
    def crowded(self, bot: BotName, chat_id: int, *, by: int) -> bool:
        """Whether so many letters wait for that chat already, or more."""

    @abstractmethod
    def sent(self, letter: Letter, now: datetime) -> None: ...

    @abstractmethod
    def retry(self, letter: Letter, due_at: datetime, problem: str) -> None:
        """Give the claim back and count the attempt; it is due again at that time."""

    @abstractmethod
    def give_up(self, letter: Letter, now: datetime, problem: str) -> None:
        """Never send it; it stays on record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    message_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """The user does not want to hear from the bot, or never wrote to it; trying again is of no use."""

    problem: str


Delivery = Sent | Blocked | Rejected | TryLater


class Messenger(Protocol):
    """Telegram, as one who carries letters."""

    @abstractmethod
    def send(self, letter: Letter) -> Delivery:
        """Try once. Never raises for what Telegram or the network does."""

    @abstractmethod
    def invoice_link(self, letter: Letter) -> str:
        """The address at which the letter's InvoiceMessage can be paid; a Mini App opens it.

        Raises ProviderUnavailable where Telegram does not give one.
        """
