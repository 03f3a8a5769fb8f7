"""Looks at what Stripe needs: its key and its mode, and the webhook endpoint."""

import re
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from adapters.stripe.account import StripeAccount, WebhookEndpoint
from adapters.stripe.events import EVENT_TYPES
from adapters.stripe.refusals import Refused
from domain.catalog import Catalog
from domain.errors import ProviderUnavailable
from entrypoints.examination.findings import Finding, Verdict, of_subject
from entrypoints.examination.stripe_prices import examine_prices
from entrypoints.settings import TELEGRAM_API, Settings

SUBJECT = "stripe"
WEBHOOK = "/api/v1/billing/stripe/webhook"
_good, _warning, _wrong = of_subject(SUBJECT)
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
        yield from examine_prices(settings, catalog, account)


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
