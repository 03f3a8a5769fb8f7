"""What tests of several databases do in their transactions."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from application.ports.work import Transaction, UnitOfWork
from domain.entitlement import Entitlement
from domain.ids import UserId
from domain.payment import Charge, Payment
from tests.builders import charge, invoice, payment


@contextmanager
def undone(work: UnitOfWork, raised: BaseException | None = None) -> Iterator[Transaction]:
    """A transaction that breaks off at its end."""
    reason = raised or ZeroDivisionError()
    with pytest.raises(type(reason)), work.begin() as tx:  # noqa: PT012 - what comes before the end is looked at
        yield tx
        raise reason


def keep_paid(work: UnitOfWork, *charges: Charge) -> list[Payment]:
    """Payments of these charges, with the invoice that they name."""
    payments = [payment(paid) for paid in charges or (charge(),)]
    with work.begin() as tx:
        tx.invoices.add([invoice()])
        tx.payments.add_new(payments)
    return payments


def all_held(work: UnitOfWork, user: UserId) -> list[Entitlement]:
    """What was not ended, the earliest first."""
    with work.look() as tx:
        rows = tx.entitlements.of_user(user)
    return sorted((row for row in rows if row.revoked_at is None), key=lambda row: row.starts_at)
