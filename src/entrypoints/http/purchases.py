"""What users call: the catalog, an invoice into their chat or as a link, and what they hold and have paid."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from litestar import Request, get, post

from application.access import ListEntitlements, ListPayments
from application.invoicing import LinkInvoice, Order, SendInvoice
from application.ports.pages import Page
from application.shop import Shop
from domain.catalog import Method
from domain.errors import InvalidRequest
from domain.ids import BotName, UserId
from entrypoints.http.bodies import JsonText, bounded, decode
from entrypoints.http.callers import Callers
from entrypoints.http.handed import Handed
from entrypoints.http.order_desk import OrderDesk
from entrypoints.http.shapes import (
    CatalogShape,
    EntitlementList,
    EntitlementShape,
    InvoiceLink,
    PaymentList,
    PaymentShape,
    Purchase,
    SentInvoice,
)

AnyRequest = Request[Any, Any, Any]
MAX_PAGE = 200
PAGE = 50
MAIN = BotName("main")


@get("/api/v1/catalog", sync_to_thread=False)
def show_catalog(shop: Handed[Shop]) -> CatalogShape:
    return CatalogShape.of(shop.catalog, shop.tills)


@post("/api/v1/telegram/payment/send-invoice", status_code=200)
async def send_invoice(
    request: AnyRequest,
    json_text: Handed[JsonText],
    callers: Handed[Callers],
    send_invoice: Handed[SendInvoice],
    order_desk: Handed[OrderDesk],
) -> SentInvoice:
    def order() -> SentInvoice:
        invoice, message_id = send_invoice(_order(callers, callers.user(request), json_text))
        return SentInvoice.of(invoice, message_id)

    return await order_desk.serve(order)


@post("/api/v1/telegram/payment/invoice-link", status_code=200)
async def link_invoice(
    request: AnyRequest,
    json_text: Handed[JsonText],
    callers: Handed[Callers],
    link_invoice: Handed[LinkInvoice],
    order_desk: Handed[OrderDesk],
) -> InvoiceLink:
    def order() -> InvoiceLink:
        invoice, url = link_invoice(_order(callers, callers.user(request), json_text))
        return InvoiceLink.of(invoice, url)

    return await order_desk.serve(order)


@get("/api/v1/me/entitlements", sync_to_thread=True)
def my_entitlements(
    request: AnyRequest, callers: Handed[Callers], list_entitlements: Handed[ListEntitlements]
) -> EntitlementList:
    return entitlements_of(callers.user(request), list_entitlements)


@get("/api/v1/me/payments", sync_to_thread=True)
def my_payments(request: AnyRequest, callers: Handed[Callers], list_payments: Handed[ListPayments]) -> PaymentList:
    page = Page(
        limit=bounded(request.query_params.get("limit"), PAGE, 1, MAX_PAGE, "limit"),
        cursor=request.query_params.get("cursor"),
    )
    payments = list_payments(callers.user(request), page)
    return PaymentList(items=[PaymentShape.of(payment) for payment in payments.items], next_cursor=payments.next_cursor)


def entitlements_of(
    user_id: UserId, list_entitlements: ListEntitlements, as_of: datetime | None = None
) -> EntitlementList:
    entitlements, at = list_entitlements(user_id, as_of)
    return EntitlementList(user_id=user_id, entitlements=[EntitlementShape.of(e, at) for e in entitlements])


def bot_of(name: str | None, bots: Collection[BotName]) -> BotName:
    """By which bot it is bought: the one that is named, or the only one, or main. Raises InvalidRequest."""
    if name is None and len(bots) > 1 and MAIN not in bots:
        raise InvalidRequest("There are several bots, and none is main: bot must name one.")
    bot = BotName(name) if name is not None else next(iter(bots)) if len(bots) == 1 else MAIN
    if bot not in bots:
        raise InvalidRequest(f"There is no bot {bot!r}.")
    return bot


def _order(callers: Callers, user_id: UserId, json_text: JsonText) -> Order:
    purchase = decode(json_text, Purchase)
    return Order(
        user_id=user_id,
        plan_code=purchase.plan_code,
        method=Method(purchase.method) if purchase.method else None,
        bot=bot_of(purchase.bot, callers.bot_tokens),
    )
