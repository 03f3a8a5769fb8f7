"""Times as they are typed and shown: UTC, unless a zone is named."""

from datetime import UTC, datetime

from entrypoints.cli.failure import WRONG, CommandError


def read_moment(option: str, text: str | None) -> datetime | None:
    """Raises CommandError, which names the option."""
    if text is None:
        return None
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(
            f"{option} {text}: is no day and no time.", "Write it like 2026-11-01 or 2026-11-01T12:00:00Z.", WRONG
        ) from None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def to_the_second(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def to_the_minute(at: datetime) -> str:
    """For columns whose heading names the zone."""
    return f"{at:%Y-%m-%d %H:%M}"
