"""A bot over Telegram's own protocol: carries out calls, and has what it is told dealt with.

One process at a time is told what happens to a bot, by a lease in the database. Others stand by: they speak over logins
of their own, and take the lease over once it has run out.
"""

import asyncio
import secrets
import threading
from concurrent.futures import CancelledError as Cancelled
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

import structlog

from adapters.telegram.bot_api import Around, BotApiError, Refused, Unreachable
from adapters.telegram.calls import Bot, Call
from adapters.telegram.limits import check
from adapters.telegram.mtproto.line import Line, LoginLost, SaidBefore, TelegramApp
from adapters.telegram.mtproto.peers import Peers
from adapters.telegram.mtproto.receiver import Receiver, Take
from adapters.telegram.mtproto.requests import NO_MESSAGE_ID, request_of, result_of, spoken_to
from application.ports.surroundings import Clock
from application.ports.telegram_logins import TelegramLogin, TelegramLogins
from domain.errors import Unavailable

LEASE: Final = timedelta(seconds=5)
RENEW_EVERY_S: Final = 1.5
LOOK_EVERY_S: Final = 0.5
"""So often a process that stands by looks whether it is needed."""
LISTENING: Final = 0
SPEAKING: Final = range(1, 33)
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 5.0
STEADY_FROM_S: Final = 1.0
"""A connection that held for so long was one: the next is tried at once."""
CONNECTED_WITHIN_S: Final = 8.0
WHOLE_CALL_S: Final = 22.0
STOP_WITHIN_S: Final = 5.0
log = structlog.get_logger("tollgram")


def _nothing(_call: str) -> AbstractContextManager[None]:
    return nullcontext()


class State(StrEnum):
    """How it stands with a bot's connection in this process."""

    IDLE = "not asked for yet"
    CONNECTING = "connecting"
    LISTENING = "connected"
    STANDING_BY = "standing by"


class MtprotoBot(Bot):
    """May be called from any thread; works on a thread of its own, which starts when it is first needed."""

    def __init__(
        self, token: str, app: TelegramApp, logins: TelegramLogins, clock: Clock, *, around: Around | None = None
    ) -> None:
        """`around` is entered for each call, by its name."""
        self._around = around or _nothing
        self._token = token
        self._app = app
        self._logins = logins
        self._clock = clock
        self._holder = secrets.token_hex(8)
        self._peers = Peers(self.id, logins)
        self._take: Take | None = None
        self._line: Line | None = None
        self._receiver: Receiver | None = None
        self._place: int | None = None
        self._connected: asyncio.Event | None = None
        self._problem = ""
        self._was_connected = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._life: asyncio.Task[None] | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._closed = False
        self._tasks: set[asyncio.Task[Any]] = set()

    def __repr__(self) -> str:
        return f"MtprotoBot({self._app.server or 'Telegram'}, bot {self.id})"

    @property
    def id(self) -> int:
        return int(self._token.partition(":")[0])

    @property
    def state(self) -> State:
        if self._thread is None:
            return State.IDLE
        if self._line is None:
            return State.CONNECTING
        return State.LISTENING if self._place == LISTENING else State.STANDING_BY

    @property
    def listens(self) -> bool:
        return self.state is State.LISTENING

    @property
    def problem(self) -> str:
        """Why there is no connection; empty where there is one, or was one a moment ago."""
        if self._line is not None or self._thread is None:
            return ""
        return self._problem or "connecting"

    @property
    def was_connected(self) -> bool:
        return self._was_connected

    def receive(self, take: Take) -> None:
        """From now on, unless another process does."""
        self._take = take
        self._begin()

    def call(self, call: Call) -> Any:
        if self._closed:
            raise Unreachable(f"{call.method}: the bot is closed")
        with self._around(f"telegram {call.method}"):
            return self._wait_for(call)

    def _wait_for(self, call: Call) -> Any:
        asked = asyncio.run_coroutine_threadsafe(self.ask(call), self._begin())
        try:
            return asked.result(WHOLE_CALL_S)
        except TimeoutError:
            asked.cancel()
            raise Unreachable(f"{call.method}: no answer within {WHOLE_CALL_S:g} s") from None
        except Cancelled:
            raise Unreachable(f"{call.method}: the bot is being closed") from None

    def close(self) -> None:
        loop, thread = self._loop, self._thread
        if self._closed or loop is None or thread is None:
            return
        self._closed = True
        loop.call_soon_threadsafe(self._end)
        thread.join(STOP_WITHIN_S)

    def _begin(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._run, args=(self._loop,), name="mtproto", daemon=True)
                self._thread.start()
            return self._loop

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        self._connected = asyncio.Event()
        self._life = loop.create_task(self._live())
        try:
            loop.run_until_complete(asyncio.gather(self._life, return_exceptions=True))
        finally:
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            loop.close()

    def _end(self) -> None:
        if self._life is not None:
            self._life.cancel()

    # A call

    async def ask(self, call: Call) -> Any:
        """As `call`, for who is on this bot's own thread already."""
        check(call)
        peer_id = spoken_to(call)
        access_hash = 0 if peer_id is None else await self._peers.access_hash(peer_id)
        request = request_of(call, access_hash)
        line = await self._connection(call)
        try:
            result = await line.ask(request)
        except SaidBefore:
            # Its answer was lost the first time. Which number it has, nobody tells any more.
            return {"message_id": NO_MESSAGE_ID}
        except LoginLost:
            await line.close()
            raise Unreachable(f"{call.method}: the login is not known any more") from None
        if self._receiver is not None:
            self._receiver.note(result)
        return result_of(call, request, result)

    async def _connection(self, call: Call) -> Line:
        if self._line is None and self._connected is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._connected.wait(), CONNECTED_WITHIN_S)
        if self._line is None:
            raise Unreachable(f"{call.method}: {self.problem}")
        return self._line

    # The life of its connection

    async def _live(self) -> None:
        while True:
            login = await self._find_place()
            if login is None:
                await asyncio.sleep(LOOK_EVERY_S)
                continue
            while login is not None:
                login = await self._live_at(login)

    async def _find_place(self) -> TelegramLogin | None:
        return await self._hold([LISTENING, *SPEAKING] if self._take else list(SPEAKING))

    async def _live_at(self, login: TelegramLogin) -> TelegramLogin | None:
        """Until the place is lost; the better place, where there is one."""
        self._place = login.place
        connected = asyncio.create_task(self._stay_connected(login))
        try:
            return await self._keep(login.place)
        finally:
            connected.cancel()
            await asyncio.gather(connected, return_exceptions=True)
            await self._release(login)

    async def _keep(self, place: int) -> TelegramLogin | None:
        """Hold the place, until that fails or the one that listens is free."""
        now = asyncio.get_running_loop().time
        runs_out = renew_at = now()
        runs_out += LEASE.total_seconds()
        renew_at += RENEW_EVERY_S
        while True:
            await asyncio.sleep(RENEW_EVERY_S if place == LISTENING else LOOK_EVERY_S)
            # A call may come first, and what is to be told a moment later.
            standing_by = self._take is not None and place != LISTENING
            if standing_by and (better := await self._hold([LISTENING])):
                return better
            if now() < renew_at:
                continue
            asked_at = now()
            try:
                held = await asyncio.to_thread(self._try_to_hold, [place])
            except Unavailable:
                if now() > runs_out:
                    return None
                continue
            if held is None:
                log.warning("telegram.place_lost", bot_id=self.id, place=place)
                return None
            runs_out, renew_at = asked_at + LEASE.total_seconds(), asked_at + RENEW_EVERY_S

    async def _hold(self, places: list[int]) -> TelegramLogin | None:
        try:
            return await asyncio.to_thread(self._try_to_hold, places)
        except Unavailable as problem:
            self._problem = str(problem)
            return None

    def _try_to_hold(self, places: list[int]) -> TelegramLogin | None:
        return self._logins.hold(self.id, self._holder, self._clock.now(), places=places, lease=LEASE)

    async def _release(self, login: TelegramLogin) -> None:
        with suppress(Unavailable):  # it runs out by itself
            await asyncio.to_thread(self._logins.release, login, self._holder)

    async def _stay_connected(self, login: TelegramLogin) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            began = asyncio.get_running_loop().time()
            try:
                login = await self._connect_once(login)
            except LoginLost:
                log.warning("telegram.login_lost", bot_id=self.id, place=login.place)
                login = replace(login, key=b"")
                continue
            except (BotApiError, Unavailable) as problem:
                self._problem = str(problem)
                log.warning("telegram.not_connected", bot_id=self.id, problem=str(problem))
            except Exception as fault:
                self._problem = type(fault).__name__
                log.error("telegram.not_connected", bot_id=self.id, problem=type(fault).__name__, exc_info=fault)
            lasted_s = asyncio.get_running_loop().time() - began
            pause_s = FIRST_PAUSE_S if lasted_s > STEADY_FROM_S else min(2 * pause_s, LONGEST_PAUSE_S)
            await asyncio.sleep(pause_s)

    async def _connect_once(self, login: TelegramLogin) -> TelegramLogin:
        """From one connection to its end. Raises LoginLost, Refused, Unreachable or Unavailable."""
        receiver = self._new_receiver(login.place)
        line = Line(self._token, self._app, login, receiver.hear if receiver else None)
        work: list[asyncio.Task[Any]] = []
        try:
            opened = await line.open()
            if opened != login:
                await asyncio.to_thread(self._logins.keep, opened)
            self._connect(line, receiver)
            work = [asyncio.create_task(line.ended())]
            if receiver is not None:
                work.append(asyncio.create_task(self._listen(receiver, line)))
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            self._problem = "the connection was lost"
            return opened
        finally:
            self._disconnect(line)
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            if receiver is not None:
                await receiver.stop()
            await line.close()

    async def _listen(self, receiver: Receiver, line: Line) -> None:
        """A wait that Telegram asks for holds up the catching up alone; what comes by itself is dealt with."""
        work = receiver.catch_up
        while True:
            try:
                await work(line)
            except Refused as refusal:
                if refusal.retry_after is None:
                    raise
                log.warning("updates.wait", bot_id=self.id, seconds=refusal.retry_after.total_seconds())
                await asyncio.sleep(refusal.retry_after.total_seconds())
                work = receiver.catch_up
            else:
                log.info("telegram.listening", bot_id=self.id)
                work = receiver.keep_up

    def _new_receiver(self, place: int) -> Receiver | None:
        if place != LISTENING or self._take is None:
            return None
        return Receiver(self.id, self._logins, self._peers, self._take, self.ask, self._tasks)

    def _connect(self, line: Line, receiver: Receiver | None) -> None:
        self._line, self._receiver = line, receiver
        self._was_connected = True
        if self._connected is not None:
            self._connected.set()

    def _disconnect(self, line: Line) -> None:
        if self._line is line:
            self._line = self._receiver = None
            if self._connected is not None:
                self._connected.clear()
