"""Answers without a call, by passports: what a user may do, signed by the service and good for 300 s.

So services are answered at once, and go on while Tollgram is away, until the passport expires. A yes is read off the
passport that is kept; a no is asked about anew, since something may have been bought. What ended early is looked up in
the service's list. See docs/passports.md of the service.
"""

import logging
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from threading import Lock
from typing import Any, Final

import jwt
from jwt.types import Options

from tollgram_client import questions
from tollgram_client.conversation import Conversation, Pause, Story
from tollgram_client.problems import AWAY, PassportRefused

AUDIENCE: Final = "tollgram-passport"
LIST_AUDIENCE: Final = "tollgram-revocations"
TYPE: Final = "passport+jwt"
LIST_TYPE: Final = "revocations+jwt"
MARK_KEPT_S: Final = 900.0
"""Longer than any passport lives whose right ended when it was listed."""
SKEW_S: Final = 5.0
LOOK_EVERY_S: Final = 0.02
LOOKS: Final = 100
"""Two seconds: as long as one who has a passport waits for the next."""
log = logging.getLogger("tollgram_client")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    features: frozenset[str]
    rights: frozenset[str]
    key_id: str
    got_at: float
    expires_at: float


@dataclass(kw_only=True, eq=False)
class PassportCheck:
    """Passports of one service, for one client: `Tollgram(…, passports=PassportCheck())`.

    `issuer`: the service's PUBLIC_URL. `renew_before_s`: how long before its end the next passport is asked for.
    `list_every_s`: how old the list of what ended early may become before a passport is believed; None: it is never
    asked for. `no_kept_s`: how long a no, and an attempt that failed, stand before the service is asked again.
    `most`: how many users' passports are kept, of those who were asked about last.
    """

    issuer: str
    renew_before_s: float = 60.0
    list_every_s: float | None = 15.0
    no_kept_s: float = 5.0
    keys_kept_s: float = 300.0
    most: int = 100_000
    _kept: OrderedDict[int, _Kept] = field(default_factory=OrderedDict, repr=False)
    _keys: Mapping[str, jwt.PyJWK] = field(default_factory=dict, repr=False)
    _keys_asked_at: float = field(default=-inf, repr=False)
    _keys_renewed: bool = field(default=False, repr=False)
    _keys_turns: int = field(default=0, repr=False)
    _keys_turn: int = field(default=0, repr=False)
    _missed: Mapping[str, float] = field(default_factory=dict, repr=False)
    _list_asked_at: float | None = field(default=None, repr=False)
    _list_of: datetime | None = field(default=None, repr=False)
    _revoked: Mapping[str, float] = field(default_factory=dict, repr=False)
    _asking: set[int] = field(default_factory=set, repr=False)
    _away_until: float = field(default=0.0, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def __post_init__(self) -> None:
        self.issuer = self.issuer.rstrip("/")

    def allowed(self, talk: Conversation, user_id: int, feature: str) -> Story[bool]:
        """Raises TollgramError where there is no passport that lives, and the service gives none."""
        kept = self._living(user_id, talk.clock())
        if kept is not None:
            yield from self._look_at_the_list(talk, kept)
            kept = self._living(user_id, talk.clock())
        if kept is not None and not self._is_due(kept, feature, talk.clock()):
            return feature in kept.features
        if self._asks_first(user_id):
            try:
                return feature in (yield from self._next(talk, user_id, kept)).features
            finally:
                with self._lock:
                    self._asking.discard(user_id)
        if kept is not None and feature in kept.features:
            return True
        yield from self._wait_for_others(user_id)
        kept = self._living(user_id, talk.clock())
        if kept is None or self._is_due(kept, feature, talk.clock()):
            kept = yield from self._next(talk, user_id, kept)
        return feature in kept.features

    def _asks_first(self, user_id: int) -> bool:
        with self._lock:
            if user_id in self._asking:
                return False
            self._asking.add(user_id)
            return True

    def _wait_for_others(self, user_id: int) -> Story[None]:
        """Until whoever asked about that user knows. Not for long: whom they ask may hang."""
        for _ in range(LOOKS):
            yield Pause(LOOK_EVERY_S)
            if user_id not in self._asking:
                return

    def _next(self, talk: Conversation, user_id: int, kept: _Kept | None) -> Story[_Kept]:
        try:
            return (yield from self._get(talk if kept is None else talk.impatient, user_id))
        except AWAY as problem:
            # Others may have got one, or its time may have run out meanwhile.
            kept = self._living(user_id, talk.clock())
            if kept is None:
                raise
            self._away_until = talk.clock() + self.no_kept_s
            log.warning("going on with the passport that is kept: %s", problem)
            return kept

    def _living(self, user_id: int, now: float) -> _Kept | None:
        with self._lock:
            kept = self._kept.get(user_id)
            if kept is None:
                return None
            if now >= kept.expires_at or kept.key_id not in self._keys or not kept.rights.isdisjoint(self._revoked):
                del self._kept[user_id]
                return None
            self._kept.move_to_end(user_id)
            return kept

    def _is_due(self, kept: _Kept, feature: str, now: float) -> bool:
        """Whether the service is to be asked for the next one. One that was short from the start is kept a while."""
        if now < self._away_until or now < kept.got_at + self.no_kept_s:
            return False
        return feature not in kept.features or now >= kept.expires_at - self.renew_before_s

    def _get(self, talk: Conversation, user_id: int) -> Story[_Kept]:
        token = (yield from talk.ask(questions.passport(user_id))).passport
        claims, key_id = yield from self._verified(talk, token, AUDIENCE, TYPE)
        if claims.get("sub") != str(user_id):
            raise PassportRefused("it is somebody else's")
        now = talk.clock()
        if now >= claims["exp"]:
            raise PassportRefused("it has expired: the clocks are apart")
        kept = _Kept(
            features=frozenset(claims["features"]),
            rights=frozenset(claims.get("rights", ())),
            key_id=key_id,
            got_at=now,
            expires_at=claims["exp"],
        )
        with self._lock:
            self._kept[user_id] = kept
            self._kept.move_to_end(user_id)
            while len(self._kept) > self.most:
                self._kept.popitem(last=False)
            self._away_until = 0.0
        return kept

    def _look_at_the_list(self, talk: Conversation, kept: _Kept) -> Story[None]:
        """Where it is old. One that can't be had leaves what is known: passports live for 300 s at most."""
        now = talk.clock()
        if self.list_every_s is None or now < max(self._away_until, kept.got_at + self.list_every_s):
            return
        with self._lock:
            if self._list_asked_at is not None and now < self._list_asked_at + self.list_every_s:
                return
            self._list_asked_at = now
        try:
            token = (yield from talk.impatient.ask(questions.revocations(self._list_of))).revocations
            claims, _ = yield from self._verified(talk.impatient, token, LIST_AUDIENCE, LIST_TYPE)
            if now >= claims["exp"] + SKEW_S:
                raise PassportRefused("it is an old one")
        except PassportRefused as problem:
            log.warning("the list of what ended early is refused: %s", problem)
            return
        except AWAY as problem:
            self._away_until = talk.clock() + self.no_kept_s
            log.warning("what ended early can't be looked up: %s", problem)
            return
        with self._lock:
            # What a list from the last one on does not repeat is known from that one.
            known = {mark: seen for mark, seen in self._revoked.items() if seen > now - MARK_KEPT_S}
            self._revoked = {**known, **dict.fromkeys(claims["revoked"], now)}
            self._list_of = datetime.fromtimestamp(claims["iat"], UTC)

    def _verified(self, talk: Conversation, token: str, audience: str, kind: str) -> Story[tuple[dict[str, Any], str]]:
        """Its claims and its key's id. What its times mean is decided by our own clock, later."""
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise PassportRefused("it is no JWT") from None
        key_id = header.get("kid")
        if not isinstance(key_id, str) or header.get("typ") != kind:
            raise PassportRefused(f"it is no {kind}")
        yield from self._look_at_the_keys(talk, key_id)
        key = self._keys.get(key_id)
        if key is None:
            raise PassportRefused("it is signed by a key that is not published")
        options: Options = {
            "require": ["iat", "exp"],
            "verify_exp": False,
            "verify_iat": False,
            "verify_nbf": False,
        }
        try:
            claims = jwt.decode(
                token, key, algorithms=["EdDSA"], audience=audience, issuer=self.issuer, options=options
            )
        except jwt.PyJWTError as problem:
            # Its kind alone: messages of a library may quote what was read.
            why: str | None = type(problem).__name__
        else:
            why = _wrong(claims, audience)
            if why is None:
                return claims, key_id
        raise PassportRefused(f"it does not hold: {why}")

    def _look_at_the_keys(self, talk: Conversation, key_id: str) -> Story[None]:
        """Where they are old, or lack this one; one that they lacked is looked for again after some seconds.

        Whoever's key is missing asks, though others are asking: their answer may be older than the key.
        """
        now = talk.clock()
        with self._lock:
            known = key_id in self._keys
            if known and (self._keys_renewed or now < self._keys_asked_at + self.keys_kept_s):
                return
            if now < self._missed.get(key_id, -inf) + self.no_kept_s:
                return
            self._keys_renewed = self._keys_renewed or known
            self._keys_turns += 1
            turn = self._keys_turns
        try:
            published = (yield from talk.ask(questions.keys())).keys
        except AWAY as problem:
            if not known:
                raise
            self._keys_asked_at = now
            log.warning("the keys of passports can't be looked up: %s", problem)
            return
        finally:
            if known:
                self._keys_renewed = False
        with self._lock:
            # Answers may overtake each other; what was asked before what is kept may be older.
            if turn > self._keys_turn:
                self._keys_turn, self._keys_asked_at, self._keys = turn, now, _public(published)
            if key_id not in self._keys:
                recent = {missed: at for missed, at in self._missed.items() if at > now - self.no_kept_s}
                self._missed = {**recent, key_id: now}


def _public(published: Iterable[Mapping[str, Any]]) -> Mapping[str, jwt.PyJWK]:
    """Those that may sign passports, by their ids. Raises PassportRefused."""
    try:
        return {
            key["kid"]: jwt.PyJWK(dict(key), algorithm="EdDSA")
            for key in published
            if key.get("kty") == "OKP" and key.get("crv") == "Ed25519" and isinstance(key.get("kid"), str)
        }
    except jwt.PyJWTError:
        raise PassportRefused("a published key is none") from None


def _wrong(claims: Mapping[str, Any], audience: str) -> str | None:
    """What our service never writes."""
    lists = ("features",) if audience == AUDIENCE else ("revoked",)
    if not all(isinstance(claims.get(name), list) for name in lists) or not isinstance(claims.get("rights", []), list):
        return "what it should tell is missing"
    if not all(type(claims[name]) in (int, float) for name in ("iat", "exp")):
        return "its times are no numbers"
    return None
