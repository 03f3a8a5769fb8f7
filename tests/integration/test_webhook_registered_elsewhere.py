"""Where Telegram delivers our updates to somebody else, a metric and the log say so while the service runs."""

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.telegram.bot_api import BotApi
from adapters.telegram.webhook import BotApiWebhook
from adapters.telemetry.metrics import Metrics
from domain.ids import BotName
from entrypoints.webhook_watch import OF_ALL_WORKERS, WebhookWatch
from tests.integration.conftest import set_webhook
from tests.integration.sandbox_server import BOT_TOKEN, SandboxServer
from tests.integration.service import Service, eventually

pytestmark = pytest.mark.threat(45)

MAIN = BotName("main")
ELSEWHERE = 'telegram_webhook_elsewhere{bot_name="main"}'
EVIL = "https://evil.example/hook"


@pytest.fixture
def bot(telegram: SandboxServer) -> Iterator[BotApi]:
    opened = BotApi(BOT_TOKEN, base=telegram.url)
    yield opened
    opened.close()


def watch_of(bot: BotApi, every: timedelta = timedelta(milliseconds=1)) -> WebhookWatch:
    return WebhookWatch({MAIN: BotApiWebhook(bot)}, {MAIN: "https://ours.example/hook"}, Metrics(dict), every)


def look(watch: WebhookWatch) -> float | None:
    """What the metric says after it had time to look."""
    for _ in range(2):
        watch()
        time.sleep(0.01)
    return watch.metrics.registry.get_sample_value("telegram_webhook_elsewhere", {"bot_name": MAIN})


def test_a_running_service_tells_when_its_updates_go_elsewhere_and_when_they_come_again(
    telegram: SandboxServer, tmp_path: Path
) -> None:
    with Service(tmp_path, telegram.url, {"WEBHOOK_CHECK_SECONDS": "1"}) as service:
        set_webhook(telegram, service)
        eventually(lambda: service.metrics().get(ELSEWHERE) == 0)
        telegram.set_webhook(EVIL)
        eventually(lambda: service.metrics()[ELSEWHERE] == 1)
        set_webhook(telegram, service)
        eventually(lambda: service.metrics()[ELSEWHERE] == 0)

    told = [line["level"] for line in service.log_lines("webhook.elsewhere") if line["url"] == EVIL]
    assert told == ["error"], "once"
    assert service.log_lines("webhook.here_again")


def test_no_webhook_at_all_is_elsewhere_too(telegram: SandboxServer, bot: BotApi) -> None:
    telegram.call("deleteWebhook", {"drop_pending_updates": True}, token=BOT_TOKEN)

    assert look(watch_of(bot)) == 1


def test_while_telegram_does_not_answer_what_was_known_stays(telegram: SandboxServer, bot: BotApi) -> None:
    telegram.set_webhook(EVIL)
    watch = watch_of(bot)
    assert look(watch) == 1

    with closing(BotApi(BOT_TOKEN, base="http://127.0.0.1:1")) as nowhere:
        watch.webhooks = {MAIN: BotApiWebhook(nowhere)}
        assert look(watch) == 1


def test_it_is_never_asked_where_that_is_switched_off(bot: BotApi) -> None:
    assert look(watch_of(bot, timedelta(0))) is None


def test_of_several_workers_one_asks_and_the_next_when_that_ends(
    telegram: SandboxServer, bot: BotApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(OF_ALL_WORKERS, str(tmp_path))
    telegram.set_webhook(EVIL)
    first, second = watch_of(bot), watch_of(bot)

    assert (look(first), look(second)) == (1, None)
    del first
    assert look(second) == 1
