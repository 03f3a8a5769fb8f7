"""How far long work is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from entrypoints.cli.terminal import console

Step = Callable[[int, int | None], None]
"""Tells how many are done, and of how many where that is known."""


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
