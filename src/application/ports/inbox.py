"""What we were told and have on disk, and who takes it to its story."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from domain.ids import BotName


class Source(StrEnum):
    """Where a report comes from, which tells how it is read."""

    TELEGRAM_UPDATE = "telegram_update"
    STRIPE_EVENT = "stripe_event"
    STAR_TRANSACTION = "star_transaction"
    STRIPE_PAYMENT = "stripe_payment"


class FoundBy(StrEnum):
    WEBHOOK = "webhook"
    RECONCILIATION = "reconciliation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """An authentic message of a provider, as it came. `bot` is empty for Stripe's."""

    source: Source
    bot: BotName
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptReport:
    """`attempts` counts how often it was taken up, this time too; `received_at` is when it came, or was wanted anew;
    `cause` is what brought it (see `Causes`)."""

    id: int
    report: Report
    found_by: FoundBy
    received_at: datetime
    attempts: int
    cause: str = ""


class Inbox(Protocol):
    """Reports that could not be dealt with when they came, and those that only a provider's ledger told us of."""

    @abstractmethod
    def keep(self, reports: Sequence[Report], *, found_by: FoundBy, now: datetime, problem: str = "") -> int:
        """Keep those that are new, byte by byte, due at once; how many they were. One that waits or was given up
        stays as it is; one that was dealt with is due again where the reconciler finds it anew."""

    @abstractmethod
    def claim(self, now: datetime, *, at_most: int, lease: timedelta) -> Sequence[KeptReport]:
        """Take up those that have been due longest, none that somebody holds; each counts one more attempt."""

    @abstractmethod
    def done(self, kept: KeptReport, outcome: str, now: datetime) -> None: ...

    @abstractmethod
    def retry(self, kept: KeptReport, due_at: datetime, problem: str, *, forgiven: int = 0) -> None:
        """Let go of it; it is due again at that time. So many of its attempts are `forgiven`, and don't count."""

    @abstractmethod
    def give_up(self, kept: KeptReport, now: datetime, problem: str) -> None:
        """Nobody takes it up again by itself; it stays on record."""

    @abstractmethod
    def reopen(self, now: datetime, reports: Sequence[Report] | None = None) -> int:
        """Those that were given up, all or of these, are due again, as if they were new; how many."""


class Updates(Protocol):
    """Which messages of Telegram were taken already.

    Only what carries no money is held against the seen ids: Telegram starts its numbers anew at random.
    """

    @abstractmethod
    def first_seen(self, bot: BotName, update_id: int, now: datetime) -> bool:
        """Note it; False where it was noted before."""

    @abstractmethod
    def forget(self, before: datetime) -> int:
        """Let go of the ids noted before that time, and tell how many they were."""


class Intake(Protocol):
    """Takes a report to the story that it is for, alone and from its bytes."""

    @abstractmethod
    def take(self, report: Report) -> str:
        """What became of it, in a word. Raises whatever the story raises; ProviderUnavailable where its provider has
        to be asked and does not answer; IllegibleReport where nobody knows what it says."""

    @abstractmethod
    def quarantine(self, report: Report) -> str:
        """The last resort for one that no story can take: the charge in it is kept for a person, and what became of it
        told in a word. Raises IllegibleReport where it tells of no charge that can be read, or of more than the charge,
        and ProviderUnavailable."""


class IllegibleReport(Exception):
    """A report that this version of the service can't read; `str()` says why."""
