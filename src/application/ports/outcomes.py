"""How an attempt at a provider ended, and for how long the next may be put off."""

from dataclasses import dataclass
from datetime import timedelta

LONGEST_PUT_OFF = timedelta(hours=2)
"""Nothing that waits in a queue is put off for longer. A time farther away was noted by a clock that was wrong, be it
another process's, and holds nothing up."""
LONGEST_ASKED = timedelta(hours=1)
"""Who asks us to wait for longer is asked again all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """The provider says that what we ask is wrong; trying again is of no use."""

    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TryLater:
    """The provider could not be reached, is in trouble, or asks to wait; `after` is what it asked for."""

    problem: str
    after: timedelta | None = None
