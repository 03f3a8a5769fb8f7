"""What a session sells, by a price of the table or by one of its own."""

import re
import time

from entrypoints.sandbox.people import Json
from entrypoints.sandbox.stripe.books import Books
from entrypoints.sandbox.stripe.ids import new_id
from entrypoints.sandbox.stripe.parameters import Parameters
from entrypoints.sandbox.stripe.refusal import Refused, missing_parameter

MOST_LINES = 100
LARGEST_AMOUNT = 99_999_999
SMALLEST = {"gbp": 30, "usd": 50, "eur": 50, "jpy": 50}
"""The least that can be charged, in the smallest unit."""
_CURRENCY = re.compile(r"[a-zA-Z]{3}")


def lines_of(books: Books, parameters: Parameters) -> list[Json]:
    given = parameters.each("line_items")
    if not given:
        raise missing_parameter("line_items")
    if len(given) > MOST_LINES:
        raise Refused(f"You can pass at most {MOST_LINES} line items", param="line_items")
    lines = [_line(books, one) for one in given]
    if len({line["currency"] for line in lines}) > 1:
        raise Refused("All line items must have the same currency.", param="line_items")
    return lines


def _line(books: Books, given: Parameters) -> Json:
    given.only(("price", "price_data", "quantity", "adjustable_quantity", "dynamic_tax_rates", "tax_rates", "metadata"))
    quantity = given.integer("quantity", at_least=1)
    if quantity is None:
        raise Refused("Quantity is required. Add `quantity` to `line_items[0]`", param=given.name("quantity"))
    price_id, data = given.text("price"), given.inside("price_data")
    if (price_id is None) == (data is None):
        raise Refused("You must specify either `price` or `price_data` for each line item", param=given.at)
    if data is not None:
        price, name = _inline_price(books, data)
    else:
        price = books.named("price", price_id or "", param=given.name("price"))
        name = price["nickname"]
        if not price["active"]:
            raise Refused("The price specified is inactive. This field only accepts active prices.", param=given.at)
    amount = price["unit_amount"] * quantity
    return {
        "id": new_id("li_1", 23),
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": price["currency"],
        "description": name,
        "metadata": {},
        "price": dict(price),
        "quantity": quantity,
    }


def _inline_price(books: Books, data: Parameters) -> tuple[Json, str]:
    data.only(("currency", "unit_amount", "unit_amount_decimal", "product_data", "product", "tax_behavior"))
    currency = data.required("currency")
    if _CURRENCY.fullmatch(currency) is None:
        raise Refused(f"Invalid currency: {currency}.", param=data.name("currency"))
    unit_amount = data.integer("unit_amount", at_least=0)
    if unit_amount is None:
        raise missing_parameter(data.name("unit_amount"))
    product = data.inside("product_data")
    if product is None:
        raise missing_parameter(data.name("product_data"))
    product.only(("name", "description", "images", "metadata", "tax_code", "unit_label"))
    name = product.required("name")
    price = {
        "id": new_id("price_1", 23),
        "object": "price",
        "active": False,
        "billing_scheme": "per_unit",
        "created": int(time.time()),
        "currency": currency.lower(),
        "livemode": books.livemode,
        "metadata": {},
        "nickname": None,
        "product": new_id("prod_", 14),
        "recurring": None,
        "type": "one_time",
        "unit_amount": unit_amount,
        "unit_amount_decimal": str(unit_amount),
    }
    return price, name


def total_of(lines: list[Json]) -> int:
    """Refused where it is too little or too much to be charged."""
    total, currency = sum(line["amount_total"] for line in lines), lines[0]["currency"]
    smallest = SMALLEST.get(currency, 1)
    if total < smallest:
        raise Refused(
            f"The Checkout Session's total amount due must add up to at least {smallest} {currency} "
            "in the smallest unit",
            code="amount_too_small",
        )
    if total > LARGEST_AMOUNT:
        raise Refused("Amount must be no more than 999,999.99", code="amount_too_large")
    return int(total)
