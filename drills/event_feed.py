"""Other services read the feed while eight write it: nobody misses an event, and each user's come in order."""

import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from adapters.clock import SystemClock
from adapters.sql.engine import open_engine
from adapters.sql.migrate import upgrade
from adapters.sql.work import SqlUnitOfWork
from application.feed import ReadFeed
from application.ports.feed import NumberedNotice
from application.ports.work import UnitOfWork
from domain.errors import Unavailable
from domain.ids import UserId
from domain.notices import Notice, NoticeType
from drills.stage import Figures, Stage, Violated
from tests.postgres import running_postgres

WRITERS: Final = 8
USERS: Final = 40
MOST_AT_ONCE: Final = 5
UNDONE: Final = 0.05
SLOW: Final = 0.02
SLOW_S: Final = 0.05
LONG_S: Final = 1.0
PAGES: Final = (200, 37)
"""How many events each reader asks for."""


class Undone(Exception):
    """A transaction that breaks off."""


@dataclass
class Writers:
    """Each transaction tells of one user, and how many were told of them before: so the truth is in the events."""

    work: UnitOfWork
    wanted: int
    told: Counter[UserId] = field(default_factory=Counter)
    undone: int = 0
    busy: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _begun: int = 0

    def write(self, seed: int) -> None:
        """One of them: until as many as wanted are committed, over all."""
        chance = random.Random(seed)
        while number := self._share(chance.randint(1, MOST_AT_ONCE)):
            user = UserId(1 + chance.randrange(USERS))
            while not self._tell(user, number, chance):
                continue

    def hold_on(self, stop: threading.Event, long_s: float) -> None:
        """One whose transactions take long: what it tells of becomes visible after much that was written later."""
        user = UserId(USERS + 1)
        while long_s and not stop.is_set():
            self._tell(user, 1, random.Random(0), holds_s=long_s)

    def _share(self, number: int) -> int:
        with self._lock:
            number = min(number, self.wanted - self._begun)
            self._begun += number
            return number

    def _tell(self, user: UserId, number: int, chance: random.Random, *, holds_s: float = 0.0) -> bool:
        undo, counted = chance.random() < UNDONE, 0
        try:
            with self.work.begin() as tx:
                tx.lock(users=[user])
                first = self.told[user] + 1
                tx.feed.add([_notice(user, place) for place in range(first, first + number)])
                if chance.random() < SLOW:
                    time.sleep(SLOW_S)
                if holds_s:
                    time.sleep(holds_s)
                if undo:
                    raise Undone
                # Before the commit, while nobody else has the user.
                counted = number
                self.told[user] += number
        except Undone:
            self.undone += 1
            return False
        except Unavailable:
            self.busy += 1
            self.told[user] -= counted
            return False
        return True


@dataclass
class Reader:
    """Goes on from the last number, and from nothing else."""

    read: ReadFeed
    limit: int
    got: list[NumberedNotice] = field(default_factory=list)
    pages: int = 0

    def follow(self, done: Callable[[], bool]) -> None:
        last = 0
        while True:
            at_the_end = done()  # asked before reading: what was committed by then must be in what is read
            page = self.read(last, self.limit)
            self.pages += 1
            if page:
                self.got += page
                last = page[-1].sequence
            elif at_the_end:
                return
            else:
                time.sleep(0.002)

    def problems(self, told: Counter[UserId]) -> list[str]:
        numbers = [event.sequence for event in self.got]
        of: dict[UserId, list[Any]] = defaultdict(list)
        for event in self.got:
            of[event.notice.user_id].append(event.notice.data["place"])
        wrong = [] if numbers == sorted(set(numbers)) else ["numbers do not rise"]
        wrong += [
            f"user {user}: {len(places)} of {told[user]} events, out of order or missing from {_first_odd(places)} on"
            for user in told | of
            if (places := of[user]) != list(range(1, told[user] + 1))
        ]
        return wrong


def follow_while_written(
    work: UnitOfWork, readers_work: UnitOfWork, size: int, say: Callable[[int], None], *, long_s: float = LONG_S
) -> Figures:
    """`long_s`: how long one more writer's transactions last; 0 where they would keep all others from writing.

    Raises Violated where a reader missed an event, had one twice, or had a user's out of order."""
    writers = Writers(work, size)
    readers = [Reader(ReadFeed(readers_work, SystemClock()), limit) for limit in PAGES]
    written, stop = threading.Event(), threading.Event()
    began = time.monotonic()
    with ThreadPoolExecutor(WRITERS + len(readers) + 1) as threads:
        following = [threads.submit(reader.follow, written.is_set) for reader in readers]
        slow = threads.submit(writers.hold_on, stop, long_s)
        writing = [threads.submit(writers.write, seed) for seed in range(WRITERS)]
        while not all(task.done() for task in writing):
            say(sum(writers.told.values()))
            time.sleep(0.1)
        took = time.monotonic() - began
        stop.set()
        slow.result()
        written.set()
        for task in (*writing, *following):
            task.result()
    wrong = [f"pages of {reader.limit}: {problem}" for reader in readers for problem in reader.problems(writers.told)]
    if wrong:
        raise Violated(f"{len(wrong)} violations\n    " + "\n    ".join(wrong[:20]))
    return {
        "events": sum(writers.told.values()),
        "missing": 0,
        "out of order": 0,
        "transactions undone": writers.undone,
        "refused as busy": writers.busy,
        "pages read": sum(reader.pages for reader in readers),
        "events a second": round(size / took),
    }


def event_feed(stage: Stage, size: int) -> Figures:
    """Readers page the feed on PostgreSQL while eight write it: none missing, each user's in order."""
    with running_postgres() as server, server.database() as url:
        upgrade(url)
        writing, reading = open_engine(url), open_engine(url)
        try:
            return follow_while_written(
                SqlUnitOfWork(writing), SqlUnitOfWork(reading), size, lambda done: stage.progress(done, size, "events")
            )
        finally:
            writing.dispose()
            reading.dispose()


def _notice(user: UserId, place: int) -> Notice:
    return Notice(type=NoticeType.PAYMENT_SETTLED, user_id=user, at=SystemClock().now(), data={"place": place})


def _first_odd(places: list[Any]) -> int:
    return next((number for number, place in enumerate(places, 1) if place != number), len(places) + 1)
