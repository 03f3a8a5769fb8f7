"""Idempotency keys: the same call again gets the answer of the first.

Source: https://docs.stripe.com/api/idempotent_requests
"""

from dataclasses import dataclass, field
from typing import Any

from entrypoints.sandbox.people import Json
from entrypoints.sandbox.stripe.refusal import Refused

LONGEST_KEY = 255


@dataclass(slots=True, kw_only=True)
class Kept:
    address: str
    values: Json
    request_id: str
    status: int | None = None
    """None while the first is still under way."""
    answer: Any = None


@dataclass(slots=True)
class IdempotencyKeys:
    """Of both modes. A real key lives 24 hours and more, which is longer than any sandbox."""

    kept: dict[tuple[bool, str], Kept] = field(default_factory=dict)

    def begin(self, livemode: bool, key: str, address: str, values: Json, request_id: str) -> Kept | None:
        """The stored answer, or None where this call is the first with its key."""
        if len(key) > LONGEST_KEY:
            raise Refused(f"Idempotency keys are at most {LONGEST_KEY} characters long.", kind="idempotency_error")
        before = self.kept.get((livemode, key))
        if before is None:
            self.kept[livemode, key] = Kept(address=address, values=values, request_id=request_id)
            return None
        if before.address != address:
            raise Refused(
                "Keys for idempotent requests can only be used for the same endpoint they were first used for "
                f"('{before.address}' vs '{address}'). Try using a key other than '{key}' if you meant to execute a "
                "different request.",
                kind="idempotency_error",
            )
        if before.values != values:
            raise Refused(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. "
                f"Try using a key other than '{key}' if you meant to execute a different request.",
                kind="idempotency_error",
            )
        if before.status is None:
            raise Refused(
                "There is currently another in-progress request using this Idempotent Key (that probably means you "
                "submitted twice, and the other request is still going through): "
                f"{key}. Please try again later.",
                status=409,
                code="idempotency_key_in_use",
            )
        return before

    def finish(self, livemode: bool, key: str, status: int, answer: Any) -> None:
        kept = self.kept[livemode, key]
        kept.status, kept.answer = status, answer

    def forget(self, livemode: bool, key: str) -> None:
        """Nothing was begun, so the key is free."""
        kept = self.kept.get((livemode, key))
        if kept is not None and kept.status is None:
            del self.kept[livemode, key]
