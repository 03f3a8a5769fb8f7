"""What stands in Stripe's place where the operator has not set it up."""

from typing import NoReturn

from application.ports.checkout import Checkout, CheckoutSession, StripeEvent, StripeSnapshot
from domain.errors import MethodUnavailable
from domain.ids import UserId
from domain.invoice import Invoice


class NoCheckout(Checkout):
    """Nothing is ever priced for it, so that nobody gets this far; who does, is told."""

    def create_customer(self, user_id: UserId) -> str:
        _refuse()

    def open(self, invoice: Invoice, payload: str, customer_id: str) -> CheckoutSession:
        _refuse()

    def expire(self, session_id: str) -> None:
        _refuse()

    def portal(self, customer_id: str, return_url: str) -> str:
        _refuse()

    def close(self) -> None:
        """Nothing was opened."""

    def snapshot(self, event: StripeEvent) -> StripeSnapshot | None:
        _refuse()


def _refuse() -> NoReturn:
    raise MethodUnavailable("Stripe is not set up here.")
