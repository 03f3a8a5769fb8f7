"""System: what runs here, with which settings, and what the doctor says of it."""

import platform
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib import metadata
from typing import Any, Final

from litestar import Response, get

from adapters.sql.gauges import SqlGauges
from adapters.sql.queues import SqlQueues, Waiting
from application.ports.ledgers import LedgerMark
from application.ports.work import UnitOfWork
from domain.errors import Conflict
from entrypoints.console.desk import Console
from entrypoints.console.forms import AnyRequest
from entrypoints.console.pages import Page
from entrypoints.console.shown_settings import shown_settings
from entrypoints.console.standing import LOOKED_BACK
from entrypoints.console.visitors import Visitor
from entrypoints.console.wording import message, plain
from entrypoints.examination.findings import Finding, Verdict
from entrypoints.http.handed import Handed
from entrypoints.settings import Settings
from entrypoints.version import version

SHOWN: Final = 10
_LIBRARIES = ("litestar", "uvicorn", "sqlalchemy", "msgspec", "stripe", "telethon")
_WORSE_FIRST = {Verdict.WRONG: 0, Verdict.WARNING: 1, Verdict.GOOD: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemDesk:
    """`examines` is held while somebody has the doctor look: that asks Telegram and Stripe."""

    settings: Settings
    gauges: SqlGauges
    queues: SqlQueues
    work: UnitOfWork
    examines: threading.Lock = field(default_factory=threading.Lock)

    def report(self) -> list[Finding]:
        """What the doctor says, the worst first. Raises Conflict while it looks for somebody else."""
        from entrypoints.examination.examine import examine  # noqa: PLC0415 it knows the container, which knows this

        if not self.examines.acquire(blocking=False):
            raise Conflict("The doctor is looking already, for somebody else. Try again in a moment.")
        try:
            return sorted(examine(), key=lambda finding: _WORSE_FIRST[finding.verdict])
        finally:
            self.examines.release()

    def waits(self, now: datetime) -> Mapping[str, Any]:
        """What waits for whom, since when, and why the first of each do."""
        lately = now - LOOKED_BACK
        return {
            "letters": self.gauges.outbox_pending(),
            "letters_for": self.gauges.outbox_oldest(now),
            "first_letters": _said(message, self.queues.letters(at_most=SHOWN)),
            "letters_given_up": self.queues.letters_given_up(lately),
            "last_letters_given_up": _said(message, self.queues.last_letters_given_up(lately, at_most=SHOWN)),
            "reports": self.gauges.inbox_pending(),
            "reports_for": self.gauges.inbox_oldest(now),
            "first_reports": _said(plain, self.queues.reports(at_most=SHOWN)),
            "given_up": self.gauges.inbox_given_up(),
            "last_given_up": _said(plain, self.queues.given_up(at_most=SHOWN)),
            "refunds": self.gauges.refunds_pending(),
            "refunds_for": self.queues.refunds_oldest(now),
            "failed": self.queues.refunds_failed(lately),
            "last_failed": self.queues.failed_refunds(lately, at_most=SHOWN),
        }

    def ledgers(self) -> list[LedgerMark]:
        with self.work.look() as tx:
            return list(tx.ledger_marks.all())

    def versions(self) -> Iterator[tuple[str, str]]:
        yield "Tollgram", version()
        yield "Python", platform.python_version()
        yield "Database", self.gauges.database_version()
        yield "Schema", f"{self.gauges.schema_revision()} of {self.gauges.expected_revision()}"
        for name in _LIBRARIES:
            yield name, metadata.version(name)


@get("/system")
async def system(request: AnyRequest, console: Handed[Console], system_desk: Handed[SystemDesk]) -> Response[bytes]:
    def read(_visitor: Visitor) -> Page:
        users = system_desk.settings.console_users.values()
        return Page(
            "system.html",
            {
                **system_desk.waits(console.clock.now()),
                "ledgers": system_desk.ledgers(),
                "every": system_desk.settings.reconcile_every,
                "versions": list(system_desk.versions()),
                "settings": shown_settings(system_desk.settings),
                "users": sorted(users, key=lambda user: user.name),
            },
        )

    return await console.show(request, read)


@get("/system/report")
async def report(request: AnyRequest, console: Handed[Console], system_desk: Handed[SystemDesk]) -> Response[bytes]:
    def read(_visitor: Visitor) -> Page:
        findings = system_desk.report()
        return Page(
            "report.html",
            {
                "findings": findings,
                "wrong": sum(finding.verdict is Verdict.WRONG for finding in findings),
                "warnings": sum(finding.verdict is Verdict.WARNING for finding in findings),
            },
        )

    return await console.show(request, read)


ROUTES = (system, report)


def _said(words: Callable[[str], str], found: Sequence[Waiting]) -> list[Waiting]:
    """The same, of which what they are is said in words."""
    return [replace(one, what=words(one.what)) for one in found]
