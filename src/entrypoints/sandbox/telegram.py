"""Telegram itself: who exists, what was said, and which bot is told of it."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import httpx
import msgspec

from entrypoints.sandbox.chats import Chat, Message
from entrypoints.sandbox.delivery import Courier
from entrypoints.sandbox.faults import Faults, Weather
from entrypoints.sandbox.formatting import commands_in
from entrypoints.sandbox.invoices import Invoice
from entrypoints.sandbox.ledger import Ledger
from entrypoints.sandbox.options import Options
from entrypoints.sandbox.people import TOKEN, Bot, Json, User, demo_users
from entrypoints.sandbox.rates import Rates
from entrypoints.sandbox.refusal import Refusal, bad_request, forbidden
from entrypoints.sandbox.stream import Stream
from entrypoints.sandbox.updates import ONLY_WHEN_ASKED_FOR, Update, UpdateIds, lifetime_s, now, queue_of, user_of

UPDATES_KEPT = 50_000
CALLS_KEPT = 50_000


@dataclass(slots=True, kw_only=True)
class Call:
    """A call of the Bot API, as it was answered."""

    number: int
    bot_id: int
    method: str
    arguments: Json
    at: float
    via: str = "http"
    """http, or reply: it came as the body of a webhook's answer."""
    answer: Json | None = None
    status: int | None = None
    fault: str = ""
    duration_ms: float = 0.0

    def view(self) -> Json:
        return {name: getattr(self, name) for name in self.__slots__} | {"duration_ms": round(self.duration_ms, 1)}


@dataclass(slots=True, kw_only=True)
class CallbackQuery:
    id: str
    bot_id: int
    user_id: int
    answer: Json | None = None


class NoBot(Exception):
    """The sandbox was asked to talk to a bot that has not called yet."""


class Post(Protocol):
    """Another way to bring updates than a webhook: over MTProto."""

    @property
    def connected(self) -> bool: ...

    def put(self, update: Update) -> None: ...

    def again(self, update: Update) -> None: ...

    def pending(self) -> list[Update]: ...

    def drop_pending(self) -> None: ...

    def let_expire(self) -> None: ...


@dataclass(slots=True)
class Telegram:
    options: Options
    client: httpx.AsyncClient
    execute: Callable[[Bot, Json], None]
    """Executes a call that a webhook replied with."""
    stream: Stream
    weather: Weather = field(default_factory=Weather)
    ledger: Ledger = field(default_factory=Ledger)
    users: dict[int, User] = field(default_factory=dict)
    bots: dict[int, Bot] = field(default_factory=dict)
    couriers: dict[int, Courier] = field(default_factory=dict)
    posts: dict[int, Post] = field(default_factory=dict)
    """Of bots that speak MTProto; no webhook is called for these."""
    chats: dict[tuple[int, int], Chat] = field(default_factory=dict)
    links: dict[str, Invoice] = field(default_factory=dict)
    callback_queries: dict[str, CallbackQuery] = field(default_factory=dict)
    updates: deque[Update] = field(default_factory=lambda: deque(maxlen=UPDATES_KEPT))
    calls: deque[Call] = field(default_factory=lambda: deque(maxlen=CALLS_KEPT))
    update_ids: dict[int, UpdateIds] = field(default_factory=dict)
    calls_in_flight: int = 0
    last_call_at: float = 0.0
    rates: Rates = field(init=False)

    def __post_init__(self) -> None:
        self.rates = Rates(self.options)
        for token in self.options.tokens:
            self._create_bot(token)
        if self.options.demo:
            self.users = {user.id: user for user in demo_users()}

    # Who exists

    def bot_with_token(self, token: str) -> Bot:
        if TOKEN.fullmatch(token) is None:
            raise Refusal(401 if ":" in token else 404, "Unauthorized" if ":" in token else "Not Found")
        bot = self.bots.get(int(token.partition(":")[0]))
        if bot is None and not self.options.tokens:
            bot = self._create_bot(token)
        if bot is None or bot.token != token:
            raise Refusal(401, "Unauthorized")
        return bot

    def bot(self, wanted: int | str | None = None) -> Bot:
        """By id or username; the first where none is named."""
        for bot in self.bots.values():
            if wanted is None or wanted in (bot.id, bot.username, str(bot.id)):
                return bot
        raise NoBot("no bot has called yet" if wanted is None else f"no bot {wanted!r}")

    def _create_bot(self, token: str) -> Bot:
        bot = Bot.with_token(token, number=len(self.bots) + 1)
        self.bots[bot.id] = bot
        self.update_ids[bot.id] = UpdateIds()
        self.couriers[bot.id] = Courier(
            options=self.options,
            weather=self.weather,
            bot_id=bot.id,
            client=self.client,
            changed=lambda update: self.stream.tell("update", update.view),
            execute=lambda call: self.execute(bot, call),
        )
        self.stream.tell("bot", bot.wire())
        return bot

    def user(self, user_id: int) -> User:
        """Somebody who is not there yet comes into being."""
        if user_id not in self.users:
            self.users[user_id] = User(id=user_id, first_name=f"User {user_id}", username=f"user{user_id}")
            self.tell_user(self.users[user_id])
        return self.users[user_id]

    def private_chat(self, bot: Bot, user: User) -> Chat:
        return self.chats.setdefault((bot.id, user.id), Chat.private(bot, user))

    def group(self, bot: Bot, chat_id: int, *, kind: str = "supergroup") -> Chat:
        return self.chats.setdefault(
            (bot.id, chat_id), Chat(id=chat_id, bot_id=bot.id, kind=kind, title=f"Group {-chat_id}")
        )

    def chat_to_write_to(self, bot: Bot, chat_id: str) -> Chat:
        """Where the bot may write now, or a refusal."""
        chat = self.chat_seen_by(bot, chat_id)
        if chat.kind == "private":
            user = self.users[chat.id]
            if bot.id in user.blocked:
                raise forbidden("bot was blocked by the user")
            if bot.id not in user.started:
                raise forbidden("bot can't initiate conversation with a user")
        return chat

    def chat_seen_by(self, bot: Bot, chat_id: str) -> Chat:
        if not chat_id:
            raise bad_request("chat_id is empty")
        try:
            number = int(chat_id)
        except ValueError:
            raise bad_request("chat not found") from None
        user = self.users.get(number)
        if user is not None and bot.id in user.known_to | user.started:
            return self.private_chat(bot, user)
        if (chat := self.chats.get((bot.id, number))) is None or number > 0:
            raise bad_request("chat not found")
        return chat

    # What was said

    def post(
        self, bot: Bot, chat: Chat, sender: Json | None, content: Json, *, invoice: Invoice | None = None
    ) -> Message:
        """Adds a message to a chat. Whether the bot is told of it is another matter: see `tell_bot`."""
        wire: Json = {"message_id": bot.next_message_id()}
        if sender is not None:
            wire["from"] = sender
        wire |= {"chat": chat.wire(self.users.get(chat.id)), "date": int(now())} | content
        message = Message(wire=wire, invoice=invoice)
        chat.messages[message.id] = message
        self.tell_message(bot, message)
        return message

    def text_of_user(self, text: str) -> Json:
        content: Json = {"text": text}
        if entities := commands_in(text):
            content["entities"] = entities
        return content

    def find_message(self, bot: Bot, chat_id: int, message_id: int) -> Message | None:
        chat = self.chats.get((bot.id, chat_id))
        message = chat.messages.get(message_id) if chat is not None else None
        return None if message is None or message.deleted else message

    # Who is told

    def tell_bot(self, bot: Bot, kind: str, content: Json, *, date: float | None = None) -> Update | None:
        """Queues an update. None where the bot has not asked for this kind: then it is gone."""
        courier = self.couriers[bot.id]
        allowed = courier.allowed_updates if bot.id not in self.posts else ()
        if (kind not in allowed) if allowed else (kind in ONLY_WHEN_ASKED_FOR):
            return None
        update_id = self.update_ids[bot.id].next()
        update = self.new_update(bot, kind, msgspec.json.encode({"update_id": update_id, kind: content}), update_id)
        update.queue = queue_of(kind, content)
        update.user_id = user_of(content)
        update.expires_at = (date or now()) + lifetime_s(kind) * self.options.time_scale
        (self.posts.get(bot.id) or courier).put(update)
        return update

    def new_update(self, bot: Bot, kind: str, raw: bytes, update_id: int) -> Update:
        update = Update(
            number=self.updates[-1].number + 1 if self.updates else 1,
            id=update_id,
            bot_id=bot.id,
            kind=kind,
            raw=raw,
            queue=(kind, 0),
            created_at=now(),
            expires_at=now() + lifetime_s(kind) * self.options.time_scale,
        )
        self.updates.append(update)
        return update

    def tell_message(self, bot: Bot, message: Message) -> None:
        self.stream.tell("message", lambda: message.view(bot.id))

    def tell_user(self, user: User) -> None:
        self.stream.tell("user", user.view())

    def waiting(self) -> int:
        """Updates that are not delivered yet."""
        posted = sum(len(post.pending()) for post in self.posts.values())
        return posted + sum(len(courier.pending()) + courier.in_flight for courier in self.couriers.values())

    @staticmethod
    def unix_time() -> int:
        return int(now())

    def clear(self) -> None:
        """Forgets everything but the bots, their webhooks and how far their ids have come."""
        for courier in self.couriers.values():
            courier.drop_pending()
        for post in self.posts.values():
            post.drop_pending()
        self.weather.everywhere = Faults()
        for memory in (self.weather.of_bot, self.users, self.chats, self.links, self.callback_queries):
            memory.clear()
        self.updates.clear()
        self.calls.clear()
        self.ledger = Ledger()
        self.rates = Rates(self.options)
        for bot in self.bots.values():
            bot.stars = 0
        if self.options.demo:
            for user in demo_users():
                self.users[user.id] = user
        self.stream.tell("reset", {})

    async def close(self) -> None:
        await asyncio.gather(*(courier.close() for courier in self.couriers.values()))
