"""Letters that lead to a page of Stripe's: the page is made just before the letter is sent."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from threading import BoundedSemaphore, Event
from typing import assert_never

from application.checkout import CheckoutDesk
from application.messages import CheckoutInvitation, Letter, Message, PortalInvitation, PurchaseDeclined
from application.ports.outbox import Delivery, Messenger
from application.ports.outcomes import TryLater
from domain.errors import MethodUnavailable, NotFound, ProviderUnavailable

PAGES_AT_ONCE = 3
"""Fewer than the relay has carriers: while Stripe hangs, there is always one left for all other letters."""
ASK_AGAIN = timedelta(seconds=0.5)
MOST_TRIES = 100


@dataclass(frozen=True, slots=True)
class InvitingMessenger(Messenger):
    """Carries every letter as `messenger` does, once those that lead somewhere have their address.

    Where Stripe can't be reached the user is told so at once, instead of an invitation that leads nowhere. Those who
    wait behind others for a Stripe that hangs are told without asking it again and again.
    """

    messenger: Messenger
    desk: CheckoutDesk
    return_url: str
    _turns: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(PAGES_AT_ONCE), repr=False)
    _trouble: Event = field(default_factory=Event, repr=False)
    """Set while the latest page could not be made."""

    def send(self, letter: Letter) -> Delivery:
        message = letter.message
        if not isinstance(message, CheckoutInvitation | PortalInvitation):
            return self.messenger.send(letter)
        if letter.attempts >= (1 if self._trouble.is_set() else MOST_TRIES):
            ready: Message = PurchaseDeclined(code=ProviderUnavailable.code)
        elif self._turns.acquire(blocking=False):
            try:
                ready = self._with_page(message)
            finally:
                self._turns.release()
        else:
            return TryLater(problem="others ask Stripe for their pages", after=ASK_AGAIN)
        return self.messenger.send(replace(letter, message=ready))

    def invoice_link(self, letter: Letter) -> str:
        return self.messenger.invoice_link(letter)

    def _with_page(self, message: CheckoutInvitation | PortalInvitation) -> Message:
        try:
            found = replace(message, url=self._address(message))
        except (ProviderUnavailable, MethodUnavailable, NotFound) as problem:
            if isinstance(problem, ProviderUnavailable):
                self._trouble.set()
            return PurchaseDeclined(code=problem.code)
        self._trouble.clear()
        return found

    def _address(self, message: CheckoutInvitation | PortalInvitation) -> str:
        match message:
            case CheckoutInvitation():
                with self.desk.work.look() as tx:
                    invoice = tx.invoices.of([message.invoice_id])[message.invoice_id]
                return self.desk.page(invoice).url
            case PortalInvitation():
                return self.desk.portal(message.user_id, self.return_url)
            case _:
                assert_never(message)
