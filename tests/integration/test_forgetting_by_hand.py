"""What docs/operate.md says may be deleted by hand is missed by nobody: what was told of already changes nothing."""

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from adapters.sql.engine import open_engine
from adapters.sql.work import SqlUnitOfWork
from application.ports.inbox import FoundBy, Report, Source
from tests.integration.buying import MAIN, buy, entitlements_of, newcomer, payments_of, settled, update_of
from tests.integration.conftest import set_webhooks
from tests.integration.operators import STAFF, Operator
from tests.integration.sandbox_server import SandboxServer
from tests.integration.service import ROOT, Service, eventually
from tests.integration.stripe_buying import buy_by_stripe, stripe_settings

pytest_plugins = ["tests.integration.databases"]

ALL = [f"SELECT count(*) FROM {table}" for table in ("outbox", "stripe_events", "inbox")]
WAITS = ["SELECT count(*) FROM outbox WHERE sent_at IS NULL", "SELECT count(*) FROM inbox WHERE done_at IS NULL"]


@pytest.fixture
def service(telegram: SandboxServer, database: str, tmp_path: Path) -> Iterator[Service]:
    settings = {**stripe_settings(telegram.stripe), **STAFF, "DATABASE_URL": database}
    with Service(tmp_path, telegram.url, settings) as running:
        set_webhooks(telegram, running)
        yield running


def test_old_letters_and_reports_that_were_dealt_with_are_missed_by_nobody(
    service: Service, telegram: SandboxServer, database: str
) -> None:
    ada, bob = newcomer(telegram), newcomer(telegram)
    by_stars, by_stripe = buy(service, telegram, ada), buy_by_stripe(service, telegram, bob)
    events = [
        one["event_id"]
        for one in telegram.stripe.events("checkout.session.completed")
        if by_stripe.session_id in str(one["event"])
    ]
    engine = open_engine(database)
    told = json.dumps(update_of(telegram, by_stars.update_id)).encode()
    with SqlUnitOfWork(engine).begin() as tx:
        report = Report(source=Source.TELEGRAM_UPDATE, bot=MAIN, body=told)
        tx.inbox.keep([report], found_by=FoundBy.WEBHOOK, now=datetime.now(UTC))
    eventually(lambda: counted(engine, WAITS) == [0, 0])
    assert all(counted(engine, ALL))

    [statements] = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "operate.md").read_text(), re.DOTALL)
    tomorrow = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}"
    with engine.begin() as connection:
        for statement in filter(None, re.sub(r"'\d{4}-\d\d-\d\d'", f"'{tomorrow}'", statements).split(";\n")):
            connection.execute(text(statement))
    assert counted(engine, ALL) == [0, 0, 0]
    engine.dispose()
    before = [(payments_of(service, user), entitlements_of(service, user)) for user in (ada, bob)]

    assert service.deliver(told).status_code == 200
    assert [delivery.status for delivery in telegram.stripe.resend(events)] == [200]
    settled(telegram)

    assert [(payments_of(service, user), entitlements_of(service, user)) for user in (ada, bob)] == before
    operator = Operator.sign_in(service, "ada")
    assert "1,250 ⭐" in operator.words(f"/console/users/{ada}")
    assert service.run("refund", by_stripe.payment_intent, "--reason", "asked").returncode == 0
    assert not entitlements_of(service, bob)[0]["active"]


def counted(engine: Engine, questions: Sequence[str]) -> list[int]:
    with engine.connect() as connection:
        return [connection.execute(text(question)).scalar_one() for question in questions]
