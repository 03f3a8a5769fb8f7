"""What lies in the tables of the simulated store, where that is more than a value of the core.

Named tuples: these values are made more often than any others, and a frozen dataclass takes five times as long to make.
"""

from datetime import datetime
from typing import NamedTuple

from application.messages import Letter
from application.ports.checkout import KeptCheckout, StripeEvent
from application.ports.inbox import KeptReport
from application.ports.pushes import Push
from application.ports.refunds import RefundOrder
from domain.ids import UserId
from domain.invoice import Invoice
from domain.notices import Notice
from domain.payment import Payment


class InvoiceRow(NamedTuple):
    invoice: Invoice
    telegram_message_id: int | None = None


class PaymentRow(NamedTuple):
    payment: Payment
    confirmed_at: datetime | None = None


class LetterRow(NamedTuple):
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


class ReportRow(NamedTuple):
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


class OrderRow(NamedTuple):
    order: RefundOrder
    due_at: datetime
    claimed_until: datetime | None = None
    done_at: datetime | None = None
    failed_at: datetime | None = None
    problem: str | None = None

    @property
    def waits(self) -> bool:
        return self.done_at is None and self.failed_at is None


class CheckoutRow(NamedTuple):
    checkout: KeptCheckout
    user_id: UserId
    key: str | None
    fingerprint: str
    at: datetime


class EventRow(NamedTuple):
    event: StripeEvent
    outcome: str
    at: datetime


class FeedRow(NamedTuple):
    id: int
    notice: Notice
    sequence: int | None = None


class PushRow(NamedTuple):
    push: Push
    due_at: datetime
    claimed_until: datetime | None = None
    given_up_at: datetime | None = None
    problem: str | None = None
