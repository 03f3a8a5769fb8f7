"""Who is who: the names under which the bot last heard of its users, so that a person can be found by them.

What people call themselves proves nothing and changes; nothing is decided by it.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from application.books import People, Person

WORDS: Final = 8
LONGEST_WORD: Final = 64
_WORD = re.compile(r"\w+")
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Cn", "Co"})


@dataclass(frozen=True, slots=True)
class KeepPeople:
    people: People

    def __call__(self, seen: Sequence[Person]) -> None:
        if seen:
            self.people.keep(seen)


def words_of(text: str) -> tuple[str, ...]:
    """The words by which it is found: in compatible and small letters, without what can't be seen. At most 8, each cut
    to 64 letters."""
    visible = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) not in _INVISIBLE)
    words = (word[:LONGEST_WORD] for word in _WORD.findall(unicodedata.normalize("NFKC", visible.casefold())))
    return tuple(dict.fromkeys(words))[:WORDS]
