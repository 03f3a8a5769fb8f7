"""Money that moved: the charge as a provider reports it, and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from domain.catalog import Method
from domain.ids import BotName, ChargeId, EntitlementId, InvoiceId, PaymentId, PlanCode, UserId
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


class DisputeState(StrEnum):
    """How far a dispute is. Opened alone it changes nothing."""

    OPENED = "opened"
    WITHDRAWN = "withdrawn"
    WON = "won"
    LOST = "lost"


_PROGRESS = (DisputeState.OPENED, DisputeState.WITHDRAWN, DisputeState.WON, DisputeState.LOST)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeStanding:
    """What a provider says has become of a charge: the total given back so far (minor units), and its disputes by id.

    A total and states, never a change: however often and in whichever order it is told, it ends the same.
    `refunds_failed` counts those that could not be paid out, also after they were told of as done.
    """

    provider: Provider
    charge_id: ChargeId
    amount: int
    amount_refunded: int = 0
    disputes: Mapping[str, DisputeState] = field(default_factory=dict)
    refunds_failed: int = 0

    @property
    def key(self) -> tuple[Provider, ChargeId]:
        return self.provider, self.charge_id

    @property
    def given_back(self) -> bool:
        """Whether all of it went back: a dispute that was lost counts as a refund."""
        return self.amount_refunded >= self.amount or DisputeState.LOST in self.disputes.values()


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
    """A charge and its end: granted, quarantined (with the reason), refund pending or refunded.

    `amount_refunded` is the total given back so far; `suspended` the entitlement that a dispute has interrupted.
    """

    id: PaymentId
    charge: Charge
    status: PaymentStatus
    received_at: datetime
    invoice_id: InvoiceId | None = None
    plan_code: PlanCode | None = None
    quarantine_reason: Objection | None = None
    refunded_at: datetime | None = None
    amount_refunded: int = 0
    disputes: Mapping[str, DisputeState] = field(default_factory=dict)
    suspended: EntitlementId | None = None

    def refunded(self, at: datetime) -> "Payment":
        """This payment once its provider has given the money back."""
        return replace(
            self, status=PaymentStatus.REFUNDED, refunded_at=at, amount_refunded=self.charge.paid.amount, suspended=None
        )

    def giving_back(self) -> "Payment":
        """This payment while its provider is asked to give the money back; its reason still tells where it stood."""
        return replace(self, status=PaymentStatus.REFUND_PENDING)

    def kept_after_all(self) -> "Payment":
        """This payment where its provider refused to give the money back: where it stood before."""
        status = PaymentStatus.GRANTED if self.quarantine_reason is None else PaymentStatus.QUARANTINED
        return replace(self, status=status)

    def told(self, standing: "ChargeStanding") -> "Payment":
        """This payment with what its provider says of it now. What was said may come late: nothing moves back."""
        disputes = dict(self.disputes)
        for dispute, state in standing.disputes.items():
            disputes[dispute] = max(state, disputes.get(dispute, state), key=_PROGRESS.index)
        return replace(self, amount_refunded=max(self.amount_refunded, standing.amount_refunded), disputes=disputes)

    def came_back(self, standing: "ChargeStanding") -> bool:
        """Whether money that we took for given back is the provider's again, since nobody could be paid with it. What
        a lost dispute took away is no refund, and with the buyer."""
        lost = DisputeState.LOST in self.told(standing).disputes.values()
        return standing.refunds_failed > 0 and standing.amount_refunded < self.amount_refunded and not lost

    @property
    def in_dispute(self) -> bool:
        """Whether a dispute has taken the money away, and is not decided."""
        return DisputeState.WITHDRAWN in self.disputes.values()

    @property
    def given_back(self) -> bool:
        """Whether all of it went back, by what is known: a dispute that was lost counts as a refund."""
        return self.left <= 0 or DisputeState.LOST in self.disputes.values()

    @property
    def left(self) -> int:
        """What was not given back, in minor units."""
        return self.charge.paid.amount - self.amount_refunded


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

    def same_facts(self, other: "Refund") -> bool:
        """Whether both tell of the same money; time, payload and wording may differ."""
        return (self.key, self.bot, self.refunded) == (other.key, other.bot, other.refunded)

    def gives_back(self, charge: Charge) -> bool:
        """Whether it tells of the same money. Another bot, currency or sum is a forgery or a provider's mistake; the
        payload is not compared, since not every report of a refund repeats it."""
        return (self.key, self.bot, self.refunded) == (charge.key, charge.bot, charge.paid)
