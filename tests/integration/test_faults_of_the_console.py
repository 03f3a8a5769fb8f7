"""Where the console itself fails, or is asked too much, a page says what happened and nothing is done twice."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from litestar import Litestar, Response, get, post
from litestar.di import Provide
from litestar.testing import TestClient
from sqlalchemy import Engine

from adapters.sql.console import SqlConsole
from adapters.sql.gauges import SqlGauges
from adapters.sql.work import SqlUnitOfWork
from application.books import Standing
from application.figures import Overview, Series, Span
from application.ports.inbox import FoundBy, Report, Source
from domain.ids import BotName
from entrypoints.console.desk import Console
from entrypoints.console.forms import AnyRequest
from entrypoints.console.pages import Page, Pages
from entrypoints.console.today import TodayDesk, worries
from entrypoints.console.visitors import Sessions, form_token
from entrypoints.console_users import ConsoleUser, console_users
from entrypoints.http.handed import Handed
from entrypoints.settings import Settings
from tests.integration.console_visitor import said_by
from tests.integration.operators import STAFF
from tests.memory import NOON, FixedClock

pytest_plugins = ["tests.integration.databases"]

HERE = "http://127.0.0.1:8000"
ONCE = "x" * 22


@get("/console/broken")
async def broken(request: AnyRequest, console: Handed[Console]) -> Response[bytes]:
    def read(_: Any) -> Page:
        raise RuntimeError("canary")

    return await console.show(request, read)


@post("/console/broken", status_code=200)
async def break_it(request: AnyRequest, console: Handed[Console]) -> Response[bytes]:
    def do(_: Any, __: Any) -> Any:
        raise RuntimeError("canary")

    return await console.act(request, do)


@get("/console")
async def home(request: AnyRequest, console: Handed[Console]) -> Response[bytes]:
    return await console.show(request, lambda _: Page("refused.html", {"status": 404, "said": "a page"}))


@dataclass
class Desk:
    console: Console
    client: TestClient[Litestar]
    token: str

    def form(self, **different: str) -> dict[str, str]:
        return {"token": form_token(self.token), "once": ONCE, "back": "/console", **different}

    def send(self, **different: str) -> Any:
        return self.client.post("/console/broken", data=self.form(**different), headers={"Origin": HERE})


@pytest.fixture
def desk(request: pytest.FixtureRequest, sqlite_database: str) -> Iterator[Desk]:
    """The console over three pages that are made for this, one visitor signed in; `param` are fields of the console."""
    from adapters.sql.engine import open_engine

    engine = open_engine(sqlite_database)
    users = console_users(STAFF["CONSOLE_USERS_JSON"])
    kept, clock = SqlConsole(engine), FixedClock()
    sessions = Sessions(kept=kept, users=users, clock=clock)
    console = Console(
        sessions=sessions, kept=kept, clock=clock, pages=Pages(), public_url=HERE, waiting=lambda: 0,
        **getattr(request, "param", {}),
    )  # fmt: skip
    token = sessions.open(users["ada"])
    given = {"console": Provide(lambda: console, sync_to_thread=False)}
    app = Litestar([broken, break_it, home], dependencies=given, openapi_config=None, logging_config=None)
    with TestClient(app, base_url=HERE) as client:
        client.cookies.set(console.cookie_name, token)
        client.follow_redirects = False
        yield Desk(console, client, token)
    console.close()
    engine.dispose()


def test_a_page_that_fails_says_so_and_not_why(desk: Desk) -> None:
    answer = desk.client.get("/console/broken")
    assert answer.status_code == 503
    assert "The fault is ours" in answer.text
    assert "canary" not in answer.text


def test_an_act_that_fails_is_told_and_its_form_is_used_up(desk: Desk) -> None:
    for _ in range(2):
        answer = desk.send()
        assert answer.status_code == 303
        said = said_by(desk.client.get(answer.headers["location"]).text)
        assert said.startswith("This did not work, and the fault is ours.")
        assert "canary" not in said


@pytest.mark.threat(39)
@pytest.mark.parametrize("desk", [{"repeat_waits_s": 0.2}], indirect=True)
def test_a_form_that_is_still_being_carried_out_is_not_carried_out_again(desk: Desk) -> None:
    desk.console.kept.begin_act(ONCE, operator="ada", path="/console/broken", now=NOON)
    answer = desk.send()
    assert answer.status_code == 503
    assert "still being carried out" in answer.text


def test_a_form_that_somebody_else_has_sent_is_not_told_about(desk: Desk) -> None:
    desk.console.kept.begin_act(ONCE, operator="bo", path="/console/broken", now=NOON)
    answer = desk.send()
    assert answer.status_code == 400
    assert "was used before" in answer.text


@pytest.mark.parametrize("desk", [{"turns": asyncio.Semaphore(0), "turn_within_s": 0.1}], indirect=True)
def test_who_is_asked_too_much_says_so_at_last(desk: Desk) -> None:
    answer = desk.client.get("/console")
    assert answer.status_code == 503
    assert "Too much is being asked" in answer.text


def test_a_session_is_noted_as_used_once_a_minute_and_ends_with_its_password(desk: Desk) -> None:
    sessions, clock = desk.console.sessions, desk.console.clock
    assert isinstance(clock, FixedClock)
    clock.pass_by(timedelta(minutes=59))
    assert sessions.visitor(desk.token)
    clock.pass_by(timedelta(minutes=59))
    assert sessions.visitor(desk.token), "it was used meanwhile"
    for users in ({}, {"ada": replace(sessions.users["ada"], password=_other(sessions.users["ada"]))}):
        assert replace(sessions, users=users).visitor(desk.token) is None
    for nonsense in (None, "", "x", "x" * 1000):
        assert sessions.visitor(nonsense) is None


def _other(user: ConsoleUser) -> Any:
    return replace(user.password, salt=b"fedcba9876543210")


def test_whatever_needs_a_person_stands_on_the_first_page(sqlite_database: str) -> None:
    from adapters.sql.engine import open_engine

    engine: Engine = open_engine(sqlite_database)
    work = SqlUnitOfWork(engine)
    hour = timedelta(hours=1)
    reports = [Report(source=Source.TELEGRAM_UPDATE, bot=BotName("main"), body=body) for body in (b"1", b"2")]
    with work.begin() as tx:
        tx.inbox.keep(reports, found_by=FoundBy.WEBHOOK, now=NOON - hour)
        [first] = tx.inbox.claim(NOON - hour, at_most=1, lease=hour)
        tx.inbox.give_up(first, NOON, "nobody can read it")
    standing = Standing(
        quarantined={"wrong_user": 2},
        quarantined_since=NOON - 3 * hour,
        outbox_pending=1,
        outbox_since=NOON - hour,
        unconfirmed=1,
        ledgers={"stars:main": NOON - hour, "stripe": NOON},
        refunds_pending=0,
    )
    none = Series(starts=(), taken={}, numbers={})
    seen = Overview(span=Span.DAY, at=NOON, taken={}, given_back={}, counts={}, series=none, standing=standing)
    desk = TodayDesk(show=lambda _: seen, gauges=SqlGauges(engine), settings=Settings.read({}))  # type: ignore[arg-type]

    assert [worry.said for worry in worries(seen, desk)] == [
        "2 payments wait for a decision of yours, the oldest for 3 h.",
        "A message to a user waits for 60 min to be sent.",
        "A report of Telegram or Stripe waits for 60 min to be dealt with.",
        "1 report of Telegram or Stripe could not be understood; tollgram reconcile tries anew.",
        "No provider's ledger has 1 payment of the last week.",
        "Stars of main was not compared with our books lately.",
    ]
    engine.dispose()
