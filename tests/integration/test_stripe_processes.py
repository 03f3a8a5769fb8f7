"""Several processes on one PostgreSQL, and one that dies: a payment by Stripe is still settled once."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psycopg
import pytest

from tests.integration.buying import newcomer, told
from tests.integration.conftest import set_webhooks
from tests.integration.sandbox_server import CardOutcome, Json, SandboxServer
from tests.integration.service import Service, eventually, only
from tests.integration.stripe_buying import ask_for_page, page_for, stripe_does, stripe_settings, texts_to
from tests.integration.test_stripe_webhook import bring, header
from tests.integration.test_threat_forged_updates import rows
from tests.postgres import Postgres

DELIVERIES = 30


@pytest.fixture(scope="module")
def processes(
    telegram: SandboxServer, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Service]]:
    """Two that share nothing but their settings and their database."""
    with ExitStack() as stack:
        settings = stripe_settings(telegram.stripe, DATABASE_URL=stack.enter_context(postgres.database()))
        folders = [tmp_path_factory.mktemp(name) for name in ("one", "two")]
        running = [stack.enter_context(Service(folder, telegram.url, settings)) for folder in folders]
        set_webhooks(telegram, running[0])
        yield running


def completed(telegram: SandboxServer, paid: CardOutcome) -> Json:
    """The event that says so, as Stripe made it."""
    events = telegram.stripe.events("checkout.session.completed")
    return dict(only([one["event"] for one in events if paid.session_id in str(one["event"])]))


def all_at_once(services: list[Service], bodies: list[bytes]) -> set[int]:
    with ThreadPoolExecutor(len(bodies)) as hands:

        def one(number: int) -> int:
            body = bodies[number]
            return bring(services[number % len(services)], body, header(body)).status_code

        return set(hands.map(one, range(len(bodies))))


def state(service: Service, user: int) -> Mapping[str, int]:
    """How many of each this user has."""
    counts = {
        "payments": "SELECT count(*) FROM payments WHERE user_id = ?",
        "entitlements": "SELECT count(*) FROM entitlements WHERE user_id = ?",
        "confirmations": "SELECT count(*) FROM outbox WHERE chat_id = ? AND kind = 'Confirmation'",
    }
    return {name: only(rows(service, query, user))[0] for name, query in counts.items()}


def asked_about(telegram: SandboxServer, session_id: str) -> bool:
    return any(session_id in str(call) for call in telegram.stripe.calls("checkout.sessions.retrieve"))


ONCE = {"payments": 1, "entitlements": 1, "confirmations": 1}


@pytest.mark.parametrize("twins", [False, True], ids=["one event", "thirty events of one payment"])
def test_thirty_deliveries_at_once_to_two_processes_are_settled_once(
    processes: list[Service], telegram: SandboxServer, twins: bool
) -> None:
    ada = newcomer(telegram)
    page = page_for(processes[0], ada)
    with stripe_does(telegram, hold_events=True):
        paid = telegram.stripe.pay(page["session_id"])
        event = completed(telegram, paid)
        ids = [f"{event['id']}x{number if twins else 0}" for number in range(DELIVERIES)]
        statuses = all_at_once(processes, [json.dumps(event | {"id": id}).encode() for id in ids])
        assert statuses <= {200, 503}  # too many may wait for one lock: those are told to come again
        assert 200 in statuses
        assert state(processes[0], ada) == ONCE
    telegram.wait_idle(quiet_s=0.3)
    assert state(processes[0], ada) == ONCE
    told(telegram, ada, "paid. Thank you.")
    assert sum("paid. Thank you." in text for text in texts_to(telegram, ada)) == 1
    stored = rows(processes[0], "SELECT count(*) FROM stripe_events WHERE id LIKE ?", f"{event['id']}x%")
    assert 1 <= only(stored)[0] <= len(set(ids))
    assert {one.allowed(ada, "signals") for one in processes} == {True}


def test_twenty_requests_under_one_key_at_two_processes_are_one_page(
    processes: list[Service], telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    with ThreadPoolExecutor(20) as hands:
        answers = list(hands.map(lambda n: ask_for_page(processes[n % 2], ada, key="one"), range(20)))
    # Stripe makes a page under one key for one caller at a time: whoever is too early is told to ask again, and does.
    assert {answer.status_code for answer in answers} <= {201, 502}
    answers = [a if a.status_code == 201 else ask_for_page(processes[0], ada, key="one") for a in answers]
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert only(rows(processes[0], "SELECT count(*) FROM invoices WHERE user_id = ?", ada))[0] == 1


def test_twenty_pages_asked_for_at_two_processes_are_five(processes: list[Service], telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    with ThreadPoolExecutor(20) as hands:
        answers = list(hands.map(lambda n: ask_for_page(processes[n % 2], ada), range(20)))
    assert sorted(answer.status_code for answer in answers) == [201] * 5 + [429] * 15
    sessions = [telegram.stripe.session(a.json()["session_id"]) for a in answers if a.status_code == 201]
    assert len({session["customer"] for session in sessions}) == 1


def test_what_two_processes_hear_of_payment_and_refund_at_once_ends_refunded(
    processes: list[Service], telegram: SandboxServer
) -> None:
    for _ in range(5):
        ada = newcomer(telegram)
        page = page_for(processes[0], ada)
        with stripe_does(telegram, hold_events=True):
            paid = telegram.stripe.pay(page["session_id"])
            before = completed(telegram, paid)
            telegram.stripe.refund(paid.charge)
            refunded = only(
                [one["event"] for one in telegram.stripe.events("charge.refunded") if paid.charge in str(one["event"])]
            )
            both = [json.dumps(before).encode(), json.dumps(refunded).encode()] * 4
            assert all_at_once(processes, both) <= {200, 503}
        telegram.wait_idle()
        assert rows(processes[0], "SELECT status FROM payments WHERE user_id = ?", ada) == [("refunded",)]
        letters = "SELECT count(*) FROM outbox WHERE chat_id = ? AND kind = 'PaymentReturned'"
        assert only(rows(processes[0], letters, ada))[0] == 1
        assert not processes[1].allowed(ada, "signals")


@pytest.mark.parametrize("moment", ["before it asked Stripe", "once it was settled"])
def test_what_a_killed_process_was_told_is_settled_once_when_it_comes_again(
    processes: list[Service], telegram: SandboxServer, moment: str
) -> None:
    victim = processes[0]
    ada = newcomer(telegram)
    page = page_for(victim, ada)
    try:
        with stripe_does(telegram, hold_events=True):
            paid = telegram.stripe.pay(page["session_id"])
            event = completed(telegram, paid)
            if moment == "once it was settled":
                # As if it had died between settling and keeping the event: only the first is on record.
                assert [d.status for d in telegram.stripe.resend([event["id"]])] == [200]
                victim.kill()
                rows_gone(victim, event["id"])
            else:
                with ThreadPoolExecutor(1) as hand:
                    telegram.stripe.faults(hold_events=True, api_delay_s=1.5, api_methods=["payment_intents.retrieve"])
                    cut = hand.submit(telegram.stripe.resend, [event["id"]])
                    eventually(lambda: asked_about(telegram, paid.session_id))
                    victim.kill()
                    assert cut.result()[0].status is None
                assert state(processes[1], ada) == {"payments": 0, "entitlements": 0, "confirmations": 0}
            victim.start()
        telegram.wait_idle()
        (again,) = telegram.stripe.resend([event["id"]])
        assert again.status == 200
        assert state(victim, ada) == ONCE
        assert only(rows(victim, "SELECT outcome FROM stripe_events WHERE id = ?", event["id"])) == ("settled",)
        assert victim.allowed(ada, "signals")
        told(telegram, ada, "paid. Thank you.")
    finally:
        if victim.process is None or victim.process.poll() is not None:
            victim.start()


def rows_gone(service: Service, event_id: str) -> None:
    with psycopg.connect(service.environment["DATABASE_URL"]) as connection:
        assert connection.execute("DELETE FROM stripe_events WHERE id = %s", (event_id,)).rowcount == 1
