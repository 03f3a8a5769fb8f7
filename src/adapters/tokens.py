"""Signed tokens (JWT) by which users and services are known: verified, and for trying things out, made."""

import math
import re
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import httpx
import jwt
from jwt import PyJWK, PyJWKSet
from jwt.exceptions import InvalidTokenError, PyJWTError

from domain.errors import Unauthenticated, Unavailable
from domain.ids import MAX_USER_ID, UserId
from domain.passport import LIST_TYPE, TYPE

MAX_TOKEN_BYTES = 8192
MAX_KEY_SET_BYTES = 1 << 20
KEYS_FRESH_S = 300.0
KEYS_KEPT_S = 3600.0
"""How long keys are believed where newer ones can't be fetched: an outage there shall not be one here."""
FETCH_AGAIN_AFTER_S = 10.0
"""Whoever sends tokens with made-up key ids can't have us fetch more often."""
FETCH_TIMEOUT_S = 3.0
CLOCKS_APART_S = 60
_USER = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)
# What a public key may be used with. A shared secret (oct) in a key set is never believed.
_ALGORITHMS = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("EdDSA",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token whose signature, times, audience and issuer were found right. `expires_at`: seconds since 1970."""

    subject: str
    scopes: frozenset[str]
    expires_at: float

    def user_id(self) -> UserId:
        """Raises Unauthenticated where the subject is no Telegram user."""
        if not _USER.fullmatch(self.subject) or int(self.subject) > MAX_USER_ID:
            raise Unauthenticated("The token's subject is no Telegram user id.")
        return UserId(int(self.subject))


class Keys(Protocol):
    """Where the key of a token comes from. A token never says itself which key or algorithm is right."""

    @abstractmethod
    def decode(self, token: str, **checks: Any) -> dict[str, Any]:
        """The claims. Raises InvalidTokenError."""


@dataclass(frozen=True, slots=True)
class SharedSecret(Keys):
    secret: str

    def decode(self, token: str, **checks: Any) -> dict[str, Any]:
        return jwt.decode(token, self.secret, algorithms=["HS256"], **checks)


@dataclass(frozen=True, slots=True)
class KeySetFile(Keys):
    """A JWKS on disk, read once: restart to rotate."""

    keys: tuple[PyJWK, ...]

    @classmethod
    def read(cls, path: Path) -> "KeySetFile":
        """Raises ValueError, saying what is wrong with the file."""
        try:
            return cls(_parsed(path.read_bytes()))
        except OSError as problem:
            raise ValueError(f"{path} can't be read: {problem.strerror}") from None
        except ValueError as problem:
            raise ValueError(f"{path} {problem}") from None

    def decode(self, token: str, **checks: Any) -> dict[str, Any]:
        return _decode(token, _chosen(self.keys, _key_id(token)), checks)


@dataclass(frozen=True, slots=True)
class _Fetched:
    keys: tuple[PyJWK, ...]
    at: float

    def knows(self, key_id: str | None) -> bool:
        return key_id is None or any(key.key_id == key_id for key in self.keys)


class KeySetAddress(Keys):
    """A JWKS at an address of the operator's, fetched when it is needed and kept for a while.

    `tick` counts seconds. What a token says of addresses (jku, x5u) is never followed, nor is a redirect.
    """

    def __init__(self, address: str, *, tick: Callable[[], float] = time.monotonic) -> None:
        self._address = address
        self._tick = tick
        self._held: _Fetched | None = None
        self._tried_at = -math.inf
        self._in_trouble = False
        self._fetching = threading.Lock()

    def decode(self, token: str, **checks: Any) -> dict[str, Any]:
        """As `Keys` says. Raises Unavailable where nobody can tell, because the keys can't be fetched."""
        key_id = _key_id(token)
        return _decode(token, _chosen(self._current(key_id), key_id), checks)

    def fetch(self) -> int:
        """Fetch now, and tell how many keys there are. Raises ValueError, saying what is wrong with the answer."""
        keys = _fetch(self._address)
        self._held = _Fetched(keys, self._tick())
        return len(keys)

    def _current(self, key_id: str | None) -> tuple[PyJWK, ...]:
        held = self._held
        known = held is not None and held.knows(key_id)
        if held and known and self._tick() - held.at < KEYS_FRESH_S:
            return held.keys
        # Whoever can go on with older keys does not wait for the one who fetches newer ones.
        if self._fetching.acquire(blocking=not known):
            try:
                self._fetch_when_due(key_id)
            finally:
                self._fetching.release()
        held = self._held
        if held is None or self._tick() - held.at > KEYS_KEPT_S or (self._in_trouble and not held.knows(key_id)):
            raise Unavailable("The keys that verify tokens could not be fetched.")
        return held.keys

    def _fetch_when_due(self, key_id: str | None) -> None:
        held = self._held
        if held and held.knows(key_id) and self._tick() - held.at < KEYS_FRESH_S:
            return
        if self._tick() - self._tried_at < FETCH_AGAIN_AFTER_S:
            return
        self._tried_at = self._tick()
        try:
            self.fetch()
            self._in_trouble = False
        except ValueError:
            self._in_trouble = True


@dataclass(frozen=True, slots=True)
class TokenVerifier:
    keys: Keys
    audience: str
    issuer: str | None

    def verify(self, token: str, now: datetime) -> Token:
        """The token, verified. Raises Unauthenticated."""
        if len(token) > MAX_TOKEN_BYTES:
            raise Unauthenticated("The token is too long.")
        try:
            _check_type(token)
            claims = self.keys.decode(
                token,
                audience=self.audience,
                issuer=self.issuer,
                options={"require": ["exp", "sub"], "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
            _check_times(claims, now)
        except (PyJWTError, ValueError, TypeError) as problem:
            raise Unauthenticated("The token is not valid, or no longer.") from problem
        if not claims["sub"]:
            raise Unauthenticated("The token names nobody as its subject.")
        scope = claims.get("scope", "")
        return Token(
            subject=claims["sub"],
            scopes=frozenset(scope.split()) if isinstance(scope, str) else frozenset(),
            expires_at=claims["exp"],
        )


@dataclass(frozen=True, slots=True)
class TokenMaker:
    """For trying the API, and for tests."""

    secret: str
    audience: str
    issuer: str | None

    def make(self, *, subject: str, scopes: tuple[str, ...], now: datetime, good_for: timedelta) -> str:
        claims: dict[str, Any] = {"sub": subject, "aud": self.audience, "iat": now, "exp": now + good_for}
        if self.issuer:
            claims["iss"] = self.issuer
        if scopes:
            claims["scope"] = " ".join(scopes)
        return jwt.encode(claims, self.secret, algorithm="HS256")


def _check_type(token: str) -> None:
    """What we sign ourselves for others is no token for us, also where its keys and audience would do."""
    if str(jwt.get_unverified_header(token).get("typ", "")).lower().removeprefix("application/") in (TYPE, LIST_TYPE):
        raise InvalidTokenError("a token for others")


def _check_times(claims: dict[str, Any], now: datetime) -> None:
    seconds = now.timestamp()
    times = {name: claims[name] for name in ("exp", "nbf", "iat") if name in claims}
    if any(type(time) not in (int, float) or not math.isfinite(time) for time in times.values()):
        raise InvalidTokenError("odd times")
    if times["exp"] <= seconds or times.get("nbf", 0) > seconds or times.get("iat", 0) > seconds + CLOCKS_APART_S:
        raise InvalidTokenError("expired, or not valid yet")


def _key_id(token: str) -> str | None:
    key_id = jwt.get_unverified_header(token).get("kid")
    return key_id if isinstance(key_id, str) else None


def _chosen(keys: Sequence[PyJWK], key_id: str | None) -> PyJWK:
    """The one key of that id, or the only one where the token names none."""
    matching = [key for key in keys if key_id is None or key.key_id == key_id]
    if len(matching) != 1:
        raise InvalidTokenError("no single key of that id")
    return matching[0]


def _decode(token: str, key: PyJWK, checks: dict[str, Any]) -> dict[str, Any]:
    return jwt.decode(token, key, algorithms=[key.algorithm_name], **checks)


def _fetch(address: str) -> tuple[PyJWK, ...]:
    until = time.monotonic() + FETCH_TIMEOUT_S
    body = bytearray()
    try:
        with httpx.stream("GET", address, timeout=FETCH_TIMEOUT_S, headers={"Accept-Encoding": "identity"}) as answer:
            if answer.status_code != httpx.codes.OK:
                raise ValueError(f"answered {answer.status_code}")
            for chunk in answer.iter_raw():
                body += chunk
                if len(body) > MAX_KEY_SET_BYTES or time.monotonic() > until:
                    raise ValueError("answered with too much, or too slowly")
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        raise ValueError(f"does not answer: {type(problem).__name__}") from None
    return _parsed(bytes(body))


def _parsed(text: bytes) -> tuple[PyJWK, ...]:
    """The keys that signatures may be verified with. Raises ValueError."""
    try:
        found = PyJWKSet.from_json(text.decode("utf-8")).keys
    except (PyJWTError, ValueError, TypeError, AttributeError, RecursionError):
        raise ValueError("is no JWKS") from None
    keys = tuple(key for key in found if _verifies(key))
    if not keys:
        raise ValueError("holds no public key that signatures can be verified with")
    return keys


def _verifies(key: PyJWK) -> bool:
    return key.public_key_use in (None, "sig") and key.algorithm_name in _ALGORITHMS.get(key.key_type or "", ())
