"""What other services follow: everything that became of invoices, payments and entitlements, in order."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, cast

import msgspec
from litestar import Request, get

from application.ports.feed import NumberedNotice
from entrypoints.http.bodies import bounded
from entrypoints.http.callers import Callers
from entrypoints.http.feed_desk import FeedDesk
from entrypoints.http.handed import Handed

AnyRequest = Request[Any, Any, Any]
READ = "events:read"
PAGE, MAX_PAGE = 50, 200
MAX_WAIT_S = 30
MAX_SEQUENCE = 2**53 - 1
"""Of numbers up to here every language knows each."""

NoticeTypeText = Literal[
    "invoice.issued",
    "payment.settled",
    "payment.quarantined",
    "payment.refunded",
    "entitlement.granted",
    "entitlement.extended",
    "entitlement.revoked",
    "entitlement.suspended",
    "entitlement.restored",
    "entitlement.expired",
]


class EventShape(msgspec.Struct, frozen=True, kw_only=True):
    """`data` depends on the type: see docs/events.md."""

    sequence: int
    type: NoticeTypeText
    user_id: int
    data: dict[str, Any]
    at: datetime

    @classmethod
    def of(cls, event: NumberedNotice) -> "EventShape":
        notice = event.notice
        # Ids of providers are told whatever is in them, which JSON can only say in ASCII.
        data = cast("dict[str, Any]", msgspec.Raw(json.dumps(notice.data).encode()))
        return cls(
            sequence=event.sequence,
            type=notice.type.value,
            user_id=notice.user_id,
            data=data,
            at=notice.at,
        )


class EventList(msgspec.Struct, frozen=True, kw_only=True):
    """`last_sequence` is where to read on."""

    items: list[EventShape]
    last_sequence: Annotated[int, msgspec.Meta(ge=0)]

    @classmethod
    def of(cls, events: Sequence[NumberedNotice], after: int) -> "EventList":
        return cls(
            items=[EventShape.of(event) for event in events],
            last_sequence=events[-1].sequence if events else after,
        )


@get("/internal/v1/events")
async def list_events(request: AnyRequest, callers: Handed[Callers], feed_desk: Handed[FeedDesk]) -> EventList:
    await feed_desk.serve(lambda: callers.service(request, READ))
    query = request.query_params
    after = bounded(query.get("after"), 0, 0, MAX_SEQUENCE, "after")
    limit = bounded(query.get("limit"), PAGE, 1, MAX_PAGE, "limit")
    wait_s = bounded(query.get("wait"), 0, 0, MAX_WAIT_S, "wait")
    return EventList.of(await feed_desk.events(after, limit, wait_s), after)


ROUTES = (list_events,)
