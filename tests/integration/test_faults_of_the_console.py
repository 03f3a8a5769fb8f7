"""Where the console itself fails, or is asked too much, a page says what happened and nothing is done twice."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from litestar import Litestar, Response, get, post
from litestar.di import Provide
from litestar.testing import TestClient
from sqlalchemy import Engine, update

from adapters.sql import schema
from adapters.sql.console import SqlConsole
from adapters.sql.gauges import SqlGauges
from adapters.sql.queues import SqlQueues
from adapters.sql.work import SqlUnitOfWork
from application.books import Standing
from application.figures import Overview, Series, Span
from application.messages import Help, Letter
from application.ports.inbox import FoundBy, Report, Source
from application.ports.ledgers import LedgerMark
from application.ports.refunds import RefundOrder
from domain.ids import BotName, ChargeId, PaymentId
from entrypoints.console.channels import Channels
from entrypoints.console.desk import Console
from entrypoints.console.forms import AnyRequest
from entrypoints.console.pages import Page, Pages
from entrypoints.console.standing import TodayDesk, not_known, tiles, worries
from entrypoints.console.visitors import Sessions, form_token
from entrypoints.console_users import ConsoleUser, console_users
from entrypoints.http.handed import Handed
from entrypoints.settings import Settings
from entrypoints.webhook_watch import Told, WebhookWatch
from tests.builders import charge, payment
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


@dataclass
class Connection:
    """As a bot tells of its connection."""

    problem: str = ""
    listens: bool = True
    was_connected: bool = True
    state: str = ""

    def receive(self, take: Any) -> None: ...

    def close(self) -> None: ...


HOUR = timedelta(hours=1)
MAIN, SHOP = BotName("main"), BotName("shop")
WELL = Standing(
    quarantined={},
    quarantined_since=None,
    outbox_pending=0,
    outbox_since=None,
    unconfirmed=0,
    ledgers={
        name: LedgerMark(
            ledger=name,
            first_started_at=NOON,
            tail_read_at=NOON,
            whole_read_at=NOON,
            drift=0,
            other_facts=0,
            unknown_to_provider=0,
        )
        for name in ("stars:main", "stars:shop", "stripe")
    },
    refunds_pending=0,
    refunds_asked=0,
    refunds_asked_since=None,
)


@dataclass
class Today:
    """The first page's desk over a database, two bots, Stripe and an endpoint. Everything began an hour ago."""

    engine: Engine

    def __post_init__(self) -> None:
        tokens = {
            "main": "7000001:AAE-token-of-a-bot-for-the-tests-00",
            "shop": "7000002:AAE-token-of-another-bot-for-tests-0",
        }
        pushed_to = [{"url": "https://hooks.example/in", "secret": "whsec_" + "A" * 32}]
        self.settings = Settings.read(
            {
                "TELEGRAM_BOT_TOKENS_JSON": json.dumps(tokens),
                "STRIPE_SECRET_KEY": "sk_test_51Abc",
                "EVENT_WEBHOOKS_JSON": json.dumps(pushed_to),
            }
        )
        self.watch = WebhookWatch({}, self.settings.webhook_address, FixedClock())
        self.watch.told = {bot: Told(at=NOON, pending=0) for bot in (MAIN, SHOP)}
        self.listeners: dict[BotName, Connection] = {}
        self.started_at = NOON - HOUR

    def read(self, standing: Standing) -> tuple[list[str], list[str], dict[str, tuple[str, str]]]:
        """What to worry about, what is not known, and the tiles."""
        none = Series(starts=(), taken={}, numbers={})
        seen = Overview(span=Span.DAY, at=NOON, taken={}, given_back={}, counts={}, series=none, standing=standing)
        channels = Channels(
            bots=(MAIN, SHOP), webhooks=self.watch, listeners=self.listeners, started_at=self.started_at
        )
        desk = TodayDesk(
            show=lambda _: seen,  # type: ignore[arg-type] # it is only asked by the page
            gauges=SqlGauges(self.engine),
            queues=SqlQueues(self.engine),
            settings=self.settings,
            channels=channels,
        )
        told = list(worries(seen, desk))
        assert all(worry.href.startswith("/console/") and worry.does for worry in told)
        shown = {tile.title: (tile.value, tile.beside) for tile in tiles(seen, desk)}
        return [worry.said for worry in told], not_known(seen, desk), shown


@pytest.fixture
def today(sqlite_database: str) -> Iterator[Today]:
    from adapters.sql.engine import open_engine

    engine = open_engine(sqlite_database)
    yield Today(engine)
    engine.dispose()


def test_where_all_is_well_nothing_needs_a_person_and_everything_is_known(today: Today) -> None:
    told, unknown, shown = today.read(WELL)
    assert (told, unknown) == ([], [])
    assert shown["Updates of main"] == ("come in", "none left at Telegram, as of 0 s ago")
    ledger = ("0 s ago", "drift 0 ⭐, 0 other than ours when all of it was read, 0 s ago")
    assert shown["Ledger of shop compared"] == ledger
    assert shown["Ledger of Stripe compared"][0] == "0 s ago"


def test_whatever_needs_a_person_stands_on_the_first_page(today: Today) -> None:
    work = SqlUnitOfWork(today.engine)
    reports = [Report(source=Source.TELEGRAM_UPDATE, bot=MAIN, body=body) for body in (b"1", b"2")]
    with work.begin() as tx:
        tx.inbox.keep(reports, found_by=FoundBy.WEBHOOK, now=NOON - HOUR)
        [first] = tx.inbox.claim(NOON - HOUR, at_most=1, lease=HOUR)
        tx.inbox.give_up(first, NOON, "nobody can read it")
        paid = [payment(charge(charge_id=ChargeId(f"c{n}")), id=PaymentId(f"pay_{n}")) for n in (1, 2)]
        tx.payments.add_new([replace(one, invoice_id=None) for one in paid])
        ordered = [
            RefundOrder(
                provider=one.charge.provider,
                charge_id=one.charge.charge_id,
                payment_id=one.id,
                asked_at=NOON - 5 * HOUR,
                asked_by="ada",
                reason="asked",
            )
            for one in paid
        ]
        tx.refund_orders.add(ordered)
        tx.refund_orders.failed(ordered[0], NOON - HOUR, "CHARGE_ALREADY_SPENT")
        [endpoint] = today.settings.event_endpoints
        tx.pushes.take(endpoint.id, NOON, position=0)
    with today.engine.begin() as connection:
        connection.execute(update(schema.event_endpoints).values(failing_since=NOON - HOUR))
    today.watch.told = {
        MAIN: Told(at=NOON, problem="they go elsewhere", pending=7),
        SHOP: Told(at=NOON, pending=3, last_error="Connection refused", last_error_at=NOON - timedelta(minutes=1)),
    }
    ledgers = {
        "stars:main": replace(WELL.ledgers["stars:main"], tail_read_at=NOON - HOUR),
        "stars:shop": replace(WELL.ledgers["stars:shop"], drift=250, other_facts=1),
    }
    held = {"wrong_user": 1, "unknown_to_provider": 1}
    standing = Standing(
        quarantined=held,
        quarantined_since=NOON - 3 * HOUR,
        outbox_pending=1,
        outbox_since=NOON - HOUR,
        unconfirmed=1,
        ledgers=ledgers,
        refunds_pending=1,
        refunds_asked=2,
        refunds_asked_since=NOON - 2 * HOUR,
    )

    told, _, shown = today.read(standing)

    assert told == [
        "The updates of main do not come to us: they go elsewhere.",
        "3 updates for shop wait at Telegram; it last failed to deliver: Connection refused.",
        "2 payments wait for a decision of yours, the oldest for 3 h.",
        "2 refunds wait for a second operator, the oldest for 2 h.",
        "The balance of shop has 250 ⭐ less than its ledger says.",
        "The ledger of shop tells other facts of 1 payment than our books.",
        "No provider's ledger has 1 payment of the last week, beside those in quarantine for it.",
        "The ledger of main was not compared with our books lately.",
        "The ledger of Stripe was never compared with our books.",
        "1 refund of the last week failed: the money is still here.",
        "A refund was ordered 5 h ago, and its provider has not confirmed it.",
        "A message to a user waits for 60 min to be sent.",
        "A report of Telegram or Stripe waits for 60 min to be dealt with.",
        "1 report of Telegram or Stripe could not be understood; tollgram reconcile tries anew.",
        "https://hooks.example/in has taken no event for 60 min, and is tried again.",
    ]
    assert shown["In no ledger"] == ("2", "1 of the last 7 days, 1 in quarantine for it")


def test_messages_that_were_given_up_are_counted_beside_those_that_wait(today: Today) -> None:
    assert today.read(WELL)[2]["Messages to send"] == ("0", "all are sent")
    with SqlUnitOfWork(today.engine).begin() as tx:
        tx.outbox.add([Letter(bot=MAIN, chat_id=1, language="en", message=Help())], NOON - HOUR)
        [letter] = tx.outbox.claim(NOON - HOUR, at_most=1, lease=HOUR)
        tx.outbox.give_up(letter, NOON, "403 Forbidden: bot was blocked by the user")
    told, _, shown = today.read(WELL)
    assert (told, shown["Messages to send"]) == ([], ("0", "1 of the last 7 days given up"))


def test_what_is_not_known_yet_is_not_called_well(today: Today) -> None:
    today.watch.told = {}
    today.started_at = NOON - timedelta(minutes=1)
    read = replace(WELL, ledgers={**WELL.ledgers, "stars:main": LedgerMark(ledger="stars:main", first_started_at=NOON)})

    told, unknown, shown = today.read(read)

    assert told == []
    assert unknown == [
        "whether the updates of main come to us",
        "whether the updates of shop come to us",
        "whether the ledger of main agrees with our books",
    ]
    assert shown["Updates of main"][0] == "not known yet"
    assert shown["Ledger of main compared"] == ("never", "never read to its beginning")


def test_what_nobody_could_ask_for_a_while_is_worth_a_look(today: Today) -> None:
    today.watch.told = {MAIN: Told(at=NOON - HOUR, pending=0)}
    assert today.read(WELL)[0] == [
        "Telegram could not be asked for 60 min whether the updates of main come to us.",
        "Telegram could not be asked for 60 min whether the updates of shop come to us.",
    ]


def test_a_connection_that_is_lost_or_was_never_made_is_told(today: Today) -> None:
    today.listeners = {
        MAIN: Connection(problem="the server refuses", listens=False),
        SHOP: Connection(listens=False, was_connected=False),
    }
    assert today.read(WELL)[0] == [
        "Nobody here listens to what Telegram tells main: the server refuses.",
        "Nobody here listens to what Telegram tells shop: no connection was made yet.",
    ]
    today.started_at = NOON
    assert today.read(WELL)[1] == ["whether the updates of shop come to us"]
    today.listeners = {MAIN: Connection(), SHOP: Connection(listens=False)}
    told, unknown, shown = today.read(WELL)
    assert (told, unknown) == ([], [])
    assert shown["Updates of shop"] == ("come in", "another process is told")


def test_many_updates_and_payments_of_long_ago_that_no_ledger_has_are_worth_a_look(today: Today) -> None:
    today.watch.told[MAIN] = Told(at=NOON, pending=101)
    old = {**WELL.ledgers, "stripe": replace(WELL.ledgers["stripe"], unknown_to_provider=9)}
    assert today.read(replace(WELL, ledgers=old))[0] == [
        "101 updates for main wait at Telegram.",
        "No provider's ledger had 9 payments of ours when all of it was read.",
    ]
