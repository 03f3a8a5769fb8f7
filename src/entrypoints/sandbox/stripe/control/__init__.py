"""The control API's part for Stripe, under /sandbox/api/stripe."""

from litestar import Router

from entrypoints.sandbox.stripe.control import acts, deliveries, records, setup

router = Router(
    "/sandbox/api/stripe",
    route_handlers=[*acts.handlers, *deliveries.handlers, *setup.handlers, *records.handlers],
    include_in_schema=False,
)
