"""Paying by Stripe: the way to its page and back. The pages that people come back to grant nothing."""

from typing import Any
from urllib.parse import urlsplit

from litestar import Request, Response, get, post

from application.checkout import OpenCheckout, OpenPortal
from application.invoicing import Order
from domain.catalog import Method
from domain.errors import InvalidRequest, MethodUnavailable
from entrypoints.http.bodies import JsonText, decode, idempotency_key
from entrypoints.http.callers import Callers
from entrypoints.http.handed import Handed
from entrypoints.http.order_desk import OrderDesk
from entrypoints.http.purchases import bot_of
from entrypoints.http.shapes import CheckoutPage, CheckoutRequest, PortalPage, PortalRequest
from entrypoints.settings import Settings

AnyRequest = Request[Any, Any, Any]
DONE, CANCELLED, RETURNED = "/billing/done", "/billing/cancelled", "/billing/returned"


@post("/api/v1/billing/checkout", status_code=201)
async def open_checkout(
    request: AnyRequest,
    *,
    json_text: Handed[JsonText],
    callers: Handed[Callers],
    open_checkout: Handed[OpenCheckout],
    settings: Handed[Settings],
    order_desk: Handed[OrderDesk],
) -> CheckoutPage:
    def order() -> CheckoutPage:
        user_id = callers.user(request)
        wanted = decode(json_text, CheckoutRequest)
        bot = bot_of(wanted.bot, settings.bot_tokens)
        wish = Order(user_id=user_id, plan_code=wanted.plan_code, method=Method.STRIPE, bot=bot)
        invoice, page = open_checkout(wish, idempotency_key(request))
        return CheckoutPage.of(invoice, page)

    return await order_desk.serve(order)


@post("/api/v1/billing/portal", status_code=200)
async def open_portal(
    request: AnyRequest,
    *,
    json_text: Handed[JsonText],
    callers: Handed[Callers],
    open_portal: Handed[OpenPortal],
    settings: Handed[Settings],
    order_desk: Handed[OrderDesk],
) -> PortalPage:
    def order() -> PortalPage:
        user_id = callers.user(request)
        return_url = decode(json_text, PortalRequest).return_url or f"{settings.public_url}{RETURNED}"
        if not _ours(return_url, settings.public_url):
            raise InvalidRequest("return_url must be an address below PUBLIC_URL.")
        if not settings.stripe_secret_key:
            raise MethodUnavailable("Stripe is not set up here.")
        return PortalPage(portal_url=open_portal(user_id, return_url))

    return await order_desk.serve(order)


@get(DONE, sync_to_thread=False)
def done() -> Response[str]:
    return _page(
        "✓",
        "Thank you.",
        "What you bought opens as soon as the payment has gone through, and the chat tells you so.",
        "You can close this page and go back to Telegram.",
    )


@get(CANCELLED, sync_to_thread=False)
def cancelled() -> Response[str]:
    return _page(
        "←",
        "Nothing was charged.",
        "You left before paying. The link in the chat works until your offer runs out; /buy shows all plans again.",
        "You can close this page and go back to Telegram.",
    )


@get(RETURNED, sync_to_thread=False)
def returned() -> Response[str]:
    """From the customer's page at Stripe, where nothing is bought."""
    return _page("←", "Welcome back.", "You can close this page and go back to Telegram.")


def _ours(address: str, public_url: str) -> bool:
    """Whether it leads to the operator's own pages and nowhere else."""
    if not address.isascii() or not address.isprintable() or "\\" in address or " " in address:
        return False
    try:
        given, own = urlsplit(address), urlsplit(public_url)
        same = (given.scheme, given.hostname, given.port) == (own.scheme, own.hostname, own.port)
    except ValueError:
        return False
    return same and given.username is None and given.password is None


def _page(mark: str, title: str, *words: str) -> Response[str]:
    paragraphs = "".join(f"<p>{one}</p>" for one in words)
    html = f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><title>{title}</title>
<link rel="stylesheet" href="/schema/reference.css"></head>
<body class="note"><main><span class="mark" aria-hidden="true">{mark}</span><h1>{title}</h1>{paragraphs}</main></body>
</html>
"""
    policy = {
        "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'",
        "Cache-Control": "no-store",
    }
    return Response(html, media_type="text/html", headers=policy)
