"""Over HTTP: a page of Stripe's for an invoice of ours, made once, at our price, and the customer's own page."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.buying import (
    counted,
    entitlements_of,
    invoice_for,
    newcomer,
    payments_of,
    purchase_lines,
    rows,
)
from tests.integration.sandbox_server import Json, SandboxServer
from tests.integration.service import CATALOG, LOOPBACK, Service, eventually, only
from tests.integration.stripe_buying import (
    CHECKOUT,
    PORTAL,
    PRICE,
    ask_for_page,
    buy_by_stripe,
    page_for,
    pay_page,
    stripe_does,
    stripe_settings,
)


def customers_of(telegram: SandboxServer, user_id: int) -> set[str]:
    """The ids of all customers that Stripe made for this user."""
    calls = telegram.stripe.calls("customers.create")
    ours = [call for call in calls if call["arguments"].get("metadata", {}).get("user_id") == str(user_id)]
    return {call["answer"]["id"] for call in ours if call["status"] == 200}


def pages_of(telegram: SandboxServer, user_id: int) -> list[Json]:
    """The calls by which Stripe made a page for this user."""
    calls = telegram.stripe.calls("checkout.sessions.create")
    ours = [call for call in calls if call["arguments"].get("client_reference_id") == str(user_id)]
    return [call for call in ours if call["status"] == 200]


def test_the_answer_is_the_invoice_with_the_page_where_it_is_paid(
    stripe_service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    answer = ask_for_page(stripe_service, ada)
    assert answer.status_code == 201, answer.text
    page = answer.json()
    assert {"invoice_id", "session_id", "checkout_url", "amount", "currency"} <= set(page)
    assert (page["amount"], page["currency"]) == (PRICE, "GBP")
    session = telegram.stripe.session(page["session_id"])
    assert (session["amount_total"], session["currency"], session["mode"]) == (PRICE, "gbp", "payment")
    assert session["url"] == page["checkout_url"]
    assert session["client_reference_id"] == str(ada)
    assert session["metadata"]["invoice_id"] == page["invoice_id"]
    assert (session["metadata"]["user_id"], session["metadata"]["plan_code"]) == (str(ada), "gold_1m")
    assert session["success_url"].startswith(stripe_service.url)
    assert session["cancel_url"].startswith(stripe_service.url)
    assert LOOPBACK.get(page["checkout_url"]).status_code == 200
    assert entitlements_of(stripe_service, ada) == []
    invoice = only(rows(stripe_service, "SELECT * FROM invoices WHERE id = ?", page["invoice_id"]))
    assert (invoice["amount"], invoice["currency"], invoice["method"]) == (PRICE, "GBP", "stripe")


def test_every_thing_that_stripe_makes_for_us_is_asked_for_under_a_key(
    stripe_service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    with stripe_does(telegram, api_lose_replies=1, api_methods=["checkout.sessions.create"]):
        page = page_for(stripe_service, ada)
    assert {call["answer"]["id"] for call in pages_of(telegram, ada)} == {page["session_id"]}


def test_a_user_is_one_customer_of_stripe_s_however_often_they_buy(
    stripe_service: Service, telegram: SandboxServer
) -> None:
    ada, bob = newcomer(telegram), newcomer(telegram, "Bob")
    with ThreadPoolExecutor(4) as hands:
        made = list(hands.map(lambda _: page_for(stripe_service, ada), range(4)))
    made.append(page_for(stripe_service, ada))
    customer = only(list(customers_of(telegram, ada)))
    assert {telegram.stripe.session(page["session_id"])["customer"] for page in made} == {customer}
    page_for(stripe_service, bob)
    assert customers_of(telegram, bob).isdisjoint({customer})


def test_the_same_key_gives_the_same_page_and_another_body_is_refused(
    stripe_service: Service, telegram: SandboxServer
) -> None:
    ada, bob = newcomer(telegram), newcomer(telegram, "Bob")
    first = page_for(stripe_service, ada, key="one")
    assert page_for(stripe_service, ada, key="one") == first
    other = ask_for_page(stripe_service, ada, "pounds_only", key="one")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    assert page_for(stripe_service, ada, key="two")["session_id"] != first["session_id"]
    assert page_for(stripe_service, bob, key="one")["session_id"] != first["session_id"]
    assert page_for(stripe_service, ada)["session_id"] != first["session_id"]


def test_twenty_requests_at_once_under_one_key_are_one_page(stripe_service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    with ThreadPoolExecutor(20) as hands:
        answers = list(hands.map(lambda _: ask_for_page(stripe_service, ada, key="one"), range(20)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert len(rows(stripe_service, "SELECT id FROM invoices WHERE user_id = ?", ada)) == 1
    assert len({call["answer"]["id"] for call in pages_of(telegram, ada)}) == 1
    # All of them together were one attempt.
    assert [ask_for_page(stripe_service, ada).status_code for _ in range(5)] == [201] * 4 + [429]


@pytest.mark.parametrize("key", ["", "a b", "k" * 256, "caf\xe9"], ids=["empty", "two words", "long", "é"])
def test_a_key_is_printable_and_not_too_long(stripe_service: Service, telegram: SandboxServer, key: str) -> None:
    ada = newcomer(telegram)
    with stripe_service.as_user(ada) as client:
        headers = [(b"Idempotency-Key", key.encode("latin-1"))]
        answer = client.post(CHECKOUT, json={"plan_code": "gold_1m"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


def test_stripe_counts_in_the_limit_together_with_stars(stripe_service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    for _ in range(3):
        invoice_for(stripe_service, ada)
    page_for(stripe_service, ada)
    with stripe_does(telegram, api_5xx=-1):
        assert ask_for_page(stripe_service, ada).status_code == 502  # counts, though nothing came of it
    refused = ask_for_page(stripe_service, ada)
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert len(pages_of(telegram, ada)) == 1


@pytest.mark.parametrize(("plan_code", "code"), [("platinum", "unknown_plan"), ("day_pass", "method_unavailable")])
def test_what_can_t_be_bought_by_stripe_is_refused(
    stripe_service: Service, telegram: SandboxServer, plan_code: str, code: str
) -> None:
    ada = newcomer(telegram)
    refused = ask_for_page(stripe_service, ada, plan_code)
    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert customers_of(telegram, ada) == set()


def test_who_holds_the_plan_is_refused(stripe_service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    buy_by_stripe(stripe_service, telegram, ada)
    refused = ask_for_page(stripe_service, ada)
    assert (refused.status_code, refused.json()["code"]) == (409, "already_entitled")


def test_without_a_key_of_stripe_s_there_is_no_such_method(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    refused = ask_for_page(service, ada)
    assert (refused.status_code, refused.json()["code"]) == (422, "method_unavailable")
    with service.as_user(ada) as client:
        answer = client.post(PORTAL, json={})
    assert (answer.status_code, answer.json()["code"]) == (422, "method_unavailable")
    prices = [
        price for plan in LOOPBACK.get(f"{service.url}/api/v1/catalog").json()["plans"] for price in plan["prices"]
    ]
    assert "stripe" not in {price["method"] for price in prices}


@pytest.mark.parametrize("path", [CHECKOUT, PORTAL])
def test_nobody_gets_a_page_without_a_token(stripe_service: Service, path: str) -> None:
    refused = LOOPBACK.post(stripe_service.url + path, json={"plan_code": "gold_1m"})
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize("faults", [{"api_5xx": -1}, {"down": True}, {"api_delay_s": 5.0}], ids=["5xx", "down", "slow"])
def test_where_stripe_is_away_the_answer_is_502_in_time_and_the_same_key_works_afterwards(
    stripe_service: Service, telegram: SandboxServer, faults: Json
) -> None:
    ada = newcomer(telegram)
    page_for(stripe_service, ada)  # is a customer
    calls = len(telegram.stripe.calls("checkout.sessions.create"))
    with stripe_does(telegram, **faults):
        refused = ask_for_page(stripe_service, ada, key="one")
        assert (refused.status_code, refused.json()["code"]) == (502, "provider_unavailable")
        assert refused.elapsed.total_seconds() < 10
    if "api_delay_s" in faults:
        eventually(lambda: len(telegram.stripe.calls("checkout.sessions.create")) > calls)
    page = page_for(stripe_service, ada, key="one")
    assert len(rows(stripe_service, "SELECT id FROM invoices WHERE user_id = ?", ada)) == 2
    pay_page(telegram, page)
    assert only(payments_of(stripe_service, ada))["status"] == "granted"


# The price map ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mapped_service(telegram: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    prices = json.dumps({"gold_1m": "price_gold", "founder": "price_founder", "pounds_only": "price_missing"})
    settings = stripe_settings(telegram.stripe, STRIPE_PRICE_MAP_JSON=prices)
    telegram.stripe.set_price("price_gold", PRICE, "gbp")
    telegram.stripe.set_price("price_founder", 100, "gbp")
    with Service(tmp_path_factory.mktemp("mapped"), telegram.url, settings) as running:
        yield running


def test_a_mapped_plan_is_sold_at_stripe_s_own_price(
    stripe_service: Service, mapped_service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    page = page_for(mapped_service, ada)
    asked = only(pages_of(telegram, ada))["arguments"]["line_items"]
    assert "price_gold" in str(asked)
    assert page["amount"] == PRICE
    telegram.stripe.set_webhook(mapped_service.stripe_webhook)
    try:
        pay_page(telegram, page)
    finally:
        telegram.stripe.set_webhook(stripe_service.stripe_webhook)
    assert only(payments_of(mapped_service, ada))["status"] == "granted"


@pytest.mark.parametrize("key", [None, "one"], ids=["without a key", "with a key"])
def test_another_price_at_stripe_s_closes_the_page_and_the_operator_is_told(
    mapped_service: Service, telegram: SandboxServer, key: str | None
) -> None:
    ada = newcomer(telegram)
    mismatched = counted(mapped_service, "billing_payments_total", status="mismatched")
    started = counted(mapped_service, "billing_checkout_started_total", plan="founder")
    refused = ask_for_page(mapped_service, ada, "founder", key=key)
    assert (refused.status_code, refused.json()["code"]) == (502, "provider_unavailable")
    made = only(pages_of(telegram, ada))["answer"]
    assert made["url"] not in refused.text
    assert made["id"] not in refused.text
    assert telegram.stripe.session(made["id"])["status"] == "expired"
    line = only(purchase_lines(mapped_service, event="checkout.mismatched", user_id=ada))
    assert (line["level"], line["plan_code"], line["amount"], line["currency"]) == ("error", "founder", 49900, "GBP")
    assert "STRIPE_PRICE_MAP_JSON" in line["reason"]
    assert counted(mapped_service, "billing_payments_total", status="mismatched") == mismatched + 1
    assert counted(mapped_service, "billing_checkout_started_total", plan="founder") == started

    telegram.stripe.set_price("price_founder", 49900, "gbp")
    try:  # once it is put right, the same request is carried out
        assert page_for(mapped_service, ada, "founder", key=key)["amount"] == 49900
    finally:
        telegram.stripe.set_price("price_founder", 100, "gbp")


def test_a_price_that_stripe_does_not_have_is_no_page(mapped_service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    refused = ask_for_page(mapped_service, ada, "pounds_only")
    assert (refused.status_code, refused.json()["code"]) == (502, "provider_unavailable")
    assert only(purchase_lines(mapped_service, event="invoice.failed", user_id=ada))["level"] == "warning"


def test_a_price_map_that_names_an_unknown_plan_keeps_the_service_from_starting(
    telegram: SandboxServer, tmp_path: Path
) -> None:
    settings = stripe_settings(telegram.stripe, STRIPE_PRICE_MAP_JSON='{"nonesuch": "price_1"}')
    broken = Service(tmp_path, telegram.url, settings)
    (tmp_path / "catalog.toml").write_text(CATALOG)
    broken.run("migrate")
    done = broken.run("serve", "--port", str(broken.port), check=False)
    assert done.returncode != 0
    assert "STRIPE_PRICE_MAP_JSON: names nonesuch" in done.stdout + done.stderr


# The portal, the metrics and the log --------------------------------------------------------------------------------


def test_the_portal_is_there_for_who_has_paid_and_404_for_who_never_did(
    stripe_service: Service, telegram: SandboxServer
) -> None:
    ada, bob = newcomer(telegram), newcomer(telegram, "Bob")
    page_for(stripe_service, bob)  # a customer, but one who never paid
    buy_by_stripe(stripe_service, telegram, ada)
    with stripe_service.as_user(bob) as client:
        refused = client.post(PORTAL, json={})
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    with stripe_service.as_user(ada) as client:
        answer = client.post(PORTAL, json={})
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"portal_url"}
    assert LOOPBACK.get(answer.json()["portal_url"]).status_code == 200
    asked = telegram.stripe.calls("billing_portal.sessions.create")[-1]["arguments"]
    assert asked["customer"] == only(list(customers_of(telegram, ada)))
    with stripe_does(telegram, down=True), stripe_service.as_user(ada) as client:
        away = client.post(PORTAL, json={})
    assert (away.status_code, away.json()["code"]) == (502, "provider_unavailable")


def test_a_purchase_is_counted_and_each_of_its_lines_names_user_plan_and_amount(
    stripe_service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    names = [
        ("billing_checkout_started_total", {"plan": "gold_1m"}),
        ("billing_payments_total", {"status": "success"}),
        ("billing_payments_total", {"status": "refunded"}),
    ]
    before = [counted(stripe_service, name, **labels) for name, labels in names]
    paid = buy_by_stripe(stripe_service, telegram, ada)
    telegram.stripe.refund(paid.charge)
    telegram.wait_idle()
    assert [counted(stripe_service, name, **labels) for name, labels in names] == [value + 1 for value in before]
    for event in ("invoice.issued", "invoice.sent", "payment.settled", "payment.refunded"):
        line = only(purchase_lines(stripe_service, event=event, user_id=ada))
        assert (line["plan_code"], line["amount"], line["currency"]) == ("gold_1m", PRICE, "GBP"), event
        assert line["timestamp"].endswith(("Z", "+00:00")), event
        assert line["level"] == "info", event
        assert line["request_id"], event
        assert line["invoice_id"], event
    settled = only(purchase_lines(stripe_service, event="payment.settled", user_id=ada))
    assert (settled["charge_id"], settled["decision"]) == (paid.payment_intent, "granted")
