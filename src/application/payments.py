"""Looking at payments and at the audit trail, for other services and for operators."""

from collections.abc import Sequence
from dataclasses import dataclass

from application.ports.pages import Page, PageOf
from application.ports.payments import PaymentFilter
from application.ports.trail import KeptEntry, TrailFilter
from application.ports.work import UnitOfWork
from domain.entitlement import Entitlement
from domain.errors import NotFound
from domain.ids import EntitlementId, PaymentId
from domain.payment import Payment

Opened = tuple[Payment, EntitlementId | None]
"""A payment, and the entitlement that it opens or, interrupted, has opened."""


@dataclass(frozen=True, slots=True)
class FindPayments:
    work: UnitOfWork

    def __call__(self, wanted: PaymentFilter, page: Page) -> tuple[Sequence[Opened], str | None]:
        """Newest first, and the cursor of the next page. Raises InvalidRequest for a cursor that we never gave."""
        with self.work.look() as tx:
            found = tx.payments.found(wanted, page)
            living = tx.entitlements.opened_by([payment.id for payment in found.items])
            return [(payment, _opened(payment, living.get(payment.id))) for payment in found.items], found.next_cursor


@dataclass(frozen=True, slots=True)
class ShowPayment:
    work: UnitOfWork

    def __call__(self, payment_id: PaymentId) -> Opened:
        """Raises NotFound."""
        with self.work.look() as tx:
            payment = tx.payments.get(payment_id)
            if payment is None:
                raise NotFound("There is no such payment.")
            return payment, _opened(payment, tx.entitlements.living_of(payment.id))


@dataclass(frozen=True, slots=True)
class FindPaymentEvents:
    work: UnitOfWork

    def __call__(self, wanted: TrailFilter, page: Page) -> PageOf[KeptEntry]:
        """Newest first. Raises InvalidRequest for a cursor that we never gave."""
        with self.work.look() as tx:
            return tx.trail.found(wanted, page)


def _opened(payment: Payment, living: Entitlement | None) -> EntitlementId | None:
    return living.id if living else payment.suspended
