"""The outbox: letters that wait, in order per chat, and no faster than Telegram takes them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, func, or_, select, update

from adapters.sql import schema
from adapters.sql.bulk import any_of, insert_rows
from adapters.sql.causes import Cause, no_cause
from adapters.sql.column_types import UtcTime
from adapters.sql.letters import Unreadable, letter_of, row_of
from adapters.sql.locks import hold
from adapters.sql.schema import letter_waits
from application.messages import Letter
from application.ports.outbox import Outbox
from application.ports.outcomes import LONGEST_PUT_OFF
from domain.ids import BotName

BOT_PER_SECOND: Final = 25
"""Over all chats. Telegram takes about 30 (https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this);
what is claimed evenly arrives unevenly, and up to a third of a second of that costs no 429."""
CHAT_BURST: Final = 5
CHAT_BURST_WITHIN: Final = timedelta(seconds=5)
"""One a second in one chat, but a short burst may go out at once."""

Chat = tuple[str, int]

_SECOND = timedelta(seconds=1)
_TABLE = schema.outbox
_SAME_CHAT = _TABLE.alias("same_chat")
_LATELY = select(_TABLE.c.bot, _TABLE.c.chat_id, _TABLE.c.claimed_at).where(
    _TABLE.c.claimed_at > bindparam("since"), _TABLE.c.claimed_at < bindparam("until")
)
_NEXT_BOT = select(_TABLE.c.bot).where(letter_waits, _TABLE.c.bot > bindparam("after")).order_by(_TABLE.c.bot).limit(1)
# Times this far away were noted by a clock that was set back since, and count for nothing. Nearer ones may have been
# noted by another process, whose clock is ahead of ours or was read after it.
_TOO_FAR = bindparam("too_far", type_=UtcTime())
_PUT_OFF_TOO_FAR = bindparam("put_off_too_far", type_=UtcTime())
_NOW = bindparam("now", type_=UtcTime())
# Looked up for one row after the other, as far as asked for; "not exists" would be planned as a join of all that wait.
_OLDEST_OF_CHAT = (
    select(func.min(_SAME_CHAT.c.id))
    .where(
        _SAME_CHAT.c.bot == _TABLE.c.bot,
        _SAME_CHAT.c.chat_id == _TABLE.c.chat_id,
        _SAME_CHAT.c.sent_at.is_(None),
        _SAME_CHAT.c.given_up_at.is_(None),
    )
    .correlate(_TABLE)
    .scalar_subquery()
)
_CROWDED = (
    select(_TABLE.c.id)
    .where(letter_waits, _TABLE.c.bot == bindparam("of"), _TABLE.c.chat_id == bindparam("chat"))
    .order_by(_TABLE.c.id)
    .limit(1)
    .offset(bindparam("before"))
)
_HEADS = (
    select(_TABLE)
    .where(
        letter_waits,
        _TABLE.c.bot == bindparam("of"),
        or_(_TABLE.c.claimed_until.is_(None), _TABLE.c.claimed_until <= _NOW, _TABLE.c.claimed_until > _TOO_FAR),
        or_(
            _TABLE.c.attempts == 0,
            _TABLE.c.due_at <= _NOW,
            _TABLE.c.due_at > _PUT_OFF_TOO_FAR,
            _TABLE.c.claimed_at > _TOO_FAR,
        ),
        _TABLE.c.id == _OLDEST_OF_CHAT,
    )
    .order_by(_TABLE.c.id)
    .limit(bindparam("at_most"))
)
_CLAIM = (
    update(_TABLE)
    .where(any_of(_TABLE.c.id, "ids"))
    # Due now, whenever it was: a clock that was ahead may have put it off, and whoever claims it may die over it.
    .values(claimed_at=bindparam("now"), claimed_until=bindparam("claim_runs_out"), due_at=bindparam("now"))
)
_WAITING_ONE = (_TABLE.c.id == bindparam("of"), letter_waits)
_SENT = update(_TABLE).where(*_WAITING_ONE).values(sent_at=bindparam("now"), claimed_until=None)
_RETRY = (
    update(_TABLE)
    .where(*_WAITING_ONE)
    .values(attempts=_TABLE.c.attempts + 1, due_at=bindparam("due"), claimed_until=None, problem=bindparam("problem"))
)
_GIVE_UP = (
    update(_TABLE)
    .where(*_WAITING_ONE)
    .values(
        attempts=_TABLE.c.attempts + 1,
        given_up_at=bindparam("now"),
        claimed_until=None,
        problem=bindparam("problem"),
    )
)


class SqlOutbox(Outbox):
    def __init__(self, connection: Connection, cause: Cause = no_cause) -> None:
        self._connection = connection
        self._cause = cause

    def add(self, letters: Sequence[Letter], now: datetime) -> None:
        if letters:
            insert_rows(self._connection, _TABLE, [self._row(letter, now) for letter in letters])

    def claim(self, now: datetime, *, at_most: int, lease: timedelta) -> Sequence[Letter]:
        # One at a time over all processes, so that rates are counted exactly and nothing is claimed twice.
        hold(self._connection, ["outbox"])
        claimed = self._readable(self._heads(now, at_most, lease), now)
        if claimed:
            ids = [letter.id for letter in claimed]
            self._connection.execute(_CLAIM, {"ids": ids, "now": now, "claim_runs_out": now + lease})
        return claimed

    def crowded(self, bot: BotName, chat_id: int, *, by: int) -> bool:
        return self._connection.execute(_CROWDED, {"of": bot, "chat": chat_id, "before": by - 1}).first() is not None

    def sent(self, letter: Letter, now: datetime) -> None:
        self._connection.execute(_SENT, {"of": letter.id, "now": now})

    def retry(self, letter: Letter, due_at: datetime, problem: str) -> None:
        self._connection.execute(_RETRY, {"of": letter.id, "due": due_at, "problem": problem})

    def give_up(self, letter: Letter, now: datetime, problem: str) -> None:
        self._give_up(letter.id, now, problem)

    def _row(self, letter: Letter, now: datetime) -> dict[str, Any]:
        return row_of(letter, now, letter.cause or self._cause(letter.about))

    def _give_up(self, id: int, now: datetime, problem: str) -> None:
        self._connection.execute(_GIVE_UP, {"of": id, "now": now, "problem": problem})

    def _heads(self, now: datetime, at_most: int, lease: timedelta) -> list[Any]:
        """The oldest letter of each chat, where it is due and the rates allow it."""
        window = {"since": now - CHAT_BURST_WITHIN, "until": now + CHAT_BURST_WITHIN}
        rates = _Rates.after(self._connection.execute(_LATELY, window).all(), now)
        due: list[Any] = []
        for bot in self._waiting_bots():
            if left := min(at_most, rates.left(bot)):
                # Enough, whichever chats are at rest: each has one oldest letter.
                wanted = left + rates.chats_at_rest(bot)
                times = {"now": now, "too_far": now + 2 * lease, "put_off_too_far": now + LONGEST_PUT_OFF}
                due += self._connection.execute(_HEADS, {"of": bot, "at_most": wanted, **times})
        oldest_first = sorted(due, key=lambda row: row.id)
        return [row for row in oldest_first if rates.take((row.bot, row.chat_id))][:at_most]

    def _waiting_bots(self) -> Iterator[str]:
        """One step in the index each, however long its letters are in line: a bot at rest must cost nothing."""
        bot = self._connection.scalar(_NEXT_BOT, {"after": ""})
        while bot is not None:
            yield bot
            bot = self._connection.scalar(_NEXT_BOT, {"after": bot})

    def _readable(self, rows: Sequence[Any], now: datetime) -> list[Letter]:
        """What nobody can read must not hold up its chat for ever: it is given up, and stays on record."""
        letters = []
        for row in rows:
            try:
                letters.append(letter_of(row))
            except Unreadable as problem:
                self._give_up(row.id, now, str(problem))
        return letters


@dataclass(slots=True)
class _Rates:
    """What was claimed just now, over all processes: so many letters of each bot and of each chat."""

    bots: Counter[str]
    chats: Counter[Chat]

    @classmethod
    def after(cls, claims: Sequence[Row[str, int, datetime]], now: datetime) -> "_Rates":
        return cls(
            bots=Counter(bot for bot, _, at in claims if abs(now - at) < _SECOND),
            chats=Counter((bot, chat_id) for bot, chat_id, _ in claims),
        )

    def take(self, chat: Chat) -> bool:
        """Count one more letter to that chat, unless that were too many."""
        if self.bots[chat[0]] >= BOT_PER_SECOND or self.chats[chat] >= CHAT_BURST:
            return False
        self.bots[chat[0]] += 1
        self.chats[chat] += 1
        return True

    def left(self, bot: str) -> int:
        """How many more the bot may send now."""
        return max(0, BOT_PER_SECOND - self.bots[bot])

    def chats_at_rest(self, bot: str) -> int:
        return sum(sent >= CHAT_BURST for (of, _), sent in self.chats.items() if of == bot)
