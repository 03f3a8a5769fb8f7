"""`tollgram-sim`: many seeds at once, one seed as a readable story, and the planted bugs."""

import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import rich_click as click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from entrypoints.simulation.sabotage import BUGS
from entrypoints.simulation.seeds import SOMETIMES, Sum, crash_everywhere, median_to_catch, run_seeds, tell

CHUNK = 25
ROUNDS = 5
MOST = 100
MEDIAN_AT_MOST = 50
SCRIPTS = ((1, 3), (2, 3), (3, 4), (4, 4), (5, 5))
FAILED = 1


@click.command(epilog="Exit codes: 0 nothing is violated and every planted bug is caught, 1 otherwise, 2 wrong usage.")
@click.option("--seed", type=click.IntRange(0), default=None, help="Tell the story of this one seed.")
@click.option("--bug", type=click.Choice(sorted(BUGS)), default=None, help="With --seed: plant this bug first.")
@click.option("--seeds", type=click.IntRange(1), default=10_000, show_default=True, help="How many seeds to run.")
@click.option("--first", type=click.IntRange(0), default=0, show_default=True, help="The first of them.")
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes.")
@click.option("--report", type=click.Path(path_type=Path), default=None, help="Write the report here, too.")
def main(  # noqa: PLR0917 - as many as there are options
    seed: int | None, bug: str | None, seeds: int, first: int, jobs: int, report: Path | None
) -> None:
    """Let the whole service live through storms that come from seeds, and look whether what it promises holds."""
    if seed is not None:
        raise SystemExit(_story(seed, bug))
    began = time.monotonic()
    total, bugs, crashes = Sum(), {}, []
    with ProcessPoolExecutor(jobs) as pool, _progress() as progress:
        chunks = [range(at, min(at + CHUNK, first + seeds)) for at in range(first, first + seeds, CHUNK)]
        step = progress.add_task("seeds", total=len(chunks))
        for part in pool.map(run_seeds, chunks):
            for name in ("seeds", "payments", "points"):
                setattr(total, name, getattr(total, name) + getattr(part, name))
            total.seen.update(part.seen)
            total.failed += part.failed
            progress.advance(step)
        step = progress.add_task("crashes", total=len(SCRIPTS))
        for points, failed in pool.map(crash_everywhere, *zip(*SCRIPTS, strict=True)):
            crashes.append(points)
            total.failed += failed
            progress.advance(step)
        step = progress.add_task("bugs", total=len(BUGS))
        for name, found in zip(BUGS, pool.map(_median, BUGS), strict=True):
            bugs[name] = found
            progress.advance(step)
    text = _report(total, bugs, crashes, time.monotonic() - began)
    if report:
        report.write_text(text, encoding="utf-8")
    click.echo(text)
    missed = [name for name, found in bugs.items() if found is None or found > MEDIAN_AT_MOST]
    raise SystemExit(FAILED if total.failed or total.never or missed else 0)


def _median(name: str) -> float | None:
    return median_to_catch(name, rounds=ROUNDS, most=MOST)


def _story(seed: int, bug: str | None) -> int:
    lines, outcome = tell(seed, bug=bug)
    for line in lines:
        click.echo(line)
    for violation in outcome.violations:
        click.echo(f"VIOLATED {violation}")
    click.echo(f"seed {seed}: {outcome.payments} payments, {len(outcome.violations)} violations")
    return FAILED if outcome.violations else 0


def _progress() -> Progress:
    out = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=out, transient=True, disable=not out.is_terminal)


def _report(total: Sum, bugs: dict[str, float | None], crashes: Sequence[int], seconds: float) -> str:
    lines = [
        f"{total.seeds} seeds, {total.payments} payments, {total.points} points at which something could go wrong;",
        f"one crash at each of {sum(crashes)} points of {len(crashes)} small stories; {seconds:.0f} s on",
        f"Python {sys.version.split()[0]} .",
        "",
        f"Violations: {len(total.failed)}",
        *(f"- seed {outcome.seed}: {outcome.violations[0]}" for outcome in total.failed[:20]),
        "",
        f"Happened at least once: {len(SOMETIMES) - len(total.never)} of {len(SOMETIMES)}",
        *(f"- never: {name}" for name in total.never),
        "",
        "| planted bug | caught after seeds (median) |",
        "| --- | --- |",
        *(f"| {name} | {'not caught' if found is None else f'{found:g}'} |" for name, found in bugs.items()),
        "",
        "| happened | times |",
        "| --- | --- |",
        *(f"| {name} | {total.seen[name]} |" for name in SOMETIMES),
        "",
    ]
    return "\n".join(lines)
