"""The outbox over the simulated store, with Telegram's rates counted over all processes."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from application.messages import Letter
from application.ports.outbox import Outbox
from application.ports.outcomes import LONGEST_PUT_OFF
from domain.ids import BotName
from entrypoints.simulation.store_money import Port
from entrypoints.simulation.store_rows import LetterRow
from entrypoints.simulation.store_schema import second_of

BOT_PER_SECOND: Final = 25
CHAT_BURST: Final = 5
CHAT_BURST_WITHIN: Final = timedelta(seconds=5)
WINDOW_S: Final = 5
_SECOND: Final = timedelta(seconds=1)


class StoreOutbox(Port, Outbox):
    __slots__ = ()

    def add(self, letters: Sequence[Letter], now: datetime) -> None:
        if letters:
            self._s.statement("outbox.add")
        for letter in letters:
            id = self._t.outbox.next_number()
            self._s.insert(self._t.outbox, id, LetterRow(replace(letter, id=id), created_at=now, due_at=now))

    def claim(self, now: datetime, *, at_most: int, lease: timedelta) -> Sequence[Letter]:
        self._s.statement("outbox.claim.lock")
        self._s.hold("outbox")
        self._s.statement("outbox.claim")
        bots, chats = self._rates(now)
        claimed: list[Letter] = []
        for row in self._heads(now, lease):
            chat = row.letter.bot, row.letter.chat_id
            if len(claimed) >= at_most:
                break
            if bots[chat[0]] < BOT_PER_SECOND and chats[chat] < CHAT_BURST:
                bots[chat[0]] += 1
                chats[chat] += 1
                claimed.append(row.letter)
        if claimed:
            self._s.statement("outbox.claimed")
        for letter in claimed:
            self._s.change(self._t.outbox, letter.id, partial(_claimed, now=now, until=now + lease))
        return claimed

    def crowded(self, bot: BotName, chat_id: int, *, by: int) -> bool:
        self._s.statement("outbox.crowded")
        return sum(1 for _ in self._s.find(self._t.outbox, self._t.letters_waiting, (bot, chat_id))) >= by

    def sent(self, letter: Letter, now: datetime) -> None:
        self._s.statement("outbox.sent")
        self._change(letter, lambda row: LetterRow(row.letter, row.created_at, row.due_at, row.claimed_at, sent_at=now))

    def retry(self, letter: Letter, due_at: datetime, problem: str) -> None:
        self._s.statement("outbox.retry")
        self._change(
            letter,
            lambda row: row._replace(letter=_tried(row), due_at=due_at, claimed_until=None, problem=problem),
        )

    def give_up(self, letter: Letter, now: datetime, problem: str) -> None:
        self._s.statement("outbox.give_up")
        self._change(
            letter,
            lambda row: row._replace(letter=_tried(row), given_up_at=now, claimed_until=None, problem=problem),
        )

    def _heads(self, now: datetime, lease: timedelta) -> list[LetterRow]:
        """The oldest letter of each chat where it is due, oldest first."""
        too_far = now + 2 * lease
        rows = self._t.outbox.rows
        heads = [rows[min(ids)] for ids in self._t.letters_waiting.keys.values()]
        own = self._s.writes.get(self._t.outbox)
        if own:  # not as we use it: claims have a transaction of their own
            by_chat: dict[tuple[BotName, int], LetterRow] = {}
            for row in sorted(self._s.all(self._t.outbox), key=lambda row: row.letter.id):
                if row.waits:
                    by_chat.setdefault((row.letter.bot, row.letter.chat_id), row)
            heads = list(by_chat.values())
        due = [row for row in heads if _due(row, now, too_far)]
        due.sort(key=lambda row: row.letter.id)
        return due

    def _rates(self, now: datetime) -> tuple[Counter[str], Counter[tuple[str, int]]]:
        """What was claimed just now, over all processes."""
        bots: Counter[str] = Counter()
        chats: Counter[tuple[str, int]] = Counter()
        around = second_of(now)
        for second in range(around - WINDOW_S, around + WINDOW_S + 1):
            for row in self._s.find(self._t.outbox, self._t.letters_claimed, second):
                if row.claimed_at is not None and abs(now - row.claimed_at) < CHAT_BURST_WITHIN:
                    chats[row.letter.bot, row.letter.chat_id] += 1
                    bots[row.letter.bot] += abs(now - row.claimed_at) < _SECOND
        return bots, chats

    def _change(self, letter: Letter, how: Callable[[LetterRow], LetterRow]) -> None:
        self._s.change(self._t.outbox, letter.id, lambda row: how(row) if row.waits else None)


def _due(row: LetterRow, now: datetime, too_far: datetime) -> bool:
    """Times too far away were noted by a clock that was set back since, and count for nothing."""
    if row.claimed_until is not None and now < row.claimed_until <= too_far:
        return False
    due = row.due_at <= now or row.due_at > now + LONGEST_PUT_OFF
    return row.letter.attempts == 0 or due or (row.claimed_at is not None and row.claimed_at > too_far)


def _claimed(row: LetterRow, now: datetime, until: datetime) -> LetterRow:
    return LetterRow(row.letter, row.created_at, now, now, until, problem=row.problem)


def _tried(row: LetterRow) -> Letter:
    return replace(row.letter, attempts=row.letter.attempts + 1)
