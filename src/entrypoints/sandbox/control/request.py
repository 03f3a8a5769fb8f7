"""Reading requests of the control API, and refusing them in words."""

from typing import Any, TypeVar

import msgspec
from litestar import Request, Response
from litestar.datastructures import State

from entrypoints.sandbox.checkout import Checkout
from entrypoints.sandbox.people import Bot
from entrypoints.sandbox.stripe.account import Stripe
from entrypoints.sandbox.telegram import Telegram

Body = TypeVar("Body", bound=msgspec.Struct)
Asked = Request[Any, Any, State]


class Impossible(Exception):
    """What was asked cannot be done. `status` is 400, 404 or 409."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status


class Act(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Everything that concerns a bot may name it by id or username; the first bot is meant otherwise."""

    bot: int | str | None = None


def checkout_of(request: Asked) -> Checkout:
    checkout: Checkout = request.app.state.checkout
    return checkout


def telegram_of(request: Asked) -> Telegram:
    return checkout_of(request).telegram


def stripe_of(request: Asked) -> Stripe:
    stripe: Stripe = request.app.state.stripe
    return stripe


def bot_of(request: Asked, wanted: int | str | None) -> Bot:
    return telegram_of(request).bot(wanted)


def require_json(request: Asked) -> None:
    """Another web page can post plain text here unasked, but not this type."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise Impossible(400, "the body must be application/json")


async def read(request: Asked, shape: type[Body]) -> Body:
    """The body, strictly."""
    require_json(request)
    try:
        return msgspec.json.decode(await request.body() or b"{}", type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Impossible(400, str(error)) from None


def whole_number(request: Asked, name: str, default: int) -> int:
    try:
        return int(request.query_params.get(name, default))
    except ValueError:
        raise Impossible(400, f"{name} must be a whole number") from None


def refuse(_: Asked, error: Exception) -> Response[dict[str, str]]:
    status = error.status if isinstance(error, Impossible) else 409
    return Response({"error": str(error)}, status_code=status)
