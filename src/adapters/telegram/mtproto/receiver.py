"""Takes what Telegram tells, each update once it comes, and moves on only behind what has been committed.

Whatever was told while nobody listened is asked for at every new connection, where a gap shows, and now and then.
Updates may so come twice; nothing that is done with them minds.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import structlog
from telethon.tl import functions, types

from adapters.telegram.bot_api import BotApiError
from adapters.telegram.calls import Call
from adapters.telegram.mtproto.line import Line
from adapters.telegram.mtproto.peers import Peers
from adapters.telegram.mtproto.position import Progress
from adapters.telegram.mtproto.updates import bot_api_update
from application.ports.telegram_logins import TelegramLogins, UpdatesPosition
from domain.errors import Unavailable

ASK_EVERY_S: Final = 20.0
GRACE_S: Final = 0.5
"""Updates may overtake each other by so much before one counts as missed."""
SAVE_EVERY_S: Final = 0.2
TRY_AGAIN_S: Final = 1.0
QUERY_LIVES_S: Final = 9.5
"""Nobody waits for an answer any more, which Telegram itself takes for 10 s only."""
MOST_AT_ONCE: Final = 64
MOST_FAULTS: Final = 8
QUERIES: Final = ("pre_checkout_query", "shipping_query")

Take = Callable[[bytes], Awaitable[Call | None]]
"""Has an update of the Bot API dealt with, and gives the call that answers it. Raises Unavailable where nothing of it
could be kept: then it has to come again."""
Say = Callable[[Call], Awaitable[Any]]
log = structlog.get_logger("tollgram")


@dataclass(slots=True)
class Receiver:
    """For as long as one connection holds. `say` carries out calls, over whatever connection there is by then."""

    bot_id: int
    logins: TelegramLogins
    peers: Peers
    take: Take
    say: Say
    tasks: "set[asyncio.Task[Any]]"
    """What is under way. It outlives the connection: who waits for an answer gets it over the next one."""
    _progress: Progress | None = None
    _position: UpdatesPosition | None = None
    _behind: asyncio.Event = field(default_factory=asyncio.Event)
    _moved: asyncio.Event = field(default_factory=asyncio.Event)
    _forced: bool = False
    _last_of_chat: "dict[int, asyncio.Task[None]]" = field(default_factory=dict)
    _stopped: bool = False
    _at_once: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_AT_ONCE))

    # What comes by itself

    def hear(self, told: Any) -> None:
        """Never waits."""
        match told:
            case types.Updates() | types.UpdatesCombined():
                self.peers.meet([*told.users, *told.chats])
                for update in told.updates:
                    self._begin(update)
            case types.UpdateShort():
                self._begin(told.update)
            case types.UpdateShortMessage():
                self._begin(_whole(told, types.PeerUser(told.user_id)))
            case types.UpdateShortChatMessage():
                self._begin(_whole(told, types.PeerChat(told.chat_id), types.PeerUser(told.from_id)))
            case types.UpdateShortSentMessage():
                self._done(told.pts, told.pts_count)
            case types.UpdatesTooLong():
                self._forced = True
                self._behind.set()

    # What is asked for

    async def catch_up(self, line: Line) -> None:
        """Ask for all that was missed, and take it. Raises what asking raises, and Unavailable."""
        position = self._current() or await self._first_position(line)
        while True:
            asked = functions.updates.GetDifferenceRequest(pts=position.pts, date=position.at, qts=position.qts)
            missed = await line.ask(asked)
            if isinstance(missed, types.updates.DifferenceEmpty):
                return
            if isinstance(missed, types.updates.DifferenceTooLong):
                # More than Telegram tells at once: what was paid meanwhile is in its ledger, which is compared.
                log.warning("updates.too_many_missed", bot_id=self.bot_id)
                position = replace(position, pts=missed.pts)
            else:
                await self._take_all(missed)
                state = getattr(missed, "state", None) or missed.intermediate_state
                position = UpdatesPosition(pts=state.pts, qts=state.qts, at=state.date)
            await self._reach(position)

    async def keep_up(self, line: Line) -> None:
        """For as long as the connection holds."""
        saving = asyncio.create_task(self._save_for_ever())
        try:
            while True:
                try:
                    await asyncio.wait_for(self._behind.wait(), ASK_EVERY_S)
                    await asyncio.sleep(GRACE_S)
                except TimeoutError:
                    self._forced = True
                self._behind.clear()
                if self._forced or (self._progress is not None and self._progress.gap):
                    self._forced = False
                    try:
                        await self.catch_up(line)
                    except Unavailable as problem:
                        log.warning("updates.not_caught_up", bot_id=self.bot_id, problem=str(problem))
                        self._forced = True
                        await asyncio.sleep(TRY_AGAIN_S)
                        self._behind.set()
        finally:
            saving.cancel()

    async def stop(self) -> None:
        """What is under way goes on, but moves nothing any more: it comes again, and nothing minds."""
        self._stopped = True
        if self._progress is not None and self._moved.is_set():
            await self._save()

    async def _first_position(self, line: Line) -> UpdatesPosition:
        position = await asyncio.to_thread(self.logins.position, self.bot_id)
        if position is None:
            state = await line.ask(functions.updates.GetStateRequest())
            position = UpdatesPosition(pts=state.pts, qts=state.qts, at=state.date)
            await asyncio.to_thread(self.logins.move, self.bot_id, position)
        self._position, self._progress = position, Progress(position.pts)
        return position

    async def _take_all(self, missed: Any) -> None:
        self.peers.meet([*missed.users, *missed.chats])
        messages = [types.UpdateNewMessage(message, 0, 0) for message in missed.new_messages]
        tasks = [self._begin(update) for update in (*messages, *missed.other_updates)]
        await asyncio.gather(*(task for task in tasks if task is not None))

    async def _reach(self, position: UpdatesPosition) -> None:
        await asyncio.to_thread(self.logins.move, self.bot_id, position)
        self._position = position
        if self._progress is not None:
            self._progress.jump(position.pts)

    def _current(self) -> UpdatesPosition | None:
        if self._progress is None or self._position is None:
            return None
        return replace(self._position, pts=self._progress.pts)

    # One update

    def _begin(self, update: Any) -> "asyncio.Task[None] | None":
        chat = _chat_of(update)
        if isinstance(update, types.UpdateBotPrecheckoutQuery | types.UpdateBotShippingQuery):
            return self._spawn(self._deal_with(update, None))
        if not isinstance(update, _DEALT_WITH):
            self._done(getattr(update, "pts", 0) or 0, getattr(update, "pts_count", 0) or 0)
            return None
        before = self._last_of_chat.get(chat)
        task = self._spawn(self._deal_with(update, before))
        self._last_of_chat[chat] = task
        task.add_done_callback(lambda done: self._forget(chat, done))
        return task

    def _forget(self, chat: int, task: "asyncio.Task[None]") -> None:
        if self._last_of_chat.get(chat) is task:
            del self._last_of_chat[chat]

    async def _deal_with(self, update: Any, before: "asyncio.Task[None] | None") -> None:
        """Messages of one chat in their order, as by the webhook; a buyer who waits for an answer waits for nobody."""
        if before is not None:
            await asyncio.wait([before])
        people = {user_id: await self.peers.user(user_id) for user_id in _users_of(update, self.bot_id)}
        found = bot_api_update(update, people.__getitem__, self.bot_id)
        answer = None
        if found is not None:
            body, is_query = msgspec.json.encode(found), any(kind in found for kind in QUERIES)
            if is_query:
                answer = await self._take(body, patient=False)
            else:
                async with self._at_once:
                    answer = await self._take(body, patient="callback_query" not in found)
        if not isinstance(update, types.UpdateNewChannelMessage | types.UpdateEditChannelMessage):
            self._done(getattr(update, "pts", 0) or 0, getattr(update, "pts_count", 0) or 0)
        if answer is not None:
            await self._answer(answer)

    async def _take(self, body: bytes, *, patient: bool) -> Call | None:
        """Only what the database could not keep is tried for ever."""
        until, faults = asyncio.get_running_loop().time() + QUERY_LIVES_S, 0
        while True:
            try:
                return await self.take(body)
            except Unavailable as problem:
                log.warning("update.not_kept", bot_id=self.bot_id, problem=str(problem))
            except Exception as fault:
                log.error("update.failed", bot_id=self.bot_id, problem=type(fault).__name__, exc_info=fault)
                faults += 1
                if faults == MOST_FAULTS:
                    return None
            await asyncio.sleep(TRY_AGAIN_S)
            if patient and self._stopped:
                return None  # the next connection is told of it
            if not patient and asyncio.get_running_loop().time() > until:
                return None

    async def _answer(self, answer: Call) -> None:
        """Over this connection or the next, as long as anybody waits for it."""
        until = asyncio.get_running_loop().time() + QUERY_LIVES_S
        while True:
            try:
                await self.say(answer)
            except BotApiError as problem:
                log.warning("answer.not_taken", method=answer.method, problem=str(problem))
                if getattr(problem, "code", None) is not None:
                    return
            else:
                return
            if asyncio.get_running_loop().time() > until:
                return
            await asyncio.sleep(GRACE_S)

    # How far we are

    def note(self, result: Any) -> None:
        """What a request of our own has come to takes its place in the row, too, and may tell something."""
        if isinstance(result, types.Updates | types.UpdatesCombined | types.UpdateShortSentMessage):
            self.hear(result)

    def _done(self, pts: int, count: int) -> None:
        if self._progress is None or not pts or self._stopped:
            return
        if self._progress.done(pts, count):
            self._moved.set()
        if self._progress.gap:
            self._behind.set()

    async def _save_for_ever(self) -> None:
        while True:
            await self._moved.wait()
            await asyncio.sleep(SAVE_EVERY_S)
            await self._save()

    async def _save(self) -> None:
        self._moved.clear()
        if position := self._current():
            try:
                await asyncio.to_thread(self.logins.move, self.bot_id, position)
            except Unavailable:
                self._moved.set()

    def _spawn(self, work: Any) -> "asyncio.Task[Any]":
        task: asyncio.Task[Any] = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task


_DEALT_WITH: Final = (
    types.UpdateNewMessage,
    types.UpdateNewChannelMessage,
    types.UpdateEditMessage,
    types.UpdateEditChannelMessage,
    types.UpdateBotNewBusinessMessage,
    types.UpdateBotCallbackQuery,
    types.UpdateBotStarsSubscription,
    types.UpdateBotStopped,
)


def _users_of(update: Any, bot_id: int) -> Sequence[int]:
    found = [bot_id]
    if user_id := getattr(update, "user_id", None):
        found.append(user_id)
    message = getattr(update, "message", None)
    peers = (getattr(message, "peer_id", None), getattr(message, "from_id", None))
    return [*found, *(peer.user_id for peer in peers if isinstance(peer, types.PeerUser))]


def _chat_of(update: Any) -> int:
    """Zero where it has none."""
    peer = getattr(getattr(update, "message", None), "peer_id", None) or getattr(update, "peer", None)
    for name in ("user_id", "chat_id", "channel_id"):
        if (number := getattr(peer, name, None)) is not None:
            return int(number)
    return int(getattr(update, "user_id", 0) or 0)


def _whole(told: Any, peer: Any, sender: Any = None) -> Any:
    """A message that was told in short."""
    message = types.Message(
        id=told.id,
        peer_id=peer,
        from_id=sender,
        date=told.date or datetime.now(UTC),
        message=told.message,
        out=told.out,
        fwd_from=told.fwd_from,
        via_bot_id=told.via_bot_id,
        reply_to=told.reply_to,
        entities=told.entities,
    )
    return types.UpdateNewMessage(message, told.pts, told.pts_count)
