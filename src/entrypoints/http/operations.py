"""What operators call: whether the service lives, whether it is ready, and how it does."""

from collections.abc import Callable
from dataclasses import dataclass

from litestar import Response, get

from adapters.telemetry.metrics import CONTENT_TYPE, Metrics
from domain.errors import Unavailable
from entrypoints.http.handed import Handed
from entrypoints.http.shapes import Health


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the database answers, and stands at the revision of the schema that this version needs."""

    revision: Callable[[], str | None]
    expected: Callable[[], str]

    def missing(self) -> list[str]:
        """What stands in the way, in words; empty where nothing does."""
        try:
            revision, expected = self.revision(), self.expected()
        except Unavailable:
            return ["the database can't be reached"]
        if revision is None:
            return ["the database has no schema yet: run tollgram migrate"]
        return [] if revision == expected else [f"the schema is at {revision}, not at {expected}: run tollgram migrate"]


@get("/health/live", sync_to_thread=False)
def live() -> Health:
    return Health(status="ok")


@get("/health/ready", sync_to_thread=True)
def ready(readiness: Handed[Readiness]) -> Response[Health]:
    missing = readiness.missing()
    return Response(
        Health(status="unavailable" if missing else "ok", missing=missing), status_code=503 if missing else 200
    )


@get("/metrics", sync_to_thread=True)
def show_metrics(metrics: Handed[Metrics]) -> Response[bytes]:
    return Response(metrics.exposition(), media_type=CONTENT_TYPE)
