"""Updates of Telegram that carry no story of their own."""

from dataclasses import dataclass
from datetime import timedelta

from application.ports import Clock, FoundBy, Journal, Report, Source, UnitOfWork
from domain.events import UpdateKeptRaw
from domain.ids import BotName

REMEMBERED_FOR = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class KeepUpdateRaw:
    """Keep an authentic update that nobody could understand, so that nothing in it is lost."""

    work: UnitOfWork
    clock: Clock
    journal: Journal

    def __call__(self, bot: BotName, update_id: int, body: bytes, problem: str) -> None:
        with self.work.begin() as tx:
            report = Report(source=Source.TELEGRAM_UPDATE, bot=bot, body=body)
            tx.inbox.keep([report], found_by=FoundBy.WEBHOOK, now=self.clock.now(), problem=problem)
        self.journal.record(UpdateKeptRaw(bot=bot, update_id=update_id, problem=problem))


@dataclass(frozen=True, slots=True)
class ForgetUpdates:
    """Let go of ids that Telegram can't send again: an update lives for a day at most."""

    work: UnitOfWork
    clock: Clock

    def __call__(self) -> int:
        with self.work.begin() as tx:
            return tx.updates.forget(before=self.clock.now() - REMEMBERED_FOR)
