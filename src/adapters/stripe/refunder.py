"""Money given back by Stripe: what is left of a payment. https://docs.stripe.com/api/refunds"""

from typing import Any

from adapters.stripe import standing, wire
from adapters.stripe.connection import Connection
from adapters.stripe.limits import MOST_LISTED
from adapters.stripe.refusals import NoSuchThing, Refused, RememberedFailure
from application.ports.outcomes import Rejected, TryLater
from application.ports.refunds import GivenBack, NotYet, Refunder, RefundOrder, ReturnOutcome
from domain.errors import ProviderUnavailable
from domain.payment import Payment

ORDER = "tollgram_order"


class StripeRefunder(Refunder):
    """Asks how things stand before it asks for anything: Stripe forgets idempotency keys after a day."""

    def __init__(self, connection: Connection) -> None:
        self._stripe = connection
        self._api = connection.api

    def given_back(self, payment: Payment, order: RefundOrder) -> bool:
        try:
            return isinstance(self._standing(order), GivenBack)
        except NoSuchThing:
            return False

    def give_back(self, payment: Payment, order: RefundOrder) -> ReturnOutcome:
        asked: Any = {"payment_intent": order.charge_id, "metadata": {ORDER: _name(order)}}
        try:
            if known := self._standing(order):
                return known
            made = self._stripe.make(
                wire.Refund, f"refund-{_name(order)}", lambda options: self._api.refunds.create(asked, options)
            )
        except NoSuchThing:
            return Rejected(problem="Stripe does not know this payment")
        except Refused as refusal:
            return self._known_or(order, Rejected(problem=str(refusal)))
        except RememberedFailure as failure:
            return TryLater(problem=str(failure))
        except ProviderUnavailable as problem:
            return TryLater(problem=str(problem))
        return _outcome(made)

    def _known_or(self, order: RefundOrder, refused: ReturnOutcome) -> ReturnOutcome:
        """It may refuse because somebody else has given it back at this moment."""
        try:
            return self._standing(order) or refused
        except (ProviderUnavailable, NoSuchThing) as problem:
            return TryLater(problem=str(problem))

    def _standing(self, order: RefundOrder) -> ReturnOutcome | None:
        """What has become of it; None where it was not given back. Raises NoSuchThing or ProviderUnavailable."""
        intent = self._stripe.read(
            wire.Intent,
            lambda: self._api.payment_intents.retrieve(order.charge_id, {"expand": ["latest_charge"]}),
        )
        refunds = self._stripe.read(
            wire.Refunds,
            lambda: self._api.refunds.list({"payment_intent": order.charge_id, "limit": MOST_LISTED}),
        ).data
        if standing.standing_of(intent, (), refunds).given_back:
            return GivenBack()
        if intent.latest_charge and intent.latest_charge.amount_refunded >= intent.amount_received:
            return NotYet()
        mine = [refund for refund in refunds if (refund.metadata or {}).get(ORDER) == _name(order)]
        return Rejected(problem="Stripe could not give it back; its bank refused it") if mine else None


def _name(order: RefundOrder) -> str:
    """Another order of the same charge, after one that failed, is another name."""
    return f"{order.payment_id}-{int(order.asked_at.timestamp())}"


def _outcome(made: wire.Refund) -> ReturnOutcome:
    if made.status == "succeeded":
        return GivenBack()
    if made.status in standing.ON_ITS_WAY:
        return NotYet()
    return Rejected(problem=f"Stripe could not give it back ({made.status})")
