"""Charts over time: what the browser draws, and the same as rows of a table."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from domain.money import EXPONENTS, written
from entrypoints.console.wording import number

DAY: Final = timedelta(days=1)
_INCREMENTS: Final = [int(step * 10**power) for power in range(13) for step in (1, 2, 5)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing over time: sums in minor units of a currency, or where that is empty, counts.

    `tone` is granted, waiting or refused where it means that, and empty elsewhere.
    """

    label: str
    values: Sequence[int]
    currency: str = ""
    tone: str = ""

    def written(self, value: int) -> str:
        return written(value, self.currency) if self.currency else number(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    label: str
    values: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One question, answered over time. `starts` are where the spans begin, each `step` long; lines share one unit."""

    question: str
    starts: Sequence[datetime]
    step: timedelta
    lines: Sequence[Line]

    @property
    def each(self) -> str:
        """What a row of the table is."""
        return "Day" if self.step >= DAY else "From (UTC)"

    @property
    def rows(self) -> list[Row]:
        """The newest first."""
        labels = [_label(start, self.step) for start in self.starts]
        rows = [
            Row(label=label, values=[line.written(line.values[place]) for line in self.lines])
            for place, label in enumerate(labels)
        ]
        return rows[::-1]

    @property
    def data(self) -> str:
        """For charts.js."""
        lines = []
        for line in self.lines:
            decimals = EXPONENTS[line.currency] if line.currency else 0
            # How the sum is written, with what stands before and after its digits.
            before, _, after = (
                written(0, line.currency).partition(f"{0:.{decimals}f}") if line.currency else ("", "", "")
            )
            lines.append(
                {
                    "label": line.label,
                    "values": list(line.values),
                    "decimals": decimals,
                    "before": before,
                    "after": after,
                    "tone": line.tone,
                }
            )
        least = 10 ** (lines[0]["decimals"] if lines else 0)  # type: ignore[operator]
        return json.dumps(
            {
                "times": [int(start.timestamp()) for start in self.starts],
                "step": int(self.step.total_seconds()),
                "least": least,
                "increments": [step for step in _INCREMENTS if step >= least] if least == 1 else _INCREMENTS,
                "lines": lines,
            }
        )


def _label(start: datetime, step: timedelta) -> str:
    start = start.astimezone(UTC)
    return f"{start.day} {start:%b %Y}" if step >= DAY else f"{start.day} {start:%b, %H:%M}"
