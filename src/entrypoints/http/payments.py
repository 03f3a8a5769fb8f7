"""What other services and operators call about payments: looking at them, giving them back, resolving quarantine."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath

from application.payments import FindPaymentEvents, FindPayments, ShowPayment
from application.ports import Page, PaymentFilter, TrailFilter
from application.quarantine import GrantQuarantined, RefundQuarantined
from application.refund_orders import OrderRefund
from domain.catalog import Method
from domain.errors import InvalidRequest, NotFound
from domain.ids import ChargeId, InvoiceId, PaymentId, PlanCode, UserId
from domain.payment import PaymentStatus
from entrypoints.http.bodies import JsonText, bounded, decode
from entrypoints.http.callers import Callers
from entrypoints.http.checks import user_id_of
from entrypoints.http.handed import Handed
from entrypoints.http.payment_shapes import (
    FullPayment,
    PaymentEvent,
    PaymentEventList,
    RefundRequest,
    ResolveRequest,
    ServicePayment,
    ServicePaymentList,
)

AnyRequest = Request[Any, Any, Any]
Value = TypeVar("Value")
READ = "payments:read"
REFUND = "payments:refund"
PAGE, MAX_PAGE = 50, 200
LONGEST_ID = 255
_PAYMENT = re.compile(r"[A-Za-z0-9_]{1,80}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentDesk:
    """What can be decided about a payment."""

    show: ShowPayment
    order_refund: OrderRefund
    grant: GrantQuarantined
    refund: RefundQuarantined


@get("/internal/v1/payments", sync_to_thread=True)
def list_payments(
    request: AnyRequest, callers: Handed[Callers], find_payments: Handed[FindPayments]
) -> ServicePaymentList:
    callers.service(request, READ)
    wanted = PaymentFilter(
        user_id=_given(request, "user_id", user_id_of),
        status=_given(request, "status", PaymentStatus),
        method=_given(request, "method", Method),
        plan_code=_given(request, "plan_code", lambda text: PlanCode(_short(text))),
        charge_id=_given(request, "charge_id", lambda text: ChargeId(_short(text))),
        since=_given(request, "since", _moment),
        until=_given(request, "until", _moment),
    )
    found, next_cursor = find_payments(wanted, _page(request))
    return ServicePaymentList(items=[ServicePayment.of(*one) for one in found], next_cursor=next_cursor)


@get("/internal/v1/payments/{payment_id:str}", sync_to_thread=True)
def show_payment(
    request: AnyRequest, payment_id: FromPath[str], callers: Handed[Callers], show_payment: Handed[ShowPayment]
) -> FullPayment:
    callers.service(request, READ)
    return FullPayment.with_message(*show_payment(_payment_id(payment_id)))


@post("/internal/v1/payments/{payment_id:str}/refund", status_code=202, sync_to_thread=True)
def refund_payment(
    request: AnyRequest,
    payment_id: FromPath[str],
    json_text: Handed[JsonText],
    callers: Handed[Callers],
    payment_desk: Handed[PaymentDesk],
) -> ServicePayment:
    actor = callers.service(request, REFUND)
    asked = decode(json_text, RefundRequest)
    payment = payment_desk.order_refund(
        _payment_id(payment_id), reason=asked.reason, asked_by=actor, outside=asked.outside
    )
    return ServicePayment.of(*payment_desk.show(payment.id))


@post("/internal/v1/payments/{payment_id:str}/resolve", status_code=200, sync_to_thread=True)
def resolve_payment(
    request: AnyRequest,
    payment_id: FromPath[str],
    json_text: Handed[JsonText],
    callers: Handed[Callers],
    payment_desk: Handed[PaymentDesk],
) -> ServicePayment:
    actor = callers.service(request, REFUND)
    asked = decode(json_text, ResolveRequest)
    id = _payment_id(payment_id)
    if asked.action == "grant":
        user = None if asked.user_id is None else UserId(asked.user_id)
        payment_desk.grant(id, reason=asked.reason, actor=actor, plan_code=asked.plan_code, user_id=user)
    else:
        if asked.plan_code is not None or asked.user_id is not None:
            raise InvalidRequest("plan_code and user_id go with the action grant only.")
        payment_desk.refund(id, reason=asked.reason, actor=actor)
    return ServicePayment.of(*payment_desk.show(id))


@get("/internal/v1/payment-events", sync_to_thread=True)
def list_payment_events(
    request: AnyRequest, callers: Handed[Callers], find_payment_events: Handed[FindPaymentEvents]
) -> PaymentEventList:
    callers.service(request, READ)
    wanted = TrailFilter(
        user_id=_given(request, "user_id", user_id_of),
        invoice_id=_given(request, "invoice_id", lambda text: InvoiceId(_short(text))),
        charge_id=_given(request, "charge_id", lambda text: ChargeId(_short(text))),
    )
    found = find_payment_events(wanted, _page(request))
    return PaymentEventList(items=[PaymentEvent.of(kept) for kept in found.items], next_cursor=found.next_cursor)


ROUTES = (list_payments, show_payment, refund_payment, resolve_payment, list_payment_events)


def _payment_id(text: str) -> PaymentId:
    if not _PAYMENT.fullmatch(text):
        raise NotFound("There is no such payment.")
    return PaymentId(text)


def _page(request: AnyRequest) -> Page:
    return Page(
        limit=bounded(request.query_params.get("limit"), PAGE, 1, MAX_PAGE, "limit"),
        cursor=request.query_params.get("cursor"),
    )


def _given(request: AnyRequest, name: str, read: Callable[[str], Value]) -> Value | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        return read(text)
    except ValueError:
        raise InvalidRequest(f"{name} is none that can be looked for.") from None


def _short(text: str) -> str:
    if not text or len(text) > LONGEST_ID:
        raise ValueError("too long")
    return text


def _moment(text: str) -> datetime:
    # A space is what a query makes of a plus that was not escaped.
    moment = msgspec.convert(text.replace(" ", "+"), datetime)
    if moment.tzinfo is None:
        raise ValueError("no zone")
    return moment
