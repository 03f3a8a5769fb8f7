"""`tollgram serve`, `migrate` and `sandbox`."""

import os
import tempfile
from contextlib import ExitStack

from entrypoints.settings import Settings

APP = "entrypoints.http.server:app"
DRAIN_WITHIN_S = 20
IDLE_CONNECTION_S = 30


def serve(*, host: str, port: int, workers: int) -> None:
    """Serve until told to stop. Raises SettingsError or CatalogError before anything listens."""
    from adapters.catalog_file import read_catalog

    settings = Settings.load(serving=True)
    read_catalog(settings.catalog_path)
    with ExitStack() as stack:
        if workers > 1:
            # prometheus_client sums the figures of all workers over files in this folder.
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = stack.enter_context(tempfile.TemporaryDirectory("-tollgram"))
        _listen(settings, host, port, workers)


def _listen(settings: Settings, host: str, port: int, workers: int) -> None:
    import uvicorn

    from adapters.telemetry.logs import configure_logs

    configure_logs(level=settings.log_level, form=settings.log_format, secrets=settings.secrets)
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


def migrate() -> str:
    """Bring the database to the newest schema, and say where it stands."""
    from adapters.sql.migrate import upgrade

    upgrade(Settings.load().database_url)
    return "The database is at the newest schema."


def sandbox(*, host: str, port: int) -> None:
    """Play Telegram until told to stop."""
    from entrypoints.sandbox.app import run
    from entrypoints.sandbox.options import Options

    run(
        host,
        port,
        Options(
            demo=True,
            service_url=os.environ.get("SANDBOX_SERVICE_URL", ""),
            service_token=os.environ.get("SANDBOX_SERVICE_TOKEN", ""),
            service_features=tuple(os.environ.get("SANDBOX_SERVICE_FEATURES", "").split()),
        ),
    )
