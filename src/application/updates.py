"""Forgetting which updates of Telegram were taken."""

from dataclasses import dataclass
from datetime import timedelta

from application.ports.surroundings import Clock
from application.ports.work import UnitOfWork

REMEMBERED_FOR = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class ForgetUpdates:
    """Let go of ids that Telegram can't send again: an update lives for a day at most."""

    work: UnitOfWork
    clock: Clock

    def __call__(self) -> int:
        with self.work.begin() as tx:
            return tx.updates.forget(before=self.clock.now() - REMEMBERED_FOR)
