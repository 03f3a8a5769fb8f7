"""`tollgram up`: everything that is needed to try it, or to serve a first real bot, in one command."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from types import FrameType

import httpx
import rich_click as click
from dotenv import dotenv_values

from adapters.catalog_file import read_catalog
from adapters.clock import SystemClock
from adapters.tokens import TokenMaker
from entrypoints.cli.failure import FAILED, WORKED, CommandError
from entrypoints.settings import TELEGRAM_API, Settings

VAR = Path("var")
MADE_UP = VAR / "secrets.env"
HOST = "127.0.0.1"
READY_WITHIN_S = 30.0
STOP_WITHIN_S = 25.0
TRY_EVERY_S = 0.1
SECRETS = ("TELEGRAM_WEBHOOK_SECRET", "INVOICE_SIGNING_KEYS", "AUTH_JWT_SECRET")
"""What is made up on the first run and kept in var/secrets.env, where the operator has set nothing."""


def up(*, port: int, sandbox_port: int) -> int:
    """Run until interrupted, or until one of the parts ends."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _run(port, sandbox_port)
    except KeyboardInterrupt:
        return WORKED


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Being told to stop is the same as Ctrl-C, at any moment: what was started is stopped."""
    raise KeyboardInterrupt


def _run(port: int, sandbox_port: int) -> int:
    values = _settings(port)
    real = "TELEGRAM_BOT_TOKEN" in values or "TELEGRAM_BOT_TOKENS_JSON" in values
    _require_free(port, "PORT")
    with ExitStack() as stack:
        parts = {}
        if not real:
            _require_free(sandbox_port, "SANDBOX_PORT")
            values = {**_fresh_database(values), **_demo(port, sandbox_port)}
        settings = Settings.read(values, serving=True)
        catalog = read_catalog(settings.catalog_path)
        if not real:
            features = sorted({feature for plan in catalog.plans.values() for feature in plan.features})
            values |= {
                "SANDBOX_SERVICE_URL": f"http://{HOST}:{port}",
                "SANDBOX_SERVICE_TOKEN": _token(settings, 1, ("entitlements:read",)),
                "SANDBOX_SERVICE_FEATURES": " ".join(features),
            }
            parts["sandbox"] = stack.enter_context(_part(["sandbox", "--port", str(sandbox_port)], values))
            _await(parts["sandbox"], f"http://{HOST}:{sandbox_port}/", "the sandbox")
        subprocess.run([*_TOLLGRAM, "migrate"], env=values, check=True)  # noqa: S603 our own command
        parts["service"] = stack.enter_context(_part(["serve", "--port", str(port)], values))
        _await(parts["service"], f"http://{HOST}:{port}/health/ready", "the service")
        registered = settings.telegram_api_base != TELEGRAM_API or settings.public_url.startswith("https:")
        if registered:
            subprocess.run([*_TOLLGRAM, "webhook", "set"], env=values, check=True, stdout=sys.stderr)  # noqa: S603
        _tell(settings, port, None if real else sandbox_port, registered=registered)
        return _watch(parts)


_TOLLGRAM = (sys.executable, "-c", "from entrypoints.cli import main; main()")


def _settings(port: int) -> dict[str, str]:
    """The operator's settings, and made-up secrets where there are none."""
    written = {name: value for name, value in dotenv_values(".env", interpolate=False).items() if value}
    values = {**written, **{name: value for name, value in os.environ.items() if value}}
    kept = {name: value for name, value in dotenv_values(MADE_UP, interpolate=False).items() if value}
    missing = {
        name: secrets.token_urlsafe(48)
        for name in SECRETS
        if name not in values and name not in kept and not (name == "AUTH_JWT_SECRET" and "AUTH_JWKS" in values)
    }
    if missing:
        VAR.mkdir(exist_ok=True)
        MADE_UP.touch(mode=0o600)
        with MADE_UP.open("a") as file:
            file.writelines(f"{name}={value}\n" for name, value in missing.items())
    values = {**kept, **missing, **values}
    if "AUTH_JWKS" in values and "AUTH_JWT_SECRET" not in written and "AUTH_JWT_SECRET" not in os.environ:
        values.pop("AUTH_JWT_SECRET", None)
    values.setdefault("PUBLIC_URL", f"http://{HOST}:{port}")
    if sys.stdout.isatty():
        values.setdefault("LOG_FORMAT", "console")
    return values


def _demo(port: int, sandbox_port: int) -> Mapping[str, str]:
    """Settings for a bot that only the sandbox knows."""
    return {
        "TELEGRAM_BOT_TOKEN": f"{100_000_000 + secrets.randbelow(900_000_000)}:{secrets.token_urlsafe(26)}",
        "TELEGRAM_API_BASE": f"http://{HOST}:{sandbox_port}",
        "TELEGRAM_PAYMENT_PROVIDER_TOKEN": f"sandbox:TEST:{secrets.token_hex(8)}",
        "PUBLIC_URL": f"http://{HOST}:{port}",
    }


def _fresh_database(values: Mapping[str, str]) -> dict[str, str]:
    """Without a database of the operator's choice, one that begins anew at each start, as the sandbox does."""
    if "DATABASE_URL" in values:
        return dict(values)
    VAR.mkdir(exist_ok=True)
    for leftover in VAR.glob("sandbox.db*"):
        leftover.unlink()
    return {**values, "DATABASE_URL": f"sqlite:///{VAR}/sandbox.db"}


@contextmanager
def _part(arguments: list[str], values: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([*_TOLLGRAM, *arguments], env=values, start_new_session=True)  # noqa: S603
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(process: subprocess.Popen[bytes], address: str, name: str) -> None:
    until = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise CommandError(f"{name} ended with code {process.returncode}.", "What it said stands above.")
        with suppress(httpx.TransportError):
            if httpx.get(address, timeout=2, trust_env=False).is_success:
                return
        time.sleep(TRY_EVERY_S)
    raise CommandError(f"{name} was not ready within {READY_WITHIN_S:g} s.", f"Ask it what it misses: curl {address}")


def _require_free(port: int, variable: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise CommandError(
                f"Port {port} is taken.", f"Choose another one: make run {variable}={port + 10}"
            ) from None


def _token(settings: Settings, user_id: int, scopes: tuple[str, ...]) -> str:
    if settings.jwt_secret is None:
        return ""
    maker = TokenMaker(settings.jwt_secret, settings.jwt_audience, settings.jwt_issuer)
    return maker.make(subject=str(user_id), scopes=scopes, now=SystemClock().now(), good_for=timedelta(days=1))


def _tell(settings: Settings, port: int, sandbox_port: int | None, *, registered: bool) -> None:
    service = f"http://{HOST}:{port}"
    lines = []
    if sandbox_port is not None:
        lines += [f"Buy a plan       http://{HOST}:{sandbox_port}/", ""]
    lines += [
        f"The service      {service}",
        f"API reference    {service}/schema",
        f"Metrics          {service}/metrics",
    ]
    if not registered:
        lines += [
            "",
            "Telegram can't reach this machine yet. Set PUBLIC_URL in .env to an https:// address that leads here,",
            "then start again; README.md tells how.",
        ]
    if settings.jwt_secret:
        lines += [
            "",
            "Ask as another service would, in a second terminal:",
            f'  curl -H "Authorization: Bearer $(cat {VAR}/demo-token)" \\',
            f"    {service}/internal/v1/users/1001/features/signals",
        ]
        (VAR / "demo-token").touch(mode=0o600)
        (VAR / "demo-token").write_text(_token(settings, 1, ("entitlements:read",)))
    lines += ["", "Stop with Ctrl-C."]
    click.echo("\n" + "\n".join(f"  {line}" if line else "" for line in lines) + "\n", err=True)


def _watch(parts: Mapping[str, subprocess.Popen[bytes]]) -> int:
    while True:
        for name, process in parts.items():
            if process.poll() is not None:
                click.secho(f"The {name} ended with code {process.returncode}.", err=True, fg="red")
                return FAILED
        time.sleep(TRY_EVERY_S)
