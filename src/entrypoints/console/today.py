"""Today: one look that says whether all is well."""

from dataclasses import dataclass

from litestar import Response, get

from adapters.sql.gauges import SqlGauges
from entrypoints.console.desk import Console
from entrypoints.console.forms import AnyRequest
from entrypoints.console.pages import Page
from entrypoints.console.visitors import Visitor
from entrypoints.http.handed import Handed


@dataclass(frozen=True, slots=True, kw_only=True)
class TodayDesk:
    """What the page is read from."""

    gauges: SqlGauges


@get("/")
async def today(request: AnyRequest, console: Handed[Console], today_desk: Handed[TodayDesk]) -> Response[bytes]:
    def read(_visitor: Visitor) -> Page:
        now, gauges = console.clock.now(), today_desk.gauges
        return Page(
            "today.html",
            {
                "outbox": gauges.outbox_pending(),
                "outbox_oldest": gauges.outbox_oldest(now),
                "inbox": gauges.inbox_pending(),
                "given_up": gauges.inbox_given_up(),
                "refunds": gauges.refunds_pending(),
                "quarantine_oldest": gauges.quarantine_oldest(now),
                "ledgers": gauges.ledgers_read(),
            },
        )

    return await console.show(request, read)


ROUTES = (today,)
