"""Issuing passports, and telling which rights in them ended early."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from application.ports.passports import PassportSigner
from application.ports.surroundings import Clock, Ids
from application.ports.work import UnitOfWork
from domain.errors import Unavailable
from domain.ids import UserId
from domain.passport import Passport, Revocations, issue, listed_since, revocations

MOST_LISTED: Final = 20_000


@dataclass(frozen=True, slots=True)
class IssuePassport:
    """A signed passport of what the user holds now; of one whom we don't know, that it is nothing."""

    work: UnitOfWork
    clock: Clock
    ids: Ids
    signer: PassportSigner

    def __call__(self, user_id: UserId) -> tuple[Passport, str]:
        with self.work.look() as tx:
            # Before the rights are read: one that ends after that is listed for longer than this passport lives.
            now = self.clock.now()
            held = tx.entitlements.held_by([user_id], now).get(user_id, ())
        passport = issue(held, id=self.ids.passport(), user_id=user_id, now=now)
        return passport, self.signer.passport(passport)


@dataclass(frozen=True, slots=True)
class ListRevocations:
    """A signed list of what ended early of late; `asked` is when the caller last had it.

    Raises Unavailable where it would be longer than 20,000: a list that leaves something out is worse than none.
    """

    work: UnitOfWork
    clock: Clock
    signer: PassportSigner

    def __call__(self, asked: datetime | None) -> tuple[Revocations, str]:
        with self.work.look() as tx:
            now = self.clock.now()
            since = listed_since(asked, now)
            ended = tx.entitlements.revoked_since(since, at_most=MOST_LISTED + 1)
        if len(ended) > MOST_LISTED:
            raise Unavailable("More rights ended of late than one list can tell of.")
        listed = revocations(ended, since=since, now=now)
        return listed, self.signer.revocations(listed)
