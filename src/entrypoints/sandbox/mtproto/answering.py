"""Answers what a bot asks over MTProto, by the same methods as the Bot API's."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from telethon.tl import functions, types

from entrypoints.sandbox.bot_api import execute
from entrypoints.sandbox.checkout import Checkout
from entrypoints.sandbox.faults import Faults
from entrypoints.sandbox.mtproto import wire
from entrypoints.sandbox.mtproto.postboxes import Postbox, Postboxes
from entrypoints.sandbox.mtproto.requests import BotCall, call_of, chat_id
from entrypoints.sandbox.mtproto.sessions import Session
from entrypoints.sandbox.people import Bot, Json
from entrypoints.sandbox.refusal import Refusal
from entrypoints.sandbox.updates import now

REMEMBERED: Final = 10_000
SAID: Final = {
    "bot was blocked by the user": (400, "USER_IS_BLOCKED"),
    "chat not found": (400, "PEER_ID_INVALID"),
    "user not found": (400, "USER_ID_INVALID"),
    "bot can't initiate conversation with a user": (400, "PEER_ID_INVALID"),
    "query is too old": (400, "QUERY_ID_INVALID"),
    "message is not modified": (400, "MESSAGE_NOT_MODIFIED"),
    "message is too long": (400, "MESSAGE_TOO_LONG"),
    "message text is empty": (400, "MESSAGE_EMPTY"),
    "message to edit not found": (400, "MESSAGE_ID_INVALID"),
}
"""How MTProto says what the Bot API says in words; what is in capitals already is the same in both."""
_CAPITALS: Final = re.compile(r"[A-Z][A-Z0-9_]{2,}")
_NUMBERS: Final = (
    "forwarded_count_max online_update_period_ms offline_blur_timeout_ms offline_idle_timeout_ms "
    "online_cloud_timeout_ms notify_cloud_delay_ms notify_default_delay_ms push_chat_period_ms push_chat_limit "
    "edit_time_limit revoke_time_limit revoke_pm_time_limit rating_e_decay stickers_recent_limit "
    "channels_read_media_period call_receive_timeout_ms call_ring_timeout_ms call_connect_timeout_ms "
    "call_packet_timeout_ms"
)


class RpcRefusal(Exception):
    """`str()` is what MTProto calls it."""

    def __init__(self, code: int, name: str) -> None:
        super().__init__(name)
        self.code = code


@dataclass(slots=True)
class Opened:
    """A request, and what the weather does to it."""

    answers: "Answers"
    session: Session
    request: Any
    call: BotCall | None
    drop_before: bool = False
    drop_after: bool = False
    delay_s: float = 0.0
    refusal: RpcRefusal | None = None

    async def run(self) -> Any:
        """The result. Raises RpcRefusal."""
        if self.refusal is not None:
            raise self.refusal
        return self.answers.answer(self.session, self.request, self.call)


@dataclass(slots=True)
class Answers:
    checkout: Checkout
    postboxes: Postboxes
    host: str = "127.0.0.1"
    port: int = 0
    dc_id: int = 2

    def open(self, session: Session, request: Any) -> Opened:
        opened = Opened(self, session, request, call_of(request))
        bot = session.key.bot
        if bot is None:
            return opened
        faults = self.checkout.telegram.weather.at(bot.id)
        if faults.down:
            opened.drop_before = True
        elif self._concerned(faults, opened):
            opened.delay_s = faults.api_delay_s
            if faults.strike("api_resets"):
                opened.drop_before = True
            elif faults.strike("api_429"):
                opened.refusal = RpcRefusal(420, f"FLOOD_WAIT_{faults.api_retry_after}")
            elif faults.strike("api_5xx"):
                opened.refusal = RpcRefusal(500, "RPC_CALL_FAIL")
            elif faults.strike("api_lose_replies"):
                opened.drop_after = True
        return opened

    @staticmethod
    def _concerned(faults: Faults, opened: Opened) -> bool:
        """What only MTProto has, such as catching up, must be named."""
        if opened.call is not None:
            return faults.concerns(opened.call.method)
        name = type(opened.request).__name__.removesuffix("Request")
        return bool(faults.api_methods) and faults.concerns(name)

    def answer(self, session: Session, request: Any, call: BotCall | None) -> Any:
        """Raises RpcRefusal."""
        if not session.key.initialized:
            raise RpcRefusal(400, "CONNECTION_NOT_INITED")
        match request:
            case functions.help.GetConfigRequest():
                return self._config()
            case functions.auth.ImportBotAuthorizationRequest():
                return self._log_in(session, request.bot_auth_token)
        bot = session.key.bot
        if bot is None:
            raise RpcRefusal(401, "AUTH_KEY_UNREGISTERED")
        postbox = self._postbox(bot)
        if session.wants_updates:
            postbox.wanted_by(session)
        match request:
            case functions.users.GetUsersRequest():
                return [wire.myself(bot)]
            case functions.updates.GetStateRequest():
                return postbox.state()
            case functions.updates.GetDifferenceRequest():
                return postbox.difference(request.pts)
        if call is None:
            raise RpcRefusal(400, "INPUT_METHOD_INVALID")
        return self._carry_out(bot, postbox, request, call)

    def _log_in(self, session: Session, token: str) -> Any:
        try:
            bot = self.checkout.telegram.bot_with_token(token)
        except Refusal:
            raise RpcRefusal(400, "ACCESS_TOKEN_INVALID") from None
        session.key.bot = bot
        self._postbox(bot)
        return types.auth.Authorization(wire.myself(bot))

    def _postbox(self, bot: Bot) -> Postbox:
        telegram = self.checkout.telegram
        postbox = self.postboxes.open(
            bot,
            telegram.users.get,
            telegram.weather,
            lambda update: telegram.stream.tell("update", update.view),
        )
        telegram.posts[bot.id] = postbox
        return postbox

    def _carry_out(self, bot: Bot, postbox: Postbox, request: Any, call: BotCall) -> Any:
        self._check_peer(bot, getattr(request, "peer", None) or getattr(request, "user_id", None))
        random_id = getattr(request, "random_id", None)
        if random_id is not None and random_id in postbox.random_ids:
            raise RpcRefusal(500, "RANDOM_ID_DUPLICATE")
        done = execute(self.checkout, bot, call.method, call.values, via="mtproto")
        answer = done.answer or {}
        if not answer.get("ok"):
            raise _refused(answer)
        if random_id is not None:
            postbox.random_ids[random_id] = None
            while len(postbox.random_ids) > REMEMBERED:
                del postbox.random_ids[next(iter(postbox.random_ids))]
        return self._result(bot, postbox, request, call, answer["result"])

    def _check_peer(self, bot: Bot, peer: Any) -> None:
        """A bot may write to whom it has met, and say zero for what it has forgotten of them."""
        if isinstance(peer, types.InputPeerUser | types.InputUser):
            known = peer.access_hash in (0, wire.access_hash(bot, peer.user_id))
        elif isinstance(peer, types.InputPeerChannel):
            known = peer.access_hash in (0, wire.access_hash(bot, chat_id(peer)))
        else:
            known = True
        if not known:
            raise RpcRefusal(400, "PEER_ID_INVALID")

    def _result(self, bot: Bot, postbox: Postbox, request: Any, call: BotCall, result: Any) -> Any:
        match call.method:
            case "sendMessage":
                update = postbox.wrote(result)
                return types.UpdateShortSentMessage(
                    result["message_id"], update.pts, 1, wire.moment(result["date"]), out=True
                )
            case "sendInvoice":
                update = postbox.wrote(result)
                return self._updates(bot, [types.UpdateMessageID(result["message_id"], request.random_id), update])
            case "editMessageText" | "editMessageReplyMarkup":
                return self._updates(bot, [types.UpdateEditMessage(wire.message(bot, result), postbox.pts, 0)])
            case "createInvoiceLink":
                return types.payments.ExportedInvoice(result)
            case "refundStarPayment":
                return self._updates(bot, [])
            case "getStarTransactions":
                return self._stars(bot, call, result["transactions"])
            case "getMyStarBalance":
                return types.payments.StarsStatus(types.StarsAmount(bot.stars, 0), [], [])
            case _:
                return True

    @staticmethod
    def _updates(bot: Bot, updates: list[Any]) -> Any:
        return types.Updates(updates, [wire.myself(bot)], [], wire.moment(now()), 0)

    @staticmethod
    def _stars(bot: Bot, call: BotCall, lines: list[Json]) -> Any:
        end = call.values["offset"] + len(lines)
        more = str(end) if len(lines) == call.values["limit"] else None
        history = [wire.transaction(line) for line in lines]
        return types.payments.StarsStatus(types.StarsAmount(bot.stars, 0), [], [], history=history, next_offset=more)

    def _config(self) -> Any:
        return types.Config(
            date=wire.moment(now()),
            expires=wire.moment(now()) + timedelta(hours=1),
            test_mode=True,
            this_dc=self.dc_id,
            dc_options=[types.DcOption(self.dc_id, self.host, self.port, static=True)],
            dc_txt_domain_name="",
            chat_size_max=200,
            megagroup_size_max=200_000,
            me_url_prefix="https://t.me/",
            caption_length_max=1024,
            message_length_max=4096,
            webfile_dc_id=self.dc_id,
            **dict.fromkeys(_NUMBERS.split(), 1000),
        )


def _refused(answer: Json) -> RpcRefusal:
    description = str(answer.get("description", ""))
    if wait := answer.get("parameters", {}).get("retry_after"):
        return RpcRefusal(420, f"FLOOD_WAIT_{wait}")
    for words, said in SAID.items():
        if words in description:
            return RpcRefusal(*said)
    found = _CAPITALS.search(description)
    return RpcRefusal(int(answer.get("error_code", 400)), found.group() if found else "BAD_REQUEST")
