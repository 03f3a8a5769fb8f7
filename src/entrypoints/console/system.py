"""System: what runs here, with which settings, and what the doctor says of it."""

import platform
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata

from litestar import Response, get

from adapters.sql.gauges import SqlGauges
from domain.errors import Conflict
from entrypoints.console.desk import Console
from entrypoints.console.forms import AnyRequest
from entrypoints.console.pages import Page
from entrypoints.console.shown_settings import shown_settings
from entrypoints.console.visitors import Visitor
from entrypoints.examination.findings import Finding, Verdict
from entrypoints.http.handed import Handed
from entrypoints.settings import Settings
from entrypoints.version import version

_LIBRARIES = ("litestar", "uvicorn", "sqlalchemy", "msgspec", "stripe", "telethon")
_WORSE_FIRST = {Verdict.WRONG: 0, Verdict.WARNING: 1, Verdict.GOOD: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemDesk:
    """`examines` is held while somebody has the doctor look: that asks Telegram and Stripe."""

    settings: Settings
    gauges: SqlGauges
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
