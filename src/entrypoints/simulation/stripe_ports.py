"""What the service calls at the simulated Stripe: pages, payments as they stand, lists, refunds."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from msgspec import json

from application.ports.checkout import Checkout, CheckoutSession, StripeEvent, StripeSnapshot
from application.ports.inbox import Report, Source
from application.ports.ledgers import StripeEntry, StripeLedger
from application.ports.outcomes import TryLater
from application.ports.refunds import Refunder, RefundOrder, ReturnOutcome
from domain.errors import ProviderUnavailable
from domain.ids import BotName, ChargeId, UserId
from domain.invoice import Invoice
from domain.payment import Payment
from entrypoints.simulation.stripe import Intent, Stripe
from entrypoints.simulation.weather import REFUNDS_LOST, TimedOut

Answer = TypeVar("Answer")
PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class SimulatedCheckout(Checkout):
    stripe: Stripe

    def create_customer(self, user_id: UserId) -> str:
        return self._asked(lambda: f"cus_{user_id}")

    def open(self, invoice: Invoice, payload: str, customer_id: str) -> CheckoutSession:
        intent = self._asked(lambda: self.stripe.open(invoice, payload))
        return CheckoutSession(id=f"cs_{intent.id}", url=f"https://pay/{intent.id}", price=invoice.offer.price)

    def expire(self, session_id: str) -> None:
        raise ProviderUnavailable("Nobody asks for that here.")

    def portal(self, customer_id: str, return_url: str) -> str:
        raise ProviderUnavailable("Nobody asks for that here.")

    def close(self) -> None:
        """Nothing was opened."""

    def snapshot(self, event: StripeEvent) -> StripeSnapshot | None:
        return self._asked(lambda: self.stripe.snapshot(event))

    def _asked(self, ask: Callable[[], Answer]) -> Answer:
        try:
            return self.stripe.weather.ask("stripe", ask)
        except TimedOut as problem:
            raise ProviderUnavailable(str(problem)) from None


@dataclass(frozen=True, slots=True)
class SimulatedStripeRefunder(Refunder):
    stripe: Stripe

    def given_back(self, payment: Payment, order: RefundOrder) -> bool:
        intent = self.stripe.intents.get(order.charge_id)
        try:
            return self.stripe.weather.ask("stripe", lambda: intent is not None and intent.gone)
        except TimedOut as problem:
            raise ProviderUnavailable(str(problem)) from None

    def give_back(self, payment: Payment, order: RefundOrder) -> ReturnOutcome:
        key = f"{order.payment_id}-{order.asked_at.timestamp():.0f}"  # as the adapter does it
        try:
            return self.stripe.weather.ask(
                "stripe refunds", lambda: self.stripe.refund(order.charge_id, key), lost=REFUNDS_LOST
            )
        except TimedOut as problem:
            return TryLater(problem=str(problem))


@dataclass(frozen=True, slots=True)
class SimulatedStripeLedger(StripeLedger):
    stripe: Stripe

    def entries(self, since: datetime) -> Iterator[Sequence[StripeEntry]]:
        """Payments with what has become of them since then: Stripe's three lists in one."""
        paid = [intent for intent in self.stripe.intents.values() if intent.paid_at and intent.live]
        found = [intent for intent in paid if intent.changed_at >= since]
        for at in range(0, len(found), PAGE):
            page = found[at : at + PAGE]
            try:
                yield self.stripe.weather.ask("stripe lists", lambda: [_entry(intent) for intent in page])  # noqa: B023
            except TimedOut as problem:
                raise ProviderUnavailable(str(problem)) from None

    def report(self, charge_id: ChargeId) -> Report:
        body = json.encode({"payment_intent": charge_id, "live": True})
        return Report(source=Source.STRIPE_PAYMENT, bot=BotName(""), body=body)


def _entry(intent: Intent) -> StripeEntry:
    return StripeEntry(
        charge_id=ChargeId(intent.id),
        ours=True,
        at=intent.changed_at,
        moved=True,
        given_back=intent.given_back,
        disputes=dict(intent.disputes),
    )
