"""Several processes on one database do together what one would do alone: nothing twice, nothing lost, all in order."""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from adapters.sql.work import SqlUnitOfWork
from domain.ids import UserId
from tests.integration.conftest import set_webhook
from tests.integration.sandbox_server import Json, SandboxServer
from tests.integration.service import WEBHOOK_SECRET, Service, eventually, only
from tests.integration.test_threat_forged_updates import SECRET_HEADER, charge_id, offered, payment, pre_checkout, rows
from tests.postgres import Postgres

pytest_plugins = ["tests.integration.databases"]

SEND = "/api/v1/telegram/payment/send-invoice"
HANDS = 20
MINUTE = timedelta(minutes=1)


@contextmanager
def two_processes(folder: Path, telegram: SandboxServer, database_url: str) -> Iterator[list[Service]]:
    """Two services that share nothing but their settings and their database."""
    with ExitStack() as stack:
        processes = []
        for name in ("one", "two"):
            (folder / name).mkdir()
            service = Service(folder / name, telegram.url, {"DATABASE_URL": database_url})
            processes.append(stack.enter_context(service))
        set_webhook(telegram, processes[0])
        yield processes


@pytest.fixture(scope="module")
def processes(
    telegram: SandboxServer, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Service]]:
    """Two processes on PostgreSQL."""
    with postgres.database() as url, two_processes(tmp_path_factory.mktemp("both"), telegram, url) as running:
        yield running


@pytest.fixture(scope="module")
def workers(telegram: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Service]]:
    """One service with two workers on SQLite."""
    with Service(tmp_path_factory.mktemp("workers"), telegram.url, workers=2) as running:
        set_webhook(telegram, running)
        yield [running]


@pytest.fixture(params=["two processes on PostgreSQL", "two workers on SQLite"])
def several(request: pytest.FixtureRequest, telegram: SandboxServer) -> list[Service]:
    running: list[Service] = request.getfixturevalue("workers" if "workers" in request.param else "processes")
    set_webhook(telegram, running[0])
    return running


@pytest.fixture
def ada(telegram: SandboxServer) -> Json:
    return telegram.create_user("Ada", started=True)


def at_once(services: Sequence[Service], times: int, path: str, body: Json, **headers: str) -> list[httpx.Response]:
    """The same request so many times at the same moment, at each service in turn."""
    with ExitStack() as stack:
        # A connection each, so that the kernel spreads them over workers.
        clients = [stack.enter_context(httpx.Client(headers=headers, timeout=60)) for _ in range(HANDS)]
        hands = stack.enter_context(ThreadPoolExecutor(HANDS))

        def ask(number: int) -> httpx.Response:
            return clients[number % HANDS].post(services[number % len(services)].url + path, json=body)

        return list(hands.map(ask, range(times)))


def letters_to(telegram: SandboxServer, user: Json) -> list[Json]:
    """The texts that Telegram was really asked to send to that user."""
    return [
        call
        for call in telegram.calls("sendMessage")
        if call["arguments"]["chat_id"] == user["id"] and call["status"] == 200
    ]


@pytest.mark.criterion("3.4")
def test_fifty_deliveries_of_one_charge_at_once_are_one_payment_one_grant_and_one_letter(
    several: list[Service], telegram: SandboxServer, ada: Json
) -> None:
    service = several[0]
    paid = payment(ada["id"], offered(service, telegram, ada), charge=(charge := charge_id()))
    path = "/api/v1/telegram/main/webhook"
    answers = at_once(several, 50, path, paid, **{SECRET_HEADER: WEBHOOK_SECRET})
    # Too many may wait for one lock: those are told to come again, and do.
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert service.deliver(paid).status_code == 200
    assert rows(service, "SELECT status FROM payments WHERE charge_id = ?", charge) == [("granted",)]
    assert rows(service, "SELECT count(*) FROM entitlements WHERE user_id = ?", ada["id"]) == [(1,)]
    assert rows(service, "SELECT count(*) FROM outbox WHERE chat_id = ?", ada["id"]) == [(1,)]
    eventually(lambda: letters_to(telegram, ada))
    telegram.wait_idle(quiet_s=1)
    assert "Gold, 1 month" in only(letters_to(telegram, ada))["arguments"]["text"]
    assert {one.allowed(ada["id"], "signals") for one in several} == {True}


@pytest.mark.criterion("1.7")
@pytest.mark.threat(24)
def test_of_twenty_purchases_at_once_exactly_five_are_admitted(
    several: list[Service], telegram: SandboxServer, ada: Json
) -> None:
    authorization = f"Bearer {several[0].token(ada['id'])}"
    answers = at_once(several, 20, SEND, {"plan_code": "gold_1m"}, Authorization=authorization)
    assert Counter(answer.status_code for answer in answers) == {200: 5, 429: 15}
    assert all(1 <= int(a.headers["Retry-After"]) <= 60 for a in answers if a.status_code == 429)
    assert len(telegram.invoices(ada)) == 5


def test_an_invoice_paid_by_two_charges_at_once_is_granted_to_one_of_them(
    several: list[Service], telegram: SandboxServer, ada: Json
) -> None:
    payload = offered(several[0], telegram, ada)
    charges = [charge_id() for _ in range(20)]
    updates = [payment(ada["id"], payload, charge=charge) for charge in charges]
    with ThreadPoolExecutor(HANDS) as hands:
        answers = list(hands.map(lambda n: several[n % len(several)].deliver(updates[n]), range(20)))
    for update, answer in zip(updates, answers, strict=True):
        if answer.status_code != 200:
            assert answer.status_code == 503
            assert several[0].deliver(update).status_code == 200
    # Telegram knows none of them, so that those which nobody can have meant don't go back either.
    ended = {("granted", None): 1, ("quarantined", "invoice_already_paid"): 19}
    ask = "SELECT status, quarantine_reason FROM payments WHERE user_id = ?"
    eventually(lambda: Counter(rows(several[0], ask, ada["id"])) == ended)
    assert rows(several[0], "SELECT count(*) FROM refund_orders WHERE failed_at IS NULL") == [(0,)]


def test_a_payment_and_its_refund_at_once_leave_no_access_whichever_is_first(
    several: list[Service], telegram: SandboxServer
) -> None:
    users = [telegram.create_user(f"Buyer {number}", started=True) for number in range(12)]
    news: list[Json] = []
    for user in users:
        paid = payment(user["id"], offered(several[0], telegram, user), charge=charge_id())
        refund = payment(user["id"], "", charge="")
        refund["message"] |= {"refunded_payment": paid["message"]["successful_payment"]}
        del refund["message"]["successful_payment"]
        news += [paid, refund]

    def bring(number: int) -> int:
        for _ in range(5):
            status = several[number % len(several)].deliver(news[number]).status_code
            if status != 503:
                return status
        return 503

    with ThreadPoolExecutor(HANDS) as hands:
        assert set(hands.map(bring, range(len(news)))) == {200}
    for user in users:
        assert rows(several[0], "SELECT status FROM payments WHERE user_id = ?", user["id"]) == [("refunded",)]
        assert not several[-1].allowed(user["id"], "signals")


def test_buying_one_plan_many_times_at_once_gives_all_the_time_that_was_paid_for(
    several: list[Service], telegram: SandboxServer, ada: Json
) -> None:
    """Two invoices of one plan, both approved before either is paid: neither month is lost, and they do not overlap."""
    payloads = [offered(several[0], telegram, ada) for _ in range(5)]
    for payload in payloads:
        assert several[0].deliver(pre_checkout(ada["id"], payload)).json()["ok"] is True
    updates = [payment(ada["id"], payload, charge=charge_id()) for payload in payloads]
    with ThreadPoolExecutor(5) as hands:
        statuses = list(hands.map(lambda n: several[n % len(several)].deliver(updates[n]).status_code, range(5)))
    assert set(statuses) <= {200, 503}
    for update in updates:
        assert several[0].deliver(update).status_code == 200
    spans = rows(
        several[0], "SELECT starts_at, expires_at FROM entitlements WHERE user_id = ? ORDER BY starts_at", ada["id"]
    )
    assert len(spans) == 5
    assert all(earlier[1] == later[0] for earlier, later in pairwise(spans))


# With Telegram's own rates ------------------------------------------------------------------------------------------


def texts_to(calls: Sequence[Json], user: Json) -> list[str]:
    return [call["arguments"]["text"] for call in calls if call["arguments"]["chat_id"] == user["id"]]


@pytest.mark.parametrize("kind", ["two processes on PostgreSQL", "two workers on SQLite"])
def test_two_relays_send_nothing_twice_and_keep_each_chats_order_and_telegrams_rates(
    kind: str, postgres: Postgres, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        telegram = stack.enter_context(SandboxServer(time_scale=0.05))
        if "PostgreSQL" in kind:
            url = stack.enter_context(postgres.database())
            service = stack.enter_context(two_processes(tmp_path, telegram, url))[0]
        else:
            service = stack.enter_context(Service(tmp_path, telegram.url, workers=2))
            set_webhook(telegram, service)
        users = [telegram.create_user(f"Talker {number}", started=True) for number in range(25)]
        for command in ("/help", "/status", "/terms"):
            for user in users:
                telegram.say(user, command)
        sent = "SELECT count(*) FROM outbox WHERE sent_at IS NOT NULL"
        eventually(lambda: rows(service, sent) == [(75,)], within_s=60)
        telegram.wait_idle()
        calls = telegram.calls("sendMessage")
        assert Counter(call["status"] for call in calls) == {200: 75}, "nothing twice, and Telegram never said 429"
        in_order = texts_to(calls, users[0])
        assert len(set(in_order)) == 3
        kept = rows(service, "SELECT chat_id, kind FROM outbox ORDER BY id")
        for user in users:
            assert [kind for chat, kind in kept if chat == user["id"]] == ["Help", "Status", "TermsOfSale"]
            assert texts_to(calls, user) == in_order


@pytest.mark.threat(24)
def test_a_process_whose_clock_is_a_second_behind_admits_no_sixth_purchase(sql_work: SqlUnitOfWork) -> None:
    """It may have read its clock before it waited for the lock: what was forgotten meanwhile still counts for it."""

    def admitted(at: datetime) -> bool:
        with sql_work.begin() as tx:
            return tx.attempts.admit(UserId(4711), at, at_most=5, within=MINUTE) is None

    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert [admitted(noon) for _ in range(6)] == [True] * 5 + [False]
    assert admitted(noon + MINUTE)
    assert not admitted(noon + MINUTE - timedelta(seconds=1))
