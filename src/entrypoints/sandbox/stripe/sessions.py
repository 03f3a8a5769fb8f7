"""Checkout sessions, as the API makes and shows them. What a buyer does with one is in `till`."""

import asyncio

from entrypoints.sandbox.people import Json
from entrypoints.sandbox.stripe import customers
from entrypoints.sandbox.stripe.account import Stripe, now
from entrypoints.sandbox.stripe.books import Books
from entrypoints.sandbox.stripe.ids import session_id
from entrypoints.sandbox.stripe.line_items import lines_of, total_of
from entrypoints.sandbox.stripe.listing import listed
from entrypoints.sandbox.stripe.parameters import Parameters
from entrypoints.sandbox.stripe.refusal import Refused, missing_parameter

SHORTEST_S = 30 * 60
LONGEST_S = 24 * 3600
LONGEST_REFERENCE = 200
INTENT_DATA = "_payment_intent_data"
MODELLED = (
    "mode", "line_items", "success_url", "cancel_url", "client_reference_id", "metadata", "payment_intent_data",
    "customer", "customer_email", "customer_creation", "expires_at", "currency", "locale", "submit_type", "ui_mode",
    "payment_method_types",
)  # fmt: skip
TAKEN = (
    "adaptive_pricing", "after_expiration", "allow_promotion_codes", "automatic_tax", "billing_address_collection",
    "branding_settings", "consent_collection", "custom_fields", "custom_text", "customer_update",
    "excluded_payment_method_types", "integration_identifier", "invoice_creation", "managed_payments",
    "name_collection", "origin_context", "payment_method_collection", "payment_method_configuration",
    "payment_method_options", "phone_number_collection", "saved_payment_method_options", "shipping_address_collection",
    "tax_id_collection", "wallet_options",
)  # fmt: skip
"""Known to Stripe, taken, and without effect here."""


def create(stripe: Stripe, books: Books, parameters: Parameters, _: str) -> Json:
    parameters.only((*MODELLED, *TAKEN))
    mode = parameters.one_of("mode", "payment", "setup", "subscription")
    if mode is None:
        raise missing_parameter("mode")
    if mode != "payment":
        raise Refused(f"The sandbox has no `{mode}` mode", param="mode")
    if (parameters.one_of("ui_mode", "hosted_page", "hosted") or "hosted_page") == "hosted":
        raise Refused("Invalid ui_mode: must be one of hosted_page, embedded_page, or elements", param="ui_mode")
    success_url = parameters.url("success_url")
    if success_url is None:
        raise missing_parameter("success_url")
    lines = lines_of(books, parameters)
    currency = lines[0]["currency"]
    total = total_of(lines)
    customer_id = parameters.text("customer")
    email = parameters.text("customer_email", longest=800)
    if customer_id is not None and email is not None:
        raise Refused("You may only specify one of these parameters: customer, customer_email.", param="customer")
    customer = customers.usable(books, customer_id, param="customer") if customer_id is not None else None
    created = now()
    session = books.put(
        {
            "id": (identifier := session_id(livemode=books.livemode)),
            "object": "checkout.session",
            "adaptive_pricing": None,
            "after_expiration": None,
            "allow_promotion_codes": None,
            "amount_subtotal": total,
            "amount_total": total,
            "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
            "billing_address_collection": None,
            "cancel_url": parameters.url("cancel_url"),
            "client_reference_id": parameters.text("client_reference_id", longest=LONGEST_REFERENCE),
            "client_secret": None,
            "collected_information": None,
            "consent": None,
            "consent_collection": None,
            "created": created,
            "currency": currency,
            "currency_conversion": None,
            "custom_fields": [],
            "custom_text": {},
            "customer": customer_id,
            "customer_creation": None
            if customer_id is not None
            else parameters.one_of("customer_creation", "always", "if_required") or "if_required",
            "customer_details": None if customer is None and email is None else _details(customer, email),
            "customer_email": email,
            "discounts": [],
            "expires_at": _expiry(parameters, created),
            "invoice": None,
            "invoice_creation": {"enabled": False, "invoice_data": {}},
            "livemode": books.livemode,
            "locale": parameters.text("locale"),
            "metadata": parameters.metadata(),
            "mode": mode,
            "payment_intent": None,
            "payment_link": None,
            "payment_method_collection": "if_required",
            "payment_method_configuration_details": None,
            "payment_method_options": {},
            "payment_method_types": parameters.texts("payment_method_types") or ["card"],
            "payment_status": "unpaid",
            "permissions": None,
            "phone_number_collection": {"enabled": False},
            "presentment_details": None,
            "recovered_from": None,
            "saved_payment_method_options": None,
            "setup_intent": None,
            "shipping_address_collection": None,
            "shipping_cost": None,
            "shipping_options": [],
            "status": "open",
            "submit_type": parameters.one_of("submit_type", "auto", "pay", "book", "donate", "subscribe"),
            "subscription": None,
            "success_url": success_url,
            "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
            "ui_mode": "hosted_page",
            "url": f"{stripe.options.public_url}/stripe/checkout/{identifier}",
            "wallet_options": None,
        }
    )
    session[INTENT_DATA] = _intent_data(parameters)
    for line in lines:
        books.by_kind["item"][line["id"]] = line
        books.belongs(line, identifier)
    timer = asyncio.get_running_loop().call_later(
        session["expires_at"] - created, lambda: expire_now(stripe, books, session)
    )
    stripe.timers[identifier] = timer
    return shown(session)


def shown(session: Json) -> Json:
    """Without what only Stripe knows of it."""
    return {name: value for name, value in session.items() if not name.startswith("_")}


def expire_now(stripe: Stripe, books: Books, session: Json) -> None:
    """Whoever is on the card page now finds it closed."""
    if session["status"] != "open":
        return
    session |= {"status": "expired", "url": None}
    if (timer := stripe.timers.pop(session["id"], None)) is not None:
        timer.cancel()
    intent = books.find("payment_intent", session["payment_intent"] or "")
    if intent is not None:
        intent |= {"status": "canceled", "canceled_at": now(), "cancellation_reason": "automatic"}
        stripe.happened(books, "payment_intent.canceled", intent)
    stripe.happened(books, "checkout.session.expired", shown(session))


def expire(stripe: Stripe, books: Books, parameters: Parameters, identifier: str) -> Json:
    parameters.only(())
    session = books.named("checkout.session", identifier)
    if session["status"] != "open":
        raise Refused(
            'Only Checkout Sessions with a status in ["open"] can be expired. '
            f"This Checkout Session has a status of `{session['status']}`."
        )
    expire_now(stripe, books, session)
    return shown(session)


def retrieve(_: Stripe, books: Books, parameters: Parameters, identifier: str) -> Json:
    parameters.only(())
    return shown(books.named("checkout.session", identifier))


def list_all(_: Stripe, books: Books, parameters: Parameters, __: str) -> Json:
    sessions = [shown(session) for session in books.all("checkout.session")]
    return listed(sessions, parameters, "/v1/checkout/sessions", filters=("customer", "payment_intent", "status"))


def list_lines(_: Stripe, books: Books, parameters: Parameters, identifier: str) -> Json:
    books.named("checkout.session", identifier)
    lines = [line | {"created": 0} for line in books.children("item", identifier)]
    return listed(lines, parameters, f"/v1/checkout/sessions/{identifier}/line_items")


def _expiry(parameters: Parameters, created: int) -> int:
    expires_at = parameters.integer("expires_at")
    if expires_at is None:
        return created + LONGEST_S
    if expires_at < created + SHORTEST_S:
        raise Refused(
            "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.",
            param="expires_at",
        )
    if expires_at > created + LONGEST_S:
        raise Refused(
            "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.", param="expires_at"
        )
    return expires_at


def _intent_data(parameters: Parameters) -> Json:
    data = parameters.inside("payment_intent_data")
    if data is None:
        return {"metadata": {}, "description": None, "receipt_email": None}
    data.only(
        (
            "metadata", "description", "receipt_email", "capture_method", "setup_future_usage", "statement_descriptor",
            "statement_descriptor_suffix", "shipping", "transfer_group",
        )
    )  # fmt: skip
    return {
        "metadata": data.metadata(),
        "description": data.text("description", longest=1000),
        "receipt_email": data.text("receipt_email"),
    }


def _details(customer: Json | None, email: str | None) -> Json:
    source = customer or {"email": email}
    return {
        "address": source.get("address"),
        "email": source.get("email"),
        "name": source.get("name"),
        "phone": source.get("phone"),
        "tax_exempt": "none",
        "tax_ids": None,
    }
