"""What we write on everything that we have Stripe make, and how we know it again."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from domain.ids import MAX_USER_ID, BotName, UserId
from domain.invoice import Invoice

MARK = "1"
"""The value of `tollgram` in the metadata."""
_USER = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)
_BOT = re.compile(r"[a-z0-9_]{1,32}", re.ASCII)
_PAYLOAD = re.compile(r"[!-~]{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    bot: BotName
    payer: UserId
    payload: str


def written(invoice: Invoice, payload: str) -> dict[str, str]:
    """The metadata of a payment of ours."""
    return {
        "tollgram": MARK,
        "invoice_id": invoice.id,
        "user_id": str(invoice.payer),
        "plan_code": invoice.offer.plan_code,
        "bot": invoice.bot,
        "payload": payload,
    }


def read(metadata: Mapping[str, str]) -> Mark | None:
    """None where it is not ours, or was changed until nobody can say whose it is."""
    if metadata.get("tollgram") != MARK:
        return None
    bot, user, payload = (metadata.get(name, "") for name in ("bot", "user_id", "payload"))
    if not (_BOT.fullmatch(bot) and _USER.fullmatch(user) and int(user) <= MAX_USER_ID and _PAYLOAD.fullmatch(payload)):
        return None
    return Mark(bot=BotName(bot), payer=UserId(int(user)), payload=payload)
