"""What is sold: plans, their prices and what they open."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from domain.duration import Duration, Unit
from domain.ids import PlanCode
from domain.money import STARS, Money


class Method(StrEnum):
    """How one pays."""

    STARS = "stars"
    TELEGRAM = "telegram"
    STRIPE = "stripe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A plan as it stood when somebody was asked to pay for it; a later catalog changes nothing here."""

    plan_code: PlanCode
    title: str
    description: str
    price: Money
    duration: Duration
    features: tuple[str, ...]
    limits: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`prices` maps a currency to minor units; `renew_window` is how long before its end it may be bought again."""

    code: PlanCode
    title: str
    description: str
    features: tuple[str, ...]
    duration: Duration
    prices: Mapping[str, int]
    limits: Mapping[str, int] = field(default_factory=dict)
    renew_window: Duration = Duration(count=3, unit=Unit.DAY)

    def offer(self, currency: str) -> Offer | None:
        """This plan for its price in that currency; None where it has none."""
        amount = self.prices.get(currency)
        return None if amount is None else self.sold_for(Money(amount=amount, currency=currency))

    def sold_for(self, price: Money) -> Offer:
        """This plan for whatever was paid for it."""
        return Offer(
            plan_code=self.code,
            title=self.title,
            description=self.description,
            price=price,
            duration=self.duration,
            features=self.features,
            limits=self.limits,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Every plan that is on sale, in the order in which it is shown."""

    plans: Mapping[PlanCode, Plan]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tills:
    """Which methods the operator has set up, and in which currency each takes money."""

    currencies: Mapping[Method, str]

    def methods_for(self, plan: Plan) -> tuple[Method, ...]:
        """The methods that this plan can be paid by, in the order in which they are shown."""
        return tuple(
            method for method in Method if (currency := self.currencies.get(method)) and currency in plan.prices
        )

    def offer(self, plan: Plan, method: Method) -> Offer | None:
        """The plan at this method's price; None where the method is not set up or the plan not priced in it."""
        currency = self.currencies.get(method)
        return plan.offer(currency) if currency else None


def method_of(currency: str) -> Method:
    """The Telegram method that takes this currency: Stars for XTR, a provider token for money."""
    return Method.STARS if currency == STARS else Method.TELEGRAM
