"""Stripe's Checkout: what was asked of it, who is who there, and Stripe itself."""

from abc import abstractmethod
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.ids import InvoiceId, UserId
from domain.invoice import Invoice
from domain.money import Money
from domain.payment import Charge, ChargeStanding


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCheckout:
    """A request to pay by Stripe. `session_id` and `url` are empty until Stripe has made the page."""

    invoice_id: InvoiceId
    session_id: str = ""
    url: str = ""


class Checkouts(Protocol):
    """What was asked of Stripe's Checkout, and by which key of the caller's it may be asked again."""

    @abstractmethod
    def of(self, invoice_id: InvoiceId) -> KeptCheckout | None:
        """What was begun to pay this invoice."""

    @abstractmethod
    def by_key(self, user_id: UserId, key: str) -> tuple[str, KeptCheckout] | None:
        """What that key of this user stands for, and the fingerprint of the request that came with it."""

    @abstractmethod
    def add(self, checkout: KeptCheckout, *, user_id: UserId, key: str | None, fingerprint: str, now: datetime) -> None:
        """Keep what was begun. Raises Unavailable where the key stands for something else at this very moment."""

    @abstractmethod
    def opened(self, checkout: KeptCheckout) -> None:
        """Keep the page that Stripe has made."""

    @abstractmethod
    def release(self, invoice_id: InvoiceId) -> None:
        """Let go of the key by which it was begun, so that the key can begin anew."""


class Customers(Protocol):
    """Who is who at Stripe."""

    @abstractmethod
    def of(self, user_id: UserId) -> str | None:
        """The id of Stripe's customer, where the user ever began to pay by Stripe."""

    @abstractmethod
    def add(self, user_id: UserId, customer_id: str) -> str:
        """Keep it, unless there is one already; the one that is kept. Raises Unavailable where it is another user's."""


class StripeEvents(Protocol):
    """Events of Stripe, each kept once."""

    @abstractmethod
    def known(self, event_id: str) -> bool: ...

    @abstractmethod
    def add(self, event: "StripeEvent", outcome: str, now: datetime) -> None:
        """Keep it with what became of it; one that is kept already stays as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeEvent:
    """A doorbell: its `object_id` names what has changed, and says nothing that we believe."""

    id: str
    type: str
    live: bool
    object_id: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutSession:
    """A page of Stripe's. `price` is what it asks for, by Stripe's own word."""

    id: str
    url: str
    price: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeSnapshot:
    """What Stripe says now of a payment of ours. `charge` is None while no money has moved."""

    charge: Charge | None
    standing: ChargeStanding | None


class Checkout(Protocol):
    """Stripe, asked by us. Every method raises ProviderUnavailable where Stripe does not do its part in time."""

    @abstractmethod
    def create_customer(self, user_id: UserId) -> str:
        """A customer for this user; asked again, the same one."""

    @abstractmethod
    def open(self, invoice: Invoice, payload: str, customer_id: str) -> CheckoutSession:
        """The page where the invoice is paid; asked again for the same invoice, the same page."""

    @abstractmethod
    def expire(self, session_id: str) -> None:
        """Nobody can pay there any more."""

    @abstractmethod
    def portal(self, customer_id: str, return_url: str) -> str:
        """The address of the customer's own page, good for a short while."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the connections; nothing is asked after it."""

    @abstractmethod
    def snapshot(self, event: StripeEvent) -> StripeSnapshot | None:
        """What the event is about, fetched again; None where that is none of ours."""
