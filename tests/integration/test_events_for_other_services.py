"""Other services read what happens, wait for it, or have it pushed; and an operator sees how that goes."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import httpx
import pytest
import structlog
from click.testing import Result

from adapters.sql.engine import open_engine
from adapters.sql.work import SqlUnitOfWork
from domain.ids import UserId
from domain.notices import Notice, NoticeType
from tests.integration.buying import buy, newcomer
from tests.integration.conftest import set_webhook
from tests.integration.endpoints import EndpointServer, example_of
from tests.integration.sandbox_server import SandboxServer
from tests.integration.service import Service, eventually, only
from tests.integration.test_cli_commands import here as at_the_terminal
from tests.memory import NOON

SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS10ZXN0cy1vZi1ldmVudHM="
NEXT_SECRET = "whsec_" + "dGhlLW5leHQtc2VjcmV0LW9mLXRoZS10ZXN0cyE="
SLOW_MACHINE_S = 12.0
PURCHASE = ["invoice.issued", "payment.settled", "entitlement.granted"]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[EndpointServer]:
    with EndpointServer() as running:
        yield running


@pytest.fixture(scope="module")
def service(
    telegram: SandboxServer, endpoint: EndpointServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    settings = {
        "EVENT_WEBHOOKS_JSON": json.dumps([{"url": endpoint.url, "secret": [SECRET, NEXT_SECRET]}]),
        "EVENT_WEBHOOKS_ALLOW_PRIVATE": "true",
    }
    with Service(tmp_path_factory.mktemp("service"), telegram.url, settings) as running:
        set_webhook(telegram, running)
        eventually(lambda: shown(running)[0]["position"] is not None)
        yield running


def here(service: Service, *arguments: str) -> Result:
    """A command, in this process; what it says to the log is its own affair."""
    before = structlog.get_config()
    try:
        return at_the_terminal(service, *arguments)
    finally:
        structlog.configure(**before)


def shown(service: Service) -> list[dict[str, Any]]:
    with closing(open_engine(service.environment["DATABASE_URL"]).connect()) as connection:
        rows = connection.exec_driver_sql("SELECT * FROM event_endpoints").mappings().all()
    return [dict(row) for row in rows] or [{"position": None}]


def read(service: Service, **query: int) -> dict[str, Any]:
    with service.as_service("events:read") as client:
        answer = client.get("/internal/v1/events", params=query, timeout=40)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


def newest(service: Service) -> int:
    after = 0
    while page := read(service, after=after, limit=200)["items"]:
        after = page[-1]["sequence"]
    return after


@contextmanager
def waiting(service: Service, after: int) -> Iterator[Future[tuple[dict[str, Any], float]]]:
    """Somebody who waits for what comes, and when they had it."""

    def wait() -> tuple[dict[str, Any], float]:
        return read(service, after=after, wait=30), time.monotonic()

    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(wait)
        time.sleep(0.7)
        assert not answer.done()
        yield answer


def test_a_purchase_is_read_in_order_page_by_page(service: Service, telegram: SandboxServer) -> None:
    before, ada = newest(service), newcomer(telegram)
    bought = buy(service, telegram, ada, "day_pass")
    got: list[dict[str, Any]] = []
    follow = example_of("follow")
    token = service.token("some-service", "events:read")
    end = follow(service.url, token, before, got.append, 1)

    assert [event["type"] for event in got] == PURCHASE
    assert {event["user_id"] for event in got} == {ada}
    assert got[1]["data"]["charge_id"] == bought.charge_id
    assert [event["sequence"] for event in got] == sorted({event["sequence"] for event in got})
    first = read(service, after=before, limit=1)
    assert first == {"items": got[:1], "last_sequence": got[0]["sequence"]}
    assert read(service, after=first["last_sequence"])["items"] == got[1:]
    assert read(service, after=end) == {"items": [], "last_sequence": end}


@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", "after=9007199254740992", "limit=0", "limit=201", "wait=31", "wait=0.5"]
)
def test_a_question_that_can_t_be_answered_is_refused(service: Service, query: str) -> None:
    with service.as_service("events:read") as client:
        answer = client.get(f"/internal/v1/events?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


def test_who_waits_is_woken_by_what_happens_in_this_process(service: Service, telegram: SandboxServer) -> None:
    after, bob = newest(service), newcomer(telegram)
    with waiting(service, after) as answer:
        buy(service, telegram, bob, "day_pass")
        page, at = answer.result(SLOW_MACHINE_S)
    assert page["items"][0]["user_id"] == bob
    assert at <= time.monotonic()


def test_who_waits_is_woken_by_what_another_process_commits(service: Service) -> None:
    after = newest(service)
    engine = open_engine(service.environment["DATABASE_URL"])
    odd = Notice(type=NoticeType.PAYMENT_QUARANTINED, user_id=UserId(7), at=NOON, data={"charge_id": "odd \0 \ud800 é"})
    with waiting(service, after) as answer:
        with SqlUnitOfWork(engine).begin() as tx:
            tx.feed.add([odd])
        page, _ = answer.result(SLOW_MACHINE_S)
    engine.dispose()
    event = only(page["items"])
    assert (event["type"], event["at"], event["data"]) == (
        "payment.quarantined",
        "2026-11-22T12:00:00Z",
        {"charge_id": "odd \0 \ud800 é"},
    )


def test_who_waits_in_vain_is_told_so(service: Service) -> None:
    after = newest(service)
    assert read(service, after=after, wait=1) == {"items": [], "last_sequence": after}


# Pushed ---------------------------------------------------------------------------------------------------------------


def pushed(endpoint: EndpointServer, user: int) -> Callable[[], list[dict[str, Any]]]:
    """What an endpoint makes of what it gets by the documentation, of that user."""
    verify = example_of("verify")

    def got() -> list[dict[str, Any]]:
        events = [(one.headers["webhook-id"], verify(SECRET, one.headers, one.body)) for one in list(endpoint.got)]
        return [{**event, "id": id} for id, event in events if event["user_id"] == user]

    return got


def test_a_purchase_is_pushed_in_order_and_verified_as_the_documentation_says(
    service: Service, telegram: SandboxServer, endpoint: EndpointServer
) -> None:
    carol = newcomer(telegram)
    buy(service, telegram, carol, "day_pass")
    got = pushed(endpoint, carol)
    eventually(lambda: len(got()) == 3)

    assert [event["type"] for event in got()] == PURCHASE
    assert [event["id"] for event in got()] == [f"evt_{event['sequence']}" for event in got()]
    verify = example_of("verify")
    last = endpoint.got[-1]
    assert verify(NEXT_SECRET, last.headers, last.body)["timestamp"].endswith("Z")
    for changed in (
        {"body": last.body + b" "},
        {"headers": {**last.headers, "webhook-id": "evt_1"}},
        {"headers": {**last.headers, "webhook-timestamp": str(int(time.time()) - 301)}},
        {"headers": {**last.headers, "webhook-signature": "v1,AAAA v1a,BBBB"}},
        {"secret": "whsec_AAAA"},
    ):
        with pytest.raises(ValueError, match=r"not signed|too old"):
            verify(**{"secret": SECRET, "headers": last.headers, "body": last.body, **changed})


def test_what_is_refused_is_pushed_again_under_the_same_id_and_holds_up_its_user(
    service: Service, telegram: SandboxServer, endpoint: EndpointServer
) -> None:
    dave = newcomer(telegram)
    endpoint.answers.append((500, {}))
    buy(service, telegram, dave, "day_pass")
    got = pushed(endpoint, dave)
    eventually(lambda: len(got()) == 4)

    assert [event["type"] for event in got()] == [PURCHASE[0], *PURCHASE]
    assert got()[0] == got()[1]
    warning = only(service.log_lines("event.not_pushed"))
    assert (warning["problem"], warning["attempts"]) == ("answered 500", 1)


def test_one_that_is_gone_is_disabled_shown_enabled_and_caught_up(
    service: Service, telegram: SandboxServer, endpoint: EndpointServer
) -> None:
    eva = newcomer(telegram)
    endpoint.answers.append((410, {}))
    buy(service, telegram, eva, "day_pass")
    eventually(lambda: service.log_lines("endpoint.disabled"))
    got = pushed(endpoint, eva)
    listed = here(service, "events", "endpoints", "--json")
    assert listed.exit_code == 1
    state = only(json.loads(listed.stdout))
    assert (state["address"], state["problem"]) == (endpoint.url, "answered 410: it wants no more")
    id = state["endpoint"]
    metrics = eventually(service.metrics)
    assert metrics[f'event_webhook_disabled{{endpoint="{id}"}}'] == 1
    assert metrics[f'event_webhook_pushes_total{{endpoint="{id}",result="failed"}}'] >= 1
    assert metrics[f'event_webhook_given_up{{endpoint="{id}"}}'] == 0
    doctor = here(service, "doctor")
    assert doctor.exit_code == 1
    assert f"tollgram events enable {id}" in doctor.stdout
    assert "disabled at" in here(service, "events", "endpoints").stdout
    refused = here(service, "events", "replay", id, "--after", "0")
    assert (refused.exit_code, refused.stderr.splitlines()[1]) == (1, f"Run: tollgram events enable {id}")

    assert here(service, "events", "enable", id).exit_code == 0
    eventually(lambda: len(got()) == 4)

    assert [event["type"] for event in got()] == [PURCHASE[0], *PURCHASE]
    eventually(lambda: service.metrics()[f'event_webhook_pending{{endpoint="{id}"}}'] == 0)
    assert here(service, "events", "endpoints").stdout.splitlines()[1].split()[2] == "well"
    assert f"events are pushed to {endpoint.url}" in here(service, "doctor").stdout


def test_events_are_listed_and_replayed_at_the_terminal(
    service: Service, telegram: SandboxServer, endpoint: EndpointServer
) -> None:
    finn = newcomer(telegram)
    buy(service, telegram, finn, "day_pass")
    got = pushed(endpoint, finn)
    eventually(lambda: len(got()) == 3)
    listed = json.loads(here(service, "events", "list", "--user", str(finn), "--json").stdout)
    assert [event["type"] for event in listed] == PURCHASE
    table = here(service, "events", "list", "--after", str(listed[0]["sequence"]), "--user", str(finn)).stdout
    assert [line.split()[-2] for line in table.splitlines()[1:]] == PURCHASE[1:]

    numbers = [event["sequence"] for event in listed]
    two = here(service, "events", "list", "--user", str(finn), "--limit", "2")
    assert [line.split()[0] for line in two.stdout.splitlines()[1:-1]] == [str(number) for number in numbers[1:]]
    assert two.stdout.splitlines()[-1] == f"There are more: tollgram events list --before {numbers[1]} --user {finn}"
    first = here(service, "events", "list", "--user", str(finn), "--before", str(numbers[1]), "--json")
    assert ([event["sequence"] for event in json.loads(first.stdout)], first.stderr) == (numbers[:1], "")
    onward = here(service, "events", "list", "--after", "0", "--limit", "1", "--json")
    oldest = only(json.loads(onward.stdout))["sequence"]
    assert onward.stderr == f"There are more: tollgram events list --after {oldest}\n"
    newest_two = json.loads(here(service, "events", "list", "--limit", "2", "--json").stdout)
    assert newest_two[-1]["sequence"] == newest(service)
    replayed = here(service, "events", "replay", endpoint.url, "--after", str(numbers[0]), "--until", str(numbers[2]))

    assert replayed.stdout.startswith("2 events")
    eventually(lambda: len(got()) == 5)
    assert got()[3:] == got()[1:3]
    unknown = here(service, "events", "replay", "ep_nobody", "--after", "0")
    assert (unknown.exit_code, unknown.stderr.splitlines()[0]) == (1, "There is no such endpoint.")
    last = str(newest(service))
    assert here(service, "events", "list", "--after", last).stdout == "There are no such events.\n"
    assert "from now on" in here(service, "events", "enable", endpoint.url, "--skip").stdout
    told = json.loads(here(service, "events", "replay", endpoint.url, "--after", last, "--json").stdout)
    assert (told["address"], told["events"]) == (endpoint.url, 0)
    again = json.loads(here(service, "events", "enable", endpoint.url, "--json").stdout)
    assert again == {"endpoint": told["endpoint"], "address": endpoint.url, "waiting": 0}


def test_no_secret_of_an_endpoint_is_in_the_log(service: Service) -> None:
    for secret in (SECRET, NEXT_SECRET):
        assert secret.removeprefix("whsec_") not in service.log_text()


def test_a_service_that_stops_lets_nobody_wait(service: Service) -> None:
    """The last of this module: the service is gone after it."""
    after = newest(service)
    done = threading.Event()

    def stop() -> None:
        service.stop()
        done.set()

    with waiting(service, after) as answer:
        begun = time.monotonic()
        stopper = threading.Thread(target=stop)
        stopper.start()
        page, at = answer.result(SLOW_MACHINE_S)
        stopper.join(60)
    assert page == {"items": [], "last_sequence": after}
    assert at - begun < SLOW_MACHINE_S
    assert done.is_set()
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{service.url}/health/live", timeout=5)
