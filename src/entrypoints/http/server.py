"""What the HTTP server starts in each of its processes."""

import sys

from litestar.types import ASGIApp

from adapters.telemetry.logs import configure_logs
from entrypoints.container import Container
from entrypoints.http.app import create_app
from entrypoints.settings import Settings

SWITCH_AFTER_S = 0.0005
"""How long a thread may keep the others from Python, 5 ms by default. A batch needs it back after each of its dozen
statements, while the event loop has always something to do."""


def app() -> ASGIApp:
    """The application over the settings of this process. Raises SettingsError or CatalogError."""
    settings = Settings.load(serving=True)
    sys.setswitchinterval(SWITCH_AFTER_S)
    configure_logs(level=settings.log_level, form=settings.log_format, secrets=settings.secrets)
    return create_app(Container(settings=settings))
