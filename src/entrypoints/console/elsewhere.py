"""Addresses below /console at which there is nothing."""

from litestar import Response, get

from domain.errors import NotFound
from entrypoints.console.desk import Console
from entrypoints.console.forms import AnyRequest
from entrypoints.console.pages import Page
from entrypoints.console.visitors import Visitor
from entrypoints.http.handed import Handed


@get("/{rest:path}")
async def nothing(request: AnyRequest, console: Handed[Console]) -> Response[bytes]:
    def read(_visitor: Visitor) -> Page:
        raise NotFound("No page of the console has this address. The search above finds users, payments and invoices.")

    return await console.show(request, read)


ROUTES = (nothing,)
