"""Who opened a Mini App, as Telegram signed it for one of our bots.

https://core.telegram.org/bots/webapps#validating-data-received-via-the-mini-app
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import msgspec

from adapters.telegram import strict_json, wire
from adapters.telegram.language import language_of
from domain.errors import Unauthenticated
from domain.ids import BotName, UserId

GOOD_FOR = timedelta(seconds=86_400)
CLOCKS_DIFFER_BY = timedelta(seconds=60)
LONGEST = 8192
MOST_FIELDS = 32

_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SECONDS = re.compile(r"[1-9][0-9]{0,10}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class InitData:
    user_id: UserId
    bot: BotName
    language: str


def verify_init_data(init_data: str, tokens: Mapping[BotName, str], now: datetime) -> InitData:
    """Who it was, and through which of our bots. Raises Unauthenticated for anything else than Telegram's own word,
    or where that is more than a day old."""
    fields = _fields(init_data)
    signed = fields.pop("hash", "")
    bot = _signer(fields, signed, tokens)
    _check_age(fields.get("auth_date", ""), now)
    return _user(fields.get("user", ""), bot)


def _fields(init_data: str) -> dict[str, str]:
    if len(init_data) > LONGEST:
        raise Unauthenticated("The init data is too long.")
    try:
        pairs = parse_qsl(
            init_data, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=MOST_FIELDS
        )
    except ValueError:
        raise Unauthenticated("The init data is malformed.") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Unauthenticated("The init data names a field twice.")
    return fields


def _signer(fields: Mapping[str, str], signed: str, tokens: Mapping[BotName, str]) -> BotName:
    if not _HASH.fullmatch(signed):
        raise Unauthenticated("The init data is not signed.")
    try:
        text = "\n".join(f"{name}={fields[name]}" for name in sorted(fields)).encode()
    except UnicodeEncodeError:
        raise Unauthenticated("The init data is malformed.") from None
    # All of them are tried, so that the time taken does not tell which one it was.
    signers = [name for name, token in tokens.items() if hmac.compare_digest(_hash(text, token), signed)]
    if not signers:
        raise Unauthenticated("The init data was not signed by Telegram for a bot of ours.")
    return signers[0]


def _hash(text: bytes, token: str) -> str:
    key = hmac.digest(b"WebAppData", token.encode(), hashlib.sha256)
    return hmac.new(key, text, hashlib.sha256).hexdigest()


def _check_age(auth_date: str, now: datetime) -> None:
    if not _SECONDS.fullmatch(auth_date):
        raise Unauthenticated("The init data does not say when it was made.")
    made_at = datetime.fromtimestamp(int(auth_date), UTC)
    if made_at > now + CLOCKS_DIFFER_BY:
        raise Unauthenticated("The init data is from the future.")
    if made_at + GOOD_FOR < now:
        raise Unauthenticated("The init data is more than a day old: open the app again.")


def _user(text: str, bot: BotName) -> InitData:
    try:
        document = strict_json.parse(text)
        user = msgspec.convert(document.value, wire.User)
    except ValueError:
        raise Unauthenticated("The init data names no user.") from None
    if document.doubled or user.is_bot:
        raise Unauthenticated("The init data names no user.")
    return InitData(user_id=UserId(user.id), bot=bot, language=language_of(user.language_code))
