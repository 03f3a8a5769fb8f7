"""Money that moved: the charge as a provider reports it, and what became of it."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from domain.catalog import Method
from domain.ids import BotName, ChargeId, InvoiceId, PaymentId, PlanCode, UserId
from domain.invoice import Objection
from domain.money import Money


class Provider(StrEnum):
    """Who holds the ledger in which a charge id is unique."""

    TELEGRAM = "telegram"
    STRIPE = "stripe"


class PaymentStatus(StrEnum):
    GRANTED = "granted"
    QUARANTINED = "quarantined"
    REFUND_PENDING = "refund_pending"
    REFUNDED = "refunded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """Money that a provider says it took.

    `charged_at` is the provider's own time; `message` the provider's whole message, as it came.
    """

    provider: Provider
    charge_id: ChargeId
    provider_charge_id: str
    bot: BotName
    payer: UserId
    paid: Money
    method: Method
    payload: str
    charged_at: datetime
    message: bytes = b""

    @property
    def key(self) -> tuple[Provider, ChargeId]:
        """What makes it unique."""
        return self.provider, self.charge_id

    def same_facts(self, other: "Charge") -> bool:
        """Whether both tell of the same money; the time and the wording of the message may differ."""
        return (self.bot, self.payer, self.paid, self.payload) == (other.bot, other.payer, other.paid, other.payload)


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """A charge and its end: granted, quarantined (with the reason), refund pending or refunded."""

    id: PaymentId
    charge: Charge
    status: PaymentStatus
    received_at: datetime
    invoice_id: InvoiceId | None = None
    plan_code: PlanCode | None = None
    quarantine_reason: Objection | None = None
    refunded_at: datetime | None = None

    def refunded(self, at: datetime) -> "Payment":
        """This payment once its provider has given the money back."""
        return replace(self, status=PaymentStatus.REFUNDED, refunded_at=at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """A provider's word that a charge was given back in whole. Who gets it is known from the charge, not from here."""

    provider: Provider
    charge_id: ChargeId
    bot: BotName
    refunded: Money
    payload: str
    refunded_at: datetime
    message: bytes = b""

    @property
    def key(self) -> tuple[Provider, ChargeId]:
        """The charge that it gives back."""
        return self.provider, self.charge_id
