"""What may be repeated is asked again after a pause; nothing else is, and nothing tells the token."""

import asyncio
import inspect
import logging
import socket
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from clients.python.tests.flaky import Act, Answer, Flaky, dropped, problem, said
from clients.python.tests.shells import QUICK, Opened
from tollgram_client import (
    AsyncTollgram,
    Conflict,
    Forbidden,
    Patience,
    Problem,
    RateLimited,
    Tollgram,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
)
from tollgram_client.conversation import Conversation, Pause, Received, Send
from tollgram_client.problems import problem_of

YES = {"user_id": 1, "feature": "signals", "allowed": True, "plan_code": "gold", "expires_at": None, "limits": {}}
EVENTS: list[dict[str, Any]] = [
    {"sequence": n, "type": "invoice.issued", "user_id": 1, "data": {}, "at": "2026-11-28T20:00:00Z"} for n in (7, 9)
]
PAYMENT = {
    "payment_id": "pay_1",
    "invoice_id": None,
    "plan_code": None,
    "method": "stars",
    "amount": 75,
    "currency": "XTR",
    "status": "refund_pending",
    "paid_at": "2026-11-28T20:00:00+00:00",
    "refunded_at": None,
    "charge_id": "ch",
    "provider_charge_id": "",
    "user_id": 1,
    "quarantine_reason": None,
    "entitlement_id": None,
}
BY_A_PROXY = Answer(502, b"<h1>Bad Gateway</h1>", {"Content-Type": "text/html"})


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(dropped, id="the connection is dropped"),
        pytest.param(problem(503, "unavailable"), id="503"),
        pytest.param(problem(429, "rate_limited", **{"Retry-After": "0"}), id="429"),
        pytest.param(BY_A_PROXY, id="a proxy's 502"),
    ],
)
def test_a_question_is_asked_again_after(opened: Opened, flaky: Flaky, act: Act) -> None:
    flaky.acts.extend([act, act, said(YES)])
    assert opened(flaky.url).allowed(1, "signals") is True
    assert len(flaky.got) == 3


def test_after_so_many_attempts_it_is_told_what_the_last_one_came_to(opened: Opened, flaky: Flaky) -> None:
    acts: list[Act] = [dropped, dropped, problem(503, "unavailable", **{"X-Request-Id": "req_7"}), *[dropped] * 3]
    flaky.acts.extend(acts)
    with pytest.raises(Unavailable) as away:
        opened(flaky.url).allowed(1, "signals")
    with pytest.raises(Unreachable) as lost:
        opened(flaky.url).check(1, "signals")

    assert len(flaky.got) == 6
    assert (away.value.status, away.value.code, away.value.request_id) == (503, "unavailable", "req_7")
    assert away.value.detail == "It is unavailable."
    assert lost.value.may_be_done is True


@pytest.mark.parametrize(
    ("act", "error"),
    [
        pytest.param(problem(403, "forbidden"), Forbidden, id="no such scope"),
        pytest.param(problem(429, "rate_limited", **{"Retry-After": "31"}), RateLimited, id="longer than one waits"),
        pytest.param(problem(418, "of_tomorrow"), Problem, id="a code of tomorrow"),
        pytest.param(Answer(404, b"nothing here"), UnexpectedAnswer, id="not Tollgram"),
        pytest.param(Answer(302, b"", {"Location": "/elsewhere"}), UnexpectedAnswer, id="a redirect"),
        pytest.param(Answer(200, b"[]"), UnexpectedAnswer, id="another shape"),
        pytest.param(Answer(200, b"\xff"), UnexpectedAnswer, id="no JSON"),
        pytest.param(said({**YES, "allowed": "yes"}), UnexpectedAnswer, id="a yes that is no boolean"),
        pytest.param(said({**YES, "expires_at": "2026-11-28T20:00:00"}), UnexpectedAnswer, id="a time without zone"),
        pytest.param(said({**YES, "expires_at": "soon"}), UnexpectedAnswer, id="no time"),
        pytest.param(said({"allowed": True}), UnexpectedAnswer, id="fields are missing"),
    ],
)
def test_a_no_is_final(opened: Opened, flaky: Flaky, act: Answer, error: type[Problem]) -> None:
    flaky.acts.append(act)
    with pytest.raises(Problem) as refused:
        opened(flaky.url).allowed(1, "signals")
    assert type(refused.value) is error
    assert refused.value.status == act.status
    assert len(flaky.got) == 1


def test_fields_that_nobody_knows_yet_are_left_out(opened: Opened, flaky: Flaky) -> None:
    flaky.acts.append(said({**YES, "mood": "sunny"}))
    assert opened(flaky.url).check(1, "signals").allowed


@pytest.mark.parametrize(
    ("act", "asked"),
    [
        pytest.param(dropped, 1, id="whose answer was lost may be under way"),
        pytest.param(BY_A_PROXY, 1, id="behind a proxy that gave up may be under way"),
        pytest.param(problem(502, "provider_unavailable"), 1, id="that failed at the provider"),
        pytest.param(problem(503, "unavailable"), 2, id="that changed nothing is ordered again"),
    ],
)
def test_a_refund(opened: Opened, flaky: Flaky, act: Act, asked: int) -> None:
    flaky.acts.extend([act, said(PAYMENT)])
    try:
        assert opened(flaky.url).refund("pay_1", "asked for it").status == "refund_pending"
    except (Unreachable, Problem):
        assert asked == 1
    assert len(flaky.got) == asked


def test_what_never_arrived_was_not_done(opened: Opened) -> None:
    with socket.socket() as bound:  # and listens not
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(Unreachable) as lost:
            opened(f"http://127.0.0.1:{bound.getsockname()[1]}").refund("pay_1", "asked for it")
    assert lost.value.may_be_done is False


def test_every_attempt_of_a_grant_bears_the_same_key_and_every_grant_another(opened: Opened, flaky: Flaky) -> None:
    refused = problem(409, "conflict")
    acts: list[Act] = [dropped, refused, dropped, refused, refused]
    flaky.acts.extend(acts)
    client = opened(flaky.url)
    for key in (None, None, "my-own"):
        with pytest.raises(Conflict):
            client.grant(1, "gold_1m", "a friend", idempotency_key=key)
    keys = [got.headers["idempotency-key"] for got in flaky.got]

    assert keys[0] == keys[1] != keys[2] == keys[3]
    assert keys[4] == "my-own"


def test_the_feed_goes_on_through_an_outage_from_where_it_was(
    opened: Opened, flaky: Flaky, caplog: pytest.LogCaptureFixture
) -> None:
    first, last = ({"items": [event], "last_sequence": event["sequence"]} for event in EVENTS)
    away = problem(503, "unavailable", **{"Retry-After": "0"})
    acts: list[Act] = [
        said(first),
        dropped,
        away,
        dropped,
        away,
        dropped,
        away,
        said(last),
        said({"items": [], "last_sequence": 9}),
    ]
    flaky.acts.extend(acts)
    events = opened(flaky.url).events(3, follow=False)

    assert [event.sequence for event in events] == [7, 9]
    assert [got.path.partition("after=")[2].partition("&")[0] for got in flaky.got] == ["3", *"7777777", "9"]
    assert "events after 7 can't be read" in caplog.text


def test_a_service_that_does_not_let_one_wait_is_not_asked_without_a_pause() -> None:
    talk = Conversation(patience=Patience(first_pause_s=1), chance=lambda: 0)
    steps = talk.next_events(7, 20, 100)
    asked = next(steps)
    assert isinstance(asked, Send)
    assert (asked.question.query["wait"], asked.timeout_s) == ("20", 30)
    assert steps.send(Received(200, {}, b'{"items": [], "last_sequence": 7}')) == Pause(1)
    with pytest.raises(StopIteration):
        next(steps)


def test_a_feed_that_refuses_ends(opened: Opened, flaky: Flaky) -> None:
    flaky.acts.append(problem(403, "forbidden"))
    with pytest.raises(Forbidden):
        next(opened(flaky.url).events())


def test_the_token_is_never_told_and_never_sent_elsewhere(
    opened: Opened, flaky: Flaky, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = opened(flaky.url, "eyJ-secret")
    flaky.acts.extend([dropped, dropped, dropped, Answer(307, b"", {"Location": f"{flaky.url}/elsewhere"})])
    told = [repr(client)]
    for _ in range(2):
        with pytest.raises((Unreachable, Problem)) as refused:
            client.allowed(1, "signals")
        told += [repr(refused.value), str(refused.value), repr(refused.value.__context__)]

    assert {got.headers["authorization"] for got in flaky.got} == {"Bearer eyJ-secret"}
    assert [got for got in flaky.got if "elsewhere" in got.path] == []
    assert "eyJ-secret" not in "".join(told) + caplog.text


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "eyJ-sécret"])
def test_a_token_that_can_be_none_is_refused_without_being_told(token: str) -> None:
    for made in (token, lambda: token):
        with pytest.raises(ValueError, match="the token is empty, or holds what no header may"):
            Tollgram("http://127.0.0.1:1", made).allowed(1, "signals")


def test_a_token_may_be_renewed(opened: Opened, flaky: Flaky) -> None:
    tokens = iter(["first", "second"])
    client = opened(flaky.url, lambda: next(tokens))
    flaky.acts.extend([dropped, said(YES)])
    assert client.allowed(1, "signals")
    assert [got.headers["authorization"] for got in flaky.got] == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize("url", ["shop.example", "ftp://shop.example", "https://me:pass@shop.example", "https://"])
def test_an_address_that_can_t_be_meant_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="base_url must be"):
        Tollgram(url, "token")


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda it: it.allowed(True, "signals"), id="a bool for a user"),
        pytest.param(lambda it: it.revoke("..", "no reason"), id="dots for an id"),
        pytest.param(lambda it: it.grant(1, "gold_1m", "a friend", idempotency_key=""), id="an empty key"),
        pytest.param(lambda it: it.grant(1, "gold_1m", "a friend", idempotency_key="sécret"), id="a key not in ASCII"),
        pytest.param(lambda it: it.entitlements(1, datetime(2026, 11, 28)), id="a time without zone"),  # noqa: DTZ001
    ],
)
def test_what_can_t_be_meant_is_not_asked(opened: Opened, flaky: Flaky, ask: Callable[[Tollgram], Any]) -> None:
    with pytest.raises(ValueError, match=r"must be|is none|must bear"):
        ask(opened(flaky.url))
    assert flaky.got == []


def test_names_stay_in_their_place_in_the_path(opened: Opened, flaky: Flaky) -> None:
    flaky.acts.append(said(YES))
    opened(flaky.url).check(1, "a/../b?c#d")
    assert flaky.got[0].path == "/internal/v1/users/1/features/a%2F..%2Fb%3Fc%23d"


def test_answers_to_other_questions_are_refused(opened: Opened, flaky: Flaky) -> None:
    flaky.acts.append(said({"results": [YES]}))
    with pytest.raises(UnexpectedAnswer):
        opened(flaky.url).check_many([(2, "signals")])


def test_pauses_double_up_to_a_limit_and_are_shortened_by_chance() -> None:
    patience = Patience(attempts=6, first_pause_s=1, longest_pause_s=5)
    assert [patience.pause_s(attempt, None, lambda: 0.0) for attempt in range(1, 7)] == [1, 2, 4, 5, 5, None]
    assert patience.pause_s(2, None, lambda: 1.0) == 1
    assert patience.pause_s(1, 30, lambda: 0.0) == 31
    assert patience.pause_s(1, 30.5, lambda: 0.0) is None
    with pytest.raises(ValueError, match="one attempt"):
        Patience(attempts=0)


def test_retry_after_is_read_where_it_tells_seconds() -> None:
    read = {text: problem_of(429, {"retry-after": text}, b"{}").retry_after_s for text in ("7", "-1", "soon", "")}
    assert read == {"7": 7.0, "-1": None, "soon": None, "": None}
    assert type(problem_of(429, {}, b"[" * 100_000)) is RateLimited


def test_mistakes_in_what_was_asked_are_told_with_their_places() -> None:
    told = b'{"code": "invalid_request", "detail": "no", "errors": [{"pointer": "/reason", "detail": "is missing"}, 7]}'
    assert [(one.pointer, one.detail) for one in problem_of(400, {}, told).errors] == [("/reason", "is missing")]


def test_both_shells_have_the_same_methods_with_the_same_parameters() -> None:
    def methods(shell: type) -> dict[str, list[tuple[str, Any]]]:
        return {
            name: [(one.name, one.default) for one in inspect.signature(member).parameters.values()]
            for name, member in vars(shell).items()
            if callable(member) and not name.startswith("_")
        }

    assert methods(Tollgram) == methods(AsyncTollgram)
    assert len(methods(Tollgram)) == 13


def test_a_client_of_one_s_own_connections_closes_them() -> None:
    with Flaky() as flaky:
        flaky.acts.append(said(YES))
        with Tollgram(flaky.url, "token", patience=QUICK) as client:
            assert client.allowed(1, "signals")
        with pytest.raises(RuntimeError, match="closed"):
            client.allowed(1, "signals")


def test_so_does_one_that_is_awaited() -> None:
    async def ask(url: str) -> None:
        async with AsyncTollgram(url, "token", patience=QUICK) as client:
            assert await client.allowed(1, "signals")
        with pytest.raises(RuntimeError, match="closed"):
            await client.allowed(1, "signals")

    with Flaky() as flaky:
        flaky.acts.append(said(YES))
        asyncio.run(ask(flaky.url))
