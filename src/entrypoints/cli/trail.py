"""What happened, on a terminal: step by step, the oldest first, and beside it what was written to a user."""

from collections.abc import Sequence

from rich.table import Table

from application.histories import Moment
from application.ports.trail import KeptEntry
from entrypoints.cli.moments import to_the_second
from entrypoints.cli.terminal import say, show_table, visible
from entrypoints.trail_words import told, told_of_letter


def show_trail(heading: str, newest_first: Sequence[Moment]) -> None:
    """Nothing where there is none."""
    if not newest_first:
        return
    say(f"\n{heading}", style="bold")
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column()
    for kept in reversed(newest_first):
        if isinstance(kept, KeptEntry):
            table.add_row(to_the_second(kept.entry.at), told(kept.entry))
        else:
            table.add_row(to_the_second(kept.created_at), visible(told_of_letter(kept)))
    show_table(table)
