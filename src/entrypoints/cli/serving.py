"""`tollgram serve`, `migrate` and `sandbox`."""

import os
import signal
import socket
import sys
import tempfile
from contextlib import ExitStack
from types import FrameType

from entrypoints.cli.failure import WORKED, CommandError
from entrypoints.settings import Settings

APP = "entrypoints.http.server:app"
DRAIN_WITHIN_S = 20
IDLE_CONNECTION_S = 75
"""Longer than whoever calls keeps an idle connection: none is closed under a call that has just begun."""
PORTS_TRIED = 100
HIGHEST_PORT = 65535


def serve(*, host: str, port: int, workers: int) -> None:
    """Serve until told to stop. Raises SettingsError, CatalogError or CommandError before anything listens."""
    _stop_in_peace()
    settings = Settings.load(serving=True)
    require_free(host, port, "tollgram serve --port {port}")

    from entrypoints.container import Container

    container = Container(settings=settings)
    container.callers()
    container.catalog()
    container.passport_desk()
    with ExitStack() as stack:
        if workers > 1:
            # prometheus_client sums the figures of all workers over files in this folder.
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = stack.enter_context(tempfile.TemporaryDirectory("-tollgram"))
        _listen(settings, host, port, workers)


def _listen(settings: Settings, host: str, port: int, workers: int) -> None:
    import uvicorn

    from adapters.telemetry.logs import configure_logs

    configure_logs(level=settings.log_level, form=settings.log_format, secrets=settings.secrets)
    try:
        uvicorn.run(
            APP,
            factory=True,
            host=host,
            port=port,
            workers=workers,
            http="httptools",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=IDLE_CONNECTION_S,
            timeout_graceful_shutdown=DRAIN_WITHIN_S,
        )
    except SystemExit as ended:
        if ended.code in (None, WORKED):
            raise
        raise CommandError("The service could not start.", "What it said stands above; ask: tollgram doctor") from None


def migrate() -> str:
    """Bring the database to the newest schema, and say where it stands."""
    from adapters.sql.migrate import newest_revision, upgrade

    upgrade(Settings.load().database_url)
    return f"The database is at the newest schema, {newest_revision()}."


def sandbox(*, host: str, port: int, mtproto_port: int | None = None, mtproto_key: str = "") -> None:
    """Play Telegram until told to stop; over MTProto, too, where it is given a port for it."""
    from entrypoints.sandbox.app import run
    from entrypoints.sandbox.options import Options

    _stop_in_peace()
    require_free(host, port, "tollgram sandbox --port {port}")
    if mtproto_port:
        require_free(host, mtproto_port, "tollgram sandbox --mtproto-port {port}")
    run(
        host,
        port,
        Options(
            demo=True,
            service_url=os.environ.get("SANDBOX_SERVICE_URL", ""),
            service_token=os.environ.get("SANDBOX_SERVICE_TOKEN", ""),
            service_features=tuple(os.environ.get("SANDBOX_SERVICE_FEATURES", "").split()),
            stripe_webhook_url=os.environ.get("SANDBOX_STRIPE_WEBHOOK", ""),
            stripe_webhook_secret=os.environ.get("STRIPE_WEBHOOK_SECRET", ""),
            mtproto_port=mtproto_port,
            mtproto_key_path=mtproto_key,
        ),
    )


def require_free(host: str, port: int, otherwise: str) -> None:
    """Raises CommandError where nobody could listen there; `otherwise` is how to take another {port}."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError:
        raise CommandError(f"{host} is no address of this machine.", "Choose another --host.") from None
    if problem := _obstacle(family, address[0], port):
        nearby = range(port + 1, min(port + PORTS_TRIED, HIGHEST_PORT))
        free = next((other for other in nearby if not _obstacle(family, address[0], other)), None)
        advice = f"Choose another one: {otherwise.format(port=free)}" if free else "Choose another one."
        raise CommandError(f"Port {port} of {host}: {problem}.", advice)


def _obstacle(family: socket.AddressFamily, host: str | int, port: int) -> str:
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as problem:
            return (problem.strerror or "not free").lower()
    return ""


def _stop_in_peace() -> None:
    """Being told to stop is no failure. The server takes the signal while it runs, and hands it back at its end."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        sys.exit(WORKED)

    signal.signal(signal.SIGTERM, stop)
