"""Stripe's API over HTTP: `/stripe/v1/…`, with the faults that were asked for."""

import asyncio
import base64
import binascii
import re
import time
from typing import Any
from urllib.parse import parse_qsl

from litestar import Request, Response, route
from litestar.datastructures import State
from litestar.params import FromPath

from entrypoints.sandbox.connection import reset
from entrypoints.sandbox.people import Json
from entrypoints.sandbox.stripe.account import Stripe, StripeCall
from entrypoints.sandbox.stripe.events import snapshot
from entrypoints.sandbox.stripe.expansion import expanded
from entrypoints.sandbox.stripe.form import nested
from entrypoints.sandbox.stripe.idempotency import Kept
from entrypoints.sandbox.stripe.ids import API_VERSION, new_id
from entrypoints.sandbox.stripe.operations import Operation, find
from entrypoints.sandbox.stripe.parameters import Parameters
from entrypoints.sandbox.stripe.refusal import Refused, too_many_requests

Asked = Request[Any, Any, State]
KEY = re.compile(r"(?:sk|rk)_(test|live)_[A-Za-z0-9_]{8,}")
PUBLISHABLE_KEY = re.compile(r"pk_(test|live)_\w+")
FORM = "application/x-www-form-urlencoded"
BAD_GATEWAY = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


@route("/stripe/v1/{path:path}", http_method=["GET", "POST", "DELETE"], include_in_schema=False)
async def call_stripe(request: Asked, path: FromPath[str]) -> Response[Any]:
    stripe: Stripe = request.app.state.stripe
    stripe.calls_in_flight += 1
    call = StripeCall(
        number=stripe.calls[-1].number + 1 if stripe.calls else 1,
        method="?",
        address=f"{request.method} /v1/{path.strip('/')}",
        arguments={},
        at=time.time(),
        request_id=new_id("req_", 14),
        idempotency_key=request.headers.get("idempotency-key") if request.method == "POST" else None,
    )
    stripe.calls.append(call)
    started = time.perf_counter()
    try:
        return await _answer(stripe, request, call, path)
    except Refused as refused:
        return _response(call, refused.status, refused.body())
    finally:
        stripe.calls_in_flight -= 1
        stripe.last_call_at = time.time()
        call.duration_ms = (time.perf_counter() - started) * 1000
        stripe.stream.tell("stripe_call", call.view)


async def _answer(stripe: Stripe, request: Asked, call: StripeCall, path: str) -> Response[Any]:
    call.livemode = _livemode(request.headers.get("authorization", ""))
    operation, identifier = find(request.method, path)
    call.method = operation.name
    call.arguments = nested(await _pairs(request))
    if stripe.faults.down:
        return await _reset(request, call, "down")
    if (key := call.idempotency_key) is None:
        return await _execute(stripe, request, call, operation, identifier)
    address = f"/v1/{path.strip('/')}"
    kept = stripe.keys.begin(call.livemode, key, address, call.arguments, call.request_id)
    if kept is not None:
        return await _replay(stripe, request, call, kept)
    try:
        return await _execute(stripe, request, call, operation, identifier)
    finally:
        stripe.keys.forget(call.livemode, key)  # where nothing was begun


async def _execute(
    stripe: Stripe, request: Asked, call: StripeCall, operation: Operation, identifier: str
) -> Response[Any]:
    faults = stripe.faults
    struck = faults.concerns_call(call.method)
    if struck and faults.api_delay_s > 0:
        await asyncio.sleep(faults.api_delay_s)
    if struck and faults.strike("api_resets"):
        return await _reset(request, call, "connection reset")
    if struck and faults.strike("api_429"):
        call.fault = "429"
        raise too_many_requests()
    if struck and faults.strike("api_5xx"):
        call.fault, call.status = "502", 502
        return Response(BAD_GATEWAY, status_code=502, media_type="text/html")
    try:
        status, answer = 200, _run(stripe, call, operation, identifier)
    except Refused as refused:
        if not refused.begun:
            raise
        status, answer = refused.status, refused.body()
    if call.idempotency_key is not None:
        stripe.keys.finish(call.livemode, call.idempotency_key, status, answer)
    if struck and faults.strike("api_lose_replies"):
        call.status, call.answer = status, answer
        return await _reset(request, call, "reply lost")
    return _response(call, status, answer)


async def _replay(stripe: Stripe, request: Asked, call: StripeCall, kept: Kept) -> Response[Any]:
    faults = stripe.faults
    if faults.concerns_call(call.method):
        if faults.api_delay_s > 0:
            await asyncio.sleep(faults.api_delay_s)
        if faults.strike("api_lose_replies"):
            return await _reset(request, call, "reply lost")
    headers = {"Idempotent-Replayed": "true", "Original-Request": kept.request_id}
    return _response(call, kept.status or 200, kept.answer, headers)


def _run(stripe: Stripe, call: StripeCall, operation: Operation, identifier: str) -> Json:
    books = stripe.books(call.livemode)
    parameters = Parameters(call.arguments)
    paths = parameters.texts("expand")
    stripe.asked_by = call
    try:
        answer = operation.run(stripe, books, parameters, identifier)
    finally:
        stripe.asked_by = None
    return snapshot(expanded(books, answer, paths))


def _livemode(authorization: str) -> bool:
    """Whether the key is one of live mode; refuses where there is none."""
    scheme, _, given = authorization.partition(" ")
    key = given.strip()
    if scheme.lower() == "basic":
        try:
            key = base64.b64decode(key, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            key = "?"
    elif scheme.lower() != "bearer":
        key = ""
    if not key:
        raise Refused(
            "You did not provide an API key. You need to provide your API key in the Authorization header, using "
            "Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
            status=401,
        )
    if PUBLISHABLE_KEY.fullmatch(key) is not None:
        raise Refused(
            "This API call cannot be made with a publishable API key. Please use a secret API key.",
            status=401,
            code="secret_key_required",
        )
    if (well_formed := KEY.fullmatch(key)) is None:
        raise Refused(f"Invalid API Key provided: {key[:4]}{'*' * 8}{key[-4:]}", status=401)
    return well_formed[1] == "live"


async def _pairs(request: Asked) -> list[tuple[str, str]]:
    query = parse_qsl(request.scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    body = await request.body()
    if not body:
        return query
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise Refused("Invalid request: the body of this API is form-encoded")
    try:
        return [*query, *parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True)]
    except ValueError:
        raise Refused("Invalid request: the body is no form") from None


async def _reset(request: Asked, call: StripeCall, fault: str) -> Response[Any]:
    call.fault = fault
    await reset(request.scope)
    return Response(BAD_GATEWAY, status_code=502, media_type="text/html")


def _response(call: StripeCall, status: int, answer: Any, more: dict[str, str] | None = None) -> Response[Any]:
    call.status, call.answer = status, answer
    headers = {"Request-Id": call.request_id, "Stripe-Version": API_VERSION} | (more or {})
    if call.idempotency_key is not None:
        headers["Idempotency-Key"] = call.idempotency_key
    return Response(answer, status_code=status, media_type="application/json", headers=headers)
