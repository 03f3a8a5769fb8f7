"""The Bot API over HTTP: `/bot<token>/<method>`, with the faults that were asked for."""

import asyncio
import time
from typing import Any

import msgspec
from litestar import Request, Response, route
from litestar.datastructures import State
from litestar.params import FromPath

from entrypoints.sandbox.arguments import Arguments
from entrypoints.sandbox.checkout import Checkout
from entrypoints.sandbox.connection import reset
from entrypoints.sandbox.methods import NAMES, Method
from entrypoints.sandbox.people import Bot
from entrypoints.sandbox.refusal import Refusal
from entrypoints.sandbox.telegram import Call
from entrypoints.sandbox.updates import now

BAD_GATEWAY = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>502 Bad Gateway</body>\r\n</html>"


def execute(
    checkout: Checkout,
    bot: Bot,
    method: str,
    values: dict[str, Any],
    *,
    via: str = "http",
    started: float | None = None,
) -> Call:
    """Runs one call and writes it into the log."""
    arguments = Arguments(values)
    began = time.perf_counter() if started is None else started
    call = begin(checkout, bot, method, arguments, via)
    try:
        call.status, call.answer = 200, {"ok": True, "result": _method(method)(checkout, bot, arguments)}
    except Refusal as refusal:
        call.status, call.answer = refusal.code, refusal.body()
    call.duration_ms = (time.perf_counter() - began) * 1000
    end(checkout, call)
    return call


def _method(name: str) -> Method:
    if name.lower() not in NAMES:
        raise Refusal(404, "Not Found: method not found")
    return NAMES[name.lower()]


def begin(checkout: Checkout, bot: Bot, method: str, arguments: Arguments, via: str) -> Call:
    telegram = checkout.telegram
    call = Call(
        number=telegram.calls[-1].number + 1 if telegram.calls else 1,
        bot_id=bot.id,
        method=method,
        arguments=arguments.view(),
        at=now(),
        via=via,
    )
    telegram.calls.append(call)
    return call


def end(checkout: Checkout, call: Call) -> None:
    if call.answer is not None:
        # A snapshot: the message it tells of may be edited later.
        call.answer = msgspec.json.decode(msgspec.json.encode(call.answer))
    checkout.telegram.last_call_at = now()
    checkout.telegram.stream.tell("call", call.view)


@route("/{bot_and_token:str}/{method:str}", http_method=["GET", "POST"], include_in_schema=False)
async def call_method(
    request: Request[Any, Any, State], bot_and_token: FromPath[str], method: FromPath[str]
) -> Response[Any]:
    checkout: Checkout = request.app.state.checkout
    telegram = checkout.telegram
    if not bot_and_token.startswith("bot"):
        return _answer(Refusal(404, "Not Found").body(), 404)
    telegram.calls_in_flight += 1
    try:
        bot = telegram.bot_with_token(bot_and_token.removeprefix("bot"))
        return await _call(request, checkout, bot, method)
    except Refusal as refusal:
        return _answer(refusal.body(), refusal.code)
    finally:
        telegram.calls_in_flight -= 1


async def _call(request: Request[Any, Any, State], checkout: Checkout, bot: Bot, method: str) -> Response[Any]:
    started = time.perf_counter()
    faults = checkout.telegram.weather.at(bot.id)
    values = await _values(request)
    struck = faults.concerns(method)

    def spoil(fault: str, response: Response[Any], status: int | None = None) -> Response[Any]:
        call = begin(checkout, bot, method, Arguments(values), "http")
        call.fault, call.status = fault, status
        end(checkout, call)
        return response

    if struck and faults.api_delay_s > 0:
        await asyncio.sleep(faults.api_delay_s)
    if faults.down or (struck and faults.strike("api_resets")):
        await reset(request.scope)
        return spoil("down" if faults.down else "connection reset", _answer(BAD_GATEWAY, 502))
    if struck and faults.strike("api_429"):
        wait = faults.api_retry_after
        body = Refusal(429, f"Too Many Requests: retry after {wait}", retry_after=wait).body()
        return spoil("429", _answer(body, 429), 429)
    if struck and faults.strike("api_5xx"):
        return spoil("502", _answer(BAD_GATEWAY, 502), 502)
    call = execute(checkout, bot, method, values, started=started)
    if struck and faults.strike("api_lose_replies"):
        call.fault = "reply lost"
        checkout.telegram.stream.tell("call", call.view)
        await reset(request.scope)
    return _answer(call.answer, call.status or 200)


async def _values(request: Request[Any, Any, State]) -> dict[str, Any]:
    """Query, then body; JSON, form and multipart are all the same to the Bot API."""
    values: dict[str, Any] = dict(request.query_params.items())
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        if body := await request.body():
            try:
                decoded = msgspec.json.decode(body)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                raise Refusal(400, "Bad Request: can't parse JSON object") from None
            if not isinstance(decoded, dict):
                raise Refusal(400, "Bad Request: expected an Object")
            values |= decoded
    elif kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
        values |= {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    return values


def _answer(body: Any, status: int) -> Response[Any]:
    media = "text/html" if isinstance(body, str) else "application/json"
    headers = {"Retry-After": str(body["parameters"]["retry_after"])} if status == 429 else None
    return Response(body, status_code=status, media_type=media, headers=headers)
