"""Users: who there is, who has blocked a bot, and the signature of a Mini App."""

import msgspec
from litestar import get, patch, post
from litestar.params import FromPath

from entrypoints.sandbox.control.request import Act, Asked, Impossible, bot_of, read, telegram_of
from entrypoints.sandbox.mini_app import signed_init_data
from entrypoints.sandbox.people import STARS_OF_A_NEW_USER, Json, User
from entrypoints.sandbox.telegram import Telegram

FIRST_USER_ID = 1001


class NewUser(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    id: int | None = None
    first_name: str | None = None
    last_name: str = ""
    username: str = ""
    language_code: str = "en"
    is_premium: bool = False
    stars: int = STARS_OF_A_NEW_USER
    started: bool = False
    """Whether the user has already written to every bot there is."""


class ChangedUser(Act, kw_only=True, forbid_unknown_fields=True):
    blocked: bool | None = None
    started: bool | None = None
    stars: int | None = None
    first_name: str | None = None
    last_name: str | None = None
    language_code: str | None = None


class WantedInitData(Act, kw_only=True, forbid_unknown_fields=True):
    user_id: int
    auth_date: int | None = None
    start_param: str | None = None
    extra: dict[str, str] = msgspec.field(default_factory=dict)


@get("/users")
async def list_users(request: Asked) -> list[Json]:
    return [user.view() for user in telegram_of(request).users.values()]


@post("/users", status_code=201)
async def create_user(request: Asked) -> Json:
    wanted, telegram = await read(request, NewUser), telegram_of(request)
    user_id = wanted.id if wanted.id is not None else max(telegram.users, default=FIRST_USER_ID - 1) + 1
    user = User(
        id=user_id,
        first_name=wanted.first_name if wanted.first_name is not None else f"User {user_id}",
        last_name=wanted.last_name,
        username=wanted.username,
        language_code=wanted.language_code,
        is_premium=wanted.is_premium,
        stars=wanted.stars,
    )
    if (before := telegram.users.get(user_id)) is not None:
        user.known_to, user.started, user.blocked = before.known_to, before.started, before.blocked
    if wanted.started:
        user.started |= set(telegram.bots)
    telegram.users[user_id] = user
    telegram.tell_user(user)
    return user.view()


@patch("/users/{user_id:int}")
async def change_user(request: Asked, user_id: FromPath[int]) -> Json:
    wanted, telegram = await read(request, ChangedUser), telegram_of(request)
    user = telegram.users.get(user_id)
    if user is None:
        raise Impossible(404, f"no user {user_id}")
    for name in ("stars", "first_name", "last_name", "language_code"):
        if (value := getattr(wanted, name)) is not None:
            setattr(user, name, value)
    if wanted.started is not None:
        bot = bot_of(request, wanted.bot)
        (user.started.add if wanted.started else user.started.discard)(bot.id)
    if wanted.blocked is not None:
        set_blocked(telegram, user, wanted)
    telegram.tell_user(user)
    return user.view()


def set_blocked(telegram: Telegram, user: User, wanted: ChangedUser) -> None:
    """Blocks or unblocks, and tells the bot so with my_chat_member."""
    bot = telegram.bot(wanted.bot)
    if (bot.id in user.blocked) == wanted.blocked:
        return
    (user.blocked.add if wanted.blocked else user.blocked.discard)(bot.id)
    member, kicked = {"user": bot.wire(), "status": "member"}, {"user": bot.wire(), "status": "kicked", "until_date": 0}
    content: Json = {
        "chat": telegram.private_chat(bot, user).wire(user),
        "from": user.wire(),
        "date": telegram.unix_time(),
        "old_chat_member": member if wanted.blocked else kicked,
        "new_chat_member": kicked if wanted.blocked else member,
    }
    telegram.tell_bot(bot, "my_chat_member", content)


@post("/init-data", status_code=200)
async def init_data(request: Asked) -> Json:
    wanted, telegram = await read(request, WantedInitData), telegram_of(request)
    user, bot = telegram.user(wanted.user_id), telegram.bot(wanted.bot)
    signed = signed_init_data(user, bot, auth_date=wanted.auth_date, start_param=wanted.start_param, extra=wanted.extra)
    return {"init_data": signed}


handlers = [list_users, create_user, change_user, init_data]
