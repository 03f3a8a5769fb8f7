"""Many ask at once, in threads and in tasks, and nobody is refused over what somebody else is still waiting for."""

import asyncio
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from clients.python.tests.flaky import Answer, Flaky, Got
from clients.python.tests.shells import QUICK, UNREAD_CERTIFICATES
from clients.python.tests.town import ALICE, AWAY, BOB, KEYS, LIST, PASSPORT, Town
from tollgram_client import AsyncTollgram, PassportRefused, Tollgram
from tollgram_client.conversation import Outcome, Pause, Received, Send, Story
from tollgram_client.passports import PassportCheck
from tollgram_client.questions import Question

MANY = 8


@pytest.fixture
def town() -> Town:
    return Town()


def until(what: str, town: Town, story: Story[bool]) -> Outcome:
    """Tells that story up to where it has asked for this, and gives the answer that is on its way."""
    outcome: Outcome = None
    while True:
        step = story.send(outcome)
        outcome = town.told(step) if isinstance(step, Send) else None
        if isinstance(step, Send) and step.question.path.endswith(what):
            return outcome


def test_whoever_finds_others_asking_for_the_keys_asks_too(town: Town) -> None:
    first = town.story()
    keys = until(KEYS, town, first)
    assert [town.allowed(user_id=BOB), town.asked] == [True, [PASSPORT, KEYS]]
    assert town.lived(first, keys)


def test_keys_that_come_late_do_not_replace_newer_ones(town: Town) -> None:
    first = town.story()
    old = until(KEYS, town, first)
    town.key_id, town.key = "k2", Ed25519PrivateKey.generate()
    assert town.allowed(user_id=BOB)
    with pytest.raises(PassportRefused, match="not published"):
        town.lived(first, old)
    assert [town.allowed(user_id=BOB), town.asked] == [True, []]


def test_a_new_key_is_known_though_others_were_looked_up_a_moment_ago(town: Town) -> None:
    town.allowed()
    town.key_id, town.key = "k2", Ed25519PrivateKey.generate()
    assert [town.allowed(user_id=BOB), town.asked] == [True, [PASSPORT, KEYS]]


def test_after_a_rotation_by_compromise_nobody_is_refused_while_others_look_up_the_new_key(town: Town) -> None:
    town.allowed()
    town.allowed(user_id=BOB)
    town.key_id, town.key = "k2", Ed25519PrivateKey.generate()
    town.now += 15
    first = town.story()
    keys = until(KEYS, town, first)
    town.now += 240
    assert [town.allowed(user_id=BOB), town.asked] == [True, [LIST, KEYS, PASSPORT]]
    assert town.lived(first, keys)


def test_old_keys_are_looked_up_by_one_while_others_go_on_with_them(town: Town) -> None:
    town.check.list_every_s = None
    town.allowed()
    town.now += 301
    first = town.story()
    keys = until(KEYS, town, first)
    assert [town.allowed(user_id=BOB), town.asked] == [True, [PASSPORT]]
    assert town.lived(first, keys)
    town.now += 299
    assert [town.allowed(), town.asked] == [True, [PASSPORT]]


def test_whoever_gives_up_waiting_for_keys_leaves_that_to_the_next(town: Town) -> None:
    town.check.list_every_s = None
    town.allowed()
    town.now += 301
    first = town.story()
    until(KEYS, town, first)
    first.close()
    assert [town.allowed(), town.asked] == [True, [PASSPORT, KEYS]]


def test_while_one_gets_the_next_passport_others_go_on_with_the_one_that_is_kept(town: Town) -> None:
    town.check.list_every_s = None
    town.allowed()
    town.now += 240
    first = town.story()
    passport = until(PASSPORT, town, first)
    assert [town.allowed(), town.asked] == [True, []]
    town.now += 60
    assert [town.allowed(), town.asked] == [True, [PASSPORT, KEYS]]
    assert town.lived(first, passport)


def test_while_the_service_hangs_nobody_waits_but_the_one_who_asked(town: Town) -> None:
    town.check.list_every_s = None
    town.allowed()
    town.now += 240
    first = town.story()
    until(PASSPORT, town, first)
    assert [town.allowed(), town.asked] == [True, []]
    assert town.lived(first, AWAY)
    assert [town.allowed(), town.asked] == [True, []]


@pytest.mark.parametrize("feature", ["signals", "copy_trading"])
def test_without_a_yes_that_is_kept_it_is_waited_for_whoever_asked_first(town: Town, feature: str) -> None:
    if feature != "signals":
        town.allowed()
        town.now += 5
        town.features.append(feature)
    first, second = town.story(feature), town.story(feature)
    passport = until(PASSPORT, town, first)
    town.asked = []
    assert isinstance(second.send(None), Pause)
    assert isinstance(second.send(None), Pause)
    assert town.lived(first, passport)
    town.asked = []
    assert town.lived(second)
    assert town.asked == []


def test_whoever_has_waited_for_another_in_vain_asks(town: Town) -> None:
    first = town.story()
    passport = until(PASSPORT, town, first)
    assert [town.allowed(), town.asked] == [True, [PASSPORT, KEYS]]
    assert town.lived(first, passport)


def test_whoever_gives_up_waiting_for_a_passport_leaves_that_to_the_next(town: Town) -> None:
    first = town.story()
    until(PASSPORT, town, first)
    first.close()
    story = town.story()
    town.asked = []
    assert isinstance(story.send(None), Send)


class Counter:
    """That service over HTTP. `held`: what is answered once MANY have asked for it or half a second has gone."""

    def __init__(self, town: Town, held: str) -> None:
        self.town, self.held, self.together = town, held, threading.Barrier(MANY)
        self.lock = threading.Lock()

    def __call__(self, _flaky: Flaky, got: Got) -> Answer:
        path = got.path.partition("?")[0]
        asked: Question[Any] = Question(
            method=got.method, path=path, read=json.loads, open="authorization" not in got.headers
        )
        with self.lock:
            told = self.town.told(Send(asked, 1, 1))
        if path.endswith(self.held):
            with suppress(threading.BrokenBarrierError):
                self.together.wait(0.5)
        assert isinstance(told, Received)
        return Answer(told.status, told.body, told.headers)


def in_threads(url: str, passports: PassportCheck, clock: Callable[[], float], users: list[int]) -> list[bool]:
    with httpx.Client(verify=UNREAD_CERTIFICATES, trust_env=False) as http:
        client = Tollgram(url, "a-token", passports=passports, http=http, patience=QUICK, clock=clock)
        with ThreadPoolExecutor(len(users)) as threads:
            return list(threads.map(lambda user_id: client.allowed(user_id, "signals"), users))


def in_tasks(url: str, passports: PassportCheck, clock: Callable[[], float], users: list[int]) -> list[bool]:
    async def ask() -> list[bool]:
        async with httpx.AsyncClient(verify=UNREAD_CERTIFICATES, trust_env=False) as http:
            client = AsyncTollgram(url, "a-token", passports=passports, http=http, patience=QUICK, clock=clock)
            return list(await asyncio.gather(*(client.allowed(user_id, "signals") for user_id in users)))

    return asyncio.run(ask())


Together = Callable[[str, PassportCheck, Callable[[], float], list[int]], list[bool]]
both_shells = pytest.mark.parametrize("together", [in_threads, in_tasks])


@both_shells
def test_the_first_questions_of_many_are_all_answered(town: Town, flaky: Flaky, together: Together) -> None:
    flaky.acts.extend([Counter(town, KEYS)] * 2 * MANY)

    assert together(flaky.url, town.check, lambda: town.now, list(range(1, MANY + 1))) == [True] * MANY


@both_shells
def test_of_many_who_ask_about_one_user_one_calls(town: Town, flaky: Flaky, together: Together) -> None:
    flaky.acts.extend([Counter(town, PASSPORT)] * 2 * MANY)

    for later in (0, 240):
        town.now += later
        town.asked = []
        assert together(flaky.url, town.check, lambda: town.now, [ALICE] * MANY) == [True] * MANY
        assert town.asked.count(PASSPORT) == 1
