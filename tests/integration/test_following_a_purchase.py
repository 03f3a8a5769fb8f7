"""Whatever a purchase leaves for later is found beside it: in the log by the request, in traces by the trace."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.buying import buy, invoice_for, newcomer, purchase_lines, told
from tests.integration.collector import Collector
from tests.integration.conftest import set_webhooks
from tests.integration.sandbox_server import BOT_TOKEN, SandboxServer
from tests.integration.service import (
    JWT_SECRET,
    LOOPBACK,
    SIGNING_KEY,
    WEBHOOK_SECRET,
    Service,
    eventually,
    only,
)
from tests.integration.stripe_buying import buy_by_stripe, stripe_settings

OF_TELEGRAM = "POST /api/v1/telegram/{bot}/webhook"
OF_STRIPE = "POST /api/v1/billing/stripe/webhook"
KEY = "key-of-the-collector"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest.fixture(scope="module")
def traced(
    telegram: SandboxServer, collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    settings = {
        **stripe_settings(telegram.stripe),
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_EXPORTER_OTLP_HEADERS": f"x-api-key={KEY}",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    with Service(tmp_path_factory.mktemp("traced"), telegram.url, settings) as running:
        set_webhooks(telegram, running)
        yield running


def test_the_lines_of_a_letter_bear_the_id_of_the_request_that_wrote_it(
    traced: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    telegram.say(ada, "/buy")
    told(telegram, ada, "Choose a plan")
    telegram.press_button(ada, "Day pass")
    eventually(lambda: telegram.buttons(ada)[0]["text"].startswith("Telegram Stars"))
    telegram.press_button(ada, "Telegram Stars")

    sent = only(eventually(lambda: purchase_lines(traced, event="invoice.sent", user_id=ada)))
    issued = only(purchase_lines(traced, event="invoice.issued", user_id=ada))
    assert issued["request_id"]
    assert sent["request_id"] == issued["request_id"]
    assert sent["invoice_id"] == issued["invoice_id"]
    letter = only(
        eventually(lambda: purchase_lines(traced, event="message.sent", user_id=ada, message="InvoiceMessage"))
    )
    assert letter["request_id"] == issued["request_id"]


def test_a_letter_that_nobody_takes_is_found_by_the_payment_that_it_confirms(
    traced: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    sent = invoice_for(traced, ada, "day_pass")
    telegram.block(ada)
    telegram.pay(ada, sent["telegram_message_id"])

    given_up = only(eventually(lambda: purchase_lines(traced, event="message.given_up", user_id=ada)))
    paid = only(purchase_lines(traced, event="payment.settled", user_id=ada))
    assert given_up["request_id"] == paid["request_id"]
    assert paid["charge_id"]


def test_what_the_inbox_goes_on_with_bears_the_id_of_the_request_that_brought_it(
    traced: Service, telegram: SandboxServer
) -> None:
    answer = traced.deliver({"update_id": 4711, "message": "nobody can read this"})

    request_id = answer.headers["x-request-id"]
    kept = only(purchase_lines(traced, event="inbox.kept", request_id=request_id))
    assert kept["level"] == "error"
    eventually(lambda: purchase_lines(traced, event="inbox.retried", request_id=request_id))


def test_a_payment_is_one_trace_from_the_webhook_to_the_letter_that_arrived(
    traced: Service, telegram: SandboxServer, collector: Collector
) -> None:
    bought = buy(traced, telegram, newcomer(telegram))
    settling = only(eventually(lambda: collector.named("charges", charge_id=bought.charge_id)))

    def whole() -> bool:
        return {"letter", "telegram sendMessage", OF_TELEGRAM} <= {span.name for span in collector.of(settling.trace)}

    eventually(whole)
    spans = {span.name: span for span in collector.of(settling.trace)}
    webhook, letter, call = spans[OF_TELEGRAM], spans["letter"], spans["telegram sendMessage"]
    assert webhook.parent == ""
    assert (settling.parent, letter.parent, call.parent) == (webhook.id, settling.id, letter.id)
    assert webhook.facts["charge_id"] == bought.charge_id
    assert webhook.facts["invoice_id"] == bought.invoice["invoice_id"]
    assert (webhook.facts["bot"], letter.facts["bot"], letter.facts["message"]) == ("main", "main", "Confirmation")
    assert webhook.facts["http.response.status_code"] == 200
    line = only(purchase_lines(traced, event="payment.settled", charge_id=bought.charge_id))
    assert {span.facts["request_id"] for span in spans.values()} == {line["request_id"]}
    assert {span.facts["service"] for span in spans.values()} == {"tollgram"}


def test_a_payment_by_stripe_is_one_trace_with_the_calls_that_it_took(
    traced: Service, telegram: SandboxServer, collector: Collector
) -> None:
    ada = newcomer(telegram)
    charge_id = buy_by_stripe(traced, telegram, ada).payment_intent

    def letters() -> list[str]:
        traces = [span.trace for span in collector.named("charges", charge_id=charge_id)]
        return [trace for trace in traces if any(span.name == "letter" for span in collector.of(trace))]

    trace = eventually(letters)[0]
    names = {span.name for span in collector.of(trace)}
    assert {OF_STRIPE, "stripe GET payment_intents", "charges", "letter", "telegram sendMessage"} <= names


def test_a_call_that_fails_shows_as_failed_and_says_in_nobody_s_words_why(
    traced: Service, telegram: SandboxServer, collector: Collector
) -> None:
    ada = newcomer(telegram)
    telegram.faults(api_5xx=1, api_methods=["sendInvoice"])
    with traced.as_user(ada) as client:
        answer = client.post("/api/v1/telegram/payment/send-invoice", json={"plan_code": "day_pass"})
    telegram.faults()

    assert answer.status_code == 502
    asked = {"request_id": answer.headers["x-request-id"]}
    assert only(eventually(lambda: collector.named("telegram sendInvoice", **asked))).failed
    assert only(eventually(lambda: collector.named("POST /api/v1/telegram/payment/send-invoice", **asked))).failed


@pytest.mark.threat(34)
def test_no_secret_nobody_s_name_and_no_word_that_was_said_leaves_in_a_trace(
    traced: Service, telegram: SandboxServer, collector: Collector
) -> None:
    ada = newcomer(telegram, "Ada-whom-nobody-should-find")
    telegram.say(ada, "a-word-that-was-said")
    bought = buy(traced, telegram, ada)
    LOOPBACK.get(f"{traced.url}/an/address/with/bot{BOT_TOKEN}")
    eventually(lambda: collector.named("charges", charge_id=bought.charge_id))
    eventually(lambda: collector.named("GET none"))

    payload = telegram.invoice_payload(ada, bought.invoice["telegram_message_id"])
    hidden = [BOT_TOKEN, WEBHOOK_SECRET, JWT_SECRET, SIGNING_KEY, KEY, payload, telegram.stripe.secret_key]
    hidden += ["Ada-whom-nobody-should-find", "a-word-that-was-said", str(ada)]
    assert [text for text in hidden if text.encode() in collector.raw] == []
    assert collector.headers["x-api-key"] == KEY
    assert KEY not in traced.log_text()


def test_a_collector_that_is_away_holds_up_nothing(telegram: SandboxServer, tmp_path: Path) -> None:
    with Service(tmp_path, telegram.url, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}) as service:
        set_webhooks(telegram, service)
        ada = newcomer(telegram)
        buy(service, telegram, ada)

        assert service.allowed(ada, "signals")
