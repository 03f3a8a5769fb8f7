"""Signed tokens (JWT) by which users and services are known: verified, and for trying things out, made."""

import re
from abc import abstractmethod
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import jwt
from jwt import PyJWK, PyJWKClient, PyJWKSet
from jwt.exceptions import InvalidTokenError, PyJWKClientConnectionError, PyJWKClientError, PyJWKSetError

from domain.errors import Unauthenticated, Unavailable
from domain.ids import MAX_USER_ID, UserId

MAX_TOKEN_BYTES = 8192
KEYS_LIFESPAN_S = 300
FETCH_TIMEOUT_S = 3
_USER = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)
# What a public key may be used with. A shared secret (oct) in a key set is never believed.
_ALGORITHMS = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("EdDSA",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token whose signature, times, audience and issuer were found right."""

    subject: str
    scopes: frozenset[str]

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
    """A JWKS on disk, read anew for each token's key id only in memory; restart to rotate."""

    keys: PyJWKSet

    @classmethod
    def read(cls, path: Path) -> "KeySetFile":
        """Raises ValueError, saying what is wrong with the file."""
        try:
            return cls(PyJWKSet.from_json(path.read_text("utf-8")))
        except OSError as problem:
            raise ValueError(f"{path} can't be read: {problem.strerror}") from None
        except (ValueError, PyJWKSetError):
            raise ValueError(f"{path} is no JWKS") from None

    def decode(self, token: str, **checks: Any) -> dict[str, Any]:
        kid = jwt.get_unverified_header(token).get("kid")
        matching = [key for key in self.keys.keys if kid is None or key.key_id == kid]
        if len(matching) != 1:
            raise InvalidTokenError("no single key of that id")
        return _decode(token, matching[0], checks)


class KeySetAddress(Keys):
    """A JWKS at an address of the operator's, fetched when it is needed and kept for five minutes."""

    def __init__(self, address: str) -> None:
        self._client = PyJWKClient(address, lifespan=KEYS_LIFESPAN_S, timeout=FETCH_TIMEOUT_S)

    def decode(self, token: str, **checks: Any) -> dict[str, Any]:
        try:
            return _decode(token, self._client.get_signing_key_from_jwt(token), checks)
        except PyJWKClientConnectionError:
            raise Unavailable("The keys that verify tokens could not be fetched.") from None
        except PyJWKClientError as problem:
            raise InvalidTokenError("no such key") from problem


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
            claims = self.keys.decode(
                token,
                audience=self.audience,
                issuer=self.issuer,
                options={"require": ["exp", "sub"], "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
            _check_times(claims, now)
        except (InvalidTokenError, ValueError, TypeError) as problem:
            raise Unauthenticated("The token is not valid, or no longer.") from problem
        scope = claims.get("scope", "")
        return Token(
            subject=claims["sub"], scopes=frozenset(scope.split()) if isinstance(scope, str) else frozenset()
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


def _check_times(claims: dict[str, Any], now: datetime) -> None:
    seconds = now.timestamp()
    times = {name: claims[name] for name in ("exp", "nbf", "iat") if name in claims}
    if any(type(time) not in (int, float) for time in times.values()):
        raise InvalidTokenError("odd times")
    if times["exp"] <= seconds or times.get("nbf", 0) > seconds or times.get("iat", 0) > seconds + 60:
        raise InvalidTokenError("expired, or not valid yet")


def _decode(token: str, key: PyJWK, checks: dict[str, Any]) -> dict[str, Any]:
    allowed = _ALGORITHMS.get(key.key_type or "", ())
    named = key.algorithm_name
    return jwt.decode(token, key, algorithms=[named] if named in allowed else list(allowed), **checks)
