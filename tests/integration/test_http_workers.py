"""Two worker processes are one service: what is counted and what is admitted is so over both."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.buying import ask, buy, newcomer
from tests.integration.conftest import set_webhook
from tests.integration.sandbox_server import SandboxServer
from tests.integration.service import Service

SCRAPES = 20
HELD_UP_S = 7.0


@pytest.fixture(scope="module")
def service(telegram: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("service"), telegram.url, workers=2) as running:
        set_webhook(telegram, running)
        yield running


def test_metrics_answer_for_all_workers_whichever_is_asked(service: Service, telegram: SandboxServer) -> None:
    for user in [newcomer(telegram) for _ in range(6)]:
        buy(service, telegram, user)
    with ThreadPoolExecutor(8) as at_once:
        scrapes = list(at_once.map(lambda _: service.metrics(), range(SCRAPES)))

    for samples in scrapes:
        assert samples['telegram_payments_total{plan_code="gold_1m",result="success"}'] == 6
        assert samples['telegram_payment_value_total{currency="XTR",plan_code="gold_1m"}'] == 6 * 1250
        assert samples["telegram_payment_processing_seconds_count"] == 6
        assert samples["telegram_payments_pending"] == 0


def test_of_twelve_attempts_at_both_workers_at_once_exactly_five_are_admitted(
    service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    with ThreadPoolExecutor(12) as at_once:
        answers = list(at_once.map(lambda _: ask(service, ada).status_code, range(12)))

    assert sorted(answers) == [200] * 5 + [429] * 7


def test_a_payment_delivered_to_both_at_once_is_settled_by_one(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    bought = buy(service, telegram, ada)
    deliveries = telegram.redeliver(bought.update_id, times=12, concurrent=True)

    assert {delivery.status for delivery in deliveries} == {200}
    with service.as_user(ada) as client:
        assert len(client.get("/api/v1/me/payments").json()["items"]) == 1
        assert len(client.get("/api/v1/me/entitlements").json()["entitlements"]) == 1


def test_workers_whom_the_machine_holds_up_for_seconds_are_left_alive(service: Service) -> None:
    assert service.process is not None
    pid = service.process.pid
    family = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for child in family:
        os.kill(int(child), signal.SIGSTOP)
    try:
        time.sleep(HELD_UP_S)
    finally:
        for child in family:
            os.kill(int(child), signal.SIGCONT)
    service.wait_until_ready()

    assert Path(f"/proc/{pid}/task/{pid}/children").read_text().split() == family
