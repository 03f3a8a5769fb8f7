"""The signed initData with which Telegram opens a Mini App.

Source: https://core.telegram.org/bots/webapps#validating-data-received-via-the-mini-app
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec

from entrypoints.sandbox.people import Bot, User


def signed_init_data(
    user: User,
    bot: Bot,
    *,
    auth_date: int | None = None,
    start_param: str | None = None,
    extra: Mapping[str, str] | None = None,
) -> str:
    """A query string whose `hash` is keyed with the bot's token. `auth_date` is Unix time, now by default."""
    about = {name: value for name, value in user.wire().items() if name != "is_bot"} | {"allows_write_to_pm": True}
    fields = {
        "query_id": "AA" + secrets.token_urlsafe(16),
        "user": msgspec.json.encode(about).decode(),
        "auth_date": str(int(time.time()) if auth_date is None else auth_date),
        "signature": secrets.token_urlsafe(64),
    }
    if start_param is not None:
        fields["start_param"] = start_param
    fields |= extra or {}
    lines = "\n".join(f"{name}={value}" for name, value in sorted(fields.items()))
    key = hmac.new(b"WebAppData", bot.token.encode(), hashlib.sha256).digest()
    return urlencode(fields | {"hash": hmac.new(key, lines.encode(), hashlib.sha256).hexdigest()})
