"""`tollgram events list | endpoints | replay | enable`."""

from collections.abc import Iterator
from typing import Any

from rich.table import Table

from adapters.sql.event_book import MOST_LOOKED_AT
from application.ports.feed import NumberedNotice
from application.ports.pushes import Endpoint, EndpointState
from domain.errors import Conflict, InvalidRequest
from domain.ids import UserId
from entrypoints.cli.failure import FAILED, WORKED, CommandError
from entrypoints.cli.listing import Listing
from entrypoints.cli.moments import to_the_second
from entrypoints.cli.terminal import say, show_json, show_table
from entrypoints.cli.workplace import workplace
from entrypoints.container import Container
from entrypoints.event_webhooks import shown

PAGE = 200


def list_events(*, after: int | None, before: int | None, limit: int, user_id: int | None, as_json: bool) -> int:
    """The first after a number, else the last there are, or before one; of one user's or of all. Oldest first."""
    with workplace() as container:
        container.read_feed().newest()  # whatever was committed before has a number then
        book = container.event_book()
        looked_to = None
        if user_id is not None:
            theirs = UserId(user_id)
            some, looked_to = book.of_user(theirs, after=after, before=before, at_most=limit + 1)
        elif after is None:
            some = book.newest(before=before, at_most=limit + 1)
        else:
            some = list(_after(container, after, limit + 1))
    found = sorted(some[:limit], key=lambda event: event.sequence)
    more = some[limit - 1].sequence if len(some) > limit else None
    if as_json:
        show_json([_in_json(event) for event in found])
    elif found:
        listing = Listing(["Number", "At (UTC)", "User", "Event"], ["About"], frozenset({"Number"}))
        for event in found:
            notice = event.notice
            about = next((notice.data[name] for name in _NAMES if name in notice.data), "")
            listing.add(
                str(event.sequence),
                f"{notice.at:%Y-%m-%d %H:%M:%S}",
                str(notice.user_id),
                notice.type,
                below=[str(about)],
            )
        listing.show()
    else:
        say("There are no such events.")
    way = "--before" if after is None else "--after"
    if more is not None:
        whose = "" if user_id is None else f" --user {user_id}"
        say(f"There are more: tollgram events list {way} {more}{whose}", err=as_json)
    elif looked_to is not None:
        say(
            f"{MOST_LOOKED_AT} events were looked through; go on: "
            f"tollgram events list {way} {looked_to} --user {user_id}",
            err=as_json,
        )
    return WORKED


def _after(container: Container, after: int, at_most: int) -> Iterator[NumberedNotice]:
    read = container.read_feed()
    while at_most > 0 and (page := read(after, min(at_most, PAGE))):
        yield from page
        at_most -= len(page)
        after = page[-1].sequence


def list_endpoints(*, as_json: bool) -> int:
    """How pushing to each endpoint goes; 1 where one of them is disabled."""
    with workplace() as container:
        endpoints = container.settings().event_endpoints
        with container.work().look() as tx:
            rows = [
                (one, tx.pushes.of(one.id), tx.pushes.waiting(one.id), tx.pushes.given_up(one.id)) for one in endpoints
            ]
    if as_json:
        show_json([_endpoint_in_json(*row) for row in rows])
    elif rows:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in ("Endpoint", "Address", "State"):
            table.add_column(heading, no_wrap=True)
        for heading in ("Waiting", "Given up"):
            table.add_column(heading, justify="right")
        table.add_column("Problem")
        for endpoint, state, waiting, given_up in rows:
            problem = (state.problem if state else None) or ""
            table.add_row(endpoint.id, shown(endpoint), _standing(state), str(waiting), str(given_up), problem)
        show_table(table)
    else:
        say("There are no endpoints: EVENT_WEBHOOKS_JSON names none.")
    return FAILED if any(state and state.disabled_at for _, state, _, _ in rows) else WORKED


def replay(name: str, *, after: int, until: int, as_json: bool) -> int:
    """Have events pushed once more by the running service."""
    with workplace() as container:
        endpoint = _endpoint(container, name)
        try:
            again = container.replay_events()(endpoint, after=after, until=until)
        except Conflict as conflict:
            raise CommandError(str(conflict), f"Run: tollgram events enable {endpoint.id}") from None
        except InvalidRequest as too_many:
            raise CommandError(str(too_many), "tollgram events endpoints shows how many wait.") from None
    if as_json:
        show_json({"endpoint": endpoint.id, "address": shown(endpoint), "events": again})
        return WORKED
    events = "1 event" if again == 1 else f"{again} events"
    say(f"{events} will be pushed again to {shown(endpoint)}, each under the same webhook-id as before.")
    return WORKED


def enable(name: str, *, skip: bool, as_json: bool) -> int:
    """Have the running service push to it again."""
    with workplace() as container:
        endpoint = _endpoint(container, name)
        waiting = container.enable_endpoint()(endpoint, skip=skip)
    if as_json:
        show_json({"endpoint": endpoint.id, "address": shown(endpoint), "waiting": waiting})
        return WORKED
    say(
        f"{shown(endpoint)} is pushed to from now on."
        if skip
        else f"{shown(endpoint)} is pushed to again; {waiting} events wait for it, and all that came since."
    )
    return WORKED


def _endpoint(container: Container, name: str) -> Endpoint:
    for endpoint in container.settings().event_endpoints:
        if name in (endpoint.id, endpoint.url, shown(endpoint)):
            return endpoint
    raise CommandError("There is no such endpoint.", "tollgram events endpoints shows all of them.")


def _standing(state: EndpointState | None) -> str:
    if state is None:
        return "not begun"
    if state.disabled_at:
        return f"disabled at {to_the_second(state.disabled_at)}"
    return f"failing since {to_the_second(state.failing_since)}" if state.failing_since else "well"


def _endpoint_in_json(endpoint: Endpoint, state: EndpointState | None, waiting: int, given_up: int) -> dict[str, Any]:
    return {
        "endpoint": endpoint.id,
        "address": shown(endpoint),
        "types": sorted(endpoint.types) if endpoint.types else None,
        "waiting": waiting,
        "given_up": given_up,
        "position": state.position if state else None,
        "pushed_at": state.pushed_at if state else None,
        "failing_since": state.failing_since if state else None,
        "disabled_at": state.disabled_at if state else None,
        "problem": state.problem if state else None,
    }


def _in_json(event: NumberedNotice) -> dict[str, Any]:
    notice = event.notice
    return {
        "sequence": event.sequence,
        "type": notice.type,
        "user_id": notice.user_id,
        "data": {name: _sayable(value) for name, value in notice.data.items()},
        "at": notice.at,
    }


def _sayable(value: object) -> object:
    """Ids of providers may hold what UTF-8 can't say."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


_NAMES = ("entitlement_id", "payment_id", "invoice_id")
