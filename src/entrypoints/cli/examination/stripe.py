"""Looks at what Stripe needs: its key, the webhook endpoint, and the prices that are kept there."""

import re
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from adapters.stripe.account import MappedPrice, StripeAccount, WebhookEndpoint
from adapters.stripe.events import EVENT_TYPES
from adapters.stripe.refusals import Refused
from domain.catalog import Catalog
from domain.errors import ProviderUnavailable
from domain.money import Money
from entrypoints.cli.examination.findings import Finding, Verdict
from entrypoints.settings import TELEGRAM_API, Settings

SUBJECT = "stripe"
WEBHOOK = "/api/v1/billing/stripe/webhook"
_UNAUTHORIZED = re.compile(r"\b401\b")


def examine_stripe(settings: Settings, catalog: Catalog | None) -> Iterator[Finding]:
    """Nothing where Stripe is not set up. `catalog` is None where it could not be read."""
    if not settings.stripe_secret_key:
        if settings.stripe_webhook_secrets or settings.stripe_price_map:
            yield _warning("is half set up, and offered to nobody", "Set STRIPE_SECRET_KEY, or remove the others.")
        return
    account = StripeAccount(settings.stripe_secret_key, settings.stripe_api_base)
    try:
        yield from _account(settings, catalog, account)
    finally:
        account.close()


def _account(settings: Settings, catalog: Catalog | None, account: StripeAccount) -> Iterator[Finding]:
    mode = "live" if account.live else "test"
    try:
        endpoints = account.webhook_endpoints()
    except Refused as problem:
        if _UNAUTHORIZED.search(str(problem)):
            yield _wrong(f"its key is refused. {problem}", "Take the key that the dashboard shows now.")
            return
        endpoints = None
        yield _good(f"its key works, in {mode} mode")
        yield _warning(
            f"the key may not list webhook endpoints, so nobody has looked at them. {problem}",
            "Give the restricted key the right to read webhook endpoints, or look for yourself.",
        )
    except ProviderUnavailable as problem:
        yield _wrong(
            f"can't be reached. {problem}",
            f"Is {urlsplit(settings.stripe_api_base or 'https://api.stripe.com').netloc} reachable from here, "
            "and STRIPE_API_BASE right?",
        )
        return
    else:
        yield _good(f"its key works, in {mode} mode")
    yield from _mode(settings, live=account.live)
    if endpoints is not None:
        yield from _endpoint(settings, endpoints, live=account.live)
    if catalog is not None:
        yield from _catalog(settings, catalog, account)


def _mode(settings: Settings, *, live: bool) -> Iterator[Finding]:
    if not live:
        if settings.telegram_api_base == TELEGRAM_API:
            yield _warning(
                "test cards open real doors: the key is of test mode, the bot is real",
                "Before anybody else knows the bot: set STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET of live mode.",
            )
        return
    if urlsplit(settings.public_url).scheme != "https":
        yield _warning(
            f"delivers to https:// only in live mode, and PUBLIC_URL is {settings.public_url}",
            "Set PUBLIC_URL to the address by which the world reaches this service.",
        )
    yield _warning(
        f"takes {settings.stripe_currency}; digital goods and services may be sold in Telegram for Stars alone",
        "Leave STRIPE_SECRET_KEY empty unless what you sell is physical, or the risk is yours to take.",
    )


def _endpoint(settings: Settings, endpoints: Sequence[WebhookEndpoint], *, live: bool) -> Iterator[Finding]:
    address = f"{settings.public_url}{WEBHOOK}"
    ours = [one for one in endpoints if one.url == address]
    if not ours:
        # The command line of Stripe's delivers without any endpoint, in test mode.
        trying = not live and urlsplit(settings.public_url).scheme != "https"
        yield Finding(
            Verdict.WARNING if trying else Verdict.WRONG,
            SUBJECT,
            f"no webhook endpoint leads to {address}, so no payment is ever reported",
            f"On this machine alone: stripe listen --forward-to {address}; its whsec_… is the STRIPE_WEBHOOK_SECRET."
            if trying
            else f"Add it in Stripe's dashboard under Webhooks, for {', '.join(EVENT_TYPES)}; "
            "its signing secret is the STRIPE_WEBHOOK_SECRET.",
        )
    elif not (enabled := [one for one in ours if one.enabled]):
        yield _wrong(
            f"the webhook endpoint {address} is disabled",
            "Enable it in Stripe's dashboard under Webhooks, and send again there what failed.",
        )
    elif missing := [kind for kind in EVENT_TYPES if all(one.misses([kind]) for one in enabled)]:
        yield _wrong(
            f"the webhook endpoint is not asked to send {', '.join(missing)}",
            "Add these types to it in Stripe's dashboard under Webhooks.",
        )
    else:
        yield _good(f"its events come to {address}")


def _catalog(settings: Settings, catalog: Catalog, account: StripeAccount) -> Iterator[Finding]:
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


def _good(finding: str) -> Finding:
    return Finding(Verdict.GOOD, SUBJECT, finding)


def _warning(finding: str, remedy: str) -> Finding:
    return Finding(Verdict.WARNING, SUBJECT, finding, remedy)


def _wrong(finding: str, remedy: str) -> Finding:
    return Finding(Verdict.WRONG, SUBJECT, finding, remedy)
