"""Refunds: the whole or a part, by the service or by the operator of the account."""

from entrypoints.sandbox.people import Json
from entrypoints.sandbox.stripe import balance
from entrypoints.sandbox.stripe.account import Stripe, now
from entrypoints.sandbox.stripe.books import Books
from entrypoints.sandbox.stripe.ids import new_id
from entrypoints.sandbox.stripe.listing import listed
from entrypoints.sandbox.stripe.parameters import Parameters
from entrypoints.sandbox.stripe.refusal import Refused

REASONS = ("duplicate", "fraudulent", "requested_by_customer")


def create(stripe: Stripe, books: Books, parameters: Parameters, _: str) -> Json:
    parameters.only(("charge", "payment_intent", "amount", "reason", "metadata", "refund_application_fee"))
    charge_id, intent_id = parameters.text("charge"), parameters.text("payment_intent")
    amount = parameters.integer("amount", at_least=1)
    reason, metadata = parameters.one_of("reason", *REASONS), parameters.metadata()
    if charge_id is None and intent_id is None:
        raise Refused("One of the following params should be provided for this request: payment_intent or charge.")
    if intent_id is not None:
        intent = books.named("payment_intent", intent_id, param="payment_intent")
        if intent["status"] != "succeeded":
            raise Refused(f"This PaymentIntent ({intent_id}) does not have a successful charge to refund.", begun=True)
        if charge_id not in (None, intent["latest_charge"]):
            raise Refused("The charge is not one of the payment_intent", param="charge")
        charge_id = intent["latest_charge"]
    charge = books.named("charge", charge_id or "", param="charge")
    return make(stripe, books, charge, amount=amount, reason=reason, metadata=metadata)


def make(
    stripe: Stripe,
    books: Books,
    charge: Json,
    *,
    amount: int | None = None,
    reason: str | None = None,
    metadata: dict[str, str] | None = None,
    pending: bool = False,
) -> Json:
    """What is left of the charge where no amount is named."""
    left = charge["amount"] - charge["amount_refunded"]
    if charge["status"] != "succeeded":
        raise Refused(f"Charge {charge['id']} has not succeeded, so it cannot be refunded.", begun=True)
    if left == 0:
        raise Refused(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded", begun=True)
    if any(not dispute["is_charge_refundable"] for dispute in books.children("dispute", charge["id"])):
        raise Refused(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed", begun=True
        )
    wanted = left if amount is None else amount
    if wanted > left:
        raise Refused(
            f"Refund amount ({wanted} {charge['currency']}) is greater than unrefunded amount on charge "
            f"({left} {charge['currency']})",
            param="amount",
            begun=True,
        )
    waits = pending or (stripe.faults.refunds_pending and stripe.faults.concerns_event("charge.refunded"))
    refund = books.put(
        {
            "id": new_id("re_3", 23),
            "object": "refund",
            "amount": wanted,
            "balance_transaction": None,
            "charge": charge["id"],
            "created": now(),
            "currency": charge["currency"],
            "destination_details": {
                "card": {
                    "reference_status": "pending",
                    "reference_type": "acquirer_reference_number",
                    "type": "refund",
                },
                "type": "card",
            },
            "metadata": metadata or {},
            "payment_intent": charge["payment_intent"],
            "reason": reason,
            "receipt_number": None,
            "source_transfer_reversal": None,
            "status": "pending" if waits else "succeeded",
            "transfer_reversal": None,
        }
    )
    moved = balance.moved(books, "refund", -wanted, charge["currency"], source=refund["id"])
    refund["balance_transaction"] = moved["id"]
    before = {name: charge[name] for name in ("amount_refunded", "refunded")}
    _count(books, charge)
    stripe.happened(books, "refund.created", refund)
    stripe.happened(books, "charge.refunded", charge, previous=before)
    if not waits:
        stripe.happened(books, "refund.updated", refund, previous={"destination_details": {}})
    return refund


def settle(stripe: Stripe, books: Books, refund: Json, outcome: str) -> Json:
    """`outcome` is succeeded or failed: the bank has taken the money, or sent it back to the account."""
    if refund["status"] not in ("pending", "succeeded") or refund["status"] == outcome:
        raise Refused(f"the refund is {refund['status']}")
    before = {"status": refund["status"]}
    refund["status"] = outcome
    charge = books.named("charge", refund["charge"])
    if outcome == "failed":
        returned = balance.moved(books, "refund", refund["amount"], refund["currency"], source=refund["id"])
        refund |= {"failure_reason": "expired_or_canceled_card", "failure_balance_transaction": returned["id"]}
        _count(books, charge)
        stripe.happened(books, "refund.failed", refund)
    stripe.happened(books, "charge.refund.updated", refund, previous=before)
    stripe.happened(books, "refund.updated", refund, previous=before)
    return refund


def _count(books: Books, charge: Json) -> None:
    refunds = books.children("refund", charge["id"])
    total = sum(refund["amount"] for refund in refunds if refund["status"] not in ("failed", "canceled"))
    charge |= {"amount_refunded": total, "refunded": total == charge["amount"]}


def retrieve(_: Stripe, books: Books, parameters: Parameters, identifier: str) -> Json:
    parameters.only(())
    return books.named("refund", identifier)


def list_all(_: Stripe, books: Books, parameters: Parameters, __: str) -> Json:
    return listed(books.all("refund"), parameters, "/v1/refunds", filters=("charge", "payment_intent"))


def list_of_charge(_: Stripe, books: Books, parameters: Parameters, identifier: str) -> Json:
    books.named("charge", identifier)
    return listed(books.children("refund", identifier), parameters, f"/v1/charges/{identifier}/refunds")
