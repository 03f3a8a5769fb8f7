"""The one call of the Bot API that may stand in the answer to a webhook, which saves a round trip.

Built from our own words and an id that is nothing but digits: what came in never goes out again.
"""

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from adapters.telegram.texts import Texts
from application.chat import Toast
from domain.invoice import Objection

NO_CALL = b"{}"

_QUERY_ID = re.compile(r"-?[0-9]{1,20}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Replies:
    texts: Texts

    def pre_checkout(self, query_id: str, objection: Objection | None, language: str) -> bytes:
        """Yes, or no with the reason in words. Raises ValueError for an id that Telegram never gave."""
        answer: dict[str, Any] = {
            "method": "answerPreCheckoutQuery",
            "pre_checkout_query_id": _checked(query_id),
            "ok": objection is None,
        }
        if objection is not None:
            answer["error_message"] = self.texts.refusal(objection, language)
        return msgspec.json.encode(answer)

    def callback(self, query_id: str, toast: Toast, language: str) -> bytes:
        """Ends the waiting of whoever pressed the button. Raises ValueError for an id that Telegram never gave."""
        answer: dict[str, Any] = {"method": "answerCallbackQuery", "callback_query_id": _checked(query_id)}
        text, alert = self.texts.toast(toast, language)
        if text:
            answer |= {"text": text, "show_alert": alert}
        return msgspec.json.encode(answer)


def _checked(query_id: str) -> str:
    if not _QUERY_ID.fullmatch(query_id):
        raise ValueError("a query's id is digits, with or without a minus")
    return query_id
