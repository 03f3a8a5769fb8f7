"""Counts every answer by its route, never by its address: that may hold a user's id, or what a stranger makes up."""

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from adapters.telemetry.metrics import Metrics

NO_ROUTE = "none"
PROVIDERS = (
    "/api/v1/telegram/webhook",
    "/api/v1/telegram/{bot}/webhook",
    "/api/v1/billing/stripe/webhook",
)
OF_PROVIDERS = (200, 400, 401, 403, 503)


class Counted:
    """Wraps the whole application. What providers call begins at zero, so that its first refusal shows as growth."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.response_of = metrics.response_of
        for route in PROVIDERS:
            for status in OF_PROVIDERS:
                self.response_of(route, str(status))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # type: ignore[comparison-overlap]
            await self.app(scope, receive, send)
            return

        async def send_and_count(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.response_of(route_of(scope), str(message["status"])).inc()
            await send(message)

        await self.app(scope, receive, send_and_count)


def route_of(scope: Scope) -> str:
    """As the application knows it once it has found it: `/internal/v1/users/{user_id}/entitlements`."""
    return str(scope.get("path_template") or NO_ROUTE)
