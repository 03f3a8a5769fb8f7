"""What other services call to see payments and the audit trail: page by page, or all of it as a file."""

from collections.abc import Callable
from typing import Any, TypeVar

from litestar import Request, get
from litestar.response import Stream

from application.payments import FindPaymentEvents, FindPayments
from application.ports.pages import Page
from application.ports.payments import PaymentFilter
from application.ports.trail import TrailFilter
from domain.catalog import Method
from domain.errors import InvalidRequest
from domain.ids import ChargeId, InvoiceId, PlanCode
from domain.payment import PaymentStatus
from entrypoints.http.bodies import bounded, moment
from entrypoints.http.callers import Callers
from entrypoints.http.checks import user_id_of
from entrypoints.http.exports import export, form_of
from entrypoints.http.handed import Handed
from entrypoints.http.payment_shapes import PaymentEvent, PaymentEventList, ServicePayment, ServicePaymentList

AnyRequest = Request[Any, Any, Any]
Value = TypeVar("Value")
READ = "payments:read"
PAGE, MAX_PAGE = 50, 200
LONGEST_ID = 255


@get("/internal/v1/payments", sync_to_thread=True)
def list_payments(
    request: AnyRequest, callers: Handed[Callers], find_payments: Handed[FindPayments]
) -> ServicePaymentList:
    callers.service(request, READ)
    found, next_cursor = find_payments(_payments_wanted(request), _page(request))
    return ServicePaymentList(items=[ServicePayment.of(*one) for one in found], next_cursor=next_cursor)


@get("/internal/v1/payments/export", sync_to_thread=True)
def export_payments(request: AnyRequest, callers: Handed[Callers], find_payments: Handed[FindPayments]) -> Stream:
    callers.service(request, READ)
    wanted = _payments_wanted(request)

    def pages(page: Page) -> tuple[list[ServicePayment], str | None]:
        found, next_cursor = find_payments(wanted, page)
        return [ServicePayment.of(*one) for one in found], next_cursor

    return export("payments", ServicePayment, pages, form_of(request.query_params.get("format")))


@get("/internal/v1/payment-events", sync_to_thread=True)
def list_payment_events(
    request: AnyRequest, callers: Handed[Callers], find_payment_events: Handed[FindPaymentEvents]
) -> PaymentEventList:
    callers.service(request, READ)
    found = find_payment_events(_events_wanted(request), _page(request))
    return PaymentEventList(items=[PaymentEvent.of(kept) for kept in found.items], next_cursor=found.next_cursor)


@get("/internal/v1/payment-events/export", sync_to_thread=True)
def export_payment_events(
    request: AnyRequest, callers: Handed[Callers], find_payment_events: Handed[FindPaymentEvents]
) -> Stream:
    callers.service(request, READ)
    wanted = _events_wanted(request)

    def pages(page: Page) -> tuple[list[PaymentEvent], str | None]:
        found = find_payment_events(wanted, page)
        return [PaymentEvent.of(kept) for kept in found.items], found.next_cursor

    return export("payment-events", PaymentEvent, pages, form_of(request.query_params.get("format")))


ROUTES = (list_payments, export_payments, list_payment_events, export_payment_events)


def _payments_wanted(request: AnyRequest) -> PaymentFilter:
    return PaymentFilter(
        user_id=_given(request, "user_id", user_id_of),
        status=_given(request, "status", PaymentStatus),
        method=_given(request, "method", Method),
        plan_code=_given(request, "plan_code", lambda text: PlanCode(_short(text))),
        charge_id=_given(request, "charge_id", lambda text: ChargeId(_short(text))),
        since=_given(request, "since", moment),
        until=_given(request, "until", moment),
    )


def _events_wanted(request: AnyRequest) -> TrailFilter:
    return TrailFilter(
        user_id=_given(request, "user_id", user_id_of),
        invoice_id=_given(request, "invoice_id", lambda text: InvoiceId(_short(text))),
        charge_id=_given(request, "charge_id", lambda text: ChargeId(_short(text))),
    )


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
