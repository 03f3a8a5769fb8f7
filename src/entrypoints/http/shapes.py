"""The bodies that go in and out. Field names are fixed: other programs are written against them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

import msgspec

from application.ports.checkout import KeptCheckout
from domain.catalog import Catalog, Plan, Tills
from domain.entitlement import Entitlement
from domain.invoice import Invoice
from domain.payment import Payment

# Where Python reads these, $ would let a line break pass that stands at the end; \Z, which would not, is unknown to the
# readers of the OpenAPI document.
PlanCodeText = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_]{1,40}(?!\n)$")]
BotNameText = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_]{1,32}(?!\n)$")]


class Purchase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to buy, and how. Without `method`: by Stars where the plan is priced in them, else Telegram Pay. Without
    `bot`: by the only one, or by main."""

    plan_code: PlanCodeText
    method: Literal["stars", "telegram"] | None = None
    bot: BotNameText | None = None


class CheckoutRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to buy on Stripe's page. `bot` is the one that tells the user what became of it: the only one, or main,
    where none is named."""

    plan_code: PlanCodeText
    bot: BotNameText | None = None


class PortalRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where Stripe's page leads back to: an address below PUBLIC_URL."""

    return_url: Annotated[str, msgspec.Meta(max_length=2048)] | None = None


class PortalPage(msgspec.Struct, frozen=True, kw_only=True):
    portal_url: str


class PriceShape(msgspec.Struct, frozen=True, kw_only=True):
    method: str
    amount: int
    currency: str


class PlanShape(msgspec.Struct, frozen=True, kw_only=True):
    plan_code: str
    title: str
    description: str
    features: list[str]
    limits: dict[str, int]
    duration: str
    prices: list[PriceShape]


class CatalogShape(msgspec.Struct, frozen=True, kw_only=True):
    plans: list[PlanShape]

    @classmethod
    def of(cls, catalog: Catalog, tills: Tills) -> "CatalogShape":
        return cls(plans=[_plan(plan, tills) for plan in catalog.plans.values()])


class IssuedInvoice(msgspec.Struct, frozen=True, kw_only=True):
    invoice_id: str
    plan_code: str
    method: str
    amount: int
    currency: str
    expires_at: datetime


class SentInvoice(IssuedInvoice, frozen=True, kw_only=True):
    telegram_message_id: int

    @classmethod
    def of(cls, invoice: Invoice, message_id: int) -> "SentInvoice":
        return msgspec.convert({**_invoice(invoice), "telegram_message_id": message_id}, cls)


class InvoiceLink(IssuedInvoice, frozen=True, kw_only=True):
    url: str

    @classmethod
    def of(cls, invoice: Invoice, url: str) -> "InvoiceLink":
        return msgspec.convert({**_invoice(invoice), "url": url}, cls)


class CheckoutPage(msgspec.Struct, frozen=True, kw_only=True):
    invoice_id: str
    session_id: str
    checkout_url: str
    amount: int
    currency: str

    @classmethod
    def of(cls, invoice: Invoice, page: KeptCheckout) -> "CheckoutPage":
        price = invoice.offer.price
        return cls(
            invoice_id=invoice.id,
            session_id=page.session_id,
            checkout_url=page.url,
            amount=price.amount,
            currency=price.currency,
        )


class EntitlementShape(msgspec.Struct, frozen=True, kw_only=True):
    entitlement_id: str
    plan_code: str
    features: list[str]
    limits: dict[str, int]
    active: bool
    granted_at: datetime
    starts_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    source: str

    @classmethod
    def of(cls, entitlement: Entitlement, now: datetime) -> "EntitlementShape":
        return cls(
            entitlement_id=entitlement.id,
            plan_code=entitlement.plan_code,
            features=list(entitlement.features),
            limits=dict(entitlement.limits),
            active=entitlement.open(now),
            granted_at=entitlement.granted_at,
            starts_at=entitlement.starts_at,
            expires_at=entitlement.expires_at,
            revoked_at=entitlement.revoked_at,
            source=entitlement.source,
        )


class EntitlementList(msgspec.Struct, frozen=True, kw_only=True):
    user_id: int
    entitlements: list[EntitlementShape]


class PaymentShape(msgspec.Struct, frozen=True, kw_only=True):
    payment_id: str
    invoice_id: str | None
    plan_code: str | None
    method: str
    amount: int
    currency: str
    status: str
    paid_at: datetime
    refunded_at: datetime | None

    @classmethod
    def of(cls, payment: Payment) -> "PaymentShape":
        return cls(
            payment_id=payment.id,
            invoice_id=payment.invoice_id,
            plan_code=payment.plan_code,
            method=payment.charge.method,
            amount=payment.charge.paid.amount,
            currency=payment.charge.paid.currency,
            status=payment.status,
            paid_at=payment.charge.charged_at,
            refunded_at=payment.refunded_at,
        )


class PaymentList(msgspec.Struct, frozen=True, kw_only=True):
    items: list[PaymentShape]
    next_cursor: str | None


class PassportShape(msgspec.Struct, frozen=True, kw_only=True):
    """`passport` is a JWT: iss, aud, sub, iat, exp, jti, features, limits, and rights, by which it may end early."""

    passport: str
    expires_at: datetime


class PublicKey(msgspec.Struct, frozen=True, kw_only=True):
    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: str
    kid: str
    use: Literal["sig"]
    alg: Literal["EdDSA"]


class PublicKeys(msgspec.Struct, frozen=True, kw_only=True):
    """A JWKS."""

    keys: list[PublicKey]


class RevocationsShape(msgspec.Struct, frozen=True, kw_only=True):
    """`revocations` is a JWT: iss, aud, iat, exp, since, and revoked, the rights that ended early since then."""

    revocations: str
    expires_at: datetime


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """`missing` names what stands in the way; empty where all is well. `telegram` tells how it stands with each bot's
    connection, where the service keeps one."""

    status: Literal["ok", "unavailable"]
    missing: list[str] = []
    telegram: dict[str, str] | msgspec.UnsetType = msgspec.UNSET


def _plan(plan: Plan, tills: Tills) -> PlanShape:
    offers = [(method, tills.offer(plan, method)) for method in tills.methods_for(plan)]
    return PlanShape(
        plan_code=plan.code,
        title=plan.title,
        description=plan.description,
        features=list(plan.features),
        limits=dict(plan.limits),
        duration=str(plan.duration),
        prices=[
            PriceShape(method=method, amount=offer.price.amount, currency=offer.price.currency)
            for method, offer in offers
            if offer
        ],
    )


def _invoice(invoice: Invoice) -> Mapping[str, object]:
    price = invoice.offer.price
    return {
        "invoice_id": invoice.id,
        "plan_code": invoice.offer.plan_code,
        "method": invoice.method,
        "amount": price.amount,
        "currency": price.currency,
        "expires_at": invoice.expires_at,
    }
