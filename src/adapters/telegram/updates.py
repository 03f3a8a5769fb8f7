"""What Telegram tells a bot, read into the inputs of our use cases.

Whoever calls this has verified that the body comes from Telegram. What we can't understand is told apart from what
means nothing to us, so that it can be kept: an authentic update is never answered with an error.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from adapters.telegram import buttons, strict_json, wire
from adapters.telegram.language import DEFAULT, language_of
from application.chat import ButtonPress, ChatMessage
from domain.catalog import method_of
from domain.errors import InvalidRequest
from domain.ids import MAX_USER_ID, BotName, ChargeId, UserId
from domain.invoice import PreCheckout
from domain.money import EXPONENTS, Money
from domain.payment import Charge, Provider, Refund

_KINDS = (
    "message edited_message channel_post edited_channel_post business_connection business_message "
    "edited_business_message deleted_business_messages message_reaction message_reaction_count inline_query "
    "chosen_inline_result callback_query shipping_query pre_checkout_query purchased_paid_media poll poll_answer "
    "my_chat_member chat_member chat_join_request chat_boost removed_chat_boost subscription"
)
KINDS = frozenset(_KINDS.split())
"""https://core.telegram.org/bots/api#update; at most one of them is in an update."""

OTHER = "other"
PAYMENTS = ("successful_payment", "refunded_payment")
TYPES = KINDS | {*PAYMENTS, OTHER}
"""Every value that `Update.type` may have: a label of metrics."""

LONGEST_ARGUMENT = 64
LONGEST_NAME = 129
"""Two names of 64 characters each (https://core.telegram.org/bots/api#user says none; clients take no more)."""
LARGEST_UPDATE_ID = 2**63 - 1

_NOT_WHERE_IT_WAS_PAID = (
    "forward_origin",
    "forward_date",
    "forward_from",
    "forward_from_chat",
    "sender_chat",
    "business_connection_id",
    "sender_business_bot",
    "via_bot",
)
_WITHOUT_WORDS = "animation audio contact document location photo sticker story video video_note voice"
_SAID_WITHOUT_WORDS = frozenset(_WITHOUT_WORDS.split())
_COMMAND = re.compile(r"/([A-Za-z0-9_]{1,64})(?:@([A-Za-z0-9_]{1,64}))?(?:\s+(.*))?", re.ASCII | re.DOTALL)
_QUERY_ID = re.compile(r"-?[0-9]{1,20}", re.ASCII)

Struct = TypeVar("Struct", bound=msgspec.Struct)


class NotAnUpdate(InvalidRequest):
    """No JSON object with an `update_id`: Telegram never sends that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """Understood, and nothing to us."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """From Telegram, but not as we know it: to be kept raw. It grants nothing."""

    problem: str


Content = PreCheckout | Charge | Refund | ChatMessage | ButtonPress | Ignored | Unreadable


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who caused an update, as they call themselves."""

    user_id: UserId
    name: str
    username: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """`type` is one of TYPES. `query_id` is set where Telegram waits for an answer to it, also when the rest of a
    query is unreadable; it is digits, with or without a minus. `language` is that of whoever caused the update, and
    `sender` that person, where it is one."""

    update_id: int
    type: str
    content: Content
    language: str = DEFAULT
    query_id: str | None = None
    sender: Sender | None = None


def read_update(body: bytes, bot: BotName, username: str | None) -> Update:
    """Read the body of one webhook call to `bot`, whose username (no @) may not be known yet. Raises NotAnUpdate."""
    try:
        document = strict_json.parse(body)
    except strict_json.NotJson as problem:
        raise NotAnUpdate(f"The body is no update: {problem}.") from None
    raw = document.value
    update_id = raw.get("update_id") if isinstance(raw, dict) else None
    if type(update_id) is not int or not 0 <= update_id <= LARGEST_UPDATE_ID:
        raise NotAnUpdate("The body is no JSON object with an update_id.")
    kinds = sorted(KINDS & raw.keys())
    kind = kinds[0] if kinds else OTHER
    found = raw.get(kind)
    content: Content
    if document.doubled:
        content = Unreadable(problem="a key is doubled")
    elif len(kinds) > 1:
        content = Unreadable(problem=f"several contents: {', '.join(kinds)}")
    elif not kinds:
        content = Ignored(reason="no kind of update that we know")
    elif not isinstance(found, dict):
        content = Unreadable(problem=f"{kind} is no object")
    else:
        content = _read(kind, found, _Envelope(update_id, body, bot, username))
    return Update(
        update_id=update_id,
        type=_type(kind, found),
        content=content,
        language=_language(found),
        query_id=_query_id(kind, found),
        sender=None if isinstance(content, Ignored | Unreadable) else _sender(found),
    )


Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Envelope:
    update_id: int
    body: bytes
    bot: BotName
    username: str | None


def _read(kind: str, raw: Json, envelope: _Envelope) -> Content:
    try:
        if any(name in raw for name in PAYMENTS):
            return _payment(kind, raw, envelope)
        match kind:
            case "message":
                return _message(_convert(raw, wire.SpokenMessage), raw, envelope)
            case "callback_query":
                return _press(_convert(raw, wire.CallbackQuery), envelope)
            case "pre_checkout_query":
                return _pre_checkout(_convert(raw, wire.PreCheckoutQuery), envelope)
            case _:
                return Ignored(reason=f"{kind} means nothing to us")
    except ValueError as problem:  # msgspec's own is one; its words name places and types, never what stood there
        return Unreadable(problem=f"{kind}: {problem}")


def _payment(kind: str, raw: Json, envelope: _Envelope) -> Content:
    """Money is believed only in the plain message that Telegram writes when it moved."""
    if kind != "message":
        return Unreadable(problem=f"a payment in {kind} counts for nothing")
    if foreign := [name for name in _NOT_WHERE_IT_WAS_PAID if name in raw]:
        return Unreadable(problem=f"a payment in a message with {foreign[0]} counts for nothing")
    if all(name in raw for name in PAYMENTS):
        return Unreadable(problem="payment and refund in one message")
    if "refunded_payment" in raw:
        return _refund(_convert(raw, wire.RefundMessage), envelope)
    return _charge(_convert(raw, wire.PaidMessage), envelope)


def _charge(message: wire.PaidMessage, envelope: _Envelope) -> Charge | Unreadable:
    if message.sender.is_bot:
        return Unreadable(problem="a bot can't pay")
    payment = message.successful_payment
    return Charge(
        provider=Provider.TELEGRAM,
        charge_id=ChargeId(payment.telegram_payment_charge_id),
        provider_charge_id=_keepable(payment.provider_payment_charge_id),
        bot=envelope.bot,
        payer=UserId(message.sender.id),
        paid=_money(payment.total_amount, payment.currency),
        method=method_of(payment.currency),
        payload=_keepable(payment.invoice_payload),
        charged_at=datetime.fromtimestamp(message.date, UTC),
        message=envelope.body,
    )


def _refund(message: wire.RefundMessage, envelope: _Envelope) -> Refund:
    refunded = message.refunded_payment
    return Refund(
        provider=Provider.TELEGRAM,
        charge_id=ChargeId(refunded.telegram_payment_charge_id),
        bot=envelope.bot,
        refunded=_money(refunded.total_amount, refunded.currency),
        payload=_keepable(refunded.invoice_payload),
        refunded_at=datetime.fromtimestamp(message.date, UTC),
        message=envelope.body,
    )


def _pre_checkout(query: wire.PreCheckoutQuery, envelope: _Envelope) -> PreCheckout:
    return PreCheckout(
        query_id=query.id,
        bot=envelope.bot,
        payer=UserId(query.sender.id),
        paid=_money(query.total_amount, query.currency),
        payload=_keepable(query.invoice_payload),
    )


def _press(query: wire.CallbackQuery, envelope: _Envelope) -> ButtonPress:
    meant = buttons.decode(query.data) if query.data else None
    action, owner = meant or (None, None)
    return ButtonPress(
        bot=envelope.bot,
        update_id=envelope.update_id,
        chat_id=query.message.chat.id if query.message else None,
        user_id=UserId(query.sender.id),
        language=language_of(query.sender.language_code),
        owner=owner,
        action=action,
    )


def _message(message: wire.SpokenMessage, raw: Json, envelope: _Envelope) -> Content:
    sender, chat = message.sender, message.chat
    if sender is None or sender.is_bot or "sender_chat" in raw:
        return Ignored(reason="not said by a person in their own name")
    if message.text is None and not _SAID_WITHOUT_WORDS & raw.keys():
        return Ignored(reason="a message about the chat itself")
    private = chat.type == "private"
    if private != (chat.id == sender.id):
        return Unreadable(problem="message: the chat is not the one that its type says")
    command, named, argument = _command(message.text or "")
    ours = envelope.username is not None and named == envelope.username.lower()
    if not private and not (command and ours):
        return Ignored(reason="talk among others")
    if named and envelope.username is not None and not ours:
        command, argument = None, ""
    return ChatMessage(
        bot=envelope.bot,
        update_id=envelope.update_id,
        chat_id=chat.id,
        user_id=UserId(sender.id),
        language=language_of(sender.language_code),
        command=command,
        argument=argument,
    )


def _command(text: str) -> tuple[str | None, str, str]:
    """The command in small letters and without its slash, the bot that it names, and the argument, cut to length."""
    written = _COMMAND.fullmatch(text.strip())
    if written is None:
        return None, "", ""
    argument = _keepable((written[3] or "").strip()[:LONGEST_ARGUMENT])
    return written[1].lower(), (written[2] or "").lower(), argument


def _type(kind: str, found: object) -> str:
    if kind == "message" and isinstance(found, dict):
        return next((name for name in PAYMENTS if name in found), kind)
    return kind


def _language(found: object) -> str:
    sender = found.get("from") if isinstance(found, dict) else None
    return language_of(sender.get("language_code")) if isinstance(sender, dict) else DEFAULT


def _sender(found: object) -> Sender | None:
    sender = found.get("from") if isinstance(found, dict) else None
    if not isinstance(sender, dict):
        return None
    id, names = sender.get("id"), [sender.get(name) for name in ("first_name", "last_name", "username")]
    if type(id) is not int or not 0 < id <= MAX_USER_ID or sender.get("is_bot") is not False:
        return None
    first, last, username = (name if isinstance(name, str) else "" for name in names)
    name = f"{first} {last}".strip()[:LONGEST_NAME]
    return Sender(user_id=UserId(id), name=_keepable(name), username=_keepable(username[:LONGEST_NAME]))


def _query_id(kind: str, found: object) -> str | None:
    if kind not in ("callback_query", "pre_checkout_query") or not isinstance(found, dict):
        return None
    id = found.get("id")
    return id if isinstance(id, str) and _QUERY_ID.fullmatch(id) else None


def _convert(raw: Json, into: type[Struct]) -> Struct:
    return msgspec.convert(raw, into, strict=True)


def _money(amount: int, currency: str) -> Money:
    if currency not in EXPONENTS:
        raise ValueError("a currency that we don't know")
    return Money(amount=amount, currency=currency)


def _keepable(text: str) -> str:
    """Text that any database keeps: halves of surrogate pairs and NUL, which none of ours has, become U+FFFD."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
