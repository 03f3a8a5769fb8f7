"""How long a plan lasts: calendar time in UTC, or for life."""

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache

END_OF_TIME = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
MAX_COUNT = 1000
MAX_SECONDS = 10_000 * 366 * 86_400


class Unit(StrEnum):
    """No plan is sold by the second; what is left of a span that was interrupted is counted so."""

    SECOND = "second"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"
    LIFETIME = "lifetime"


_EXACT = {Unit.SECOND: timedelta(seconds=1), Unit.DAY: timedelta(days=1), Unit.WEEK: timedelta(weeks=1)}
_WRITTEN = re.compile(r"([1-9][0-9]{0,12}) (second|day|week|month|year)(s?)", re.ASCII)
_SOLD = f'"lifetime", nor 1 to {MAX_COUNT} days, weeks, months or years, as "1 month" or "2 weeks"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """`count` days, weeks, calendar months or years; a lifetime has no count and no end."""

    count: int
    unit: Unit

    def __post_init__(self) -> None:
        if self.unit is Unit.LIFETIME:
            if self.count != 0:
                raise ValueError("a lifetime is not counted")
            return
        most = MAX_SECONDS if self.unit is Unit.SECOND else MAX_COUNT
        if not 0 < self.count <= most:
            raise ValueError(f"a duration counts 1 to {most} {self.unit}s, not {self.count}")

    @classmethod
    def parse(cls, text: str) -> "Duration":
        """Read how long a plan lasts: "1 month", "3 days" or "lifetime". Raises ValueError for anything else."""
        duration = cls.read(text)
        if duration.unit is Unit.SECOND:
            raise ValueError(f"{text!r} is not {_SOLD}")
        return duration

    @staticmethod
    @lru_cache(maxsize=256)  # every row that is read bears one, and they are few
    def read(text: str) -> "Duration":
        """Read what `str` has written, also where that is counted in seconds. Raises ValueError for anything else."""
        if text == Unit.LIFETIME:
            return LIFETIME
        written = _WRITTEN.fullmatch(text)
        if written is None or (written[3] == "s") != (written[1] != "1"):
            raise ValueError(f"{text!r} is not {_SOLD}")
        return Duration(count=int(written[1]), unit=Unit(written[2]))

    def __str__(self) -> str:
        if self.unit is Unit.LIFETIME:
            return "lifetime"
        return f"{self.count} {self.unit}" if self.count == 1 else f"{self.count} {self.unit}s"

    def after(self, start: datetime) -> datetime | None:
        """The end of this duration from `start`; None for a lifetime.

        31 January and a month is the last day of February, at the same time of day. No end lies beyond year 9999.
        """
        return None if self.unit is Unit.LIFETIME else self._shifted(start, 1)

    def before(self, end: datetime) -> datetime:
        """The moment this duration before `end`; a lifetime before it is the beginning of time."""
        if self.unit is Unit.LIFETIME:
            return datetime.min.replace(tzinfo=UTC)
        return self._shifted(end, -1)

    def _shifted(self, moment: datetime, sign: int) -> datetime:
        if self.unit in _EXACT:
            try:
                return min(moment + sign * self.count * _EXACT[self.unit], END_OF_TIME)
            except OverflowError:
                return END_OF_TIME if sign > 0 else datetime.min.replace(tzinfo=UTC)
        months = moment.year * 12 + moment.month - 1 + sign * self.count * (12 if self.unit is Unit.YEAR else 1)
        year, month = months // 12, months % 12 + 1
        if year > END_OF_TIME.year:
            return END_OF_TIME
        if year < 1:
            return datetime.min.replace(tzinfo=UTC)
        day = min(moment.day, calendar.monthrange(year, month)[1])
        return min(moment.replace(year=year, month=month, day=day), END_OF_TIME)


LIFETIME = Duration(count=0, unit=Unit.LIFETIME)
