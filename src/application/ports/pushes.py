"""What happened, pushed to whoever asked for it."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from application.ports.feed import NumberedNotice
from domain.notices import Notice, NoticeType


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where events are pushed to, by the operator's settings. `secrets` all sign; `types` None: all."""

    id: str
    url: str = field(repr=False)
    secrets: tuple[bytes, ...] = field(repr=False)
    types: frozenset[NoticeType] | None = None

    def wants(self, notice: Notice) -> bool:
        return self.types is None or notice.type in self.types


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointState:
    """How it stands with an endpoint.

    Events up to `position` were taken from the feed: they are pushed, or wait. `failing_since` is when it first failed
    after it last took anything; while it is out of reach, it is left alone until `due_at`, after so many `failures` in
    a row.
    """

    id: str
    position: int
    due_at: datetime
    failures: int = 0
    failing_since: datetime | None = None
    pushed_at: datetime | None = None
    disabled_at: datetime | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """An event that waits to be pushed to one endpoint. `attempts` counts how often it was taken up, this time too;
    `failing_since` is when the endpoint first refused it, `claimed_until` until when whoever took it up holds it: what
    they say of it later counts as long as nobody else has taken it up."""

    endpoint: str
    event: NumberedNotice
    attempts: int
    failing_since: datetime | None = None
    claimed_until: datetime | None = field(default=None, compare=False)


class Pushes(Protocol):
    """What is on its way to endpoints, and how these stand."""

    @abstractmethod
    def take(self, endpoint: str, now: datetime, *, position: int) -> EndpointState:
        """How it stands; a new one begins at that position. Nobody else has it until the end of the transaction."""

    @abstractmethod
    def move(self, state: EndpointState) -> None:
        """Keep how it stands."""

    @abstractmethod
    def of(self, endpoint: str) -> EndpointState | None: ...

    @abstractmethod
    def add(self, endpoint: str, events: Sequence[NumberedNotice], now: datetime) -> None:
        """Have them pushed; those that were given up are tried anew, and what waits already stays as it is."""

    @abstractmethod
    def waiting(self, endpoint: str) -> int: ...

    @abstractmethod
    def not_held_up(self, endpoint: str) -> int:
        """How many of those that wait are not behind one of the same user that was refused."""

    @abstractmethod
    def given_up(self, endpoint: str) -> int: ...

    @abstractmethod
    def due(self, endpoint: str, now: datetime) -> bool:
        """Whether there is any that is the oldest of its user, is due and that nobody holds."""

    @abstractmethod
    def claim(self, endpoint: str, now: datetime, *, at_once: int, lease: timedelta) -> Push | None:
        """Take up the oldest that is due, and of each user only the oldest that waits; none while `at_once` are held
        already. Counts the attempt. The endpoint must be taken."""

    @abstractmethod
    def done(self, push: Push) -> None: ...

    @abstractmethod
    def release(self, push: Push, now: datetime) -> None:
        """Let go of it; it was not its fault. It stays due, behind all that have been due for longer, and the
        attempt does not count."""

    @abstractmethod
    def retry(self, push: Push, due_at: datetime, *, failing_since: datetime, problem: str) -> None:
        """Let go of it; it is due again at that time."""

    @abstractmethod
    def give_up(self, push: Push, now: datetime, problem: str) -> None:
        """Nobody pushes it any more, and later ones of its user go on; it stays on record."""

    @abstractmethod
    def wake(self, endpoint: str, now: datetime) -> None:
        """All that wait there are due at once, as if they had never been refused. Who holds one goes on."""

    @abstractmethod
    def forget(self, endpoint: str) -> int:
        """Let go of all that wait there, and tell how many they were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The endpoint says that it has the event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """The endpoint wants nothing more from us."""

    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotTaken:
    """The endpoint has not taken the event. `out_of_reach`: it would not have taken any other either; `after` is how
    long it asks us to wait."""

    problem: str
    out_of_reach: bool
    after: timedelta | None = None


PushOutcome = Taken | Gone | NotTaken


class Receiver(Protocol):
    """An endpoint of somebody else's."""

    @abstractmethod
    def push(self, endpoint: Endpoint, event: NumberedNotice, now: datetime) -> PushOutcome:
        """Try once, within a limit of time. Never raises for what the endpoint or the network does."""
