"""Deliveries out of the ordinary: once more, in a given order, and events that nobody made."""

import asyncio
import base64
import binascii
import time
from typing import Any, Literal

import msgspec
from litestar import post

from entrypoints.sandbox.control.request import Asked, Impossible, read, stripe_of
from entrypoints.sandbox.people import Json
from entrypoints.sandbox.stripe.account import Stripe
from entrypoints.sandbox.stripe.delivery import Sign
from entrypoints.sandbox.stripe.endpoints import secrets_of
from entrypoints.sandbox.stripe.events import Delivery, Event, event_wire
from entrypoints.sandbox.stripe.ids import webhook_secret
from entrypoints.sandbox.stripe.signatures import signed
from entrypoints.sandbox.updates import Attempt

MOST_TIMES = 1000
OLD_S = 3600
Signature = Literal["good", "bad", "old", "future", "none", "other_scheme", "tampered"]


class Resend(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    event_ids: list[str]
    """In this order."""
    times: int = 1
    concurrent: bool = False
    """All of them, and all of their copies, at the same moment."""


class Release(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    event_ids: list[str] | None = None
    """One after the other, in this order. None: all that are held, at once."""


class Forge(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An event that Stripe never made."""

    type: str = "checkout.session.completed"
    object: Json | None = None
    """`data.object`."""
    event: Json | None = None
    """The whole event, instead of type and object."""
    raw_base64: str | None = None
    """Any bytes, instead of an event."""
    livemode: bool = False
    signature: Signature = "good"
    secret: str | None = None
    """Signs instead of the endpoint's own."""
    age_s: int | None = None
    """How old the signature is; negative: from the future."""
    times: int = 1
    concurrent: bool = False


@post("/resend", status_code=200)
async def resend(request: Asked) -> Json:
    wanted, stripe = await read(request, Resend), stripe_of(request)
    _check(wanted.times)
    found = [_event(stripe, event_id) for event_id in wanted.event_ids]
    attempts: list[tuple[Event, Attempt]] = []
    if wanted.concurrent:
        return await _resend_at_once(stripe, found, wanted.times)
    for event in found:
        for delivery in _deliveries(stripe, event):
            sent = await stripe.postman.send_now(
                event, delivery, times=wanted.times, concurrent=False, why="redelivery"
            )
            attempts += [(event, attempt) for attempt in sent]
    return {"attempts": [attempt.view() | {"event_id": event.id} for event, attempt in attempts]}


async def _resend_at_once(stripe: Stripe, found: list[Event], times: int) -> Json:
    pairs = [(event, delivery) for event in found for delivery in _deliveries(stripe, event)]
    sent = await asyncio.gather(
        *(
            stripe.postman.send_now(event, delivery, times=times, concurrent=True, why="redelivery")
            for event, delivery in pairs
        )
    )
    views = [
        attempt.view() | {"event_id": event.id}
        for (event, _), attempts in zip(pairs, sent, strict=True)
        for attempt in attempts
    ]
    return {"attempts": views}


@post("/release", status_code=200)
async def release(request: Asked) -> Json:
    wanted, stripe = await read(request, Release), stripe_of(request)
    if wanted.event_ids is None:
        stripe.postman.release_all()
        return {"attempts": []}
    for event_id in wanted.event_ids:
        if all(event.id != event_id for event, _ in stripe.postman.held):
            raise Impossible(409, f"the event {event_id} is not held back")
    attempts = await stripe.postman.release(wanted.event_ids)
    return {"attempts": [attempt.view() for attempt in attempts]}


@post("/forge", status_code=200)
async def forge(request: Asked) -> Json:
    wanted, stripe = await read(request, Forge), stripe_of(request)
    _check(wanted.times)
    event = _forged(stripe, wanted)
    attempts: list[Attempt] = []
    for delivery in _deliveries(stripe, event):
        attempts += await stripe.postman.send_now(
            event,
            delivery,
            times=wanted.times,
            concurrent=wanted.concurrent,
            why="injection",
            sign=_signer(wanted, secrets_of(delivery.endpoint)),
        )
        delivery.state = "delivered" if any(attempt.succeeded for attempt in attempts) else "dropped"
    return {"event_id": event.id, "attempts": [attempt.view() for attempt in attempts]}


def _forged(stripe: Stripe, wanted: Forge) -> Event:
    if wanted.raw_base64 is not None:
        try:
            return stripe.new_event({}, raw=base64.b64decode(wanted.raw_base64, validate=True), forged=True)
        except binascii.Error:
            raise Impossible(400, "raw_base64 is no base64") from None
    wire: Any = wanted.event
    if wire is None:
        thing = wanted.object or {}
        wire = event_wire(wanted.type, thing, livemode=wanted.livemode, previous=None, request_id=None, key=None)
    return stripe.new_event(wire, raw=msgspec.json.encode(wire), forged=True)


def _signer(wanted: Forge, secrets: list[str]) -> Sign:
    chosen = [wanted.secret] if wanted.secret is not None else secrets
    age_s = wanted.age_s
    if age_s is None:
        age_s = {"old": OLD_S, "future": -OLD_S}.get(wanted.signature, 0)

    def sign(body: bytes) -> str | None:
        at = int(time.time()) - age_s
        match wanted.signature:
            case "none":
                return None
            case "bad":
                return signed(body, [webhook_secret()], at)
            case "tampered":
                return signed(body + b" ", chosen, at)
            case "other_scheme":
                return signed(body, chosen, at, scheme="v0")
            case _:
                return signed(body, chosen, at)

    return sign


def _deliveries(stripe: Stripe, event: Event) -> list[Delivery]:
    """Where it went, or where it would go: each endpoint of its mode."""
    if event.deliveries:
        return event.deliveries
    books = stripe.books(bool(event.wire.get("livemode")))
    endpoints = books.all("webhook_endpoint")
    if not endpoints:
        raise Impossible(409, "no endpoint is set")
    event.deliveries = [Delivery(endpoint=endpoint, state="lost") for endpoint in endpoints]
    return event.deliveries


def _event(stripe: Stripe, event_id: str) -> Event:
    for event in reversed(stripe.events):
        if event.id == event_id:
            return event
    raise Impossible(404, f"no event {event_id}")


def _check(times: int) -> None:
    if not 1 <= times <= MOST_TIMES:
        raise Impossible(400, f"times must be 1 to {MOST_TIMES}")


handlers = [resend, release, forge]
