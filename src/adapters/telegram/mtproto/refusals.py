"""What Telegram refuses over MTProto, as the Bot API would say it."""

from datetime import timedelta
from typing import Any, Final

from telethon import errors
from telethon.errors.rpcerrorlist import rpc_errors_dict

from adapters.telegram.bot_api import LONGEST_DESCRIPTION, LONGEST_RETRY, Refused

TOO_MANY_REQUESTS: Final = 429
SAID_BEFORE: Final = "RANDOM_ID_DUPLICATE"
NO_SUCH_LOGIN: Final = ("AUTH_KEY_UNREGISTERED", "AUTH_KEY_DUPLICATED", "SESSION_REVOKED", "SESSION_EXPIRED")
"""A login by which nothing can be asked any more."""
_NAMES: Final = {kind: name for name, kind in rpc_errors_dict.items()}


def name_of(error: Any) -> str:
    """By Telegram's own name for it; Telethon has words for many."""
    return str(_NAMES.get(type(error), "") or error.message or type(error).__name__)


def refused(error: errors.RPCError) -> Refused:
    if isinstance(error, errors.FloodError) or hasattr(error, "seconds"):
        seconds = max(1, int(getattr(error, "seconds", 1)))
        return Refused(TOO_MANY_REQUESTS, "FLOOD_WAIT", min(timedelta(seconds=seconds), LONGEST_RETRY))
    return Refused(int(error.code or 500), name_of(error)[:LONGEST_DESCRIPTION])
