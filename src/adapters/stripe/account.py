"""What the operator has set up at Stripe, for `tollgram doctor`."""

from collections.abc import Sequence
from dataclasses import dataclass

from adapters.stripe import wire
from adapters.stripe.amounts import from_stripe
from adapters.stripe.limits import MOST_LISTED, WHOLE_CALL_S
from adapters.stripe.refusals import NoSuchThing
from domain.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEndpoint:
    """`event_types` may be `*` alone."""

    url: str
    enabled: bool
    event_types: tuple[str, ...]

    def misses(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """Those of `wanted` that are never sent here."""
        return () if "*" in self.event_types else tuple(one for one in wanted if one not in self.event_types)


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedPrice:
    """A price of Stripe's. `price` is None where it is none that we could sell at (free, tiered, unknown currency)."""

    id: str
    sold: bool
    once: bool
    price: Money | None


class StripeAccount:
    """Every method asks Stripe, and raises ProviderUnavailable where it can't be reached or refuses the key."""

    def __init__(self, secret_key: str, api_base: str | None = None) -> None:
        from adapters.stripe.connection import Connection  # noqa: PLC0415 Stripe's library is large

        self.live = is_live(secret_key)
        self._stripe = Connection(secret_key, api_base, whole_call_s=WHOLE_CALL_S)
        self._api = self._stripe.api

    def __repr__(self) -> str:
        return f"StripeAccount({'live' if self.live else 'test'})"

    def close(self) -> None:
        self._stripe.close()

    def webhook_endpoints(self) -> tuple[WebhookEndpoint, ...]:
        """All in the mode of the key."""
        listed = self._stripe.read(
            wire.Endpoints, lambda: self._api.webhook_endpoints.list({"limit": MOST_LISTED})
        ).data
        return tuple(
            WebhookEndpoint(url=one.url, enabled=one.status == "enabled", event_types=tuple(one.enabled_events))
            for one in listed
        )

    def price(self, price_id: str) -> MappedPrice | None:
        """None where the account has no such price in the mode of the key."""
        try:
            found = self._stripe.read(wire.Price, lambda: self._api.prices.retrieve(price_id))
        except NoSuchThing:
            return None
        return MappedPrice(id=found.id, sold=found.active, once=found.type == "one_time", price=_money(found))


def is_live(secret_key: str) -> bool:
    """Whether money moves with this key: `sk_live_…`, `rk_live_…`."""
    return secret_key[2:].startswith("_live_")


def _money(price: wire.Price) -> Money | None:
    try:
        return from_stripe(price.unit_amount or 0, price.currency)
    except ValueError:
        return None
