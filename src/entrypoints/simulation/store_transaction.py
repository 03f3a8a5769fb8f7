"""All ports of one transaction over the simulated store."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from application.ports.payments import ChargeKey
from application.ports.work import Transaction
from domain.ids import UserId
from entrypoints.simulation.store import Session, Store, StoreUnitOfWork
from entrypoints.simulation.store_feed import StoreFeed, StorePushes
from entrypoints.simulation.store_money import (
    Port,
    StoreEntitlements,
    StoreGrantKeys,
    StoreInvoices,
    StorePayments,
)
from entrypoints.simulation.store_outbox import StoreOutbox
from entrypoints.simulation.store_refunds import StoreRefundOrders, StoreRefunds
from entrypoints.simulation.store_rest import (
    StoreAttempts,
    StoreCheckouts,
    StoreCustomers,
    StoreInbox,
    StoreLedgerMarks,
    StoreStripeEvents,
    StoreTrail,
    StoreUpdates,
)


class StoreTransaction(Transaction):
    """Its ports are made when they are first used: most transactions need two or three of them."""

    kinds: ClassVar[Mapping[str, type[Port]]] = {
        "invoices": StoreInvoices,
        "payments": StorePayments,
        "refunds": StoreRefunds,
        "refund_orders": StoreRefundOrders,
        "inbox": StoreInbox,
        "ledger_marks": StoreLedgerMarks,
        "entitlements": StoreEntitlements,
        "grant_keys": StoreGrantKeys,
        "trail": StoreTrail,
        "updates": StoreUpdates,
        "attempts": StoreAttempts,
        "checkouts": StoreCheckouts,
        "customers": StoreCustomers,
        "stripe_events": StoreStripeEvents,
        "outbox": StoreOutbox,
        "feed": StoreFeed,
        "pushes": StorePushes,
    }

    def __init__(self, session: Session) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        kind = self.kinds.get(name)
        if kind is None:
            raise AttributeError(name)
        port = kind(self._session)
        setattr(self, name, port)
        return port

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
