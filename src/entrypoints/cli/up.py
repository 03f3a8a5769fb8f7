"""`tollgram up`: everything that is needed to try it, or to serve a first real bot, in one command."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import FrameType

import httpx

from adapters.catalog_file import read_catalog
from adapters.clock import SystemClock
from adapters.passports.rotation import rotate
from adapters.passwords import SALT_BYTES, PasswordHash
from adapters.tokens import TokenMaker
from entrypoints.cli.failure import WORKED, WRONG, CommandError
from entrypoints.cli.serving import require_free
from entrypoints.cli.terminal import say
from entrypoints.settings import TELEGRAM_API, Settings, given_settings, written_settings

VAR = Path("var")
MADE_UP = VAR / "secrets.env"
PASSPORT_KEYS = VAR / "passport-keys.json"
DEMO_TOKEN = VAR / "demo-token"
HOST = "127.0.0.1"
READY_WITHIN_S = 120.0
"""A first start on a loaded machine takes its time; a part that ends before is told of at once."""
STOP_WITHIN_S = 25.0
TRY_EVERY_S = 0.05
CONSOLE_USER = "demo"
SECRETS = ("TELEGRAM_WEBHOOK_SECRET", "INVOICE_SIGNING_KEYS", "AUTH_JWT_SECRET")
"""What is made up on the first run and kept in var/secrets.env, where the operator has set nothing."""

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
        values = _settings(self.port)
        demo = not (values.get("TELEGRAM_BOT_TOKEN") or values.get("TELEGRAM_BOT_TOKENS_JSON"))
        self._require_ports(demo=demo)
        visitor = ""
        if demo:
            values |= self._demo()
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
                parts["sandbox"] = stack.enter_context(
                    self._part(["sandbox", "--port", str(self.sandbox_port)], values)
                )
            self._finish("migrate", values)
            if demo:
                self._await("sandbox", parts["sandbox"], f"{self._sandbox}/sandbox/api/users")
            parts["service"] = stack.enter_context(self._part(["serve", "--port", str(self.port)], values))
            self._await("service", parts["service"], f"{self._service}/health/ready")
            reachable = settings.telegram_api_base != TELEGRAM_API or settings.public_url.startswith("https:")
            if reachable:
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

    def _demo(self) -> Mapping[str, str]:
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
            _write_privately(DEMO_TOKEN, token)
            user = "1001" if demo else "USER_ID"
            lines += [
                "",
                "Ask as another service would, in a second terminal:",
                f'  curl -H "Authorization: Bearer $(cat {DEMO_TOKEN})" \\',
                f"    {self._service}/internal/v1/users/{user}/features/{features[0]}",
            ]
        lines += ["", "Stop with Ctrl-C."]
        say("\n" + "\n".join(f"  {line}" if line else "" for line in lines) + "\n", err=True)


def _settings(port: int) -> dict[str, str]:
    """The operator's settings, and made-up secrets where there are none. Raises SettingsError."""
    given = {name: value for name, value in given_settings().items() if value}
    kept = {name: value for name, value in written_settings(MADE_UP).items() if value}
    wanted = [
        name for name in SECRETS if name not in given and not (name == "AUTH_JWT_SECRET" and "AUTH_JWKS" in given)
    ]
    made_up = {name: kept.get(name) or secrets.token_urlsafe(48) for name in wanted}
    if any(name not in kept for name in wanted):
        _write_privately(MADE_UP, "".join(f"{name}={value}\n" for name, value in {**kept, **made_up}.items()))
    elif wanted:
        MADE_UP.chmod(0o600)
    values = {**made_up, **given}
    if "PASSPORT_KEYS" not in given:
        values["PASSPORT_KEYS"] = str(_passport_keys())
    values.setdefault("PUBLIC_URL", f"http://{HOST}:{port}")
    if sys.stdout.isatty():
        values.setdefault("LOG_FORMAT", "console")
    return values


def _passport_keys() -> Path:
    """Made on the first run, as the secrets are."""
    if not PASSPORT_KEYS.exists():
        rotate(PASSPORT_KEYS, SystemClock().now())
    PASSPORT_KEYS.chmod(0o600)
    return PASSPORT_KEYS


def _write_privately(path: Path, text: str) -> None:
    """Whole or not at all, and never for others' eyes."""
    path.parent.mkdir(exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


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
