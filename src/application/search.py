"""One box that finds whatever an operator has in hand: a user's id, a name, a charge id of anybody's, an invoice."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from application.books import People, Person, Register
from application.people import words_of
from application.ports.work import UnitOfWork
from domain.ids import MAX_USER_ID, ChargeId, EntitlementId, InvoiceId, PaymentId, UserId
from domain.invoice import Invoice
from domain.payment import Payment

MOST_NAMES: Final = 50
LONGEST: Final = 255
_OURS = re.compile(r"(inv|pay|ent)_[0-9A-Za-z_]{1,80}", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,16}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What bears exactly that id, and people whose names begin so. `returned` is when a charge of that id was given
    back of which nothing else is known."""

    payments: tuple[Payment, ...] = ()
    invoices: tuple[Invoice, ...] = ()
    users: tuple[UserId, ...] = ()
    people: tuple[Person, ...] = field(default=())
    returned: datetime | None = None

    @property
    def exact(self) -> int:
        return len(self.payments) + len(self.invoices) + len(self.users)


@dataclass(frozen=True, slots=True)
class Search:
    work: UnitOfWork
    register: Register
    people: People

    def __call__(self, text: str) -> Found:
        """Nothing for what is empty or longer than any id."""
        wanted = text.strip()
        if not wanted or len(wanted) > LONGEST:
            return Found()
        payments = [*self.register.charged(wanted), *self._payment(wanted)]
        users = list(self._users(wanted))
        return Found(
            payments=tuple({payment.id: payment for payment in payments}.values()),
            invoices=tuple(self._invoices(wanted)),
            users=tuple(dict.fromkeys(users)),
            people=tuple(self._named(wanted, users)),
            returned=None if payments else self.register.returned(ChargeId(wanted)),
        )

    def _payment(self, wanted: str) -> Iterator[Payment]:
        if _OURS.fullmatch(wanted):
            with self.work.look() as tx:
                if found := tx.payments.get(PaymentId(wanted)):
                    yield found

    def _invoices(self, wanted: str) -> Sequence[Invoice]:
        if not _OURS.fullmatch(wanted):
            return []
        with self.work.look() as tx:
            return list(tx.invoices.of([InvoiceId(wanted)]).values())

    def _users(self, wanted: str) -> Iterator[UserId]:
        if _NUMBER.fullmatch(wanted) and 0 < int(wanted) <= MAX_USER_ID and self.register.known(UserId(int(wanted))):
            yield UserId(int(wanted))
        if _OURS.fullmatch(wanted):
            with self.work.look() as tx:
                if entitlement := tx.entitlements.get(EntitlementId(wanted)):
                    yield entitlement.user_id

    def _named(self, wanted: str, exact: Sequence[UserId]) -> Iterator[Person]:
        for person in self.people.named(words_of(wanted), at_most=MOST_NAMES):
            if person.user_id not in exact:
                yield person
