"""Payment intents and their charges: money on its way, and money that moved."""

from entrypoints.sandbox.people import Json
from entrypoints.sandbox.stripe import balance
from entrypoints.sandbox.stripe.account import Stripe, now
from entrypoints.sandbox.stripe.books import Books
from entrypoints.sandbox.stripe.ids import letters, new_id
from entrypoints.sandbox.stripe.listing import listed
from entrypoints.sandbox.stripe.parameters import Parameters

DECLINES = {
    "card_declined": ("generic_decline", "Your card was declined."),
    "insufficient_funds": ("insufficient_funds", "Your card has insufficient funds."),
    "expired_card": ("expired_card", "Your card has expired."),
    "incorrect_cvc": ("incorrect_cvc", "Your card's security code is incorrect."),
    "processing_error": (
        "processing_error",
        "An error occurred while processing your card. Try again in a little bit.",
    ),
}
FEE_RATE = 0.015
FIXED_FEE = 20


def new_intent(
    stripe: Stripe,
    books: Books,
    *,
    amount: int,
    currency: str,
    customer: str | None,
    description: str | None,
    metadata: dict[str, str],
    receipt_email: str | None = None,
) -> Json:
    identifier = new_id("pi_3", 23)
    intent = books.put(
        {
            "id": identifier,
            "object": "payment_intent",
            "amount": amount,
            "amount_capturable": 0,
            "amount_details": {"tip": {}},
            "amount_received": 0,
            "application": None,
            "application_fee_amount": None,
            "automatic_payment_methods": None,
            "canceled_at": None,
            "cancellation_reason": None,
            "capture_method": "automatic_async",
            "client_secret": f"{identifier}_secret_{letters(25)}",
            "confirmation_method": "automatic",
            "created": now(),
            "currency": currency,
            "customer": customer,
            "description": description,
            "last_payment_error": None,
            "latest_charge": None,
            "livemode": books.livemode,
            "metadata": metadata,
            "next_action": None,
            "on_behalf_of": None,
            "payment_method": None,
            "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
            "payment_method_types": ["card"],
            "processing": None,
            "receipt_email": receipt_email,
            "review": None,
            "setup_future_usage": None,
            "shipping": None,
            "statement_descriptor": None,
            "statement_descriptor_suffix": None,
            "status": "requires_payment_method",
            "transfer_data": None,
            "transfer_group": None,
        }
    )
    stripe.happened(books, "payment_intent.created", intent)
    return intent


def new_charge(books: Books, intent: Json, *, status: str, email: str | None, name: str | None, last4: str) -> Json:
    """`status` is succeeded, pending or failed."""
    method = new_id("pm_1", 23)
    charge = books.put(
        {
            "id": new_id("ch_3", 23),
            "object": "charge",
            "amount": intent["amount"],
            "amount_captured": intent["amount"] if status == "succeeded" else 0,
            "amount_refunded": 0,
            "application": None,
            "application_fee": None,
            "application_fee_amount": None,
            "balance_transaction": None,
            "billing_details": {"address": None, "email": email, "name": name, "phone": None, "tax_id": None},
            "calculated_statement_descriptor": "SANDBOX",
            "captured": status == "succeeded",
            "created": now(),
            "currency": intent["currency"],
            "customer": intent["customer"],
            "description": intent["description"],
            "disputed": False,
            "failure_balance_transaction": None,
            "failure_code": None,
            "failure_message": None,
            "fraud_details": {},
            "livemode": books.livemode,
            "metadata": dict(intent["metadata"]),
            "on_behalf_of": None,
            "outcome": None,
            "paid": status != "failed",
            "payment_intent": intent["id"],
            "payment_method": method,
            "payment_method_details": {"type": "card", "card": {"brand": "visa", "country": "GB", "last4": last4}},
            "receipt_email": None,
            "receipt_number": None,
            "receipt_url": None,
            "refunded": False,
            "review": None,
            "shipping": None,
            "source": None,
            "source_transfer": None,
            "statement_descriptor": None,
            "statement_descriptor_suffix": None,
            "status": status,
            "transfer_data": None,
            "transfer_group": None,
        }
    )
    intent["latest_charge"] = charge["id"]
    intent["payment_method"] = method
    return charge


def succeed(stripe: Stripe, books: Books, intent: Json, charge: Json) -> None:
    """The money has moved."""
    fee = int(charge["amount"] * FEE_RATE) + FIXED_FEE
    moved = balance.moved(
        books, "charge", charge["amount"], charge["currency"], source=charge["id"], fee=min(fee, charge["amount"])
    )
    charge |= {
        "status": "succeeded",
        "paid": True,
        "captured": True,
        "amount_captured": charge["amount"],
        "balance_transaction": moved["id"],
        "outcome": {
            "network_status": "approved_by_network",
            "reason": None,
            "risk_level": "normal",
            "seller_message": "Payment complete.",
            "type": "authorized",
        },
    }
    intent |= {"status": "succeeded", "amount_received": charge["amount"], "last_payment_error": None}
    stripe.happened(books, "charge.succeeded", charge)
    stripe.happened(books, "payment_intent.succeeded", intent)


def fail(stripe: Stripe, books: Books, intent: Json, charge: Json, code: str) -> None:
    decline_code, message = DECLINES[code]
    said = "card_declined" if code == "insufficient_funds" else code
    charge |= {
        "status": "failed",
        "paid": False,
        "failure_code": said,
        "failure_message": message,
        "outcome": {
            "network_status": "declined_by_network",
            "reason": decline_code,
            "risk_level": "normal",
            "seller_message": "The bank did not return any further details with this decline.",
            "type": "issuer_declined",
        },
    }
    intent |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "last_payment_error": {
            "charge": charge["id"],
            "code": said,
            "decline_code": decline_code,
            "message": message,
            "type": "card_error",
        },
    }
    stripe.happened(books, "charge.failed", charge)
    stripe.happened(books, "payment_intent.payment_failed", intent)


def retrieve_intent(_: Stripe, books: Books, parameters: Parameters, identifier: str) -> Json:
    parameters.only(("client_secret",))
    return books.named("payment_intent", identifier)


def list_intents(_: Stripe, books: Books, parameters: Parameters, __: str) -> Json:
    return listed(books.all("payment_intent"), parameters, "/v1/payment_intents", filters=("customer",))


def retrieve_charge(_: Stripe, books: Books, parameters: Parameters, identifier: str) -> Json:
    parameters.only(())
    return books.named("charge", identifier)


def list_charges(_: Stripe, books: Books, parameters: Parameters, __: str) -> Json:
    return listed(
        books.all("charge"), parameters, "/v1/charges", filters=("customer", "payment_intent", "transfer_group")
    )
