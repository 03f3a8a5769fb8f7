"""What has happened at Stripe: the truth about money, events with their deliveries, calls; and what the pages show."""

from litestar import get
from litestar.params import FromPath

from entrypoints.sandbox.control.request import Asked, Impossible, stripe_of, whole_number
from entrypoints.sandbox.people import Json
from entrypoints.sandbox.stripe.account import BUSINESS_NAME
from entrypoints.sandbox.stripe.books import Books
from entrypoints.sandbox.stripe.sessions import shown

LARGEST_PAGE = 100_000
PAGE = 1000


@get("/ledger")
async def ledger(request: Asked) -> Json:
    """Each payment intent with its charge, newest last."""
    stripe = stripe_of(request)
    return {
        "payments": [
            _payment(books, intent) for books in (stripe.test, stripe.live) for intent in books.all("payment_intent")
        ]
    }


@get("/events")
async def events(request: Asked) -> Json:
    """`?type=&after=<number>&limit=`, oldest first; the newest `limit` of them."""
    event_type, after = request.query_params.get("type", ""), whole_number(request, "after", 0)
    limit = min(LARGEST_PAGE, whole_number(request, "limit", PAGE))
    found = [event for event in stripe_of(request).events if event.number > after and event_type in ("", event.type)]
    return {"events": [event.view() for event in found[-limit:]]}


@get("/calls")
async def calls(request: Asked) -> Json:
    """`?method=&after=<number>&limit=`, oldest first; the newest `limit` of them."""
    method, after = request.query_params.get("method", ""), whole_number(request, "after", 0)
    limit = min(LARGEST_PAGE, whole_number(request, "limit", PAGE))
    found = [
        call.view()
        for call in stripe_of(request).calls
        if (call.status is not None or call.fault) and call.number > after and method in ("", call.method)
    ]
    return {"calls": found[-limit:]}


@get("/checkout/{session_id:str}")
async def checkout(request: Asked, session_id: FromPath[str]) -> Json:
    """What the card page shows."""
    stripe = stripe_of(request)
    found = stripe.books_with("checkout.session", session_id)
    if found is None:
        raise Impossible(404, "There is no such session.")
    books, session = found
    return {
        "business": BUSINESS_NAME,
        "session": shown(session),
        "intent_status": (books.find("payment_intent", session["payment_intent"] or "") or {}).get("status"),
        "lines": [
            {name: line[name] for name in ("description", "quantity", "amount_total", "currency")}
            for line in books.children("item", session_id)
        ],
    }


@get("/portal/{portal_id:str}")
async def portal(request: Asked, portal_id: FromPath[str]) -> Json:
    """What the portal page shows."""
    stripe = stripe_of(request)
    found = stripe.books_with("billing_portal.session", portal_id)
    if found is None:
        raise Impossible(404, "There is no such page.")
    books, page = found
    customer = books.find("customer", page["customer"]) or {}
    return {
        "business": BUSINESS_NAME,
        "customer": {name: customer.get(name) for name in ("id", "name", "email")},
        "return_url": page["return_url"],
        "livemode": page["livemode"],
        "payments": [
            _payment(books, intent) for intent in reversed(books.children("payment_intent", page["customer"]))
        ],
    }


def _payment(books: Books, intent: Json) -> Json:
    charge = books.find("charge", intent["latest_charge"] or "") or {}
    disputes = books.children("dispute", charge.get("id", ""))
    refunds = books.children("refund", charge.get("id", ""))
    sessions = books.children("checkout.session", intent["id"])
    session = sessions[-1] if sessions else {}
    lines = books.children("item", session.get("id", ""))
    return {
        "payment_intent": intent["id"],
        "charge": charge.get("id"),
        "session_id": session.get("id"),
        "customer": intent["customer"],
        "amount": intent["amount"],
        "currency": intent["currency"],
        "status": intent["status"],
        "paid": intent["status"] == "succeeded",
        "amount_refunded": charge.get("amount_refunded", 0),
        "refunded": charge.get("refunded", False),
        "refunds": [refund["id"] for refund in refunds],
        "pending_refund": next((refund["id"] for refund in refunds if refund["status"] == "pending"), None),
        "refundable": all(dispute["is_charge_refundable"] for dispute in disputes),
        "dispute": disputes[-1]["status"] if disputes else None,
        "dispute_id": disputes[-1]["id"] if disputes else None,
        "funds_withdrawn": bool(disputes) and _withdrawn(disputes[-1]),
        "client_reference_id": session.get("client_reference_id"),
        "metadata": intent["metadata"],
        "livemode": intent["livemode"],
        "created": intent["created"],
        "description": ", ".join(line["description"] or "" for line in lines),
    }


def _withdrawn(dispute: Json) -> bool:
    return bool(sum(moved["amount"] for moved in dispute["balance_transactions"]) < 0)


handlers = [ledger, events, calls, checkout, portal]
