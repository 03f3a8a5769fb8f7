"""Who the bot is, and what its command menu offers."""

import re

from entrypoints.sandbox.arguments import Arguments
from entrypoints.sandbox.checkout import Checkout
from entrypoints.sandbox.people import Bot, Json
from entrypoints.sandbox.refusal import bad_request

MOST_COMMANDS = 100
LONGEST_DESCRIPTION = 256
_COMMAND = re.compile(r"/?[a-z0-9_]{1,32}")


def get_me(checkout: Checkout, bot: Bot, arguments: Arguments) -> Json:
    return bot.wire() | {
        "can_join_groups": True,
        "can_read_all_group_messages": False,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
    }


def set_my_commands(checkout: Checkout, bot: Bot, arguments: Arguments) -> bool:
    commands = arguments.json("commands", "commands") or []
    if not isinstance(commands, list):
        raise bad_request("expected an Array of BotCommand")
    if len(commands) > MOST_COMMANDS:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    taken = []
    for command in commands:
        if not isinstance(command, dict):
            raise bad_request("expected an Object")
        name, description = command.get("command"), command.get("description")
        if not isinstance(name, str) or _COMMAND.fullmatch(name) is None:
            raise bad_request("BOT_COMMAND_INVALID")
        if not isinstance(description, str) or not 1 <= len(description.strip()) <= LONGEST_DESCRIPTION:
            raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
        taken.append({"command": name.lstrip("/"), "description": description.strip()})
    bot.commands = taken
    checkout.telegram.stream.tell("commands", {"bot_id": bot.id, "commands": taken})
    return True


def get_my_commands(checkout: Checkout, bot: Bot, arguments: Arguments) -> list[Json]:
    return bot.commands


def delete_my_commands(checkout: Checkout, bot: Bot, arguments: Arguments) -> bool:
    bot.commands = []
    checkout.telegram.stream.tell("commands", {"bot_id": bot.id, "commands": []})
    return True
