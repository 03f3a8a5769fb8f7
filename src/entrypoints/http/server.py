"""What the HTTP server starts in each of its processes."""

from litestar.types import ASGIApp

from adapters.telemetry.logs import configure_logs
from entrypoints.container import Container
from entrypoints.http.app import create_app
from entrypoints.settings import Settings


def app() -> ASGIApp:
    """The application over the settings of this process. Raises SettingsError or CatalogError."""
    settings = Settings.load(serving=True)
    configure_logs(level=settings.log_level, form=settings.log_format, secrets=settings.secrets)
    return create_app(Container(settings=settings))
