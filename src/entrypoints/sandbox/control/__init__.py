"""The sandbox's own API under /sandbox/api: what people do, what goes wrong, and what has happened."""

from litestar import Router

from entrypoints.sandbox.control import acts, connections, deliveries, people, records, weather

router = Router(
    "/sandbox/api",
    route_handlers=[
        *people.handlers,
        *acts.handlers,
        *deliveries.handlers,
        *connections.handlers,
        *weather.handlers,
        *records.handlers,
    ],
    include_in_schema=False,
)
