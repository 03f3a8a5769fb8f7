"""Looks at the prices that Telegram Pay is to take: Telegram takes about 1 to 10,000 US dollars' worth of a currency.

The limits of each follow the exchange rates, so that Telegram alone knows them to the cent; it refuses the invoice
where they are passed. What prices are held against here is about what a dollar was worth in the middle of 2025, in
minor units.
https://core.telegram.org/bots/payments#supported-currencies
"""

from collections.abc import Iterator, Mapping
from typing import Final

from domain.catalog import Catalog
from domain.money import Money
from entrypoints.examination.findings import Finding, of_subject

A_DOLLAR: Final[Mapping[str, int]] = {
    "AED": 367,
    "AUD": 153,
    "BRL": 550,
    "CAD": 137,
    "CHF": 80,
    "CZK": 2_120,
    "EUR": 86,
    "GBP": 74,
    "IDR": 1_630_000,
    "INR": 8_600,
    "JPY": 147,
    "KRW": 1_380,
    "KZT": 53_000,
    "MXN": 1_870,
    "PLN": 367,
    "RUB": 8_000,
    "SEK": 960,
    "SGD": 128,
    "TRY": 4_000,
    "UAH": 4_160,
    "USD": 100,
    "UZS": 1_260_000,
}
MOST_DOLLARS: Final = 10_000
LIMITS: Final = "https://core.telegram.org/bots/payments/currencies.json"
_good, _warning, _ = of_subject("methods")


def examine_limits(catalog: Catalog, currency: str) -> Iterator[Finding]:
    """`currency` is the one that Telegram Pay takes. Nothing where no plan is priced in it."""
    prices = {plan.code: plan.prices[currency] for plan in catalog.plans.values() if currency in plan.prices}
    least = A_DOLLAR.get(currency)
    if least is None:
        if prices:
            yield _good(f"prices in {currency} were not held against Telegram's limits, which stand at {LIMITS}")
        return
    most = least * MOST_DOLLARS
    for code, amount in prices.items():
        if not least <= amount <= most:
            asked, low, high = (Money(amount=some, currency=currency) for some in (amount, least, most))
            yield _warning(
                f"Telegram Pay takes about {low} to {high}, and {code} costs {asked}",
                f"Change its price in {currency} in the catalog; the limits of this day: {LIMITS}",
            )
