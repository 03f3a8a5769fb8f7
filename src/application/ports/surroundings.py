"""Time, ids, causes and the journal: what every story needs."""

from abc import abstractmethod
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from domain.events import Event
from domain.ids import EntitlementId, InvoiceId, PassportId, PaymentId


class Clock(Protocol):
    @abstractmethod
    def now(self) -> datetime:
        """The time, with zone UTC."""


class Ids(Protocol):
    """New ids that nobody can guess."""

    @abstractmethod
    def invoice(self) -> InvoiceId: ...

    @abstractmethod
    def payment(self) -> PaymentId: ...

    @abstractmethod
    def entitlement(self) -> EntitlementId: ...

    @abstractmethod
    def passport(self) -> PassportId: ...


class Causes(Protocol):
    """What a piece of work was asked for by, so that what is left for later is found beside it again."""

    @abstractmethod
    def going_on(self, cause: str, what: str, **facts: str) -> AbstractContextManager[None]:
        """Within it, all that is recorded and called belongs to that cause, as it was kept with what was left."""


class Journal(Protocol):
    """Tells the operator what happened: logs and counts. Called after the commit, never before it; never raises."""

    @abstractmethod
    def record(self, *events: Event) -> None: ...
