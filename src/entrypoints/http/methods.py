"""Which methods an address takes, told where it is asked (OPTIONS) and where another was tried (405)."""

from litestar import Litestar
from litestar.routes import HTTPRoute
from litestar.types import Receive, Scope, Send


class Options:
    """Answers OPTIONS: the framework would name the methods of that handler only which it got to know first."""

    def __init__(self, app: Litestar) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("method") == "OPTIONS" and (methods := methods_at(self.app, scope["path"])):
            allow = ", ".join(sorted(methods)).encode()
            await send({"type": "http.response.start", "status": 204, "headers": [(b"allow", allow)]})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        await self.app(scope, receive, send)


def methods_at(app: Litestar, path: str) -> set[str]:
    """Empty where there is nothing at that path."""
    asked = path.rstrip("/").split("/")
    methods: set[str] = set()
    for route in app.routes:
        parts = route.path_format.rstrip("/").split("/")
        same = len(parts) == len(asked) and all(p == a or p[:1] == "{" for p, a in zip(parts, asked, strict=True))
        if same and isinstance(route, HTTPRoute):
            methods |= set(route.methods)
    return methods
