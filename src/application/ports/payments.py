"""What was paid."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from application.ports.pages import Page, PageOf
from domain.catalog import Method
from domain.ids import ChargeId, PaymentId, PlanCode, UserId
from domain.invoice import Objection
from domain.payment import Payment, PaymentStatus, Provider

ChargeKey = tuple[Provider, ChargeId]
"""What makes a charge unique."""
WITH_LEDGER = frozenset({Method.STARS, Method.STRIPE})
"""Of these, providers have ledgers of their own that we read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentFilter:
    """Which payments are looked for; None is any. `since` is within the span, `until` behind it (when received).
    `unconfirmed` asks for those that their provider's ledger was never seen to have, where it has one."""

    user_id: UserId | None = None
    status: PaymentStatus | None = None
    method: Method | None = None
    plan_code: PlanCode | None = None
    charge_id: ChargeId | None = None
    since: datetime | None = None
    until: datetime | None = None
    quarantine_reason: Objection | None = None
    unconfirmed: bool = False


class Payments(Protocol):
    """Every charge that a provider ever reported, whatever became of it."""

    @abstractmethod
    def of(self, charges: Sequence[ChargeKey]) -> Mapping[ChargeKey, Payment]:
        """Those of them that are kept."""

    @abstractmethod
    def add_new(self, payments: Sequence[Payment]) -> set[ChargeKey]:
        """Keep those whose charge was never kept before, and tell which they are."""

    @abstractmethod
    def update(self, payment: Payment) -> None:
        """Keep all of it but what the charge says, which never changes, and when it was received."""

    @abstractmethod
    def get(self, id: PaymentId) -> Payment | None: ...

    @abstractmethod
    def found(self, wanted: PaymentFilter, page: Page) -> PageOf[Payment]:
        """Those that were looked for, newest first. Raises InvalidRequest for a cursor that we never gave."""

    @abstractmethod
    def confirm(self, charges: Sequence[ChargeKey], at: datetime) -> None:
        """Note that the provider's own ledger has them; what was noted before stays."""

    @abstractmethod
    def unconfirmed(self, methods: Sequence[Method], received_before: datetime, *, at_most: int) -> Sequence[Payment]:
        """Payments by these methods that no ledger was ever seen to have, oldest first."""

    @abstractmethod
    def any_by_stripe(self, user_id: UserId) -> bool:
        """Whether the user ever paid by Stripe."""

    @abstractmethod
    def waiting_of(self, user_id: UserId) -> Sequence[Payment]:
        """The user's payments in quarantine, oldest first, at most 20."""
