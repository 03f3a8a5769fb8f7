"""The kernel of the simulation: time, one heap of events, seeded random sources, and tasks that take turns.

All of it runs in one thread. The unchanged synchronous use cases are interleaved by greenlets: a task goes on until
it comes to a point, an I/O boundary, where others may have their turn, its process may die, or a fault may strike.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from random import Random
from typing import Any, Final, Generic, TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")
BEGINNING: Final = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Died(BaseException):
    """The process died here. Nobody catches it: a dead process does nothing any more."""


class Lost(Exception):
    """Who was asked died before it answered."""


@dataclass(slots=True, eq=False)
class Process:
    """What dies as a whole: when it does, none of its tasks goes on."""

    name: str
    alive: bool = True
    tasks: "dict[Task[Any], None]" = field(default_factory=dict, repr=False)

    def died(self) -> None:
        """Called once its tasks are gone."""


@dataclass(slots=True, eq=False)
class Task(Generic[T]):
    """One line of work. It has a `result`, or an `error` where it raised, once it is `done`."""

    name: str
    process: Process | None
    work: Callable[[], T] = field(repr=False)
    thread: Any = field(default=None, repr=False)
    result: T | None = None
    error: BaseException | None = None
    done: bool = False
    doomed: bool = False
    turn: int = 0
    """Counts how often it was to go on, so that an event that would wake it for what is over finds out."""
    on_end: list[Callable[[], None]] = field(default_factory=list, repr=False)


class World:
    """One seed."""

    def __init__(self, seed: int, *, start: datetime = BEGINNING, story: "Callable[[str], None] | None" = None) -> None:
        """`story` takes the lines that are told, where a trace is wanted."""
        self.seed = seed
        self.now = start
        self.points = 0
        self.boundaries: set[str] = set()
        self.telling = story is not None
        self.strike: Callable[[str, Task[Any]], None] | None = None
        """What faults do at a point, called every `gap` points; set by `Faults`."""
        self.gap: Callable[[], int] = lambda: 1 << 62
        self._until_strike = 1 << 62
        self._story = story
        self._heap: list[tuple[datetime, int, Callable[[], object]]] = []
        self._numbers = 0
        self._randoms: dict[str, Random] = {}
        self._current: Task[Any] | None = None
        self._doomed: list[Process] = []
        self._tasks: dict[Task[Any], None] = {}
        self._idle: list[Any] = []
        """Threads whose task is done, ready for the next: to begin a new one costs ten times as much."""
        self._until = start
        self._hub = getcurrent()

    def random(self, name: str) -> Random:
        """The source of that name: what it gives does not hang on how often others are drawn from."""
        source = self._randoms.get(name)
        if source is None:
            source = self._randoms[name] = Random(f"{self.seed}/{name}")  # noqa: S311 - it must be foreseeable
        return source

    @property
    def current(self) -> Task[Any] | None:
        """The task whose turn it is."""
        return self._current

    # Events -----------------------------------------------------------------------------------------------------------

    def at(self, when: datetime, act: Callable[[], object], name: str = "") -> None:
        """Have it done at that time, or at once where that is past. What is due at once is done in order."""
        self._numbers += 1
        heappush(self._heap, (max(when, self.now), self._numbers, act))

    def after(self, seconds: float, act: Callable[[], object], name: str = "") -> None:
        self.at(self.now + timedelta(seconds=seconds), act, name)

    def run_until(self, when: datetime) -> None:
        """Do all that is due until then, and let the time pass. Raises what a task raised that nobody waits for."""
        self._until = when
        heap = self._heap
        while heap and heap[0][0] <= when:
            due, _, act = heappop(heap)
            self.now = max(self.now, due)
            act()
            while self._doomed:
                self._bury(self._doomed.pop(0))
        self.now = max(self.now, when)

    def run_until_quiet(
        self, quiet: Callable[[], bool], *, within: timedelta, step: timedelta = timedelta(seconds=10)
    ) -> bool:
        """Let time pass until it is quiet, asked every `step`; whether it was in time."""
        end = self.now + within
        while not quiet():
            if self.now >= end:
                return False
            self.run_until(min(end, self.now + step))
        return True

    def end(self) -> None:
        """Nothing goes on any more. A task that still waits would keep all of it in memory for good."""
        for task in list(self._tasks):
            task.doomed = True
            self._resume(task, task.turn)
        for thread in self._idle:
            thread.throw()
        self._idle.clear()
        self._heap.clear()

    # Tasks ------------------------------------------------------------------------------------------------------------

    def spawn(self, name: str, work: Callable[[], T], process: Process | None = None) -> Task[T]:
        """Begin it at once, as a task of that process, once whoever has its turn waits."""
        task: Task[T] = Task(name, process, work)
        self._tasks[task] = None
        if process is not None:
            process.tasks[task] = None
        self.at(self.now, lambda: self._resume(task, 0), name)
        return task

    def call(self, name: str, work: Callable[[], T], process: Process) -> T:
        """Inside a task: have it done by that process, and wait for its end.

        Raises what it raised, and Lost where the process dies over it.
        """
        task = self._current
        if task is None:
            raise RuntimeError("only a task can call")
        caller, task.process = task.process, process
        process.tasks[task] = None
        try:
            return work()
        except Died:
            if caller is not None and not caller.alive:
                raise
            task.doomed = False
            raise Lost(name) from None
        finally:
            process.tasks.pop(task, None)
            task.process = caller

    def wait(self, seconds: float) -> None:
        """Inside a task: let time pass. Outside of any, it passes at once."""
        task = self._current
        then = self.now + timedelta(seconds=seconds)
        if task is None:
            self.run_until(then)
            return
        if task.doomed:
            raise Died(task.name)
        # Nobody else has anything to do until then: there is no need to change turns.
        if then <= self._until and not self._doomed and (not self._heap or self._heap[0][0] > then):
            self.now = then
            return
        turn = task.turn
        self.at(then, lambda: self._resume(task, turn), task.name)
        self._pause(task)

    def park(self, timeout: float | None = None) -> bool:
        """Inside a task: wait to be unparked; False where that did not happen within so many seconds."""
        task = self._current
        if task is None:
            raise RuntimeError("only a task can wait for another")
        turn = task.turn
        if timeout is not None:
            self.after(timeout, lambda: self._resume(task, turn, in_time=False), task.name)
        return self._pause(task)

    def unpark(self, task: Task[Any]) -> None:
        """Have it go on, at the place where it waits now."""
        turn = task.turn
        self.at(self.now, lambda: self._resume(task, turn), task.name)

    def point(self, name: str) -> None:
        """Inside a task, at an I/O boundary: others may have their turn, and whatever may go wrong may do so here.

        Outside of any task nothing happens.
        """
        task = self._current
        if task is None:
            return
        if task.doomed:
            raise Died(task.name)
        self.points += 1
        self.boundaries.add(name)
        self._until_strike -= 1
        if self._until_strike <= 0:
            self._until_strike = self.gap()
            if self.strike is not None:
                self.strike(name, task)

    def strike_within(self, points: int) -> None:
        """Have `strike` called that many points from here."""
        self._until_strike = points

    def kill(self, process: Process) -> None:
        """None of its tasks goes on. Raises Died where the current task is one of them."""
        if process.alive:
            process.alive = False
            for task in process.tasks:
                task.doomed = True
            if self._current is None:
                self._bury(process)
            else:
                self._doomed.append(process)
                # So that it is buried at once even where nothing else is due.
                self.at(self.now, lambda: None, "burial")
        if self._current is not None and self._current.doomed:
            raise Died(process.name)

    # The story --------------------------------------------------------------------------------------------------------

    def tell(self, actor: str, what: str, **facts: object) -> None:
        """A line of the story. Kept only where somebody listens, and changes nothing."""
        if self._story is not None:
            told = "".join(f" {name}={value}" for name, value in facts.items())
            self._story(f"{self.now:%d %H:%M:%S.%f} {actor:<12} {what}{told}")

    # How it is done ---------------------------------------------------------------------------------------------------

    def _serve(self, task: Task[Any]) -> None:
        thread = getcurrent()
        while True:
            self._live(task)
            self._idle.append(thread)
            task = self._hub.switch()

    def _live(self, task: Task[T]) -> None:
        try:
            if not task.doomed:
                task.result = task.work()
            else:
                task.error = Died(task.name)
        except BaseException as error:
            task.error = error
        task.done = True
        del self._tasks[task]
        if task.process is not None:
            task.process.tasks.pop(task, None)
        for tell in task.on_end:
            tell()
        self._current = None
        if task.error is not None and not isinstance(task.error, Died):
            raise task.error

    def _pause(self, task: Task[Any]) -> bool:
        in_time: bool = self._hub.switch()
        if task.doomed:
            raise Died(task.name)
        return in_time

    def _resume(self, task: Task[Any], turn: int, *, in_time: bool = True) -> None:
        if task.done or task.turn != turn:
            return
        task.turn += 1
        self._current = task
        if turn == 0:
            task.thread = self._idle.pop() if self._idle else greenlet(self._serve, parent=self._hub)
            task.thread.switch(task)
        else:
            task.thread.switch(in_time)
        self._current = None

    def _bury(self, process: Process) -> None:
        for task in list(process.tasks):
            # It is told at the place where it waits, and can do nothing more than let go of what it holds.
            if not task.done:
                self._resume(task, task.turn)
        process.tasks.clear()
        process.died()
