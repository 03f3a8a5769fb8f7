"""Webhooks of Tollgram, verified after the Standard Webhooks specification, version 1.0.0.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from tollgram_client.answers import WebhookEvent
from tollgram_client.problems import WebhookRefused
from tollgram_client.reading import read

PREFIX: Final = "whsec_"
TOLERANCE_S: Final = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pushed:
    type: str
    timestamp: datetime
    sequence: int
    user_id: int
    data: Mapping[str, Any]


def verify_webhook(
    headers: Mapping[str, str],
    body: bytes,
    secrets: str | Sequence[str],
    *,
    tolerance_s: float = TOLERANCE_S,
    now: float | None = None,
) -> WebhookEvent:
    """The event in a request, by its raw body; signed with any of the secrets, at most `tolerance_s` ago or ahead.

    Raises WebhookRefused. `now` is in Unix seconds.
    """
    keys = [_key(secret) for secret in ([secrets] if isinstance(secrets, str) else secrets)]
    if not keys:
        raise ValueError("without a secret nothing can be verified")
    given = {name.lower(): value for name, value in headers.items()}
    id, timestamp = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
    if not id or not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 15:
        raise WebhookRefused("it does not say what it is, or when it was sent")
    content = b".".join((_bytes(id), timestamp.encode(), body))
    signatures = given.get("webhook-signature", "").split(" ")
    if not any(_signs(key, content, signature) for key in keys for signature in signatures):
        raise WebhookRefused("it is not signed by Tollgram")
    if abs((time.time() if now is None else now) - int(timestamp)) > tolerance_s:
        raise WebhookRefused("it is too old, or from the future")
    try:
        pushed = read(_Pushed, json.loads(body))
    except (ValueError, RecursionError):
        raise WebhookRefused("it is signed, but tells of no event") from None
    return WebhookEvent(
        id=id,
        sequence=pushed.sequence,
        type=pushed.type,
        user_id=pushed.user_id,
        data=pushed.data,
        at=pushed.timestamp,
    )


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not key:
        raise ValueError(f"a secret is {PREFIX} and base64")
    return key


def _signs(key: bytes, content: bytes, signature: str) -> bool:
    expected = "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    return hmac.compare_digest(expected.encode(), _bytes(signature))


def _bytes(text: str) -> bytes:
    """Also of what some servers make of bytes that are no text."""
    return text.encode("utf-8", "surrogateescape")
