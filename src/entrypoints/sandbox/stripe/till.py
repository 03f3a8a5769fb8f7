"""What a buyer does on the card page."""

import asyncio
from dataclasses import dataclass

from entrypoints.sandbox.people import Json
from entrypoints.sandbox.stripe import customers, payments
from entrypoints.sandbox.stripe.account import Stripe
from entrypoints.sandbox.stripe.books import Books
from entrypoints.sandbox.stripe.sessions import INTENT_DATA, shown

EMAIL = "buyer@example.com"
NAME = "Jenny Rosen"
LAST_DIGITS = "4242"


class Closed(Exception):
    """The session is paid or expired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Buyer:
    """`amount` and `currency` forge what is charged; Stripe itself would charge the session's."""

    email: str = EMAIL
    name: str = NAME
    last4: str = LAST_DIGITS
    amount: int | None = None
    currency: str | None = None


def pay(stripe: Stripe, books: Books, session: Json, buyer: Buyer) -> Json:
    """Money moves at once; returns the charge."""
    intent, charge = _charged(stripe, books, session, buyer, status="succeeded")
    payments.succeed(stripe, books, intent, charge)
    _complete(stripe, books, session, buyer, payment_status="paid")
    return charge


def decline(stripe: Stripe, books: Books, session: Json, buyer: Buyer, code: str) -> Json:
    """The card is refused; the session stays open, and another card may be tried."""
    intent, charge = _charged(stripe, books, session, buyer, status="failed")
    payments.fail(stripe, books, intent, charge, code)
    return charge


def pay_late(stripe: Stripe, books: Books, session: Json, buyer: Buyer, *, outcome: str | None, after_s: float) -> Json:
    """By bank debit or the like: the session completes unpaid, and the money comes later or never.

    `outcome` is succeeded or failed, after `after_s` of scaled seconds; None: until `settle_late`.
    """
    intent, charge = _charged(stripe, books, session, buyer, status="pending")
    charge["payment_method_details"] = {"type": "bacs_debit", "bacs_debit": {"last4": "2345", "sort_code": "108800"}}
    intent["status"] = "processing"
    stripe.happened(books, "charge.pending", charge)
    stripe.happened(books, "payment_intent.processing", intent)
    _complete(stripe, books, session, buyer, payment_status="unpaid")
    if outcome is not None:
        delay_s = after_s * stripe.options.time_scale

        def settle() -> None:
            settle_late(stripe, books, session, outcome)

        stripe.timers[session["id"]] = asyncio.get_running_loop().call_later(delay_s, settle)
        stripe.late.add(session["id"])
    return charge


def settle_late(stripe: Stripe, books: Books, session: Json, outcome: str) -> Json:
    """The money has come, or will not come any more."""
    stripe.late.discard(session["id"])
    if (timer := stripe.timers.pop(session["id"], None)) is not None:
        timer.cancel()
    intent = books.find("payment_intent", session["payment_intent"] or "")
    if session["status"] != "complete" or intent is None or intent["status"] != "processing":
        raise Closed("no money is on its way for this session")
    charge = books.named("charge", intent["latest_charge"])
    if outcome == "succeeded":
        payments.succeed(stripe, books, intent, charge)
        session["payment_status"] = "paid"
        stripe.happened(books, "checkout.session.async_payment_succeeded", shown(session))
    else:
        payments.fail(stripe, books, intent, charge, "insufficient_funds")
        stripe.happened(books, "checkout.session.async_payment_failed", shown(session))
    return charge


def _charged(stripe: Stripe, books: Books, session: Json, buyer: Buyer, *, status: str) -> tuple[Json, Json]:
    if session["status"] != "open":
        raise Closed(f"the session is {session['status']}")
    if session["customer"] is None and session["customer_creation"] == "always":
        customer = customers.make(stripe, books, email=buyer.email, name=buyer.name)
        session["customer"] = customer["id"]
        books.belongs(session, customer["id"])
    intent = books.find("payment_intent", session["payment_intent"] or "")
    if intent is None:
        data = session[INTENT_DATA]
        intent = payments.new_intent(
            stripe,
            books,
            amount=session["amount_total"],
            currency=session["currency"],
            customer=session["customer"],
            description=data["description"],
            metadata=dict(data["metadata"]),
            receipt_email=data["receipt_email"],
        )
        session["payment_intent"] = intent["id"]
        books.belongs(session, intent["id"])
    if buyer.amount is not None:
        intent["amount"] = session["amount_total"] = session["amount_subtotal"] = buyer.amount
    if buyer.currency is not None:
        intent["currency"] = session["currency"] = buyer.currency.lower()
    charge = payments.new_charge(books, intent, status=status, email=buyer.email, name=buyer.name, last4=buyer.last4)
    return intent, charge


def _complete(stripe: Stripe, books: Books, session: Json, buyer: Buyer, *, payment_status: str) -> None:
    if (timer := stripe.timers.pop(session["id"], None)) is not None:
        timer.cancel()
    details = session["customer_details"] or {"address": None, "phone": None, "tax_exempt": "none", "tax_ids": None}
    session |= {
        "status": "complete",
        "payment_status": payment_status,
        "url": None,
        "customer_details": details | {"email": details.get("email") or buyer.email, "name": buyer.name},
    }
    stripe.happened(books, "checkout.session.completed", shown(session))
