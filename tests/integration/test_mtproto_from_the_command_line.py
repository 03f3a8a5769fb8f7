"""`tollgram up` and `tollgram doctor` where the bot is served over Telegram's own protocol."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.first_purchase import buy
from tests.integration.conftest import set_webhook
from tests.integration.service import Service, eventually, free_port
from tests.integration.shops import MTPROTO, Shop, shop_by
from tests.integration.up import STOPS_WITHIN_S, Up, watched


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with shop_by(MTPROTO, tmp_path_factory.mktemp("shop")) as running:
        yield running


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    with watched(tmp_path) as one:
        yield one


def of_the_bot(shop: Shop) -> list[tuple[str, str]]:
    ran = shop.service.run("doctor", "--json", check=False)
    found: list[dict[str, Any]] = json.loads(ran.stdout)["findings"]
    return [(one["verdict"], one["finding"]) for one in found if one["subject"] == "bot main"]


def listeners(shop: Shop) -> list[Any]:
    """Of each bot, as the sandbox's page shows it."""
    return [bot["mtproto"] for bot in shop.telegram.state()["bots"]]


def test_a_newcomer_buys_a_plan(up: Up) -> None:
    up.settings = {"TELEGRAM_TRANSPORT": MTPROTO}
    process = up.start()
    up.ready()
    service, sandbox = f"http://127.0.0.1:{up.port}", f"http://127.0.0.1:{up.sandbox_port}"

    assert "until" in buy(service, sandbox, up.token_file.read_text())
    process.terminate()
    assert process.wait(STOPS_WITHIN_S) == 0
    assert "Traceback" not in up.log


def test_the_doctor_says_who_listens(shop: Shop) -> None:
    eventually(lambda: ("good", "a process of this service listens") in of_the_bot(shop))
    assert [verdict for verdict, _ in of_the_bot(shop)] == ["good", "good"]
    assert listeners(shop) == [{"connected": True}]


def test_the_doctor_says_where_nobody_listens(shop: Shop) -> None:
    shop.service.stop()
    try:
        assert ("warning", "nobody listens at the moment") in of_the_bot(shop)
        eventually(lambda: listeners(shop) == [{"connected": False}])
    finally:
        shop.service.start()


def test_the_doctor_says_where_a_webhook_takes_updates_away(shop: Shop) -> None:
    set_webhook(shop.telegram, shop.service)
    try:
        (told,) = [finding for verdict, finding in of_the_bot(shop) if verdict == "wrong"]
        assert told.startswith(f"a webhook is set, too: {shop.service.webhook}")
    finally:
        shop.telegram.call("deleteWebhook", {})


def test_the_doctor_says_where_telegram_is_out_of_reach(shop: Shop) -> None:
    settings = {**shop.service.settings, "TELEGRAM_MTPROTO_SERVER": f"127.0.0.1:{free_port()}"}
    ran = Service(shop.service.folder, shop.telegram.url, settings).run("doctor", check=False)
    assert ran.returncode == 1
    assert "can't be logged in over MTProto: " in " ".join(ran.stdout.split())
    assert "and Telegram reachable from here?" in " ".join(ran.stdout.split())
