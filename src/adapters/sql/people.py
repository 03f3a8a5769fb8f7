"""Names of users, and the words of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Integer, bindparam, delete, select

from adapters.sql import schema
from adapters.sql.bulk import any_of, insert_new
from adapters.sql.work import SqlUnitOfWork
from application.books import People, Person
from application.people import words_of
from domain.ids import UserId

MOST_LOOKED_AT = 200
"""Users whose names begin with the first word; among them the other words are looked for."""

_PEOPLE, _WORDS = schema.people, schema.people_words
_OF = select(_PEOPLE).where(any_of(_PEOPLE.c.user_id, "users"))
_FORGET = delete(_PEOPLE).where(any_of(_PEOPLE.c.user_id, "users"))
_FORGET_WORDS = delete(_WORDS).where(any_of(_WORDS.c.user_id, "users"))
_BEGINNING = (
    select(_WORDS.c.user_id)
    .where(_WORDS.c.word >= bindparam("word"), _WORDS.c.word < bindparam("behind"))
    .order_by(_WORDS.c.word)
    .limit(bindparam("at_most", type_=Integer))
)
_BEHIND_ALL = "\U0010ffff"


class SqlPeople(People):
    def __init__(self, work: SqlUnitOfWork) -> None:
        self._work = work

    def keep(self, people: Sequence[Person]) -> None:
        last = {person.user_id: person for person in sorted(people, key=lambda person: person.seen_at)}
        users = sorted(last)
        words = [
            {"word": word, "user_id": user_id}
            for user_id, person in sorted(last.items())
            for word in words_of(f"{person.name} {person.username}")
        ]
        with self._work.begin() as tx:
            for statement in (_FORGET_WORDS, _FORGET):
                tx.connection.execute(statement, {"users": users})
            insert_new(tx.connection, _PEOPLE, [_row(last[user_id]) for user_id in users])
            if words:
                insert_new(tx.connection, _WORDS, words)

    def of(self, users: Sequence[UserId]) -> Mapping[UserId, Person]:
        if not users:
            return {}
        with self._work.look() as tx:
            return {row.user_id: _person(row) for row in tx.connection.execute(_OF, {"users": list(users)})}

    def named(self, words: Sequence[str], *, at_most: int) -> Sequence[Person]:
        if not words:
            return []
        longest = max(words, key=len)  # the longest is likely to be the rarest
        given = {"word": longest, "behind": longest + _BEHIND_ALL, "at_most": MOST_LOOKED_AT}
        with self._work.look() as tx:
            users = list(dict.fromkeys(tx.connection.scalars(_BEGINNING, given)))
        # One word is all that the index was asked for.
        fitting = [person for person in self.of(users).values() if len(words) == 1 or _fits(person, words)]
        return sorted(fitting, key=lambda person: (person.seen_at, person.user_id), reverse=True)[:at_most]


def _fits(person: Person, words: Sequence[str]) -> bool:
    theirs = words_of(f"{person.name} {person.username}")
    return all(any(own.startswith(word) for own in theirs) for word in words)


def _row(person: Person) -> dict[str, Any]:
    return {"user_id": person.user_id, "name": person.name, "username": person.username, "seen_at": person.seen_at}


def _person(row: Any) -> Person:
    return Person(user_id=row.user_id, name=row.name, username=row.username, seen_at=row.seen_at)
