"""The service as its users have it: a process of its own, started by the real command, spoken to over real HTTP."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import httpx

from adapters.tokens import TokenMaker
from tests.integration.sandbox_server import BOT_TOKEN
from tests.template import Forked, template

ROOT = Path(__file__).parents[2]
TOLLGRAM = (sys.executable, "-c", "from entrypoints.cli import main; main()")
READY_WITHIN_S = 60.0
INHERITED = ("PATH", "PYTHONPATH", "HOME", "LANG", "TMPDIR", "SYSTEMROOT")
"""What the service gets of the test's own environment."""
AT_BIRTH = ("PYTHON", "LD_")
"""Settings that only a process that starts anew takes note of."""

LOOPBACK = httpx.Client(
    verify=False, trust_env=False, timeout=30, limits=httpx.Limits(max_connections=None, max_keepalive_connections=0)
)
"""A connection for each call. Without TLS a client need not read all certificates first, which takes 18 ms."""

WEBHOOK_SECRET = "webhook-secret-of-the-tests"
JWT_SECRET = "a-secret-of-the-tests-that-is-long-enough"
SIGNING_KEY = "an-invoice-key-of-the-tests-that-is-long"

CATALOG = """
[plans.gold_1m]
title = "Gold, 1 month"
description = "Signals and copy trading"
features = ["signals", "copy_trading"]
limits = { max_devices = 3 }
duration = "1 month"
prices = { GBP = 2500, XTR = 1250 }

[plans.day_pass]
title = "Day pass"
description = "Signals for a day"
features = ["signals"]
duration = "1 day"
prices = { XTR = 75 }
renew_window = "1 week"

[plans.founder]
title = "Founder, for life"
description = "Everything"
features = ["signals", "copy_trading", "founders_room"]
duration = "lifetime"
prices = { GBP = 49900, XTR = 25000 }

[plans.pounds_only]
title = "By card only"
description = "Not for Stars"
features = ["letters"]
duration = "1 year"
prices = { GBP = 1000 }
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@dataclass
class Service:
    """`tollgram serve` with settings for tests; a context manager. `folder` holds its catalog, database and log.

    `start` and `kill` may be called again and again: the database stays.
    """

    folder: Path
    telegram_api: str
    settings: Mapping[str, str] = field(default_factory=dict)
    workers: int = 1
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | Forked | None" = None
    measured: bool = True
    """Whether the lines that it runs are counted where the tests' own are; that makes it slower by half."""
    fresh: bool = False
    """Whether it is started as an operator does it, and not from the template that has all loaded already."""

    def __enter__(self) -> Self:
        if not (self.folder / "catalog.toml").exists():
            (self.folder / "catalog.toml").write_text(CATALOG)
        self.run("migrate")
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def webhook(self) -> str:
        return f"{self.url}/api/v1/telegram/main/webhook"

    @property
    def stripe_webhook(self) -> str:
        return f"{self.url}/api/v1/billing/stripe/webhook"

    @property
    def environment(self) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name in INHERITED or (self.measured and name.startswith("COV"))
        }
        return {
            **inherited,
            "DATABASE_URL": f"sqlite:///{self.folder}/tollgram.db",
            "CATALOG_PATH": str(self.folder / "catalog.toml"),
            "PUBLIC_URL": self.url,
            "TELEGRAM_BOT_TOKEN": BOT_TOKEN,
            "TELEGRAM_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "TELEGRAM_API_BASE": self.telegram_api,
            "TELEGRAM_PAYMENT_PROVIDER_TOKEN": "provider:TEST:1",
            "AUTH_JWT_SECRET": JWT_SECRET,
            "INVOICE_SIGNING_KEYS": SIGNING_KEY,
            **self.settings,
        }

    def run(self, *arguments: str, check: bool = True, timeout_s: float = 120.0) -> subprocess.CompletedProcess[str]:
        """A `tollgram` command with the service's settings."""
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            process = self._begin(arguments, out.fileno(), err.fileno())
            try:
                code = process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
            out.seek(0)
            err.seek(0)
            done = subprocess.CompletedProcess(["tollgram", *arguments], code, out.read(), err.read())
        if check:
            done.check_returncode()
        return done

    def start(self, *, ready: bool = True) -> None:
        with (self.folder / "service.log").open("ab") as log:
            serve = ("serve", "--port", str(self.port), "--workers", str(self.workers))
            self.process = self._begin(serve, log.fileno(), log.fileno())
        if ready:
            self.wait_until_ready()

    def _begin(self, arguments: Sequence[str], out: int, err: int) -> "subprocess.Popen[bytes] | Forked":
        if not self.fresh and not any(name.startswith(AT_BIRTH) for name in self.settings):
            return template().start(arguments, folder=self.folder, environment=self.environment, out=out, err=err)
        return subprocess.Popen(
            [*TOLLGRAM, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )

    def wait_until_ready(self, within_s: float = READY_WITHIN_S) -> None:
        assert self.process is not None
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            if self.process.poll() is not None:
                break
            with suppress(httpx.TransportError):
                if LOOPBACK.get(f"{self.url}/health/ready", timeout=5).is_success:
                    return
            time.sleep(0.05)
        raise AssertionError(f"the service is not ready (ended: {self.process.poll()}): {self.log_text()[-4000:]}")

    def kill(self) -> None:
        """kill -9: nothing is tidied up."""
        assert self.process is not None
        if self.workers > 1:
            os.killpg(self.process.pid, signal.SIGKILL)
        else:
            self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def log_text(self) -> str:
        return (self.folder / "service.log").read_text(errors="backslashreplace")

    def log_lines(self, event: str | None = None) -> list[dict[str, Any]]:
        """Every line of the log, decoded; or those of one event."""
        lines = [json.loads(line) for line in self.log_text().splitlines() if line.startswith("{")]
        return [line for line in lines if event in (None, line.get("event"))]

    def token(self, user_id: int | str, *scopes: str, **claims: Any) -> str:
        maker = TokenMaker(JWT_SECRET, "tollgram", None)
        good_for = claims.pop("good_for", timedelta(hours=1))
        return maker.make(subject=str(user_id), scopes=scopes, now=datetime.now(UTC), good_for=good_for)

    def as_user(self, user_id: int) -> httpx.Client:
        return self._client(self.token(user_id))

    def as_service(self, *scopes: str) -> httpx.Client:
        return self._client(self.token("some-service", *(scopes or ("entitlements:read",))))

    def _client(self, token: str) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=20, verify=False)

    def allowed(self, user_id: int, feature: str) -> bool:
        """What another service is told."""
        with self.as_service() as client:
            answer = client.get(f"/internal/v1/users/{user_id}/features/{feature}")
            answer.raise_for_status()
            return bool(answer.json()["allowed"])

    def metrics(self) -> dict[str, float]:
        """Every sample by its name and labels, as `/metrics` writes them."""
        lines = LOOPBACK.get(f"{self.url}/metrics", timeout=10).text.splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}

    def deliver(self, update: Mapping[str, Any] | bytes, *, secret: str = WEBHOOK_SECRET) -> httpx.Response:
        """Call the webhook as Telegram would."""
        body = update if isinstance(update, bytes) else json.dumps(update).encode()
        headers = {"Content-Type": "application/json", "X-Telegram-Bot-Api-Secret-Token": secret}
        return LOOPBACK.post(self.webhook, content=body, headers=headers)


def eventually(check: Any, *, within_s: float = 40.0) -> Any:
    """The first true answer; an AssertionError where there is none in time."""
    until = time.monotonic() + within_s
    while True:
        if answer := check():
            return answer
        assert time.monotonic() < until, f"not within {within_s:g} s: last answer {answer!r}"
        time.sleep(0.03)


def update_id() -> int:
    return secrets.randbelow(2**31)


def only(found: Sequence[Any]) -> Any:
    assert len(found) == 1, found
    return found[0]
