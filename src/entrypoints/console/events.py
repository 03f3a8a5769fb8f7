"""Events: what other services were told, where it is pushed to, and pushing it once more."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from litestar import Response, get, post
from litestar.params import FromPath

from adapters.sql.event_book import Delivery, SqlEventBook
from application.feed import ReadFeed
from application.ports.feed import NumberedNotice
from application.ports.pushes import Endpoint, EndpointState
from application.ports.work import UnitOfWork
from application.pushing import EnableEndpoint, ReplayEvents
from domain.errors import InvalidRequest, NotFound
from entrypoints.console.desk import Console, Done
from entrypoints.console.forms import AnyRequest, Form
from entrypoints.console.pages import Page
from entrypoints.console.visitors import Visitor
from entrypoints.event_webhooks import shown
from entrypoints.http.handed import Handed

PAGE: Final = 50
DELIVERIES: Final = 100
HIGHEST: Final = 2**53 - 1
_ABOUT: Final = ("payment_id", "invoice_id", "entitlement_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDesk:
    """What the pages are read from, and what can be done there."""

    work: UnitOfWork
    feed: ReadFeed
    book: SqlEventBook
    endpoints: Sequence[Endpoint]
    replay: ReplayEvents
    enable: EnableEndpoint

    def newest(self, *, before: int | None, at_most: int) -> Sequence[NumberedNotice]:
        """Also what nobody has read or was pushed yet, and has no number before somebody asks."""
        self.feed.newest()
        return self.book.newest(before=before, at_most=at_most)

    def endpoint(self, id: str) -> Endpoint:
        """Raises NotFound."""
        for endpoint in self.endpoints:
            if endpoint.id == id:
                return endpoint
        raise NotFound("There is no such endpoint. EVENT_WEBHOOKS_JSON names those that there are.")


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointShown:
    id: str
    address: str
    types: str
    state: str
    known: EndpointState | None
    waiting: int
    given_up: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventShown:
    """`about` is the id of what the event is about, and `href` where that is shown; both may be empty."""

    sequence: int
    type: str
    user_id: int
    about: str
    href: str
    event: NumberedNotice


@get("/events")
async def events(request: AnyRequest, console: Handed[Console], event_desk: Handed[EventDesk]) -> Response[bytes]:
    before = request.query_params.get("cursor")

    def read(_visitor: Visitor) -> Page:
        found = event_desk.newest(before=_number(before, "cursor") if before else None, at_most=PAGE + 1)
        return Page(
            "events.html",
            {
                "endpoints": [_endpoint(event_desk, endpoint) for endpoint in event_desk.endpoints],
                "events": [_event(event) for event in found[:PAGE]],
                "next_cursor": str(found[PAGE - 1].sequence) if len(found) > PAGE else None,
                "first": before is None,
            },
        )

    return await console.show(request, read)


@get("/events/{endpoint_id:str}")
async def endpoint(
    request: AnyRequest, endpoint_id: FromPath[str], console: Handed[Console], event_desk: Handed[EventDesk]
) -> Response[bytes]:
    def read(_visitor: Visitor) -> Page:
        one = event_desk.endpoint(endpoint_id)
        found = event_desk.book.deliveries(one.id, at_most=DELIVERIES)
        return Page(
            "endpoint.html",
            {
                "endpoint": _endpoint(event_desk, one),
                "deliveries": [(_event(delivery.event), delivery, _state(delivery)) for delivery in found],
                "most": DELIVERIES,
            },
        )

    return await console.show(request, read)


@post("/events/{endpoint_id:str}/replay", status_code=200)
async def replay(
    request: AnyRequest, endpoint_id: FromPath[str], console: Handed[Console], event_desk: Handed[EventDesk]
) -> Response[bytes]:
    def do(visitor: Visitor, form: Form) -> Done:
        one = event_desk.endpoint(endpoint_id)
        after = _number(form.needed("after", "Say behind which number to begin."), "The first number")
        until = _number(form.text("until", otherwise=str(HIGHEST)), "The last number")
        again = event_desk.replay(one, after=after, until=until, actor=visitor.actor)
        events = "1 event is" if again == 1 else f"{again:,} events are"
        return Done(f"{events} pushed again to {shown(one)}, under the same webhook-id as before.", _path(one))

    return await console.act(request, do)


@post("/events/{endpoint_id:str}/enable", status_code=200)
async def enable(
    request: AnyRequest, endpoint_id: FromPath[str], console: Handed[Console], event_desk: Handed[EventDesk]
) -> Response[bytes]:
    def do(visitor: Visitor, form: Form) -> Done:
        one = event_desk.endpoint(endpoint_id)
        skip = form.text("skip") == "yes"
        waiting = event_desk.enable(one, skip=skip, actor=visitor.actor)
        events = "1 event waits" if waiting == 1 else f"{waiting:,} events wait"
        return Done(
            f"{shown(one)} is pushed to from now on; what waited was let go of."
            if skip
            else f"{shown(one)} is pushed to again. {events} for it.",
            _path(one),
        )

    return await console.act(request, do)


ROUTES = (events, endpoint, replay, enable)


def _endpoint(desk: EventDesk, endpoint: Endpoint) -> EndpointShown:
    with desk.work.look() as tx:
        state = tx.pushes.of(endpoint.id)
        waiting, given_up = tx.pushes.waiting(endpoint.id), tx.pushes.given_up(endpoint.id)
    return EndpointShown(
        id=endpoint.id,
        address=shown(endpoint),
        types=", ".join(sorted(endpoint.types)) if endpoint.types else "all",
        state=_standing(state),
        known=state,
        waiting=waiting,
        given_up=given_up,
    )


def _standing(state: EndpointState | None) -> str:
    if state is None:
        return "not_begun"
    if state.disabled_at:
        return "disabled"
    return "failing" if state.failing_since else "well"


def _state(delivery: Delivery) -> str:
    if delivery.given_up_at:
        return "given_up"
    return "failing" if delivery.failing_since else "waiting"


def _event(event: NumberedNotice) -> EventShown:
    data: Any = event.notice.data
    name = next((name for name in _ABOUT if data.get(name)), "")
    about = str(data[name]) if name else ""
    href = f"/console/payments/{quote(about, safe='')}" if name == "payment_id" else ""
    return EventShown(
        sequence=event.sequence,
        type=event.notice.type.value,
        user_id=event.notice.user_id,
        about=about,
        href=href,
        event=event,
    )


def _number(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and int(text) <= HIGHEST):
        raise InvalidRequest(f"{what} must be a whole number.")
    return int(text)


def _path(endpoint: Endpoint) -> str:
    return f"/console/events/{endpoint.id}"
