"""A line of the ledger of Stars, as the Bot API tells it. https://core.telegram.org/bots/api#startransaction"""

from typing import Any, Final

from telethon.tl import types

_NOT_AN_INVOICE: Final = (
    "gift",
    "reaction",
    "stargift",
    "stargift_upgrade",
    "business_transfer",
    "posts_search",
    "extended_media",
    "paid_messages",
    "premium_gift_months",
    "floodskip_number",
    "starref_commission_permille",
)


def bot_api_transaction(line: Any) -> dict[str, Any]:
    """Money that went back has a receiver in place of a source, and bears the id of its charge."""
    stars = int(line.amount.amount)
    partner: dict[str, Any] = {"type": "other"}
    if isinstance(line.peer, types.StarsTransactionPeer) and isinstance(line.peer.peer, types.PeerUser):
        sold = not any(getattr(line, name) for name in _NOT_AN_INVOICE)
        partner = {
            "type": "user",
            "transaction_type": "invoice_payment" if sold else "other",
            "user": {"id": line.peer.peer.user_id, "is_bot": False},
        }
        if line.bot_payload is not None:
            partner["invoice_payload"] = line.bot_payload.decode("utf-8", "replace")
    return {
        "id": line.id,
        "amount": abs(stars),
        "date": int(line.date.timestamp()),
        ("receiver" if stars < 0 or line.refund else "source"): partner,
    }
