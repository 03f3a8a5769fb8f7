"""Passports, and the list of what ended early, as JWTs signed with Ed25519 (RFC 7519, RFC 8037)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import jwt

from adapters.passports.key_file import PassportKeyFile
from application.ports.passports import PassportSigner
from domain.passport import AUDIENCE, LIST_AUDIENCE, LIST_TYPE, TYPE, Passport, Revocations


@dataclass(frozen=True, slots=True)
class Ed25519Signer(PassportSigner):
    """`issuer` is our own address, below which the public keys are."""

    keys: PassportKeyFile
    issuer: str

    def passport(self, passport: Passport) -> str:
        claims = {
            "sub": str(passport.user_id),
            "jti": passport.id,
            "features": passport.features,
            "limits": passport.limits,
            "rights": passport.rights,
        }
        return self._signed(TYPE, AUDIENCE, passport.issued_at, passport.expires_at, claims)

    def revocations(self, revocations: Revocations) -> str:
        claims = {"since": int(revocations.since.timestamp()), "revoked": revocations.marks}
        return self._signed(LIST_TYPE, LIST_AUDIENCE, revocations.issued_at, revocations.expires_at, claims)

    def _signed(self, typ: str, audience: str, iat: datetime, exp: datetime, claims: Mapping[str, Any]) -> str:
        key = self.keys.current().signing(iat)
        whole = {"iss": self.issuer, "aud": audience, "iat": iat, "exp": exp, **claims}
        return jwt.encode(whole, key.private, algorithm="EdDSA", headers={"kid": key.id, "typ": typ})
