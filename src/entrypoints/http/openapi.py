"""The API described: as an OpenAPI 3.1 document and as a page that needs nothing from anywhere else."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from litestar import Request, Response, get

from entrypoints.http import reference_page
from entrypoints.http.described import MESSAGE_IDS, OPERATIONS, PARAMETERS, Operation
from entrypoints.http.problems import MEDIA_TYPE, STATUS, Problem
from entrypoints.http.shapes import Health
from entrypoints.version import version

AnyRequest = Request[Any, Any, Any]
_REFERENCE = "#/components/schemas/{name}"


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
            "version": version(),
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
            *_parameters({name: PARAMETERS[name] for name in PARAMETERS if f"{{{name}}}" in operation.path}, "path"),
            *_parameters(operation.query or {}, "query"),
            *_parameters(operation.header or {}, "header"),
        ],
        "responses": _responses(operation),
        "security": operation.security or [],
    }
    if operation.scope:
        described["description"] = ". ".join(part for part in (f"Scope: `{operation.scope}`", operation.note) if part)
    if operation.body:
        schema = {**_ref(operation.body), **(operation.rule or {})}
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    elif operation.method == "post" and operation.names:
        described["requestBody"] = {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": [operation.names],
                        "properties": {operation.names: MESSAGE_IDS[operation.names]},
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
    kinds = [kind for kind in (operation.answer_type, operation.or_answer_type) if kind]
    content = {kind: {"schema": schema} for kind in kinds}
    responses = {str(operation.status): {"description": "OK", "content": content}}
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
            media_type="text/html",
            headers={"Content-Security-Policy": "default-src 'none'; style-src 'self'", "Vary": "Accept"},
        )
    return _json()


@get("/schema/openapi.json", sync_to_thread=False)
def show_document() -> Response[bytes]:
    return _json()


@get("/schema/reference.css", sync_to_thread=False)
def show_style() -> Response[bytes]:
    return Response(reference_page.style(), media_type="text/css")


def _json() -> Response[bytes]:
    return Response(msgspec.json.encode(document()), media_type="application/json", headers={"Vary": "Accept"})


ROUTES = (show_schema, show_document, show_style)
