"""One payment: what happened to it and why, and what can be decided about it."""

import re

from litestar import Response, get, post
from litestar.params import FromPath

from domain.errors import InvalidRequest, NotFound
from domain.ids import PaymentId, UserId
from domain.payment import PaymentStatus
from domain.returning import can_be_given_back
from entrypoints.console.books import Books
from entrypoints.console.desk import Console, Done
from entrypoints.console.explanations import consequence, explain
from entrypoints.console.forms import AnyRequest, Form
from entrypoints.console.moments import lines, person_of
from entrypoints.console.pages import Page
from entrypoints.console.visitors import Visitor
from entrypoints.console.wording import amount
from entrypoints.http.checks import user_id_of
from entrypoints.http.handed import Handed

WHY = "Say why: it is kept on the audit trail."
_PAYMENT = re.compile(r"[A-Za-z0-9_]{1,80}", re.ASCII)


@get("/payments/{payment_id:str}")
async def show_payment(
    request: AnyRequest, payment_id: FromPath[str], console: Handed[Console], books: Handed[Books]
) -> Response[bytes]:
    def read(visitor: Visitor) -> Page:
        told = books.show_payment(_id(payment_id))
        payment = told.payment
        title = books.title(payment.plan_code)
        return Page(
            "payment.html",
            {
                "told": told,
                "payment": payment,
                "explained": explain(told, books.title),
                "lines": lines(
                    told.lines,
                    {told.invoice.id: told.invoice} if told.invoice else {},
                    {payment.charge.charge_id: payment},
                ),
                "title": title,
                "plans": books.plans,
                "consequence": consequence(payment, title),
                "large": books.waits_for_second(payment, visitor),
                "by_hand": not can_be_given_back(payment.charge.method),
                "asked_by": person_of(told.asked.actor) if told.asked else "",
                "asked_by_me": bool(told.asked and told.asked.actor == visitor.actor),
                "refundable": payment.status in (PaymentStatus.GRANTED, PaymentStatus.QUARANTINED),
            },
        )

    return await console.show(request, read)


@post("/payments/{payment_id:str}/refund")
async def refund(
    request: AnyRequest, payment_id: FromPath[str], console: Handed[Console], books: Handed[Books]
) -> Response[bytes]:
    def do(visitor: Visitor, form: Form) -> Done:
        payment, waits = books.request_refund(
            _id(payment_id), reason=form.needed("reason", WHY), actor=visitor.actor, second=books.second(visitor)
        )
        paid, left = payment.charge.paid, amount(payment.left, payment.charge.paid.currency)
        if waits:
            said = f"Another operator is needed to give back {left}. Nothing moves until one approves it on this page."
        elif payment.status is PaymentStatus.REFUNDED:
            said = f"Recorded: {paid} went back to user {payment.charge.payer}."
        else:
            said = f"{left} go back to user {payment.charge.payer} as soon as the provider confirms it."
        return Done(said, _page(payment_id))

    return await console.act(request, do)


@post("/payments/{payment_id:str}/approve")
async def approve(
    request: AnyRequest, payment_id: FromPath[str], console: Handed[Console], books: Handed[Books]
) -> Response[bytes]:
    def do(visitor: Visitor, _form: Form) -> Done:
        payment = books.answer_refund.approve(_id(payment_id), actor=visitor.actor)
        left = amount(payment.left, payment.charge.paid.currency)
        return Done(f"Approved: {left} go back to user {payment.charge.payer}.", _page(payment_id))

    return await console.act(request, do)


@post("/payments/{payment_id:str}/decline")
async def decline(
    request: AnyRequest, payment_id: FromPath[str], console: Handed[Console], books: Handed[Books]
) -> Response[bytes]:
    def do(visitor: Visitor, form: Form) -> Done:
        books.answer_refund.decline(_id(payment_id), reason=form.needed("reason", WHY), actor=visitor.actor)
        return Done("Declined. The payment stays as it is.", _page(payment_id))

    return await console.act(request, do)


@post("/payments/{payment_id:str}/grant")
async def grant(
    request: AnyRequest, payment_id: FromPath[str], console: Handed[Console], books: Handed[Books]
) -> Response[bytes]:
    def do(visitor: Visitor, form: Form) -> Done:
        user, plan = form.text("user_id"), form.text("plan_code")
        payment = books.grant_quarantined(
            _id(payment_id),
            reason=form.needed("reason", WHY),
            actor=visitor.actor,
            plan_code=plan or None,
            user_id=_for_whom(user) if user else None,
        )
        return Done(f"Granted: {books.title(payment.plan_code)}, for {payment.charge.paid}.", _page(payment_id))

    return await console.act(request, do)


ROUTES = (show_payment, refund, approve, decline, grant)


def _id(text: str) -> PaymentId:
    if not _PAYMENT.fullmatch(text):
        raise NotFound("There is no such payment.")
    return PaymentId(text)


def _for_whom(text: str) -> UserId:
    try:
        return user_id_of(text)
    except InvalidRequest:
        raise InvalidRequest("For whom is told by a Telegram user id, a whole number; the search finds it.") from None


def _page(payment_id: str) -> str:
    return f"/console/payments/{payment_id}"
