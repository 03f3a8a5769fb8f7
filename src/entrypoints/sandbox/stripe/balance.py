"""Balance transactions: what moved on the account."""

import time

from entrypoints.sandbox.people import Json
from entrypoints.sandbox.stripe.books import Books
from entrypoints.sandbox.stripe.ids import new_id
from entrypoints.sandbox.stripe.listing import listed
from entrypoints.sandbox.stripe.parameters import Parameters

DAY_S = 86_400


def moved(
    books: Books, kind: str, amount: int, currency: str, *, source: str, fee: int = 0, description: str | None = None
) -> Json:
    """`kind` is charge, refund or adjustment; `amount` is negative where it left the account."""
    return books.put(
        {
            "id": new_id("txn_3", 23),
            "object": "balance_transaction",
            "amount": amount,
            "available_on": int(time.time()) + 2 * DAY_S,
            "created": int(time.time()),
            "currency": currency,
            "description": description,
            "exchange_rate": None,
            "fee": fee,
            "fee_details": [],
            "net": amount - fee,
            "reporting_category": "dispute" if kind == "adjustment" else kind,
            "source": source,
            "status": "pending",
            "type": kind,
        }
    )


def retrieve(books: Books, parameters: Parameters, identifier: str) -> Json:
    parameters.only(())
    return books.named("balance_transaction", identifier)


def list_all(books: Books, parameters: Parameters, _: str) -> Json:
    found = books.all("balance_transaction")
    return listed(found, parameters, "/v1/balance_transactions", filters=("type", "source", "currency"))
