"""What waits for bots that speak MTProto: each update is pushed to the newest session, and kept for whoever was away.

Messages have a place (pts) in one row; a bot that knows how far it has come is given the rest by getDifference. Queries
have none: what is not pushed in time is gone. https://core.telegram.org/api/updates
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from telethon.tl import types

from entrypoints.sandbox.faults import Weather
from entrypoints.sandbox.mtproto import wire
from entrypoints.sandbox.mtproto.sessions import Session
from entrypoints.sandbox.people import Bot, Json, User
from entrypoints.sandbox.updates import Attempt, Update, now

SLICE: Final = 100
LOOK_AGAIN_S: Final = 0.02
FIRST_PTS: Final = 1

People = Callable[[int], User | None]


@dataclass(slots=True, kw_only=True)
class _Entry:
    pts: int
    update: Any
    said: Json
    told: Update | None
    """Of the sandbox's own list; None for what the bot said itself."""


@dataclass(slots=True)
class Postbox:
    bot: Bot
    people: People
    weather: Weather
    changed: Callable[[Update], None]
    pts: int = FIRST_PTS
    entries: list[_Entry] = field(default_factory=list)
    queries: list[Update] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    unacknowledged: dict[tuple[int, int], Update] = field(default_factory=dict)
    random_ids: dict[int, None] = field(default_factory=dict)
    """Of messages of the bot that were taken, the newest last."""
    queue: "asyncio.Queue[tuple[Update | None, Any, Json]]" = field(default_factory=asyncio.Queue)

    # What the sandbox asks of it

    def put(self, update: Update) -> None:
        """An update of the Bot API, on its way to the bot."""
        content = msgspec.json.decode(update.raw)
        found = self._as_mtproto(update.kind, content[update.kind])
        if found is None:
            self._end(update, "delivered")
            return
        if "message" in update.kind or update.kind == "channel_post":
            self._append(found, content[update.kind], update)
        else:
            self.queries.append(update)
        self.changed(update)
        self.queue.put_nowait((update, found, content[update.kind]))

    def again(self, update: Update) -> None:
        """The same once more, at the same place; what was never sent is sent."""
        entry = next((one for one in self.entries if one.told is update), None)
        if entry is None:
            self.put(update)
        else:
            self._push(update, entry.update, entry.said)

    def wrote(self, said: Json) -> Any:
        """A message of the bot's own takes a place in the row, too."""
        update = types.UpdateNewMessage(wire.message(self.bot, said), 0, 1)
        self._append(update, said, None)
        return update

    def pending(self) -> list[Update]:
        self.queries = [one for one in self.queries if one.state == "waiting"]
        for query in self.queries:
            if now() > query.expires_at:
                self._end(query, "expired")
        return [one.told for one in self.entries if one.told and one.told.state == "waiting"] + self.queries

    def drop_pending(self) -> None:
        for update in self.pending():
            self._end(update, "dropped")

    def let_expire(self) -> None:
        for update in self.pending():
            update.expires_at = 0.0

    # What the bot asks of it

    def state(self) -> Any:
        return types.updates.State(self.pts, 0, wire.moment(now()), 1, 0)

    def difference(self, since: int) -> Any:
        self._has(since)
        missed = [entry for entry in self.entries if entry.pts > since]
        if not missed:
            return types.updates.DifferenceEmpty(wire.moment(now()), 1)
        part = missed[:SLICE]
        messages = [one.update.message for one in part if isinstance(one.update, types.UpdateNewMessage)]
        fields: dict[str, Any] = {
            "new_messages": messages,
            "new_encrypted_messages": [],
            "other_updates": [one.update for one in part if not isinstance(one.update, types.UpdateNewMessage)],
            "chats": [found for one in part for found in wire.chat(self.bot, one.said["chat"])],
            "users": self._users(*(one.said for one in part)),
        }
        for entry in part:
            if entry.told:
                self._attempt(entry.told, "getDifference")
                self._end(entry.told, "delivered")
        state = self.state()
        if len(part) == len(missed):
            return types.updates.Difference(state=state, **fields)
        state.pts = part[-1].pts
        return types.updates.DifferenceSlice(intermediate_state=state, **fields)

    def wanted_by(self, session: Session) -> None:
        if session not in self.sessions:
            self.sessions.append(session)

    def acknowledged(self, session: Session, message_ids: list[int]) -> None:
        for message_id in message_ids:
            if update := self.unacknowledged.pop((session.id, message_id), None):
                self._end(update, "delivered")

    async def deliver(self) -> None:
        """One after the other, for ever."""
        while True:
            update, found, said = await self.queue.get()
            if (delay_s := self.weather.at(self.bot.id).delivery_delay_s) > 0:
                await asyncio.sleep(delay_s)
            while (faults := self.weather.at(self.bot.id)).hold_deliveries or faults.down:
                await asyncio.sleep(LOOK_AGAIN_S)
            if update is None or update.state != "waiting":
                continue
            if faults.strike("lose_updates"):
                continue
            for _ in range(max(faults.deliver_times, faults.deliver_concurrently)):
                self._push(update, found, said)

    @property
    def connected(self) -> bool:
        return any(session.alive for session in self.sessions)

    def _push(self, update: Update, found: Any, said: Json) -> None:
        self.sessions = [session for session in self.sessions if session.alive]
        if not self.sessions:
            return
        session = self.sessions[-1]
        chats = wire.chat(self.bot, said["chat"]) if "chat" in said else []
        container = types.Updates([found], self._users(said), chats, wire.moment(now()), 0)
        self._attempt(update, "delivery")
        self.unacknowledged[session.id, session.send(bytes(container), reply=False)] = update

    # Of one update

    def _append(self, update: Any, said: Json, told: Update | None) -> None:
        self.pts += 1
        update.pts = self.pts
        self.entries.append(_Entry(pts=self.pts, update=update, said=said, told=told))

    def _has(self, pts: int) -> None:
        """The bot says how far it has come: whatever was before has reached it."""
        for entry in self.entries:
            if entry.pts <= pts and entry.told:
                self._end(entry.told, "delivered")

    def _attempt(self, update: Update, why: str) -> None:
        update.attempts.append(Attempt(at=now(), why=why, status=200))

    def _end(self, update: Update, state: str) -> None:
        if update.state == "waiting":
            update.state = state
            self.changed(update)

    def _users(self, *said: Json) -> list[Any]:
        ids = {one["id"] for each in said for one in (each.get("from"), each.get("chat")) if one and one["id"] > 0}
        people = [found for id in sorted(ids) if (found := self.people(id))]
        return [wire.myself(self.bot), *(wire.user(self.bot, person) for person in people)]

    def _as_mtproto(self, kind: str, content: Json) -> Any:
        match kind:
            case "message":
                return types.UpdateNewMessage(wire.message(self.bot, content), 0, 1)
            case "channel_post":
                return types.UpdateNewChannelMessage(wire.message(self.bot, content), 0, 1)
            case "edited_message":
                return types.UpdateEditMessage(wire.message(self.bot, content), 0, 1)
            case "callback_query":
                message = content["message"]
                return types.UpdateBotCallbackQuery(
                    int(content["id"]),
                    content["from"]["id"],
                    wire.peer(message["chat"]["id"]),
                    message["message_id"],
                    int(content["chat_instance"]),
                    data=content["data"].encode(),
                )
            case "pre_checkout_query":
                return types.UpdateBotPrecheckoutQuery(
                    int(content["id"]),
                    content["from"]["id"],
                    content["invoice_payload"].encode(),
                    content["currency"],
                    content["total_amount"],
                )
            case _:
                return None


@dataclass(slots=True)
class Postboxes:
    """Of every bot that has logged in over MTProto."""

    of_bot: dict[int, Postbox] = field(default_factory=dict)
    _couriers: "set[asyncio.Task[None]]" = field(default_factory=set)

    def open(self, bot: Bot, people: People, weather: Weather, changed: Callable[[Update], None]) -> Postbox:
        if bot.id not in self.of_bot:
            postbox = self.of_bot[bot.id] = Postbox(bot, people, weather, changed)
            self._couriers.add(asyncio.get_running_loop().create_task(postbox.deliver()))
        return self.of_bot[bot.id]

    def acknowledged(self, session: Session, message_ids: list[int]) -> None:
        if session.key.bot is not None and (postbox := self.of_bot.get(session.key.bot.id)):
            postbox.acknowledged(session, message_ids)

    def forget_sessions(self) -> None:
        for postbox in self.of_bot.values():
            postbox.sessions.clear()

    async def close(self) -> None:
        for courier in self._couriers:
            courier.cancel()
        await asyncio.gather(*self._couriers, return_exceptions=True)
