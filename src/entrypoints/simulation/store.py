"""A store for the simulation that behaves as PostgreSQL does under READ COMMITTED, as far as we use it.

Every call of a port is one statement: a point, which sees what is committed and what its own transaction wrote.
A unique constraint makes the second writer wait for the first; a row that another is changing is waited for; locks
are held until the end; who would wait in a ring, or for too long, is told Unavailable.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Final, TypeVar

from application.ports.work import Transaction, UnitOfWork
from domain.errors import Unavailable
from entrypoints.simulation.store_schema import Schema
from entrypoints.simulation.store_tables import Commit, Index, Log, Table
from entrypoints.simulation.world import Task, World

Key = TypeVar("Key", bound=Hashable)
Row = TypeVar("Row")

LOCK_TIMEOUT_S: Final = 3.0
OUT_OF_ORDER: Final = "The database does not do its part. Try again."
EVERYTHING: Final = "the one lock of SQLite"


class Store:
    """What is committed, who holds what, and which transactions are under way."""

    def __init__(self, world: World, *, one_writer: bool = False) -> None:
        """`one_writer`: transactions that write come one after the other, as in SQLite."""
        self.world = world
        self.one_writer = one_writer
        self.tables = Schema()
        self.log = Log()
        self.memory: dict[str, Any] = {}
        """What a planted bug remembers outside of any transaction."""
        self.away = False
        """While it can't be reached, everybody is told Unavailable."""
        self.watchers: list[Callable[[Commit], None]] = []
        """Told of each commit, the moment it is done."""
        self.deadlocks = 0
        self.failures = 0
        """How often a transaction could not go on."""
        self.waits = 0
        self.timeouts = 0
        self.owners: dict[Hashable, Session] = {}
        """Who holds each lock; changed here only."""
        self._waiting: dict[Hashable, list[Task[Any]]] = {}
        self._open: dict[Session, None] = {}

    @property
    def commits(self) -> int:
        return len(self.log.commits)

    def rewind(self, commits: int) -> None:
        """Be as it was after so many commits: a restored backup, or a standby that had not got the last ones.

        Whatever is under way is broken off.
        """
        self.break_off()
        for _ in self.log.undo(commits):
            pass

    def break_off(self) -> None:
        """All connections are gone: whatever is under way leaves nothing."""
        for session in list(self._open):
            session.failed = True
            self._let_go(session)

    # What sessions need -----------------------------------------------------------------------------------------------

    def opened(self, session: "Session") -> None:
        self._open[session] = None

    def commit(self, session: "Session") -> None:
        commit = self.log.apply(session.writes, self.world.now) if session.writes else None
        self.closed(session)
        if commit:
            for watch in self.watchers:
                watch(commit)

    def closed(self, session: "Session") -> None:
        self._open.pop(session, None)
        self._let_go(session)

    def own(self, session: "Session", lock: Hashable) -> None:
        self.owners[lock] = session
        session.locks.append(lock)

    def wait_for(self, session: "Session", lock: Hashable) -> None:
        """Until whoever has it is at its end. Raises Unavailable."""
        task = self.world.current
        other: Session | None = self.owners[lock]
        while other is not None and other.waits_for is not None:
            other = self.owners.get(other.waits_for)
            if other is session:
                self.deadlocks += 1
                session.fail()
        if task is None:
            session.fail()
        self.waits += 1
        waiting = self._waiting.setdefault(lock, [])
        if task is None:
            raise AssertionError("only a task can wait")
        waiting.append(task)
        session.waits_for = lock
        try:
            in_time = self.world.park(LOCK_TIMEOUT_S)
        finally:
            session.waits_for = None
            left = self._waiting.get(lock)
            if left is not None and task in left:
                left.remove(task)
                if not left:
                    del self._waiting[lock]
        if session.failed or not in_time:
            self.timeouts += not in_time
            session.fail()

    def _let_go(self, session: "Session") -> None:
        for lock in session.locks:
            self.owners.pop(lock, None)
        if self._waiting:
            for lock in session.locks:
                for task in self._waiting.pop(lock, ()):
                    self.world.unpark(task)
        session.locks.clear()


class Session:
    """One transaction: its own writes over what is committed, and its locks."""

    __slots__ = ("failed", "locks", "store", "waits_for", "world", "writes", "writing")

    def __init__(self, store: Store, *, writing: bool) -> None:
        self.store = store
        self.world = store.world
        self.writing = writing
        self.writes: dict[Table[Any, Any], dict[Any, Any]] = {}
        self.locks: list[Hashable] = []
        self.waits_for: Hashable | None = None
        self.failed = False

    def statement(self, name: str) -> None:
        """Every call of a port begins here. Raises Unavailable where the store does not do its part."""
        self.world.point(name)
        if self.failed or self.store.away:
            self.fail()

    def fail(self) -> None:
        """As in PostgreSQL, nothing more can be done in this transaction."""
        self.failed = True
        self.store.failures += 1
        raise Unavailable(OUT_OF_ORDER)

    # Reading ----------------------------------------------------------------------------------------------------------

    def read(self, table: Table[Key, Row], key: Key) -> Row | None:
        if not self.writes:
            return table.rows.get(key)
        own = self.writes.get(table)
        if own is not None and key in own:
            row: Row | None = own[key]
            return row
        return table.rows.get(key)

    def find(self, table: Table[Key, Row], index: Index[Key, Row], value: Hashable) -> list[Row]:
        """Rows with that value."""
        keys = index.keys.get(value)
        own: Mapping[Key, Row | None] | None = self.writes.get(table)
        if not own:
            return [table.rows[key] for key in keys] if keys else []
        found = [table.rows[key] for key in keys if key not in own] if keys else []
        found += [row for row in own.values() if row is not None and index.of(row) == value]
        return found

    def all(self, table: Table[Key, Row]) -> Iterator[Row]:
        own = self.writes.get(table)
        if not own:
            yield from list(table.rows.values())
            return
        for key, row in list(table.rows.items()):
            if key not in own:
                yield row
        yield from [row for row in own.values() if row is not None]

    # Writing ----------------------------------------------------------------------------------------------------------

    def hold(self, lock: Hashable) -> bool:
        """Wait for it, and have it until the end; whether it had to be waited for. Raises Unavailable."""
        owners = self.store.owners
        waited = False
        while (owner := owners.get(lock)) is not self:
            if owner is None:
                self.store.own(self, lock)
                break
            self.store.wait_for(self, lock)
            waited = True
        return waited

    def insert(self, table: Table[Key, Row], key: Key, row: Row) -> bool:
        """False where that breaks a unique constraint. Who is writing the same at this moment is waited for."""
        owners = self.store.owners
        values = [(index, value) for index in table.uniques if (value := index.of(row)) is not None]
        places: list[Hashable] = [(table, key), *values]
        while True:
            if self.read(table, key) is not None or any(self.find(table, index, value) for index, value in values):
                return False
            theirs = next((place for place in places if owners.get(place, self) is not self), None)
            if theirs is None:
                break
            self.store.wait_for(self, theirs)
        for place in places:
            if place not in owners:
                self.store.own(self, place)
        self.put(table, key, row)
        return True

    def change(self, table: Table[Key, Row], key: Key, how: Callable[[Row], Row | None]) -> bool:
        """Wait for whoever is changing that row, and put what `how` makes of it as it is then; whether it did.

        `how` gives None where the row is not meant (any more).
        """
        row = self.read(table, key)
        changed = None if row is None else how(row)
        if row is None or changed is None:
            return False
        if self.hold((table, key)):
            row = self.read(table, key)
            changed = None if row is None else how(row)
            if row is None or changed is None:
                return False
        for index in table.uniques:
            value = index.of(row)
            if value is not None and index.of(changed) != value:
                self.hold((index, value))
        self.put(table, key, changed)
        return True

    def delete(self, table: Table[Key, Row], key: Key, when: Callable[[Row], bool]) -> bool:
        row = self.read(table, key)
        if row is None or not when(row):
            return False
        if self.hold((table, key)):
            row = self.read(table, key)
            if row is None or not when(row):
                return False
        for index in table.uniques:
            if (value := index.of(row)) is not None:
                self.hold((index, value))
        self.put(table, key, None)
        return True

    def put(self, table: Table[Key, Row], key: Key, row: Row | None) -> None:
        if not self.writing:
            raise AssertionError("a transaction that only reads was asked to write")
        own = self.writes.get(table)
        if own is None:
            own = self.writes[table] = {}
        own[key] = row


Ports = Callable[[Session], Transaction]
"""What makes the ports of a transaction."""


class StoreUnitOfWork(UnitOfWork):
    """A process's way to the store; `ports` is `StoreTransaction`, or what a test puts in its place."""

    def __init__(self, store: Store, ports: Ports) -> None:
        self._store = store
        self._ports = ports

    def begin(self) -> AbstractContextManager[Transaction]:
        return _Begun(Session(self._store, writing=True), self._ports)

    def look(self) -> AbstractContextManager[Transaction]:
        return _Begun(Session(self._store, writing=False), self._ports)


class _Begun(AbstractContextManager[Transaction]):
    __slots__ = ("_ports", "_session")

    def __init__(self, session: Session, ports: Ports) -> None:
        self._session = session
        self._ports = ports

    def __enter__(self) -> Transaction:
        session = self._session
        session.statement("store.begin")
        session.store.opened(session)
        if session.writing and session.store.one_writer:
            try:
                session.hold(EVERYTHING)
            except BaseException:
                session.store.closed(session)
                raise
        return self._ports(session)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        session = self._session
        if error is not None or not session.writes:
            session.store.closed(session)
            return
        try:
            session.statement("store.commit")
        except BaseException:
            session.store.closed(session)
            raise
        session.store.commit(session)
        # From here on it is committed, whether or not anybody gets to know.
        session.world.point("store.committed")
