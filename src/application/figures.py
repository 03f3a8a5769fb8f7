"""How the shop does: sums over a span, beside the same sums over the span before, and a series to draw."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from application.books import Figure, Figures, Kind, Register, Standing
from application.ports.surroundings import Clock
from domain.ids import PlanCode

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
OVER_FOR: Final = timedelta(minutes=10)
"""How long an hour is over before it is summed up: longer than any transaction may take to commit."""
FUNNEL: Final = (Kind.INVOICE, Kind.APPROVED, Kind.PAYMENT, Kind.GRANTED)


class Span(StrEnum):
    """How far back one looks, the hour or day that is under way included."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"
    QUARTER = "90d"

    @property
    def each(self) -> int:
        """Hours of one step of its series; days are those of UTC."""
        return 1 if self in (Span.DAY, Span.WEEK) else 24

    @property
    def steps(self) -> int:
        return {Span.DAY: 24, Span.WEEK: 7 * 24, Span.MONTH: 30, Span.QUARTER: 90}[self]

    def hours(self, now: datetime) -> tuple[int, int]:
        """The first hour of it, and the first that lies behind it."""
        current = hour_of(now)
        until = current - current % self.each + self.each
        return until - self.each * self.steps, until


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """How often and to which sum, in the span and in the one before it."""

    number: int = 0
    amount: int = 0
    number_before: int = 0
    amount_before: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One value a step: what was taken of each currency, and how often each kind of thing happened."""

    starts: tuple[datetime, ...]
    taken: Mapping[str, tuple[int, ...]]
    numbers: Mapping[Kind, tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """`taken` and `given_back` are by currency and method; a sum of different currencies would mean nothing."""

    span: Span
    at: datetime
    taken: Mapping[tuple[str, str], Compared]
    given_back: Mapping[tuple[str, str], Compared]
    counts: Mapping[Kind, Compared]
    series: Series
    standing: Standing


@dataclass(frozen=True, slots=True)
class ShowOverview:
    figures: Figures
    register: Register
    clock: Clock

    def __call__(self, span: Span) -> Overview:
        now = self.clock.now()
        since, until = span.hours(now)
        found = self.figures.between(since - (until - since), until, each=span.each)
        return Overview(
            span=span,
            at=now,
            taken=_compared(found, Kind.PAYMENT, since),
            given_back=_compared(found, Kind.REFUND, since),
            counts={kind: _sum(f for f in _split(found, since) if f[1].kind is kind) for kind in Kind},
            series=_series(found, since, span),
            standing=self.register.standing(now),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFigures:
    """How a plan sells, by currency, and how many users hold it now. Quarantined and refunded money sells nothing."""

    holders: int
    sold: Mapping[str, Compared]
    given_back: Mapping[str, Compared]


@dataclass(frozen=True, slots=True)
class ShowPlans:
    figures: Figures
    register: Register
    clock: Clock

    def __call__(self, span: Span) -> Mapping[PlanCode, PlanFigures]:
        """Of each plan of which anything is known, also of those that the catalog does not have any more."""
        now = self.clock.now()
        since, until = span.hours(now)
        found = self.figures.between(since - (until - since), until, each=span.each, by_plan=True)
        holders = self.register.holders(now)
        codes = {PlanCode(f.plan_code) for f in found if f.plan_code} | set(holders)
        return {
            code: PlanFigures(
                holders=holders.get(code, 0),
                sold=_by_currency(found, code, Kind.GRANTED, since),
                given_back=_by_currency(found, code, Kind.REFUND, since),
            )
            for code in sorted(codes)
        }


@dataclass(frozen=True, slots=True)
class SumUpFigures:
    """Keep the sums of hours that are over, so that nobody counts a million lines to see a chart."""

    figures: Figures
    clock: Clock

    def __call__(self) -> int:
        """How many hours it were; some may be left."""
        return self.figures.sum_up(hour_of(self.clock.now() - OVER_FOR))


def hour_of(moment: datetime) -> int:
    """Counted from 1970, UTC."""
    return (moment - EPOCH) // timedelta(hours=1)


def start_of(hour: int) -> datetime:
    return EPOCH + timedelta(hours=hour)


def _split(found: Iterable[Figure], since: int) -> Iterable[tuple[bool, Figure]]:
    """Each with whether it lies in the span, not in the one before."""
    return ((figure.bucket >= since, figure) for figure in found)


def _sum(figures: Iterable[tuple[bool, Figure]]) -> Compared:
    sums = {True: [0, 0], False: [0, 0]}
    for within, figure in figures:
        sums[within][0] += figure.number
        sums[within][1] += figure.amount
    (number, amount), (number_before, amount_before) = sums[True], sums[False]
    return Compared(number=number, amount=amount, number_before=number_before, amount_before=amount_before)


def _compared(found: Sequence[Figure], kind: Kind, since: int) -> Mapping[tuple[str, str], Compared]:
    of_kind = [(within, f) for within, f in _split(found, since) if f.kind is kind]
    keys = sorted({(f.currency, f.method) for _, f in of_kind})
    return {key: _sum(each for each in of_kind if (each[1].currency, each[1].method) == key) for key in keys}


def _by_currency(found: Sequence[Figure], code: PlanCode, kind: Kind, since: int) -> Mapping[str, Compared]:
    of_plan = [(within, f) for within, f in _split(found, since) if f.kind is kind and f.plan_code == code]
    return {
        currency: _sum(each for each in of_plan if each[1].currency == currency)
        for currency in sorted({f.currency for _, f in of_plan})
    }


def _series(found: Sequence[Figure], since: int, span: Span) -> Series:
    taken: dict[str, list[int]] = defaultdict(lambda: [0] * span.steps)
    numbers: dict[Kind, list[int]] = {kind: [0] * span.steps for kind in Kind}
    for figure in found:
        step = (figure.bucket - since) // span.each
        if step >= 0:
            numbers[figure.kind][step] += figure.number
            if figure.kind is Kind.PAYMENT:
                taken[figure.currency][step] += figure.amount
    return Series(
        starts=tuple(start_of(since + step * span.each) for step in range(span.steps)),
        taken={currency: tuple(values) for currency, values in sorted(taken.items())},
        numbers={kind: tuple(values) for kind, values in numbers.items()},
    )
