"""The keys that sign passports: a JWKS (RFC 7517) with private Ed25519 keys (RFC 8037), the first of which signs.

Two members are ours: `signs_from`, before which a key is published only, and `published_until`, from which on it is
no more. A key without them signs, and is published, always. So a file with both lets every process change keys at
the same moment, whenever it read the file.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, Self

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.errors import Unavailable

MAX_KEYS: Final = 16
MAX_KEY_ID: Final = 128
KEPT_BY_OTHERS: Final = timedelta(minutes=5)
"""How long whoever checks passports may keep our public keys before looking again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassportKey:
    """`public` is the JWK that everybody may see."""

    id: str
    private: Ed25519PrivateKey = field(repr=False)
    signs_from: datetime | None = None
    published_until: datetime | None = None

    @classmethod
    def new(cls, private: Ed25519PrivateKey) -> Self:
        """Named by its thumbprint (RFC 7638)."""
        return cls(id=_thumbprint(_text(private.public_key().public_bytes_raw())), private=private)

    @property
    def public(self) -> Mapping[str, str]:
        x = _text(self.private.public_key().public_bytes_raw())
        return {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": self.id, "use": "sig", "alg": "EdDSA"}

    def waits(self, now: datetime) -> bool:
        """Whether it is published ahead of its time."""
        return self.signs_from is not None and now < self.signs_from

    def published(self, now: datetime) -> bool:
        return self.published_until is None or now < self.published_until


@dataclass(frozen=True, slots=True)
class PassportKeySet:
    keys: tuple[PassportKey, ...]

    @classmethod
    def read(cls, text: bytes) -> Self:
        """Raises ValueError, which never quotes the text."""
        try:
            written = msgspec.json.decode(text, type=_WrittenKeys).keys
        except (msgspec.DecodeError, msgspec.ValidationError, RecursionError):
            raise ValueError("is no JWKS with private Ed25519 keys") from None
        if not 0 < len(written) <= MAX_KEYS:
            raise ValueError(f"holds {len(written)} keys; it must be 1 to {MAX_KEYS}")
        keys = tuple(_key(number, one) for number, one in enumerate(written, 1))
        if len({key.id for key in keys}) != len(keys):
            raise ValueError("holds two keys of the same kid")
        return cls(keys)

    def written(self) -> bytes:
        """As `read` reads it, with the private parts."""
        keys = [
            {
                **key.public,
                "d": _text(key.private.private_bytes_raw()),
                **({"signs_from": key.signs_from} if key.signs_from else {}),
                **({"published_until": key.published_until} if key.published_until else {}),
            }
            for key in self.keys
        ]
        return msgspec.json.format(msgspec.json.encode({"keys": keys}), indent=2) + b"\n"

    def signing(self, now: datetime) -> PassportKey:
        """The first that may sign. Raises Unavailable where none may."""
        for key in self.keys:
            if key.published(now) and not key.waits(now):
                return key
        raise Unavailable("None of the passports' keys may sign now.")

    def published(self, now: datetime) -> tuple[PassportKey, ...]:
        return tuple(key for key in self.keys if key.published(now))


class _WrittenKey(msgspec.Struct, frozen=True):
    """What we need of a JWK; others of its members are let be."""

    kty: str
    crv: str
    d: str
    x: str | None = None
    kid: str | None = None
    signs_from: datetime | None = None
    published_until: datetime | None = None


class _WrittenKeys(msgspec.Struct, frozen=True):
    keys: list[_WrittenKey]


def _key(number: int, written: _WrittenKey) -> PassportKey:
    if (written.kty, written.crv) != ("OKP", "Ed25519"):
        raise ValueError(f"holds as key {number} none of Ed25519")
    try:
        private = Ed25519PrivateKey.from_private_bytes(urlsafe_b64decode(written.d + "=" * (-len(written.d) % 4)))
    except ValueError:
        raise ValueError(f"holds as key {number} one whose d is none of Ed25519") from None
    x = _text(private.public_key().public_bytes_raw())
    if written.x not in (None, x):
        raise ValueError(f"holds as key {number} one whose x does not go with its d")
    if written.kid is not None and not 0 < len(written.kid) <= MAX_KEY_ID:
        raise ValueError(f"holds as key {number} one whose kid has not 1 to {MAX_KEY_ID} characters")
    if any(time is not None and time.tzinfo is None for time in (written.signs_from, written.published_until)):
        raise ValueError(f"holds as key {number} one with a time without zone")
    return PassportKey(
        id=written.kid or _thumbprint(x),
        private=private,
        signs_from=written.signs_from,
        published_until=written.published_until,
    )


def _thumbprint(x: str) -> str:
    return _text(sha256(f'{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}'.encode()).digest())


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
