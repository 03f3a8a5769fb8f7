"""The API's reference as one page without scripts: what can be called, by whom, with what, and what comes back."""

from collections.abc import Iterator, Mapping
from html import escape
from importlib.resources import files
from typing import Any

Schemas = Mapping[str, Mapping[str, Any]]


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
                f'<a href="#{operation["operationId"]}">{escape(operation["summary"])}</a>'
            )
    sections = "".join(
        f"<section><h2>{escape(group)}</h2>{''.join(operations)}</section>" for group, operations in groups.items()
    )
    contents = "".join(f"<h2>{escape(group)}</h2>{''.join(found)}" for group, found in links.items())
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(info["title"])} API</title>
<link rel="stylesheet" href="/schema/reference.css">
</head>
<body>
<nav aria-label="Operations">
<p class="brand">{escape(info["title"])} <span>{escape(info["version"])}</span></p>{contents}
</nav>
<main>
<h1>API reference</h1>
<p>{escape(info["description"])}</p>
<p>Errors are <code>application/problem+json</code> with a stable <code>code</code>.
For programs: <a href="/schema/openapi.json">openapi.json</a>.</p>
{sections}
</main>
</body>
</html>
""".encode()


def style() -> bytes:
    return files("entrypoints.http").joinpath("reference.css").read_bytes()


def _operation(method: str, path: str, operation: Mapping[str, Any], schemas: Schemas) -> Iterator[str]:
    yield f'<article id="{operation["operationId"]}"><h3>{escape(operation["summary"])}</h3>'
    yield f'<p class="call"><span class="{method}">{method.upper()}</span> <code>{escape(path)}</code></p>'
    yield f"<p>{_who(operation)}</p>"
    if operation["parameters"]:
        yield _table(
            "Parameters",
            {parameter["name"]: parameter["schema"] for parameter in operation["parameters"]},
            {parameter["name"] for parameter in operation["parameters"] if parameter["required"]},
            schemas,
        )
    if body := operation.get("requestBody"):
        yield _shape("Body", body["content"]["application/json"]["schema"], schemas)
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


def _shape(title: str, schema: Mapping[str, Any], schemas: Schemas) -> str:
    found = _resolved(schema, schemas)
    properties = found.get("properties")
    return _table(title, properties, set(found.get("required", ())), schemas) if properties else ""


def _table(title: str, fields: Mapping[str, Any], required: set[str], schemas: Schemas) -> str:
    rows = "".join(
        f"<tr><th scope='row'><code>{escape(name)}</code></th><td>{_type(schema, schemas)}"
        f"{'' if name in required else ' <em>may be left out</em>'}</td></tr>"
        for name, schema in fields.items()
    )
    return f"<table><caption>{title}</caption><tbody>{rows}</tbody></table>"


def _type(schema: Mapping[str, Any], schemas: Schemas) -> str:
    if choices := schema.get("anyOf"):
        return " or ".join(_type(choice, schemas) for choice in choices)
    if values := schema.get("enum"):
        return " or ".join(f"<code>{escape(str(value))}</code>" for value in values)
    found = _resolved(schema, schemas)
    if found.get("type") == "array":
        inner = _type(found["items"], schemas)
        fields = _resolved(found["items"], schemas).get("properties", {})
        return f"list of {inner}" + (f" with {_names(fields)}" if fields else "")
    if found.get("type") == "object" and "properties" in found:
        return "object"
    if found.get("type") == "object":
        return "object of names and numbers"
    kind = {"integer": "whole number", "string": "text", "boolean": "true or false", "null": "null"}
    named = {"date-time": "time, RFC 3339"}.get(str(found.get("format")), kind.get(str(found.get("type")), "text"))
    return named + (f" <code>{escape(found['pattern'])}</code>" if "pattern" in found else "") + _bounds(found)


def _bounds(schema: Mapping[str, Any]) -> str:
    if "minimum" in schema and "maximum" in schema:
        return f", {schema['minimum']} to {schema['maximum']}"
    return ""


def _names(fields: Mapping[str, Any]) -> str:
    return ", ".join(f"<code>{escape(name)}</code>" for name in fields)


def _resolved(schema: Mapping[str, Any], schemas: Schemas) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    return schemas[reference.rpartition("/")[2]] if reference else schema


def _codes(text: str) -> str:
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))
