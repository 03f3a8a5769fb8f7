"""The feed for other services, and what is pushed from it, over the simulated store."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from application.ports.feed import Feed, NumberedNotice
from application.ports.pushes import EndpointState, Push, Pushes
from domain.ids import UserId
from domain.notices import Notice
from entrypoints.simulation.store_money import Port, claimable
from entrypoints.simulation.store_rows import FeedRow, PushRow

BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LONGEST_LEASE: Final = timedelta(hours=2)


class StoreFeed(Port, Feed):
    __slots__ = ()

    def add(self, notices: Sequence[Notice]) -> None:
        if notices:
            self._s.statement("feed.add")
        for notice in notices:
            id = self._t.feed.next_number()
            self._s.insert(self._t.feed, id, FeedRow(id, notice))

    def unnumbered(self) -> bool:
        self._s.statement("feed.unnumbered")
        return bool(self._s.find(self._t.feed, self._t.feed_unnumbered, True))

    def number(self, now: datetime, *, at_most: int) -> int:
        self._s.statement("feed.number.lock")
        self._s.hold("events")
        last = max(self.newest(), (now - BEGINNING) // _MICROSECOND)
        self._s.statement("feed.number")
        rows = sorted(self._s.find(self._t.feed, self._t.feed_unnumbered, True), key=lambda row: row.id)[:at_most]
        for number, row in enumerate(rows, last + 1):
            self._s.change(self._t.feed, row.id, partial(_numbered, number=number))
        return len(rows)

    def after(self, sequence: int, *, limit: int) -> Sequence[NumberedNotice]:
        self._s.statement("feed.after")
        rows = [
            NumberedNotice(sequence=row.sequence, notice=row.notice)
            for row in self._s.all(self._t.feed)
            if row.sequence is not None and row.sequence > sequence
        ]
        return sorted(rows, key=lambda row: row.sequence)[:limit]

    def newest(self) -> int:
        self._s.statement("feed.newest")
        return max((row.sequence or 0 for row in self._s.all(self._t.feed)), default=0)


def _numbered(row: FeedRow, number: int) -> FeedRow:
    return row._replace(sequence=number)


class StorePushes(Port, Pushes):
    __slots__ = ()

    def take(self, endpoint: str, now: datetime, *, position: int) -> EndpointState:
        self._s.statement("pushes.take.lock")
        self._s.hold(("endpoint", endpoint))
        if known := self.of(endpoint):
            return known
        new = EndpointState(id=endpoint, position=position, due_at=now)
        self._s.insert(self._t.endpoints, endpoint, new)
        return new

    def move(self, state: EndpointState) -> None:
        self._s.statement("pushes.move")
        self._s.change(self._t.endpoints, state.id, lambda _: state)

    def of(self, endpoint: str) -> EndpointState | None:
        self._s.statement("pushes.of")
        return self._s.read(self._t.endpoints, endpoint)

    def add(self, endpoint: str, events: Sequence[NumberedNotice], now: datetime) -> None:
        if events:
            self._s.statement("pushes.add")
        for event in events:
            place = endpoint, event.sequence
            self._s.delete(self._t.pushes, place, lambda row: row.given_up_at is not None)
            push = Push(endpoint=endpoint, event=event, attempts=0)
            self._s.insert(self._t.pushes, place, PushRow(push, due_at=now))

    def waiting(self, endpoint: str) -> int:
        self._s.statement("pushes.waiting")
        return len(self._waiting(endpoint))

    def not_held_up(self, endpoint: str) -> int:
        self._s.statement("pushes.not_held_up")
        waiting = self._waiting(endpoint)
        heads = _oldest_of_each(waiting)
        refused = {user for user, head in heads.items() if head.push.failing_since is not None}
        held_up = sum(row.push.event.notice.user_id in refused for row in waiting) - len(refused)
        return len(waiting) - held_up

    def given_up(self, endpoint: str) -> int:
        self._s.statement("pushes.given_up")
        rows = self._s.all(self._t.pushes)
        return sum(row.push.endpoint == endpoint and row.given_up_at is not None for row in rows)

    def due(self, endpoint: str, now: datetime) -> bool:
        self._s.statement("pushes.due")
        heads = _oldest_of_each(self._waiting(endpoint)).values()
        return any(claimable(row.due_at, row.claimed_until, now, _LONGEST_LEASE) for row in heads)

    def claim(self, endpoint: str, now: datetime, *, at_once: int, lease: timedelta) -> Push | None:
        self._s.statement("pushes.claim")
        waiting = self._waiting(endpoint)
        held = [row for row in waiting if row.claimed_until and now < row.claimed_until <= now + 2 * lease]
        if len(held) >= at_once:
            return None
        due = [row for row in _oldest_of_each(waiting).values() if claimable(row.due_at, row.claimed_until, now, lease)]
        if not due:
            return None
        oldest = min(due, key=lambda row: (row.due_at, row.push.event.sequence))
        taken = replace(oldest.push, attempts=oldest.push.attempts + 1, claimed_until=now + lease)
        self._change(taken, lambda row: row._replace(push=taken, claimed_until=now + lease))
        return taken

    def done(self, push: Push) -> None:
        self._s.statement("pushes.done")
        self._s.delete(self._t.pushes, (push.endpoint, push.event.sequence), lambda row: _is_own(row, push))

    def release(self, push: Push, now: datetime) -> None:
        self._s.statement("pushes.release")

        def let_go(row: PushRow) -> PushRow:
            uncounted = replace(row.push, attempts=max(0, row.push.attempts - 1))
            return row._replace(push=uncounted, due_at=now, claimed_until=None)

        self._change_own(push, let_go)

    def retry(self, push: Push, due_at: datetime, *, failing_since: datetime, problem: str) -> None:
        self._s.statement("pushes.retry")

        def put_off(row: PushRow) -> PushRow:
            failing = replace(row.push, failing_since=failing_since)
            return row._replace(push=failing, due_at=due_at, claimed_until=None, problem=problem)

        self._change_own(push, put_off)

    def give_up(self, push: Push, now: datetime, problem: str) -> None:
        self._s.statement("pushes.give_up")
        self._change_own(push, lambda row: row._replace(given_up_at=now, claimed_until=None, problem=problem))

    def wake(self, endpoint: str, now: datetime) -> None:
        self._s.statement("pushes.wake")

        def anew(row: PushRow) -> PushRow:
            push = replace(row.push, attempts=0, failing_since=None)
            return row._replace(push=push, due_at=now, problem=None)

        for row in self._waiting(endpoint):
            self._change(row.push, anew)

    def forget(self, endpoint: str) -> int:
        self._s.statement("pushes.forget")
        waiting = self._waiting(endpoint)
        for row in waiting:
            self._s.delete(self._t.pushes, (endpoint, row.push.event.sequence), lambda row: row.given_up_at is None)
        return len(waiting)

    def _waiting(self, endpoint: str) -> list[PushRow]:
        rows = [row for row in self._s.all(self._t.pushes) if row.push.endpoint == endpoint and not row.given_up_at]
        return sorted(rows, key=lambda row: row.push.event.sequence)

    def _change(self, push: Push, how: Callable[[PushRow], PushRow]) -> None:
        place = push.endpoint, push.event.sequence
        self._s.change(self._t.pushes, place, lambda row: how(row) if row.given_up_at is None else None)

    def _change_own(self, push: Push, how: Callable[[PushRow], PushRow]) -> None:
        place = push.endpoint, push.event.sequence
        self._s.change(self._t.pushes, place, lambda row: how(row) if _is_own(row, push) else None)


def _oldest_of_each(waiting: Sequence[PushRow]) -> Mapping[UserId, PushRow]:
    heads: dict[UserId, PushRow] = {}
    for row in waiting:
        heads.setdefault(row.push.event.notice.user_id, row)
    return heads


def _is_own(row: PushRow, push: Push) -> bool:
    return row.given_up_at is None and row.claimed_until == push.claimed_until
