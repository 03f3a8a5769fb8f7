"""The report of a run of the simulation, as it is read at a terminal and kept in docs/guarantees.md."""

import sys
from dataclasses import dataclass, field
from typing import Final

from entrypoints.simulation.scripts import Crashes
from entrypoints.simulation.seeds import SOMETIMES, Caught, Sum

MEDIAN_AT_MOST: Final = 50
SHOWN: Final = 20
EVERY_BOUNDARY_FROM: Final = 100
"""Seeds, from which on a process must have died at every boundary, be it in a script."""


def _named(crashes: Crashes) -> str:
    return f"{crashes.script!r} on {'SQLite' if crashes.one_writer else 'PostgreSQL'}"


@dataclass(slots=True)
class Report:
    total: Sum = field(default_factory=Sum)
    crashes: list[Crashes] = field(default_factory=list)
    caught: list[Caught] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def missed(self) -> list[Caught]:
        """Planted bugs that took too many seeds."""
        return [bug for bug in self.caught if bug.median is None or bug.median > MEDIAN_AT_MOST]

    def good(self) -> bool:
        violated = self.total.failed or any(script.failed for script in self.crashes)
        unstruck = self.total.seeds >= EVERY_BOUNDARY_FROM and self.unstruck
        return not (violated or self.total.never or unstruck or self.missed)

    @property
    def unstruck(self) -> list[str]:
        """Boundaries at which no process died, in no story and in no script."""
        return self.total.unstruck(frozenset[str]().union(*(one.struck for one in self.crashes)))

    def text(self, jobs: int) -> str:
        total = self.total
        points = sum(script.points for script in self.crashes)
        died = sum(script.died for script in self.crashes)
        scripts = {one.script for one in self.crashes}
        struck = len(total.boundaries) - len(self.unstruck)
        lines = [
            f"Seeds: {total.seeds:,}, with {total.payments:,} payments and {total.points:,} points to go wrong at",
            f"Crashes: one at each of {points:,} points of {len(scripts)} scripts; {died:,} hit a process",
            f"Time: {self.seconds:.0f} s, {jobs} processes, Python {sys.version.split()[0]}",
            "",
            f"Violations: {len(total.failed) + sum(bool(script.failed) for script in self.crashes)}",
            *(f"- seed {outcome.seed}: {outcome.violations[0]}" for outcome in total.failed[:SHOWN]),
            *(
                f"- {script.script!r}{' on SQLite' if script.one_writer else ''}: {script.failed[0]}"
                for script in self.crashes
                if script.failed
            ),
            "",
            f"Happened at least once: {len(SOMETIMES) - len(total.never)} of {len(SOMETIMES)}",
            *(f"- never: {name}" for name in total.never),
            "",
            f"Boundaries: {len(total.boundaries)}, a process died at {struck} of them or they are not its own",
            *(f"- never: {name}" for name in self.unstruck),
            "",
            *self._bugs(),
            "| happened | times |",
            "| --- | --: |",
            *(f"| {name} | {total.seen[name]:,} |" for name in SOMETIMES),
            "",
        ]
        return "\n".join(lines)

    def _bugs(self) -> list[str]:
        if not self.caught:
            return []
        rows = [
            f"| {bug.bug} | {'not always' if bug.median is None else f'{bug.median:g}'} | "
            f"{', '.join('-' if seeds is None else str(seeds) for seeds in bug.seeds)} | {', '.join(bug.by)} |"
            for bug in self.caught
        ]
        return [
            f"Planted bugs caught: {len(self.caught) - len(self.missed)} of {len(self.caught)}",
            "",
            "| planted bug | seeds, median | in each round | by the invariants |",
            "| --- | --: | --- | --- |",
            *rows,
            "",
        ]
