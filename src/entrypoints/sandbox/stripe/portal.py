"""The customer portal: a page that shows a customer their payments."""

from entrypoints.sandbox.people import Json
from entrypoints.sandbox.stripe import customers
from entrypoints.sandbox.stripe.account import Stripe, now
from entrypoints.sandbox.stripe.books import Books
from entrypoints.sandbox.stripe.ids import new_id
from entrypoints.sandbox.stripe.parameters import Parameters

LIFETIME_S = 3600
"""How long the page shows anything; Stripe's link is shorter lived until it is first opened."""


def create(stripe: Stripe, books: Books, parameters: Parameters, _: str) -> Json:
    parameters.only(("customer", "return_url", "configuration", "flow_data", "locale", "on_behalf_of"))
    customer = customers.usable(books, parameters.required("customer"), param="customer")
    identifier = new_id("bps_1", 23)
    return books.put(
        {
            "id": identifier,
            "object": "billing_portal.session",
            "configuration": "bpc_1SandboxPortal",
            "created": now(),
            "customer": customer["id"],
            "flow": None,
            "livemode": books.livemode,
            "locale": parameters.text("locale"),
            "on_behalf_of": None,
            "return_url": parameters.url("return_url"),
            "url": f"{stripe.options.public_url}/stripe/portal/{identifier}",
        }
    )
