"""Looks at the prices that are kept at Stripe: is each the catalog's."""

from collections.abc import Iterator

from adapters.stripe.account import MappedPrice, StripeAccount
from domain.catalog import Catalog
from domain.errors import ProviderUnavailable
from domain.money import Money
from entrypoints.examination.findings import Finding, of_subject
from entrypoints.settings import Settings

_good, _warning, _wrong = of_subject("stripe")


def examine_prices(settings: Settings, catalog: Catalog, account: StripeAccount) -> Iterator[Finding]:
    currency = settings.stripe_currency
    priced = [plan for plan in catalog.plans.values() if currency in plan.prices]
    if priced:
        yield _good(f"{len(priced)} of {len(catalog.plans)} plans are priced in {currency}")
    else:
        yield _warning(
            f"no plan is priced in {currency}, so Stripe is offered for none",
            f"Price a plan in {currency}, or set STRIPE_CURRENCY to what the catalog has.",
        )
    for code, price_id in settings.stripe_price_map.items():
        plan = next((plan for plan in catalog.plans.values() if plan.code == code), None)
        if plan is None:
            yield _wrong(
                f"STRIPE_PRICE_MAP_JSON names {code}, which the catalog does not have",
                "Take it out, or add the plan; until then the service does not start.",
            )
        elif (offer := plan.offer(currency)) is None:
            yield _warning(
                f"STRIPE_PRICE_MAP_JSON has a price for {code}, which the catalog does not price in {currency}",
                f"Price it in {currency} in the catalog, too.",
            )
        else:
            try:
                found = account.price(price_id)
            except ProviderUnavailable as problem:
                yield _warning(
                    f"the price {price_id} of {code} could not be looked at. {problem}",
                    "A restricted key needs the right to read prices.",
                )
                continue
            if objection := _objection(found, offer.price):
                yield _wrong(
                    f"the price {price_id} of {code} {objection}",
                    "Name another price in STRIPE_PRICE_MAP_JSON; without one the plan is sold at its catalog price.",
                )
            else:
                yield _good(f"the price {price_id} of {code} is {offer.price}, as in the catalog")


def _objection(found: MappedPrice | None, asked: Money) -> str:
    """Why it can't be sold at that price; empty where it can."""
    if found is None:
        return "does not exist in the mode of the key"
    if not found.sold:
        return "is archived"
    if not found.once:
        return "is one that recurs"
    if found.price != asked:
        return f"is {found.price or 'none that can be sold at'}, but the catalog says {asked}"
    return ""
