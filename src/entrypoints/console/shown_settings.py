"""Settings as the console shows them: what is secret is only told to be set, or not."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Final

from adapters.sql.address import Address
from domain.money import written
from entrypoints.event_webhooks import shown
from entrypoints.settings import Settings

NOT_SET: Final = "not set"


def shown_settings(settings: Settings) -> Mapping[str, str]:
    """By the setting's name. Named one by one, so that a new one is not shown before somebody has thought of it."""
    return {
        "PUBLIC_URL": settings.public_url,
        "DATABASE_URL": Address.read(settings.database_url).place,
        "CATALOG_PATH": str(settings.catalog_path),
        **_tokens(settings.bot_tokens.keys()),
        "TELEGRAM_WEBHOOK_SECRET": _secrets(settings.webhook_secrets),
        "TELEGRAM_IP_ALLOWLIST": _listed(settings.telegram_networks, "anywhere"),
        "TRUSTED_PROXIES": _listed(settings.trusted_proxies, "none"),
        "OPERATOR_NETWORKS": _listed(settings.operator_networks, "private networks"),
        "TELEGRAM_TRANSPORT": "mtproto" if settings.telegram_by_mtproto else "bot_api",
        "TELEGRAM_API_BASE": settings.telegram_api_base,
        "TELEGRAM_API_ID": "set" if settings.telegram_api_id else NOT_SET,
        "TELEGRAM_API_HASH": _secrets([settings.telegram_api_hash]),
        "TELEGRAM_MTPROTO_SERVER": settings.mtproto_server or "Telegram's own",
        "TELEGRAM_MTPROTO_DC_ID": str(settings.mtproto_dc_id),
        "TELEGRAM_MTPROTO_PUBLIC_KEY": str(settings.mtproto_key_path or "Telegram's own"),
        "TELEGRAM_PAYMENT_ENABLED": _switch(on=settings.telegram_payment_enabled),
        "TELEGRAM_PAYMENT_PROVIDER_TOKEN": _secrets([settings.provider_token]),
        "TELEGRAM_PAYMENT_CURRENCY": settings.payment_currency,
        "STRIPE_SECRET_KEY": _secrets([settings.stripe_secret_key]),
        "STRIPE_WEBHOOK_SECRET": _secrets(settings.stripe_webhook_secrets),
        "STRIPE_API_BASE": settings.stripe_api_base or "Stripe's own",
        "STRIPE_CURRENCY": settings.stripe_currency,
        "STRIPE_PRICE_MAP_JSON": _listed([": ".join(pair) for pair in settings.stripe_price_map.items()], "none"),
        "AUTH_JWT_SECRET": _secrets([settings.jwt_secret or ""]),
        "AUTH_JWKS": settings.jwks.partition("?")[0] if settings.jwks else NOT_SET,
        "AUTH_JWT_AUDIENCE": settings.jwt_audience,
        "AUTH_JWT_ISSUER": settings.jwt_issuer or "any",
        "INVOICE_SIGNING_KEYS": _secrets(settings.signing_keys),
        "PURCHASE_ATTEMPTS_PER_MINUTE": str(settings.attempts_per_minute),
        "INVOICE_TTL_SECONDS": _seconds(settings.invoice_ttl),
        "AUTO_REFUND": "certain" if settings.auto_refund else "off",
        "AUTO_REFUNDS_PER_HOUR": str(settings.auto_refunds_per_hour),
        "RECONCILE_EVERY_SECONDS": _seconds(settings.reconcile_every),
        "PASSPORT_KEYS": str(settings.passport_keys) if settings.passport_keys else NOT_SET,
        "EVENT_WEBHOOKS_JSON": _listed([shown(endpoint) for endpoint in settings.event_endpoints], "none"),
        "EVENT_WEBHOOKS_ALLOW_PRIVATE": _switch(on=settings.event_private_allowed),
        "CONSOLE_USERS_JSON": _listed(sorted(settings.console_users), "none"),
        "CONSOLE_SECOND_OPERATOR_ABOVE_JSON": _listed(
            [written(amount, currency) for currency, amount in settings.second_operator_above.items()], "none"
        ),
        "SUPPORT_CONTACT": settings.support_contact or NOT_SET,
        "OTEL_EXPORTER_OTLP_ENDPOINT": settings.traces_to or "no traces",
        "OTEL_EXPORTER_OTLP_HEADERS": _secrets(list(settings.traces_headers.values())),
        "LOG_LEVEL": settings.log_level,
        "LOG_FORMAT": settings.log_format,
    }


def _tokens(bots: Collection[str]) -> Mapping[str, str]:
    """Which of the two names the token of main is not known any more."""
    others = sorted(set(bots) - {"main"})
    return {
        "TELEGRAM_BOT_TOKEN": "set, by this name or the next" if "main" in bots else NOT_SET,
        "TELEGRAM_BOT_TOKENS_JSON": f"set, of {', '.join(others)}" if others else "of no other bot",
    }


def _secrets(values: Collection[str]) -> str:
    number = sum(1 for value in values if value)
    if not number:
        return NOT_SET
    return "set" if number == 1 else f"{number} are set"


def _listed(values: Collection[object], otherwise: str) -> str:
    return ", ".join(str(value) for value in values) or otherwise


def _switch(*, on: bool) -> str:
    return "true" if on else "false"


def _seconds(span: timedelta) -> str:
    return f"{int(span.total_seconds())}"
