"""A span for every request, where traces are on. It is called by its route: an address may hold what is nobody's."""

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from adapters.telemetry.otlp import OtlpTracing
from adapters.telemetry.tracing import Tracing
from entrypoints.http.counted import route_of


def traced(app: ASGIApp, tracing: Tracing) -> ASGIApp:
    return Traced(app, tracing) if isinstance(tracing, OtlpTracing) else app


class Traced:
    """Wraps the whole application."""

    def __init__(self, app: ASGIApp, tracing: OtlpTracing) -> None:
        self.app = app
        self.tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # type: ignore[comparison-overlap]
            await self.app(scope, receive, send)
            return
        with self.tracing.request() as span:

            async def send_and_note(message: Message) -> None:
                if message["type"] == "http.response.start":
                    self.tracing.answered(span, str(scope.get("method")), route_of(scope), message["status"])
                await send(message)

            await self.app(scope, receive, send_and_note)
