"""Every alert rings at a real Prometheus that hears of trouble, and none before."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from tests.integration.prometheus import RULES, needs_prometheus, running_prometheus
from tests.integration.service import eventually

TELEGRAM, STRIPE = "/api/v1/telegram/{bot}/webhook", "/api/v1/billing/stripe/webhook"
GROWS_BY = 10
"""With each time that Prometheus asks."""
STAND = {
    # How it stands: on a good day, and on a very bad one.
    "disk_free_bytes": (8e9, 5e8),
    "disk_size_bytes": (1e10, 1e10),
    "outbox_oldest_seconds": (5, 7200),
    'telegram_webhook_registered{bot_name="main"}': (1, 0),
    'telegram_listening{bot_name="other"}': (1, 0),
    'telegram_webhook_pending_updates{bot_name="main"}': (3, 5000),
    "telegram_payments_pending": (2, 25),
    'payments_quarantined{reason="bad_payload"}': (1, 40),
    "quarantine_oldest_seconds": (60, 200_000),
    "inbox_oldest_seconds": (0, 5000),
    "inbox_given_up": (0, 2),
    "refunds_pending": (0, 1),
    'reconcile_age_seconds{ledger="stars:main"}': (30, 5000),
    'event_webhook_oldest_seconds{endpoint="crm"}': (2, 90_000),
    'event_webhook_disabled{endpoint="crm"}': (0, 1),
    'event_webhook_given_up{endpoint="crm"}': (0, 7),
}
COUNTS = {
    # What is counted, and whether it grows from then on.
    f'http_responses_total{{route="{TELEGRAM}",status="200"}}': False,
    f'http_responses_total{{route="{TELEGRAM}",status="401"}}': True,
    f'http_responses_total{{route="{STRIPE}",status="503"}}': True,
    'telegram_updates_total{bot_name="main",type="message"}': False,
    'telegram_errors_total{bot_name="main"}': True,
    'telegram_precheck_total{result="ok"}': True,
    'telegram_precheck_rejected_total{reason="unavailable"}': True,
    'telegram_precheck_seconds_bucket{le="2.5"}': False,
    'telegram_precheck_seconds_bucket{le="5.0"}': True,
    'telegram_precheck_seconds_bucket{le="+Inf"}': True,
    "telegram_payment_processing_seconds_count": False,
    'telegram_payment_processing_seconds_bucket{le="5.0"}': False,
    'telegram_payment_processing_seconds_bucket{le="10.0"}': True,
    'telegram_payment_processing_seconds_bucket{le="+Inf"}': True,
    'refunds_failed_total{method="stars"}': True,
    'reconcile_unexplained_total{ledger="stars:main",kind="drift"}': True,
    'reconcile_repaired_total{kind="granted"}': True,
    "payment_conflicts_total": True,
    'billing_payments_total{status="mismatched"}': True,
    'billing_payments_total{status="suspended"}': True,
    'stripe_events_total{outcome="other_mode"}': True,
}


@dataclass
class Exporter:
    """Tells the figures of a service. Three of them are told of: one that tells all, one that has lost its database,
    and one that does not answer."""

    bad: bool = False
    port: int = 0
    asked: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def targets(self) -> list[dict[str, object]]:
        paths = {"a": "/metrics", "without_database": "/without_database", "down": "/down"}
        return [
            {"targets": [f"127.0.0.1:{self.port}"], "labels": {"instance": name, "__metrics_path__": path}}
            for name, path in paths.items()
        ]

    def told(self, path: str) -> str | None:
        """None where it does not answer."""
        if not self.bad:
            return self._figures() if path == "/metrics" else "outbox_pending 0\n"
        return {"/metrics": self._figures(), "/without_database": "", "/down": None}[path]

    def _figures(self) -> str:
        with self.lock:
            self.asked += self.bad
            counted = self.asked * GROWS_BY
        stands = {name: values[self.bad] for name, values in STAND.items()}
        counts = {name: counted if grows else 0 for name, grows in COUNTS.items()}
        return "".join(f"{name} {value}\n" for name, value in {"outbox_pending": 0, **stands, **counts}.items())


@contextmanager
def exporting() -> Iterator[Exporter]:
    exporter = Exporter()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told = exporter.told(self.path)
            self.send_response(503 if told is None else 200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write((told or "").encode())

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        exporter.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield exporter
        finally:
            server.shutdown()
            thread.join()


def at_once(rules: str) -> str:
    """The same rules, which ring after a second of what they watch for."""
    shortened, number = re.subn(r"(?m)^(\s+)for: \w+$", r"\1for: 1s", rules)
    assert number == rules.count(" for: ")
    return shortened


@pytest.fixture(scope="module")
def names() -> set[str]:
    return {rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}


@needs_prometheus
def test_every_alert_rings_at_a_real_prometheus_and_none_on_a_good_day(names: set[str], tmp_path: Path) -> None:
    rung: dict[str, list[str]] = {}
    with (
        exporting() as exporter,
        running_prometheus(tmp_path, exporter.targets, job="another", rules=at_once(RULES.read_text())) as prometheus,
    ):

        def ringing() -> set[str]:
            now = prometheus.firing()
            rung.update({name: [str(one["annotations"]) for one in alerts] for name, alerts in now.items()})
            return set(now)

        eventually(lambda: ringing() == {"TollgramNotWatched"}, within_s=60)
        prometheus.watch(exporter.targets)
        eventually(lambda: ringing() == set() and len(prometheus.asked('up{job="tollgram"} == 1')) == 3, within_s=60)
        good_until = time.monotonic() + 3
        while time.monotonic() < good_until:
            assert ringing() == set()
            time.sleep(0.5)
        exporter.bad = True
        with suppress(AssertionError):
            eventually(lambda: ringing() == names - {"TollgramNotWatched"}, within_s=30)
        assert ringing() == names - {"TollgramNotWatched"}

    assert set(rung) == names
    # Prometheus writes there what it could not fill in.
    odd = re.compile(r"<error|\{\{|NaN")
    assert [told for alerts in rung.values() for told in alerts if odd.search(told)] == []
