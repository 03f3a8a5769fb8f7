"""What happened, numbered, for those who read on."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.notices import Notice


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedNotice:
    """A notice by its place in the feed. Later ones have higher numbers; not every number is given."""

    sequence: int
    notice: Notice


class Feed(Protocol):
    """What other services are told of; written in the transaction of what it tells of.

    Transactions commit in another order than they write. So a notice gets its number only once it is committed, by
    whoever reads, one at a time: whatever becomes readable later has a higher number.
    """

    @abstractmethod
    def add(self, notices: Sequence[Notice]) -> None:
        """Keep them in this order, without numbers."""

    @abstractmethod
    def unnumbered(self) -> bool:
        """Whether there are any without a number."""

    @abstractmethod
    def number(self, now: datetime, *, at_most: int) -> int:
        """Number those that were kept first, in their order; how many. Nobody else does until the end of the
        transaction. Numbers follow the clock (microseconds) where that is ahead of them, so that also after a backup
        was restored none is given that a reader may have seen before."""

    @abstractmethod
    def after(self, sequence: int, *, limit: int) -> Sequence[NumberedNotice]:
        """Those with higher numbers, the lowest first."""

    @abstractmethod
    def newest(self) -> int:
        """The highest number; 0 where there is none."""
