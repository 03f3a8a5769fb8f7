"""The audit trail on a terminal: what happened, step by step, the oldest first."""

from collections.abc import Sequence

from rich.table import Table

from application.ports.trail import KeptEntry
from entrypoints.cli.moments import to_the_second
from entrypoints.cli.terminal import say, show_table
from entrypoints.trail_words import told


def show_trail(heading: str, newest_first: Sequence[KeptEntry]) -> None:
    """Nothing where there is none."""
    if not newest_first:
        return
    say(f"\n{heading}", style="bold")
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column()
    for kept in reversed(newest_first):
        table.add_row(to_the_second(kept.entry.at), told(kept.entry))
    show_table(table)
