"""Events: what changed, as the object stood then, and where it was sent."""

import time
from dataclasses import dataclass, field
from typing import Any

import msgspec

from entrypoints.sandbox.people import Json
from entrypoints.sandbox.stripe.books import Books
from entrypoints.sandbox.stripe.ids import API_VERSION, new_id
from entrypoints.sandbox.stripe.listing import listed
from entrypoints.sandbox.stripe.parameters import Parameters
from entrypoints.sandbox.updates import Attempt


@dataclass(slots=True, kw_only=True)
class Delivery:
    """One event on its way to one endpoint.

    `state` is waiting, held, delivered, failed (three days were over), lost (by a fault) or dropped (by a reset).
    """

    endpoint: Json
    state: str = "waiting"
    attempts: list[Attempt] = field(default_factory=list)
    next_attempt_at: float | None = None

    def view(self) -> Json:
        return {
            "endpoint": self.endpoint["id"],
            "url": self.endpoint["url"],
            "state": self.state,
            "next_attempt_at": self.next_attempt_at,
            "attempts": [attempt.view() for attempt in self.attempts],
        }


@dataclass(slots=True, kw_only=True)
class Event:
    number: int
    wire: Json
    raw: bytes = b""
    """Sent instead of `wire`, where somebody forges."""
    created_at: float = field(default_factory=time.time)
    deliveries: list[Delivery] = field(default_factory=list)
    forged: bool = False

    @property
    def id(self) -> str:
        return str(self.wire.get("id", ""))

    @property
    def type(self) -> str:
        return str(self.wire.get("type", "raw"))

    @property
    def body(self) -> bytes:
        if self.raw:
            return self.raw
        return msgspec.json.format(msgspec.json.encode(self.wire), indent=2)

    def count_pending(self) -> None:
        if self.wire and not self.forged:
            pending = sum(1 for delivery in self.deliveries if delivery.state != "delivered")
            self.wire["pending_webhooks"] = pending

    def view(self) -> Json:
        shown: Any = self.wire or self.raw.decode("utf-8", "replace")
        return {
            "number": self.number,
            "event_id": self.id,
            "type": self.type,
            "created_at": self.created_at,
            "forged": self.forged,
            "event": shown,
            "deliveries": [delivery.view() for delivery in self.deliveries],
        }


def event_wire(
    event_type: str, thing: Json, *, livemode: bool, previous: Json | None, request_id: str | None, key: str | None
) -> Json:
    """`previous`: the attributes that changed, as they were."""
    data: Json = {"object": snapshot(thing)}
    if previous is not None:
        data["previous_attributes"] = previous
    return {
        "id": new_id("evt_3" if thing.get("object") in ("charge", "payment_intent", "refund") else "evt_1", 23),
        "object": "event",
        "api_version": API_VERSION,
        "created": int(time.time()),
        "data": data,
        "livemode": livemode,
        "pending_webhooks": 0,
        "request": {"id": request_id, "idempotency_key": key},
        "type": event_type,
    }


def snapshot(thing: Json) -> Json:
    """As it stands now: it goes on changing."""
    copy: Json = msgspec.json.decode(msgspec.json.encode(thing))
    return copy


def retrieve(books: Books, parameters: Parameters, identifier: str) -> Json:
    parameters.only(())
    return books.named("event", identifier)


def list_all(books: Books, parameters: Parameters, _: str) -> Json:
    wanted = parameters.texts("types")
    found = [event for event in books.all("event") if not wanted or event["type"] in wanted]
    if (success := parameters.text("delivery_success")) is not None:
        found = [event for event in found if (event["pending_webhooks"] == 0) == (success == "true")]
    return listed(found, parameters, "/v1/events", filters=("type",), more_names=("types", "delivery_success"))
