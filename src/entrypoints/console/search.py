"""The search: straight to what bears exactly that id, else to what it may have meant."""

from litestar import Response, get

from application.search import Found
from domain.invoice import InvoiceState
from entrypoints.console.books import Books
from entrypoints.console.desk import Console, go
from entrypoints.console.forms import AnyRequest
from entrypoints.console.pages import Page
from entrypoints.console.visitors import Visitor
from entrypoints.http.handed import Handed


@get("/search")
async def find(request: AnyRequest, console: Handed[Console], books: Handed[Books]) -> Response[bytes]:
    def read(_visitor: Visitor) -> Page | Response[bytes]:
        text = request.query_params.get("q", "").strip()
        found = books.search(text)
        if only := _only(found):
            return go(only)
        now = console.clock.now()
        return Page(
            "search.html",
            {
                "searched": text,
                "found": found,
                "states": {invoice.id: invoice.state(now) for invoice in found.invoices},
                "people": {**books.names(list(found.payments)), **{int(p.user_id): p for p in found.people}},
                "title": books.title,
                "paid": InvoiceState.PAID,
            },
        )

    return await console.show(request, read)


ROUTES = (find,)


def _only(found: Found) -> str | None:
    """The page of the one thing that it can be."""
    if found.exact != 1 or found.people:
        return None
    if found.payments:
        return f"/console/payments/{found.payments[0].id}"
    return f"/console/users/{found.users[0] if found.users else found.invoices[0].payer}"
