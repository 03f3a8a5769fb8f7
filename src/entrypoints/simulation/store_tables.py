"""Tables of the simulated store: rows by key, indexes where they are looked up, and a log of all commits.

Rows are values that never change, so that a commit, its undoing and a backup only pass references around.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

Key = TypeVar("Key", bound=Hashable)
Row = TypeVar("Row")


class Index(Generic[Key, Row]):
    """Keys of rows by a value of theirs; rows whose value is None are not in it."""

    __slots__ = ("keys", "name", "of", "unique")

    def __init__(self, name: str, of: Callable[[Row], Hashable | None], *, unique: bool) -> None:
        self.name = name
        self.of = of
        self.unique = unique
        self.keys: dict[Hashable, dict[Key, None]] = {}


class Table(Generic[Key, Row]):
    """What is committed. `numbered` tables count their rows by themselves, and never give a number twice."""

    __slots__ = ("indexes", "name", "rows", "serial", "uniques")

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows: dict[Key, Row] = {}
        self.indexes: list[Index[Key, Row]] = []
        self.uniques: list[Index[Key, Row]] = []
        self.serial = 0

    def index(self, name: str, of: Callable[[Row], Hashable | None], *, unique: bool = False) -> Index[Key, Row]:
        """Rows can be looked up by it; of a unique one there is one row at most for each value."""
        made: Index[Key, Row] = Index(name, of, unique=unique)
        self.indexes.append(made)
        if unique:
            self.uniques.append(made)
        return made

    def next_number(self) -> int:
        self.serial += 1
        return self.serial

    def put(self, key: Key, row: Row | None) -> Row | None:
        """Put it in place of what was there, None for nothing; what was there."""
        old = self.rows.get(key)
        if row is None:
            self.rows.pop(key, None)
        else:
            self.rows[key] = row
        for index in self.indexes:
            before = None if old is None else index.of(old)
            after = None if row is None else index.of(row)
            if before == after:
                continue
            if before is not None:
                keys = index.keys[before]
                del keys[key]
                if not keys:
                    del index.keys[before]
            if after is not None:
                index.keys.setdefault(after, {})[key] = None
        return old


Change = tuple[Table[Any, Any], Any, Any, Any]
"""The table, the key, the row before and the row after; None for no row."""


class Commit(NamedTuple):
    number: int
    at: datetime
    changes: tuple[Change, ...]


@dataclass(slots=True)
class Log:
    """All commits, in order. Undoing the last ones is how the past comes back."""

    commits: list[Commit] = field(default_factory=list)

    def apply(self, writes: Mapping[Table[Any, Any], Mapping[Any, Any]], at: datetime) -> Commit:
        changes = tuple(
            (table, key, table.put(key, row), row) for table, rows in writes.items() for key, row in rows.items()
        )
        commit = Commit(len(self.commits) + 1, at, changes)
        self.commits.append(commit)
        return commit

    def undo(self, keep: int) -> Iterator[Commit]:
        """Forget all but the first `keep`, the last first. Numbers that were given out may be given out again."""
        touched: dict[Table[Any, Any], None] = {}
        while len(self.commits) > keep:
            commit = self.commits.pop()
            for table, key, before, _ in reversed(commit.changes):
                table.put(key, before)
                touched[table] = None
            yield commit
        for table in touched:
            if table.serial:
                table.serial = max(table.rows, default=0)
