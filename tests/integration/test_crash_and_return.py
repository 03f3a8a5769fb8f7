"""Whatever dies, and whenever: no charge is lost, none is granted twice, and what the bot has to say is said."""

import os
import secrets
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from application.outbox import MAX_ATTEMPTS
from tests.integration.conftest import set_webhook
from tests.integration.sandbox_server import Json, SandboxServer
from tests.integration.service import WEBHOOK_SECRET, Service, eventually, only, update_id
from tests.integration.test_threat_clock_and_catalog import WrongClock
from tests.integration.test_threat_forged_updates import approved, charge_id, offered, payment, pre_checkout, rows
from tests.postgres import Postgres, running_postgres

HANDS = 8
MINUTE = timedelta(minutes=1)
TELEGRAM_WAITS_S = 10.0
"""For the answer to a pre-checkout."""


@pytest.fixture(scope="module")
def telegram() -> Iterator[SandboxServer]:
    """Whose patience is a hundredth of the real one's."""
    with SandboxServer(time_scale=0.01, messages_per_second=1000, chat_messages_per_second=1000, chat_burst=1000) as it:
        yield it


@pytest.fixture(autouse=True)
def _a_new_day(telegram: SandboxServer) -> None:
    telegram.reset()


@contextmanager
def service_on(
    database: str, telegram: SandboxServer, folder: Path, request: pytest.FixtureRequest, **settings: str
) -> Iterator[Service]:
    """With its webhook set, on a database of its own."""
    if database == "sqlite":
        with Service(folder, telegram.url, settings) as running:
            set_webhook(telegram, running)
            yield running
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    with postgres.database() as url, Service(folder, telegram.url, {**settings, "DATABASE_URL": url}) as running:
        set_webhook(telegram, running)
        yield running


def buyers(service: Service, telegram: SandboxServer, number: int) -> list[tuple[Json, int]]:
    """So many people, each with the message id of an invoice."""

    def invoiced(name: int) -> tuple[Json, int]:
        user = telegram.create_user(f"Buyer {name}", started=True)
        offered(service, telegram, user)
        return user, telegram.last_invoice(user)["message_id"]

    with ThreadPoolExecutor(HANDS) as hands:
        return list(hands.map(invoiced, range(number)))


def pay_all(telegram: SandboxServer, invoices: Sequence[tuple[Json, int]]) -> list[str]:
    """Money moves for each, and Telegram holds the news of it back; the charges."""
    telegram.faults(hold_deliveries=True)
    with ThreadPoolExecutor(HANDS) as hands:
        paid = list(hands.map(lambda one: telegram.pay(one[0], one[1], skip_pre_checkout=True), invoices))
    return [outcome.charge_id for outcome in paid if outcome.charge_id]


def come_slowly(telegram: SandboxServer, service: Service) -> None:
    """Telegram lets go of what it held back, over few connections, so that there is a middle to die in."""
    telegram.set_webhook(service.webhook, secret=WEBHOOK_SECRET, max_connections=3)
    telegram.faults()


def all_is_delivered(telegram: SandboxServer) -> None:
    """Letters may be on their way still."""
    eventually(lambda: telegram.state()["waiting"] == 0, within_s=80)
    assert {update["state"] for update in telegram.updates()} == {"delivered"}


def settled(service: Service) -> int:
    return int(rows(service, "SELECT count(*) FROM payments")[0][0])


def each_is_granted_once(service: Service, charges: Sequence[str]) -> None:
    found = rows(
        service,
        "SELECT p.charge_id, p.status, count(e.id) FROM payments p LEFT JOIN entitlements e ON e.payment_id = p.id "
        "GROUP BY p.charge_id, p.status",
    )
    assert sorted(found) == sorted((charge, "granted", 1) for charge in charges)


# The process dies ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("database", "number"), [("sqlite", 200), ("postgresql", 50)])
def test_killed_again_and_again_in_the_middle_of_deliveries_it_grants_each_charge_once(
    telegram: SandboxServer, tmp_path: Path, request: pytest.FixtureRequest, database: str, number: int
) -> None:
    with service_on(database, telegram, tmp_path, request) as service:
        charges = pay_all(telegram, buyers(service, telegram, number))
        assert len(set(charges)) == number
        come_slowly(telegram, service)
        cut_short = []
        for share in (0.1, 0.5):
            eventually(lambda share=share: settled(service) >= share * number, within_s=60)
            service.kill()
            cut_short.append(settled(service) < number)
            service.start()
        assert any(cut_short), "it died in the middle"
        all_is_delivered(telegram)
        each_is_granted_once(service, charges)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_an_answer_that_is_lost_after_the_commit_makes_no_second_grant(
    telegram: SandboxServer, tmp_path: Path, request: pytest.FixtureRequest, database: str
) -> None:
    with service_on(database, telegram, tmp_path, request) as service:
        charges = pay_all(telegram, buyers(service, telegram, 10))
        telegram.faults(lose_answers=15, deliver_concurrently=2)
        eventually(lambda: settled(service) == 10)
        service.kill()  # what was answered may be on its way still
        service.start()
        telegram.faults()
        all_is_delivered(telegram)
        each_is_granted_once(service, charges)


def test_told_to_stop_under_load_it_loses_nothing_and_leaves_in_good_order(
    telegram: SandboxServer, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with service_on("sqlite", telegram, tmp_path, request) as service:
        charges = pay_all(telegram, buyers(service, telegram, 100))
        come_slowly(telegram, service)
        eventually(lambda: settled(service) >= 20, within_s=60)
        assert service.process is not None
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(60) in (0, -signal.SIGTERM)
        acknowledged = [update for update in telegram.updates() if update["state"] == "delivered"]
        assert len(acknowledged) <= settled(service) < 100, "what was answered is kept"
        answered = {attempt["status"] for update in telegram.updates() for attempt in update["attempts"]}
        assert answered <= {200, None}, "nobody in the middle of it was told that it failed"
        service.start()
        all_is_delivered(telegram)
        each_is_granted_once(service, charges)
        assert not service.log_lines("request.failed")


def test_letters_of_a_relay_that_was_killed_while_sending_are_sent_by_the_next_in_order(
    telegram: SandboxServer, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    clock = WrongClock.made(tmp_path)
    with service_on("sqlite", telegram, tmp_path, request, **clock.settings) as service:
        users = [telegram.create_user(f"Talker {number}", started=True) for number in range(8)]
        telegram.faults(api_delay_s=0.2, api_methods=["sendMessage"])
        for command in ("/help", "/status", "/terms"):
            for user in users:
                telegram.say(user, command)
        eventually(lambda: len(telegram.calls("sendMessage")) >= 6)
        eventually(lambda: rows(service, "SELECT count(*) FROM outbox") == [(24,)])
        service.kill()
        sent_before = rows(service, "SELECT count(*) FROM outbox WHERE sent_at IS NOT NULL")[0][0]
        assert sent_before < 24
        clock.go_ahead_by(MINUTE)  # claims of the dead run out
        telegram.faults()
        service.start()
        eventually(lambda: waiting(service) == 0, within_s=60)
        calls = [call for call in telegram.calls("sendMessage") if call["status"] == 200]
        for user in users:
            texts = [call["arguments"]["text"] for call in calls if call["arguments"]["chat_id"] == user["id"]]
            assert [text for text, _ in first_times(texts)] == in_order(calls, users)
        # At most those that were in the air when it was killed came twice.
        assert 24 <= len(calls) <= 24 + 4


def waiting(service: Service) -> int:
    return int(rows(service, "SELECT count(*) FROM outbox WHERE sent_at IS NULL AND given_up_at IS NULL")[0][0])


def first_times(texts: Sequence[str]) -> list[tuple[str, int]]:
    """Each text and where it first stood."""
    return sorted(((text, texts.index(text)) for text in set(texts)), key=lambda found: found[1])


def in_order(calls: Sequence[Json], users: Sequence[Json]) -> list[str]:
    """Help, status and terms, as most users were told them."""
    told = Counter(
        tuple(
            text
            for text, _ in first_times(
                [call["arguments"]["text"] for call in calls if call["arguments"]["chat_id"] == user["id"]]
            )
        )
        for user in users
    )
    (most, times) = only(told.most_common(1))
    assert times == len(users)
    assert len(most) == 3
    return list(most)


# The database is away ------------------------------------------------------------------------------------------------


@contextmanager
def locked(service: Service) -> Iterator[None]:
    """Another process holds SQLite's write lock and does not let go."""
    other = sqlite3.connect(service.folder / "tollgram.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@contextmanager
def hung(server: Postgres) -> Iterator[None]:
    """PostgreSQL stands still: its connections are open, and nothing answers."""
    family = [server.pid, *children(server.pid)]
    for pid in family:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in family:
            os.kill(pid, signal.SIGCONT)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def stays_polite(service: Service, paid: Json, asked: Sequence[Json]) -> int:
    """Without its database: money comes again later, and a pre-checkout is refused in time; what /health/ready says."""
    with ThreadPoolExecutor(len(asked) + 3) as hands:

        def timed(update: Json) -> tuple[httpx.Response, float]:
            began = time.monotonic()
            return service.deliver(update), time.monotonic() - began

        ready = hands.submit(httpx.get, f"{service.url}/health/ready", timeout=20)
        metrics = hands.submit(httpx.get, f"{service.url}/metrics", timeout=20)
        refused = [hands.submit(timed, update) for update in asked]
        money = hands.submit(timed, paid)
        assert httpx.get(f"{service.url}/health/live", timeout=5).status_code == 200
        for answer, took_s in (one.result() for one in refused):
            assert not approved(answer)
            assert answer.json()["error_message"]
            assert took_s < TELEGRAM_WAITS_S - 1
        assert money.result()[0].status_code == 503
        assert "telegram_precheck_total" in metrics.result().text
    return ready.result().status_code


def test_while_another_process_holds_sqlites_lock_money_waits_at_telegram_and_nobody_is_charged(
    telegram: SandboxServer, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with service_on("sqlite", telegram, tmp_path, request) as service:
        (ada, _), (bob, message_id) = buyers(service, telegram, 2)
        payload = offered(service, telegram, ada)
        paid = payment(ada["id"], payload, charge=(charge := charge_id()))
        with locked(service), ThreadPoolExecutor(1) as beside:
            outcome = beside.submit(telegram.pay, bob, message_id)
            stays_polite(service, paid, [pre_checkout(ada["id"], payload) for _ in range(6)])
            assert outcome.result().status == "refused"
        assert service.deliver(paid).status_code == 200
        assert rows(service, "SELECT status FROM payments WHERE charge_id = ?", charge) == [("granted",)]
        assert telegram.pay(bob, message_id).status == "paid"


def test_while_postgresql_hangs_or_is_gone_money_waits_at_telegram_and_nobody_is_charged(
    telegram: SandboxServer, tmp_path: Path
) -> None:
    with running_postgres() as server:
        url = server.url(server.create_database())
        with Service(tmp_path, telegram.url, {"DATABASE_URL": url}) as service:
            set_webhook(telegram, service)
            ada = telegram.create_user("Ada", started=True)
            payload = offered(service, telegram, ada)
            paid = payment(ada["id"], payload, charge=(charge := charge_id()))
            with hung(server):
                assert stays_polite(service, paid, [pre_checkout(ada["id"], payload) for _ in range(20)]) == 503
            eventually(lambda: service.deliver(paid).status_code == 200)
            assert rows(service, "SELECT status FROM payments WHERE charge_id = ?", charge) == [("granted",)]
            service.wait_until_ready()
            os.kill(server.pid, signal.SIGINT)  # and now it is stopped for good
            eventually(lambda: not httpx.get(f"{service.url}/health/ready", timeout=20).is_success)
            another = payment(ada["id"], payload, charge=charge_id())
            assert stays_polite(service, another, [pre_checkout(ada["id"], payload)]) == 503
            service.stop()


# Telegram is away ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Patient:
    """A service whose clock can be put forward, so that nobody has to wait for its next try."""

    service: Service
    clock: WrongClock

    def go_on_until(self, check: Callable[[], Any], *, step: timedelta, within_s: float = 60.0) -> None:
        """Let time pass in steps until that is true."""
        ahead = timedelta(0)
        until = time.monotonic() + within_s
        while not check():
            assert time.monotonic() < until
            ahead += step
            self.clock.go_ahead_by(ahead)
            # Any update has the relay look at once.
            assert self.service.deliver({"update_id": update_id(), "poll": {}}).status_code == 200

    def waiting(self) -> int:
        return waiting(self.service)


@pytest.fixture(scope="module")
def long_lived(telegram: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Patient]:
    folder = tmp_path_factory.mktemp("patient")
    clock = WrongClock.made(folder)
    with Service(folder, telegram.url, clock.settings) as running:
        yield Patient(running, clock)


@pytest.fixture
def patient(long_lived: Patient, telegram: SandboxServer) -> Patient:
    long_lived.clock.go_ahead_by(timedelta(0))
    set_webhook(telegram, long_lived.service)
    return long_lived


def somebody(telegram: SandboxServer) -> Json:
    """Whom the service, which lives longer than this test's Telegram, has never seen."""
    return telegram.create_user("Ada", id=secrets.randbelow(2**50), started=True)


COUNTED = ("api_429", "api_5xx", "api_resets", "api_lose_replies")


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param({"api_429": 4, "api_retry_after": 5}, id="429"),
        pytest.param({"api_5xx": 4}, id="a gateway's 502"),
        pytest.param({"api_resets": 4}, id="resets"),
        pytest.param({"api_lose_replies": 2}, id="lost replies"),
        pytest.param({"api_delay_s": 0.3}, id="slow"),
    ],
)
def test_letters_are_tried_again_in_order_until_telegram_takes_them(
    patient: Patient, telegram: SandboxServer, trouble: Json
) -> None:
    users = [somebody(telegram), somebody(telegram)]
    telegram.faults(**trouble, api_methods=["sendMessage"])
    for command in ("/help", "/status", "/terms"):
        for user in users:
            telegram.say(user, command)
    eventually(lambda: telegram.state()["waiting"] == 0)
    # A claim must not run out while its letter is in the air.
    patient.go_on_until(lambda: patient.waiting() == 0, step=timedelta(seconds=0 if "api_delay_s" in trouble else 2))
    telegram.faults()
    for user in users:
        said = [message["text"] for message in telegram.bot_messages(user)]
        order = [text for text, _ in first_times(said)]
        assert len(order) == 3
        assert said == sorted(said, key=order.index), "the same letter again perhaps, but never an older one"
    failed = sum(count for fault, count in trouble.items() if fault in COUNTED)
    assert len(telegram.calls("sendMessage")) == 6 + failed


def test_a_letter_that_telegram_never_takes_is_given_up_where_everybody_sees_it_and_the_next_goes_on(
    patient: Patient, telegram: SandboxServer
) -> None:
    service = patient.service
    ada = somebody(telegram)
    payload = offered(service, telegram, ada)
    telegram.faults(api_5xx=-1, api_methods=["sendMessage"])
    assert service.deliver(payment(ada["id"], payload, charge=(charge := charge_id()))).status_code == 200
    assert service.metrics()["outbox_pending"] == 1
    patient.go_on_until(lambda: patient.waiting() == 0, step=timedelta(minutes=11))
    telegram.faults()
    given_up = rows(service, "SELECT kind, attempts, problem FROM outbox WHERE given_up_at IS NOT NULL")
    (kind, attempts, problem) = only(given_up)
    assert kind == "Confirmation"
    assert attempts >= MAX_ATTEMPTS
    assert "50" in problem
    line = service.log_lines("message.given_up")[-1]
    assert (line["level"], line["user_id"]) == ("error", ada["id"])
    assert service.metrics()['telegram_errors_total{bot_name="main"}'] >= 1
    assert service.metrics()["outbox_pending"] == 0
    telegram.say(ada, "/status")
    patient.go_on_until(lambda: "Gold, 1 month" in telegram.last_text(ada), step=timedelta(seconds=1))
    assert rows(service, "SELECT status FROM payments WHERE charge_id = ?", charge) == [("granted",)]


def test_who_blocked_the_bot_is_written_to_once_and_keeps_what_was_paid_for(
    patient: Patient, telegram: SandboxServer
) -> None:
    service = patient.service
    ada = somebody(telegram)
    payload = offered(service, telegram, ada)
    telegram.block(ada)
    assert service.deliver(payment(ada["id"], payload, charge=(charge := charge_id()))).status_code == 200
    eventually(lambda: patient.waiting() == 0)
    assert only(telegram.calls("sendMessage"))["status"] == 403
    assert rows(service, "SELECT status FROM payments WHERE charge_id = ?", charge) == [("granted",)]
    told = rows(service, "SELECT attempts FROM outbox WHERE chat_id = ? AND given_up_at IS NOT NULL", ada["id"])
    assert told == [(1,)]


def test_while_telegram_is_slow_whoever_asks_what_is_allowed_is_answered_at_once(
    patient: Patient, telegram: SandboxServer
) -> None:
    """Each purchase waits for Telegram; nothing else may wait for Telegram with it."""
    service = patient.service
    telegram.faults(api_delay_s=3, api_methods=["sendInvoice"])

    def purchase(user: Json) -> int:
        with service.as_user(user["id"]) as client:
            return client.post("/api/v1/telegram/payment/send-invoice", json={"plan_code": "gold_1m"}).status_code

    users = [somebody(telegram) for _ in range(60)]
    with ThreadPoolExecutor(60) as hands:
        bought = [hands.submit(purchase, user) for user in users]
        eventually(lambda: telegram.calls("sendInvoice") or len(service.log_lines("invoice.issued")) >= 10)
        began = time.monotonic()
        assert not service.allowed(users[0]["id"], "signals")
        service.wait_until_ready()
        assert "outbox_pending" in service.metrics()
        assert not approved(service.deliver(pre_checkout(users[0]["id"], "x")))
        assert time.monotonic() - began < 2
        assert not any(purchase.done() for purchase in bought)
        telegram.faults()
        assert {purchase.result() for purchase in bought} == {200}
