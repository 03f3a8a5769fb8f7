"""A service that issues passports, and a client of it, at a time that the test sets, without any I/O."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tollgram_client import Patience
from tollgram_client.conversation import Conversation, Lost, Outcome, Received, Send, Story
from tollgram_client.passports import PassportCheck

ISSUER = "https://shop.example"
START = 1_800_000_000
ALICE, BOB = 1001, 1002
PASSPORT, LIST, KEYS = "passport", "revocations", "jwks.json"
AWAY = Lost("ConnectError", sent=False)


def key_set(**keys: Ed25519PrivateKey) -> Received:
    def public(key: Ed25519PrivateKey) -> str:
        raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    shown = [{"kty": "OKP", "crv": "Ed25519", "kid": id, "alg": "EdDSA", "x": public(key)} for id, key in keys.items()]
    return answer({"keys": [*shown, {"kty": "RSA", "kid": "of others"}]})


def answer(told: object, status: int = 200) -> Received:
    return Received(status, {"content-type": "application/problem+json"}, json.dumps(told).encode())


@dataclass
class Town:
    """A service with one key, and a client of it, at a time that the test sets. `answers` replaces what it says."""

    check: PassportCheck = field(default_factory=lambda: PassportCheck(issuer=ISSUER))
    now: float = START
    good_for: int = 300
    features: list[str] = field(default_factory=lambda: ["signals"])
    revoked: list[str] = field(default_factory=list)
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    key_id: str = "k1"
    answers: dict[str, Outcome] = field(default_factory=dict)
    changed: Mapping[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    queries: list[Mapping[str, str]] = field(default_factory=list)

    def allowed(self, feature: str = "signals", user_id: int = ALICE) -> bool:
        self.asked, self.queries = [], []
        return self.lived(self.story(feature, user_id))

    def story(self, feature: str = "signals", user_id: int = ALICE) -> Story[bool]:
        """One that others may be told beside."""
        talk = Conversation(
            patience=Patience(attempts=2), passports=self.check, clock=lambda: self.now, chance=lambda: 0
        )
        return talk.allowed(user_id, feature)

    def lived(self, story: Story[bool], outcome: Outcome = None) -> bool:
        while True:
            try:
                step = story.send(outcome)
            except StopIteration as end:
                return bool(end.value)
            outcome = self.told(step) if isinstance(step, Send) else None

    def told(self, send: Send) -> Outcome:
        what = send.question.path.rpartition("/")[2]
        self.asked.append(what)
        self.queries.append(send.question.query)
        assert send.question.open == (what != PASSPORT)
        if what in self.answers:
            return self.answers[what]
        if what == KEYS:
            return key_set(**{self.key_id: self.key})
        if what == LIST:
            listed = {"aud": "tollgram-revocations", "exp": int(self.now) + 60, "revoked": self.revoked}
            return answer({"revocations": self.signed(listed, "revocations+jwt"), "expires_at": "2027-01-01T00:00:00Z"})
        user_id = send.question.path.split("/")[4]
        rights = [f"right of {user_id}, {len(self.revoked)} before"]
        return answer({"passport": self.signed({"sub": user_id, "features": self.features, "rights": rights})})

    def signed(self, claims: Mapping[str, Any], kind: str = "passport+jwt") -> str:
        whole = {
            "iss": ISSUER,
            "aud": "tollgram-passport",
            "iat": int(self.now),
            "exp": int(self.now) + self.good_for,
            **claims,
            **self.changed,
        }
        kept = {name: value for name, value in whole.items() if value is not None}
        return jwt.encode(kept, self.key, "EdDSA", {"kid": self.key_id, "typ": kind})

    def goes_away(self) -> None:
        self.answers = dict.fromkeys((PASSPORT, LIST, KEYS), AWAY)
