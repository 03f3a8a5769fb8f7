"""`tollgram up`: everything that is needed to try it, or to serve a first real bot, in one command."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from types import FrameType

import httpx

from adapters.catalog_file import read_catalog
from adapters.clock import SystemClock
from adapters.passwords import SALT_BYTES, PasswordHash
from adapters.tokens import TokenMaker
from entrypoints.cli.failure import WORKED, WRONG, CommandError
from entrypoints.cli.first_run import VAR, settings_of_a_run, write_privately
from entrypoints.cli.listening import require_free
from entrypoints.cli.terminal import say
from entrypoints.settings import TELEGRAM_API, Settings

DEMO_TOKEN = VAR / "demo-token"
SANDBOX_KEY = VAR / "sandbox-mtproto.pem"
MTPROTO = "mtproto"
HOST = "127.0.0.1"
READY_WITHIN_S = 120.0
"""A first start on a loaded machine takes its time; a part that ends before is told of at once."""
STOP_WITHIN_S = 25.0
TRY_EVERY_S = 0.05
CONSOLE_USER = "demo"

_TOLLGRAM = (sys.executable, "-c", "from entrypoints.cli import main; main()")
_Process = subprocess.Popen[bytes]


class _Stopped(Exception):
    """We were told to stop. Raised where we look for it, never in the middle of anything."""


class _Signals:
    """Notes that we are told to stop, so that nothing is ever interrupted between starting a part and knowing it."""

    def __init__(self) -> None:
        self.times = 0
        self._heard = [
            number
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
            if signal.getsignal(number) is not signal.SIG_IGN
        ]

    def listen(self) -> None:
        for number in self._heard:
            signal.signal(number, self._note)

    def ignore(self) -> None:
        """Nothing is left to be stopped: one more of them shall not change how we end."""
        for number in self._heard:
            signal.signal(number, signal.SIG_IGN)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.times += 1

    def wait_until(self, done: Callable[[], bool], within_s: float = float("inf")) -> bool:
        """Whether it was done in time. Raises _Stopped."""
        until = time.monotonic() + within_s
        while not done():
            if self.times:
                raise _Stopped
            if time.monotonic() > until:
                return False
            time.sleep(TRY_EVERY_S)
        return True


def up(*, port: int, sandbox_port: int) -> int:
    """Run until told to stop, or until one of the parts ends."""
    signals = _Signals()
    signals.listen()
    try:
        _Run(signals, port, sandbox_port).run()
    except _Stopped:
        say("Stopped.", err=True)
    finally:
        signals.ignore()
    return WORKED


@dataclass(frozen=True, slots=True)
class _Run:
    signals: _Signals
    port: int
    sandbox_port: int

    def run(self) -> None:
        values = settings_of_a_run(f"http://{HOST}:{self.port}")
        demo = not (values.get("TELEGRAM_BOT_TOKEN") or values.get("TELEGRAM_BOT_TOKENS_JSON"))
        self._require_ports(demo=demo)
        visitor = ""
        if demo:
            values |= self._demo(values)
            if not values.get("CONSOLE_USERS_JSON"):
                visitor = secrets.token_urlsafe(9)
                values["CONSOLE_USERS_JSON"] = json.dumps({CONSOLE_USER: _hash(visitor)})
        settings = Settings.read(values, serving=True)
        plans = read_catalog(settings.catalog_path).plans.values()
        features = list(dict.fromkeys(name for plan in plans for name in plan.features))
        DEMO_TOKEN.unlink(missing_ok=True)
        with ExitStack() as stack:
            parts = {}
            if demo:
                values |= {
                    "SANDBOX_SERVICE_URL": self._service,
                    "SANDBOX_SERVICE_TOKEN": _token(settings),
                    "SANDBOX_SERVICE_FEATURES": " ".join(features),
                    "SANDBOX_STRIPE_WEBHOOK": f"{self._service}/api/v1/billing/stripe/webhook",
                }
                arguments = ["sandbox", "--port", str(self.sandbox_port), *self._mtproto_options(settings)]
                parts["sandbox"] = stack.enter_context(self._part(arguments, values))
            self._finish("migrate", values)
            if demo:
                self._await("sandbox", parts["sandbox"], f"{self._sandbox}/sandbox/api/users")
            parts["service"] = stack.enter_context(self._part(["serve", "--port", str(self.port)], values))
            self._await("service", parts["service"], f"{self._service}/health/ready")
            calls_us = settings.telegram_api_base != TELEGRAM_API or settings.public_url.startswith("https:")
            reachable = settings.telegram_by_mtproto or calls_us
            if reachable and not settings.telegram_by_mtproto:
                self._finish("webhook set", values)
            self._tell(settings, features, demo=demo, reachable=reachable, console_password=visitor)
            self.signals.wait_until(lambda: any(part.poll() is not None for part in parts.values()))
            for name, part in parts.items():
                if part.poll() is not None:
                    raise _ended(name, part)

    @property
    def _service(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def _sandbox(self) -> str:
        return f"http://{HOST}:{self.sandbox_port}"

    def _require_ports(self, *, demo: bool) -> None:
        require_free(HOST, self.port, "make run PORT={port}, or tollgram up --port {port}")
        if not demo:
            return
        require_free(HOST, self.sandbox_port, "make run SANDBOX_PORT={port}, or tollgram up --sandbox-port {port}")
        if self.port == self.sandbox_port:
            raise CommandError(
                f"The service and the sandbox can't both listen at port {self.port}.",
                f"Choose another one for the sandbox: --sandbox-port {self.port + 1}",
                WRONG,
            )

    @staticmethod
    def _mtproto_options(settings: Settings) -> list[str]:
        if not settings.telegram_by_mtproto:
            return []
        _, _, port = (settings.mtproto_server or "").rpartition(":")
        return ["--mtproto-port", port, "--mtproto-key", str(settings.mtproto_key_path)]

    def _demo(self, values: Mapping[str, str]) -> Mapping[str, str]:
        """Settings for a bot that only the sandbox knows, with a database that begins anew as the sandbox does.

        Never the operator's own database: nothing that is bought with play money may open a real door.
        """
        VAR.mkdir(exist_ok=True)
        database = VAR / f"sandbox-{self.sandbox_port}.db"
        for leftover in VAR.glob(f"{database.name}*"):
            leftover.unlink()
        return {
            "DATABASE_URL": f"sqlite:///{database}",
            "TELEGRAM_BOT_TOKEN": f"{100_000_000 + secrets.randbelow(900_000_000)}:{secrets.token_urlsafe(26)}",
            "TELEGRAM_API_BASE": self._sandbox,
            "TELEGRAM_PAYMENT_PROVIDER_TOKEN": f"sandbox:TEST:{secrets.token_hex(8)}",
            "STRIPE_SECRET_KEY": f"sk_test_{secrets.token_hex(16)}",
            "STRIPE_WEBHOOK_SECRET": f"whsec_{secrets.token_hex(16)}",
            "STRIPE_API_BASE": f"{self._sandbox}/stripe",
            "PUBLIC_URL": self._service,
            **(self._demo_of_mtproto() if values.get("TELEGRAM_TRANSPORT", "").lower() == MTPROTO else {}),
        }

    @staticmethod
    def _demo_of_mtproto() -> Mapping[str, str]:
        """For a data centre that only the sandbox is; its key is made when it starts."""
        SANDBOX_KEY.unlink(missing_ok=True)
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port = probe.getsockname()[1]
        return {
            "TELEGRAM_API_ID": "1",
            "TELEGRAM_API_HASH": secrets.token_hex(16),
            "TELEGRAM_MTPROTO_SERVER": f"{HOST}:{port}",
            "TELEGRAM_MTPROTO_PUBLIC_KEY": str(SANDBOX_KEY),
        }

    @contextmanager
    def _part(self, arguments: list[str], values: Mapping[str, str]) -> Iterator[_Process]:
        """A command that runs beside us. Told to stop at the end, and killed where it takes too long or we are
        told to stop once more."""
        process = subprocess.Popen([*_TOLLGRAM, *arguments], env=values, start_new_session=True)  # noqa: S603 our own
        try:
            yield process
        finally:
            until, patience = time.monotonic() + STOP_WITHIN_S, self.signals.times + 1
            process.terminate()
            while process.poll() is None and time.monotonic() < until and self.signals.times < patience:
                time.sleep(TRY_EVERY_S)
            if process.poll() is None:
                # A session of its own: with it goes whatever it has started.
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _await(self, name: str, process: _Process, address: str) -> None:
        def answers() -> bool:
            if process.poll() is not None:
                raise _ended(name, process)
            with suppress(httpx.TransportError):
                return httpx.get(address, timeout=2, trust_env=False).is_success
            return False

        if not self.signals.wait_until(answers, READY_WITHIN_S):
            raise CommandError(
                f"The {name} was not ready within {READY_WITHIN_S:g} s.", f"Ask it what it misses: curl {address}"
            )

    def _finish(self, command: str, values: Mapping[str, str]) -> None:
        with self._part(command.split(), values) as process:
            self.signals.wait_until(lambda: process.poll() is not None)
            if process.returncode:
                raise CommandError(f"tollgram {command} did not work.", "What it said stands above.")

    def _tell(
        self, settings: Settings, features: list[str], *, demo: bool, reachable: bool, console_password: str
    ) -> None:
        lines = [f"Buy a plan       {self._sandbox}/", ""] if demo else []
        lines += [
            f"The service      {self._service}",
            f"API reference    {self._service}/schema",
            f"Metrics          {self._service}/metrics",
        ]
        if settings.console_users:
            lines += [f"Console          {self._service}/console"]
        if console_password:
            lines += [f"                 name {CONSOLE_USER}, password {console_password}; good for this run alone"]
        if not reachable:
            lines += [
                "",
                "Telegram can't reach this machine yet. Set PUBLIC_URL in .env to an https:// address that leads here,",
                "then start again; README.md tells how.",
            ]
        if token := _token(settings):
            write_privately(DEMO_TOKEN, token)
            user = "1001" if demo else "USER_ID"
            lines += [
                "",
                "Ask as another service would, in a second terminal:",
                f'  curl -H "Authorization: Bearer $(cat {DEMO_TOKEN})" \\',
                f"    {self._service}/internal/v1/users/{user}/features/{features[0]}",
            ]
        lines += ["", "Stop with Ctrl-C."]
        say("\n" + "\n".join(f"  {line}" if line else "" for line in lines) + "\n", err=True)


def _hash(password: str) -> str:
    return str(PasswordHash.of(password, secrets.token_bytes(SALT_BYTES)))


def _token(settings: Settings) -> str:
    """For a service that may ask what is allowed, good for a day; empty where only others can sign."""
    if settings.jwt_secret is None:
        return ""
    maker = TokenMaker(settings.jwt_secret, settings.jwt_audience, settings.jwt_issuer)
    return maker.make(
        subject="1", scopes=("entitlements:read", "events:read"), now=SystemClock().now(), good_for=timedelta(days=1)
    )


def _ended(name: str, process: _Process) -> CommandError:
    code = process.returncode
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    return CommandError(f"The {name} {how}.", "What it said stands above; ask: tollgram doctor")
