"""Every setting has a default or is asked for; what is wrong is told by name, all of it in one run, without a value."""

import dataclasses
from collections.abc import Mapping
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from entrypoints.console.shown_settings import shown_settings
from entrypoints.settings import Settings, SettingsError, known_settings

ROOT = Path(__file__).parents[2]
TOKEN = "7000001:AAE-token-of-a-bot-for-the-tests-00"
OTHER_TOKEN = "7000002:AAE-token-of-another-bot-for-tests-0"
KEY = "a-key-of-the-tests-that-is-long-enough"
SERVING = {
    "TELEGRAM_BOT_TOKEN": TOKEN,
    "TELEGRAM_WEBHOOK_SECRET": "webhook-secret",
    "AUTH_JWT_SECRET": KEY,
    "INVOICE_SIGNING_KEYS": KEY,
}

WHSEC = "whsec_of-the-tests"

DEFAULTS = {
    "database_url": "sqlite:///var/tollgram.db",
    "catalog_path": Path("catalog.toml"),
    "public_url": "http://127.0.0.1:8000",
    "bot_tokens": {},
    "webhook_secrets": (),
    "telegram_networks": (),
    "trusted_proxies": (),
    "telegram_api_base": "https://api.telegram.org",
    "telegram_by_mtproto": False,
    "telegram_api_id": 0,
    "telegram_api_hash": "",
    "mtproto_server": None,
    "mtproto_dc_id": 2,
    "mtproto_key_path": None,
    "telegram_payment_enabled": True,
    "provider_token": "",
    "payment_currency": "GBP",
    "stripe_secret_key": "",
    "stripe_webhook_secrets": (),
    "stripe_api_base": None,
    "stripe_price_map": {},
    "stripe_currency": "GBP",
    "jwt_secret": None,
    "jwks": None,
    "jwt_issuer": None,
    "jwt_audience": "tollgram",
    "signing_keys": (),
    "attempts_per_minute": 5,
    "invoice_ttl": timedelta(hours=1),
    "auto_refund": True,
    "auto_refunds_per_hour": 20,
    "reconcile_every": timedelta(minutes=1),
    "event_endpoints": (),
    "event_private_allowed": False,
    "passport_keys": None,
    "console_users": {},
    "second_operator_above": {},
    "support_contact": None,
    "operator_networks": (),
    "traces_to": None,
    "traces_headers": {},
    "log_level": "INFO",
    "log_format": "json",
}

GOOD = [
    ("DATABASE_URL", "sqlite:////srv/t.db", "database_url", "sqlite:////srv/t.db"),
    ("DATABASE_URL", "postgresql://u:p@db:5432/t", "database_url", "postgresql://u:p@db:5432/t"),
    ("DATABASE_URL", "postgresql:///t?host=/run/postgresql", "database_url", "postgresql:///t?host=/run/postgresql"),
    ("DATABASE_URL", "postgresql://u:p@a:1,b,[::1]:2/t", "database_url", "postgresql://u:p@a:1,b,[::1]:2/t"),
    ("CATALOG_PATH", "/etc/plans.toml", "catalog_path", Path("/etc/plans.toml")),
    ("PUBLIC_URL", "https://pay.example/shop/", "public_url", "https://pay.example/shop"),
    ("PUBLIC_URL", "http://[::1]:8000", "public_url", "http://[::1]:8000"),
    ("TELEGRAM_BOT_TOKEN", TOKEN, "bot_tokens", {"main": TOKEN}),
    ("TELEGRAM_BOT_TOKENS_JSON", f'{{"main": "{TOKEN}", "b_2": "{OTHER_TOKEN}"}}', "bot_tokens",
     {"main": TOKEN, "b_2": OTHER_TOKEN}),
    ("TELEGRAM_BOT_TOKENS_JSON", f'{{\n  "main": "{TOKEN}"\n}}', "bot_tokens", {"main": TOKEN}),
    ("TELEGRAM_WEBHOOK_SECRET", "new_one, old-one,", "webhook_secrets", ("new_one", "old-one")),
    ("TELEGRAM_IP_ALLOWLIST", "149.154.160.0/20, 2001:db8::/32", "telegram_networks",
     (ip_network("149.154.160.0/20"), ip_network("2001:db8::/32"))),
    ("TRUSTED_PROXIES", "10.0.0.7", "trusted_proxies", (ip_network("10.0.0.7/32"),)),
    ("TELEGRAM_API_BASE", "http://127.0.0.1:8081/", "telegram_api_base", "http://127.0.0.1:8081"),
    ("TELEGRAM_TRANSPORT", "MTProto", "telegram_by_mtproto", True),
    ("TELEGRAM_API_ID", "123456", "telegram_api_id", 123456),
    ("TELEGRAM_API_HASH", "0123456789abcdef" * 2, "telegram_api_hash", "0123456789abcdef" * 2),
    ("TELEGRAM_MTPROTO_SERVER", "149.154.167.40:443", "mtproto_server", "149.154.167.40:443"),
    ("TELEGRAM_MTPROTO_DC_ID", "4", "mtproto_dc_id", 4),
    ("TELEGRAM_MTPROTO_PUBLIC_KEY", "/etc/telegram.pem", "mtproto_key_path", Path("/etc/telegram.pem")),
    ("TELEGRAM_PAYMENT_ENABLED", "Off", "telegram_payment_enabled", False),
    ("TELEGRAM_PAYMENT_ENABLED", "1", "telegram_payment_enabled", True),
    ("TELEGRAM_PAYMENT_PROVIDER_TOKEN", "284685063:TEST:1", "provider_token", "284685063:TEST:1"),
    ("TELEGRAM_PAYMENT_CURRENCY", "JPY", "payment_currency", "JPY"),
    ("STRIPE_SECRET_KEY", "sk_test_51Abc", "stripe_secret_key", "sk_test_51Abc"),
    ("STRIPE_SECRET_KEY", "rk_live_51Abc", "stripe_secret_key", "rk_live_51Abc"),
    ("STRIPE_WEBHOOK_SECRET", f"{WHSEC}2, {WHSEC}1,", "stripe_webhook_secrets", (f"{WHSEC}2", f"{WHSEC}1")),
    ("STRIPE_API_BASE", "http://127.0.0.1:8081/stripe/", "stripe_api_base", "http://127.0.0.1:8081/stripe"),
    ("STRIPE_PRICE_MAP_JSON", '{\n "gold_1m": "price_1Abc"\n}', "stripe_price_map", {"gold_1m": "price_1Abc"}),
    ("STRIPE_CURRENCY", "KWD", "stripe_currency", "KWD"),
    ("AUTH_JWT_SECRET", "x" * 32, "jwt_secret", "x" * 32),
    ("AUTH_JWT_SECRET", "ü" * 16, "jwt_secret", "ü" * 16),
    ("AUTH_JWKS", "/etc/keys.json", "jwks", "/etc/keys.json"),
    ("AUTH_JWKS", "https://id.example/keys?tenant=1", "jwks", "https://id.example/keys?tenant=1"),
    ("AUTH_JWT_ISSUER", "https://id.example", "jwt_issuer", "https://id.example"),
    ("AUTH_JWT_AUDIENCE", "doors", "jwt_audience", "doors"),
    ("INVOICE_SIGNING_KEYS", f"{KEY}2, {KEY}1", "signing_keys", (f"{KEY}2", f"{KEY}1")),
    ("PURCHASE_ATTEMPTS_PER_MINUTE", "1", "attempts_per_minute", 1),
    ("PURCHASE_ATTEMPTS_PER_MINUTE", "1000", "attempts_per_minute", 1000),
    ("INVOICE_TTL_SECONDS", "60", "invoice_ttl", timedelta(minutes=1)),
    ("AUTO_REFUND", "Off", "auto_refund", False),
    ("AUTO_REFUNDS_PER_HOUR", "0", "auto_refunds_per_hour", 0),
    ("RECONCILE_EVERY_SECONDS", "0", "reconcile_every", timedelta(0)),
    ("EVENT_WEBHOOKS_JSON", "[\n]", "event_endpoints", ()),
    ("EVENT_WEBHOOKS_ALLOW_PRIVATE", "true", "event_private_allowed", True),
    ("PASSPORT_KEYS", "/etc/passports.json", "passport_keys", Path("/etc/passports.json")),
    ("CONSOLE_USERS_JSON", "{\n}", "console_users", {}),
    ("CONSOLE_SECOND_OPERATOR_ABOVE_JSON", '{"XTR": 5000}', "second_operator_above", {"XTR": 5000}),
    ("SUPPORT_CONTACT", "@ada", "support_contact", "@ada"),
    ("OPERATOR_NETWORKS", "10.1.0.0/16,::1", "operator_networks", (ip_network("10.1.0.0/16"), ip_network("::1"))),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318/", "traces_to", "http://127.0.0.1:4318"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "X-Api-Key=a%20b, other=c=", "traces_headers", {"x-api-key": "a b", "other": "c="}),
    ("LOG_LEVEL", "debug", "log_level", "DEBUG"),
    ("LOG_FORMAT", "Console", "log_format", "console"),
]  # fmt: skip

BAD = [
    ("DATABASE_URL", "mysql://canary/t"),
    ("DATABASE_URL", "sqlite://"),
    ("DATABASE_URL", "sqlite:///"),
    ("DATABASE_URL", "sqlite:///:memory:"),
    ("DATABASE_URL", "sqlite://canary.db"),
    ("DATABASE_URL", "postgresql://u:p@db:canary/t"),
    ("DATABASE_URL", "postgresql://u:pass/canary@[db/t"),
    ("DATABASE_URL", "postgresql://u:p@a:5432,b:canary/t"),
    ("DATABASE_URL", "postgresql://u:canary@a:5432,/t"),
    ("DATABASE_URL", "postgresql://u:canary@a:5432,:5433/t"),
    ("PUBLIC_URL", "canary.example"),
    ("PUBLIC_URL", "ftp://canary.example"),
    ("PUBLIC_URL", "https://"),
    ("PUBLIC_URL", "https://x.example?canary=1"),
    ("PUBLIC_URL", "https://x.example#canary"),
    ("PUBLIC_URL", "https://ada:canary@x.example"),
    ("PUBLIC_URL", "https://[canary]/"),
    ("PUBLIC_URL", "https://x.example:99999999"),
    ("PUBLIC_URL", "https://canary .example"),
    ("TELEGRAM_BOT_TOKEN", "canary"),
    ("TELEGRAM_BOT_TOKEN", "123:canary"),
    ("TELEGRAM_BOT_TOKEN", f"{TOKEN}/canary"),
    ("TELEGRAM_BOT_TOKEN", f"{TOKEN}\ncanary"),
    ("TELEGRAM_BOT_TOKENS_JSON", "canary"),
    ("TELEGRAM_BOT_TOKENS_JSON", f'["{TOKEN}"]'),
    ("TELEGRAM_BOT_TOKENS_JSON", '{"main": 1}'),
    ("TELEGRAM_BOT_TOKENS_JSON", f'{{"Main": "{TOKEN}"}}'),
    ("TELEGRAM_BOT_TOKENS_JSON", f'{{"{"a" * 33}": "{TOKEN}"}}'),
    ("TELEGRAM_BOT_TOKENS_JSON", '{"main": "123:canary"}'),
    ("TELEGRAM_BOT_TOKENS_JSON", f'{{"main": "{TOKEN}", "second": "{TOKEN}"}}'),
    ("TELEGRAM_BOT_TOKENS_JSON", f'{{"main": "{TOKEN}", "main": "{OTHER_TOKEN}"}}'),
    ("TELEGRAM_WEBHOOK_SECRET", "canary with blanks"),
    ("TELEGRAM_WEBHOOK_SECRET", "a" * 257),
    ("TELEGRAM_IP_ALLOWLIST", "canary"),
    ("TELEGRAM_IP_ALLOWLIST", "149.154.160.1/20"),
    ("TELEGRAM_IP_ALLOWLIST", "10.0.0.0/8;canary"),
    ("TRUSTED_PROXIES", "300.0.0.1"),
    ("TELEGRAM_API_BASE", "canary"),
    ("TELEGRAM_TRANSPORT", "canary"),
    ("TELEGRAM_API_ID", "canary"),
    ("TELEGRAM_API_ID", "0"),
    ("TELEGRAM_API_HASH", "canary"),
    ("TELEGRAM_MTPROTO_SERVER", "canary"),
    ("TELEGRAM_MTPROTO_SERVER", "canary@127.0.0.1:443"),
    ("TELEGRAM_MTPROTO_SERVER", "127.0.0.1:443/canary"),
    ("TELEGRAM_MTPROTO_DC_ID", "canary"),
    ("TELEGRAM_MTPROTO_PUBLIC_KEY", "https://canary"),
    ("TELEGRAM_PAYMENT_ENABLED", "canary"),
    ("TELEGRAM_PAYMENT_ENABLED", "2"),
    ("TELEGRAM_PAYMENT_CURRENCY", "XTR"),
    ("TELEGRAM_PAYMENT_CURRENCY", "gbp"),
    ("TELEGRAM_PAYMENT_CURRENCY", "canary"),
    ("STRIPE_SECRET_KEY", "canary"),
    ("STRIPE_SECRET_KEY", "pk_test_canary"),
    ("STRIPE_SECRET_KEY", "sk_canary_51Abc"),
    ("STRIPE_SECRET_KEY", "sk_test_"),
    ("STRIPE_SECRET_KEY", "sk_live_canary key"),
    ("STRIPE_SECRET_KEY", "sk_live_51Abc\ncanary"),
    ("STRIPE_SECRET_KEY", f"{WHSEC}canary"),
    ("STRIPE_WEBHOOK_SECRET", "canary"),
    ("STRIPE_WEBHOOK_SECRET", "whsec_"),
    ("STRIPE_WEBHOOK_SECRET", "sk_test_canary"),
    ("STRIPE_WEBHOOK_SECRET", f"{WHSEC},canary"),
    ("STRIPE_API_BASE", "canary"),
    ("STRIPE_API_BASE", "https://ada:canary@stripe.example"),
    ("STRIPE_API_BASE", "https://stripe.example?canary=1"),
    ("STRIPE_PRICE_MAP_JSON", "canary"),
    ("STRIPE_PRICE_MAP_JSON", '["canary"]'),
    ("STRIPE_PRICE_MAP_JSON", '{"canary": 2500}'),
    ("STRIPE_PRICE_MAP_JSON", '{"canary": "price_1", "canary": "price_2"}'),
    ("STRIPE_CURRENCY", "XTR"),
    ("STRIPE_CURRENCY", "gbp"),
    ("STRIPE_CURRENCY", "canary"),
    ("AUTH_JWT_SECRET", "canary-of-31-bytes-0123456789ab"),
    ("AUTH_JWT_SECRET", "canary-" + "x" * 40 + "\udcff"),
    ("AUTH_JWT_SECRET", "canary-" + "x" * 40 + "\u00a0y"),
    ("AUTH_JWKS", "ftp://canary.example/keys"),
    ("AUTH_JWT_AUDIENCE", "tollgram-passport"),
    ("AUTH_JWT_AUDIENCE", "tollgram-revocations"),
    ("PASSPORT_KEYS", "https://canary.example/keys"),
    ("AUTH_JWKS", "https://ada:canary@id.example/keys"),
    ("INVOICE_SIGNING_KEYS", f"{KEY},canary"),
    ("PURCHASE_ATTEMPTS_PER_MINUTE", "0"),
    ("PURCHASE_ATTEMPTS_PER_MINUTE", "1001"),
    ("PURCHASE_ATTEMPTS_PER_MINUTE", "-5"),
    ("PURCHASE_ATTEMPTS_PER_MINUTE", "5.0"),
    ("PURCHASE_ATTEMPTS_PER_MINUTE", "٥"),
    ("PURCHASE_ATTEMPTS_PER_MINUTE", "9" * 5000),
    ("INVOICE_TTL_SECONDS", "59"),
    ("AUTO_REFUND", "sometimes"),
    ("AUTO_REFUNDS_PER_HOUR", "-1"),
    ("RECONCILE_EVERY_SECONDS", "86401"),
    ("INVOICE_TTL_SECONDS", "1e3"),
    ("INVOICE_TTL_SECONDS", "2592001"),
    ("EVENT_WEBHOOKS_JSON", "canary"),
    ("EVENT_WEBHOOKS_ALLOW_PRIVATE", "canary"),
    ("OPERATOR_NETWORKS", "canary"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "canary"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "canary"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "a name=canary"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "name=canary%0A"),
    ("CONSOLE_USERS_JSON", "canary"),
    ("CONSOLE_USERS_JSON", '["canary"]'),
    ("CONSOLE_USERS_JSON", '{"ada": "canary"}'),
    ("CONSOLE_USERS_JSON", '{"ada": {"hash": "canary"}}'),
    ("CONSOLE_SECOND_OPERATOR_ABOVE_JSON", "canary"),
    ("CONSOLE_SECOND_OPERATOR_ABOVE_JSON", '{"canary": 5}'),
    ("CONSOLE_SECOND_OPERATOR_ABOVE_JSON", '{"XTR": -5}'),
    ("CONSOLE_SECOND_OPERATOR_ABOVE_JSON", '{"XTR": 5000, "XTR": 5}'),
    ("LOG_LEVEL", "canary"),
    ("LOG_FORMAT", "canary"),
]


def test_without_any_setting_everything_has_its_default() -> None:
    settings = Settings.read({})

    assert {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)} == DEFAULTS


@pytest.mark.parametrize(("name", "text", "field", "value"), GOOD)
def test_a_good_value_is_taken(name: str, text: str, field: str, value: object) -> None:
    changed = Settings.read({name: text})

    assert {**DEFAULTS, field: value} == {one.name: getattr(changed, one.name) for one in dataclasses.fields(changed)}


@pytest.mark.parametrize(("name", "text"), BAD)
def test_a_bad_value_is_told_by_its_name_and_never_shown(name: str, text: str) -> None:
    problems = problems_of({name: text})

    assert [problem.partition(": ")[0] for problem in problems] == [name]
    assert "canary" not in problems[0]
    assert TOKEN not in problems[0]
    assert len(problems[0].splitlines()) == 1


@pytest.mark.parametrize("name", sorted(known_settings()))
@pytest.mark.parametrize("text", ["", "   "], ids=["empty", "blank"])
def test_an_empty_value_is_as_good_as_none(name: str, text: str) -> None:
    assert Settings.read({name: text}) == Settings.read({})


def test_every_setting_is_tried_here() -> None:
    tried = {name for name, *_ in GOOD} | {name for name, _ in BAD}

    assert tried == known_settings()


def test_every_setting_stands_in_the_example() -> None:
    written = (ROOT / ".env.example").read_text()

    missing = {
        name
        for name in known_settings() - {"TELEGRAM_API_BASE", "TELEGRAM_TRANSPORT", "STRIPE_API_BASE"}
        if name not in written
    }

    assert missing == set()


def test_over_telegram_s_own_protocol_no_webhook_s_secret_is_missing_but_who_we_are() -> None:
    with pytest.raises(SettingsError) as told:
        Settings.read({"TELEGRAM_TRANSPORT": "mtproto"}, serving=True)

    names = {problem.partition(":")[0] for problem in told.value.problems}
    assert {"TELEGRAM_API_ID", "TELEGRAM_API_HASH"} <= names
    assert "TELEGRAM_WEBHOOK_SECRET" not in names


def test_all_mistakes_are_told_in_one_run() -> None:
    wrong = {"PUBLIC_URL": "x", "LOG_LEVEL": "x", "INVOICE_TTL_SECONDS": "x", "AUTH_JWT_SECRET": "x"}

    problems = problems_of(wrong, serving=True)

    assert sorted(problem.partition(": ")[0] for problem in problems) == sorted(
        [*wrong, "TELEGRAM_BOT_TOKEN", "TELEGRAM_WEBHOOK_SECRET", "INVOICE_SIGNING_KEYS"]
    )


@pytest.mark.threat(1)
@pytest.mark.parametrize("left_out", sorted(SERVING))
def test_nothing_is_served_without(left_out: str) -> None:
    problems = problems_of({name: value for name, value in SERVING.items() if name != left_out}, serving=True)

    assert [problem.partition(": ")[0] for problem in problems] == [left_out]
    assert "is missing" in problems[0]


@pytest.mark.threat(1)
@pytest.mark.parametrize("nothing", ["", " ", ",", " , ,"], ids=repr)
@pytest.mark.parametrize("name", ["TELEGRAM_WEBHOOK_SECRET", "INVOICE_SIGNING_KEYS"])
def test_a_list_of_nothing_is_a_missing_one(name: str, nothing: str) -> None:
    assert [problem.partition(": ")[0] for problem in problems_of({**SERVING, name: nothing}, serving=True)] == [name]


@pytest.mark.threat(1, 36)
@pytest.mark.parametrize("nothing", ["", ",", " , "], ids=repr)
def test_a_key_of_stripe_s_is_not_served_without_its_webhook_secret(nothing: str) -> None:
    given = {**SERVING, "STRIPE_SECRET_KEY": "sk_test_canary", "STRIPE_WEBHOOK_SECRET": nothing}

    problem = "\n".join(problems_of(given, serving=True))

    assert problem == "STRIPE_WEBHOOK_SECRET: is missing; without it anybody could report payments"


def test_a_wrong_webhook_secret_of_stripe_s_is_not_told_as_missing_too() -> None:
    given = {**SERVING, "STRIPE_SECRET_KEY": "sk_test_51Abc", "STRIPE_WEBHOOK_SECRET": "x"}

    assert [problem.partition(": ")[0] for problem in problems_of(given, serving=True)] == ["STRIPE_WEBHOOK_SECRET"]


@pytest.mark.parametrize("left_over", [{}, {"STRIPE_WEBHOOK_SECRET": WHSEC}, {"STRIPE_CURRENCY": "USD"}])
def test_without_a_key_stripe_asks_for_nothing(left_over: Mapping[str, str]) -> None:
    assert Settings.read({**SERVING, **left_over}, serving=True).stripe_secret_key == ""


@pytest.mark.parametrize(
    "enough",
    [
        pytest.param({}, id="one bot and a shared secret"),
        pytest.param({"AUTH_JWT_SECRET": "", "AUTH_JWKS": "keys.json"}, id="a key set"),
        pytest.param(
            {"TELEGRAM_BOT_TOKEN": "", "TELEGRAM_BOT_TOKENS_JSON": f'{{"second": "{OTHER_TOKEN}"}}'}, id="named bots"
        ),
        pytest.param({"TELEGRAM_BOT_TOKENS_JSON": f'{{"second": "{OTHER_TOKEN}"}}'}, id="one bot and a named one"),
    ],
)
def test_this_is_enough_to_serve(enough: Mapping[str, str]) -> None:
    assert Settings.read({**SERVING, **enough}, serving=True).bot_tokens


def test_a_shared_secret_and_a_key_set_exclude_each_other() -> None:
    problems = problems_of({**SERVING, "AUTH_JWKS": "keys.json"}, serving=True)

    assert [problem.partition(": ")[0] for problem in problems] == ["AUTH_JWKS"]


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        pytest.param(
            {"TELEGRAM_BOT_TOKEN": "", "TELEGRAM_BOT_TOKENS_JSON": "x"}, "TELEGRAM_BOT_TOKENS_JSON", id="bots"
        ),
        pytest.param({"AUTH_JWT_SECRET": "", "AUTH_JWKS": "ftp://x"}, "AUTH_JWKS", id="keys"),
    ],
)
def test_what_is_wrong_is_not_told_as_missing_too(wrong: Mapping[str, str], name: str) -> None:
    problems = problems_of({**SERVING, **wrong}, serving=True)

    assert [problem.partition(": ")[0] for problem in problems] == [name]


def test_two_tokens_for_main_are_told() -> None:
    problems = problems_of({**SERVING, "TELEGRAM_BOT_TOKENS_JSON": f'{{"main": "{OTHER_TOKEN}"}}'}, serving=True)

    assert [problem.partition(": ")[0] for problem in problems] == ["TELEGRAM_BOT_TOKENS_JSON"]


@pytest.mark.threat(34)
def test_no_secret_is_in_what_settings_say_of_themselves() -> None:
    secrets = {
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_WEBHOOK_SECRET": "canary-webhook",
        "TELEGRAM_PAYMENT_PROVIDER_TOKEN": "canary-provider",
        "STRIPE_SECRET_KEY": "sk_live_canary",
        "STRIPE_WEBHOOK_SECRET": "whsec_canary-stripe",
        "AUTH_JWT_SECRET": f"canary-jwt-{KEY}",
        "INVOICE_SIGNING_KEYS": f"canary-signing-{KEY}",
        "DATABASE_URL": "postgresql://ada:canary%2Fdatabase@db/t?password=canary-query",
    }
    settings = Settings.read(secrets, serving=True)

    assert "canary" not in f"{settings} {settings!r}"
    assert TOKEN not in repr(settings)
    assert set(settings.secrets) == {
        TOKEN,
        "canary-webhook",
        "canary-provider",
        "sk_live_canary",
        "whsec_canary-stripe",
        f"canary-jwt-{KEY}",
        f"canary-signing-{KEY}",
        "canary%2Fdatabase",
        "canary/database",
        "canary-query",
    }


class TestTheFile:
    """`.env` in the current folder speaks where the environment is silent."""

    @pytest.fixture(autouse=True)
    def in_a_folder_of_its_own(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        for name in known_settings():
            monkeypatch.delenv(name, raising=False)

    def test_without_it_there_are_the_defaults(self) -> None:
        assert Settings.load() == Settings.read({})

    def test_it_is_read(self) -> None:
        Path(".env").write_text("# ours\nexport LOG_LEVEL='debug'\nSUPPORT_CONTACT=\"@ada\" # who helps\n")

        assert (Settings.load().log_level, Settings.load().support_contact) == ("DEBUG", "@ada")

    def test_the_environment_has_precedence(self, monkeypatch: pytest.MonkeyPatch) -> None:
        Path(".env").write_text("LOG_LEVEL=DEBUG\nSUPPORT_CONTACT=@ada\n")
        monkeypatch.setenv("LOG_LEVEL", "ERROR")
        monkeypatch.setenv("SUPPORT_CONTACT", "")

        assert (Settings.load().log_level, Settings.load().support_contact) == ("ERROR", "@ada")

    def test_a_dollar_in_a_secret_stays_one(self) -> None:
        Path(".env").write_text(f"AUTH_JWT_SECRET=${{HOME}}-{KEY}\n")

        assert Settings.load().jwt_secret == f"${{HOME}}-{KEY}"

    def test_an_editor_s_byte_order_mark_hides_no_setting(self) -> None:
        Path(".env").write_bytes(b"\xef\xbb\xbfLOG_LEVEL=DEBUG\r\nLOG_FORMAT=console\r\n")

        assert (Settings.load().log_level, Settings.load().log_format) == ("DEBUG", "console")

    @pytest.mark.parametrize(
        ("written", "told"),
        [
            pytest.param(b"LOG_LEVEL='DEBUG\nX=1\n", "line 1 is no NAME=value", id="a quote that never ends"),
            pytest.param(b"X=1\n=canary\n", "line 2 is no NAME=value", id="a line without a name"),
            pytest.param(b"X=\xff\xfe\n", "it is not UTF-8", id="not UTF-8"),
        ],
    )
    def test_what_can_t_be_read_in_it_is_told(self, written: bytes, told: str) -> None:
        Path(".env").write_bytes(written)

        with pytest.raises(SettingsError) as told_of:
            Settings.load()
        assert told in str(told_of.value)
        assert str(told_of.value).startswith(".env: ")
        assert "canary" not in str(told_of.value)

    def test_a_folder_of_that_name_is_told(self) -> None:
        Path(".env").mkdir()

        with pytest.raises(SettingsError, match=r"^\.env: can't be read: "):
            Settings.load()


def problems_of(values: Mapping[str, str], **how: Any) -> list[str]:
    with pytest.raises(SettingsError) as told:
        Settings.read(values, **how)
    return told.value.problems


def test_the_console_shows_every_setting_and_no_secret() -> None:
    secret = {
        "TELEGRAM_BOT_TOKENS_JSON": f'{{"shop": "{OTHER_TOKEN}"}}',
        "TELEGRAM_API_HASH": "0123456789abcdef" * 2,
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=canary",
    }
    settings = Settings.read({**SERVING, **secret})
    shown = shown_settings(settings)
    assert set(shown) == known_settings()
    assert shown["TELEGRAM_BOT_TOKENS_JSON"] == "set, of shop"
    assert not [value for value in shown.values() if any(hidden in value for hidden in settings.secrets)]
    assert set(shown_settings(Settings.read({}))) == known_settings()
