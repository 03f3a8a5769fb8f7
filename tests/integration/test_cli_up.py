"""`tollgram up`, which is `make run`: all of it from one command, and nothing of it left behind."""

import os
import re
import signal
import socket
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from entrypoints.settings import written_settings
from tests.first_purchase import buy
from tests.integration.service import CATALOG, ROOT, eventually
from tests.integration.up import STOPS_WITHIN_S, Up, watched


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    with watched(tmp_path) as one:
        yield one


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """Ready, in a folder with the example of settings, a database of the operator's, and a secret made up before."""
    with watched(tmp_path_factory.mktemp("up")) as one:
        (one.folder / ".env").write_text((ROOT / ".env.example").read_text())
        one.secrets_file.parent.mkdir()
        one.secrets_file.write_text(f"AUTH_JWT_SECRET={'k' * 40}\n")
        one.secrets_file.chmod(0o644)
        one.settings = {"DATABASE_URL": f"sqlite:///{one.folder}/real.db", "INVOICE_SIGNING_KEYS": "s" * 40}
        one.start()
        one.ready()
        yield one


def test_a_newcomer_buys_a_plan(running: Up) -> None:
    service, sandbox = f"http://127.0.0.1:{running.port}", f"http://127.0.0.1:{running.sandbox_port}"

    assert "until" in buy(service, sandbox, running.token_file.read_text())
    assert len(httpx.get(f"{service}/.well-known/jwks.json", timeout=5).json()["keys"]) == 1
    assert f"Buy a plan       {sandbox}/\n" in running.log
    assert f"{service}/internal/v1/users/1001/features/signals" in running.log
    assert httpx.get(sandbox, timeout=5).status_code == 200


@pytest.mark.threat(34)
def test_a_newcomer_opens_the_console_by_the_login_that_is_told(running: Up) -> None:
    told = re.search(r"name (\w+), password (\S+);", running.log)
    assert told
    with httpx.Client(base_url=f"http://127.0.0.1:{running.port}", timeout=30, verify=False) as browser:
        token = re.search(r'name="token" value="(\w+)"', browser.get("/console/login").text)
        assert token
        fields = {"token": token[1], "name": told[1], "password": told[2]}
        answer = browser.post("/console/login", data=fields, headers={"Origin": str(browser.base_url).rstrip("/")})
        assert answer.status_code == 303
        assert "Today" in browser.get("/console").text


def test_secrets_are_made_up_where_they_are_missing_and_kept_from_others(running: Up) -> None:
    kept = written_settings(running.secrets_file)

    assert set(kept) == {"AUTH_JWT_SECRET", "TELEGRAM_WEBHOOK_SECRET"}
    assert kept["AUTH_JWT_SECRET"] == "k" * 40
    assert len(kept["TELEGRAM_WEBHOOK_SECRET"]) >= 32
    private = (running.secrets_file, running.token_file, running.folder / "var" / "passport-keys.json")
    assert [oct(stat.S_IMODE(path.stat().st_mode)) for path in private] == ["0o600"] * 3
    assert [secret for secret in (*kept.values(), "s" * 40) if secret in running.log] == []


@pytest.mark.threat(44)
def test_play_money_never_reaches_the_operator_s_database(running: Up) -> None:
    assert not (running.folder / "real.db").exists()
    assert (running.folder / "var" / f"sandbox-{running.sandbox_port}.db").exists()


def test_stopped_it_leaves_nothing_behind_but_its_secrets(running: Up) -> None:
    kept = written_settings(running.secrets_file)
    process = running.started[-1]
    assert len(running.living()) == 3
    process.terminate()

    assert process.wait(STOPS_WITHIN_S) == 0
    assert running.living() == []
    assert not listening(running.port)
    assert not listening(running.sandbox_port)
    assert running.log.endswith("Stopped.\n")
    assert "Traceback" not in running.log
    assert written_settings(running.secrets_file) == kept


def sandbox_answers(up: Up) -> bool:
    return listening(up.sandbox_port)


def schema_is_made(up: Up) -> bool:
    return bool(up.living("migrate"))


def service_starts(up: Up) -> bool:
    return bool(up.living("serve"))


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda told: told.name)
@pytest.mark.parametrize(
    "moment", [sandbox_answers, schema_is_made, service_starts], ids=lambda moment: moment.__name__
)
def test_told_to_stop_while_it_starts_it_leaves_nothing_behind(
    up: Up, moment: Callable[[Up], bool], told: signal.Signals
) -> None:
    process = up.start()
    eventually(lambda: moment(up), within_s=60)
    process.send_signal(told)

    assert process.wait(STOPS_WITHIN_S) == 0
    assert up.living() == []
    assert "Traceback" not in up.log


def test_told_twice_it_waits_for_nobody(up: Up) -> None:
    process = up.start()
    up.ready()
    (service,) = up.living("serve")
    os.kill(service, signal.SIGSTOP)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    while process.poll() is None and time.monotonic() - began < STOPS_WITHIN_S:
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)

    assert process.returncode == 0
    assert time.monotonic() - began < 15
    assert up.living() == []


def test_where_a_part_ends_all_ends_and_says_which(up: Up) -> None:
    process = up.start()
    up.ready()
    (service,) = up.living("serve")
    os.kill(service, signal.SIGKILL)

    assert process.wait(STOPS_WITHIN_S) == 1
    assert up.living() == []
    assert up.log.splitlines()[-2:] == [
        "The service was ended by SIGKILL.",
        "What it said stands above; ask: tollgram doctor",
    ]


@pytest.mark.parametrize("which", ["port", "sandbox_port"])
def test_a_busy_port_is_told_before_anything_is_started(up: Up, which: str) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", getattr(up, which)))
        busy.listen()
        process = up.start()

        assert process.wait(STOPS_WITHIN_S) == 1
    what, remedy = up.log.splitlines()
    assert what == f"Port {getattr(up, which)} of 127.0.0.1: address already in use."
    assert remedy.startswith(f"Choose another one: make run {which.upper()}=")
    assert up.living() == []


def test_one_port_is_not_enough_for_two(up: Up) -> None:
    up.sandbox_port = up.port

    assert up.start().wait(STOPS_WITHIN_S) == 2
    assert len(up.log.splitlines()) == 2


def test_mistakes_in_settings_and_catalog_are_told_before_anything_is_started(up: Up) -> None:
    up.settings = {"LOG_LEVEL": "canary", "INVOICE_TTL_SECONDS": "canary"}
    assert up.start().wait(STOPS_WITHIN_S) == 2
    assert sorted(line.partition(":")[0] for line in up.log.splitlines()[:2]) == ["INVOICE_TTL_SECONDS", "LOG_LEVEL"]
    assert "canary" not in up.log

    up.settings = {}
    (up.folder / "catalog.toml").write_text(CATALOG.replace("1250", "0"))
    assert up.start().wait(STOPS_WITHIN_S) == 2
    assert "catalog.toml: plans.gold_1m.prices.XTR: " in up.log
    assert up.living() == []


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
