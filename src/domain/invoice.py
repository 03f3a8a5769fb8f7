"""One offer to one user, and what may be paid on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.catalog import Catalog, Method, Offer
from domain.entitlement import Holding
from domain.ids import BotName, ChargeId, InvoiceId, PlanCode, UserId
from domain.money import Money


class Objection(StrEnum):
    """Why money may not move, or why money that moved grants nothing."""

    BAD_PAYLOAD = "bad_payload"
    UNKNOWN_INVOICE = "unknown_invoice"
    WRONG_USER = "wrong_user"
    PLAN_MISMATCH = "plan_mismatch"
    CURRENCY_MISMATCH = "currency_mismatch"
    AMOUNT_MISMATCH = "amount_mismatch"
    STALE_INVOICE = "stale_invoice"
    INVOICE_ALREADY_PAID = "invoice_already_paid"
    INVOICE_CANCELLED = "invoice_cancelled"
    PLAN_WITHDRAWN = "plan_withdrawn"
    PRICE_CHANGED = "price_changed"
    ALREADY_ENTITLED = "already_entitled"
    DISABLED = "disabled"
    UNAVAILABLE = "unavailable"
    UNPROCESSABLE = "unprocessable"
    UNKNOWN_TO_PROVIDER = "unknown_to_provider"
    """The provider's own ledger does not have the charge."""


class InvoiceState(StrEnum):
    OPEN = "open"
    PAID = "paid"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the signed payload of an invoice says; enough to write the invoice again when its row is lost."""

    invoice_id: InvoiceId
    plan_code: PlanCode
    issued_at: datetime
    payer: UserId
    price: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """`approved_at`: when a pre-checkout of it was first approved. `settled_by`: the charge that paid it."""

    id: InvoiceId
    bot: BotName
    payer: UserId
    method: Method
    offer: Offer
    issued_at: datetime
    expires_at: datetime
    language: str = "en"
    approved_at: datetime | None = None
    settled_by: ChargeId | None = None
    cancelled_at: datetime | None = None

    def state(self, now: datetime) -> InvoiceState:
        if self.settled_by is not None:
            return InvoiceState.PAID
        if self.cancelled_at is not None:
            return InvoiceState.CANCELLED
        return InvoiceState.EXPIRED if self.stale(now) else InvoiceState.OPEN

    def stale(self, at: datetime) -> bool:
        """Whether it was older than its time to live; at the very end of it, it still is good."""
        return at > self.expires_at

    @property
    def terms(self) -> Terms:
        return Terms(
            invoice_id=self.id,
            plan_code=self.offer.plan_code,
            issued_at=self.issued_at,
            payer=self.payer,
            price=self.offer.price,
        )

    def objection(self, terms: Terms, *, payer: UserId, paid: Money) -> Objection | None:
        """Why this person's money may not pay this invoice by these signed terms, or None when it may."""
        if payer != self.payer or terms.payer != self.payer:
            return Objection.WRONG_USER
        if terms.plan_code != self.offer.plan_code:
            return Objection.PLAN_MISMATCH
        if paid.currency != self.offer.price.currency:
            return Objection.CURRENCY_MISMATCH
        if paid != self.offer.price:
            return Objection.AMOUNT_MISMATCH
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class PreCheckout:
    """A provider asks, before it takes the money, whether it may. `paid` is what would be paid."""

    query_id: str
    bot: BotName
    payer: UserId
    paid: Money
    payload: str


def judge(
    query: PreCheckout,
    *,
    terms: Terms | None,
    invoice: Invoice | None,
    catalog: Catalog,
    held: Mapping[PlanCode, Holding],
    enabled: bool,
    now: datetime,
) -> Objection | None:
    """The first reason why this payment may not be made, or None when it may.

    `terms` are None where the payload is not ours; `held` is what the payer holds.
    """
    if terms is None:
        return Objection.BAD_PAYLOAD
    if invoice is None:
        return Objection.UNKNOWN_INVOICE
    if objection := invoice.objection(terms, payer=query.payer, paid=query.paid):
        return objection
    if invoice.stale(now):
        return Objection.STALE_INVOICE
    if invoice.settled_by is not None:
        return Objection.INVOICE_ALREADY_PAID
    if invoice.cancelled_at is not None:
        return Objection.INVOICE_CANCELLED
    plan = catalog.plans.get(invoice.offer.plan_code)
    if plan is None:
        return Objection.PLAN_WITHDRAWN
    if plan.prices.get(invoice.offer.price.currency) != invoice.offer.price.amount:
        return Objection.PRICE_CHANGED
    holding = held.get(plan.code)
    if holding is not None and not holding.renewable(plan.renew_window, now):
        return Objection.ALREADY_ENTITLED
    return None if enabled else Objection.DISABLED


def rebuild(terms: Terms, *, bot: BotName, method: Method, catalog: Catalog, time_to_live: timedelta) -> Invoice | None:
    """The invoice that these terms were signed for, at the price they name; None where its plan is not known now.

    Only the catalog of today says what the plan opens, since the row that kept it is lost.
    """
    plan = catalog.plans.get(terms.plan_code)
    if plan is None:
        return None
    return Invoice(
        id=terms.invoice_id,
        bot=bot,
        payer=terms.payer,
        method=method,
        offer=plan.sold_for(terms.price),
        issued_at=terms.issued_at,
        expires_at=terms.issued_at + time_to_live,
    )
