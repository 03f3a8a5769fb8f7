"""What EVENT_WEBHOOKS_JSON may say: where events are pushed to, and with which secrets."""

import ipaddress
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

import msgspec

from adapters.webhooks.addresses import is_public
from adapters.webhooks.signing import secret_of
from application.ports.pushes import Endpoint
from domain.notices import NoticeType
from entrypoints.setting_values import json_of

MOST: Final = 20
"""Each has two threads in each process."""
MOST_SECRETS: Final = 5
LONGEST_URL: Final = 2048
_SHAPE: Final = 'must be a JSON list, [{"url": "https://…", "secret": "whsec_…", "types": ["entitlement.granted"]}]'


class _Given(msgspec.Struct, forbid_unknown_fields=True):
    url: str
    secret: str | list[str]
    types: list[str] | None = None


def event_webhooks(text: str) -> tuple[Endpoint, ...]:
    """Raises ValueError, which repeats neither addresses nor secrets."""
    given = json_of(list[_Given], text, _SHAPE)
    if len(given) > MOST:
        raise ValueError(f"names more than {MOST} endpoints")
    endpoints = []
    for number, one in enumerate(given, 1):
        try:
            endpoints.append(_endpoint(one))
        except ValueError as problem:
            raise ValueError(f"of endpoint {number}, {problem}") from None
    if len({endpoint.id for endpoint in endpoints}) != len(endpoints):
        raise ValueError("names one url twice; give it several types, or several secrets, instead")
    return tuple(endpoints)


def not_allowed(endpoints: Sequence[Endpoint]) -> Iterator[str]:
    """What is wrong with them where private addresses are not allowed; names are looked up when they are called."""
    for number, endpoint in enumerate(endpoints, 1):
        parts = urlsplit(endpoint.url)
        if parts.scheme != "https":
            yield f"of endpoint {number}, the url must be https://, unless EVENT_WEBHOOKS_ALLOW_PRIVATE=true"
        elif _is_private(parts.hostname or ""):
            yield f"of endpoint {number}, the url's address is not public; see EVENT_WEBHOOKS_ALLOW_PRIVATE"


def shown(endpoint: Endpoint) -> str:
    """Its address without what may be secret in it."""
    parts = urlsplit(endpoint.url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def _endpoint(given: _Given) -> Endpoint:
    url = _url(given.url)
    secrets = given.secret if isinstance(given.secret, list) else given.secret.split()
    if not 1 <= len(secrets) <= MOST_SECRETS:
        raise ValueError(f"the secret is one, or a list of up to {MOST_SECRETS} while it is changed")
    types = None if given.types is None else frozenset(_type(name) for name in given.types)
    if types == frozenset():
        raise ValueError("types is empty; leave it out to get all")
    return Endpoint(
        id=f"ep_{sha256(url.encode()).hexdigest()[:12]}",
        url=url,
        secrets=tuple(secret_of(secret) for secret in secrets),
        types=types,
    )


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        good = (
            len(text) <= LONGEST_URL
            and text.isascii()
            and text.isprintable()
            and " " not in text
            and parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and "@" not in parts.netloc
            and "#" not in text
            and parts.port != 0
        )
    except ValueError:
        good = False
    if not good:
        raise ValueError("the url must be an https:// address in ASCII, without user and fragment")
    return text


def _type(name: str) -> NoticeType:
    try:
        return NoticeType(name)
    except ValueError:
        raise ValueError(f"types may name {', '.join(NoticeType)}") from None


def _is_private(host: str) -> bool:
    try:
        return not is_public(ipaddress.ip_address(host))
    except ValueError:
        return False
