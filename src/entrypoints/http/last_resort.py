"""Where an error ends that nobody has told the caller of: as a fault of ours, which is a 503, never a 500."""

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from entrypoints.http.problems import Told


class LastResort:
    """Wraps the application. An answer that has begun breaks off, so that nobody takes a part for the whole."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # type: ignore[comparison-overlap]
            await self.app(scope, receive, send)
            return
        begun = False

        async def send_and_note(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        except Exception as error:
            if begun:
                raise
            told = Told.of(error)
            await send({"type": "http.response.start", "status": told.status, "headers": told.raw_headers()})
            await send({"type": "http.response.body", "body": told.body, "more_body": False})
