"""`tollgram serve`."""

import os
import tempfile
from contextlib import ExitStack

from entrypoints.cli.failure import WORKED, CommandError
from entrypoints.cli.listening import make_room, require_free, stop_in_peace
from entrypoints.settings import Settings

APP = "entrypoints.http.server:app"
CONNECTION = "entrypoints.http.connection:Connection"
DRAIN_WITHIN_S = 20
WORKER_ANSWERS_WITHIN_S = 30
"""One that does not tell its parent that it lives is killed, and another begins. While a worker loads on a busy machine
it tells nothing: within uvicorn's own 5 s none got as far as serving, for minutes."""
IDLE_CONNECTION_S = 75
"""Longer than whoever calls keeps an idle connection: none is closed under a call that has just begun."""


def serve(*, host: str, port: int, workers: int) -> None:
    """Serve until told to stop. Raises SettingsError, CatalogError or CommandError before anything listens."""
    stop_in_peace()
    make_room()
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
            http=CONNECTION,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=IDLE_CONNECTION_S,
            timeout_graceful_shutdown=DRAIN_WITHIN_S,
            timeout_worker_healthcheck=WORKER_ANSWERS_WITHIN_S,
        )
    except SystemExit as ended:
        if ended.code in (None, WORKED):
            raise
        raise CommandError("The service could not start.", "What it said stands above; ask: tollgram doctor") from None
