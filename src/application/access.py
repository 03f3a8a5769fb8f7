"""Answering what a user holds, and whether they may do something now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from application.ports.pages import Page, PageOf
from application.ports.payments import PaymentFilter
from application.ports.surroundings import Clock
from application.ports.trail import TrailFilter
from application.ports.work import Transaction, UnitOfWork
from domain.access import Access, check
from domain.entitlement import Entitlement, known_at
from domain.ids import UserId
from domain.payment import Payment, PaymentStatus

Question = tuple[UserId, str]
"""May this user use that feature?"""
TRAIL_PAGE: Final = 200
_STATUSES: Final = frozenset(PaymentStatus)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One entitlement that decides an answer, and the payment that it came from, if any."""

    entitlement: Entitlement
    payment: Payment | None


@dataclass(frozen=True, slots=True)
class CheckFeature:
    """May this user do this now, or what was answered at a moment that is past? An unknown user or feature is a plain
    no."""

    work: UnitOfWork
    clock: Clock

    def __call__(self, user_id: UserId, feature: str, as_of: datetime | None = None) -> Access:
        with self.work.look() as tx:
            if as_of is not None:
                return check(known_at(tx.entitlements.of_user(user_id), as_of), feature, as_of)
            now = self.clock.now()
            return check(tx.entitlements.held_by([user_id], now).get(user_id, ()), feature, now)


@dataclass(frozen=True, slots=True)
class ExplainFeature:
    """The same answer, and why."""

    work: UnitOfWork
    clock: Clock

    def __call__(
        self, user_id: UserId, feature: str, as_of: datetime | None = None
    ) -> tuple[Access, Sequence[Reason], datetime]:
        """Also the moment that the answer is for."""
        with self.work.look() as tx:
            at = as_of or self.clock.now()
            rows = tx.entitlements.of_user(user_id)
            known = known_at(rows, at) if as_of else [e for e in rows if e.held(at)]
            access = check(known, feature, at)
            return access, [Reason(entitlement=e, payment=_payment(tx, e, as_of)) for e in access.because], at


@dataclass(frozen=True, slots=True)
class CheckFeatures:
    """Many questions at once, about many users, answered by one read."""

    work: UnitOfWork
    clock: Clock

    def __call__(self, asked: Sequence[Question]) -> Mapping[Question, Access]:
        with self.work.look() as tx:
            now = self.clock.now()
            held = tx.entitlements.held_by(list(dict.fromkeys(user for user, _ in asked)), now)
        return {(user, feature): check(held.get(user, ()), feature, now) for user, feature in asked}


@dataclass(frozen=True, slots=True)
class ListEntitlements:
    """All that a user ever held, or what was known of that at a past moment, and the moment that it is told for."""

    work: UnitOfWork
    clock: Clock

    def __call__(self, user_id: UserId, as_of: datetime | None = None) -> tuple[Sequence[Entitlement], datetime]:
        with self.work.look() as tx:
            rows = tx.entitlements.of_user(user_id)
            return (rows, self.clock.now()) if as_of is None else (known_at(rows, as_of), as_of)


@dataclass(frozen=True, slots=True)
class ListPayments:
    """A user's payments, newest first."""

    work: UnitOfWork

    def __call__(self, user_id: UserId, page: Page) -> PageOf[Payment]:
        with self.work.look() as tx:
            return tx.payments.found(PaymentFilter(user_id=user_id), page)


def _payment(tx: Transaction, entitlement: Entitlement, as_of: datetime | None) -> Payment | None:
    payment = tx.payments.get(entitlement.payment_id) if entitlement.payment_id else None
    return payment if payment is None or as_of is None else _as_it_stood(tx, payment, as_of)


def _as_it_stood(tx: Transaction, payment: Payment, at: datetime) -> Payment:
    """A payment's row tells where it stands now; where it stood, the audit trail has kept."""
    page: Page | None = Page(limit=TRAIL_PAGE)
    while page:
        found = tx.trail.found(TrailFilter(charge_id=payment.charge.charge_id), page)
        for kept in found.items:
            if kept.entry.at <= at and kept.entry.decision in _STATUSES:
                status = PaymentStatus(kept.entry.decision)
                refunded_at = payment.refunded_at if status is PaymentStatus.REFUNDED else None
                return replace(payment, status=status, refunded_at=refunded_at)
        page = Page(limit=TRAIL_PAGE, cursor=found.next_cursor) if found.next_cursor else None
    return payment
