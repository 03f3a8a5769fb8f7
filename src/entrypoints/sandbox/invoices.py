"""What a bot offers for money. Anybody who has it may pay it, and as often as they like."""

import secrets
from dataclasses import dataclass, field

from entrypoints.sandbox.people import Json

STARS = "XTR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    bot_id: int
    title: str
    description: str
    payload: str
    currency: str
    prices: tuple[tuple[str, int], ...]
    provider_token: str = ""
    start_parameter: str = ""
    photo_url: str = ""
    needs_shipping: bool = False
    subscription_period: int = 0
    slug: str = field(default_factory=lambda: "$" + secrets.token_urlsafe(16))
    """The last part of its link, `https://t.me/$slug`."""

    @property
    def total(self) -> int:
        return sum(amount for _, amount in self.prices)

    def wire(self) -> Json:
        """As Telegram's Invoice object, which tells neither payload nor provider."""
        return {
            "title": self.title,
            "description": self.description,
            "start_parameter": self.start_parameter,
            "currency": self.currency,
            "total_amount": self.total,
        }

    def view(self) -> Json:
        return self.wire() | {
            "bot_id": self.bot_id,
            "payload": self.payload,
            "slug": self.slug,
            "prices": [{"label": label, "amount": amount} for label, amount in self.prices],
            "photo_url": self.photo_url,
            "subscription_period": self.subscription_period,
        }
