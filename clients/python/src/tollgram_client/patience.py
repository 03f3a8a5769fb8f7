"""How long to wait, and how often to ask again."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """`attempts` counts the first one. Pauses double from `first_pause_s`, each by chance up to a half shorter, so that
    those whom the same outage met don't come back together. A service that asks for a longer pause than
    `longest_retry_after_s` is not asked again.
    """

    attempts: int = 4
    first_pause_s: float = 0.2
    longest_pause_s: float = 5.0
    longest_retry_after_s: float = 30.0
    timeout_s: float = 10.0
    connect_timeout_s: float = 3.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError("there must be one attempt at least")

    def pause_s(self, attempt: int, asked_for_s: float | None, chance: Callable[[], float]) -> float | None:
        """Before the next attempt, where `attempt` (from 1) has failed; None where there shall be none."""
        if attempt >= self.attempts or (asked_for_s or 0) > self.longest_retry_after_s:
            return None
        return self.backed_off_s(attempt, chance) + (asked_for_s or 0)

    def backed_off_s(self, attempt: int, chance: Callable[[], float]) -> float:
        doubled: float = self.first_pause_s * 2 ** min(attempt - 1, 30)
        return min(doubled, self.longest_pause_s) * (1 - chance() / 2)
