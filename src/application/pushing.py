"""Pushing events to one endpoint: each at least once, in order per user, with patience, and given up visibly.

What an endpoint refuses holds up only later events of the same user there. While the endpoint itself is out of reach
it is knocked at now and then, and nothing counts against the events. After three days of nothing but failures it is
disabled, and so it is at once where it says that it is gone.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from application.feed import number
from application.ports.pushes import Endpoint, EndpointState, Gone, NotTaken, Push, PushOutcome, Receiver, Taken
from application.ports.surroundings import Clock, Journal
from application.ports.trail import TrailEntry
from application.ports.work import Transaction, UnitOfWork
from domain.errors import Conflict, InvalidRequest
from domain.events import EndpointDisabled, Event, NoticeNotPushed, NoticePushed
from domain.ids import BotName

MOST_WAITING = 1000
"""As many are taken from the feed for an endpoint; the others wait there. Behind one that was refused, later ones of
its user do not count: one user would hold up all others."""
MOST_HELD_UP = 5000
"""With these, no more are taken from the feed than so many."""
MOST_REPLAYED = 1000
"""At once: each claim looks at all that wait."""
TAKEN_AT_ONCE = 200
AT_ONCE = 4
"""Pushes under way to one endpoint, over all processes."""
LEASE = timedelta(seconds=60)
TRIED_FOR = timedelta(days=3)
FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(minutes=100)
"""With what chance may add, nothing waits for more than two hours: what lies further ahead, a wrong clock noted."""
FIRST_KNOCK = timedelta(seconds=2)
LONGEST_KNOCK = timedelta(minutes=1)
MOST_ASKED_FOR = timedelta(hours=1)
JITTER = 0.2
DOUBLINGS = 12


@dataclass(frozen=True, slots=True)
class PushEvents:
    """Push one event to that endpoint. `chance` gives numbers from 0 to 1, so that not all come back at once."""

    work: UnitOfWork
    clock: Clock
    receiver: Receiver
    journal: Journal
    endpoint: Endpoint
    chance: Callable[[], float]

    def __call__(self) -> int:
        """How many were taken up: one or none."""
        number(self.work, self.clock)
        if not self._worth_a_look():
            return 0
        with self.work.begin() as tx:
            push = self._claim(tx, self.clock.now())
        if push is None:
            return 0
        try:
            outcome = self.receiver.push(self.endpoint, push.event, self.clock.now())
        except Exception as fault:  # ours: it is tried again as if the endpoint had refused it
            self._note(push, NotTaken(problem=type(fault).__name__, out_of_reach=False))
            raise
        self._note(push, outcome)
        return 1

    def _worth_a_look(self) -> bool:
        """Without taking a lock that others may want."""
        with self.work.look() as tx:
            state = tx.pushes.of(self.endpoint.id)
            if state is None:
                return True
            if state.disabled_at is not None:
                return False
            now = self.clock.now()
            if not _rests(state, now) and tx.pushes.due(self.endpoint.id, now):
                return True
            return tx.feed.newest() > state.position and _has_room(tx, self.endpoint)

    def _claim(self, tx: Transaction, now: datetime) -> Push | None:
        # Who is new here gets what happens from now on.
        state = tx.pushes.take(self.endpoint.id, now, position=tx.feed.newest())
        if state.disabled_at is not None:
            return None
        if _has_room(tx, self.endpoint):
            events = tx.feed.after(state.position, limit=TAKEN_AT_ONCE)
            tx.pushes.add(self.endpoint.id, [event for event in events if self.endpoint.wants(event.notice)], now)
            if events:
                state = replace(state, position=events[-1].sequence)
                tx.pushes.move(state)
        if _rests(state, now):
            return None
        at_once = 1 if state.failures else AT_ONCE
        return tx.pushes.claim(self.endpoint.id, now, at_once=at_once, lease=LEASE)

    def _note(self, push: Push, outcome: PushOutcome) -> None:
        with self.work.begin() as tx:
            now = self.clock.now()
            state = tx.pushes.take(self.endpoint.id, now, position=push.event.sequence)
            match outcome:
                case Taken():
                    tx.pushes.done(push)
                    why = state.problem if state.disabled_at else None  # by another push, at the same time
                    # Another push may have been asked meanwhile to wait.
                    rest = state.due_at if _rests(state, now) else now
                    tx.pushes.move(
                        replace(state, failures=0, failing_since=None, pushed_at=now, due_at=rest, problem=why)
                    )
                    events: list[Event] = [_pushed(push)]
                case Gone():
                    tx.pushes.release(push, now)
                    events = [_not_pushed(push, outcome.problem), *self._disable(tx, state, outcome.problem, now)]
                case NotTaken():
                    events = self._refused(tx, push, state, outcome, now)
                case _:
                    assert_never(outcome)
        self.journal.record(*events)

    def _refused(
        self, tx: Transaction, push: Push, state: EndpointState, refusal: NotTaken, now: datetime
    ) -> list[Event]:
        problem = refusal.problem
        failing_since = state.failing_since or now
        state = replace(state, failing_since=failing_since, problem=problem)
        since = push.failing_since or now
        # What is refused where nothing is taken any more is kept for when it is enabled.
        disabled = state.disabled_at is not None or now - failing_since > TRIED_FOR
        given_up = False
        if refusal.out_of_reach:
            tx.pushes.release(push, now)  # behind the others: another knocks next
            failures = state.failures + 1
            state = replace(state, failures=failures, due_at=now + self._pause(failures, FIRST_KNOCK, LONGEST_KNOCK))
        elif now - since > TRIED_FOR and not disabled:
            given_up = True
            tx.pushes.give_up(push, now, problem)
        else:
            due_at = now + self._pause(push.attempts, FIRST_PAUSE, LONGEST_PAUSE)
            tx.pushes.retry(push, due_at, failing_since=since, problem=problem)
        if refusal.after is not None:
            state = replace(state, due_at=max(state.due_at, now + min(refusal.after, MOST_ASKED_FOR)))
        events: list[Event] = [_not_pushed(push, problem, given_up=given_up)]
        if disabled:
            return [*events, *self._disable(tx, state, problem, now)]
        tx.pushes.move(state)
        return events

    def _disable(self, tx: Transaction, state: EndpointState, problem: str, now: datetime) -> list[Event]:
        tx.pushes.move(replace(state, disabled_at=state.disabled_at or now, problem=problem))
        return [] if state.disabled_at else [EndpointDisabled(endpoint=self.endpoint.id, problem=problem)]

    def _pause(self, attempts: int, first: timedelta, longest: timedelta) -> timedelta:
        """Twice as long each time, and a little more or less by chance."""
        plain = min(first * (1 << min(attempts - 1, DOUBLINGS)), longest)
        return plain * (1 - JITTER + 2 * JITTER * self.chance())


@dataclass(frozen=True, slots=True)
class EnableEndpoint:
    """Push to an endpoint again that was disabled, or that shall not wait any longer."""

    work: UnitOfWork
    clock: Clock

    def __call__(self, endpoint: Endpoint, *, skip: bool = False, actor: str | None = None) -> int:
        """How many events wait for it. `skip`: those up to now are let go of. An `actor` goes on the audit trail."""
        number(self.work, self.clock)
        with self.work.begin() as tx:
            now = self.clock.now()
            newest = tx.feed.newest()
            state = tx.pushes.take(endpoint.id, now, position=newest)
            if skip:
                tx.pushes.forget(endpoint.id)
            else:
                tx.pushes.wake(endpoint.id, now)
            tx.pushes.move(
                EndpointState(
                    id=state.id,
                    position=newest if skip else state.position,
                    due_at=now,
                    pushed_at=state.pushed_at,
                )
            )
            if actor is not None:
                note = f"{endpoint.id}, what waited let go of" if skip else endpoint.id
                tx.trail.add([_decided("endpoint_enabled", actor, note, now)])
            return tx.pushes.waiting(endpoint.id)


@dataclass(frozen=True, slots=True)
class ReplayEvents:
    """Push events once more to an endpoint: what it had, and what was given up."""

    work: UnitOfWork
    clock: Clock

    def __call__(self, endpoint: Endpoint, *, after: int, until: int, actor: str | None = None) -> int:
        """How many of those with numbers above `after`, up to `until`, that it wants. Raises InvalidRequest where
        these are too many at once, or so many wait already, and Conflict where the endpoint is disabled: they would
        only wait. An `actor` goes on the audit trail before any of them is pushed."""
        self._check(endpoint, after, until)
        again, decided = 0, f"{endpoint.id}, numbers above {after} up to {until}"
        while True:
            with self.work.begin() as tx:
                now = self.clock.now()
                state = tx.pushes.take(endpoint.id, now, position=tx.feed.newest())
                if state.disabled_at is not None:
                    raise Conflict("This endpoint is disabled; enable it first.")
                if actor is not None:
                    tx.trail.add([_decided("events_replayed", actor, decided, now)])
                    actor = None
                page = tx.feed.after(after, limit=TAKEN_AT_ONCE)
                # What it has not taken from the feed yet will come by itself.
                end = min(until, state.position)
                wanted = [event for event in page if event.sequence <= end and endpoint.wants(event.notice)]
                tx.pushes.add(endpoint.id, wanted, now)
            again += len(wanted)
            if not page or page[-1].sequence >= end:
                return again
            after = page[-1].sequence

    def _check(self, endpoint: Endpoint, after: int, until: int) -> None:
        with self.work.look() as tx:
            if not _has_room(tx, endpoint):
                raise InvalidRequest(
                    "So many events wait for this endpoint already; replay others once it has taken these."
                )
            state = tx.pushes.of(endpoint.id)
            end = min(until, tx.feed.newest() if state is None else state.position)
        wanted = 0
        while after < end:
            with self.work.look() as tx:
                page = tx.feed.after(after, limit=TAKEN_AT_ONCE)
            for event in page:
                wanted += event.sequence <= end and endpoint.wants(event.notice)
                if wanted > MOST_REPLAYED:
                    raise InvalidRequest(
                        f"These are more than {MOST_REPLAYED} events, which is the most at once. Replay those up to "
                        f"{after} first, and go on after {after} once the endpoint has taken them."
                    )
                after = event.sequence


def _decided(kind: str, actor: str, note: str, now: datetime) -> TrailEntry:
    """No bot has to do with it."""
    return TrailEntry(kind=kind, bot=BotName(""), at=now, actor=actor, note=note)


def _has_room(tx: Transaction, endpoint: Endpoint) -> bool:
    return tx.pushes.not_held_up(endpoint.id) < MOST_WAITING and tx.pushes.waiting(endpoint.id) < MOST_HELD_UP


def _rests(state: EndpointState, now: datetime) -> bool:
    """Whether it is left alone; what lies further ahead was noted by a clock that was set back since."""
    return now < state.due_at <= now + MOST_ASKED_FOR


def _pushed(push: Push) -> NoticePushed:
    return NoticePushed(endpoint=push.endpoint, sequence=push.event.sequence, attempts=push.attempts)


def _not_pushed(push: Push, problem: str, *, given_up: bool = False) -> NoticeNotPushed:
    return NoticeNotPushed(
        endpoint=push.endpoint,
        sequence=push.event.sequence,
        attempts=push.attempts,
        problem=problem,
        given_up=given_up,
    )
