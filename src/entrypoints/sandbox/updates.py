"""Updates and what became of each attempt to deliver them."""

import secrets
import time
from dataclasses import dataclass, field
from typing import Any

import msgspec

from entrypoints.sandbox.people import Json

DAY_S = 24 * 3600.0
QUERY_LIFETIME_S = 150.0
QUERIES = frozenset({"callback_query", "inline_query", "shipping_query", "pre_checkout_query"})
KINDS = QUERIES | {
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "business_connection",
    "business_message",
    "edited_business_message",
    "deleted_business_messages",
    "message_reaction",
    "message_reaction_count",
    "chosen_inline_result",
    "purchased_paid_media",
    "poll",
    "poll_answer",
    "my_chat_member",
    "chat_member",
    "chat_join_request",
    "chat_boost",
    "removed_chat_boost",
    "subscription",
}
ONLY_WHEN_ASKED_FOR = frozenset({"chat_member", "message_reaction", "message_reaction_count"})


@dataclass(slots=True, kw_only=True)
class Attempt:
    at: float
    status: int | None = None
    """None: there was no answer."""
    body: str = ""
    error: str = ""
    duration_ms: float = 0.0
    why: str = "delivery"
    """delivery, copy, redelivery or injection."""
    retry_after: int = 0

    @property
    def succeeded(self) -> bool:
        return self.status is not None and 200 <= self.status <= 299 and not self.error

    def view(self) -> Json:
        return {
            "at": self.at,
            "status": self.status,
            "body": self.body,
            "error": self.error,
            "duration_ms": round(self.duration_ms, 1),
            "why": self.why,
        }


@dataclass(slots=True, kw_only=True)
class Update:
    """`state` is waiting, delivered, expired (its lifetime was over) or dropped (pending when a webhook was reset)."""

    number: int
    """Of this sandbox, over all bots, growing: a handle that stays unique where update ids start anew."""
    id: int
    bot_id: int
    kind: str
    raw: bytes
    queue: tuple[str, int]
    created_at: float
    expires_at: float
    user_id: int | None = None
    state: str = "waiting"
    attempts: list[Attempt] = field(default_factory=list)
    next_attempt_at: float | None = None

    def view(self) -> Json:
        body: Any
        try:
            body = msgspec.json.decode(self.raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            body = self.raw.decode("utf-8", "replace")
        return {
            "number": self.number,
            "update_id": self.id,
            "bot_id": self.bot_id,
            "kind": self.kind,
            "user_id": self.user_id,
            "state": self.state,
            "created_at": self.created_at,
            "next_attempt_at": self.next_attempt_at,
            "update": body,
            "attempts": [attempt.view() for attempt in self.attempts],
        }


class UpdateIds:
    """Grows by one, until it starts anew at a random number, as Telegram does after a quiet week."""

    def __init__(self) -> None:
        self._last = _anywhere()

    def next(self) -> int:
        self._last += 1
        return self._last

    def start_anew(self) -> None:
        self._last = _anywhere()


def lifetime_s(kind: str) -> float:
    return QUERY_LIFETIME_S if kind in QUERIES else DAY_S


def queue_of(kind: str, content: Json) -> tuple[str, int]:
    """Updates of one queue come in order, one at a time. Messages queue by chat, queries by user and kind.

    Source: Client::add_update in tdlib/telegram-bot-api.
    """
    chat = content.get("chat")
    if isinstance(chat, dict) and isinstance(chat.get("id"), int):
        return "chat", chat["id"]
    sender = content.get("from") or content.get("user")
    return kind, sender["id"] if isinstance(sender, dict) and isinstance(sender.get("id"), int) else 0


def user_of(content: Json) -> int | None:
    for name in ("from", "user", "sender_chat"):
        sender = content.get(name)
        if isinstance(sender, dict) and isinstance(sender.get("id"), int):
            return int(sender["id"])
    return None


def now() -> float:
    return time.time()


def _anywhere() -> int:
    return secrets.randbelow(800_000_000) + 100_000_000
