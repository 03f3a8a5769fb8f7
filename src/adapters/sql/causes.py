"""By what a row was written that waits for a later time: the request, as whoever asks for it later knows it."""

from collections.abc import Callable, Hashable

Cause = Callable[[Hashable], str]
"""Of what is done now; where that is several things at once, of the one with that key."""


def no_cause(_about: Hashable) -> str:
    return ""
