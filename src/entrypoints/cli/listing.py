"""A table that fits every terminal: what is long goes below its row where there is no room beside it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from entrypoints.cli.terminal import console, show_table

INDENT = GAP = "  "
Cell = str | Text


@dataclass(slots=True)
class Listing:
    """Rows of short facts under headings, `right` those that are numbers; `below` are the headings of what is long,
    such as the id by which other commands know the row. Where a terminal is too narrow for all of it, that stands on a
    line of its own under its row, so that an id can be copied whole; where it is too narrow even for the short facts,
    each has a line of its own: half a sum is none."""

    headings: Sequence[str]
    below: Sequence[str]
    right: frozenset[str] = frozenset()
    _rows: list[tuple[Sequence[Cell], Sequence[str]]] = field(default_factory=list)

    def add(self, *cells: Cell, below: Sequence[str]) -> None:
        self._rows.append((cells, below))

    def show(self) -> None:
        out = console()
        if not out.is_terminal or self._width(whole=True) <= out.width:
            show_table(self._table(whole=True))
            return
        if self._width(whole=False) > out.width:
            self._show_each()
            return
        with out.capture() as captured:
            out.print(self._table(whole=False))
        heading, *lines = captured.get().splitlines()
        out.file.write(f"{heading.rstrip()}\n")
        for line, (_, below) in zip(lines, self._rows, strict=True):
            out.file.write(f"{line}\n")
            out.print(Text(INDENT + GAP.join(text for text in below if text), style="dim"), soft_wrap=True)

    def _show_each(self) -> None:
        """Every row as a list of facts, each behind its heading."""
        out, headings = console(), [*self.headings, *self.below]
        wide = max(map(len, headings)) + len(GAP)
        for number, (cells, below) in enumerate(self._rows):
            if number:
                out.print()
            for heading, cell in zip(headings, [*cells, *below], strict=True):
                if str(cell):
                    out.print(Text.assemble((heading.ljust(wide), "bold"), cell), soft_wrap=True)

    def _width(self, *, whole: bool) -> int:
        columns = zip(*[(*cells, *(below if whole else ())) for cells, below in self._rows], strict=True)
        widest = [max(cell_len(str(cell)) for cell in column) for column in columns]
        headings = [*self.headings, *(self.below if whole else ())]
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
