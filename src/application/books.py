"""What an operator looks at: figures, and whatever is known of one person or one payment.

Ports of their own, beside those that stories of money use: nothing here decides anything, and no story waits for it.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from application.ports.ledgers import LedgerMark
from application.ports.pages import Page, PageOf
from application.ports.payments import PaymentFilter
from application.ports.trail import KeptEntry
from domain.ids import BotName, ChargeId, PlanCode, UserId
from domain.payment import Payment


class Kind(StrEnum):
    """What is counted. An invoice and a pre-checkout count when they happened, money when we learnt of it."""

    INVOICE = "invoice"
    APPROVED = "approved"
    REJECTED = "rejected"
    PAYMENT = "payment"
    GRANTED = "granted"
    QUARANTINED = "quarantined"
    REFUND = "refund"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """How often something happened in a stretch of time, and to which sum. `bucket` is the hour, counted from 1970 in
    UTC, in which the stretch begins; `plan_code` is empty where it was not asked for, or where none is known."""

    bucket: int
    kind: Kind
    method: str
    currency: str
    plan_code: str
    number: int
    amount: int


class Figures(Protocol):
    @abstractmethod
    def between(self, since: int, until: int, *, each: int, by_plan: bool = False) -> Sequence[Figure]:
        """What happened from the hour `since` up to, not in, the hour `until`, in stretches of `each` hours that
        begin at a multiple of it. What was not summed up yet is counted anew."""

    @abstractmethod
    def sum_up(self, until: int) -> int:
        """Keep the sums of the next hours that are over, none from the hour `until` on; how many hours that were.
        Nothing is added to an hour afterwards, so that asking twice, also at once, changes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How it stands at this moment. `unconfirmed` are payments of the last week that their provider's ledger was
    never seen to have, counted up to a limit and without those that are held back for it; `ledgers` tells of each by
    its name how far it was read, and what that showed; `refunds_asked` are those that wait for a second person."""

    quarantined: Mapping[str, int]
    quarantined_since: datetime | None
    outbox_pending: int
    outbox_since: datetime | None
    unconfirmed: int
    ledgers: Mapping[str, LedgerMark]
    refunds_pending: int
    refunds_asked: int
    refunds_asked_since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who a user was when the bot last heard of them. What they call themselves proves nothing."""

    user_id: UserId
    name: str
    username: str
    seen_at: datetime


class People(Protocol):
    @abstractmethod
    def keep(self, people: Sequence[Person]) -> None:
        """Know them by these names from now on, and by no earlier ones."""

    @abstractmethod
    def of(self, users: Sequence[UserId]) -> Mapping[UserId, Person]:
        """Those of them that the bot ever heard of."""

    @abstractmethod
    def named(self, words: Sequence[str], *, at_most: int) -> Sequence[Person]:
        """Those of whose names one begins with each of these words (as `words_of` writes them), last seen first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterShown:
    """A message to a user, and how far it is. `kind` is the name of what it says."""

    id: int
    bot: BotName
    kind: str
    created_at: datetime
    sent_at: datetime | None
    given_up_at: datetime | None
    problem: str | None


class Order(StrEnum):
    NEWEST = "newest"
    OLDEST = "oldest"


class ByAmount(StrEnum):
    LARGEST = "largest"
    SMALLEST = "smallest"


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedRefund:
    """A refund that somebody has asked for and that waits for a second person."""

    payment: Payment
    asked_by: str
    reason: str
    asked_at: datetime


class Register(Protocol):
    """Where one looks things up."""

    @abstractmethod
    def charged(self, charge_id: str) -> Sequence[Payment]:
        """Payments whose charge has that id, ours or the payment provider's own."""

    @abstractmethod
    def returned(self, charge_id: ChargeId) -> datetime | None:
        """When a charge of that id was given back, also where nobody ever told us of the charge."""

    @abstractmethod
    def payments(self, wanted: PaymentFilter, page: Page, order: Order) -> PageOf[Payment]:
        """Those that were looked for. Raises InvalidRequest for a cursor that we never gave."""

    @abstractmethod
    def payments_by_amount(
        self, wanted: PaymentFilter, page: Page, order: ByAmount, *, currency: str, among: int
    ) -> PageOf[Payment] | None:
        """Those that were looked for and are of that currency, by their amount; None where more than `among` were
        found, of whichever currency. Raises InvalidRequest for a cursor that we never gave."""

    @abstractmethod
    def known(self, user_id: UserId) -> bool:
        """Whether anything of theirs is on record."""

    @abstractmethod
    def trail_of(self, user_id: UserId, *, before: int | None, limit: int) -> Sequence[KeptEntry]:
        """Lines of the audit trail, the newest first; those whose number is below `before`."""

    @abstractmethod
    def letters_to(self, user_id: UserId, *, before: int | None, limit: int) -> Sequence[LetterShown]:
        """The newest first; those whose number is below `before`."""

    @abstractmethod
    def asked_refunds(self, *, at_most: int) -> Sequence[AskedRefund]:
        """Refunds that wait for a second person, the newest first."""

    @abstractmethod
    def holders(self, now: datetime) -> Mapping[PlanCode, int]:
        """How many users hold each plan."""

    @abstractmethod
    def standing(self, now: datetime) -> Standing: ...
