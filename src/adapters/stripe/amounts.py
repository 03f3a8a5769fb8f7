"""Amounts as Stripe writes them. Its unit is our minor unit, but for two currencies.

ISK and UGX have no decimals, and Stripe writes them with two, always 00: 5 ISK is 500. HUF and TWD have two when
charged (only payouts are whole), as with us. Three-decimal currencies must end in 0: 5.124 KWD can't be charged.
https://docs.stripe.com/currencies#special-cases, #three-decimal
"""

from domain.money import EXPONENTS, STARS, Money

_WITH_00 = frozenset({"ISK", "UGX"})
_HUNDRED = 100
_TEN = 10


def to_stripe(price: Money) -> tuple[int, str]:
    """The amount in Stripe's unit and the currency in small letters. Raises ValueError for what Stripe can't charge."""
    if price.currency == STARS:
        raise ValueError("Stripe knows no Stars")
    if EXPONENTS[price.currency] == 3 and price.amount % _TEN:
        raise ValueError(f"Stripe takes {price.currency} only in steps of 10, not {price.amount}")
    return price.amount * (_HUNDRED if price.currency in _WITH_00 else 1), price.currency.lower()


def from_stripe(amount: int, currency: str) -> Money:
    """Raises ValueError for nothing, for a currency that we don't know, and for parts of a whole currency."""
    return Money(amount=units(amount, currency), currency=currency.upper())


def units(amount: int, currency: str) -> int:
    """The amount in our minor units, also none at all. Raises ValueError for parts of a whole currency."""
    if currency.upper() not in _WITH_00:
        return amount
    whole, rest = divmod(amount, _HUNDRED)
    if rest:
        raise ValueError(f"{currency.upper()} has no parts, but Stripe says {amount}")
    return whole
