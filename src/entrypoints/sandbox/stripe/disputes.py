"""Disputes: inquiries and chargebacks, step by step.

Source: https://docs.stripe.com/disputes/how-disputes-work
"""

from collections.abc import Callable

from entrypoints.sandbox.people import Json
from entrypoints.sandbox.stripe import balance
from entrypoints.sandbox.stripe.account import Stripe, now
from entrypoints.sandbox.stripe.books import Books
from entrypoints.sandbox.stripe.ids import new_id
from entrypoints.sandbox.stripe.listing import listed
from entrypoints.sandbox.stripe.parameters import Parameters
from entrypoints.sandbox.stripe.refusal import Refused

FEE = 2000
ANSWER_WITHIN_S = 7 * 86_400
ENDED = ("won", "lost", "warning_closed")


def open_dispute(
    stripe: Stripe,
    books: Books,
    charge: Json,
    *,
    amount: int | None = None,
    reason: str = "fraudulent",
    inquiry: bool = False,
) -> Json:
    """Says so, and no more: of a chargeback the funds are withdrawn by `withdraw`, of an inquiry never."""
    if charge["status"] != "succeeded":
        raise Refused("only a charge that succeeded can be disputed")
    if any(one["status"] not in ENDED for one in books.children("dispute", charge["id"])):
        raise Refused("the charge is disputed already")
    wanted = charge["amount"] - charge["amount_refunded"] if amount is None else amount
    if not 0 < wanted <= charge["amount"]:
        raise Refused("there is nothing of this charge to dispute")
    dispute = books.put(
        {
            "id": new_id("du_1", 23),
            "object": "dispute",
            "amount": wanted,
            "balance_transactions": [],
            "charge": charge["id"],
            "created": now(),
            "currency": charge["currency"],
            "enhanced_eligibility_types": [],
            "evidence": {},
            "evidence_details": {
                "due_by": now() + ANSWER_WITHIN_S,
                "enhanced_eligibility": {},
                "has_evidence": False,
                "past_due": False,
                "submission_count": 0,
            },
            "is_charge_refundable": inquiry,
            "livemode": books.livemode,
            "metadata": {},
            "network_reason_code": "10.4",
            "payment_intent": charge["payment_intent"],
            "payment_method_details": {
                "card": {"brand": "visa", "case_type": "inquiry" if inquiry else "chargeback"},
                "type": "card",
            },
            "reason": reason,
            "status": "warning_needs_response" if inquiry else "needs_response",
        }
    )
    charge["disputed"] = True
    stripe.happened(books, "charge.dispute.created", dispute)
    return dispute


def withdraw(stripe: Stripe, books: Books, dispute: Json) -> None:
    """The disputed amount leaves the account, and a fee with it."""
    if dispute["status"] in ENDED or dispute["status"].startswith("warning"):
        raise Refused(f"no funds are withdrawn from a dispute that is {dispute['status']}")
    if dispute["balance_transactions"]:
        raise Refused("the funds are withdrawn already")
    _move(books, dispute, -dispute["amount"], fee=FEE, what=f"Chargeback withdrawal for {dispute['charge']}")
    stripe.happened(books, "charge.dispute.funds_withdrawn", dispute)


def escalate(stripe: Stripe, books: Books, dispute: Json) -> None:
    """An inquiry becomes a chargeback."""
    if not dispute["status"].startswith("warning") or dispute["status"] in ENDED:
        raise Refused(f"a dispute that is {dispute['status']} is no open inquiry")
    before = {"status": dispute["status"], "is_charge_refundable": True}
    dispute |= {"status": "needs_response", "is_charge_refundable": False}
    dispute["payment_method_details"]["card"]["case_type"] = "chargeback"
    stripe.happened(books, "charge.dispute.updated", dispute, previous=before)
    withdraw(stripe, books, dispute)


def answer(stripe: Stripe, books: Books, dispute: Json) -> None:
    """Evidence is handed in, and the bank thinks about it."""
    _require_open(dispute)
    before = {"status": dispute["status"]}
    dispute["status"] = "warning_under_review" if dispute["status"].startswith("warning") else "under_review"
    stripe.happened(books, "charge.dispute.updated", dispute, previous=before)


def win(stripe: Stripe, books: Books, dispute: Json) -> None:
    _require_chargeback(dispute)
    dispute |= {"status": "won", "is_charge_refundable": True}
    if dispute["balance_transactions"]:
        _move(books, dispute, dispute["amount"], fee=-FEE, what=f"Chargeback reversal for {dispute['charge']}")
        stripe.happened(books, "charge.dispute.funds_reinstated", dispute)
    stripe.happened(books, "charge.dispute.closed", dispute)


def lose(stripe: Stripe, books: Books, dispute: Json) -> None:
    _require_chargeback(dispute)
    if not dispute["balance_transactions"]:
        withdraw(stripe, books, dispute)
    dispute["status"] = "lost"
    stripe.happened(books, "charge.dispute.closed", dispute)


def close(stripe: Stripe, books: Books, dispute: Json) -> None:
    """An inquiry that came to nothing."""
    if not dispute["status"].startswith("warning") or dispute["status"] in ENDED:
        raise Refused(f"a dispute that is {dispute['status']} is no open inquiry")
    dispute["status"] = "warning_closed"
    stripe.happened(books, "charge.dispute.closed", dispute)


STEPS: dict[str, Callable[[Stripe, Books, Json], None]] = {
    "withdraw": withdraw,
    "escalate": escalate,
    "answer": answer,
    "win": win,
    "lose": lose,
    "close": close,
}
"""What can be done with a dispute that is there."""


def _require_open(dispute: Json) -> None:
    if dispute["status"] in ENDED:
        raise Refused(f"the dispute is {dispute['status']}")


def _require_chargeback(dispute: Json) -> None:
    _require_open(dispute)
    if dispute["status"].startswith("warning"):
        raise Refused("an inquiry is escalated or closed, not won or lost")


def _move(books: Books, dispute: Json, amount: int, *, fee: int, what: str) -> None:
    moved = balance.moved(
        books, "adjustment", amount, dispute["currency"], source=dispute["id"], fee=fee, description=what
    )
    dispute["balance_transactions"] = [*dispute["balance_transactions"], moved]


def retrieve(_: Stripe, books: Books, parameters: Parameters, identifier: str) -> Json:
    parameters.only(())
    return books.named("dispute", identifier)


def list_all(_: Stripe, books: Books, parameters: Parameters, __: str) -> Json:
    return listed(books.all("dispute"), parameters, "/v1/disputes", filters=("charge", "payment_intent"))
