"""What each kind of setting may say. Every function takes the text and raises ValueError, without repeating it."""

import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeGuard, TypeVar
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import msgspec

from domain.ids import BotName
from domain.money import EXPONENTS, STARS
from domain.passport import AUDIENCE, LIST_AUDIENCE
from domain.payload import MIN_KEY_BYTES

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Shape = TypeVar("Shape")

_BOT_NAME = re.compile(r"[a-z0-9_]{1,32}", re.ASCII)
_BOT_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{30,}", re.ASCII)
_WEBHOOK_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}", re.ASCII)
_API_HASH = re.compile(r"[0-9a-f]{32}", re.ASCII)
_HEADER_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_STRIPE_KEY = re.compile(r"[sr]k_(test|live)_[A-Za-z0-9_]{4,}", re.ASCII)
_STRIPE_SECRET = re.compile(r"whsec_[A-Za-z0-9+/=_-]{8,}", re.ASCII)


def database_url(text: str) -> str:
    scheme, _, rest = text.partition("://")
    if scheme not in ("sqlite", "postgresql", "postgres"):
        raise ValueError("must begin with sqlite:/// or postgresql://")
    if scheme == "sqlite":
        if not rest.startswith("/") or rest.strip("/") in ("", ":memory:"):
            raise ValueError("must name a file: sqlite:///path, or sqlite:////path from the root")
    elif any(_split(one) is None for one in _one_server_each(text)):
        raise ValueError(
            "must be postgresql://user@host:port/name, of several servers postgresql://user@host:port,host:port/name; "
            "special characters in a password as %XX"
        )
    return text


def _one_server_each(text: str) -> Iterator[str]:
    """The same address once for each of its servers; one that is not written out is none."""
    scheme, _, rest = text.partition("://")
    end = next((place for place, letter in enumerate(rest) if letter in "/?#"), len(rest))
    user, at, servers = rest[:end].rpartition("@")
    if "," not in servers:
        yield text
        return
    for server in servers.split(","):
        # A port of 0 is refused, as is a server without a name.
        yield f"{scheme}://{user}{at}{server if server.partition(':')[0] else 'nowhere:0'}{rest[end:]}"


def passwords(database_url: str) -> tuple[str, ...]:
    """As they are written and as they are meant."""
    parts = urlsplit(database_url)
    written = [parts.password or "", *(value for name, value in parse_qsl(parts.query) if name == "password")]
    return tuple(password for word in written for password in (word, unquote(word)))


def address(text: str) -> str:
    parts = _split(text)
    if not _is_web(parts) or parts.query or parts.fragment:
        raise ValueError("must be an http:// or https:// address without user, query and fragment")
    return text.rstrip("/")


def key_set(text: str) -> str:
    if "://" in text and not _is_web(_split(text)):
        raise ValueError("must be a path, or an http:// or https:// address without user")
    return text


def file(text: str) -> Path:
    if "://" in text:
        raise ValueError("must be the path of a file")
    return Path(text)


def audience(text: str) -> str:
    if text in (AUDIENCE, LIST_AUDIENCE):
        raise ValueError("must be another one than that of passports or of their revocations")
    return text


def _is_web(parts: SplitResult | None) -> TypeGuard[SplitResult]:
    return (
        parts is not None
        and parts.scheme in ("http", "https")
        and parts.hostname is not None
        and "@" not in parts.netloc
    )


def _split(text: str) -> SplitResult | None:
    """An address in its parts; None where it is none. What Python says of it would quote it."""
    try:
        parts = urlsplit(text)
        odd = " " in text or parts.port == 0
    except ValueError:
        return None
    return None if odd else parts


def host_and_port(text: str) -> str:
    parts = _split(f"tcp://{text}")
    if parts is None or not parts.hostname or parts.port is None or parts.netloc != text or "@" in text:
        raise ValueError("must be host:port")
    return text


def api_hash(text: str) -> str:
    if not _API_HASH.fullmatch(text):
        raise ValueError("is no api_hash; https://my.telegram.org gives them as 32 hexadecimal digits")
    return text


def bot_token(text: str) -> str | None:
    if not _BOT_TOKEN.fullmatch(text):
        raise ValueError("is no bot token; BotFather gives them as 123456:ABC…")
    return text


def bot_tokens(text: str) -> Mapping[BotName, str]:
    tokens = json_of(dict[str, str], text, 'must be a JSON object of bot names and tokens, {"main": "123456:ABC…"}')
    for name, token in tokens.items():
        if not _BOT_NAME.fullmatch(name):
            raise ValueError("bot names are 1-32 of a-z, 0-9 and _")
        bot_token(token)
    return {BotName(name): token for name, token in tokens.items()}


def webhook_secrets(text: str) -> tuple[str, ...]:
    secrets = _listed(text)
    if not all(_WEBHOOK_SECRET.fullmatch(secret) for secret in secrets):
        raise ValueError("each secret is 1-256 of A-Z, a-z, 0-9, _ and -")
    return secrets


def stripe_key(text: str) -> str:
    if not _STRIPE_KEY.fullmatch(text):
        raise ValueError("is no secret key of Stripe; they begin with sk_test_, sk_live_, rk_test_ or rk_live_")
    return text


def stripe_secrets(text: str) -> tuple[str, ...]:
    secrets = _listed(text)
    if not all(_STRIPE_SECRET.fullmatch(secret) for secret in secrets):
        raise ValueError("each is a signing secret of Stripe; they begin with whsec_")
    return secrets


def price_map(text: str) -> Mapping[str, str]:
    problem = 'must be a JSON object of plan codes and prices of Stripe, {"gold_1m": "price_…"}'
    return json_of(dict[str, str], text, problem)


def sums(text: str) -> Mapping[str, int]:
    """One for each currency, in its smallest unit."""
    problem = 'must be a JSON object of currencies and sums in their smallest unit, {"XTR": 5000, "GBP": 10000}'
    given = json_of(dict[str, int], text, problem)
    if any(currency not in EXPONENTS or amount < 0 for currency, amount in given.items()):
        raise ValueError(problem)
    return given


def json_of(shape: type[Shape], text: str, problem: str) -> Shape:
    """Where it has another shape, that is the problem. No name is there twice: the first would be dropped unsaid."""
    try:
        given = msgspec.json.decode(text, type=shape)
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise ValueError(problem) from None
    json.loads(text, object_pairs_hook=_once)
    return given


def _once(pairs: Sequence[tuple[str, object]]) -> None:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("holds one name twice")


def networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(network) for network in _listed(text))
    except ValueError:
        raise ValueError("must be networks like 149.154.160.0/20, comma separated") from None


def keys(text: str) -> tuple[str, ...]:
    return tuple(key(part) or "" for part in _listed(text))


def key(text: str) -> str | None:
    if len(text.encode()) < MIN_KEY_BYTES:
        raise ValueError(f"needs at least {MIN_KEY_BYTES} bytes")
    return text


def currency(text: str) -> str:
    if text not in EXPONENTS or text == STARS:
        raise ValueError("must be a currency's three letters, such as GBP")
    return text


def boolean(text: str) -> bool:
    known = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    if text.lower() not in known:
        raise ValueError("must be true or false")
    return known[text.lower()]


def whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) or not least <= int(text) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(text)

    return parse


def one_of(*known: str, fold: Callable[[str], str]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if fold(text) not in known:
            raise ValueError(f"must be one of {', '.join(known)}")
        return fold(text)

    return parse


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part for part in (part.strip() for part in text.split(",")) if part)


def http_headers(text: str) -> Mapping[str, str]:
    """As OpenTelemetry writes them: `name=value,name=value`, percent-encoded."""
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    headers = {name.strip().lower(): unquote(value.strip()) for name, _, value in pairs}
    if not all(_HEADER_NAME.fullmatch(name) and value.isprintable() and value for name, value in headers.items()):
        raise ValueError("must be name=value, comma separated")
    return headers
