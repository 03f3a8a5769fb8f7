"""What other services and operators call about one payment: looking at it, giving it back, resolving quarantine."""

import re
from dataclasses import dataclass
from typing import Any

from litestar import Request, get, post
from litestar.params import FromPath

from application.payments import ShowPayment
from application.quarantine import GrantQuarantined, RefundQuarantined
from application.refund_orders import OrderRefund
from domain.errors import InvalidRequest, NotFound
from domain.ids import PaymentId, UserId
from entrypoints.http.bodies import JsonText, decode
from entrypoints.http.callers import Callers
from entrypoints.http.handed import Handed
from entrypoints.http.payment_shapes import (
    FullPayment,
    RefundRequest,
    ResolveRequest,
    ServicePayment,
)

AnyRequest = Request[Any, Any, Any]
READ = "payments:read"
REFUND = "payments:refund"
_PAYMENT = re.compile(r"[A-Za-z0-9_]{1,80}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentDesk:
    """What can be decided about a payment."""

    show: ShowPayment
    order_refund: OrderRefund
    grant: GrantQuarantined
    refund: RefundQuarantined


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


ROUTES = (show_payment, refund_payment, resolve_payment)


def _payment_id(text: str) -> PaymentId:
    if not _PAYMENT.fullmatch(text):
        raise NotFound("There is no such payment.")
    return PaymentId(text)
