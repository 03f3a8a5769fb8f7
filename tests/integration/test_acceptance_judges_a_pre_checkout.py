"""Criteria 2: before money moves Telegram asks, and the service says yes only where all is right, and why where not."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.buying import (
    MAIN,
    SIGNER,
    buy,
    counted,
    invoice_for,
    make_older,
    newcomer,
    pay,
    payload_for,
    payments_of,
    purchase_lines,
    rows,
    settled,
    trail_of,
)
from tests.integration.sandbox_server import SandboxServer
from tests.integration.service import CATALOG, Service, only

HOUR = timedelta(hours=1)


def rejected(service: Service, reason: str) -> float:
    return counted(service, "telegram_precheck_rejected_total", reason=reason)


@pytest.mark.criterion("2.1", "2.7")
@pytest.mark.parametrize("method", ["stars", "telegram"])
def test_a_correct_query_comes_by_the_webhook_and_is_approved_in_the_answer_to_it(
    service: Service, telegram: SandboxServer, method: str
) -> None:
    ada = newcomer(telegram)
    outcome = pay(telegram, ada, invoice_for(service, ada, method=method))

    assert outcome.status == "paid"
    query = only([sent for sent in telegram.updates("pre_checkout_query") if sent["user_id"] == ada])
    assert [attempt["status"] for attempt in query["attempts"]] == [200]
    answers = telegram.calls("answerPreCheckoutQuery", via="reply")
    answer = only([a for a in answers if a["arguments"]["pre_checkout_query_id"] == outcome.pre_checkout_query_id])
    assert (answer["arguments"]["ok"], answer["answer"]["ok"]) == (True, True)


@pytest.mark.criterion("2.1")
def test_the_address_without_a_bots_name_is_that_of_main(service: Service, telegram: SandboxServer) -> None:
    telegram.set_webhook(f"{service.url}/api/v1/telegram/webhook", secret="webhook-secret-of-the-tests")
    try:
        ada = newcomer(telegram)
        assert pay(telegram, ada, invoice_for(service, ada)).status == "paid"
    finally:
        telegram.set_webhook(service.webhook, secret="webhook-secret-of-the-tests")


@pytest.mark.criterion("2.2")
def test_the_payload_that_telegram_carries_names_the_plan_and_the_time_of_issue(
    service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    sent = invoice_for(service, ada)
    terms = SIGNER.verify(telegram.invoice_payload(ada, sent["telegram_message_id"]), MAIN)

    assert (terms.plan_code, terms.payer, terms.invoice_id) == ("gold_1m", ada, sent["invoice_id"])
    assert terms.issued_at == datetime.fromisoformat(sent["expires_at"]) - HOUR


@pytest.mark.criterion("2.2")
def test_a_payload_of_another_plan_than_its_invoice_is_refused_though_it_is_signed(
    service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    sent = invoice_for(service, ada)
    before = rejected(service, "plan_mismatch")
    other = payload_for(ada, plan_code="founder", invoice_id=sent["invoice_id"])

    assert pay(telegram, ada, sent, payload=other).status == "refused"
    assert rejected(service, "plan_mismatch") == before + 1


@pytest.mark.criterion("2.2")
@pytest.mark.parametrize(
    ("age", "status"),
    [
        pytest.param(HOUR - timedelta(minutes=1), "granted", id="59 minutes old"),
        pytest.param(HOUR + timedelta(minutes=1), "quarantined", id="61 minutes old"),
    ],
)
def test_where_only_the_payload_is_left_its_time_of_issue_decides(
    service: Service, telegram: SandboxServer, age: timedelta, status: str
) -> None:
    """As after a restored backup: the invoice is not in the database, and money comes on it unasked."""
    ada = newcomer(telegram)
    sent = invoice_for(service, ada)
    rows(service, "DELETE FROM invoices WHERE id = ?", sent["invoice_id"])
    issued_at = datetime.now(UTC).replace(microsecond=0) - age
    payload = payload_for(ada, invoice_id=sent["invoice_id"], issued_at=issued_at)
    pay(telegram, ada, sent, payload=payload, skip_pre_checkout=True)

    payment = only(payments_of(service, ada))
    assert (payment["status"], payment["plan_code"]) == (status, "gold_1m")
    rebuilt = only(rows(service, "SELECT issued_at FROM invoices WHERE id = ?", sent["invoice_id"]))
    assert datetime.fromisoformat(rebuilt["issued_at"]) == issued_at


@pytest.mark.criterion("2.3")
def test_when_the_catalogs_price_has_changed_since_the_old_one_is_not_taken(
    service: Service, telegram: SandboxServer
) -> None:
    """Nor is the new one, on the old invoice: a new invoice is due."""
    ada, bob = newcomer(telegram), newcomer(telegram, "Bob")
    old, paid_late = invoice_for(service, ada), invoice_for(service, bob)
    (service.folder / "catalog.toml").write_text(CATALOG.replace("XTR = 1250", "XTR = 1500"))
    service.stop()
    service.start()
    try:
        refused = pay(telegram, ada, old)
        assert refused.status == "refused"
        assert "price" in refused.error_message
        assert pay(telegram, ada, old, amount=1500).status == "refused"
        assert rejected(service, "price_changed") == 1
        new = invoice_for(service, ada)
        assert new["amount"] == 1500
        assert pay(telegram, ada, new).status == "paid"
        # Money that moved all the same is held against what the invoice said, and nothing else.
        pay(telegram, bob, paid_late, skip_pre_checkout=True)
        assert only(payments_of(service, bob))["status"] == "granted"
    finally:
        (service.folder / "catalog.toml").write_text(CATALOG)
        service.stop()
        service.start()


@pytest.mark.criterion("2.3", "2.4", "2.8")
@pytest.mark.parametrize("amount", [1, 1249, 1251, 2500, 125000])
def test_any_other_amount_is_refused_and_nothing_is_charged(
    service: Service, telegram: SandboxServer, amount: int
) -> None:
    ada = newcomer(telegram)
    before = rejected(service, "amount_mismatch")
    outcome = pay(telegram, ada, invoice_for(service, ada), amount=amount)

    assert (outcome.status, outcome.charge_id) == ("refused", None)
    assert "not the amount" in outcome.error_message
    assert rejected(service, "amount_mismatch") == before + 1


@pytest.mark.criterion("2.4")
def test_the_right_number_of_another_currency_is_refused(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    before = rejected(service, "currency_mismatch")

    assert pay(telegram, ada, invoice_for(service, ada), currency="GBP").status == "refused"
    assert rejected(service, "currency_mismatch") == before + 1


@pytest.mark.criterion("2.5", "2.8")
def test_an_invoice_is_good_for_an_hour_and_no_longer(service: Service, telegram: SandboxServer) -> None:
    ada, bob = newcomer(telegram), newcomer(telegram, "Bob")
    young, old = invoice_for(service, ada), invoice_for(service, bob)
    make_older(service, young["invoice_id"], HOUR - timedelta(seconds=20))
    make_older(service, old["invoice_id"], HOUR + timedelta(seconds=1))
    before = rejected(service, "stale_invoice")

    assert pay(telegram, ada, young).status == "paid"
    refused = pay(telegram, bob, old)
    assert refused.status == "refused"
    assert "expired" in refused.error_message
    assert rejected(service, "stale_invoice") == before + 1


@pytest.mark.criterion("2.6", "2.8")
def test_an_invoice_that_was_made_out_to_somebody_else_is_refused(service: Service, telegram: SandboxServer) -> None:
    ada, mallory = newcomer(telegram), newcomer(telegram, "Mallory")
    before = rejected(service, "wrong_user")
    outcome = pay(telegram, ada, invoice_for(service, ada), as_user=mallory)

    assert outcome.status == "refused"
    assert "somebody else" in outcome.error_message
    assert rejected(service, "wrong_user") == before + 1


@pytest.mark.criterion("2.8")
def test_every_refusal_says_that_nothing_was_charged_and_what_to_do(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    sent = invoice_for(service, ada)
    said = {
        "forged": pay(telegram, ada, sent, payload="t1.gold_1m.forged").error_message,
        "too little": pay(telegram, ada, sent, amount=1).error_message,
        "unknown": pay(telegram, ada, sent, payload=payload_for(ada, invoice_id="inv_" + "0" * 32)).error_message,
    }
    buy(service, telegram, ada)
    said["held"] = pay(telegram, ada, sent).error_message

    assert len(set(said.values())) == len(said)
    for words in said.values():
        assert "Nothing was charged" in words
        assert "/buy" in words or "/status" in words
        assert len(words) <= 200


@pytest.mark.criterion("2.9")
def test_the_query_is_on_record_with_its_decision(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    sent = invoice_for(service, ada)
    pay(telegram, ada, sent, amount=1)
    pay(telegram, ada, sent)

    lines = purchase_lines(service, event="pre_checkout.judged", user_id=ada)
    assert [(line["decision"], line["reason"], line["amount"]) for line in lines] == [
        ("rejected", "amount_mismatch", 1),
        ("ok", None, 1250),
    ]
    assert {(line["plan_code"], line["currency"], line["invoice_id"]) for line in lines} == {
        ("gold_1m", "XTR", sent["invoice_id"])
    }
    trail = trail_of(service, ada, "pre_checkout")
    assert [(entry["decision"], entry["reason"]) for entry in trail] == [("rejected", "amount_mismatch"), ("ok", None)]


@pytest.mark.criterion("2.10")
def test_every_query_is_counted_by_what_was_answered(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    sent = invoice_for(service, ada)
    before = {result: counted(service, "telegram_precheck_total", result=result) for result in ("ok", "rejected")}
    pay(telegram, ada, sent, amount=1)
    pay(telegram, ada, sent, payload="nonsense")
    pay(telegram, ada, sent)

    assert counted(service, "telegram_precheck_total", result="rejected") == before["rejected"] + 2
    assert counted(service, "telegram_precheck_total", result="ok") == before["ok"] + 1


@pytest.mark.criterion("2.1", "2.8")
def test_while_the_database_hangs_the_payer_is_told_in_time_to_try_again(
    service: Service, telegram: SandboxServer
) -> None:
    """Telegram waits for 10 s; without an answer the payer would learn nothing."""
    ada = newcomer(telegram)
    sent = invoice_for(service, ada)
    with closing(sqlite3.connect(service.folder / "tollgram.db", isolation_level=None)) as hanging:
        hanging.execute("BEGIN EXCLUSIVE")
        outcome = telegram.pay(ada, sent["telegram_message_id"])
    settled(telegram)

    assert outcome.status == "refused"
    assert "could not be checked in time" in outcome.error_message
    line = only(purchase_lines(service, event="pre_checkout.judged", user_id=ada))
    assert (line["decision"], line["reason"]) == ("rejected", "unavailable")
    assert pay(telegram, ada, sent).status == "paid"
