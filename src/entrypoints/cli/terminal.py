"""What is printed: colour only on a terminal, lines folded only there, and an error in two lines: what, what to do."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Table
from rich.text import Text

WIDTH_OF_NO_TERMINAL = 4096
INDENT = GAP = "  "
Cell = str | Text
Step = Callable[[int, int | None], None]
"""Tells how many are done, and of how many where that is known."""


def console(*, err: bool = False) -> Console:
    """Prints words as they are: what looks like markup in a title is a part of the title."""
    width = None if (sys.stderr if err else sys.stdout).isatty() else WIDTH_OF_NO_TERMINAL
    return Console(stderr=err, width=width, markup=False, emoji=False, highlight=False)


def show_table(table: Table) -> None:
    out = console()
    if out.is_terminal:
        out.print(table)
        return
    with out.capture() as captured:
        out.print(table)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())


@dataclass(slots=True)
class Listing:
    """Rows of short facts under headings, `right` those that are numbers; `below` are the headings of what is long,
    such as the id by which other commands know the row. Where a terminal is too narrow for all of it, that stands on a
    line of its own under its row, so that an id can be copied whole."""

    headings: Sequence[str]
    below: Sequence[str]
    right: frozenset[str] = frozenset()
    _rows: list[tuple[Sequence[Cell], Sequence[str]]] = field(default_factory=list)

    def add(self, *cells: Cell, below: Sequence[str]) -> None:
        self._rows.append((cells, below))

    def show(self) -> None:
        out = console()
        if not out.is_terminal or self._width() <= out.width:
            show_table(self._table(whole=True))
            return
        with out.capture() as captured:
            out.print(self._table(whole=False))
        heading, *lines = captured.get().splitlines()
        out.file.write(f"{heading.rstrip()}\n")
        for line, (_, below) in zip(lines, self._rows, strict=True):
            out.file.write(f"{line}\n")
            out.print(Text(INDENT + GAP.join(text for text in below if text), style="dim"), soft_wrap=True)

    def _width(self) -> int:
        columns = zip(*[(*cells, *below) for cells, below in self._rows], strict=True)
        widest = [max(cell_len(str(cell)) for cell in column) for column in columns]
        headings = [*self.headings, *self.below]
        return sum(map(max, widest, map(len, headings))) + len(GAP) * (len(headings) - 1)

    def _table(self, *, whole: bool) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, len(GAP), 0, 0))
        for heading in self.headings:
            table.add_column(heading, justify="right" if heading in self.right else "left", no_wrap=True)
        for heading in self.below if whole else ():
            table.add_column(heading, no_wrap=True)
        for cells, below in self._rows:
            table.add_row(*cells, *(below if whole else ()))
        return table


def show_json(value: Any) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def say(words: str, *, style: str = "", err: bool = False, whole: bool = False) -> None:
    """`whole`: no line is broken by us, so that ids and commands can be copied."""
    console(err=err).print(Text(words, style=style), soft_wrap=whole)


def tell(what: str, remedy: str = "") -> None:
    """On standard error: what is wrong, in red, and what to do about it."""
    say(what, style="red", err=True)
    if remedy:
        say(remedy, err=True)


@contextmanager
def progress(what: str, unit: str, *, quiet: bool = False) -> Iterator[Step]:
    """What is done, how many of how many, and how long still; on a terminal alone, and gone when it is done."""
    out = console(err=True)
    columns = (TextColumn(what), BarColumn(), _HowFar(unit))
    with Progress(*columns, console=out, transient=True, disable=quiet or not out.is_terminal) as shown:
        task = shown.add_task(what, total=None)
        yield lambda done, of: shown.update(task, completed=done, total=of)


class _HowFar(ProgressColumn):
    """320 of 1,280 pages in 4 s, 12 s left."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        of = f" of {task.total:,.0f}" if task.total else ""
        left = f", {_span(task.time_remaining)} left" if task.total and task.time_remaining else ""
        return Text(f"{task.completed:,.0f}{of} {self._unit} in {_span(task.elapsed or 0)}{left}")


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
