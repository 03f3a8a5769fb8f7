"""The metrics, under the names that dashboards and alerts are written against. No user id is ever a label."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from domain.catalog import Method
from domain.errors import Unavailable
from domain.invoice import Objection

CONTENT_TYPE = "text/plain; version=0.0.4"
"""The encoding, UTF-8, is named by whoever serves it, as that of every text."""
_WORKERS_SHARE = "PROMETHEUS_MULTIPROC_DIR"

Gauges = Mapping[str, float | Mapping[str, float]]
"""A figure, or figures by the one label that `_LABELS` names."""


class Metrics:
    """`gauges` give those figures that are looked up at the moment they are asked for."""

    def __init__(self, *gauges: Callable[[], Gauges]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a time for each counter that nobody asks for
        self.registry = CollectorRegistry()
        own = self.registry
        self.payments = Counter(
            "telegram_payments", "Payments in Telegram by what became of them", ["result", "plan_code"], registry=own
        )
        self.payment_value = Counter(
            "telegram_payment_value", "Sum of granted payments in minor units", ["plan_code", "currency"], registry=own
        )
        self.payment_processing = Histogram(
            "telegram_payment_processing_seconds", "From the payment's arrival to its commit", registry=own
        )
        self.precheck_seconds = Histogram(
            "telegram_precheck_seconds", "From the pre-checkout query's arrival to its answer", registry=own
        )
        self.prechecks = Counter("telegram_precheck", "Pre-checkout queries by answer", ["result"], registry=own)
        self.prechecks_rejected = Counter(
            "telegram_precheck_rejected", "Pre-checkout queries refused, by reason", ["reason"], registry=own
        )
        self.updates = Counter("telegram_updates", "Updates that came in", ["bot_name", "type"], registry=own)
        self.errors = Counter("telegram_errors", "What went wrong with Telegram", ["bot_name"], registry=own)
        self.commands = Counter("telegram_command", "Commands answered in the chat", ["name"], registry=own)
        self.checkouts = Counter("billing_checkout_started", "Pages of Stripe's that were made", ["plan"], registry=own)
        self.billing = Counter(
            "billing_payments", "Payments by Stripe by what became of them", ["status"], registry=own
        )
        self.stripe_events = Counter(
            "stripe_events", "Events of Stripe by what became of them", ["outcome"], registry=own
        )
        self.conflicts = Counter(
            "payment_conflicts", "Known charges, and refunds of them, that came with other facts", registry=own
        )
        self.refunds_failed = Counter(
            "refunds_failed", "Refunds that a provider would not make, by method of payment", ["method"], registry=own
        )
        self.repaired = Counter(
            "reconcile_repaired", "What only a provider's ledger told of, by what became of it", ["kind"], registry=own
        )
        self.unexplained = Counter(
            "reconcile_unexplained",
            "Comparisons of a ledger that showed what needs a person, by kind",
            ["ledger", "kind"],
            registry=own,
        )
        self.pushes = Counter(
            "event_webhook_pushes",
            "Events pushed, by what came of it",
            ["endpoint", "result"],
            registry=own,
        )
        self.responses = Counter("http_responses", "Answers by route and status", ["route", "status"], registry=own)
        # Looking one up by its labels takes longer than counting: what is counted a thousand times a second is kept.
        self.update_of = cache(self.updates.labels)
        self.response_of = cache(self.responses.labels)
        self.precheck_of = cache(self.prechecks.labels)
        self.payment_of = cache(self.payments.labels)
        self.payment_value_of = cache(self.payment_value.labels)
        self._gauges = _Gauges(gauges)
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        """A count that begins at 1 has not grown for whoever watches by how much it grows."""
        for method in Method:
            self.refunds_failed.labels(method)
        for reason in Objection:
            self.prechecks_rejected.labels(reason)
        for result in ("ok", "rejected"):
            self.prechecks.labels(result)
        for status in ("failed", "mismatched", "suspended"):
            self.billing.labels(status)

    def exposition(self) -> bytes:
        """All of them in Prometheus' text format; with several workers, summed over all."""
        shown = CollectorRegistry()
        if os.environ.get(_WORKERS_SHARE):
            MultiProcessCollector(shown)  # type: ignore[no-untyped-call]
        else:
            shown.register(self.registry)
        shown.register(self._gauges)
        return generate_latest(shown)


class _Gauges(Collector):
    def __init__(self, sources: Sequence[Callable[[], Gauges]]) -> None:
        self._sources = sources

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        for read in self._sources:
            try:
                gauges = read()
            except Unavailable:
                continue  # a database that is away must not hide the counts of what goes wrong meanwhile
            yield from (_family(name, value) for name, value in gauges.items())


def _family(name: str, value: float | Mapping[str, float]) -> GaugeMetricFamily:
    if not isinstance(value, Mapping):
        return GaugeMetricFamily(name, _GAUGES.get(name, name), value=value)
    family = GaugeMetricFamily(name, _GAUGES.get(name, name), labels=[_LABELS[name]])
    for label, figure in value.items():
        family.add_metric([label], figure)
    return family


_GAUGES = {
    "telegram_payments_pending": "Open Telegram invoices within their time to live",
    "outbox_pending": "Messages that wait to be sent",
    "outbox_oldest_seconds": "Age of the oldest message that waits",
    "inbox_pending": "Reports of providers that wait to be dealt with",
    "inbox_oldest_seconds": "Age of the oldest report that waits",
    "inbox_given_up": "Reports that nobody takes up again by itself",
    "refunds_pending": "Refunds that were ordered and not confirmed yet",
    "quarantine_oldest_seconds": "Age of the oldest payment in quarantine",
    "payments_quarantined": "Payments in quarantine, by reason",
    "reconcile_age_seconds": "Time since the end of a provider's ledger was read, or since that was tried first",
    "telegram_webhook_registered": "Whether Telegram, when asked last, sent a bot's updates to us",
    "telegram_webhook_pending_updates": "Updates that waited at Telegram when it was asked last",
    "disk_free_bytes": "Left on the disk that holds the database, where that is SQLite",
    "disk_size_bytes": "Size of that disk",
    "event_webhook_pending": "Events that wait to be pushed to an endpoint",
    "event_webhook_oldest_seconds": "Age of the oldest event that waits for an endpoint",
    "event_webhook_given_up": "Events that an endpoint refused for three days",
    "event_webhook_disabled": "Whether nothing more is pushed to an endpoint",
    "telegram_connected": "Whether this process has a connection to Telegram, over Telegram's own protocol",
    "telegram_listening": "Whether it is this process that is told what happens to a bot",
}
_LABELS = {
    "payments_quarantined": "reason",
    "reconcile_age_seconds": "ledger",
    "telegram_webhook_registered": "bot_name",
    "telegram_webhook_pending_updates": "bot_name",
    "event_webhook_pending": "endpoint",
    "event_webhook_oldest_seconds": "endpoint",
    "event_webhook_given_up": "endpoint",
    "event_webhook_disabled": "endpoint",
    "telegram_connected": "bot_name",
    "telegram_listening": "bot_name",
}
