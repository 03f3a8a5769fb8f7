"""What was measured, and how it stands to what is asked: as a table to read, and to write down."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.load import Measured

Values = list[float]


@dataclass(frozen=True, slots=True)
class Target:
    """A ratio that is asked: at least `least`, or at most `most`."""

    what: str
    least: float = 0.0
    most: float = 0.0

    def reached(self, value: float) -> bool:
        return value <= self.most if self.most else value >= self.least

    def __str__(self) -> str:
        if not self.most and not self.least:
            return ""
        return f"≤ {self.most:g}" if self.most else f"≥ {self.least:g}"


@dataclass(slots=True)
class Figures:
    """Of all rounds: ratios by what is asked, and what they were made of."""

    ratios: dict[Target, Values] = field(default_factory=dict)
    speeds: dict[str, list[Measured]] = field(default_factory=dict)
    tell: Callable[[str], object] = lambda line: None
    """Told of each ratio as it is measured: a run takes a quarter of an hour."""

    def ratio(self, target: Target, value: float) -> None:
        self.tell(f"{value:8.2f}  {target.what}")
        self.ratios.setdefault(target, []).append(value)

    def speed(self, who: str, measured: Measured) -> Measured:
        self.speeds.setdefault(who, []).append(measured)
        return measured

    def markdown(self, about: str) -> str:
        rounds = max(map(len, self.ratios.values()), default=0)
        lines = [f"{about}. {rounds} rounds, everything in each.", ""]
        lines += _table(
            ("ratio", "asked", "median", "least", "most", ""),
            [
                (target.what, str(target), *_spread(values), _verdict(target, values))
                for target, values in self.ratios.items()
            ],
        )
        lines += ["", "What they were made of, medians:", ""]
        lines += _table(
            ("", "a second", "p99"),
            [
                (who, f"{_median(found, _per_second):,.0f}", _milliseconds(_median(found, _p99)))
                for who, found in self.speeds.items()
            ],
        )
        return "\n".join(lines) + "\n"

    @property
    def medians(self) -> Mapping[str, float]:
        return {target.what: statistics.median(values) for target, values in self.ratios.items()}


def _verdict(target: Target, values: Values) -> str:
    if not str(target):
        return ""
    return "reached" if target.reached(statistics.median(values)) else "**missed**"


def _spread(values: Values) -> Sequence[str]:
    return [f"{value:.2f}" for value in (statistics.median(values), min(values), max(values))]


def _per_second(measured: Measured) -> float:
    return measured.per_second


def _p99(measured: Measured) -> float:
    return measured.p99_ms


def _median(found: Sequence[Measured], of: Callable[[Measured], float]) -> float:
    return statistics.median(map(of, found))


def _milliseconds(value: float) -> str:
    return f"{value:.1f} ms" if value else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    ruled = ["---", *["---:"] * (len(head) - 1)]
    return ["| " + " | ".join(cells) + " |" for cells in (head, ruled, *rows)]
