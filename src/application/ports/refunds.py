"""What is to be given back, what was, and who gives it back."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from application.ports.outcomes import Rejected, TryLater
from application.ports.payments import ChargeKey
from domain.ids import ChargeId, PaymentId
from domain.payment import Payment, Provider, Refund


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundOrder:
    """Somebody's or our own decision to give a charge back. `attempts` counts how often it was taken up, so that who
    takes it up again knows that it may have been carried out already."""

    provider: Provider
    charge_id: ChargeId
    payment_id: PaymentId
    asked_at: datetime
    asked_by: str
    reason: str
    automatic: bool = False
    attempts: int = 0

    @property
    def key(self) -> ChargeKey:
        return self.provider, self.charge_id


class RefundOrders(Protocol):
    """What we ask providers to give back: one order a charge, kept for good."""

    @abstractmethod
    def add(self, orders: Sequence[RefundOrder]) -> set[ChargeKey]:
        """Keep those whose charge has no order that is open or done, in place of one that failed; which they are."""

    @abstractmethod
    def open_of(self, charge: ChargeKey) -> RefundOrder | None:
        """The order of that charge that was neither carried out nor refused."""

    @abstractmethod
    def automatic_since(self, since: datetime) -> int:
        """How many orders were given by themselves from then on. Hold their lock, `Transaction.lock`."""

    @abstractmethod
    def claim(self, now: datetime, *, at_most: int, lease: timedelta) -> Sequence[RefundOrder]:
        """Take up those that have been due longest, none that somebody holds; each counts one more attempt."""

    @abstractmethod
    def retry(self, order: RefundOrder, due_at: datetime, problem: str) -> None:
        """Let go of it; it is due again at that time."""

    @abstractmethod
    def done(self, charge: ChargeKey, now: datetime) -> None:
        """The provider gave it back. Does nothing where there is no open order."""

    @abstractmethod
    def failed(self, order: RefundOrder, now: datetime, problem: str) -> None:
        """The provider refuses, for good."""


class Refunds(Protocol):
    """What providers gave back, also of charges that nobody has told us of yet."""

    @abstractmethod
    def add_new(self, refund: Refund) -> bool:
        """Keep it; False where a refund of that charge is kept already."""

    @abstractmethod
    def of(self, charges: Sequence[ChargeKey]) -> Mapping[ChargeKey, Refund]:
        """The refunds of them that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenBack:
    """The provider has given the money back, now or before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotYet:
    """The provider has taken the order, and will tell when the money is back."""


ReturnOutcome = GivenBack | NotYet | Rejected | TryLater


class Refunder(Protocol):
    """Providers, asked to give money back."""

    @abstractmethod
    def given_back(self, payment: Payment, order: RefundOrder) -> bool:
        """Whether the provider has given it back already. Raises ProviderUnavailable where it can't be asked."""

    @abstractmethod
    def give_back(self, payment: Payment, order: RefundOrder) -> ReturnOutcome:
        """Ask once. Never raises for what the provider or the network does; after TryLater nobody knows whether it
        was carried out. What is given back already is GivenBack."""
