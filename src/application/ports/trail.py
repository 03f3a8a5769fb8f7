"""The audit trail."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from application.ports.pages import Page, PageOf
from domain.ids import BotName, ChargeId, EntitlementId, InvoiceId, UserId
from domain.invoice import Objection
from domain.payment import Payment


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailEntry:
    """One line of the audit trail. `kind` is one of `invoice_issued`, `pre_checkout`, `successful_payment`,
    `refunded_payment`, `charge_standing`, `charge_conflict`, `invoice_cancelled`, `refund_asked`, `refund_approved`,
    `refund_declined`, `refund_ordered`, `refund_failed`, `refund_came_back`, `payment_resolved`, `payment_held`,
    `payment_released`, `refund_conflict`, `entitlement_granted`, `entitlement_revoked` (both by hand, with the
    `entitlement_id`), `endpoint_enabled`, `events_replayed` (both without a bot); `message` the provider's own bytes,
    `actor` and `note` who decided and why."""

    kind: str
    bot: BotName
    at: datetime
    user_id: UserId | None = None
    invoice_id: InvoiceId | None = None
    charge_id: ChargeId | None = None
    decision: str | None = None
    reason: Objection | None = None
    message: bytes | None = None
    actor: str | None = None
    note: str | None = None
    entitlement_id: EntitlementId | None = None

    @classmethod
    def of_payment(
        cls,
        kind: str,
        payment: Payment,
        at: datetime,
        *,
        message: bytes | None = None,
        actor: str | None = None,
        note: str | None = None,
    ) -> "TrailEntry":
        """What became of a payment: its state from then on is the decision."""
        charge = payment.charge
        return cls(
            kind=kind,
            bot=charge.bot,
            at=at,
            user_id=charge.payer,
            invoice_id=payment.invoice_id,
            charge_id=charge.charge_id,
            decision=payment.status,
            reason=payment.quarantine_reason,
            message=message,
            actor=actor,
            note=note,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptEntry:
    id: int
    entry: TrailEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailFilter:
    """Which entries are looked for; None is any."""

    user_id: UserId | None = None
    invoice_id: InvoiceId | None = None
    charge_id: ChargeId | None = None


class Trail(Protocol):
    """The audit trail of everything about money; only ever added to."""

    @abstractmethod
    def add(self, entries: Sequence[TrailEntry]) -> None:
        """Keep them. A payment or a refund of one charge is kept once; a second entry of it is let go."""

    @abstractmethod
    def found(self, wanted: TrailFilter, page: Page) -> PageOf[KeptEntry]:
        """Those that were looked for, newest first. Raises InvalidRequest for a cursor that we never gave."""
