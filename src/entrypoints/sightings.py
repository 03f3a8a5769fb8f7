"""Names of users as the bot hears them, kept a little later by a worker: nobody waits for it, and none is vital."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from application.books import Person
from application.people import KeepPeople
from application.ports.surroundings import Clock
from domain.ids import UserId

MOST_WAITING: Final = 10_000
MOST_REMEMBERED: Final = 50_000
AT_ONCE: Final = 500


@dataclass
class Sightings:
    """What was kept already is not kept again, as far as this process remembers."""

    keep: KeepPeople
    clock: Clock
    _waiting: dict[UserId, Person] = field(default_factory=dict)
    _kept: OrderedDict[UserId, tuple[str, str]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, user_id: UserId, name: str, username: str) -> None:
        """The bot has heard of them by that name. Where very many wait, it is let go, as is who has no name."""
        if not name and not username:
            return
        with self._lock:
            if self._kept.get(user_id) == (name, username) or len(self._waiting) >= MOST_WAITING:
                return
            self._waiting[user_id] = Person(user_id=user_id, name=name, username=username, seen_at=self.clock.now())

    def __call__(self) -> int:
        """Keep some of those that wait; how many."""
        with self._lock:
            some = [self._waiting.pop(user_id) for user_id in list(self._waiting)[:AT_ONCE]]
        self.keep(some)
        with self._lock:
            for person in some:
                self._kept[person.user_id] = (person.name, person.username)
                self._kept.move_to_end(person.user_id)
            while len(self._kept) > MOST_REMEMBERED:
                self._kept.popitem(last=False)
        return len(some)
