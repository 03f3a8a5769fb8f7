"""Stripe's events from outside: taken where Stripe signed them just now, kept once, and lost in no trouble of ours."""

import hashlib
import hmac
import json
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import stripe as stripe_sdk

from tests.integration.buying import (
    counted,
    entitlements_of,
    newcomer,
    payments_of,
    purchase_lines,
    rows,
    settled,
    told,
)
from tests.integration.sandbox_server import STRIPE_WEBHOOK_SECRET, Json, SandboxServer
from tests.integration.service import LOOPBACK, Service, eventually, only
from tests.integration.stripe_buying import buy_by_stripe, page_for, pay_page, stripe_does, stripe_settings

NEW_SECRET = "whsec_" + "rolled" * 4
MIB = 1 << 20


def event(type_: str = "balance.available", **thing: object) -> Json:
    """An event about something that is no payment of ours."""
    return {
        "id": "evt_" + secrets.token_hex(12),
        "object": "event",
        "type": type_,
        "livemode": False,
        "created": int(time.time()),
        "data": {"object": {"object": "balance", **thing}},
    }


def v1(body: bytes, at: int, secret: str = STRIPE_WEBHOOK_SECRET) -> str:
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def header(body: bytes, at: int | None = None, *secret: str) -> str:
    at = int(time.time()) if at is None else at
    signed = [f"v1={v1(body, at, one)}" for one in secret or (STRIPE_WEBHOOK_SECRET,)]
    return ",".join([f"t={at}", *signed])


def bring(service: Service, body: bytes, *signatures: str) -> httpx.Response:
    headers = [("Content-Type", "application/json"), *(("Stripe-Signature", one) for one in signatures)]
    return LOOPBACK.post(service.stripe_webhook, content=body, headers=headers)


def kept(service: Service, event_id: str) -> list[Json]:
    return rows(service, "SELECT * FROM stripe_events WHERE id = ?", event_id)


def now() -> int:
    return int(time.time())


GOOD: dict[str, Callable[[bytes], str]] = {
    "signed now": header,
    "290 s old": lambda body: header(body, now() - 290),
    "290 s ahead": lambda body: header(body, now() + 290),
    "one of several is right": lambda body: f"t={now()},v1={'0' * 64},v1={v1(body, now())},v1={'f' * 64}",
    "with other schemes beside it": lambda body: f"t={now()},v0={'0' * 64},v1={v1(body, now())},v2=x",
    "signed by two secrets": lambda body: header(body, None, "whsec_other_than_ours", STRIPE_WEBHOOK_SECRET),
}
BAD: dict[str, Callable[[bytes], tuple[str, ...]]] = {
    "no header": lambda _: (),
    "an empty header": lambda _: ("",),
    "another body's": lambda body: (header(body + b" "),),
    "another secret's": lambda body: (header(body, None, "whsec_another_secret"),),
    "an empty secret's": lambda body: (header(body, None, ""),),
    "310 s old": lambda body: (header(body, now() - 310),),
    "310 s ahead": lambda body: (header(body, now() + 310),),
    "an hour old": lambda body: (header(body, now() - 3600),),
    "signed for another time": lambda body: (f"t={now()},v1={v1(body, now() - 1000)}",),
    "an old one with a new time before it": lambda body: (f"t={now()},{header(body, now() - 1000)}",),
    "an old one with a new time after it": lambda body: (f"{header(body, now() - 1000)},t={now()}",),
    "no time": lambda body: (f"v1={v1(body, now())}",),
    "a time that is none": lambda body: (f"t=now,v1={v1(body, now())}",),
    "a negative time": lambda body: (f"t=-{now()},v1={v1(body, -now())}",),
    "another scheme's": lambda body: (f"t={now()},v0={v1(body, now())}",),
    "in capitals": lambda body: (f"t={now()},v1={v1(body, now()).upper()}",),
    "cut short": lambda body: (f"t={now()},v1={v1(body, now())[:-1]}",),
    "empty": lambda body: (f"t={now()},v1=",),
    "the header twice": lambda body: (header(body), header(body)),
    "the header twice, one is bad": lambda body: (f"t={now()},v1={'0' * 64}", header(body)),
    "a header too long": lambda body: (header(body) + ",v1=" + "0" * 5000,),
}


@pytest.mark.parametrize("sign", GOOD.values(), ids=GOOD.keys())
def test_what_stripe_signed_just_now_is_taken_and_kept(stripe_service: Service, sign: Callable[[bytes], str]) -> None:
    sent = event()
    body = json.dumps(sent).encode()
    answer = bring(stripe_service, body, sign(body))
    assert answer.status_code == 200, answer.text
    assert only(kept(stripe_service, sent["id"]))["body"] == body


@pytest.mark.parametrize("sign", BAD.values(), ids=BAD.keys())
def test_what_stripe_did_not_sign_just_now_is_refused_and_leaves_nothing(
    stripe_service: Service, sign: Callable[[bytes], tuple[str, ...]]
) -> None:
    sent = event()
    body = json.dumps(sent).encode()
    answer = bring(stripe_service, body, *sign(body))
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert kept(stripe_service, sent["id"]) == []
    assert STRIPE_WEBHOOK_SECRET not in answer.text
    assert v1(body, now()) not in answer.text


def test_no_bit_of_an_event_can_be_changed(stripe_service: Service) -> None:
    sent = event()
    body = json.dumps(sent).encode()
    signature = header(body)
    for place in range(0, len(body), 7):
        changed = bytearray(body)
        changed[place] ^= 1
        assert bring(stripe_service, bytes(changed), signature).status_code == 400
    assert kept(stripe_service, sent["id"]) == []
    assert bring(stripe_service, body, signature).status_code == 200


def test_stripe_s_own_library_signs_as_we_verify(stripe_service: Service) -> None:
    sent = event()
    body = json.dumps(sent)
    signed = stripe_sdk.WebhookSignature._compute_signature(f"{now()}.{body}", STRIPE_WEBHOOK_SECRET)
    assert bring(stripe_service, body.encode(), f"t={now()},v1={signed}").status_code == 200


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{", b'{"id":1}', b'{"id":"evt_1","id":"evt_2"}', b"\xff\xfe", b"[" * 100_000]
)
def test_what_is_signed_but_no_event_is_refused(stripe_service: Service, body: bytes) -> None:
    assert bring(stripe_service, body, header(body)).status_code == 400


def test_more_than_a_mebibyte_is_not_read(stripe_service: Service) -> None:
    body = b'{"id":"' + b"x" * MIB + b'"}'
    assert bring(stripe_service, body, header(body)).status_code == 413


def test_an_event_is_kept_once_however_often_it_comes(stripe_service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    paid = buy_by_stripe(stripe_service, telegram, ada)
    completed = only(
        [one for one in telegram.stripe.events("checkout.session.completed") if paid.session_id in str(one["event"])]
    )
    before = counted(stripe_service, "stripe_events_total", outcome="settled")
    again = telegram.stripe.resend([completed["event_id"]], times=5)
    assert [delivery.status for delivery in again] == [200] * 5
    assert only(kept(stripe_service, completed["event_id"]))["outcome"] == "settled"
    assert counted(stripe_service, "stripe_events_total", outcome="settled") == before
    assert len(payments_of(stripe_service, ada)) == len(entitlements_of(stripe_service, ada)) == 1


@pytest.mark.parametrize("type_", ["customer.created", "invoice.paid", "no.such.type", "v2.core.event", "a"])
def test_an_event_of_a_type_that_concerns_nobody_is_answered_200_and_kept(stripe_service: Service, type_: str) -> None:
    sent = event(type_, id="obj_1")
    body = json.dumps(sent).encode()
    assert bring(stripe_service, body, header(body)).status_code == 200
    row = only(kept(stripe_service, sent["id"]))
    assert (row["type"], row["outcome"]) == (type_, "foreign")


def test_payments_that_others_make_with_the_same_account_are_none_of_ours(
    stripe_service: Service, telegram: SandboxServer
) -> None:
    """A page that somebody else made with the same key, paid, refunded in part, and disputed."""
    stripe = telegram.stripe
    sdk = stripe_sdk.StripeClient(stripe.secret_key, base_addresses={"api": stripe.api_base}).v1
    foreign = counted(stripe_service, "stripe_events_total", outcome="foreign")
    before = [rows(stripe_service, f"SELECT count(*) AS n FROM {t}") for t in ("payments", "entitlements", "outbox")]
    price: Any = {"currency": "gbp", "unit_amount": 2500, "product_data": {"name": "A mug"}}
    for metadata in ({}, {"user_id": "77", "plan_code": "gold_1m"}, {"tollgram": "1", "user_id": "x"}):
        order: Any = {
            "mode": "payment",
            "line_items": [{"price_data": price, "quantity": 1}],
            "success_url": "https://shop.example/",
            "client_reference_id": "77",
            "metadata": metadata,
        }
        made = sdk.checkout.sessions.create(order)
        paid = stripe.pay(made.id)
        stripe.refund(paid.charge, amount=100)
        stripe.dispute(paid.charge, "open")
        settled(telegram)
    tables = ("payments", "entitlements", "outbox")
    assert [rows(stripe_service, f"SELECT count(*) AS n FROM {t}") for t in tables] == before
    assert counted(stripe_service, "stripe_events_total", outcome="foreign") >= foreign + 3
    assert not stripe_service.allowed(77, "signals")


def test_an_amount_that_is_not_the_invoice_s_opens_nothing_and_is_kept(
    stripe_service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    telegram.stripe.pay(page_for(stripe_service, ada)["session_id"], amount=1)
    settled(telegram)
    payment = only(payments_of(stripe_service, ada))
    assert (payment["status"], payment["amount"]) == ("quarantined", 1)
    assert entitlements_of(stripe_service, ada) == []
    told(telegram, ada, "Your money is not lost.")


# Trouble of ours ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "faults",
    [
        {"api_5xx": -1},
        {"api_429": -1},
        {"api_resets": -1},
        {"api_delay_s": 6.0, "api_methods": ["payment_intents.retrieve"]},
    ],
    ids=["5xx", "429", "resets", "hangs"],
)
def test_an_event_that_comes_while_stripe_can_t_be_asked_is_kept_and_settled_once_it_can(
    stripe_service: Service, telegram: SandboxServer, faults: Json
) -> None:
    ada = newcomer(telegram)
    page = page_for(stripe_service, ada)
    with stripe_does(telegram, hold_events=True, **faults):
        paid = telegram.stripe.pay(page["session_id"])
        completed = only(
            [
                one
                for one in telegram.stripe.events("checkout.session.completed")
                if paid.session_id in str(one["event"])
            ]
        )
        (taken,) = telegram.stripe.resend([completed["event_id"]])
        assert taken.status == 200
        waiting = "SELECT count(*) AS waiting FROM inbox WHERE source = 'stripe_event' AND done_at IS NULL"
        assert only(rows(stripe_service, waiting))["waiting"] >= 1
        assert kept(stripe_service, completed["event_id"]) == []
        assert payments_of(stripe_service, ada) == []
    # Whether or not Stripe tells of it once more.
    granted = eventually(lambda: payments_of(stripe_service, ada), within_s=120)
    assert only(granted)["status"] == "granted"
    assert only(eventually(lambda: kept(stripe_service, completed["event_id"])))["outcome"] == "settled"
    eventually(lambda: only(rows(stripe_service, waiting))["waiting"] == 0, within_s=120)
    settled(telegram)
    assert len(payments_of(stripe_service, ada)) == 1


def test_an_event_that_comes_while_the_database_is_away_is_answered_503_and_works_when_it_comes_again(
    stripe_service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    page = page_for(stripe_service, ada)
    with stripe_does(telegram, hold_events=True):
        paid = telegram.stripe.pay(page["session_id"])
        ids = [
            one["event_id"]
            for one in telegram.stripe.events("checkout.session.completed")
            if paid.session_id in str(one["event"])
        ]
        with closing(sqlite3.connect(stripe_service.folder / "tollgram.db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            refused = telegram.stripe.resend(ids)
            other.execute("ROLLBACK")
        assert [delivery.status for delivery in refused] == [503]
    settled(telegram)
    assert only(payments_of(stripe_service, ada))["status"] == "granted"
    told(telegram, ada, "paid. Thank you.")


@pytest.fixture
def postgres_stripe(telegram: SandboxServer, postgres_url: str, tmp_path: Path) -> Iterator[Service]:
    settings = stripe_settings(telegram.stripe, DATABASE_URL=postgres_url)
    with Service(tmp_path, telegram.url, settings) as running:
        yield running


def test_on_postgresql_too_an_event_waits_for_the_database(
    stripe_service: Service, postgres_stripe: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    page = page_for(postgres_stripe, ada)
    telegram.stripe.set_webhook(postgres_stripe.stripe_webhook)
    address = postgres_stripe.environment["DATABASE_URL"]
    try:
        with stripe_does(telegram, hold_events=True):
            paid = telegram.stripe.pay(page["session_id"])
            ids = [one["event_id"] for one in telegram.stripe.events() if paid.payment_intent in str(one["event"])]
            with psycopg.connect(address, autocommit=True) as connection:
                connection.execute("ALTER TABLE payments RENAME TO payments_away")
                refused = {delivery.status for delivery in telegram.stripe.resend(ids[-1:])}
                connection.execute("ALTER TABLE payments_away RENAME TO payments")
            assert refused == {503}
        settled(telegram)
        assert only(payments_of(postgres_stripe, ada))["status"] == "granted"
    finally:
        telegram.stripe.set_webhook(stripe_service.stripe_webhook)


def test_while_the_secret_is_rolled_events_signed_by_either_are_taken(
    stripe_service: Service, telegram: SandboxServer, tmp_path: Path
) -> None:
    both = f"{NEW_SECRET},{STRIPE_WEBHOOK_SECRET}"
    with Service(tmp_path, telegram.url, stripe_settings(telegram.stripe, STRIPE_WEBHOOK_SECRET=both)) as rolling:
        for signers in ([STRIPE_WEBHOOK_SECRET], [STRIPE_WEBHOOK_SECRET, NEW_SECRET], [NEW_SECRET]):
            telegram.stripe.set_webhook(rolling.stripe_webhook, secrets=signers)
            ada = newcomer(telegram)
            pay_page(telegram, page_for(rolling, ada))
            assert rolling.allowed(ada, "signals")
        body = json.dumps(event()).encode()
        assert bring(rolling, body, header(body, None, "whsec_neither_of_them")).status_code == 400
    telegram.stripe.set_webhook(stripe_service.stripe_webhook)


def test_no_secret_of_stripe_s_is_ever_seen(telegram: SandboxServer, stripe_service: Service, tmp_path: Path) -> None:
    """Through all that can go right and wrong, in the log at its loudest, in metrics and in answers."""
    signing = "whsec_" + "canary7f3a" * 3
    settings = stripe_settings(telegram.stripe, STRIPE_WEBHOOK_SECRET=signing, LOG_LEVEL="DEBUG")
    seen: list[str] = []
    with Service(tmp_path, telegram.url, settings) as loud:
        telegram.stripe.set_webhook(loud.stripe_webhook, secrets=[signing])
        ada = newcomer(telegram)
        page = page_for(loud, ada)
        paid = pay_page(telegram, page)
        telegram.stripe.refund(paid.charge, amount=100)
        settled(telegram)
        body = json.dumps(event()).encode()
        signature = header(body)
        for faults in ({"api_5xx": -1}, {"api_429": -1}, {"down": True}):
            with stripe_does(telegram, **faults), loud.as_user(ada) as client:
                seen.append(client.post("/api/v1/billing/portal", json={}).text)
        seen.append(bring(loud, body, signature).text)
        seen.append(LOOPBACK.get(f"{loud.url}/metrics").text)
        seen.append(str(payments_of(loud, ada)))
        eventually(lambda: purchase_lines(loud, event="payment.settled", user_id=ada))
        loud.stop()
        seen.append(loud.log_text())
    telegram.stripe.set_webhook(stripe_service.stripe_webhook)
    everything = "\n".join(seen)
    assert "payment.settled" in everything
    for secret in (telegram.stripe.secret_key, signing, signature.rpartition("=")[2], "client_secret"):
        assert secret not in everything
