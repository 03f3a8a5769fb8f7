"""What a bot says."""

from entrypoints.sandbox.arguments import Arguments
from entrypoints.sandbox.chats import Chat, Message
from entrypoints.sandbox.checkout import Checkout
from entrypoints.sandbox.formatting import read
from entrypoints.sandbox.keyboards import inline_keyboard
from entrypoints.sandbox.people import Bot, Json
from entrypoints.sandbox.refusal import bad_request
from entrypoints.sandbox.updates import now

LONGEST_CALLBACK_ANSWER = 200
ACTIONS = frozenset(
    {"typing", "choose_sticker", "find_location", "upload_document", "upload_photo"}
    | {f"{act}_{what}" for act in ("record", "upload") for what in ("video", "voice", "video_note")}
)


def send_message(checkout: Checkout, bot: Bot, arguments: Arguments) -> Json:
    telegram = checkout.telegram
    text, entities = read(arguments.text("text"), arguments.text("parse_mode"))
    content: Json = {"text": text}
    if entities:
        content["entities"] = entities
    if markup := inline_keyboard(arguments):
        content["reply_markup"] = markup
    chat = telegram.chat_to_write_to(bot, arguments.text("chat_id"))
    telegram.rates.admit(bot.id, chat.id)
    return telegram.post(bot, chat, bot.wire(), content).wire


def send_chat_action(checkout: Checkout, bot: Bot, arguments: Arguments) -> bool:
    chat = checkout.telegram.chat_to_write_to(bot, arguments.text("chat_id"))
    if arguments.text("action").lower() not in ACTIONS:
        raise bad_request("wrong parameter action in request")
    checkout.telegram.stream.tell("typing", {"bot_id": bot.id, "chat_id": chat.id})
    return True


def edit_message_text(checkout: Checkout, bot: Bot, arguments: Arguments) -> Json:
    chat, message = _own_message(checkout, bot, arguments, "edited")
    text, entities = read(arguments.text("text"), arguments.text("parse_mode"))
    markup = inline_keyboard(arguments)
    if "text" not in message.wire:
        raise bad_request("there is no text in the message to edit")
    _change(checkout, bot, chat, message, {"text": text, "entities": entities or None, "reply_markup": markup})
    return message.wire


def edit_message_reply_markup(checkout: Checkout, bot: Bot, arguments: Arguments) -> Json:
    chat, message = _own_message(checkout, bot, arguments, "edited")
    markup = inline_keyboard(arguments, with_invoice=message.invoice is not None)
    _change(checkout, bot, chat, message, {"reply_markup": markup})
    return message.wire


def delete_message(checkout: Checkout, bot: Bot, arguments: Arguments) -> bool:
    telegram = checkout.telegram
    chat = telegram.chat_seen_by(bot, arguments.text("chat_id"))
    message = telegram.find_message(bot, chat.id, arguments.integer("message_id"))
    if message is None:
        raise bad_request("message to delete not found")
    message.deleted = True
    telegram.tell_message(bot, message)
    return True


def answer_callback_query(checkout: Checkout, bot: Bot, arguments: Arguments) -> bool:
    telegram = checkout.telegram
    query = telegram.callback_queries.get(arguments.text("callback_query_id"))
    if query is None or query.bot_id != bot.id:
        raise bad_request("query is too old and response timeout expired or query ID is invalid")
    text = arguments.text("text")
    if len(text) > LONGEST_CALLBACK_ANSWER:
        raise bad_request("MESSAGE_TOO_LONG")
    query.answer = {"text": text, "show_alert": arguments.flag("show_alert"), "url": arguments.text("url")}
    telegram.stream.tell("callback_answer", {"id": query.id, "user_id": query.user_id, "bot_id": bot.id} | query.answer)
    return True


def _own_message(checkout: Checkout, bot: Bot, arguments: Arguments, what: str) -> tuple[Chat, Message]:
    if arguments.text("inline_message_id") and not arguments.text("chat_id"):
        raise bad_request("MESSAGE_ID_INVALID")
    chat = checkout.telegram.chat_to_write_to(bot, arguments.text("chat_id"))
    if not arguments.text("message_id"):
        raise bad_request("message identifier is not specified")
    message = checkout.telegram.find_message(bot, chat.id, arguments.integer("message_id"))
    if message is None:
        raise bad_request(f"message to {what.removesuffix('ed')} not found")
    if message.wire.get("from", {}).get("id") != bot.id:
        raise bad_request(f"message can't be {what}")
    return chat, message


def _change(checkout: Checkout, bot: Bot, chat: Chat, message: Message, content: Json) -> None:
    wire = dict(message.wire)
    for name, value in content.items():
        if value is None:
            wire.pop(name, None)
        else:
            wire[name] = value
    if wire == message.wire:
        raise bad_request(
            "message is not modified: specified new message content and reply markup are exactly the same as a current "
            "content and reply markup of the message"
        )
    checkout.telegram.rates.admit(bot.id, chat.id)
    message.wire = wire | {"edit_date": int(now())}
    checkout.telegram.tell_message(bot, message)
