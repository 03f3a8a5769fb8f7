"""What buyers, banks and the operator of the account do."""

from collections.abc import Callable
from typing import Literal

import msgspec
from litestar import post

from entrypoints.sandbox.control.request import Asked, Impossible, read, stripe_of
from entrypoints.sandbox.people import Json
from entrypoints.sandbox.stripe import disputes, refunds, till
from entrypoints.sandbox.stripe.account import Stripe
from entrypoints.sandbox.stripe.books import Books
from entrypoints.sandbox.stripe.payments import DECLINES
from entrypoints.sandbox.stripe.refusal import Refused
from entrypoints.sandbox.stripe.sessions import expire_now, shown

Outcome = Literal["succeeded", "failed"]
Step = Literal["open", "inquiry", "withdraw", "escalate", "answer", "win", "lose", "close"]


class OfSession(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    session_id: str
    email: str = till.EMAIL
    name: str = till.NAME
    last4: str = till.LAST_DIGITS
    amount: int | None = None
    """Instead of the session's, which Stripe would never do."""
    currency: str | None = None

    def buyer(self) -> till.Buyer:
        return till.Buyer(
            email=self.email, name=self.name, last4=self.last4, amount=self.amount, currency=self.currency
        )


class Decline(OfSession, kw_only=True, forbid_unknown_fields=True):
    code: str = "card_declined"


class PayLate(OfSession, kw_only=True, forbid_unknown_fields=True):
    outcome: Outcome | None = None
    after_s: float = 0.0


class SettleLate(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    session_id: str
    outcome: Outcome


class OnlySession(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    session_id: str


class Refund(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    id: str
    """A charge, or its payment intent or session."""
    amount: int | None = None
    """What is left where it is not named."""
    reason: str | None = None
    pending: bool = False


class SettleRefund(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    refund_id: str
    outcome: Outcome


class Dispute(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    id: str
    """A charge, or its payment intent or session; or the dispute itself."""
    step: Step
    amount: int | None = None
    reason: str = "fraudulent"


@post("/pay", status_code=200)
async def pay(request: Asked) -> Json:
    wanted, stripe = await read(request, OfSession), stripe_of(request)
    books, session = _session(stripe, wanted.session_id)
    charge = _done(lambda: till.pay(stripe, books, session, wanted.buyer()))
    return _outcome("paid", session, charge)


@post("/decline", status_code=200)
async def decline(request: Asked) -> Json:
    wanted, stripe = await read(request, Decline), stripe_of(request)
    books, session = _session(stripe, wanted.session_id)
    if wanted.code not in DECLINES:
        raise Impossible(400, f"code must be one of {', '.join(DECLINES)}")
    charge = _done(lambda: till.decline(stripe, books, session, wanted.buyer(), wanted.code))
    return _outcome("declined", session, charge) | {"error_message": charge["failure_message"]}


@post("/abandon", status_code=200)
async def abandon(request: Asked) -> Json:
    """The buyer goes back. Nothing changes: the session stays open, and nobody is told."""
    wanted, stripe = await read(request, OnlySession), stripe_of(request)
    _, session = _session(stripe, wanted.session_id)
    return {"status": "abandoned", "redirect": session["cancel_url"]}


@post("/pay-late", status_code=200)
async def pay_late(request: Asked) -> Json:
    wanted, stripe = await read(request, PayLate), stripe_of(request)
    books, session = _session(stripe, wanted.session_id)
    charge = _done(
        lambda: till.pay_late(stripe, books, session, wanted.buyer(), outcome=wanted.outcome, after_s=wanted.after_s)
    )
    return _outcome("processing", session, charge)


@post("/settle-late", status_code=200)
async def settle_late(request: Asked) -> Json:
    wanted, stripe = await read(request, SettleLate), stripe_of(request)
    books, session = _session(stripe, wanted.session_id)
    charge = _done(lambda: till.settle_late(stripe, books, session, wanted.outcome))
    return _outcome(wanted.outcome, session, charge)


@post("/expire", status_code=200)
async def expire(request: Asked) -> Json:
    """As when its time is over."""
    wanted, stripe = await read(request, OnlySession), stripe_of(request)
    books, session = _session(stripe, wanted.session_id)
    if session["status"] != "open":
        raise Impossible(409, f"the session is {session['status']}")
    expire_now(stripe, books, session)
    return shown(session)


@post("/refund", status_code=200)
async def refund(request: Asked) -> Json:
    """By the operator of the account, at Stripe's dashboard: the service is told, not asked."""
    wanted, stripe = await read(request, Refund), stripe_of(request)
    books, charge = charge_of(stripe, wanted.id)
    return _done(
        lambda: refunds.make(stripe, books, charge, amount=wanted.amount, reason=wanted.reason, pending=wanted.pending)
    )


@post("/settle-refund", status_code=200)
async def settle_refund(request: Asked) -> Json:
    wanted, stripe = await read(request, SettleRefund), stripe_of(request)
    found = stripe.books_with("refund", wanted.refund_id)
    if found is None:
        raise Impossible(404, f"no refund {wanted.refund_id}")
    return _done(lambda: refunds.settle(stripe, *found, wanted.outcome))


@post("/dispute", status_code=200)
async def dispute(request: Asked) -> Json:
    wanted, stripe = await read(request, Dispute), stripe_of(request)
    if wanted.step in ("open", "inquiry"):
        books, charge = charge_of(stripe, wanted.id)
        return _done(
            lambda: disputes.open_dispute(
                stripe,
                books,
                charge,
                amount=wanted.amount,
                reason=wanted.reason,
                inquiry=wanted.step == "inquiry",
            )
        )
    books, disputed = _dispute(stripe, wanted.id)
    _done(lambda: disputes.STEPS[wanted.step](stripe, books, disputed))
    return disputed


def _session(stripe: Stripe, identifier: str) -> tuple[Books, Json]:
    found = stripe.books_with("checkout.session", identifier)
    if found is None:
        raise Impossible(404, f"no session {identifier}")
    return found


def charge_of(stripe: Stripe, identifier: str) -> tuple[Books, Json]:
    """By its own id, or by that of its payment intent or session."""
    if (session := stripe.books_with("checkout.session", identifier)) is not None:
        identifier = session[1]["payment_intent"] or ""
    if (intent := stripe.books_with("payment_intent", identifier)) is not None:
        identifier = intent[1]["latest_charge"] or ""
    if (charge := stripe.books_with("charge", identifier)) is None:
        raise Impossible(404, "no such charge")
    return charge


def _dispute(stripe: Stripe, identifier: str) -> tuple[Books, Json]:
    if (found := stripe.books_with("dispute", identifier)) is not None:
        return found
    books, charge = charge_of(stripe, identifier)
    of_charge = books.children("dispute", charge["id"])
    if not of_charge:
        raise Impossible(409, "the charge is not disputed")
    return books, of_charge[-1]


def _done(doing: Callable[[], Json | None]) -> Json:
    try:
        return doing() or {}
    except Refused as refused:
        raise Impossible(409, refused.message) from None
    except till.Closed as closed:
        raise Impossible(409, str(closed)) from None


def _outcome(status: str, session: Json, charge: Json) -> Json:
    redirect = session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"])
    return {
        "status": status,
        "session_id": session["id"],
        "payment_intent": charge["payment_intent"],
        "charge": charge["id"],
        "redirect": None if status == "declined" else redirect,
    }


handlers = [pay, decline, abandon, pay_late, settle_late, expire, refund, settle_refund, dispute]
