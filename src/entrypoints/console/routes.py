"""Every address of the console."""

from collections.abc import Sequence
from typing import Any

from litestar import Router
from litestar.datastructures import CacheControlHeader
from litestar.static_files import create_static_files_router

from entrypoints.console import elsewhere, events, lists, payment, plans, search, sign_in, system, today, user
from entrypoints.console.pages import LOOKS, STATIC

_YEAR_S = 365 * 86400


def routes() -> Sequence[Any]:
    pages = Router(
        path="/console",
        route_handlers=[
            *sign_in.ROUTES,
            *today.ROUTES,
            *search.ROUTES,
            *user.ROUTES,
            *lists.ROUTES,
            *payment.ROUTES,
            *plans.ROUTES,
            *events.ROUTES,
            *system.ROUTES,
            *elsewhere.ROUTES,
        ],
        include_in_schema=False,
    )
    # Their addresses change with what is in them (`pages.asset`).
    files = create_static_files_router(
        path="/console/static",
        directories=[STATIC, LOOKS],
        cache_control=CacheControlHeader(max_age=_YEAR_S, immutable=True, public=True),
        include_in_schema=False,
    )
    return [pages, files]
