"""The providers' own books, and how far we have read them."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from application.ports.inbox import Report
from domain.ids import BotName, ChargeId
from domain.payment import Charge, DisputeState, Refund


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerMark:
    """How far a provider's ledger was read. `ledger` is `stars:<bot>` or `stripe`.

    `read_to` is the place in it (an offset, or a time in Unix seconds by the ledger's own clock) up to which all is
    known. `whole_read_to` is where a walk over all of it has got to, and None while none is under way. `drift`,
    `other_facts` and `unknown_to_provider` are what the last comparison of the whole of it found, and None before one;
    Stripe's balance is compared with nothing.
    """

    ledger: str
    first_started_at: datetime
    read_to: int = 0
    tail_read_at: datetime | None = None
    whole_read_to: int | None = None
    whole_begun_at: datetime | None = None
    whole_read_at: datetime | None = None
    drift: int | None = None
    other_facts: int | None = None
    unknown_to_provider: int | None = None


class LedgerMarks(Protocol):
    @abstractmethod
    def take(self, ledger: str, now: datetime) -> LedgerMark:
        """The mark of that ledger, made where there is none; nobody else has it until the end of the transaction."""

    @abstractmethod
    def all(self) -> Sequence[LedgerMark]: ...

    @abstractmethod
    def move(self, mark: LedgerMark) -> None:
        """Keep it; when it was first started never changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One line of a ledger, as it came, and what it tells: None where it is nothing that we sell, or where nobody can
    read it. `stars` is what it adds to the balance, below zero where it takes away.
    """

    report: Report
    content: Charge | Refund | None
    stars: int
    readable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerPage:
    """Entries, oldest first. `next_from` is where to read on: None behind the last."""

    entries: tuple[LedgerEntry, ...]
    next_from: int | None


class StarLedger(Protocol):
    """Telegram's own list of a bot's Stars. Every method raises ProviderUnavailable."""

    @abstractmethod
    def page(self, bot: BotName, offset: int) -> LedgerPage:
        """Entries from that offset on, oldest first, at most 100
        (https://core.telegram.org/bots/api#getstartransactions)."""

    @abstractmethod
    def balance(self, bot: BotName) -> int:
        """Stars that the bot has, in whole Stars."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeEntry:
    """What one of Stripe's lists tells of a payment: its state so far as that list knows it.

    `ours` is whether we had it made; None where the list does not say. `at` is when Stripe wrote it down, by its clock.
    """

    charge_id: ChargeId
    ours: bool | None
    at: datetime
    moved: bool = False
    given_back: int = 0
    disputes: Mapping[str, DisputeState] = field(default_factory=dict)


class StripeLedger(Protocol):
    """Stripe's lists of what happened to payments. Raises ProviderUnavailable while it is read."""

    @abstractmethod
    def entries(self, since: datetime) -> Iterator[Sequence[StripeEntry]]:
        """Everything that was made from then on, a page at a time: charges, refunds, disputes."""

    @abstractmethod
    def report(self, charge_id: ChargeId) -> Report:
        """By which the inbox knows that this payment is to be fetched."""
