"""Time and the calendar, from outside: invoices that run out, odd dates, a clock that jumps, plans of no duration."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import jwt
import pytest

from tests.integration.sandbox_server import Json, SandboxServer
from tests.integration.service import CATALOG, JWT_SECRET, Service, eventually, only
from tests.integration.test_threat_forged_updates import approved, charge_id, payment, pre_checkout, rows
from tests.postgres import Postgres

SEND = "/api/v1/telegram/payment/send-invoice"
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
FAR = 253_402_300_799
NO_DURATIONS = [
    "0 days",
    "-1 day",
    "0 months",
    "-1 months",
    "00 days",
    "0.5 days",
    "1001 years",
    "1 months",
    "",
    "x",
    "0",
]

# Python runs a module of this name before anything else: so the process has a clock that a test can set.
WRONG_CLOCK = """
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import adapters.clock

def now(self):
    return datetime.now(UTC) + timedelta(seconds=float(Path(os.environ["CLOCK_IS_AHEAD_BY"]).read_text()))

adapters.clock.SystemClock.now = now
"""


@dataclass(frozen=True)
class WrongClock:
    """The clock of a service that was started with `settings`; it goes, but as far ahead or behind as it is told."""

    folder: Path

    @classmethod
    def made(cls, folder: Path) -> "WrongClock":
        (folder / "sitecustomize.py").write_text(WRONG_CLOCK)
        clock = cls(folder)
        clock.go_ahead_by(timedelta(0))
        return clock

    @property
    def settings(self) -> dict[str, str]:
        # Days that pass in a moment call for a comparison of ledgers, in which forged charges are missing.
        still = {"RECONCILE_EVERY_SECONDS": "0"}
        return {"PYTHONPATH": str(self.folder), "CLOCK_IS_AHEAD_BY": str(self.folder / "clock"), **still}

    def go_ahead_by(self, offset: timedelta) -> None:
        written = self.folder / "clock.new"
        written.write_text(str(offset.total_seconds()))
        os.replace(written, self.folder / "clock")  # noqa: PTH105 - whole, whenever it is read

    def show(self, moment: datetime) -> None:
        self.go_ahead_by(moment - datetime.now(UTC))


@dataclass(frozen=True)
class Timed:
    """A service and its clock."""

    service: Service
    clock: WrongClock

    def issue(self, telegram: SandboxServer, user: Json, plan_code: str, method: str = "stars") -> tuple[str, datetime]:
        """The payload of a new invoice, and when it runs out."""
        with self.as_user(user) as client:
            answer = client.post(SEND, json={"plan_code": plan_code, "method": method})
        assert answer.status_code == 200, answer.text
        payload = telegram.invoice_payload(user, answer.json()["telegram_message_id"])
        return payload, datetime.fromisoformat(answer.json()["expires_at"])

    def as_user(self, user: Json) -> httpx.Client:
        """With a token that is good at any time."""
        claims = {"sub": str(user["id"]), "aud": "tollgram", "exp": FAR, "scope": "entitlements:read"}
        token = jwt.encode(claims, JWT_SECRET, algorithm="HS256")
        return httpx.Client(base_url=self.service.url, headers={"Authorization": f"Bearer {token}"}, timeout=20)

    def pay(self, user: Json, payload: str, amount: int, at: datetime, currency: str = "XTR") -> str:
        """The charge, which Telegram says was made at that time."""
        update = payment(user["id"], payload, charge=(charge := charge_id()), amount=amount, currency=currency)
        update["message"]["date"] = int(at.timestamp())
        assert self.service.deliver(update).status_code == 200
        return charge

    def ended(self, charge: str) -> tuple[str, str | None]:
        """Telegram knows nothing of these charges, and gives none back."""
        ask = "SELECT status, quarantine_reason FROM payments WHERE charge_id = ? AND status != 'refund_pending'"
        status, reason = only(eventually(lambda: rows(self.service, ask, charge)))
        return status, reason

    def allowed(self, user: Json, feature: str = "signals") -> bool:
        with self.as_user(user) as client:
            return bool(client.get(f"/internal/v1/users/{user['id']}/features/{feature}").json()["allowed"])

    def span(self, user: Json) -> tuple[datetime, datetime]:
        """Of the user's latest entitlement."""
        with self.as_user(user) as client:
            latest = client.get("/api/v1/me/entitlements").json()["entitlements"][0]
        return datetime.fromisoformat(latest["starts_at"]), datetime.fromisoformat(latest["expires_at"])


LONG_PLAN = """
[plans.long]
title = "A thousand years"
description = "For those who plan ahead"
features = ["patience"]
duration = "1000 years"
prices = { XTR = 1 }
renew_window = "1000 years"
"""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def timed(
    request: pytest.FixtureRequest, telegram: SandboxServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Timed]:
    """On both databases."""
    folder = tmp_path_factory.mktemp("timed")
    clock = WrongClock.made(folder)
    (folder / "catalog.toml").write_text(CATALOG + LONG_PLAN)
    settings = {**clock.settings, "PURCHASE_ATTEMPTS_PER_MINUTE": "1000"}
    if request.param == "sqlite":
        with Service(folder, telegram.url, settings) as running:
            yield Timed(running, clock)
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    with postgres.database() as url, Service(folder, telegram.url, {**settings, "DATABASE_URL": url}) as running:
        yield Timed(running, clock)


@pytest.fixture
def ada(telegram: SandboxServer, timed: Timed) -> Iterator[Json]:
    timed.clock.go_ahead_by(timedelta(0))
    yield telegram.create_user("Ada", started=True)
    timed.clock.go_ahead_by(timedelta(0))


@pytest.mark.threat(10)
def test_one_second_before_its_end_an_invoice_is_good_and_one_second_after_it_is_not(
    timed: Timed, telegram: SandboxServer, ada: Json
) -> None:
    payload, runs_out = timed.issue(telegram, ada, "gold_1m")
    asked = pre_checkout(ada["id"], payload)
    timed.clock.show(runs_out + SECOND)
    assert not approved(timed.service.deliver(asked))
    late = timed.pay(ada, payload, 1250, runs_out + SECOND)
    assert timed.ended(late) == ("quarantined", "stale_invoice")
    timed.clock.show(runs_out - SECOND)
    assert approved(timed.service.deliver(asked))
    timed.clock.show(runs_out + 5 * DAY)
    in_time = timed.pay(ada, payload, 1250, runs_out + 5 * DAY)
    assert timed.ended(in_time) == ("granted", None), "what was approved in time is granted, however late it comes"


@pytest.mark.threat(10)
@pytest.mark.parametrize(("after", "status"), [(-SECOND, "granted"), (0 * SECOND, "granted"), (SECOND, "quarantined")])
def test_unasked_it_is_the_charges_own_time_that_counts(
    timed: Timed, telegram: SandboxServer, ada: Json, after: timedelta, status: str
) -> None:
    payload, runs_out = timed.issue(telegram, ada, "gold_1m")
    timed.clock.show(runs_out + 20 * timedelta(hours=1))
    assert timed.ended(timed.pay(ada, payload, 1250, runs_out + after))[0] == status
    assert timed.allowed(ada) is (status == "granted")


@pytest.mark.threat(29)
@pytest.mark.parametrize(
    ("bought", "plan_code", "ends"),
    [
        ("2027-01-31T12:00", "gold_1m", "2027-02-28T12:00"),
        ("2028-01-31T12:00", "gold_1m", "2028-02-29T12:00"),
        ("2028-02-29T12:00", "gold_1m", "2028-03-29T12:00"),
        ("2028-02-29T12:00", "pounds_only", "2029-02-28T12:00"),
        ("2027-12-31T23:59", "gold_1m", "2028-01-31T23:59"),
        ("9999-06-01T12:00", "pounds_only", "9999-12-31T23:59"),
    ],
)
def test_a_month_or_a_year_ends_on_the_last_day_that_there_is(
    timed: Timed, telegram: SandboxServer, ada: Json, *, bought: str, plan_code: str, ends: str
) -> None:
    timed.clock.show(datetime.fromisoformat(f"{bought}:00+00:00"))
    amount, currency, method = (1250, "XTR", "stars") if plan_code == "gold_1m" else (1000, "GBP", "telegram")
    payload, runs_out = timed.issue(telegram, ada, plan_code, method)
    timed.pay(ada, payload, amount, runs_out - 10 * SECOND, currency)
    starts_at, expires_at = timed.span(ada)
    assert starts_at.isoformat().startswith(bought)
    assert expires_at.isoformat().startswith(ends)
    year = f"{expires_at:%Y}"
    eventually(lambda: year in telegram.last_text(ada) and "/paysupport" not in telegram.last_text(ada))


@pytest.mark.threat(29)
def test_whoever_buys_a_thousand_years_again_and_again_comes_to_the_end_of_time_and_no_further(
    timed: Timed, telegram: SandboxServer, ada: Json
) -> None:
    invoices = [timed.issue(telegram, ada, "long") for _ in range(10)]
    became = [timed.ended(timed.pay(ada, payload, 1, runs_out - SECOND)) for payload, runs_out in invoices]
    assert became == [("granted", None)] * 8 + [("quarantined", "already_entitled")] * 2
    starts_at, expires_at = timed.span(ada)
    assert starts_at.year > 9000
    assert expires_at == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    with timed.as_user(ada) as client:
        assert client.post(SEND, json={"plan_code": "long"}).status_code == 409
    assert timed.allowed(ada, "patience")
    assert not timed.service.log_lines("request.failed")


@pytest.mark.threat(30)
def test_a_clock_that_goes_a_day_ahead_and_back_shortens_nothing_and_stops_nothing(
    timed: Timed, telegram: SandboxServer, ada: Json
) -> None:
    payload, runs_out = timed.issue(telegram, ada, "gold_1m")
    timed.pay(ada, payload, 1250, runs_out - SECOND)
    first = timed.span(ada)
    timed.clock.go_ahead_by(DAY)
    assert timed.allowed(ada)
    bob = telegram.create_user("Bob", started=True)
    payload, runs_out = timed.issue(telegram, bob, "gold_1m")
    timed.pay(bob, payload, 1250, runs_out - SECOND)
    timed.clock.go_ahead_by(-DAY)
    eve = telegram.create_user("Eve", started=True)
    payload, runs_out = timed.issue(telegram, eve, "gold_1m")
    assert approved(timed.service.deliver(pre_checkout(eve["id"], payload)))
    timed.pay(eve, payload, 1250, runs_out - SECOND)
    assert timed.allowed(eve)
    timed.clock.go_ahead_by(timedelta(0))
    for user in (ada, eve):
        assert timed.allowed(user)
    assert timed.span(ada) == first
    for user in (ada, bob, eve):
        starts_at, expires_at = timed.span(user)
        assert expires_at - starts_at >= 28 * DAY
        eventually(lambda user=user: "Gold, 1 month" in telegram.last_text(user), within_s=60)


@pytest.mark.threat(28)
@pytest.mark.parametrize("duration", NO_DURATIONS)
def test_a_plan_of_no_duration_is_not_sold(tmp_path: Path, duration: str) -> None:
    service = Service(tmp_path, "http://127.0.0.1:1")
    (tmp_path / "catalog.toml").write_text(CATALOG.replace('duration = "1 month"', f'duration = "{duration}"'))
    checked = service.run("catalog", "check", check=False)
    assert checked.returncode != 0
    assert "plans.gold_1m.duration" in checked.stdout + checked.stderr
    assert "day_pass" not in checked.stdout + checked.stderr


@pytest.mark.threat(28)
@pytest.mark.parametrize("field", ["duration", "renew_window"])
def test_with_such_a_plan_the_service_does_not_start(tmp_path: Path, field: str) -> None:
    wrong = CATALOG.replace('duration = "1 day"', 'duration = "-1 days"')
    if field == "renew_window":
        wrong = CATALOG.replace('renew_window = "1 week"', 'renew_window = "0 days"')
    (tmp_path / "catalog.toml").write_text(wrong)
    ended = Service(tmp_path, "http://127.0.0.1:1").run("serve", check=False)
    assert ended.returncode == 2
    assert f"plans.day_pass.{field}" in ended.stderr
