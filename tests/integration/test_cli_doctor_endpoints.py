"""The doctor says of each endpoint that events are pushed to whether it takes them, and what to do where not."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from adapters.sql.engine import open_engine
from adapters.sql.work import SqlUnitOfWork
from application.ports.feed import NumberedNotice
from application.ports.pushes import EndpointState
from domain.ids import UserId
from domain.notices import Notice, NoticeType
from entrypoints.examination.endpoints import examine_endpoints
from entrypoints.settings import Settings
from tests.integration.service import only
from tests.memory import NOON

pytest_plugins = ["tests.integration.databases"]

SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS10ZXN0cy1vZi1ldmVudHM="


@pytest.fixture
def opened(sqlite_database: str) -> Iterator[Engine]:
    engine = open_engine(sqlite_database)
    yield engine
    engine.dispose()


def settings(url: str = "http://127.0.0.1:9/hooks?key=canary", private: str = "true") -> Settings:
    return Settings.read(
        {
            "EVENT_WEBHOOKS_JSON": json.dumps([{"url": url, "secret": SECRET}]),
            "EVENT_WEBHOOKS_ALLOW_PRIVATE": private,
        }
    )


def stands(work: SqlUnitOfWork, state: EndpointState) -> None:
    with work.begin() as tx:
        tx.pushes.take(state.id, NOON, position=0)
        tx.pushes.move(state)


def test_each_state_is_told_with_its_remedy(opened: Engine) -> None:
    work, given = SqlUnitOfWork(opened), settings()
    id = only(given.event_endpoints).id
    state = EndpointState(id=id, position=0, due_at=NOON)

    def told() -> list[tuple[str, str, str | None]]:
        return [(one.verdict, one.finding, one.remedy) for one in examine_endpoints(given, work)]

    assert [verdict for verdict, _, _ in told()] == ["good"]
    stands(work, replace(state, failing_since=NOON, problem="answered 500"))
    ((verdict, finding, _),) = told()
    assert (verdict, finding) == (
        "warning",
        "http://127.0.0.1:9/hooks takes nothing since 2026-11-22 12:00:00 UTC: answered 500",
    )
    stands(work, replace(state, disabled_at=NOON, problem="answered 410"))
    ((verdict, _, remedy),) = told()
    assert (verdict, remedy) == ("wrong", f"Once it works: tollgram events enable {id}")


def test_events_that_were_given_up_are_told(opened: Engine) -> None:
    work, given = SqlUnitOfWork(opened), settings()
    id = only(given.event_endpoints).id
    with work.begin() as tx:
        tx.feed.add([Notice(type=NoticeType.PAYMENT_SETTLED, user_id=UserId(1), at=NOON, data={})])
        tx.feed.number(NOON, at_most=1)
        event: NumberedNotice = only(tx.feed.after(0, limit=1))
        tx.pushes.add(id, [event], NOON)
        push = tx.pushes.claim(id, NOON, at_once=1, lease=NOON - NOON)
        assert push
        tx.pushes.give_up(push, NOON, "answered 400")
    assert [(one.verdict, "refused 1 events" in one.finding) for one in examine_endpoints(given, work)] == [
        ("good", False),
        ("warning", True),
    ]


@pytest.mark.threat(32)
def test_an_address_that_may_not_be_called_is_told_before_anything_is_pushed(opened: Engine) -> None:
    given = settings("https://localhost/hooks", private="false")
    found = only(list(examine_endpoints(given, SqlUnitOfWork(opened))))
    assert (found.verdict, "its host leads to an address that is not public" in found.finding) == ("wrong", True)


def test_a_host_that_nobody_knows_is_told_and_a_database_that_is_away_is_not_told_twice(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'none.db'}")
    unknown = settings("https://nowhere.invalid/hooks")
    assert "its host is not known" in only(list(examine_endpoints(unknown, SqlUnitOfWork(engine)))).finding
    assert list(examine_endpoints(settings(), SqlUnitOfWork(engine))) == []
    engine.dispose()
