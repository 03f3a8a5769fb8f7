"""Stripe itself: one account with its two modes, and who is told what."""

import time
from asyncio import TimerHandle
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

from entrypoints.sandbox.options import Options
from entrypoints.sandbox.people import Json
from entrypoints.sandbox.stream import Stream
from entrypoints.sandbox.stripe import endpoints
from entrypoints.sandbox.stripe.books import Books
from entrypoints.sandbox.stripe.delivery import Postman
from entrypoints.sandbox.stripe.events import Event, event_wire
from entrypoints.sandbox.stripe.faults import StripeFaults
from entrypoints.sandbox.stripe.idempotency import IdempotencyKeys

EVENTS_KEPT = 50_000
CALLS_KEPT = 50_000
ACCOUNT_ID = "acct_1SandboxAccount0"
BUSINESS_NAME = "Sandbox business"


@dataclass(slots=True, kw_only=True)
class StripeCall:
    """A call of the API, as it was answered."""

    number: int
    method: str
    """`checkout.sessions.create`"""
    address: str
    """`POST /v1/checkout/sessions`"""
    arguments: Json
    at: float
    request_id: str
    livemode: bool = False
    idempotency_key: str | None = None
    answer: Json | None = None
    status: int | None = None
    fault: str = ""
    duration_ms: float = 0.0

    def view(self) -> Json:
        return {name: getattr(self, name) for name in self.__slots__} | {"duration_ms": round(self.duration_ms, 1)}


@dataclass(slots=True)
class Stripe:
    options: Options
    client: httpx.AsyncClient
    stream: Stream
    faults: StripeFaults = field(default_factory=StripeFaults)
    test: Books = field(default_factory=lambda: Books(livemode=False))
    live: Books = field(default_factory=lambda: Books(livemode=True))
    keys: IdempotencyKeys = field(default_factory=IdempotencyKeys)
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=EVENTS_KEPT))
    calls: deque[StripeCall] = field(default_factory=lambda: deque(maxlen=CALLS_KEPT))
    calls_in_flight: int = 0
    last_call_at: float = 0.0
    asked_by: StripeCall | None = None
    """The call that is executed right now: its events say so."""
    timers: dict[str, TimerHandle] = field(default_factory=dict)
    """By session: when it expires, or when money that comes late has come."""
    late: set[str] = field(default_factory=set)
    """Sessions whose money is on its way, and will come or not come by itself."""
    postman: Postman = field(init=False)

    def __post_init__(self) -> None:
        self.test.other, self.live.other = self.live, self.test
        self.postman = Postman(
            options=self.options, client=self.client, faults=lambda: self.faults, changed=self._delivery_changed
        )
        if self.options.stripe_webhook_url:
            self.set_webhook(self.options.stripe_webhook_url, self.options.stripe_webhook_secret.split(","))

    def books(self, livemode: bool) -> Books:
        return self.live if livemode else self.test

    def happened(self, books: Books, event_type: str, thing: Json, *, previous: Json | None = None) -> None:
        """Makes an event of it, twice where a fault says so, and sends it to whoever wants it."""
        call = self.asked_by
        twins = 2 if self.faults.twin_events and self.faults.concerns_event(event_type) else 1
        for _ in range(twins):
            wire = event_wire(
                event_type,
                thing,
                livemode=books.livemode,
                previous=previous,
                request_id=call.request_id if call is not None else None,
                key=call.idempotency_key if call is not None else None,
            )
            books.put(wire)
            event = self.new_event(wire)
            wanting = [one for one in books.all("webhook_endpoint") if endpoints.wants(one, event_type)]
            self.postman.send(event, wanting)

    def waiting(self) -> int:
        """Events that are not delivered yet, and money that will come by itself."""
        return self.postman.waiting() + len(self.late)

    def new_event(self, wire: Json, *, raw: bytes = b"", forged: bool = False) -> Event:
        number = self.events[-1].number + 1 if self.events else 1
        event = Event(number=number, wire=wire, raw=raw, forged=forged)
        self.events.append(event)
        return event

    def _delivery_changed(self, event: Event) -> None:
        event.count_pending()
        self.stream.tell("stripe_event", event.view)

    def set_webhook(
        self,
        url: str,
        secrets: Sequence[str] = (),
        *,
        enabled_events: Sequence[str] = ("*",),
        livemode: bool | None = None,
    ) -> list[Json]:
        """The only endpoint from now on, in one mode or in both; an empty url for none.

        Whatever is on its way to the endpoint that was there goes to the new place.
        """
        made: list[Json] = []
        given = [secret.strip() for secret in secrets if secret.strip()]
        for books in (self.test, self.live):
            if livemode is not None and books.livemode != livemode:
                continue
            before = books.all("webhook_endpoint")
            for endpoint in before[1:] if url else before:
                endpoints.remove(books, endpoint)
            if url and before:
                endpoints.move(before[0], url, enabled_events, given)
                made.append(before[0])
            elif url:
                made.append(endpoints.add(books, url, enabled_events=enabled_events, secrets=given))
        return made

    def clear(self) -> None:
        """Forgets everything but prices and endpoints."""
        self.postman.drop_all()
        for timer in self.timers.values():
            timer.cancel()
        self.timers.clear()
        self.late.clear()
        self.test.clear()
        self.live.clear()
        self.faults = StripeFaults()
        self.keys = IdempotencyKeys()
        self.events.clear()
        self.calls.clear()

    def books_with(self, kind: str, identifier: str) -> tuple[Books, Json] | None:
        """Whatever the mode: for whoever stands outside of both."""
        for books in (self.test, self.live):
            if (thing := books.find(kind, identifier)) is not None:
                return books, thing
        return None

    async def close(self) -> None:
        for timer in self.timers.values():
            timer.cancel()
        await self.postman.close()


def now() -> int:
    return int(time.time())
