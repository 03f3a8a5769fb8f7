"""Everything that the client can ask, asked of a running service, blocking and awaited."""

import itertools
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.passports.rotation import rotate
from clients.python.tests.flaky import Flaky, done_and_dropped, dropped
from clients.python.tests.shells import Opened
from tests.integration.buying import buy, newcomer
from tests.integration.conftest import set_webhook
from tests.integration.sandbox_server import SandboxServer
from tests.integration.service import Service, eventually, only
from tollgram_client import (
    AlreadyEntitled,
    Forbidden,
    IdempotencyMismatch,
    InvalidRequest,
    NotFound,
    Tollgram,
    Unauthenticated,
    UnknownPlan,
    Unreachable,
)
from tollgram_client.passports import PassportCheck

SCOPES = ("entitlements:read", "entitlements:write", "payments:read", "payments:refund", "events:read")
README = Path(__file__).parents[1] / "README.md"
NUMBERS = itertools.count(5_000_001)


@pytest.fixture(scope="module")
def telegram() -> Iterator[SandboxServer]:
    with SandboxServer(time_scale=0.05, messages_per_second=1000, chat_messages_per_second=1000, chat_burst=1000) as it:
        yield it


@pytest.fixture(scope="module")
def service(telegram: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("client")
    rotate(folder / "keys.json", datetime.now(UTC))
    with Service(folder, telegram.url, {"PASSPORT_KEYS": str(folder / "keys.json")}) as running:
        set_webhook(telegram, running)
        yield running


@pytest.fixture
def client(opened: Opened, service: Service) -> Tollgram:
    return opened(service.url, service.token("some-service", *SCOPES))


@pytest.fixture
def user_id() -> int:
    """Of somebody whom nobody knows yet."""
    return next(NUMBERS)


def test_a_purchase_is_seen_in_every_way(client: Tollgram, service: Service, telegram: SandboxServer) -> None:
    ada, before = newcomer(telegram), datetime.now(UTC)
    last = max((event.sequence for event in client.events(follow=False)), default=0)
    bought = buy(service, telegram, ada, "gold_1m")
    check = client.check(ada, "signals", explain=True)
    assert check.because is not None
    reason = only(check.because)
    payment = only(list(client.payments(user_id=ada, since=before - timedelta(hours=1))))

    assert client.allowed(ada, "signals")
    assert (check.allowed, check.plan_code, check.limits) == (True, "gold_1m", {"max_devices": 3})
    assert check.expires_at is not None
    assert check.expires_at > before + timedelta(days=27)
    assert (reason.payment.charge_id, reason.payment.amount) == (bought.charge_id, 1250)
    assert client.check(ada, "signals").because is None
    assert not client.check(ada, "signals", as_of=before).allowed
    assert only(client.entitlements(ada)).entitlement_id == reason.entitlement_id == payment.entitlement_id
    assert client.entitlements(ada, as_of=before) == ()
    assert (payment.charge_id, payment.user_id, payment.status) == (bought.charge_id, ada, "granted")
    assert list(client.payments(user_id=ada, status="refunded")) == []
    assert "successful_payment" in str(client.payment(payment.payment_id).provider_response)
    trail = list(client.payment_events(user_id=ada, page_size=1))
    assert {"invoice_issued", "pre_checkout", "successful_payment"} <= {event.kind for event in trail}
    assert [event.event_id for event in trail] == [event.event_id for event in client.payment_events(user_id=ada)]
    told = list(client.events(last, follow=False, page_size=2))
    assert [event.type for event in told] == ["invoice.issued", "payment.settled", "entitlement.granted"]
    assert told[-1].data["entitlement_id"] == reason.entitlement_id

    ordered = client.refund(payment.payment_id, "asked for it")
    assert ordered.status in {"refund_pending", "refunded"}
    assert eventually(lambda: not client.allowed(ada, "signals"))


def test_what_is_given_by_hand_is_given_once_and_taken_once(client: Tollgram, user_id: int) -> None:
    given = client.grant(user_id, "day_pass", "a friend", "2 weeks", idempotency_key=f"key-of-{user_id}")
    again = client.grant(user_id, "day_pass", "a friend", "2 weeks", idempotency_key=f"key-of-{user_id}")

    assert given == again
    assert (given.granted_by, given.reason) == ("some-service", "a friend")
    assert given.expires_at == given.starts_at + timedelta(weeks=2)
    assert client.allowed(user_id, "signals")
    taken = client.revoke(given.entitlement_id, "no friend")
    assert taken.revoked_at is not None
    assert client.revoke(given.entitlement_id, "no friend").revoked_at == taken.revoked_at
    assert not client.allowed(user_id, "signals")


def test_a_grant_whose_answer_was_lost_is_sent_again_and_grants_once(
    opened: Opened, service: Service, flaky: Flaky, user_id: int
) -> None:
    flaky.target = service.url
    flaky.acts.extend([dropped, done_and_dropped])
    client = opened(flaky.url, service.token("some-service", *SCOPES))
    given = client.grant(user_id, "day_pass", "a friend")

    assert len(flaky.got) == 3
    assert only(client.entitlements(user_id)).entitlement_id == given.entitlement_id


def test_more_than_a_thousand_questions_are_asked_in_turn(
    opened: Opened, service: Service, flaky: Flaky, user_id: int
) -> None:
    flaky.target = service.url
    client = opened(flaky.url, service.token("some-service", *SCOPES))
    client.grant(user_id, "day_pass", "a friend")
    asked = [(user_id, "signals"), *((1, f"feature_{number}") for number in range(998)), (2, "x"), (user_id, "signals")]
    answers = client.check_many(iter(asked))

    assert [(one.user_id, one.feature) for one in answers] == asked
    assert [place for place, one in enumerate(answers) if one.allowed] == [0, 1000]
    assert [len(got.json["checks"]) for got in flaky.got[1:]] == [1000, 1]
    assert client.check_many([]) == []


def test_who_follows_the_feed_is_told_what_happens_and_goes_on_where_they_were(
    opened: Opened, service: Service, flaky: Flaky, user_id: int
) -> None:
    flaky.target = service.url
    client = opened(flaky.url, service.token("some-service", *SCOPES))
    last = max((event.sequence for event in client.events(follow=False)), default=0)
    given = client.grant(user_id, "day_pass", "a friend")
    first = next(client.events(last))
    flaky.acts.append(dropped)
    feed = client.events(first.sequence, wait_s=30)
    with ThreadPoolExecutor(1) as threads:
        later = threads.submit(revoke_soon, service, given.entitlement_id)
        second = next(feed)
        later.result()

    assert (first.type, first.user_id) == ("entitlement.granted", user_id)
    assert (second.type, second.data["entitlement_id"]) == ("entitlement.revoked", given.entitlement_id)
    assert second.sequence > first.sequence


def revoke_soon(service: Service, entitlement_id: str) -> None:
    time.sleep(0.3)
    with service.as_service("entitlements:write") as other:
        other.post(
            f"/internal/v1/entitlements/{entitlement_id}/revoke", json={"reason": "no friend"}
        ).raise_for_status()


def test_a_no_says_which_one_it_is(opened: Opened, client: Tollgram, service: Service, user_id: int) -> None:
    with pytest.raises(Unauthenticated) as refused:
        opened(service.url, "no-token").allowed(user_id, "signals")
    assert (refused.value.status, refused.value.code) == (401, "unauthenticated")
    assert refused.value.request_id
    assert refused.value.request_id in str(refused.value)
    with pytest.raises(Forbidden):
        opened(service.url, service.token("some-service", "entitlements:read")).grant(user_id, "day_pass", "a friend")
    with pytest.raises(UnknownPlan):
        client.grant(user_id, "no_such_plan", "a friend")
    with pytest.raises(NotFound):
        client.payment("pay_none")
    with pytest.raises(InvalidRequest) as invalid:
        client.grant(user_id, "day_pass", "")
    assert [mistake.pointer for mistake in invalid.value.errors] == ["/reason"]
    client.grant(user_id, "founder", "a friend", idempotency_key=f"{user_id}")
    with pytest.raises(IdempotencyMismatch):
        client.grant(user_id, "founder", "another reason", idempotency_key=f"{user_id}")
    with pytest.raises(AlreadyEntitled):
        client.grant(user_id, "founder", "a friend")


def test_the_example_of_the_readme_runs(
    service: Service, user_id: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    example = only(re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)[:1])
    assert example.count("\n") <= 12
    monkeypatch.setenv("TOLLGRAM_TOKEN", service.token("some-service", *SCOPES))
    exec(compile(example.replace("http://127.0.0.1:8000", service.url).replace("1001", str(user_id)), "README", "exec"))

    assert capsys.readouterr().out.splitlines()[:2] == ["False", "True"]


class Hands:
    """A clock that only the test puts forward."""

    def __init__(self) -> None:
        self.began = self.now = time.time()

    def __call__(self) -> float:
        return self.now


def test_what_ends_early_is_noticed_though_a_passport_is_kept(
    opened: Opened, client: Tollgram, service: Service, user_id: int
) -> None:
    clock = Hands()
    careful = opened(
        service.url,
        service.token("some-service", "entitlements:read"),
        passports=PassportCheck(issuer=service.url),
        clock=clock,
    )

    def after(seconds: float) -> bool:
        clock.now += seconds
        return careful.allowed(user_id, "signals")

    assert not after(0)
    given = client.grant(user_id, "day_pass", "a friend")
    assert not after(0)
    # A machine may be too slow for whoever is content with what they have.
    assert eventually(lambda: after(6))
    client.revoke(given.entitlement_id, "no friend")
    assert after(0)
    assert eventually(lambda: not after(16))


def test_both_go_on_while_the_service_is_away_and_stop_when_the_passport_expires(
    blocking: Opened, awaited: Opened, service: Service, user_id: int
) -> None:
    clock, token = Hands(), service.token("some-service", *SCOPES)
    both = [
        opened(service.url, token, passports=PassportCheck(issuer=service.url), clock=clock)
        for opened in (blocking, awaited)
    ]
    both[0].grant(user_id, "day_pass", "a friend")
    assert all(client.allowed(user_id, "signals") for client in both)
    service.stop()
    try:
        for client in both:
            with pytest.raises(Unreachable):
                client.check(user_id, "signals")
            for seconds in (0, 200, 280):
                clock.now = clock.began + seconds
                assert client.allowed(user_id, "signals")
                assert not client.allowed(user_id, "copy_trading")
            clock.now = clock.began + 301
            with pytest.raises(Unreachable):
                client.allowed(user_id, "signals")
    finally:
        service.start()
    clock.now = time.time()
    assert all(client.allowed(user_id, "signals") for client in both)
