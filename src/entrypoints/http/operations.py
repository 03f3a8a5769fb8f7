"""What operators call: whether the service lives, whether it is ready, and how it does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from litestar import Response, get
from msgspec import UNSET, UnsetType

from adapters.telemetry.metrics import CONTENT_TYPE, Metrics
from domain.errors import Unavailable
from domain.ids import BotName
from entrypoints.http.handed import Handed
from entrypoints.http.shapes import Health
from entrypoints.receiving import Listener


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the database answers, and stands at the revision of the schema that this version needs."""

    revision: Callable[[], str | None]
    expected: Callable[[], str]
    listeners: Mapping[BotName, Listener] = field(default_factory=dict)

    def missing(self) -> list[str]:
        """What stands in the way, in words; empty where nothing does."""
        try:
            revision, expected = self.revision(), self.expected()
        except Unavailable:
            return ["the database can't be reached"]
        if revision is None:
            return ["the database has no schema yet: run tollgram migrate"]
        if revision != expected:
            return [f"the schema is at {revision}, not at {expected}: run tollgram migrate"]
        # Later, what does not need Telegram goes on without it.
        return [
            f"bot {name} is not connected to Telegram yet: {bot.problem}"
            for name, bot in self.listeners.items()
            if not bot.was_connected
        ]

    def telegram(self) -> dict[str, str] | UnsetType:
        """How it stands with each bot's connection; nothing where there are none to keep."""
        if not self.listeners:
            return UNSET
        return {
            name: f"{bot.state}: {bot.problem}" if bot.problem else bot.state for name, bot in self.listeners.items()
        }


@get("/health/live", sync_to_thread=False)
def live() -> Health:
    return Health(status="ok")


@get("/health/ready", sync_to_thread=True)
def ready(readiness: Handed[Readiness]) -> Response[Health]:
    missing = readiness.missing()
    return Response(
        Health(status="unavailable" if missing else "ok", missing=missing, telegram=readiness.telegram()),
        status_code=503 if missing else 200,
    )


@get("/metrics", sync_to_thread=True)
def show_metrics(metrics: Handed[Metrics]) -> Response[bytes]:
    return Response(metrics.exposition(), media_type=CONTENT_TYPE)
