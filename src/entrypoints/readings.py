"""What the metrics say of how things stand: read from the database and from those who listen, when somebody asks."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from adapters.sql.gauges import SqlGauges
from adapters.telemetry.metrics import Gauges
from application.ports.surroundings import Clock
from application.reconciliation import STRIPE
from domain.ids import BotName
from entrypoints.receiving import Listener
from entrypoints.settings import Settings


@dataclass(frozen=True, slots=True)
class Readings:
    """Call it for all of them but the disk's, which take no database. `started_at`: when this process was."""

    database: SqlGauges
    clock: Clock
    settings: Settings
    listeners: Mapping[BotName, Listener]
    started_at: datetime

    def __call__(self) -> Gauges:
        """Raises Unavailable where the database does not do its part."""
        now, database = self.clock.now(), self.database
        letter, report, held = database.outbox_oldest(now), database.inbox_oldest(now), database.quarantine_oldest(now)
        return {
            "telegram_payments_pending": database.pending_invoices(now),
            "outbox_pending": database.outbox_pending(),
            "outbox_oldest_seconds": letter.total_seconds() if letter else 0,
            "inbox_pending": database.inbox_pending(),
            "inbox_oldest_seconds": report.total_seconds() if report else 0,
            "inbox_given_up": database.inbox_given_up(),
            "refunds_pending": database.refunds_pending(),
            "quarantine_oldest_seconds": held.total_seconds() if held else 0,
            "payments_quarantined": database.quarantined(),
            "reconcile_age_seconds": {
                ledger: max(0.0, (now - at).total_seconds()) for ledger, at in self._ledgers_unread_since().items()
            },
            **self._of_endpoints(now),
            **self._of_listeners(),
        }

    def of_disk(self) -> Gauges:
        """Nothing where the database is not on a disk of ours."""
        disk = self.database.disk()
        return {"disk_free_bytes": disk[0], "disk_size_bytes": disk[1]} if disk else {}

    def _ledgers_unread_since(self) -> Mapping[str, datetime]:
        """Also of those that nobody has tried to read yet, so that silence shows where nothing tries at all."""
        expected: list[str] = []
        if self.settings.reconcile_every:
            expected += [f"stars:{bot}" for bot in self.settings.bot_tokens]
            expected += [STRIPE] if self.settings.stripe_secret_key else []
        return {**dict.fromkeys(expected, self.started_at), **self.database.ledgers_unread_since()}

    def _of_endpoints(self, now: datetime) -> Gauges:
        """Nothing where there are none."""
        standing = {endpoint.id: self.database.endpoint(endpoint.id, now) for endpoint in self.settings.event_endpoints}
        if not standing:
            return {}
        return {
            "event_webhook_pending": {id: one.waiting for id, one in standing.items()},
            "event_webhook_oldest_seconds": {id: one.oldest.total_seconds() for id, one in standing.items()},
            "event_webhook_given_up": {id: one.given_up for id, one in standing.items()},
            "event_webhook_disabled": {id: int(one.disabled) for id, one in standing.items()},
        }

    def _of_listeners(self) -> Gauges:
        """Nothing where updates come by webhook."""
        if not self.listeners:
            return {}
        return {
            "telegram_connected": {name: int(not bot.problem) for name, bot in self.listeners.items()},
            "telegram_listening": {name: int(bot.listens) for name, bot in self.listeners.items()},
        }
