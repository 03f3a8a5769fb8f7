"""The API's reference as one page without scripts: what can be called, by whom, with what, and what comes back."""

import json
import re
from collections.abc import Iterator, Mapping
from html import escape
from importlib.resources import files
from typing import Any

Schema = Mapping[str, Any]
Schemas = Mapping[str, Schema]

DEEPEST = 3
"""Objects in objects are shown that far down."""
_EXAMPLES = {"user_id": "1001", "feature": "signals", "bot": "main", "plan_code": "gold_1m"}
_WORDS_OF_LENGTH = re.compile(r"\^(\[[^\]]+\])\{(\d+),(\d+)\}(?:\(\?!\\n\))?\$")
_KINDS = {"integer": "whole number", "string": "text", "boolean": "true or false", "null": "null"}


def render(document: Mapping[str, Any]) -> bytes:
    """The page for an OpenAPI document of ours."""
    info, schemas = document["info"], document["components"]["schemas"]
    groups: dict[str, list[str]] = {}
    links: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            group = operation["tags"][0]
            groups.setdefault(group, []).append("".join(_operation(method, path, operation, schemas)))
            links.setdefault(group, []).append(
                f'<li><a href="#{operation["operationId"]}">{escape(operation["summary"])}</a></li>'
            )
    sections = "".join(
        f"<section><h2>{escape(group)}</h2>{''.join(operations)}</section>" for group, operations in groups.items()
    )
    contents = "".join(f"<h2>{escape(group)}</h2><ul>{''.join(found)}</ul>" for group, found in links.items())
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(info["title"])} API</title>
<link rel="stylesheet" href="/schema/reference.css">
</head>
<body>
<header>
<p class="brand">{escape(info["title"])} <span>{escape(info["version"])}</span></p>
<h1>API reference</h1>
<p>{escape(info["description"])}</p>
<p>In the examples <code>$SERVICE</code> is this service's address and <code>$TOKEN</code> a token;
<code>tollgram token --user 1001 --scope entitlements:read</code> prints one.
For programs: <a href="/schema/openapi.json">openapi.json</a>.</p>
<details><summary>What an error looks like</summary>
<p>Every error is <code>application/problem+json</code>. Go by <code>code</code>, which never changes.</p>
{_shape("Error", schemas["Problem"], schemas)}</details>
</header>
<nav aria-label="Operations">{contents}</nav>
<main>{sections}</main>
</body>
</html>
""".encode()


def style() -> bytes:
    """The colours and sizes that all pages share, and what is this page's own."""
    tokens = files("entrypoints").joinpath("looks/tokens.css").read_bytes()
    return tokens + files("entrypoints.http").joinpath("reference.css").read_bytes()


def _operation(method: str, path: str, operation: Mapping[str, Any], schemas: Schemas) -> Iterator[str]:
    yield f'<article id="{operation["operationId"]}"><h3>{escape(operation["summary"])}</h3>'
    yield f'<p class="call"><span>{method.upper()}</span> <code>{_breakable(path)}</code></p>'
    yield f"<p>{_who(operation)}</p>"
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if example := _example(method, path, operation, _resolved(body, schemas) if body else None):
        yield f'<pre tabindex="0" aria-label="Example"><code>{escape(example)}</code></pre>'
    if operation["parameters"]:
        yield _table(
            "Parameters",
            {parameter["name"]: parameter["schema"] for parameter in operation["parameters"]},
            {parameter["name"] for parameter in operation["parameters"] if parameter["required"]},
            schemas,
        )
    if body:
        yield _shape("Body", body, schemas)
    answers = []
    for status, answer in operation["responses"].items():
        answers.append(f"<dt>{status}</dt><dd>{_codes(answer['description'])}</dd>")
        if status.startswith("2"):
            for content in answer["content"].values():
                yield _shape("Answer", content["schema"], schemas)
    yield f"<dl>{''.join(answers)}</dl></article>"


def _who(operation: Mapping[str, Any]) -> str:
    if scope := operation.get("description"):
        return f"A service's token. {_codes(scope)}"
    schemes = {name for choice in operation["security"] for name in choice}
    if "telegram" in schemes:
        return "Telegram, with <code>X-Telegram-Bot-Api-Secret-Token</code>."
    if "stripe" in schemes:
        return "Stripe, with <code>Stripe-Signature</code>."
    if schemes:
        return "The user's token (<code>Bearer</code>) or a Mini App's init data (<code>tma</code>)."
    return "Anybody; no token is needed."


def _example(method: str, path: str, operation: Mapping[str, Any], body: Schema | None) -> str:
    """A command that can be pasted; empty where only Telegram calls."""
    schemes = {name for choice in operation["security"] for name in choice}
    if "telegram" in schemes:
        return ""
    lines = ["curl"]
    if schemes:
        lines.append('-H "Authorization: Bearer $TOKEN"')
    if method != "get":
        lines.append("-H 'Content-Type: application/json'")
        fields = {name: _EXAMPLES.get(name, "") for name in (body or {}).get("required", ())}
        lines.append(f"-d '{json.dumps(fields)}'")
    for name, value in _EXAMPLES.items():
        path = path.replace(f"{{{name}}}", value)
    return " \\\n  ".join([*lines, f'"$SERVICE{path}"']) if len(lines) > 1 else f'curl "$SERVICE{path}"'


def _shape(title: str, schema: Schema, schemas: Schemas) -> str:
    found = _resolved(schema, schemas)
    properties = found.get("properties")
    return _table(title, properties, set(found.get("required", ())), schemas) if properties else ""


def _table(title: str, fields: Mapping[str, Any], required: set[str], schemas: Schemas) -> str:
    return f"<table><caption>{title}</caption><tbody>{''.join(_rows(fields, required, schemas, 0))}</tbody></table>"


def _rows(fields: Mapping[str, Any], required: set[str], schemas: Schemas, depth: int) -> Iterator[str]:
    for name, schema in fields.items():
        yield (
            f'<tr class="in{depth}"><th scope="row"><code>{escape(name)}</code></th><td>{_type(name, schema, schemas)}'
            f"{_optional(schema) if name not in required else ''}</td></tr>"
        )
        inner = _resolved(_resolved(schema, schemas).get("items", schema), schemas)
        if "properties" in inner and depth < DEEPEST:
            yield from _rows(inner["properties"], set(inner.get("required", ())), schemas, depth + 1)


def _optional(schema: Schema) -> str:
    default = schema.get("default")
    if default in (None, [], {}):
        return " <em>may be left out</em>"
    return f" <em>may be left out: {escape(str(default))}</em>"


def _type(name: str, schema: Schema, schemas: Schemas) -> str:
    if choices := schema.get("anyOf"):
        return " or ".join(_type(name, choice, schemas) for choice in choices)
    if values := schema.get("enum"):
        return " or ".join(f"<code>{escape(str(value))}</code>" for value in values)
    found = _resolved(schema, schemas)
    if found.get("type") == "array":
        inner = _resolved(found["items"], schemas)
        return "list, each with" if "properties" in inner else f"list of {_type('', inner, schemas)}s"
    if found.get("type") == "object":
        return "object with" if "properties" in found else "object of names and numbers"
    if found.get("type") == "string" and (found.get("format") == "date-time" or name.endswith("_at")):
        return "time, RFC 3339"
    return _KINDS.get(str(found.get("type")), "text") + _limits(found)


def _limits(schema: Schema) -> str:
    if known := _WORDS_OF_LENGTH.fullmatch(schema.get("pattern", "")):
        return f", {known[2]} to {known[3]} of <code>{escape(known[1])}</code>"
    if "pattern" in schema:
        return f" <code>{escape(schema['pattern'])}</code>"
    if "minimum" in schema and "maximum" in schema:
        return f", {schema['minimum']} to {schema['maximum']}"
    if "minLength" in schema and "maxLength" in schema:
        return f", {schema['minLength']} to {schema['maxLength']} characters"
    return ""


def _resolved(schema: Schema, schemas: Schemas) -> Schema:
    reference = schema.get("$ref")
    return schemas[reference.rpartition("/")[2]] if reference else schema


def _breakable(path: str) -> str:
    """A long address breaks after a slash."""
    return escape(path).replace("/", "/<wbr>")


def _codes(text: str) -> str:
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))
