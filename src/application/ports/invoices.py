"""What is to be paid, and how often somebody may begin to."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from domain.ids import ChargeId, InvoiceId, UserId
from domain.invoice import Invoice


class Invoices(Protocol):
    @abstractmethod
    def add(self, invoices: Sequence[Invoice]) -> None:
        """Keep them; one whose id is kept already stays as it is."""

    @abstractmethod
    def of(self, ids: Sequence[InvoiceId]) -> Mapping[InvoiceId, Invoice]:
        """Those of them that are kept."""

    @abstractmethod
    def approve(self, ids: Sequence[InvoiceId], at: datetime) -> None:
        """Note when a pre-checkout of them was first approved; later approvals change nothing."""

    @abstractmethod
    def settle(self, charges: Mapping[InvoiceId, ChargeId]) -> None:
        """Note which charge paid each of them."""

    @abstractmethod
    def cancel(self, id: InvoiceId, at: datetime) -> None:
        """Nobody shall pay it any more; one that is paid or cancelled already stays as it is."""

    @abstractmethod
    def sent(self, id: InvoiceId, telegram_message_id: int) -> None:
        """Note the message by which it stands in the chat."""


class Attempts(Protocol):
    """Purchases begun."""

    @abstractmethod
    def admit(self, user_id: UserId, now: datetime, *, at_most: int, within: timedelta) -> timedelta | None:
        """Note an attempt, or tell how long to wait where `at_most` were admitted `within` the time just past.

        Exact also when several come at once, at several processes.
        """
