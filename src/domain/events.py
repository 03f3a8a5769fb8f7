"""What happened, in the past tense: read by logs, metrics and whoever follows the service."""

from dataclasses import dataclass, field

from domain.entitlement import Entitlement
from domain.findings import Findings
from domain.ids import BotName, PlanCode, UserId
from domain.invoice import Invoice, Objection, PreCheckout, Terms
from domain.money import Money
from domain.payment import Charge, Payment, Refund


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceIssued:
    invoice: Invoice


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceSent:
    """`telegram_message_id` is None where only a link was made."""

    invoice: Invoice
    telegram_message_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceNotSent:
    invoice: Invoice
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutMismatched:
    """Stripe would have asked for another price than the invoice; the price map or a price at Stripe is wrong."""

    invoice: Invoice
    asked_for: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceCancelled:
    invoice: Invoice


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseRefused:
    """Somebody asked to buy and was told no, before any invoice."""

    user_id: UserId
    plan_code: PlanCode
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PreCheckoutJudged:
    """`invoice` is None where the query named none of ours, or there was no time to look: `terms` are then what its
    payload says, if it is ours. `objection` is None where it was approved."""

    query: PreCheckout
    invoice: Invoice | None
    objection: Objection | None
    terms: Terms | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentGranted:
    payment: Payment
    entitlement: Entitlement
    extends: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentQuarantined:
    payment: Payment


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRefunded:
    payment: Payment


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundOrdered:
    """A payment shall be given back; its provider will be asked."""

    payment: Payment
    asked_by: str
    automatic: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundFailed:
    """A provider will not give a payment back: a person has to see to it."""

    payment: Payment
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentResolved:
    """A person granted what was in quarantine."""

    payment: Payment
    entitlement: Entitlement
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentReleased:
    """Its provider knows of it after all."""

    payment: Payment


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerCompared:
    """A provider's ledger was held against our books."""

    findings: Findings
    dry_run: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EntitlementGranted:
    """A person gave it, without any payment. `extends`: the plan was held already."""

    entitlement: Entitlement
    extends: bool
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntitlementRevoked:
    """`actor` is the person who ended it, where no refund did. `moved_up` are later spans that closed the gap: each as
    it was, and the new row in its place."""

    entitlement: Entitlement
    actor: str | None = None
    moved_up: tuple[tuple[Entitlement, Entitlement], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentPartlyRefunded:
    payment: Payment


@dataclass(frozen=True, slots=True, kw_only=True)
class EntitlementSuspended:
    """A dispute took the money away; access waits for its outcome. `moved_up` as in EntitlementRevoked."""

    entitlement: Entitlement
    payment: Payment
    moved_up: tuple[tuple[Entitlement, Entitlement], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EntitlementRestored:
    entitlement: Entitlement
    payment: Payment


@dataclass(frozen=True, slots=True, kw_only=True)
class EntitlementExpired:
    """Its time is over, and no other span went on from there."""

    entitlement: Entitlement


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeRepeated:
    """A charge that is settled already was reported again, with the same facts. `payment` is what became of it."""

    payment: Payment


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeConflicted:
    """A known charge id came with other facts: somebody forges, or a provider errs."""

    known: Payment
    reported: Charge


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundCameFirst:
    """A refund was reported of a charge that nobody told us of yet."""

    refund: Refund


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundConflicted:
    """A refund was reported that tells of other money than its charge, or than the refund that is known: it is not
    believed. `payment` is None where the charge is not known."""

    refund: Refund
    payment: Payment | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandAnswered:
    name: str
    user_id: UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSent:
    """A message arrived at Telegram, after so many attempts that failed."""

    bot: BotName
    chat_id: int
    message: str
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageGivenUp:
    """A message that will not be tried again."""

    bot: BotName
    chat_id: int
    message: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportKept:
    """An authentic report could not be dealt with; it is on record as it came, and will be tried again."""

    source: str
    bot: BotName
    problem: str
    fault: Exception | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRetried:
    """A report could not be dealt with this time either; `attempts` counts what was its own or our fault. `fault` is
    there where it is ours."""

    source: str
    bot: BotName
    problem: str
    attempts: int
    fault: Exception | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDone:
    """A report that had waited was dealt with; `outcome` says how, in a word."""

    source: str
    found_by: str
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportGivenUp:
    """A report that nobody takes up again by itself: a person has to see to it."""

    source: str
    bot: BotName
    problem: str
    fault: Exception | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeEventKept:
    """An event of Stripe was taken; `outcome` is what became of it: `settled`, `foreign`, `other_mode`, `unused`."""

    id: str
    type: str
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticePushed:
    """An endpoint has taken an event; `endpoint` is its id."""

    endpoint: str
    sequence: int
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeNotPushed:
    """An endpoint has not taken an event, which is tried again unless it is `given_up`."""

    endpoint: str
    sequence: int
    attempts: int
    problem: str
    given_up: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointDisabled:
    """An endpoint gets nothing more until a person enables it."""

    endpoint: str
    problem: str


Event = (
    InvoiceIssued
    | InvoiceSent
    | InvoiceNotSent
    | CheckoutMismatched
    | InvoiceCancelled
    | PurchaseRefused
    | PreCheckoutJudged
    | PaymentGranted
    | PaymentQuarantined
    | PaymentRefunded
    | RefundOrdered
    | RefundFailed
    | PaymentResolved
    | PaymentReleased
    | LedgerCompared
    | PaymentPartlyRefunded
    | EntitlementGranted
    | EntitlementRevoked
    | EntitlementSuspended
    | EntitlementRestored
    | EntitlementExpired
    | ChargeRepeated
    | ChargeConflicted
    | RefundCameFirst
    | RefundConflicted
    | CommandAnswered
    | MessageSent
    | MessageGivenUp
    | ReportKept
    | ReportRetried
    | ReportDone
    | ReportGivenUp
    | StripeEventKept
    | NoticePushed
    | NoticeNotPushed
    | EndpointDisabled
)
