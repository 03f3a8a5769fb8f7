"""A passport: what a user may do, for services that look at it instead of asking; and what ends it early.

A passport says what holds from its issue up to, not at, its end. It names the rights that it rests on, each by a mark
that tells nobody whose it is. A right that is ended early (given back, disputed, taken away) is listed by its mark;
whoever sees one of a passport's marks there lets the passport go.
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from domain.entitlement import Entitlement
from domain.ids import EntitlementId, PassportId, UserId

AUDIENCE: Final = "tollgram-passport"
LIST_AUDIENCE: Final = "tollgram-revocations"
TYPE: Final = "passport+jwt"
LIST_TYPE: Final = "revocations+jwt"
"""Audiences and types of our own (RFC 8725, 3.11 and 3.12): neither passes as the other, or as a token for the API."""

GOOD_FOR: Final = timedelta(seconds=300)
LIST_GOOD_FOR: Final = timedelta(seconds=60)
COMMITTED_WITHIN: Final = timedelta(seconds=300)
"""How long after the moment that it names the end of a right may be committed, with the processes' clocks apart."""

_SECOND = timedelta(seconds=1)
_MARK_BYTES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Passport:
    """Times are whole seconds. `rights` are the marks of all that it rests on."""

    id: PassportId
    user_id: UserId
    issued_at: datetime
    expires_at: datetime
    features: tuple[str, ...] = ()
    limits: Mapping[str, int] = field(default_factory=dict)
    rights: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocations:
    """The marks of all rights that ended early at `since` or later."""

    since: datetime
    issued_at: datetime
    expires_at: datetime
    marks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Content:
    features: tuple[str, ...]
    limits: Mapping[str, int]

    def covers(self, other: "_Content") -> bool:
        """Whether it gives all that the other one does."""
        return set(self.features) >= set(other.features) and all(
            name in self.limits and self.limits[name] >= limit for name, limit in other.limits.items()
        )

    def shared(self, other: "_Content") -> "_Content":
        """What both give."""
        return _Content(
            tuple(name for name in self.features if name in other.features),
            {name: min(most, other.limits[name]) for name, most in self.limits.items() if name in other.limits},
        )


def issue(held: Iterable[Entitlement], *, id: PassportId, user_id: UserId, now: datetime) -> Passport:
    """What the user holds at this moment, for as long as all of it is held, and for 300 s at most.

    Limits are the highest of each. What is lost before the next whole second, of which no passport could tell, is left
    out; a renewal that begins where a span ends leaves no gap.
    """
    rights = [entitlement for entitlement in held if entitlement.held(now)]
    issued_at = now.replace(microsecond=0)
    soon, until = issued_at + _SECOND, issued_at + GOOD_FOR
    content = _content(rights, now)
    for end in sorted({right.expires_at for right in rights if right.expires_at and right.expires_at < until}):
        left = _content(rights, end)
        if end < soon:
            content = content.shared(left)
        elif not left.covers(content):
            until = end.replace(microsecond=0)
            break
    return Passport(
        id=id,
        user_id=user_id,
        issued_at=issued_at,
        expires_at=until,
        features=content.features,
        limits=content.limits,
        rights=tuple(mark(right.id) for right in rights if right.starts_at < until),
    )


def listed_since(asked: datetime | None, now: datetime) -> datetime:
    """From when on the list tells what ended early, where `asked` is when somebody last had it; None: never.

    No passport lives that was issued before `GOOD_FOR` ago, so nothing older is of use to anybody. Before that come
    the ends that were committed after a list from which they were still missing.
    """
    oldest = now - GOOD_FOR
    return (oldest if asked is None else min(max(asked, oldest), now)) - COMMITTED_WITHIN


def revocations(ended: Sequence[EntitlementId], *, since: datetime, now: datetime) -> Revocations:
    """The list of what ended early since then, good for 60 s."""
    issued_at = now.replace(microsecond=0)
    return Revocations(
        since=since.replace(microsecond=0),
        issued_at=issued_at,
        expires_at=issued_at + LIST_GOOD_FOR,
        marks=tuple(mark(id) for id in ended),
    )


def mark(id: EntitlementId) -> str:
    """How a right is named in public: 16 letters, from which nobody gets back to its id, which has 80 random bits."""
    digest = hashlib.sha256(b"tollgram right " + id.encode()).digest()
    return urlsafe_b64encode(digest[:_MARK_BYTES]).decode("ascii")


def _content(rights: Iterable[Entitlement], at: datetime) -> _Content:
    active = [right for right in rights if right.active(at)]
    limits: dict[str, int] = {}
    for right in active:
        for name, limit in right.limits.items():
            limits[name] = max(limit, limits.get(name, limit))
    return _Content(tuple(dict.fromkeys(name for right in active for name in right.features)), limits)
