"""Carrying the letters that wait in the outbox: in order per chat, tried again, and given up visibly."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import assert_never

from application.messages import InvoiceMessage, Letter
from application.ports.outbox import Blocked, Delivery, Messenger, Sent
from application.ports.outcomes import LONGEST_ASKED, Rejected, TryLater
from application.ports.surroundings import Causes, Clock, Journal
from application.ports.work import UnitOfWork
from domain.events import Event, InvoiceSent, MessageGivenUp, MessageSent

MAX_ATTEMPTS = 160
"""About 26 hours of pauses: who paid while Telegram was away for a day is told all the same."""
LEASE = timedelta(seconds=60)
FIRST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(minutes=10)
DOUBLINGS = 10


@dataclass(frozen=True, slots=True)
class DeliverOutbox:
    """Send what is due. A process that dies in the middle leaves its claims to run out, and another sends them:
    each letter is carried at least once."""

    work: UnitOfWork
    clock: Clock
    messenger: Messenger
    journal: Journal
    causes: Causes

    def __call__(self, at_most: int) -> int:
        """How many letters were tried. Raises what our own code raised over one of them, once all were tried."""
        letters = self.claim(at_most)
        faults: list[Exception] = []
        for letter in letters:
            try:
                self.carry(letter)
            except Exception as fault:
                faults.append(fault)
        if faults:
            raise faults[0]
        return len(letters)

    def claim(self, at_most: int) -> Sequence[Letter]:
        """Letters that nobody else carries for as long as the lease lasts."""
        with self.work.begin() as tx:
            return tx.outbox.claim(self.clock.now(), at_most=at_most, lease=LEASE)

    def carry(self, letter: Letter) -> None:
        """Raises what our own code raised over it: it holds up no other letter, and is not tried for ever."""
        fault: Exception | None = None
        with self.causes.going_on(letter.cause, "letter", bot=letter.bot, message=type(letter.message).__name__):
            try:
                delivery = self.messenger.send(letter)
            except Exception as ours:
                fault, delivery = ours, TryLater(problem=type(ours).__name__)
            self._note(letter, delivery)
        if fault:
            raise fault

    def _note(self, letter: Letter, delivery: Delivery) -> None:
        message = type(letter.message).__name__
        events: list[Event] = []
        with self.work.begin() as tx:
            now = self.clock.now()
            match delivery:
                case Sent():
                    tx.outbox.sent(letter, now)
                    events.append(
                        MessageSent(bot=letter.bot, chat_id=letter.chat_id, message=message, attempts=letter.attempts)
                    )
                    if isinstance(letter.message, InvoiceMessage):
                        invoice_id = letter.message.invoice_id
                        tx.invoices.sent(invoice_id, delivery.message_id)
                        invoice = tx.invoices.of([invoice_id])[invoice_id]
                        events.append(InvoiceSent(invoice=invoice, telegram_message_id=delivery.message_id))
                case TryLater() if letter.attempts + 1 < MAX_ATTEMPTS:
                    tx.outbox.retry(letter, now + pause(letter.attempts, delivery.after), delivery.problem)
                case Blocked() | Rejected() | TryLater():
                    tx.outbox.give_up(letter, now, delivery.problem)
                    events.append(
                        MessageGivenUp(
                            bot=letter.bot, chat_id=letter.chat_id, message=message, problem=delivery.problem
                        )
                    )
                case _:
                    assert_never(delivery)
        self.journal.record(*events)


def pause(attempts: int, asked_for: timedelta | None) -> timedelta:
    """How long to wait before the next try: what Telegram asked for, up to an hour, else twice as long each time."""
    return (
        min(asked_for, LONGEST_ASKED) if asked_for else min(FIRST_PAUSE * 2 ** min(attempts, DOUBLINGS), LONGEST_PAUSE)
    )
