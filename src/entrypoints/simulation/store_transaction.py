"""All ports of one transaction over the simulated store."""

from collections.abc import Sequence

from application.ports import ChargeKey, Transaction
from domain.ids import UserId
from entrypoints.simulation.store import Session, Store, StoreUnitOfWork
from entrypoints.simulation.store_money import (
    StoreEntitlements,
    StoreInvoices,
    StorePayments,
    StoreRefundOrders,
    StoreRefunds,
)
from entrypoints.simulation.store_rest import (
    StoreAttempts,
    StoreCheckouts,
    StoreCustomers,
    StoreInbox,
    StoreLedgerMarks,
    StoreOutbox,
    StoreStripeEvents,
    StoreTrail,
    StoreUpdates,
)


class StoreTransaction(Transaction):
    def __init__(self, session: Session) -> None:
        self._session = session
        self.invoices = StoreInvoices(session)
        self.payments = StorePayments(session)
        self.refunds = StoreRefunds(session)
        self.refund_orders = StoreRefundOrders(session)
        self.inbox = StoreInbox(session)
        self.ledger_marks = StoreLedgerMarks(session)
        self.entitlements = StoreEntitlements(session)
        self.trail = StoreTrail(session)
        self.updates = StoreUpdates(session)
        self.attempts = StoreAttempts(session)
        self.checkouts = StoreCheckouts(session)
        self.customers = StoreCustomers(session)
        self.stripe_events = StoreStripeEvents(session)
        self.outbox = StoreOutbox(session)

    def lock(
        self, *, charges: Sequence[ChargeKey] = (), users: Sequence[UserId] = (), automatic_refunds: bool = False
    ) -> None:
        self._session.statement("lock")
        for charge in sorted(set(charges)):
            self._session.hold(("charge", charge))
        for user in sorted(set(users)):
            self._session.hold(("user", user))
        if automatic_refunds:
            self._session.hold("automatic refunds")


def work_on(store: Store) -> StoreUnitOfWork:
    """A process's way to the store."""
    return StoreUnitOfWork(store, StoreTransaction)
