"""What every drill stands on: a sandbox with its ledger of truth, a folder, services, and a line of progress."""

import random
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from drills.checker import Verdict, judge
from tests.integration.conftest import set_webhooks
from tests.integration.sandbox_server import SandboxServer
from tests.integration.service import CATALOG, Service
from tests.integration.stripe_buying import stripe_settings

TIME_SCALE: Final = 0.02
"""Telegram's patience in drills: its longest pause is some two seconds, a day half an hour."""
PRE_CHECKOUT_DEADLINE_S: Final = 3.0
SAY_EVERY_S: Final = 15.0
STEADY_FROM: Final = 20_000
STEADY_TO: Final = 32_000
CALM: Final = {"RECONCILE_EVERY_SECONDS": "0"}
"""No reconciliation by itself, which would mend in silence what a drill is there to show."""

Figures = dict[str, Any]


class Violated(Exception):
    """What a drill shows does not hold."""


@dataclass(slots=True)
class Progress:
    """One line a drill: rewritten at a terminal, said now and then elsewhere; `silent` in tests."""

    name: str
    silent: bool = False
    _said_at: float = 0.0
    _began: float = field(default_factory=time.monotonic)

    def __call__(self, done: int, of: int, what: str) -> None:
        if self.silent:
            return
        text = f"{self.name}: {done} of {of} {what}, {time.monotonic() - self._began:.0f} s"
        if sys.stdout.isatty():
            print(f"\r\x1b[K{text}", end="", flush=True)
        elif time.monotonic() - self._said_at > SAY_EVERY_S:
            self._said_at = time.monotonic()
            print(f"  … {text}", flush=True)


@dataclass(slots=True)
class Stage:
    folder: Path
    telegram: SandboxServer
    progress: Progress

    @contextmanager
    def service(self, settings: Mapping[str, str] | None = None, *, name: str = "service") -> Iterator[Service]:
        """Paid by Stars and by Stripe, both of which report to it; on SQLite where no database is named."""
        place = self.folder / name
        place.mkdir(exist_ok=True)
        with Service(
            place,
            self.telegram.url,
            self.settings(settings),
            port=steady_port(),
            measured=False,
            fresh=not self.progress.silent,
        ) as running:
            set_webhooks(self.telegram, running)
            yield running

    @contextmanager
    def services(self, number: int, settings: Mapping[str, str]) -> Iterator[list[Service]]:
        """So many processes on one database; the first one is told of what happens."""
        with self.service(settings, name="process-0") as first, ExitStack() as stack:
            others = []
            for place in range(1, number):
                folder = self.folder / f"process-{place}"
                folder.mkdir()
                (folder / "catalog.toml").write_text(CATALOG)
                other = Service(
                    folder,
                    self.telegram.url,
                    self.settings(settings),
                    port=steady_port(),
                    measured=False,
                    fresh=not self.progress.silent,
                )
                stack.callback(other.stop)
                other.start(ready=False)
                others.append(other)
            for other in others:
                other.wait_until_ready()
            yield [first, *others]

    def settings(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        return {**stripe_settings(self.telegram.stripe), **CALM, **(more or {})}

    def judge(self, service: Service) -> Verdict:
        return judge(self.telegram, service)


def steady_port() -> int:
    """Free, and below those that outgoing connections are given: while a service is dead, whoever knocks at its port
    again and again could otherwise be given that very port."""
    for port in random.sample(range(STEADY_FROM, STEADY_TO), 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("a hundred ports are taken")


@contextmanager
def stage(name: str, *, silent: bool = False) -> Iterator[Stage]:
    place = Path(tempfile.mkdtemp(prefix=f"tollgram-drill-{name}-"))
    place.chmod(0o755)
    try:
        with SandboxServer(
            time_scale=TIME_SCALE,
            pre_checkout_deadline_s=PRE_CHECKOUT_DEADLINE_S,
            messages_per_second=10_000,
            chat_messages_per_second=1000,
            chat_burst=1000,
            quiet_s=0.1,
        ) as telegram:
            yield Stage(place, telegram, Progress(name, silent))
    finally:
        shutil.rmtree(place, ignore_errors=True)


def require(verdict: Verdict, **held: bool) -> None:
    """Raises Violated where the books differ from the ledgers, or one of `held` does not hold."""
    wrong = [*verdict.wrong, *(name.replace("_", " ") for name, holds in held.items() if not holds)]
    if wrong:
        shown = "\n    ".join(wrong[:20])
        raise Violated(f"{len(wrong)} violations: {verdict.figures}\n    {shown}")
