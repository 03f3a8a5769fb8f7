"""Users and bots."""

import re
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

TOKEN = re.compile(r"[1-9]\d{0,15}:[A-Za-z0-9_-]{30,80}")
STARS_OF_A_NEW_USER = 1_000_000


@dataclass(slots=True, kw_only=True)
class User:
    id: int
    first_name: str
    last_name: str = ""
    username: str = ""
    language_code: str = "en"
    is_premium: bool = False
    stars: int = STARS_OF_A_NEW_USER
    known_to: set[int] = field(default_factory=set)
    """Bots that have met this user, in a group or by a payment: without it, "chat not found"."""
    started: set[int] = field(default_factory=set)
    """Bots that this user has written to, and that may write back."""
    blocked: set[int] = field(default_factory=set)

    def wire(self) -> Json:
        """As Telegram's User object."""
        wire: Json = {"id": self.id, "is_bot": False, "first_name": self.first_name}
        if self.last_name:
            wire["last_name"] = self.last_name
        if self.username:
            wire["username"] = self.username
        if self.language_code:
            wire["language_code"] = self.language_code
        if self.is_premium:
            wire["is_premium"] = True
        return wire

    def view(self) -> Json:
        """As the control API and the page see it."""
        return {
            "id": self.id,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "username": self.username,
            "language_code": self.language_code,
            "is_premium": self.is_premium,
            "stars": self.stars,
            "started": sorted(self.started),
            "blocked": sorted(self.blocked),
        }


@dataclass(slots=True, kw_only=True)
class Bot:
    id: int
    token: str
    username: str
    first_name: str = "Sandbox bot"
    commands: list[Json] = field(default_factory=list)
    stars: int = 0
    last_message_id: int = 0

    @classmethod
    def with_token(cls, token: str, *, number: int) -> "Bot":
        """The first bot is @sandbox_bot, the next @sandbox2_bot."""
        name = "sandbox_bot" if number == 1 else f"sandbox{number}_bot"
        first_name = "Sandbox bot" if number == 1 else f"Sandbox bot {number}"
        return cls(id=int(token.partition(":")[0]), token=token, username=name, first_name=first_name)

    def wire(self) -> Json:
        return {"id": self.id, "is_bot": True, "first_name": self.first_name, "username": self.username}

    def next_message_id(self) -> int:
        self.last_message_id += 1
        return self.last_message_id


def demo_users() -> list[User]:
    """People for the page: an ordinary one, one with a long name, and one who writes from right to left."""
    return [
        User(id=1001, first_name="Ada", last_name="Okafor", username="ada", stars=5000),
        User(
            id=1002, first_name="Maximiliane", last_name="von Hohenberg-Castellanos", username="maximiliane", stars=5000
        ),
        User(id=1003, first_name="ليلى", last_name="حداد", username="layla", language_code="ar", stars=5000),
        User(id=1004, first_name="Mallory", username="mallory", stars=100),
    ]
