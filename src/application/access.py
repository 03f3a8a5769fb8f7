"""Answering what a user holds, and whether they may do something now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from application.ports import Clock, Page, PageOf, PaymentFilter, UnitOfWork
from domain.access import Access, check
from domain.entitlement import Entitlement
from domain.ids import UserId
from domain.payment import Payment


@dataclass(frozen=True, slots=True)
class CheckFeature:
    """May this user do this now? An unknown user or feature is a plain no."""

    work: UnitOfWork
    clock: Clock

    def __call__(self, user_id: UserId, feature: str) -> Access:
        with self.work.look() as tx:
            now = self.clock.now()
            return check(tx.entitlements.held_by([user_id], now).get(user_id, ()), feature, now)


@dataclass(frozen=True, slots=True)
class ListEntitlements:
    """All that a user ever held, and the moment at which that was looked up."""

    work: UnitOfWork
    clock: Clock

    def __call__(self, user_id: UserId) -> tuple[Sequence[Entitlement], datetime]:
        with self.work.look() as tx:
            return tx.entitlements.of_user(user_id), self.clock.now()


@dataclass(frozen=True, slots=True)
class ListPayments:
    """A user's payments, newest first."""

    work: UnitOfWork

    def __call__(self, user_id: UserId, page: Page) -> PageOf[Payment]:
        with self.work.look() as tx:
            return tx.payments.found(PaymentFilter(user_id=user_id), page)
