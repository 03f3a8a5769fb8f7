"""The doctor finds what is wrong with Stripe, and says how to mend it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from adapters.catalog_file import read_catalog
from adapters.stripe.events import EVENT_TYPES
from entrypoints.examination.findings import Finding, Verdict
from entrypoints.examination.stripe import examine_stripe
from entrypoints.settings import TELEGRAM_API, Settings
from tests.integration.sandbox_server import (
    STRIPE_LIVE_KEY,
    STRIPE_SECRET_KEY,
    STRIPE_WEBHOOK_SECRET,
    SandboxServer,
)
from tests.integration.service import CATALOG, Service, only

SHOP = "https://shop.example"
ENDPOINT = f"{SHOP}/api/v1/billing/stripe/webhook"
PRICE = "price_of_gold"


@pytest.fixture
def prepared(telegram: SandboxServer, tmp_path: Path) -> Iterator[Service]:
    """Stripe is set up and all is well there; nothing runs."""
    (tmp_path / "catalog.toml").write_text(CATALOG)
    telegram.stripe.set_webhook(ENDPOINT, enabled_events=EVENT_TYPES)
    telegram.stripe.set_price(PRICE, 2500, "gbp")
    yield Service(
        tmp_path,
        telegram.url,
        {
            "PUBLIC_URL": SHOP,
            "STRIPE_SECRET_KEY": STRIPE_SECRET_KEY,
            "STRIPE_WEBHOOK_SECRET": STRIPE_WEBHOOK_SECRET,
            "STRIPE_API_BASE": telegram.stripe.api_base,
            "STRIPE_PRICE_MAP_JSON": json.dumps({"gold_1m": PRICE}),
        },
    )
    telegram.stripe.faults()
    telegram.stripe.set_webhook("")


def test_where_all_is_well_it_says_so(prepared: Service) -> None:
    assert [(one.verdict, one.finding) for one in findings(prepared)] == [
        ("good", "its key works, in test mode"),
        ("good", f"its events come to {ENDPOINT}"),
        ("good", "3 of 4 plans are priced in GBP"),
        ("good", f"the price {PRICE} of gold_1m is £25.00, as in the catalog"),
    ]


def test_the_command_says_it_too_and_shows_no_secret(prepared: Service) -> None:
    ran = prepared.run("doctor", check=False)

    assert "its key works, in test mode" in ran.stdout
    assert [secret for secret in (STRIPE_SECRET_KEY, STRIPE_WEBHOOK_SECRET) if secret in ran.stdout + ran.stderr] == []


def test_what_is_not_set_up_is_not_mentioned(prepared: Service) -> None:
    assert findings(prepared, STRIPE_SECRET_KEY="", STRIPE_WEBHOOK_SECRET="", STRIPE_PRICE_MAP_JSON="") == []


def test_a_secret_without_a_key_is_a_warning(prepared: Service) -> None:
    found = only(findings(prepared, STRIPE_SECRET_KEY=""))

    assert (found.verdict, found.finding) == ("warning", "is half set up, and offered to nobody")


@pytest.mark.threat(34, 36)
def test_a_missing_secret_is_told_and_hides_nothing_else(prepared: Service) -> None:
    prepared.settings = {**prepared.settings, "STRIPE_WEBHOOK_SECRET": ""}
    told = prepared.run("doctor", check=False).stdout

    assert "STRIPE_WEBHOOK_SECRET is missing; without it anybody could report payments" in told
    assert "its key works, in test mode" in told


@pytest.mark.threat(34)
def test_a_key_that_stripe_refuses_is_wrong(prepared: Service) -> None:
    with stripe_that_says(401, "Invalid API Key provided: sk_test_*****xbox") as address:
        found = only(findings(prepared, STRIPE_API_BASE=address))

    assert (found.verdict, found.remedy) == ("wrong", "Take the key that the dashboard shows now.")
    assert found.finding.startswith("its key is refused.")
    assert "xbox" not in str(found)


def test_a_restricted_key_that_may_not_look_is_no_wrong_key(prepared: Service) -> None:
    with stripe_that_says(403, "The provided key does not have the required permissions.") as address:
        found = findings(prepared, STRIPE_API_BASE=address)

    assert [(one.verdict, one.finding.split(".")[0]) for one in found] == [
        ("good", "its key works, in test mode"),
        ("warning", "the key may not list webhook endpoints, so nobody has looked at them"),
        ("good", "3 of 4 plans are priced in GBP"),
        ("warning", f"the price {PRICE} of gold_1m could not be looked at"),
    ]


@pytest.mark.threat(34)
def test_a_stripe_that_is_not_there_is_wrong(prepared: Service) -> None:
    found = only(wrong(prepared, STRIPE_API_BASE="http://127.0.0.1:1"))

    assert found.finding.startswith("can't be reached. Stripe did not answer in time")
    assert "Is 127.0.0.1:1 reachable from here" in found.remedy


def test_a_stripe_in_trouble_is_not_a_wrong_key(prepared: Service, telegram: SandboxServer) -> None:
    telegram.stripe.faults(api_5xx=-1)

    assert only(wrong(prepared)).finding.startswith("can't be reached. Stripe is in trouble")


def test_a_key_of_test_mode_beside_a_real_bot_is_a_warning(prepared: Service) -> None:
    told = [one.finding for one in findings(prepared, TELEGRAM_API_BASE=TELEGRAM_API) if one.verdict == "warning"]

    assert told == ["test cards open real doors: the key is of test mode, the bot is real"]


def test_a_live_key_is_told_what_telegram_allows(prepared: Service, telegram: SandboxServer) -> None:
    found = findings(prepared, STRIPE_SECRET_KEY=STRIPE_LIVE_KEY, STRIPE_PRICE_MAP_JSON="")

    assert found[0].finding == "its key works, in live mode"
    assert only([one.finding for one in found if one.verdict == "warning"]).startswith("takes GBP; digital goods")


def test_a_live_key_without_https_is_a_warning(prepared: Service) -> None:
    found = findings(prepared, STRIPE_SECRET_KEY=STRIPE_LIVE_KEY, PUBLIC_URL="http://shop.example")

    assert "delivers to https:// only in live mode, and PUBLIC_URL is http://shop.example" in [
        one.finding for one in found if one.verdict == "warning"
    ]


def test_an_endpoint_that_leads_elsewhere_is_none(prepared: Service, telegram: SandboxServer) -> None:
    telegram.stripe.set_webhook("https://evil.example/hook")
    found = only(wrong(prepared))

    assert found.finding == f"no webhook endpoint leads to {ENDPOINT}, so no payment is ever reported"
    assert all(kind in found.remedy for kind in EVENT_TYPES)


def test_without_an_address_stripe_s_own_command_line_will_do(prepared: Service, telegram: SandboxServer) -> None:
    found = only([one for one in findings(prepared, PUBLIC_URL="http://127.0.0.1:8000") if one.verdict != "good"])

    assert found.verdict == "warning"
    assert "stripe listen --forward-to http://127.0.0.1:8000/api/v1/billing/stripe/webhook" in found.remedy


@pytest.mark.parametrize("left_out", EVENT_TYPES)
def test_every_type_of_event_that_is_left_out_is_named(
    prepared: Service, telegram: SandboxServer, left_out: str
) -> None:
    telegram.stripe.set_webhook(ENDPOINT, enabled_events=[kind for kind in EVENT_TYPES if kind != left_out])

    assert only(wrong(prepared)).finding == f"the webhook endpoint is not asked to send {left_out}"


def test_an_endpoint_for_everything_will_do(prepared: Service, telegram: SandboxServer) -> None:
    telegram.stripe.set_webhook(ENDPOINT, enabled_events=["*"])

    assert wrong(prepared) == []


@pytest.mark.parametrize(
    ("amount", "currency", "told"),
    [
        pytest.param(2499, "gbp", "is £24.99, but the catalog says £25.00", id="a penny less"),
        pytest.param(2500, "usd", "is $25.00, but the catalog says £25.00", id="another currency"),
        pytest.param(0, "gbp", "is none that can be sold at, but the catalog says £25.00", id="nothing"),
    ],
)
def test_a_price_at_stripe_that_differs_from_the_catalog_is_wrong(
    prepared: Service, telegram: SandboxServer, amount: int, currency: str, told: str
) -> None:
    telegram.stripe.set_price("price_that_differs", amount, currency)
    found = only(wrong(prepared, STRIPE_PRICE_MAP_JSON='{"gold_1m": "price_that_differs"}'))

    assert found.finding == f"the price price_that_differs of gold_1m {told}"


@pytest.mark.parametrize(
    ("price_map", "told"),
    [
        (
            '{"gold_1m": "price_of_nobody"}',
            "the price price_of_nobody of gold_1m does not exist in the mode of the key",
        ),
        ('{"silver": "price_of_gold"}', "STRIPE_PRICE_MAP_JSON names silver, which the catalog does not have"),
    ],
)
def test_a_map_that_leads_nowhere_is_wrong(prepared: Service, price_map: str, told: str) -> None:
    assert only(wrong(prepared, STRIPE_PRICE_MAP_JSON=price_map)).finding == told


def test_a_price_of_test_mode_is_none_in_live_mode(prepared: Service) -> None:
    told = [one.finding for one in wrong(prepared, STRIPE_SECRET_KEY=STRIPE_LIVE_KEY)]

    assert f"the price {PRICE} of gold_1m does not exist in the mode of the key" in told


def test_a_mapped_plan_that_the_catalog_does_not_price_is_a_warning(prepared: Service) -> None:
    told = [
        one.finding
        for one in findings(prepared, STRIPE_PRICE_MAP_JSON='{"day_pass": "price_of_gold"}')
        if one.verdict == "warning"
    ]

    assert told == ["STRIPE_PRICE_MAP_JSON has a price for day_pass, which the catalog does not price in GBP"]


def test_a_currency_in_which_nothing_is_priced_is_a_warning(prepared: Service) -> None:
    told = [
        one.finding
        for one in findings(prepared, STRIPE_CURRENCY="JPY", STRIPE_PRICE_MAP_JSON="")
        if one.verdict == "warning"
    ]

    assert told == ["no plan is priced in JPY, so Stripe is offered for none"]


def test_a_catalog_that_can_t_be_read_hides_nothing_of_stripe(prepared: Service) -> None:
    settings = Settings.read(prepared.environment)

    assert [one.finding for one in examine_stripe(settings, None)] == [
        "its key works, in test mode",
        f"its events come to {ENDPOINT}",
    ]


@contextmanager
def stripe_that_says(status: int, words: str) -> Iterator[str]:
    """The address of a Stripe that answers everything with this refusal."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"error": {"type": "invalid_request_error", "message": words}}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def findings(prepared: Service, **settings: str) -> list[Finding]:
    """What the doctor finds about Stripe."""
    read = Settings.read({**prepared.environment, **settings})
    return list(examine_stripe(read, read_catalog(read.catalog_path)))


def wrong(prepared: Service, **settings: str) -> list[Finding]:
    """What is wrong; each with a way to mend it."""
    found = [one for one in findings(prepared, **settings) if one.verdict is Verdict.WRONG]
    assert all(one.remedy for one in found)
    return found
