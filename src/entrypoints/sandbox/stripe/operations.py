"""The calls of the API that are modelled, by method and path."""

from collections.abc import Callable
from dataclasses import dataclass

from entrypoints.sandbox.people import Json
from entrypoints.sandbox.stripe import (
    balance,
    business,
    customers,
    disputes,
    endpoints,
    events,
    payments,
    portal,
    prices,
    refunds,
    sessions,
)
from entrypoints.sandbox.stripe.account import Stripe
from entrypoints.sandbox.stripe.books import Books
from entrypoints.sandbox.stripe.parameters import Parameters
from entrypoints.sandbox.stripe.refusal import Refused

Run = Callable[[Stripe, Books, Parameters, str], Json]
"""The last argument is the id in the path, empty where there is none."""


@dataclass(frozen=True, slots=True)
class Operation:
    name: str
    """As the SDK calls it."""
    address: str
    run: Run


def _of_books(run: Callable[[Books, Parameters, str], Json]) -> Run:
    """For what needs to know no more than its mode's books."""
    return lambda _, books, parameters, identifier: run(books, parameters, identifier)


OPERATIONS = (
    Operation("accounts.retrieve_current", "GET account", business.retrieve),
    Operation("accounts.retrieve", "GET accounts/{}", business.retrieve),
    Operation("balance_transactions.list", "GET balance_transactions", _of_books(balance.list_all)),
    Operation("balance_transactions.retrieve", "GET balance_transactions/{}", _of_books(balance.retrieve)),
    Operation("billing_portal.sessions.create", "POST billing_portal/sessions", portal.create),
    Operation("charges.list", "GET charges", payments.list_charges),
    Operation("charges.retrieve", "GET charges/{}", payments.retrieve_charge),
    Operation("charges.refunds.list", "GET charges/{}/refunds", refunds.list_of_charge),
    Operation("checkout.sessions.create", "POST checkout/sessions", sessions.create),
    Operation("checkout.sessions.expire", "POST checkout/sessions/{}/expire", sessions.expire),
    Operation("checkout.sessions.list", "GET checkout/sessions", sessions.list_all),
    Operation("checkout.sessions.line_items.list", "GET checkout/sessions/{}/line_items", sessions.list_lines),
    Operation("checkout.sessions.retrieve", "GET checkout/sessions/{}", sessions.retrieve),
    Operation("customers.create", "POST customers", customers.create),
    Operation("customers.delete", "DELETE customers/{}", customers.delete),
    Operation("customers.list", "GET customers", customers.list_all),
    Operation("customers.retrieve", "GET customers/{}", customers.retrieve),
    Operation("customers.update", "POST customers/{}", customers.update),
    Operation("disputes.list", "GET disputes", disputes.list_all),
    Operation("disputes.retrieve", "GET disputes/{}", disputes.retrieve),
    Operation("events.list", "GET events", _of_books(events.list_all)),
    Operation("events.retrieve", "GET events/{}", _of_books(events.retrieve)),
    Operation("payment_intents.list", "GET payment_intents", payments.list_intents),
    Operation("payment_intents.retrieve", "GET payment_intents/{}", payments.retrieve_intent),
    Operation("prices.list", "GET prices", _of_books(prices.list_all)),
    Operation("prices.retrieve", "GET prices/{}", _of_books(prices.retrieve)),
    Operation("refunds.create", "POST refunds", refunds.create),
    Operation("refunds.list", "GET refunds", refunds.list_all),
    Operation("refunds.retrieve", "GET refunds/{}", refunds.retrieve),
    Operation("webhook_endpoints.create", "POST webhook_endpoints", _of_books(endpoints.create)),
    Operation("webhook_endpoints.delete", "DELETE webhook_endpoints/{}", _of_books(endpoints.delete)),
    Operation("webhook_endpoints.list", "GET webhook_endpoints", _of_books(endpoints.list_all)),
    Operation("webhook_endpoints.retrieve", "GET webhook_endpoints/{}", _of_books(endpoints.retrieve)),
    Operation("webhook_endpoints.update", "POST webhook_endpoints/{}", _of_books(endpoints.update)),
)
_BY_ADDRESS = {tuple(operation.address.replace("/", " ").split()): operation for operation in OPERATIONS}


def find(method: str, path: str) -> tuple[Operation, str]:
    """`path` without `/v1/`; returns the operation and the id in its path."""
    steps = path.strip("/").split("/")
    exact = _BY_ADDRESS.get((method, *steps))
    if exact is not None:
        return exact, ""
    for position in range(len(steps) - 1, 0, -1):
        address = (method, *steps[:position], "{}", *steps[position + 1 :])
        if address in _BY_ADDRESS:
            return _BY_ADDRESS[address], steps[position]
    raise Refused(
        f"Unrecognized request URL ({method}: /v1/{path.strip('/')}). The sandbox has only some of Stripe's calls.",
        status=404,
    )
