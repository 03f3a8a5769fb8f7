"""`tollgram-sim`: many seeds at once, one of them as a readable story, every crash point, and the planted bugs."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import rich_click as click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from entrypoints.simulation.report import Report
from entrypoints.simulation.sabotage import BUGS
from entrypoints.simulation.scripts import SCRIPTS, crash_everywhere, play
from entrypoints.simulation.seeds import catch, run_seed, run_seeds
from entrypoints.simulation.service import Service

CHUNK = 10
FAILED = 1


@click.command(
    epilog="Exit codes: 0 nothing is violated, everything happened and every planted bug is caught; 1 otherwise; "
    "2 wrong usage."
)
@click.option("--seed", type=click.IntRange(0), default=None, help="Tell the story of this one seed.")
@click.option("--script", type=click.Choice(list(SCRIPTS)), default=None, help="Tell this small story.")
@click.option("--crash", type=click.IntRange(1), default=None, help="With --script: a process dies at this point.")
@click.option("--bug", type=click.Choice(list(BUGS)), default=None, help="With --seed or --script: plant this bug.")
@click.option("--seeds", type=click.IntRange(1), default=10_000, show_default=True, help="How many seeds to run.")
@click.option("--first", type=click.IntRange(0), default=0, show_default=True, help="The first of them.")
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes.")
@click.option("--bugs/--no-bugs", default=True, help="Whether to look for the planted bugs.")
@click.option("--report", "to", type=click.Path(path_type=Path), default=None, help="Write the report here, too.")
def main(  # noqa: PLR0917 - as many as there are options
    seed: int | None,
    script: str | None,
    crash: int | None,
    bug: str | None,
    seeds: int,
    first: int,
    jobs: int,
    bugs: bool,
    to: Path | None,
) -> None:
    """Let the whole service live through storms that come from seeds, and look whether what it promises holds.

    A seed always gives the same story; what fails can be read with --seed.
    """
    if seed is not None or script is not None:
        raise SystemExit(_tell(seed, script, crash, bug))
    report = Report()
    began = time.monotonic()
    with ProcessPoolExecutor(jobs) as pool, _progress("crash points", len(SCRIPTS)) as advance:
        for crashes in pool.map(crash_everywhere, SCRIPTS):
            report.crashes.append(crashes)
            advance()
    chunks = [range(at, min(at + CHUNK, first + seeds)) for at in range(first, first + seeds, CHUNK)]
    with ProcessPoolExecutor(jobs) as pool, _progress("seeds", len(chunks)) as advance:
        for part in pool.map(run_seeds, chunks):
            report.total.join(part)
            advance()
    if bugs:
        with ProcessPoolExecutor(jobs) as pool, _progress("planted bugs", len(BUGS)) as advance:
            for caught in pool.map(catch, BUGS):
                report.caught.append(caught)
                advance()
    report.seconds = time.monotonic() - began
    text = report.text(jobs)
    if to:
        to.write_text(text, encoding="utf-8")
    click.echo(text)
    raise SystemExit(0 if report.good() else FAILED)


def _tell(seed: int | None, script: str | None, crash: int | None, bug: str | None) -> int:
    make = BUGS[bug] if bug else Service
    if script is not None:
        outcome = play(script, crash_at=crash, listener=click.echo, make=make).outcome
        name = script
    else:
        outcome = run_seed(seed or 0, listener=click.echo, make=make)
        name = f"seed {seed}"
    click.echo()
    for violation in outcome.violations:
        click.echo(f"VIOLATED {violation}")
    click.echo(f"{name}: {outcome.payments} payments, {outcome.points} points, {len(outcome.violations)} violations")
    return FAILED if outcome.violations else 0


@contextmanager
def _progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    out = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda: progress.advance(task)
