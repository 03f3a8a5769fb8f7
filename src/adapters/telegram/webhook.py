"""Where Telegram sends the updates of a bot, who the bot is, and which commands its menu offers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import msgspec

from adapters.telegram import wire
from adapters.telegram.bot_api import Unreachable
from adapters.telegram.calls import Bot, Call
from adapters.telegram.limits import check
from adapters.telegram.texts import Texts

ALLOWED_UPDATES = (
    "message",
    "callback_query",
    "pre_checkout_query",
    "shipping_query",
    "subscription",
    "my_chat_member",
    "channel_post",
)
"""All that we are ever told: what is left out here is not queued but gone."""

CONNECTIONS = 40
LETTERS_OF_A_LANGUAGE = 2

Told = TypeVar("Told")


class WebhookInfo(msgspec.Struct, frozen=True):
    """What Telegram says of a webhook; `url` is empty where none is set. Times are seconds since 1970, UTC."""

    url: str
    pending_update_count: int = 0
    last_error_date: Annotated[int, msgspec.Meta(ge=0, le=wire.END_OF_TIME)] | None = None
    last_error_message: str | None = None
    max_connections: int | None = None
    allowed_updates: tuple[str, ...] = ()

    @property
    def last_error_at(self) -> datetime | None:
        return None if self.last_error_date is None else datetime.fromtimestamp(self.last_error_date, UTC)


class BotIdentity(msgspec.Struct, frozen=True):
    id: int
    first_name: str = ""
    username: str = ""


class BotCommand(msgspec.Struct, frozen=True):
    command: str


@dataclass(frozen=True, slots=True)
class BotApiWebhook:
    """For whoever sets the service up. Every method raises Refused or Unreachable."""

    bot: Bot

    def set(
        self,
        url: str,
        secret: str,
        *,
        allowed_updates: Sequence[str] = ALLOWED_UPDATES,
        max_connections: int = CONNECTIONS,
    ) -> None:
        """Have updates sent there. What waits already is kept: there may be payments in it. Raises BeyondLimits."""
        call = Call(
            "setWebhook",
            {
                "url": url,
                "secret_token": secret,
                "allowed_updates": list(allowed_updates),
                "max_connections": max_connections,
            },
        )
        check(call)
        self.bot.call(call)

    def info(self) -> WebhookInfo:
        return _convert(self.bot.call(Call("getWebhookInfo", {})), WebhookInfo)

    def delete(self) -> None:
        """Have updates wait at Telegram, for a day at most."""
        self.bot.call(Call("deleteWebhook", {}))

    def get_me(self) -> BotIdentity:
        return _convert(self.bot.call(Call("getMe", {})), BotIdentity)

    def get_my_commands(self) -> list[str]:
        """The names of the commands in the default menu."""
        offered = _convert(self.bot.call(Call("getMyCommands", {})), list[BotCommand])
        return [command.command for command in offered]

    def set_my_commands(self, texts: Texts) -> None:
        """Put the menu of commands into every chat, in each language that there are words for.

        Telegram knows menus by languages of two letters only; whoever reads another sees the default one.
        """
        for language in texts.languages:
            commands = [{"command": name, "description": words} for name, words in texts.commands(language)]
            if language == texts.default:
                self.bot.call(Call("setMyCommands", {"commands": commands}))
            elif len(language) == LETTERS_OF_A_LANGUAGE:
                self.bot.call(Call("setMyCommands", {"commands": commands, "language_code": language}))


def _convert(result: Any, into: type[Told]) -> Told:
    try:
        return msgspec.convert(result, into)
    except msgspec.ValidationError:
        raise Unreachable("Telegram answered something else than was asked for") from None
