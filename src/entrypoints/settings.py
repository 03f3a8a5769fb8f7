"""Settings from the environment or a `.env` file. Each mistake names its setting, never its value."""

import os
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from dotenv.parser import parse_stream

from application.ports.pushes import Endpoint
from domain.ids import BotName
from domain.payload import MIN_KEY_BYTES
from entrypoints import setting_values
from entrypoints.console_users import ConsoleUser, console_users
from entrypoints.event_webhooks import event_webhooks, not_allowed
from entrypoints.setting_values import Network

Value = TypeVar("Value")

TELEGRAM_API = "https://api.telegram.org"
STRIPE_API = "https://api.stripe.com"
_ALTERNATIVES = {"TELEGRAM_BOT_TOKEN": ("TELEGRAM_BOT_TOKENS_JSON",), "AUTH_JWT_SECRET": ("AUTH_JWKS",)}
"""What is wrong and stands in for another is not told as missing, too."""
_LINE_BREAKS = str.maketrans("\r\n\t", "   ")
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class SettingsError(Exception):
    """Settings that are missing or wrong: all of them, one a line, each beginning with its name."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the operator decided. Secrets are left out of its repr."""

    database_url: str = field(repr=False)
    catalog_path: Path
    public_url: str
    bot_tokens: Mapping[BotName, str] = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(repr=False)
    telegram_networks: tuple[Network, ...]
    trusted_proxies: tuple[Network, ...]
    operator_networks: tuple[Network, ...]
    telegram_api_base: str
    telegram_by_mtproto: bool
    telegram_api_id: int
    telegram_api_hash: str = field(repr=False)
    mtproto_server: str | None
    mtproto_dc_id: int
    mtproto_key_path: Path | None
    telegram_payment_enabled: bool
    provider_token: str = field(repr=False)
    payment_currency: str
    stripe_secret_key: str = field(repr=False)
    stripe_webhook_secrets: tuple[str, ...] = field(repr=False)
    stripe_api_base: str | None
    stripe_price_map: Mapping[str, str]
    stripe_currency: str
    jwt_secret: str | None = field(repr=False)
    jwks: str | None
    jwt_issuer: str | None
    jwt_audience: str
    signing_keys: tuple[str, ...] = field(repr=False)
    attempts_per_minute: int
    invoice_ttl: timedelta
    auto_refund: bool
    auto_refunds_per_hour: int
    reconcile_every: timedelta
    event_endpoints: tuple[Endpoint, ...]
    event_private_allowed: bool
    second_operator_above: Mapping[str, int]
    passport_keys: Path | None
    console_users: Mapping[str, ConsoleUser]
    support_contact: str | None
    traces_to: str | None = field(repr=False)
    traces_headers: Mapping[str, str] = field(repr=False)
    log_level: str
    log_format: str

    @classmethod
    def load(cls, *, serving: bool = False) -> "Settings":
        """From the environment, and where it is silent from `.env` in the current folder. See `read`."""
        return cls.read(given_settings(), serving=serving)

    @classmethod
    def read(cls, values: Mapping[str, str], *, serving: bool = False) -> "Settings":
        """`serving` asks for all without which the service would not be safe to run.

        Raises SettingsError with every mistake at once. An empty value is the same as none.
        """
        env = _Reader(values)
        settings = _read(env)
        wrong = {_name(problem) for problem in env.problems}
        missing = [
            problem
            for problem in settings._missing()
            if not {*_ALTERNATIVES.get(_name(problem), ()), _name(problem)} & wrong
        ]
        if problems := env.problems + (missing if serving else []):
            raise SettingsError(problems)
        return settings

    def _missing(self) -> list[str]:
        problems = []
        if not self.bot_tokens:
            problems.append("TELEGRAM_BOT_TOKEN: is missing; set it, or TELEGRAM_BOT_TOKENS_JSON for several bots")
        if self.telegram_by_mtproto and not self.telegram_api_id:
            problems.append("TELEGRAM_API_ID: is missing; https://my.telegram.org gives it, and TELEGRAM_API_HASH")
        if self.telegram_by_mtproto and not self.telegram_api_hash:
            problems.append("TELEGRAM_API_HASH: is missing; https://my.telegram.org gives it, and TELEGRAM_API_ID")
        if not self.webhook_secrets and not self.telegram_by_mtproto:
            problems.append("TELEGRAM_WEBHOOK_SECRET: is missing; without it anybody could report payments")
        if not self.signing_keys:
            problems.append(f"INVOICE_SIGNING_KEYS: is missing; at least one key of {MIN_KEY_BYTES} bytes or more")
        if not self.jwt_secret and not self.jwks:
            problems.append("AUTH_JWT_SECRET: is missing; set it, or AUTH_JWKS, to know users and services by")
        if self.stripe_secret_key and not self.stripe_webhook_secrets:
            problems.append("STRIPE_WEBHOOK_SECRET: is missing; without it anybody could report payments")
        if self.console_users and not safe_for_passwords(self.public_url):
            problems.append("CONSOLE_USERS_JSON: needs a PUBLIC_URL that is https://; passwords are sent to it")
        if self.jwt_secret and self.jwks:
            problems.append("AUTH_JWKS: is set beside AUTH_JWT_SECRET; only one of them can verify tokens")
        return problems

    def webhook_address(self, bot: BotName) -> str:
        """Where Telegram is to deliver the updates of that bot."""
        return f"{self.public_url}/api/v1/telegram/{bot}/webhook"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every text that must never be seen in an output."""
        return tuple(
            secret
            for secret in (
                *self.bot_tokens.values(),
                *self.webhook_secrets,
                *self.signing_keys,
                *self.stripe_webhook_secrets,
                self.stripe_secret_key,
                self.telegram_api_hash,
                self.jwt_secret,
                self.provider_token,
                *setting_values.passwords(self.database_url),
                *(str(user.password) for user in self.console_users.values()),
                *self.traces_headers.values(),
                *(b64encode(key).decode() for endpoint in self.event_endpoints for key in endpoint.secrets),
            )
            if secret
        )


def given_settings(folder: Path | None = None) -> dict[str, str]:
    """What the environment says, and where it is silent or empty, the `.env` file. Raises SettingsError."""
    given = {name: value for name, value in os.environ.items() if value}
    return {**written_settings((folder or Path.cwd()) / ".env"), **given}


def written_settings(path: Path) -> dict[str, str]:
    """What a file of settings says; nothing where there is no such file. Raises SettingsError."""
    try:
        with path.open(encoding="utf-8") as file:
            lines = list(parse_stream(file))
    except FileNotFoundError:
        return {}
    except OSError as problem:
        raise SettingsError([f"{path.name}: can't be read: {problem.strerror}"]) from None
    except UnicodeDecodeError:
        raise SettingsError([f"{path.name}: can't be read: it is not UTF-8"]) from None
    if odd := [f"{path.name}: line {line.original.line} is no NAME=value" for line in lines if line.error]:
        raise SettingsError(odd)
    return {line.key: line.value or "" for line in lines if line.key}


def known_settings() -> frozenset[str]:
    """The name of every setting that this version reads."""
    reader = _Reader({})
    _read(reader)
    return frozenset(reader.asked)


def _read(env: "_Reader") -> Settings:
    transports = setting_values.one_of("bot_api", "mtproto", fold=str.lower)
    private_allowed = env.read("EVENT_WEBHOOKS_ALLOW_PRIVATE", setting_values.boolean, False)
    return Settings(
        database_url=env.read("DATABASE_URL", setting_values.database_url, "sqlite:///var/tollgram.db"),
        catalog_path=env.read("CATALOG_PATH", Path, Path("catalog.toml")),
        public_url=env.read("PUBLIC_URL", setting_values.address, "http://127.0.0.1:8000"),
        bot_tokens=env.bots(),
        webhook_secrets=env.read("TELEGRAM_WEBHOOK_SECRET", setting_values.webhook_secrets, ()),
        telegram_networks=env.read("TELEGRAM_IP_ALLOWLIST", setting_values.networks, ()),
        trusted_proxies=env.read("TRUSTED_PROXIES", setting_values.networks, ()),
        operator_networks=env.read("OPERATOR_NETWORKS", setting_values.networks, ()),
        telegram_api_base=env.read("TELEGRAM_API_BASE", setting_values.address, TELEGRAM_API),
        telegram_by_mtproto=env.read("TELEGRAM_TRANSPORT", transports, "bot_api") == "mtproto",
        telegram_api_id=env.read("TELEGRAM_API_ID", setting_values.whole(1, 2**31 - 1), 0),
        telegram_api_hash=env.read("TELEGRAM_API_HASH", setting_values.api_hash, ""),
        mtproto_server=env.read("TELEGRAM_MTPROTO_SERVER", setting_values.host_and_port, None),
        mtproto_dc_id=env.read("TELEGRAM_MTPROTO_DC_ID", setting_values.whole(1, 1000), 2),
        mtproto_key_path=env.read("TELEGRAM_MTPROTO_PUBLIC_KEY", setting_values.file, None),
        telegram_payment_enabled=env.read("TELEGRAM_PAYMENT_ENABLED", setting_values.boolean, True),
        provider_token=env.read("TELEGRAM_PAYMENT_PROVIDER_TOKEN", str, ""),
        payment_currency=env.read("TELEGRAM_PAYMENT_CURRENCY", setting_values.currency, "GBP"),
        stripe_secret_key=env.read("STRIPE_SECRET_KEY", setting_values.stripe_key, ""),
        stripe_webhook_secrets=env.read("STRIPE_WEBHOOK_SECRET", setting_values.stripe_secrets, ()),
        stripe_api_base=env.read("STRIPE_API_BASE", setting_values.address, None),
        stripe_price_map=env.read("STRIPE_PRICE_MAP_JSON", setting_values.price_map, {}),
        stripe_currency=env.read("STRIPE_CURRENCY", setting_values.currency, "GBP"),
        jwt_secret=env.read("AUTH_JWT_SECRET", setting_values.key, None),
        jwks=env.read("AUTH_JWKS", setting_values.key_set, None),
        jwt_issuer=env.read("AUTH_JWT_ISSUER", str, None),
        jwt_audience=env.read("AUTH_JWT_AUDIENCE", setting_values.audience, "tollgram"),
        signing_keys=env.read("INVOICE_SIGNING_KEYS", setting_values.keys, ()),
        attempts_per_minute=env.read("PURCHASE_ATTEMPTS_PER_MINUTE", setting_values.whole(1, 1000), 5),
        invoice_ttl=timedelta(seconds=env.read("INVOICE_TTL_SECONDS", setting_values.whole(60, 30 * 86400), 3600)),
        auto_refund=env.read("AUTO_REFUND", setting_values.one_of("certain", "off", fold=str.lower), "certain")
        == "certain",
        auto_refunds_per_hour=env.read("AUTO_REFUNDS_PER_HOUR", setting_values.whole(0, 100_000), 20),
        reconcile_every=timedelta(seconds=env.read("RECONCILE_EVERY_SECONDS", setting_values.whole(0, 86400), 60)),
        event_endpoints=env.event_endpoints(private_allowed=private_allowed),
        event_private_allowed=private_allowed,
        second_operator_above=env.read("CONSOLE_SECOND_OPERATOR_ABOVE_JSON", setting_values.sums, {}),
        passport_keys=env.read("PASSPORT_KEYS", setting_values.file, None),
        console_users=env.console_users(),
        support_contact=env.read("SUPPORT_CONTACT", str, None),
        traces_to=env.read("OTEL_EXPORTER_OTLP_ENDPOINT", setting_values.address, None),
        traces_headers=env.read("OTEL_EXPORTER_OTLP_HEADERS", setting_values.http_headers, {}),
        log_level=env.read("LOG_LEVEL", setting_values.one_of(*_LEVELS, fold=str.upper), "INFO"),
        log_format=env.read("LOG_FORMAT", setting_values.one_of("json", "console", fold=str.lower), "json"),
    )


class _Reader:
    """Reads one setting after the other and collects what is wrong with them."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = values
        self.asked: set[str] = set()
        self.problems: list[str] = []

    def read(self, name: str, parse: Callable[[str], Value], default: Value) -> Value:
        self.asked.add(name)
        text = self.values.get(name, "").strip()
        if not text:
            return default
        try:
            if not (text.translate(_LINE_BREAKS) if name.endswith("_JSON") else text).isprintable():
                raise ValueError("has a character that can't be printed, or is not UTF-8")
            return parse(text)
        except ValueError as problem:
            self.problems.append(f"{name}: {problem}")
            return default

    def bots(self) -> Mapping[BotName, str]:
        one = self.read("TELEGRAM_BOT_TOKEN", setting_values.bot_token, None)
        none: Mapping[BotName, str] = {}
        several = self.read("TELEGRAM_BOT_TOKENS_JSON", setting_values.bot_tokens, none)
        if one and "main" in several and several[BotName("main")] != one:
            self.problems.append("TELEGRAM_BOT_TOKENS_JSON: its main is another bot than TELEGRAM_BOT_TOKEN")
        tokens = {BotName("main"): one, **several} if one else dict(several)
        if len(set(tokens.values())) != len(tokens):
            self.problems.append("TELEGRAM_BOT_TOKENS_JSON: gives the same token to two bots")
        return tokens

    def console_users(self) -> Mapping[str, ConsoleUser]:
        none: Mapping[str, ConsoleUser] = {}
        return self.read("CONSOLE_USERS_JSON", console_users, none)

    def event_endpoints(self, *, private_allowed: bool) -> tuple[Endpoint, ...]:
        none: tuple[Endpoint, ...] = ()
        endpoints = self.read("EVENT_WEBHOOKS_JSON", event_webhooks, none)
        if not private_allowed:
            self.problems += [f"EVENT_WEBHOOKS_JSON: {problem}" for problem in not_allowed(endpoints)]
        return endpoints


def safe_for_passwords(public_url: str) -> bool:
    """Whether nobody on the way can read them: TLS, or a way that never leaves this machine."""
    parts = urlsplit(public_url)
    return parts.scheme == "https" or parts.hostname in ("127.0.0.1", "localhost", "::1")


def _name(problem: str) -> str:
    return problem.partition(":")[0]
