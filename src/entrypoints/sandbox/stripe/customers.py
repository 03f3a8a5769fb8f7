"""Customers."""

from entrypoints.sandbox.people import Json
from entrypoints.sandbox.stripe.account import Stripe, now
from entrypoints.sandbox.stripe.books import Books
from entrypoints.sandbox.stripe.ids import new_id
from entrypoints.sandbox.stripe.listing import listed
from entrypoints.sandbox.stripe.parameters import Parameters
from entrypoints.sandbox.stripe.refusal import unknown_thing

FIELDS = ("email", "name", "phone", "description", "metadata", "preferred_locales")


def make(
    stripe: Stripe,
    books: Books,
    *,
    email: str | None = None,
    name: str | None = None,
    description: str | None = None,
    phone: str | None = None,
    metadata: dict[str, str] | None = None,
) -> Json:
    customer = books.put(
        {
            "id": new_id("cus_", 14),
            "object": "customer",
            "address": None,
            "balance": 0,
            "created": now(),
            "currency": None,
            "delinquent": False,
            "description": description,
            "email": email,
            "invoice_prefix": new_id("", 8).upper(),
            "livemode": books.livemode,
            "metadata": metadata or {},
            "name": name,
            "phone": phone,
            "preferred_locales": [],
            "shipping": None,
            "tax_exempt": "none",
        }
    )
    stripe.happened(books, "customer.created", customer)
    return customer


def usable(books: Books, identifier: str, *, param: str) -> Json:
    """Also refuses one that was deleted."""
    customer = books.named("customer", identifier, param=param)
    if customer.get("deleted"):
        raise unknown_thing("customer", identifier, param, in_other_mode=False, livemode=books.livemode)
    return customer


def create(stripe: Stripe, books: Books, parameters: Parameters, _: str) -> Json:
    parameters.only(FIELDS)
    return make(
        stripe,
        books,
        email=parameters.text("email", longest=512),
        name=parameters.text("name", longest=256),
        phone=parameters.text("phone", longest=20),
        description=parameters.text("description"),
        metadata=parameters.metadata(),
    )


def update(stripe: Stripe, books: Books, parameters: Parameters, identifier: str) -> Json:
    parameters.only(FIELDS)
    customer = usable(books, identifier, param="id")
    before: Json = {
        name: customer[name] for name in ("email", "name", "phone", "description") if name in parameters.values
    }
    customer |= {name: parameters.text(name) for name in before}
    customer["metadata"] = customer["metadata"] | parameters.metadata()
    stripe.happened(books, "customer.updated", customer, previous=before)
    return customer


def retrieve(_: Stripe, books: Books, parameters: Parameters, identifier: str) -> Json:
    parameters.only(())
    return books.named("customer", identifier)


def list_all(_: Stripe, books: Books, parameters: Parameters, __: str) -> Json:
    customers = [customer for customer in books.all("customer") if not customer.get("deleted")]
    return listed(customers, parameters, "/v1/customers", filters=("email",))


def delete(stripe: Stripe, books: Books, parameters: Parameters, identifier: str) -> Json:
    parameters.only(())
    customer = usable(books, identifier, param="id")
    stripe.happened(books, "customer.deleted", customer)
    gone = {"id": identifier, "object": "customer", "deleted": True}
    books.by_kind["customer"][identifier] = gone
    return gone
