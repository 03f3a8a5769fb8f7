"""A transaction, and all that is kept in one."""

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from application.ports.checkout import Checkouts, Customers, StripeEvents
from application.ports.entitlements import Entitlements, GrantKeys
from application.ports.feed import Feed
from application.ports.inbox import Inbox, Updates
from application.ports.invoices import Attempts, Invoices
from application.ports.ledgers import LedgerMarks
from application.ports.outbox import Outbox
from application.ports.payments import ChargeKey, Payments
from application.ports.pushes import Pushes
from application.ports.refunds import RefundOrders, Refunds
from application.ports.trail import Trail
from domain.ids import UserId


class Transaction(Protocol):
    """What one story reads and writes, all of it or nothing."""

    invoices: Invoices
    payments: Payments
    refunds: Refunds
    refund_orders: RefundOrders
    inbox: Inbox
    ledger_marks: LedgerMarks
    entitlements: Entitlements
    grant_keys: GrantKeys
    trail: Trail
    updates: Updates
    attempts: Attempts
    checkouts: Checkouts
    customers: Customers
    stripe_events: StripeEvents
    outbox: Outbox
    feed: Feed
    pushes: Pushes

    @abstractmethod
    def lock(
        self, *, charges: Sequence[ChargeKey] = (), users: Sequence[UserId] = (), automatic_refunds: bool = False
    ) -> None:
        """Until the end of the transaction nobody else holds any of them. Take charges before users, and these before
        the automatic refunds, always."""


class UnitOfWork(Protocol):
    @abstractmethod
    def begin(self) -> AbstractContextManager[Transaction]:
        """A transaction that commits on a clean exit. Raises Unavailable where the database does not do its part."""

    @abstractmethod
    def look(self) -> AbstractContextManager[Transaction]:
        """A transaction that only reads."""
