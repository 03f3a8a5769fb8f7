"""How the account is set up, and what goes wrong there: the endpoint, prices, faults."""

import msgspec
from litestar import get, patch, post, put

from entrypoints.sandbox.control.request import Asked, Impossible, read, require_json, stripe_of
from entrypoints.sandbox.people import Json
from entrypoints.sandbox.stripe.account import Stripe
from entrypoints.sandbox.stripe.endpoints import secrets_of, shown
from entrypoints.sandbox.stripe.faults import StripeFaults
from entrypoints.sandbox.stripe.prices import set_price


class Webhook(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    url: str
    """Empty for none."""
    secrets: list[str] = msgspec.field(default_factory=list)
    """All of them sign. Empty: what the endpoint had, or one that is made up."""
    enabled_events: list[str] = msgspec.field(default_factory=lambda: ["*"])
    livemode: bool | None = None
    """None: the same endpoint in both modes."""


class Price(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    unit_amount: int
    currency: str
    name: str = "A plan"
    livemode: bool = False


@put("/webhook")
async def set_webhook(request: Asked) -> Json:
    wanted, stripe = await read(request, Webhook), stripe_of(request)
    made = stripe.set_webhook(
        wanted.url, wanted.secrets, enabled_events=wanted.enabled_events, livemode=wanted.livemode
    )
    return {"endpoints": [shown(one) | {"secrets": secrets_of(one)} for one in made]}


@get("/webhook")
async def show_webhook(request: Asked) -> Json:
    stripe = stripe_of(request)
    found = [one for books in (stripe.test, stripe.live) for one in books.all("webhook_endpoint")]
    return {"endpoints": [shown(one) | {"secrets": secrets_of(one)} for one in found]}


@put("/prices")
async def set_prices(request: Asked) -> Json:
    """`{"price_…": {"unit_amount", "currency", "name"?, "livemode"?}}`: makes them, or changes them."""
    require_json(request)
    stripe = stripe_of(request)
    try:
        wanted = msgspec.json.decode(await request.body(), type=dict[str, Price])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Impossible(400, str(error)) from None
    for identifier, price in wanted.items():
        set_price(
            stripe.books(price.livemode),
            identifier,
            unit_amount=price.unit_amount,
            currency=price.currency,
            name=price.name,
        )
    return {"prices": [price for books in (stripe.test, stripe.live) for price in books.all("price")]}


@get("/faults")
async def show_faults(request: Asked) -> Json:
    return _view(stripe_of(request))


@put("/faults")
async def replace_faults(request: Asked) -> Json:
    """Whatever is left out is switched off."""
    return _set(stripe_of(request), await read(request, StripeFaults))


@patch("/faults")
async def change_faults(request: Asked) -> Json:
    """Whatever is left out stays as it is."""
    require_json(request)
    stripe = stripe_of(request)
    try:
        changes = msgspec.json.decode(await request.body() or b"{}", type=dict[str, object])
        merged = msgspec.convert(msgspec.to_builtins(stripe.faults) | changes, StripeFaults)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Impossible(400, str(error)) from None
    return _set(stripe, merged)


@post("/reset", status_code=200)
async def reset(request: Asked) -> Json:
    """Everything is forgotten but endpoints and prices."""
    stripe = stripe_of(request)
    stripe.clear()
    stripe.stream.tell("reset", {})
    return {}


def _set(stripe: Stripe, faults: StripeFaults) -> Json:
    stripe.faults = faults
    if not faults.hold_events:
        stripe.postman.release_all()
    view = _view(stripe)
    stripe.stream.tell("stripe_faults", view)
    return view


def _view(stripe: Stripe) -> Json:
    view: Json = msgspec.to_builtins(stripe.faults)
    return view


handlers = [set_webhook, show_webhook, set_prices, show_faults, replace_faults, change_faults, reset]
