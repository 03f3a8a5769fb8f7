"""Looks at the endpoints that events are pushed to: how they stand, and whether their addresses may be called."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from adapters.sql.work import SqlUnitOfWork
from adapters.webhooks.addresses import AddressRefused, resolve
from application.ports.pushes import Endpoint, EndpointState
from domain.errors import Unavailable
from entrypoints.event_webhooks import shown
from entrypoints.examination.findings import Finding, Verdict
from entrypoints.settings import Settings

HTTPS, HTTP = 443, 80


def examine_endpoints(settings: Settings, work: SqlUnitOfWork) -> Iterator[Finding]:
    """Nothing is pushed."""
    for endpoint in settings.event_endpoints:
        subject = f"events {endpoint.id}"
        if problem := _address(endpoint, private_allowed=settings.event_private_allowed):
            yield Finding(Verdict.WRONG, subject, f"{shown(endpoint)} can't be called: {problem}", _IS_IT_RIGHT)
            continue
        try:
            with work.look() as tx:
                state, given_up = tx.pushes.of(endpoint.id), tx.pushes.given_up(endpoint.id)
        except Unavailable:
            continue  # the database is told of elsewhere
        yield from _standing(endpoint, subject, state, given_up)


def _standing(endpoint: Endpoint, subject: str, state: EndpointState | None, given_up: int) -> Iterator[Finding]:
    where = shown(endpoint)
    if state and state.disabled_at:
        yield Finding(
            Verdict.WRONG,
            subject,
            f"{where} gets nothing since {state.disabled_at:%Y-%m-%d %H:%M:%S} UTC: {state.problem}",
            f"Once it works: tollgram events enable {endpoint.id}",
        )
    elif state and state.failing_since:
        yield Finding(
            Verdict.WARNING,
            subject,
            f"{where} takes nothing since {state.failing_since:%Y-%m-%d %H:%M:%S} UTC: {state.problem}",
            "Is it running? After three days of this it is disabled.",
        )
    else:
        yield Finding(Verdict.GOOD, subject, f"events are pushed to {where}")
    if given_up:
        yield Finding(
            Verdict.WARNING,
            subject,
            f"{where} refused {given_up} events for three days each",
            f"Once it takes them: tollgram events replay {endpoint.id} --after NUMBER",
        )


def _address(endpoint: Endpoint, *, private_allowed: bool) -> str:
    parts = urlsplit(endpoint.url)
    try:
        port = parts.port or (HTTPS if parts.scheme == "https" else HTTP)
        resolve(parts.hostname or "", port, private_allowed=private_allowed)
    except AddressRefused as refused:
        return str(refused)
    except OSError:
        return "its host is not known"
    return ""


_IS_IT_RIGHT = "Is EVENT_WEBHOOKS_JSON right? Addresses in your own network need EVENT_WEBHOOKS_ALLOW_PRIVATE=true."
