"""The service's parts for a command that works beside it, on the same database."""

from collections.abc import Iterator
from contextlib import contextmanager

from entrypoints.container import Container
from entrypoints.settings import Settings


@contextmanager
def workplace() -> Iterator[Container]:
    """Raises SettingsError for settings with which the service would not start."""
    from adapters.telemetry.logs import configure_logs

    settings = Settings.load(serving=True)
    # What happens is told in words on the terminal, and stands on the audit trail.
    configure_logs(level="CRITICAL", form="console", secrets=settings.secrets)
    container = Container(settings=settings)
    try:
        yield container
    finally:
        container.checkout().close()
        for bot in container.bots().values():
            bot.close()
        container.engine().dispose()
