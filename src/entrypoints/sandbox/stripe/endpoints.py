"""Webhook endpoints: where events are sent, and what signs them."""

import re
import time
from collections.abc import Sequence

from entrypoints.sandbox.people import Json
from entrypoints.sandbox.stripe.books import Books
from entrypoints.sandbox.stripe.ids import API_VERSION, new_id, webhook_secret
from entrypoints.sandbox.stripe.listing import listed
from entrypoints.sandbox.stripe.parameters import Parameters
from entrypoints.sandbox.stripe.refusal import Refused, missing_parameter

MOST_ENDPOINTS = 16
_EVENT_TYPE = re.compile(r"\*|[a-z0-9_]+(\.[a-z0-9_]+)+")
_SECRETS = "_secrets"
"""Kept beside the object's own fields, and never shown after its creation."""


def add(
    books: Books,
    url: str,
    *,
    enabled_events: Sequence[str] = ("*",),
    secrets: Sequence[str] = (),
    description: str | None = None,
    metadata: dict[str, str] | None = None,
) -> Json:
    return books.put(
        {
            "id": new_id("we_1", 23),
            "object": "webhook_endpoint",
            "api_version": API_VERSION,
            "application": None,
            "created": int(time.time()),
            "description": description,
            "enabled_events": list(enabled_events),
            "livemode": books.livemode,
            "metadata": metadata or {},
            "status": "enabled",
            "url": url,
            _SECRETS: list(secrets) or [webhook_secret()],
        }
    )


def move(endpoint: Json, url: str, enabled_events: Sequence[str], secrets: Sequence[str]) -> None:
    """Whatever is on its way to it goes to the new place; without secrets it keeps its own."""
    endpoint["url"] = url
    endpoint["enabled_events"] = list(enabled_events)
    endpoint["status"] = "enabled"
    if secrets:
        endpoint[_SECRETS] = list(secrets)


def remove(books: Books, endpoint: Json) -> None:
    endpoint["status"] = "disabled"
    del books.by_kind["webhook_endpoint"][endpoint["id"]]


def shown(endpoint: Json) -> Json:
    return {name: value for name, value in endpoint.items() if name != _SECRETS}


def secrets_of(endpoint: Json) -> list[str]:
    return list(endpoint[_SECRETS])


def wants(endpoint: Json, event_type: str) -> bool:
    enabled = endpoint["enabled_events"]
    return endpoint["status"] == "enabled" and ("*" in enabled or event_type in enabled)


def create(books: Books, parameters: Parameters, _: str) -> Json:
    parameters.only(("url", "enabled_events", "description", "metadata", "api_version", "connect"))
    url = parameters.url("url")
    if url is None:
        raise missing_parameter("url")
    if not (events := parameters.texts("enabled_events")):
        raise missing_parameter("enabled_events")
    _check_types(events)
    if len(books.by_kind["webhook_endpoint"]) >= MOST_ENDPOINTS:
        raise Refused(f"You have reached the maximum of {MOST_ENDPOINTS} {_mode(books)} webhook endpoints.")
    endpoint = add(
        books,
        url,
        enabled_events=events,
        description=parameters.text("description"),
        metadata=parameters.metadata(),
    )
    return shown(endpoint) | {"secret": secrets_of(endpoint)[0]}


def update(books: Books, parameters: Parameters, identifier: str) -> Json:
    parameters.only(("url", "enabled_events", "description", "metadata", "disabled"))
    endpoint = books.named("webhook_endpoint", identifier)
    url, events, disabled = parameters.url("url"), parameters.texts("enabled_events"), parameters.text("disabled")
    _check_types(events)
    if url is not None:
        endpoint["url"] = url
    if events:
        endpoint["enabled_events"] = events
    if disabled is not None:
        endpoint["status"] = "disabled" if disabled == "true" else "enabled"
    return shown(endpoint)


def retrieve(books: Books, parameters: Parameters, identifier: str) -> Json:
    parameters.only(())
    return shown(books.named("webhook_endpoint", identifier))


def list_all(books: Books, parameters: Parameters, _: str) -> Json:
    return listed([shown(one) for one in books.all("webhook_endpoint")], parameters, "/v1/webhook_endpoints")


def delete(books: Books, parameters: Parameters, identifier: str) -> Json:
    parameters.only(())
    remove(books, books.named("webhook_endpoint", identifier))
    return {"id": identifier, "object": "webhook_endpoint", "deleted": True}


def _check_types(types: list[str]) -> None:
    for index, one in enumerate(types):
        if _EVENT_TYPE.fullmatch(one) is None:
            raise Refused(f"Invalid enabled_events[{index}]: {one} is no event type", param=f"enabled_events[{index}]")


def _mode(books: Books) -> str:
    return "live" if books.livemode else "test"
