"""The API described: as an OpenAPI 3.1 document and as a page that needs nothing from anywhere else."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

import msgspec
from litestar import Request, Response, get

from domain.ids import MAX_USER_ID
from entrypoints.http import reference_page
from entrypoints.http.problems import MEDIA_TYPE, STATUS, Problem
from entrypoints.http.shapes import (
    CatalogShape,
    CheckoutPage,
    CheckoutRequest,
    EntitlementList,
    FeatureAnswer,
    Health,
    InvoiceLink,
    PaymentList,
    PortalPage,
    PortalRequest,
    Purchase,
    SentInvoice,
)

AnyRequest = Request[Any, Any, Any]
Security = list[dict[str, list[str]]]
USER: Security = [{"user": []}, {"mini_app": []}]
SERVICE: Security = [{"service": []}]
TELEGRAM: Security = [{"telegram": []}]
STRIPE: Security = [{"stripe": []}]
_REFERENCE = "#/components/schemas/{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One thing that can be called. `problems` are the codes of the errors that it answers with;
    `names` is what a provider's message must have."""

    method: str
    path: str
    name: str
    summary: str
    group: str
    security: Security | None = None
    scope: str | None = None
    body: type[msgspec.Struct] | None = None
    answer: type[msgspec.Struct] | None = None
    answer_type: str = "application/json"
    problems: tuple[str, ...] = ()
    query: Mapping[str, Mapping[str, Any]] | None = None
    header: Mapping[str, Mapping[str, Any]] | None = None
    status: int = 200
    names: str = "update_id"


_USER_ID = {"type": "integer", "minimum": 1, "maximum": MAX_USER_ID}
_PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "user_id": _USER_ID,
    "feature": {"type": "string", "minLength": 1, "maxLength": 64},
    "bot": {"type": "string", "pattern": "^[a-z0-9_]{1,32}$"},
}
_MESSAGE_IDS: Mapping[str, Mapping[str, Any]] = {
    "update_id": {"type": "integer", "minimum": 0},
    "id": {"type": "string", "pattern": "^evt_"},
}
_BUYING = (
    "invalid_request",
    "unauthenticated",
    "already_entitled",
    "conflict",
    "too_large",
    "unsupported_media_type",
    "unknown_plan",
    "method_unavailable",
    "rate_limited",
    "provider_unavailable",
    "unavailable",
)
_ASKING = ("invalid_request", "unauthenticated", "unavailable")
_WEBHOOK = ("invalid_request", "unauthenticated", "forbidden", "too_large", "unsupported_media_type", "unavailable")
_PAGING: Mapping[str, Mapping[str, Any]] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": 200, "default": 50},
    "cursor": {"type": "string"},
}

OPERATIONS = (
    Operation(
        method="get",
        path="/api/v1/catalog",
        name="catalog",
        summary="What is for sale, and by which methods",
        group="For users",
        answer=CatalogShape,
    ),
    Operation(
        method="post",
        path="/api/v1/telegram/payment/send-invoice",
        name="sendInvoice",
        summary="Put an invoice into the user's chat",
        group="For users",
        security=USER,
        body=Purchase,
        answer=SentInvoice,
        problems=_BUYING,
    ),
    Operation(
        method="post",
        path="/api/v1/telegram/payment/invoice-link",
        name="invoiceLink",
        summary="Make an invoice that a Mini App opens by its address",
        group="For users",
        security=USER,
        body=Purchase,
        answer=InvoiceLink,
        problems=_BUYING,
    ),
    Operation(
        method="post",
        path="/api/v1/billing/checkout",
        name="checkout",
        summary="Make a page of Stripe's where a plan is paid",
        group="For users",
        security=USER,
        body=CheckoutRequest,
        answer=CheckoutPage,
        status=201,
        problems=(*_BUYING, "idempotency_mismatch"),
        header={"Idempotency-Key": {"type": "string", "pattern": "^[!-~]{1,255}$"}},
    ),
    Operation(
        method="post",
        path="/api/v1/billing/portal",
        name="portal",
        summary="Lead to the user's own page at Stripe",
        group="For users",
        security=USER,
        body=PortalRequest,
        answer=PortalPage,
        problems=(
            "invalid_request",
            "unauthenticated",
            "not_found",
            "too_large",
            "unsupported_media_type",
            "method_unavailable",
            "provider_unavailable",
            "unavailable",
        ),
    ),
    Operation(
        method="get",
        path="/api/v1/me/entitlements",
        name="myEntitlements",
        summary="What the user holds and held",
        group="For users",
        security=USER,
        answer=EntitlementList,
        problems=_ASKING[1:],
    ),
    Operation(
        method="get",
        path="/api/v1/me/payments",
        name="myPayments",
        summary="What the user paid, newest first",
        group="For users",
        security=USER,
        answer=PaymentList,
        problems=_ASKING,
        query=_PAGING,
    ),
    Operation(
        method="get",
        path="/internal/v1/users/{user_id}/entitlements",
        name="userEntitlements",
        summary="What a user holds and held",
        group="For services",
        security=SERVICE,
        scope="entitlements:read",
        answer=EntitlementList,
        problems=(*_ASKING, "forbidden"),
    ),
    Operation(
        method="get",
        path="/internal/v1/users/{user_id}/features/{feature}",
        name="checkFeature",
        summary="May this user do this now?",
        group="For services",
        security=SERVICE,
        scope="entitlements:read",
        answer=FeatureAnswer,
        problems=(*_ASKING, "forbidden"),
    ),
    Operation(
        method="post",
        path="/api/v1/telegram/{bot}/webhook",
        name="telegramWebhook",
        summary="An update of Telegram for the bot of that name",
        group="For Telegram",
        security=TELEGRAM,
        problems=(*_WEBHOOK, "not_found"),
    ),
    Operation(
        method="post",
        path="/api/v1/telegram/webhook",
        name="telegramWebhookOfMain",
        summary="An update of Telegram for the bot named main",
        group="For Telegram",
        security=TELEGRAM,
        problems=(*_WEBHOOK, "not_found"),
    ),
    Operation(
        method="post",
        path="/api/v1/billing/stripe/webhook",
        name="stripeWebhook",
        summary="An event of Stripe",
        group="For Stripe",
        security=STRIPE,
        names="id",
        problems=("invalid_request", "not_found", "too_large", "unsupported_media_type", "unavailable"),
    ),
    Operation(
        method="get", path="/health/live", name="live", summary="Does it run?", group="For operators", answer=Health
    ),
    Operation(
        method="get",
        path="/health/ready",
        name="ready",
        summary="Can it do its work? 503 with what is missing where not",
        group="For operators",
        answer=Health,
    ),
    Operation(
        method="get",
        path="/metrics",
        name="metrics",
        summary="Figures for Prometheus",
        group="For operators",
        answer_type="text/plain",
    ),
)


@cache
def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    shapes = [shape for operation in OPERATIONS for shape in (operation.body, operation.answer) if shape]
    _, schemas = msgspec.json.schema_components([*shapes, Problem], ref_template=_REFERENCE)
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tollgram",
            "version": version("tollgram"),
            "description": "Sells access inside Telegram, and tells every other service who may come in. "
            "Amounts are whole numbers in the currency's smallest unit; times are RFC 3339 in UTC.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "user": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "sub: the user id"},
                "mini_app": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "tma, a space, and the Mini App's initData",
                },
                "service": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "with a scope"},
                "stripe": {"type": "apiKey", "in": "header", "name": "Stripe-Signature"},
                "telegram": {"type": "apiKey", "in": "header", "name": "X-Telegram-Bot-Api-Secret-Token"},
            },
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.group],
        "parameters": [
            *_parameters({name: _PARAMETERS[name] for name in _PARAMETERS if f"{{{name}}}" in operation.path}, "path"),
            *_parameters(operation.query or {}, "query"),
            *_parameters(operation.header or {}, "header"),
        ],
        "responses": _responses(operation),
        "security": operation.security or [],
    }
    if operation.scope:
        described["description"] = f"Scope: `{operation.scope}`"
    if operation.body:
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref(operation.body)}}}
    elif operation.method == "post":
        described["requestBody"] = {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": [operation.names],
                        "properties": {operation.names: _MESSAGE_IDS[operation.names]},
                    }
                }
            },
        }
    return described


def _parameters(schemas: Mapping[str, Mapping[str, Any]], place: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": place, "required": place == "path", "schema": dict(schema)}
        for name, schema in schemas.items()
    ]


def _responses(operation: Operation) -> dict[str, Any]:
    schema: dict[str, Any] = _ref(operation.answer) if operation.answer else {}
    if not operation.answer and operation.answer_type == "application/json":
        schema = {"type": "object"}
    responses = {str(operation.status): {"description": "OK", "content": {operation.answer_type: {"schema": schema}}}}
    if operation.name == "ready":
        responses["503"] = {"description": "Not ready", "content": {"application/json": {"schema": _ref(Health)}}}
    for code in operation.problems:
        known = responses.setdefault(
            str(STATUS[code]), {"description": "", "content": {MEDIA_TYPE: {"schema": _ref(Problem)}}}
        )
        known["description"] = ", ".join(part for part in (str(known["description"]), f"`{code}`") if part)
    return responses


def _ref(shape: type[msgspec.Struct]) -> dict[str, Any]:
    return {"$ref": _REFERENCE.format(name=shape.__name__)}


@get("/schema", sync_to_thread=False)
def show_schema(request: AnyRequest) -> Response[bytes]:
    """The page for a browser, the document for everybody else."""
    if "text/html" in request.headers.get("accept", ""):
        return Response(
            reference_page.render(document()),
            media_type="text/html; charset=utf-8",
            headers={"Content-Security-Policy": "default-src 'none'; style-src 'self'", "Vary": "Accept"},
        )
    return _json()


@get("/schema/openapi.json", sync_to_thread=False)
def show_document() -> Response[bytes]:
    return _json()


@get("/schema/reference.css", sync_to_thread=False)
def show_style() -> Response[bytes]:
    return Response(reference_page.style(), media_type="text/css; charset=utf-8")


def _json() -> Response[bytes]:
    return Response(msgspec.json.encode(document()), media_type="application/json", headers={"Vary": "Accept"})


ROUTES = (show_schema, show_document, show_style)
