"""Looks at everything that a purchase needs: settings, keys, database, catalog, Stripe, and each bot at Telegram."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import urlsplit

from adapters.catalog_file import CatalogError, read_catalog
from adapters.clock import SystemClock
from adapters.sql.address import Address
from adapters.sql.engine import open_engine
from adapters.sql.gauges import SqlGauges
from adapters.sql.work import SqlUnitOfWork
from adapters.telegram.bot_api import BotApi, BotApiError, Refused
from adapters.telegram.webhook import ALLOWED_UPDATES, BotApiWebhook, WebhookInfo
from adapters.tokens import KeySetAddress
from domain.catalog import Catalog, Tills
from domain.errors import Unavailable
from domain.ids import BotName
from entrypoints.cli.endpoint_examination import examine_endpoints
from entrypoints.cli.failure import reason_of
from entrypoints.cli.findings import Finding, Verdict
from entrypoints.cli.passport_examination import examine_passports
from entrypoints.cli.stripe_examination import examine_stripe
from entrypoints.cli.webhook import webhook_address
from entrypoints.container import Container
from entrypoints.settings import (
    TELEGRAM_API,
    Settings,
    SettingsError,
    given_settings,
    known_settings,
    written_settings,
)

ENV_FILE = Path(".env")
RECENTLY = timedelta(hours=1)
_SET_WEBHOOK = "Run: tollgram webhook set"
_SECRET_WORDS = ("TOKEN", "SECRET", "KEY")


def examine() -> Iterator[Finding]:
    """Everything that can be looked at, also where something before it was wrong."""
    try:
        given = given_settings()
        yield from _env_file(written_settings(ENV_FILE))
        settings, problems = _read(given)
    except SettingsError as error:
        yield from _wrong_settings(error)
        return
    if problems:
        yield from _wrong_settings(problems)
    else:
        yield Finding(Verdict.GOOD, "settings", "complete")
    yield from _database(settings)
    catalog = None
    try:
        catalog = read_catalog(settings.catalog_path)
    except CatalogError as error:
        for mistake in error.mistakes:
            yield Finding(Verdict.WRONG, "catalog", f"{error.path}: {mistake}", "Mend it, then: tollgram catalog check")
    else:
        yield Finding(Verdict.GOOD, "catalog", f"{len(catalog.plans)} plans in {settings.catalog_path}")
        if not problems:
            yield from _callers_and_methods(settings, catalog)
    yield from _selling(settings)
    yield from examine_passports(settings)
    yield from examine_stripe(settings, catalog)
    for name, token in settings.bot_tokens.items():
        yield from (
            _bot_by_mtproto(settings, name, token) if settings.telegram_by_mtproto else _bot(settings, name, token)
        )


def _read(given: Mapping[str, str]) -> tuple[Settings, SettingsError | None]:
    """The settings, and what is missing in them. Raises SettingsError where one is wrong."""
    try:
        return Settings.read(given, serving=True), None
    except SettingsError as error:
        return Settings.read(given), error


def _wrong_settings(error: SettingsError) -> Iterator[Finding]:
    for problem in error.problems:
        name, _, what = problem.partition(": ")
        remedy = (
            "Mend that line." if name == ENV_FILE.name else "Set it in the environment or in .env; see .env.example."
        )
        yield Finding(Verdict.WRONG, "settings", f"{name} {what}", remedy)


def _env_file(written: Mapping[str, str]) -> Iterator[Finding]:
    known = known_settings()
    for name in written:
        if name not in known and (meant := get_close_matches(name, known, n=1, cutoff=0.85)):
            yield Finding(
                Verdict.WARNING, "settings", f"{name} in .env is no setting of this version", f"Is {meant[0]} meant?"
            )
    holds_secrets = any(value and word in name for name, value in written.items() for word in _SECRET_WORDS)
    if holds_secrets and ENV_FILE.stat().st_mode & 0o077:
        yield Finding(
            Verdict.WARNING, "settings", "other users of this machine can read the secrets in .env", "chmod 600 .env"
        )


def _database(settings: Settings) -> Iterator[Finding]:
    address = Address.read(settings.database_url)
    place = address.place
    if address.url.get_backend_name() == "sqlite" and not Path(place).is_file():
        yield Finding(Verdict.WRONG, "database", f"there is none yet at {place}", "Run: tollgram migrate")
        return
    engine = open_engine(settings.database_url)
    gauges = SqlGauges(engine)
    try:
        revision, newest = gauges.schema_revision(), gauges.expected_revision()
    except Unavailable as problem:
        said = reason_of(problem)
        for secret in settings.secrets:
            said = said.replace(secret, "…")
        yield Finding(
            Verdict.WRONG,
            "database",
            f"{place} can't be reached. {said}".strip(),
            "Is the database running, and DATABASE_URL right?",
        )
        return
    finally:
        engine.dispose()
    yield Finding(Verdict.GOOD, "database", f"{place} can be reached")
    if revision == newest:
        yield Finding(Verdict.GOOD, "schema", f"the newest: {newest}")
        yield from examine_endpoints(settings, SqlUnitOfWork(engine))
        engine.dispose()
    else:
        yield Finding(
            Verdict.WRONG,
            "schema",
            f"is {revision or 'not there yet'}, but {newest} is needed",
            "Run: tollgram migrate",
        )


def _callers_and_methods(settings: Settings, catalog: Catalog) -> Iterator[Finding]:
    container = Container(settings=settings)
    try:
        keys = container.callers().tokens.keys
        if isinstance(keys, KeySetAddress):
            keys.fetch()
    except SettingsError as error:
        yield from _wrong_settings(error)
    except ValueError as problem:
        yield Finding(
            Verdict.WRONG, "settings", f"AUTH_JWKS {problem}", "Is the address right, and reachable from here?"
        )
    yield from _methods(container.shop().tills, catalog)
    for bot in container.bots().values():
        bot.close()


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


def _selling(settings: Settings) -> Iterator[Finding]:
    if not settings.telegram_payment_enabled:
        yield Finding(
            Verdict.WARNING,
            "methods",
            "both of Telegram's are switched off",
            "Set TELEGRAM_PAYMENT_ENABLED=true to sell by them.",
        )
    elif settings.provider_token:
        yield Finding(
            Verdict.WARNING,
            "methods",
            f"Telegram Pay takes {settings.payment_currency}; digital goods and services may be sold for Stars alone",
            "Leave TELEGRAM_PAYMENT_PROVIDER_TOKEN empty unless what you sell is physical.",
        )
    if not settings.support_contact:
        yield Finding(
            Verdict.WARNING, "support", "/paysupport names nobody to write to", "Set SUPPORT_CONTACT=@your_name"
        )
    https = urlsplit(settings.public_url).scheme == "https"
    if settings.telegram_networks and https and not settings.trusted_proxies:
        yield Finding(
            Verdict.WARNING,
            "settings",
            "TELEGRAM_IP_ALLOWLIST sees only the address of the proxy that ends TLS",
            "Set TRUSTED_PROXIES to that proxy's network, or Telegram gets 403.",
        )


def _bot_by_mtproto(settings: Settings, name: BotName, token: str) -> Iterator[Finding]:
    if not settings.telegram_api_id or not settings.telegram_api_hash:
        return  # said already
    from entrypoints.cli.mtproto_examination import examine_mtproto

    yield from examine_mtproto(settings, name, token)


def _bot(settings: Settings, name: BotName, token: str) -> Iterator[Finding]:
    subject = f"bot {name}"
    bot = BotApi(token, base=settings.telegram_api_base)
    webhook = BotApiWebhook(bot)
    try:
        me, info = webhook.get_me(), webhook.info()
    except Refused as problem:
        yield Finding(
            Verdict.WRONG,
            subject,
            f"Telegram refuses its token: {problem}",
            "Take the token that @BotFather shows now.",
        )
    except BotApiError as problem:
        yield Finding(
            Verdict.WRONG,
            subject,
            f"Telegram can't be reached: {problem}",
            f"Is {urlsplit(settings.telegram_api_base).netloc} reachable from here, and TELEGRAM_API_BASE right?",
        )
    else:
        yield Finding(Verdict.GOOD, subject, f"known to Telegram as @{me.username}")
        yield from _registration(settings, subject, webhook_address(settings, name), info)
    finally:
        bot.close()


def _registration(settings: Settings, subject: str, expected: str, info: WebhookInfo) -> Iterator[Finding]:
    if settings.telegram_api_base == TELEGRAM_API and urlsplit(settings.public_url).scheme != "https":
        yield Finding(
            Verdict.WRONG,
            subject,
            f"Telegram delivers to https:// only, and PUBLIC_URL is {settings.public_url}",
            "Set PUBLIC_URL to the address by which the world reaches this service.",
        )
    elif not info.url:
        yield Finding(Verdict.WRONG, subject, "no webhook is set, so no payment is ever reported", _SET_WEBHOOK)
    elif info.url != expected:
        yield Finding(
            Verdict.WRONG,
            subject,
            f"its updates go elsewhere: to {info.url} instead of {expected}",
            f"{_SET_WEBHOOK}. If you did not set that one, have @BotFather revoke the token first.",
        )
    # Telegram names no kinds where nobody ever chose any: then it sends all the usual ones.
    elif info.allowed_updates and (missing := [kind for kind in ALLOWED_UPDATES if kind not in info.allowed_updates]):
        yield Finding(Verdict.WRONG, subject, f"Telegram is told to leave out {', '.join(missing)}", _SET_WEBHOOK)
    else:
        yield Finding(Verdict.GOOD, subject, f"its updates come to {info.url}")
    yield from _deliveries(subject, info)


def _deliveries(subject: str, info: WebhookInfo) -> Iterator[Finding]:
    at = info.last_error_at
    if at and (info.pending_update_count or SystemClock().now() - at < RECENTLY):
        yield Finding(
            Verdict.WARNING,
            subject,
            f"{info.pending_update_count} updates wait at Telegram; it last failed to deliver at "
            f"{at:%Y-%m-%d %H:%M:%S} UTC: {info.last_error_message}",
            "Is the service running, and reachable at PUBLIC_URL? A 401 means another secret: tollgram webhook set",
        )
    elif info.pending_update_count:
        yield Finding(Verdict.GOOD, subject, f"{info.pending_update_count} updates wait at Telegram")
