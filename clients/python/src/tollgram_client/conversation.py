"""How a question is asked until it is answered, without any I/O: the shells send and wait, here it is decided what.

A story is a generator. It gives a `Send` or a `Pause` and is given what came of it; what it returns is the result. So
everything that is more than one request is written once, for those who block and those who await.
"""

import json
import logging
import random
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, TypeVar

from tollgram_client import questions
from tollgram_client.answers import Check, EventPage
from tollgram_client.patience import Patience
from tollgram_client.problems import AWAY, Problem, UnexpectedAnswer, Unreachable, problem_of
from tollgram_client.questions import Question, Repeat

T = TypeVar("T")
AGAIN: Final = frozenset({429, 502, 503, 504})
CHANGED_NOTHING: Final = frozenset({"rate_limited", "unavailable"})
log = logging.getLogger("tollgram_client")


@dataclass(frozen=True, slots=True)
class Send:
    question: Question[Any]
    timeout_s: float
    connect_timeout_s: float


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


@dataclass(frozen=True, slots=True)
class Received:
    """`headers` have lower case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer. `sent`: whether the request may have arrived."""

    why: str
    sent: bool


Step = Send | Pause
Outcome = Received | Lost | None
Story = Generator[Step, Outcome, T]


class Passports(Protocol):
    """What `tollgram_client.passports` has: answers that need no call."""

    def allowed(self, talk: "Conversation", user_id: int, feature: str) -> Story[bool]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """`clock` gives Unix seconds; `chance` numbers from 0 to 1."""

    patience: Patience
    passports: Passports | None = None
    clock: Callable[[], float] = time.time
    chance: Callable[[], float] = random.random

    @property
    def impatient(self) -> "Conversation":
        """For what can do without an answer."""
        patience = self.patience
        return replace(self, patience=replace(patience, attempts=1, timeout_s=min(patience.timeout_s, 2.0)))

    def ask(self, question: Question[T]) -> Story[T]:
        """Raises TollgramError."""
        patience, attempt = self.patience, 0
        while True:
            attempt += 1
            timeout_s = patience.timeout_s + question.longer_s
            outcome = yield Send(question, timeout_s, patience.connect_timeout_s)
            match outcome:
                case Received(status=status) if 200 <= status < 300:
                    return _read(question, outcome)
                case Received():
                    error: Problem | Unreachable = problem_of(outcome.status, outcome.headers, outcome.body)
                case Lost():
                    error = Unreachable(outcome.why, may_be_done=outcome.sent)
                case _:
                    raise AssertionError("what is sent is answered or lost")
            asked_for_s = error.retry_after_s if isinstance(error, Problem) else None
            pause_s = patience.pause_s(attempt, asked_for_s, self.chance)
            if pause_s is None or not _may_repeat(question, outcome, error):
                raise error
            yield Pause(pause_s)

    def allowed(self, user_id: int, feature: str) -> Story[bool]:
        if self.passports is not None:
            return (yield from self.passports.allowed(self, user_id, feature))
        return (yield from self.ask(questions.check(user_id, feature, None, explain=False))).allowed

    def check_many(self, asked: Sequence[tuple[int, str]]) -> Story[list[Check]]:
        found: list[Check] = []
        for begin in range(0, len(asked), questions.AT_ONCE):
            answer = yield from self.ask(questions.checks(asked[begin : begin + questions.AT_ONCE]))
            found += answer.results
        return found

    def next_events(self, after: int, wait_s: int, page_size: int) -> Story[EventPage]:
        """However long the service is away; a log line tells of it."""
        failed = 0
        while True:
            try:
                page = yield from self.ask(questions.events(after, wait_s, page_size))
            except AWAY as problem:
                failed += 1
                pause_s = self.patience.backed_off_s(failed, self.chance)
                asked_for_s = problem.retry_after_s if isinstance(problem, Problem) else None
                log.warning("events after %d can't be read, trying again: %s", after, problem)
            else:
                if wait_s and not page.items:  # who stops, or has too many who wait, may answer at once
                    yield Pause(self.patience.backed_off_s(1, self.chance))
                return page
            yield Pause(max(pause_s, asked_for_s or 0))


def _may_repeat(question: Question[Any], outcome: Received | Lost, error: Problem | Unreachable) -> bool:
    if isinstance(outcome, Lost):
        return question.repeat is Repeat.ALWAYS or not outcome.sent
    if question.repeat is Repeat.IF_NOT_DONE:
        # A proxy's answer says nothing of what became of the request behind it.
        return _by_tollgram(outcome) and isinstance(error, Problem) and error.code in CHANGED_NOTHING
    return outcome.status in AGAIN


def _by_tollgram(answer: Received) -> bool:
    return answer.headers.get("content-type", "").startswith("application/problem+json")


def _read(question: Question[T], answer: Received) -> T:
    try:
        return question.read(json.loads(answer.body))
    except (ValueError, RecursionError) as problem:
        # What json says of a text that is none quotes it nowhere but in an attribute, which is not kept.
        why = "it is no JSON" if isinstance(problem, json.JSONDecodeError | UnicodeDecodeError) else str(problem)
    raise UnexpectedAnswer(
        status=answer.status,
        code=UnexpectedAnswer.of_code,
        detail=f"This answer can't be read: {why}.",
        request_id=answer.headers.get("x-request-id"),
    )
