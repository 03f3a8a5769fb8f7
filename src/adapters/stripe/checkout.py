"""Paying on Stripe's page, and what Stripe says of it afterwards."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from adapters.stripe import ours, standing, wire
from adapters.stripe.amounts import from_stripe, to_stripe
from adapters.stripe.around import Around, nothing_around
from adapters.stripe.events import Subject, subject_of
from adapters.stripe.limits import MOST_LISTED, WHOLE_CALL_S
from adapters.stripe.refusals import NoSuchThing, Refused
from application.ports.checkout import Checkout, CheckoutSession, StripeEvent, StripeSnapshot
from domain.errors import ProviderUnavailable
from domain.ids import UserId
from domain.invoice import Invoice

if TYPE_CHECKING:
    from adapters.stripe.connection import Connection

LONGEST_PAGE = timedelta(hours=23, minutes=50)
"""Stripe closes a page within 24 hours of its making; our clock and Stripe's may differ."""
LEFT_OUT = frozenset({"client_secret"})
"""With these a browser could act on a payment: not kept."""


class StripeCheckout(Checkout):
    """`price_map` names Stripe's own prices by plan; a plan without one is sold at its catalog price.

    May be used from several threads. Stripe's library is loaded when this is built.
    """

    def __init__(
        self,
        secret_key: str,
        api_base: str | None = None,
        *,
        price_map: Mapping[str, str],
        success_url: str,
        cancel_url: str,
        whole_call_s: float = WHOLE_CALL_S,
        around: Around = nothing_around,
    ) -> None:
        from adapters.stripe.connection import Connection  # noqa: PLC0415 Stripe's library is large

        self._stripe = Connection(secret_key, api_base, whole_call_s=whole_call_s, around=around)
        self._api = self._stripe.api
        self._price_map = price_map
        self._success_url = success_url
        self._cancel_url = cancel_url

    def __repr__(self) -> str:
        return "StripeCheckout()"

    @property
    def connection(self) -> "Connection":
        """To the account, for whatever else is asked of it."""
        return self._stripe

    def close(self) -> None:
        self._stripe.close()

    def create_customer(self, user_id: UserId) -> str:
        about: Any = {
            "description": f"Telegram user {user_id}",
            "metadata": {"tollgram": ours.MARK, "user_id": str(user_id)},
        }
        try:
            return self._stripe.make(
                wire.Named, f"customer-{user_id}", lambda key: self._api.customers.create(about, key)
            ).id
        except NoSuchThing as missing:
            raise _unknown(missing) from None

    def open(self, invoice: Invoice, payload: str, customer_id: str) -> CheckoutSession:
        """A page that asks for another price than Stripe can name to us is closed again."""
        made = self._session(invoice, self._page(invoice, payload), customer_id)
        try:
            price = from_stripe(made.amount_total, made.currency)
        except ValueError as problem:
            self.expire(made.id)
            raise ProviderUnavailable(f"Stripe asks for what we can't count: {problem}.") from None
        return CheckoutSession(id=made.id, url=_address(made.url), price=price)

    def expire(self, session_id: str) -> None:
        try:
            self._stripe.read(wire.Named, lambda: self._api.checkout.sessions.expire(session_id))
        except NoSuchThing:
            return
        except Refused:
            # Only an open page can be closed: one that is paid or over is as good.
            if self._retrieved(session_id).status == "open":
                raise

    def portal(self, customer_id: str, return_url: str) -> str:
        try:
            made = self._stripe.read(
                wire.PageMade,
                lambda: self._api.billing_portal.sessions.create({"customer": customer_id, "return_url": return_url}),
            )
        except NoSuchThing as missing:
            raise _unknown(missing) from None
        return _address(made.url)

    def snapshot(self, event: StripeEvent) -> StripeSnapshot | None:
        """None where it is about no payment, one that is not ours, or one of the other mode.

        Also where its metadata was changed by hand until nobody can say whose it is.
        """
        subject = subject_of(event.type)
        if subject is None or not event.object_id:
            return None
        try:
            if subject is Subject.SESSION:
                return self._of_session(self._retrieved(event.object_id), event)
            intent_id = self._intent_id(subject, event.object_id)
            return self._of_intent(intent_id, None, event) if intent_id else None
        except NoSuchThing:
            return None
        except ValueError as problem:
            # Kept waiting at Stripe, which tells it again, instead of being dropped.
            raise ProviderUnavailable(f"Stripe reports money that we can't count: {problem}.") from None

    def _page(self, invoice: Invoice, payload: str) -> dict[str, Any]:
        """The same for the same invoice, whenever it is asked: Stripe compares."""
        metadata = ours.written(invoice, payload)
        closes_at = min(invoice.expires_at, invoice.issued_at + LONGEST_PAGE)
        return {
            "mode": "payment",
            **self._line(invoice),
            "client_reference_id": str(invoice.payer),
            "metadata": metadata,
            "payment_intent_data": {"metadata": metadata, "description": invoice.offer.title},
            "adaptive_pricing": {"enabled": False},  # what is asked for is what was offered
            "expires_at": int(closes_at.timestamp()),
            "success_url": self._success_url,
            "cancel_url": self._cancel_url,
        }

    def _line(self, invoice: Invoice) -> dict[str, Any]:
        """Raises ProviderUnavailable for a price that Stripe can't charge."""
        offer = invoice.offer
        try:
            amount, currency = to_stripe(offer.price)
        except ValueError as problem:
            raise ProviderUnavailable(f"Stripe can't charge this price: {problem}.") from None
        if price_id := self._price_map.get(offer.plan_code):
            # Without the currency, a price in several of them follows where the buyer seems to be.
            return {"line_items": [{"price": price_id, "quantity": 1}], "currency": currency}
        product = {"name": offer.title, "description": offer.description}
        price = {"currency": currency, "unit_amount": amount, "product_data": product}
        return {"line_items": [{"price_data": price, "quantity": 1}]}

    def _session(self, invoice: Invoice, page: dict[str, Any], customer_id: str) -> wire.SessionMade:
        key, whose = f"checkout-{invoice.id}", {"customer": customer_id}
        try:
            try:
                return self._made(key, page | whose)
            except NoSuchThing as missing:
                if missing.param != "customer":
                    raise
                # Deleted by hand, or of test mode. Whoever was a customer then can buy all the same.
                return self._made(f"{key}-guest", page)
        except NoSuchThing as missing:
            raise _unknown(missing) from None

    def _made(self, key: str, page: Any) -> wire.SessionMade:
        return self._stripe.make(
            wire.SessionMade, key, lambda options: self._api.checkout.sessions.create(page, options)
        )

    def _retrieved(self, session_id: str) -> wire.Session:
        return self._stripe.read(wire.Session, lambda: self._api.checkout.sessions.retrieve(session_id))

    def _intent_id(self, subject: Subject, object_id: str) -> str | None:
        """The PaymentIntent that the object belongs to, if any."""
        match subject:
            case Subject.INTENT:
                return object_id
            case Subject.DISPUTE:
                found = self._stripe.read(wire.OfIntent, lambda: self._api.disputes.retrieve(object_id))
            case Subject.REFUND | Subject.REFUND_OF_CHARGE:
                found = self._stripe.read(wire.OfIntent, lambda: self._api.refunds.retrieve(object_id))
            case _:
                found = self._stripe.read(wire.OfIntent, lambda: self._api.charges.retrieve(object_id))
        return found.payment_intent

    def _of_session(self, session: wire.Session, event: StripeEvent) -> StripeSnapshot | None:
        mark = ours.read(session.metadata or {})
        if session.payment_intent:
            return self._of_intent(session.payment_intent, mark, event)
        return _NOTHING_MOVED if mark and session.livemode == event.live else None

    def _of_intent(self, intent_id: str, mark: ours.Mark | None, event: StripeEvent) -> StripeSnapshot | None:
        """`mark` is what its session bears, where that is at hand."""
        intent, whole = self._stripe.read_whole(
            wire.Intent, lambda: self._api.payment_intents.retrieve(intent_id, {"expand": ["latest_charge"]})
        )
        if intent.livemode != event.live:
            return None
        mark = ours.read(intent.metadata or {}) or mark or self._mark_of_its_session(intent_id)
        if mark is None:
            return None
        if not standing.has_moved(intent):
            return _NOTHING_MOVED
        return StripeSnapshot(
            charge=standing.charge_of(intent, mark, _kept(whole)),
            standing=standing.standing_of(intent, self._disputes(intent_id), self._refunds(intent, event)),
        )

    def _mark_of_its_session(self, intent_id: str) -> ours.Mark | None:
        found = self._stripe.read(
            wire.Sessions, lambda: self._api.checkout.sessions.list({"payment_intent": intent_id, "limit": 1})
        )
        return next((ours.read(session.metadata or {}) for session in found.data), None)

    def _disputes(self, intent_id: str) -> Sequence[wire.Dispute]:
        return self._stripe.read(
            wire.Disputes, lambda: self._api.disputes.list({"payment_intent": intent_id, "limit": MOST_LISTED})
        ).data

    def _refunds(self, intent: wire.Intent, event: StripeEvent) -> Sequence[wire.Refund]:
        begun = intent.latest_charge.amount_refunded if intent.latest_charge else 0
        # Of one that failed nothing is left in the sum.
        if not begun and subject_of(event.type) not in (Subject.REFUND, Subject.REFUND_OF_CHARGE):
            return ()
        return self._stripe.read(
            wire.Refunds, lambda: self._api.refunds.list({"payment_intent": intent.id, "limit": MOST_LISTED})
        ).data


_NOTHING_MOVED = StripeSnapshot(charge=None, standing=None)


def _kept(whole: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode({name: value for name, value in whole.items() if name not in LEFT_OUT})


def _address(url: str | None) -> str:
    if not url or urlsplit(url).scheme not in ("http", "https"):
        raise ProviderUnavailable("Stripe gave no address to go to.")
    return url


def _unknown(missing: NoSuchThing) -> ProviderUnavailable:
    return ProviderUnavailable(f"Stripe does not know the {missing.param or 'thing'} that we named.")
