"""The machine's clock."""

from datetime import UTC, datetime

from application.ports.surroundings import Clock


class SystemClock(Clock):
    def now(self) -> datetime:
        return datetime.now(UTC)
