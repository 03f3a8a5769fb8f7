"""Prices: a table that the control API fills, and may change under a service's feet."""

import time

from entrypoints.sandbox.people import Json
from entrypoints.sandbox.stripe.books import Books
from entrypoints.sandbox.stripe.listing import listed
from entrypoints.sandbox.stripe.parameters import Parameters


def set_price(books: Books, identifier: str, *, unit_amount: int, currency: str, name: str) -> Json:
    return books.put(
        {
            "id": identifier,
            "object": "price",
            "active": True,
            "billing_scheme": "per_unit",
            "created": int(time.time()),
            "currency": currency.lower(),
            "livemode": books.livemode,
            "lookup_key": None,
            "metadata": {},
            "nickname": name,
            "product": "prod_" + identifier.removeprefix("price_"),
            "recurring": None,
            "type": "one_time",
            "unit_amount": unit_amount,
            "unit_amount_decimal": str(unit_amount),
        }
    )


def retrieve(books: Books, parameters: Parameters, identifier: str) -> Json:
    parameters.only(())
    return books.named("price", identifier)


def list_all(books: Books, parameters: Parameters, _: str) -> Json:
    return listed(books.all("price"), parameters, "/v1/prices", filters=("currency", "type"))
