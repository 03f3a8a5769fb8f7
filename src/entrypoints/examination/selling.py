"""Looks at what is sold, and by which ways it can be paid: the catalog, Telegram's rules, and who may call."""

from collections.abc import Generator, Iterator
from urllib.parse import urlsplit

from adapters.catalog_file import CatalogError, read_catalog
from adapters.tokens import KeySetAddress
from domain.catalog import Catalog, Tills
from entrypoints.examination.findings import Finding, Verdict
from entrypoints.examination.settings import wrong_settings
from entrypoints.examination.telegram_prices import examine_limits
from entrypoints.settings import TELEGRAM_API, Settings, SettingsError

TEST_MODE = ":TEST:"


def examine_catalog(settings: Settings) -> Generator[Finding, None, Catalog | None]:
    """Gives the catalog, None where it can't be read."""
    try:
        catalog = read_catalog(settings.catalog_path)
    except CatalogError as error:
        for mistake in error.mistakes:
            yield Finding(Verdict.WRONG, "catalog", f"{error.path}: {mistake}", "Mend it, then: tollgram catalog check")
        return None
    yield Finding(Verdict.GOOD, "catalog", f"{len(catalog.plans)} plans in {settings.catalog_path}")
    return catalog


def examine_selling(settings: Settings, catalog: Catalog) -> Iterator[Finding]:
    """Only of settings with which the service would start."""
    from entrypoints.container import Container  # the container knows the console, which shows what is found here

    container = Container(settings=settings)
    try:
        keys = container.callers().tokens.keys
        if isinstance(keys, KeySetAddress):
            keys.fetch()
    except SettingsError as error:
        yield from wrong_settings(error)
    except ValueError as problem:
        yield Finding(
            Verdict.WRONG, "settings", f"AUTH_JWKS {problem}", "Is the address right, and reachable from here?"
        )
    yield from _methods(container.shop().tills, catalog)
    for bot in container.bots().values():
        bot.close()
    yield from _rules(settings)
    if settings.telegram_payment_enabled and settings.provider_token:
        yield from examine_limits(catalog, settings.payment_currency)


def _methods(tills: Tills, catalog: Catalog) -> Iterator[Finding]:
    for plan in catalog.plans.values():
        if not tills.methods_for(plan):
            takes = " or ".join(tills.currencies.values())
            yield Finding(
                Verdict.WARNING,
                "methods",
                f"no method that is set up can pay {plan.code}",
                f"Price it in {takes}." if takes else "Set a method up; see .env.example.",
            )


def _rules(settings: Settings) -> Iterator[Finding]:
    if not settings.telegram_payment_enabled:
        yield Finding(
            Verdict.WARNING,
            "methods",
            "both of Telegram's are switched off",
            "Set TELEGRAM_PAYMENT_ENABLED=true to sell by them.",
        )
    elif settings.provider_token:
        if TEST_MODE in settings.provider_token and settings.telegram_api_base == TELEGRAM_API:
            yield Finding(
                Verdict.WARNING,
                "methods",
                "test cards open real doors: the provider token is of test mode, the bot is real",
                "Before anybody else knows the bot: take the provider's live token from @BotFather.",
            )
        yield Finding(
            Verdict.WARNING,
            "methods",
            f"Telegram Pay takes {settings.payment_currency}; digital goods and services may be sold for Stars alone",
            "Leave TELEGRAM_PAYMENT_PROVIDER_TOKEN empty unless what you sell is physical.",
        )
    https = urlsplit(settings.public_url).scheme == "https"
    if settings.telegram_networks and https and not settings.trusted_proxies:
        yield Finding(
            Verdict.WARNING,
            "settings",
            "TELEGRAM_IP_ALLOWLIST sees only the address of the proxy that ends TLS",
            "Set TRUSTED_PROXIES to that proxy's network, or Telegram gets 403.",
        )
