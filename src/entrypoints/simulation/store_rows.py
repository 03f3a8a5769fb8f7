"""What lies in the tables of the simulated store, where that is more than a value of the core."""

from dataclasses import dataclass
from datetime import datetime

from application.messages import Letter
from application.ports import KeptCheckout, KeptReport, Push, RefundOrder, StripeEvent
from domain.ids import UserId
from domain.invoice import Invoice
from domain.notices import Notice
from domain.payment import Payment


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    invoice: Invoice
    telegram_message_id: int | None = None


@dataclass(frozen=True, slots=True)
class PaymentRow:
    payment: Payment
    confirmed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LetterRow:
    letter: Letter
    created_at: datetime
    due_at: datetime
    claimed_at: datetime | None = None
    claimed_until: datetime | None = None
    sent_at: datetime | None = None
    given_up_at: datetime | None = None
    problem: str | None = None

    @property
    def waits(self) -> bool:
        return self.sent_at is None and self.given_up_at is None


@dataclass(frozen=True, slots=True)
class ReportRow:
    kept: KeptReport
    due_at: datetime
    problem: str
    claimed_until: datetime | None = None
    done_at: datetime | None = None
    outcome: str | None = None
    given_up_at: datetime | None = None

    @property
    def waits(self) -> bool:
        return self.done_at is None and self.given_up_at is None


@dataclass(frozen=True, slots=True)
class OrderRow:
    order: RefundOrder
    due_at: datetime
    claimed_until: datetime | None = None
    done_at: datetime | None = None
    failed_at: datetime | None = None
    problem: str | None = None

    @property
    def waits(self) -> bool:
        return self.done_at is None and self.failed_at is None


@dataclass(frozen=True, slots=True)
class CheckoutRow:
    checkout: KeptCheckout
    user_id: UserId
    key: str | None
    fingerprint: str
    at: datetime


@dataclass(frozen=True, slots=True)
class EventRow:
    event: StripeEvent
    outcome: str
    at: datetime


@dataclass(frozen=True, slots=True)
class FeedRow:
    id: int
    notice: Notice
    sequence: int | None = None


@dataclass(frozen=True, slots=True)
class PushRow:
    push: Push
    due_at: datetime
    claimed_until: datetime | None = None
    given_up_at: datetime | None = None
    problem: str | None = None
