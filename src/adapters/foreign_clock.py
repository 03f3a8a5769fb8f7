"""What time it is elsewhere, by the Date header that every answer over HTTP bears (RFC 9110, 6.6.1)."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

WITHIN_S: Final = 5.0
HALF_A_SECOND: Final = timedelta(seconds=0.5)
"""The header cuts the rest of the second off."""


def how_far_ahead(address: str) -> timedelta | None:
    """By how much our clock is ahead of theirs, to a second and half the way there; None where nobody tells."""
    asked = datetime.now(UTC)
    try:
        answer = httpx.head(address, timeout=WITHIN_S, follow_redirects=False)
        theirs = parsedate_to_datetime(answer.headers["date"]) + HALF_A_SECOND
    except (httpx.HTTPError, httpx.InvalidURL, KeyError, ValueError):
        return None
    now = datetime.now(UTC)
    return asked + (now - asked) / 2 - theirs if theirs.tzinfo else None
