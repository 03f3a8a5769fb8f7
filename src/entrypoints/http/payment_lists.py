"""What other services call to see payments and the audit trail: page by page, or all of it as a file."""

from typing import Any

from litestar import Request, get
from litestar.response import Stream

from application.payments import FindPaymentEvents, FindPayments
from application.ports.pages import Page
from application.ports.payments import PaymentFilter
from application.ports.trail import TrailFilter
from domain.catalog import Method
from domain.ids import ChargeId, InvoiceId, PlanCode, UserId
from domain.payment import PaymentStatus
from entrypoints.http.bodies import bounded, choice, id_asked, moment_asked
from entrypoints.http.callers import Callers
from entrypoints.http.checks import user_id_of
from entrypoints.http.exports import export, form_of
from entrypoints.http.handed import Handed
from entrypoints.http.payment_shapes import PaymentEvent, PaymentEventList, ServicePayment, ServicePaymentList

AnyRequest = Request[Any, Any, Any]
READ = "payments:read"
PAGE, MAX_PAGE = 50, 200


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
    asked = request.query_params.get
    plan_code, charge_id = id_asked(asked("plan_code"), "plan_code"), id_asked(asked("charge_id"), "charge_id")
    return PaymentFilter(
        user_id=_user(request),
        status=choice(asked("status"), PaymentStatus, "status"),
        method=choice(asked("method"), Method, "method"),
        plan_code=None if plan_code is None else PlanCode(plan_code),
        charge_id=None if charge_id is None else ChargeId(charge_id),
        since=moment_asked(asked("since"), "since"),
        until=moment_asked(asked("until"), "until"),
    )


def _events_wanted(request: AnyRequest) -> TrailFilter:
    asked = request.query_params.get
    invoice_id, charge_id = id_asked(asked("invoice_id"), "invoice_id"), id_asked(asked("charge_id"), "charge_id")
    return TrailFilter(
        user_id=_user(request),
        invoice_id=None if invoice_id is None else InvoiceId(invoice_id),
        charge_id=None if charge_id is None else ChargeId(charge_id),
    )


def _user(request: AnyRequest) -> UserId | None:
    text = request.query_params.get("user_id")
    return None if text is None else user_id_of(text)


def _page(request: AnyRequest) -> Page:
    return Page(
        limit=bounded(request.query_params.get("limit"), PAGE, 1, MAX_PAGE, "limit"),
        cursor=request.query_params.get("cursor"),
    )
