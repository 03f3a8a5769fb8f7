"""How we know that an event comes from Stripe. Its body is read only once its signature was found good.

    Stripe-Signature: t=<seconds>,v1=<hex>[,v1=<hex>…]      the HMAC-SHA256 of "<seconds>.<body>"

Several `v1` come while a secret is rolled (https://docs.stripe.com/webhooks#verify-manually). Stripe's own library
asks only whether a signature is too old; we also refuse one from the future, which could be kept to be sent later.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NoReturn

from application.ports.checkout import StripeEvent
from domain.errors import InvalidRequest, TooLarge

TOLERANCE_S = 300
MAX_BODY_BYTES = 1 << 20
MAX_HEADER_CHARACTERS = 4096

_TIME = re.compile(r"[0-9]{1,12}", re.ASCII)
_SIGNATURE = re.compile(r"[0-9a-f]{64}", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9_]{1,255}", re.ASCII)
_TYPE = re.compile(r"[A-Za-z0-9_.]{1,100}", re.ASCII)


class BadSignature(InvalidRequest):
    """It was not signed by a secret of ours, or not just now."""


class NotAnEvent(InvalidRequest):
    """Signed, but no event as Stripe sends them."""


def verify_event(body: bytes, header: str | None, secrets: Sequence[str], now: datetime) -> StripeEvent:
    """The event, of which only ids and type are read. Raises BadSignature, NotAnEvent or TooLarge.

    An event about something that has no id (a balance) has an empty `object_id`.
    """
    if len(body) > MAX_BODY_BYTES:
        raise TooLarge(f"An event of more than {MAX_BODY_BYTES} bytes is not taken.")
    signed_at, signatures = _read(header)
    _verify(body, signed_at, signatures, secrets)
    if abs(now.timestamp() - signed_at) > TOLERANCE_S:
        raise BadSignature(f"The signature was not made within {TOLERANCE_S} s of now.")
    return read_event(body)


def _read(header: str | None) -> tuple[int, list[bytes]]:
    if not header:
        raise BadSignature("The header Stripe-Signature is missing.")
    if len(header) > MAX_HEADER_CHARACTERS:
        raise BadSignature("The header Stripe-Signature is too long.")
    items = [item.partition("=")[::2] for item in header.split(",")]
    times = [value for name, value in items if name == "t"]
    if len(times) != 1 or not _TIME.fullmatch(times[0]):
        raise BadSignature("The header Stripe-Signature names no time, or more than one.")
    signatures = [value.encode() for name, value in items if name == "v1" and _SIGNATURE.fullmatch(value)]
    if not signatures:
        raise BadSignature("The header Stripe-Signature has no signature of version v1.")
    return int(times[0]), signatures


def _verify(body: bytes, signed_at: int, signatures: Sequence[bytes], secrets: Sequence[str]) -> None:
    signed = f"{signed_at}.".encode() + body
    expected = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest().encode() for secret in secrets if secret]
    # Every pair is compared, so that the time taken tells nothing of which secret or signature was near.
    good = [hmac.compare_digest(ours, theirs) for ours in expected for theirs in signatures]
    if not any(good):
        raise BadSignature("The signature is not one of Stripe's for this body.")


def read_event(body: bytes) -> StripeEvent:
    """Only of a body whose signature was found good, now or when it was kept. Raises NotAnEvent."""
    event = _object(body)
    id, type_, live, data = event.get("id"), event.get("type"), event.get("livemode"), event.get("data")
    if not (isinstance(id, str) and _ID.fullmatch(id)):
        raise NotAnEvent("The event has no id.")
    if not (isinstance(type_, str) and _TYPE.fullmatch(type_)):
        raise NotAnEvent("The event has no type.")
    if not isinstance(live, bool):
        raise NotAnEvent("The event does not say whether it is live.")
    changed = data.get("object") if isinstance(data, dict) else None
    if not isinstance(changed, dict):
        raise NotAnEvent("The event does not say what it is about.")
    object_id = changed.get("id", "")
    if not (object_id == "" or (isinstance(object_id, str) and _ID.fullmatch(object_id))):
        raise NotAnEvent("The event is about something whose id is none.")
    return StripeEvent(id=id, type=type_, live=live, object_id=object_id, body=body)


def _object(body: bytes) -> dict[str, Any]:
    try:
        # Decoded here: json.loads would take UTF-16 too.
        value = _ONCE.decode(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise NotAnEvent("The body is no JSON, or has a key twice.") from None
    if not isinstance(value, dict):
        raise NotAnEvent("The body is no JSON object.")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    collected = dict(pairs)
    if len(collected) != len(pairs):
        raise ValueError("a key twice")
    return collected


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


_ONCE: Final = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_refuse)
"""Made once: json.loads would make one for each call."""
