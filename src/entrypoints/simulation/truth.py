"""What really happened, by the providers' own books: what our books are judged by."""

from dataclasses import dataclass, field
from datetime import datetime

from application.messages import InvoiceMessage
from application.ports.payments import ChargeKey
from domain.ids import ChargeId, UserId
from domain.payment import Provider
from entrypoints.simulation.stripe import Intent, Stripe
from entrypoints.simulation.telegram import Telegram, TelegramCharge

RealCharge = TelegramCharge | Intent


@dataclass(slots=True)
class Truth:
    telegram: Telegram
    stripe: Stripe
    offers: dict[str, tuple[InvoiceMessage, UserId]] = field(default_factory=dict)
    """What each payload of ours offers, and to whom."""
    poison: dict[str, int] = field(default_factory=dict)
    """Charges over which our code fails, and how many times more it does."""
    poisoned: set[str] = field(default_factory=set)
    acted_on: set[str] = field(default_factory=set)
    """Charges about which a person decided."""
    withdrawn: set[str] = field(default_factory=set)
    """Plans that were taken out of the catalog: an invoice that was lost can't be rebuilt any more."""
    restored: bool = False
    """Whether the last part of what was committed was lost."""
    clocks_jumped: bool = False
    away_until: datetime | None = None
    """When the last outage ended, if there was one."""

    def charges(self) -> dict[ChargeKey, RealCharge]:
        """All money that moved. What moved in Stripe's test mode is none."""
        found: dict[ChargeKey, RealCharge] = {
            (Provider.TELEGRAM, ChargeId(id)): charge for id, charge in self.telegram.charges.items()
        }
        for id, intent in self.stripe.intents.items():
            if intent.paid_at is not None and intent.live:
                found[Provider.STRIPE, ChargeId(id)] = intent
        return found

    @property
    def moved(self) -> int:
        """How many charges there are."""
        return len(self.telegram.charges) + self.stripe.paid

    def exists(self, key: ChargeKey) -> bool:
        provider, id = key
        if provider is Provider.TELEGRAM:
            return id in self.telegram.charges
        intent = self.stripe.intents.get(id)
        return intent is not None and intent.paid_at is not None and intent.live

    def taken(self, currency: str) -> int:
        """All money of that currency that came in, whatever became of it since."""
        return self.telegram.taken[currency] + self.stripe.taken[currency]


def payer_of(charge: RealCharge) -> UserId:
    return charge.payer if isinstance(charge, TelegramCharge) else charge.invoice.payer


def currency_of(charge: RealCharge) -> str:
    return charge.currency if isinstance(charge, TelegramCharge) else charge.invoice.offer.price.currency


def moved_at(charge: RealCharge) -> datetime:
    at = charge.at if isinstance(charge, TelegramCharge) else charge.paid_at
    if at is None:
        raise ValueError("nothing was paid")
    return at


def gone(charge: RealCharge) -> bool:
    """Whether all of it went back."""
    return charge.given_back_at is not None if isinstance(charge, TelegramCharge) else charge.gone
