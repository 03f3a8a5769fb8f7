"""Letters that lead to a page of Stripe's: the page is made just before the letter is sent."""

from dataclasses import dataclass, replace
from typing import assert_never

from application.checkout import CheckoutDesk
from application.messages import CheckoutInvitation, Letter, Message, PortalInvitation, PurchaseDeclined
from application.ports import Delivery, Messenger
from domain.errors import MethodUnavailable, NotFound, ProviderUnavailable


@dataclass(frozen=True, slots=True)
class InvitingMessenger(Messenger):
    """Carries every letter as `messenger` does, once those that lead somewhere have their address.

    Where Stripe can't be reached the user is told so at once, instead of an invitation that leads nowhere.
    """

    messenger: Messenger
    desk: CheckoutDesk
    return_url: str

    def send(self, letter: Letter) -> Delivery:
        message = letter.message
        if isinstance(message, CheckoutInvitation | PortalInvitation):
            letter = replace(letter, message=self._with_page(message))
        return self.messenger.send(letter)

    def invoice_link(self, letter: Letter) -> str:
        return self.messenger.invoice_link(letter)

    def _with_page(self, message: CheckoutInvitation | PortalInvitation) -> Message:
        try:
            match message:
                case CheckoutInvitation():
                    with self.desk.work.look() as tx:
                        invoice = tx.invoices.of([message.invoice_id])[message.invoice_id]
                    return replace(message, url=self.desk.page(invoice).url)
                case PortalInvitation():
                    return replace(message, url=self.desk.portal(message.user_id, self.return_url))
                case _:
                    assert_never(message)
        except (ProviderUnavailable, MethodUnavailable, NotFound) as problem:
            return PurchaseDeclined(code=problem.code)
