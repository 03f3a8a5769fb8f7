"""What users may do, and until when."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.entitlement import Entitlement
from domain.ids import EntitlementId, PaymentId, UserId


class Entitlements(Protocol):
    @abstractmethod
    def held_by(self, users: Sequence[UserId], now: datetime) -> Mapping[UserId, Sequence[Entitlement]]:
        """What each holds: not ended, and open or still to come. Users who hold nothing may be missing."""

    @abstractmethod
    def of_user(self, user_id: UserId) -> Sequence[Entitlement]:
        """All that the user ever had, latest start first."""

    @abstractmethod
    def living_of(self, payment_id: PaymentId) -> Entitlement | None:
        """The one grant of that payment that was not ended."""

    @abstractmethod
    def opened_by(self, payments: Sequence[PaymentId]) -> Mapping[PaymentId, Entitlement]:
        """The grants of them that were not ended; payments that have none are missing."""

    @abstractmethod
    def get(self, id: EntitlementId) -> Entitlement | None: ...

    @abstractmethod
    def add(self, entitlements: Sequence[Entitlement]) -> None:
        """Keep new ones. Raises DoubleGrant where a payment would have two that were not ended."""

    @abstractmethod
    def end(self, entitlements: Sequence[Entitlement]) -> None:
        """Keep when each of them was revoked."""

    @abstractmethod
    def over(self, now: datetime, *, at_most: int, users: Sequence[UserId] | None = None) -> Sequence[Entitlement]:
        """Those that were not ended, are over by time, and of which nobody has taken note; the earliest end first.
        Of these `users`, or of all."""

    @abstractmethod
    def note_over(self, ids: Sequence[EntitlementId], at: datetime) -> set[EntitlementId]:
        """Take note of it, of each once; those that nobody had taken note of, and that were not ended."""

    @abstractmethod
    def revoked_since(self, since: datetime, *, at_most: int) -> Sequence[EntitlementId]:
        """Those that were revoked then or later, whoever held them, the earliest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantKey:
    """A caller's own key of a grant by hand: the fingerprint of the request that came with it, and what it granted."""

    caller: str
    key: str
    fingerprint: str
    entitlement_id: EntitlementId


class GrantKeys(Protocol):
    """By which key of whose a grant by hand may be asked again; kept for good."""

    @abstractmethod
    def take(self, new: GrantKey, now: datetime) -> GrantKey:
        """What that key of that caller stands for: the new one, kept now, or the one that was kept before. Whoever
        takes the same key at this moment is waited for."""


class DoubleGrant(Exception):
    """A payment would have opened the door twice; the database refused."""
