"""Names of users are kept as the bot hears them, each once, and never at anybody's cost."""

from collections.abc import Mapping, Sequence

import pytest

from adapters.telegram.updates import Sender, read_update
from application.books import People, Person
from application.people import KeepPeople, words_of
from domain.ids import UserId
from entrypoints import sightings
from entrypoints.setting_values import sums
from entrypoints.sightings import Sightings
from tests.builders import ALICE, BOB, MAIN
from tests.memory import NOON, FixedClock


class MemoryPeople(People):
    def __init__(self) -> None:
        self.kept: list[Person] = []

    def keep(self, people: Sequence[Person]) -> None:
        self.kept += people

    def of(self, users: Sequence[UserId]) -> Mapping[UserId, Person]:
        return {person.user_id: person for person in self.kept if person.user_id in users}

    def named(self, words: Sequence[str], *, at_most: int) -> Sequence[Person]:
        return [person for person in self.kept if set(words) <= set(words_of(person.name))][:at_most]


def test_who_was_heard_of_is_kept_once_and_again_only_by_another_name() -> None:
    people = MemoryPeople()
    heard = Sightings(KeepPeople(people), FixedClock())
    heard.note(ALICE, "Alice", "alice")
    heard.note(ALICE, "Alice L.", "alice")
    heard.note(BOB, "Bob", "")
    assert (heard(), heard()) == (2, 0)
    assert people.kept == [
        Person(user_id=ALICE, name="Alice L.", username="alice", seen_at=NOON),
        Person(user_id=BOB, name="Bob", username="", seen_at=NOON),
    ]
    heard.note(ALICE, "Alice L.", "alice")
    assert heard() == 0
    heard.note(ALICE, "Alice", "alice")
    assert heard() == 1


def test_neither_those_who_wait_nor_those_who_are_remembered_grow_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("MOST_WAITING", "MOST_REMEMBERED"):
        monkeypatch.setattr(sightings, name, 3)
    people = MemoryPeople()
    heard = Sightings(KeepPeople(people), FixedClock())
    for number in range(1, 6):
        heard.note(UserId(number), "Somebody", "")
    assert heard() == 3
    heard.note(UserId(4), "Somebody", "")
    assert heard() == 1
    heard.note(UserId(1), "Somebody", "")  # was forgotten
    assert heard() == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("Ada  LOVELACE ada", ("ada", "lovelace"), id="small letters, each once"),
        pytest.param("Ａda\u200b\u202e-Ｌ", ("ada", "l"), id="compatible, without what can't be seen"),
        pytest.param("@ada_l", ("ada_l",), id="a username"),
        pytest.param("Straße", ("strasse",), id="as it is written large"),
        pytest.param("שרה כהן", ("שרה", "כהן"), id="from right to left"),
        pytest.param("\u200b = '; --", (), id="none"),
        pytest.param(" ".join("abcdefghijk"), tuple("abcdefgh"), id="eight at most"),
        pytest.param("x" * 99, ("x" * 64,), id="cut"),
    ],
)
def test_a_name_is_found_by_its_words(text: str, words: tuple[str, ...]) -> None:
    assert words_of(text) == words


SAID = (
    '{"update_id": 1, "message": {"message_id": 1, "date": 1, "chat": {"id": 7, "type": "private"}, "text": "/buy"%s}}'
)


@pytest.mark.parametrize(
    ("sender", "heard"),
    [
        pytest.param(
            '"id": 7, "is_bot": false, "first_name": "Ada", "last_name": "L", "username": "ada"',
            Sender(user_id=UserId(7), name="Ada L", username="ada"),
            id="a person",
        ),
        pytest.param(
            '"id": 7, "is_bot": false, "first_name": "\\ud800\\u0000"',
            Sender(user_id=UserId(7), name="\ufffd\ufffd", username=""),
            id="with what no database keeps",
        ),
        pytest.param('"id": 7, "is_bot": true, "first_name": "Bot"', None, id="a bot"),
    ],
)
def test_an_update_tells_who_sent_it(sender: str, heard: Sender | None) -> None:
    body = (SAID % f', "from": {{{sender}}}').encode()
    assert read_update(body, MAIN, "our_bot").sender == heard


def test_an_update_that_nobody_sent_tells_nobody() -> None:
    assert read_update((SAID % "").encode(), MAIN, "our_bot").sender is None


@pytest.mark.parametrize("text", ["[]", '{"XTR": -1}', '{"XTR": "5"}', '{"ZZZ": 5}', "5000"])
def test_sums_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="smallest unit"):
        sums(text)
    assert sums('{"XTR": 5000, "GBP": 0}') == {"XTR": 5000, "GBP": 0}
