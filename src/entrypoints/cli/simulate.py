"""`tollgram-sim`: many seeds at once, one of them as a readable story, every crash point, and the planted bugs."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import rich_click as click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from entrypoints.cli.failure import FAILED, WORKED, WRONG, CommandError, code_of
from entrypoints.cli.terminal import console

if TYPE_CHECKING:
    from entrypoints.simulation.report import Report

Item = TypeVar("Item")
Answer = TypeVar("Answer")

CHUNK = 50
"""Seeds that a process takes at once."""


@click.command(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 nothing is violated, everything happened and every planted bug is caught; 1 otherwise; "
    "2 wrong usage.",
)
@click.option("--seed", type=click.IntRange(0), default=None, help="Tell the story of this one seed.")
@click.option("--script", default=None, help="Tell this small story.")
@click.option("--crash", type=click.IntRange(1), default=None, help="With --script: a process dies at this point.")
@click.option("--bug", default=None, help="With --seed or --script: plant this bug.")
@click.option("--seeds", type=click.IntRange(1), default=10_000, show_default=True, help="How many seeds to run.")
@click.option("--first", type=click.IntRange(0), default=0, show_default=True, help="The first of them.")
@click.option("--rounds", type=click.IntRange(0), default=5, show_default=True, help="Rounds to catch each bug in.")
@click.option("--quick", is_flag=True, help="Crash points on one kind of store only.")
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes.")
@click.option("--report", "to", type=click.Path(path_type=Path), default=None, help="Write the report here, too.")
def main(  # noqa: PLR0917 - as many as there are options
    seed: int | None,
    script: str | None,
    crash: int | None,
    bug: str | None,
    seeds: int,
    first: int,
    rounds: int,
    quick: bool,
    jobs: int,
    to: Path | None,
) -> None:
    """Let the whole service live through storms that come from seeds, and look whether what it promises holds.

    Without --seed or --script: all scripts with a crash at each of their points, many seeds, and the planted bugs. A
    seed always gives the same story; what fails can be read with --seed.
    """
    try:
        _needs_greenlet()
        if seed is not None or script is not None:
            code = _tell(seed, script, crash, bug)
        else:
            code = _run(range(first, first + seeds), rounds, (False,) if quick else (False, True), jobs, to)
    except Exception as error:
        code = code_of(error)
    raise SystemExit(code)


def _needs_greenlet() -> None:
    try:
        import greenlet  # noqa: F401
    except ModuleNotFoundError:
        raise CommandError(
            "The simulation needs greenlet, which only a machine for development has.",
            "Install requirements/dev.txt, or run it with: make sim",
        ) from None


def _run(seeds: range, rounds: int, stores: Sequence[bool], jobs: int, to: Path | None) -> int:
    from entrypoints.simulation.report import Report
    from entrypoints.simulation.sabotage import BUGS
    from entrypoints.simulation.scripts import SCRIPTS, crash_everywhere
    from entrypoints.simulation.seeds import catch, run_seeds

    report, began = Report(), time.monotonic()
    chunks = [range(at, min(at + CHUNK, seeds.stop)) for at in range(seeds.start, seeds.stop, CHUNK)]
    with ProcessPoolExecutor(jobs) as pool:
        plays = [(script, one_writer) for one_writer in stores for script in SCRIPTS]
        report.crashes += _shown("crash points", len(plays), pool.map(crash_everywhere, *zip(*plays, strict=True)))
        for part in _shown("seeds", len(chunks), pool.map(run_seeds, chunks)):
            report.total.join(part)
            for outcome in part.failed:  # At once: what follows may take half an hour.
                click.echo(f"seed {outcome.seed} VIOLATED {outcome.violations[0]}", err=True)
        if rounds:
            # Kept already, as the bugs are in the code that they break and may keep a story from its end.
            _keep(report, began, jobs, to)
            report.caught += _shown("planted bugs", len(BUGS), pool.map(catch, BUGS, [rounds] * len(BUGS)))
    click.echo(_keep(report, began, jobs, to))
    return WORKED if report.good() else FAILED


def _keep(report: "Report", began: float, jobs: int, to: Path | None) -> str:
    report.seconds = time.monotonic() - began
    text = report.text(jobs)
    if to:
        to.write_text(text, encoding="utf-8")
    return text


def _tell(seed: int | None, script: str | None, crash: int | None, bug: str | None) -> int:
    from entrypoints.simulation.sabotage import BUGS
    from entrypoints.simulation.scripts import SCRIPTS, play
    from entrypoints.simulation.seeds import run_seed
    from entrypoints.simulation.service import Service

    make = _chosen("planted bug", bug, BUGS) if bug else Service
    if script is not None:
        _chosen("script", script, SCRIPTS)
        outcome = play(script, crash_at=crash, listener=click.echo, make=make).outcome
    else:
        outcome = run_seed(seed or 0, listener=click.echo, make=make)
    click.echo()
    for violation in outcome.violations:
        click.echo(f"VIOLATED {violation}")
    name = script or f"seed {seed}"
    click.echo(f"{name}: {outcome.payments} payments, {outcome.points} points, {len(outcome.violations)} violations")
    return FAILED if outcome.violations else WORKED


def _chosen(what: str, name: str, among: Mapping[str, Item]) -> Item:
    if name not in among:
        raise CommandError(f"There is no {what} {name!r}.", f"There are: {', '.join(among)}.", WRONG)
    return among[name]


def _shown(what: str, total: int, parts: Iterator[Answer]) -> Iterator[Answer]:
    """What comes, with a bar on a terminal that tells how much has come and how long it takes yet."""
    with _bar(what, total) as advance:
        for part in parts:
            yield part
            advance()


@contextmanager
def _bar(what: str, total: int) -> Iterator[Callable[[], None]]:
    out = console(err=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda: progress.advance(task)
