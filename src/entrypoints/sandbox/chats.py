"""Conversations and the messages in them, each kept as the JSON that Telegram would send."""

from dataclasses import dataclass, field

from entrypoints.sandbox.invoices import Invoice
from entrypoints.sandbox.people import Bot, Json, User


@dataclass(slots=True, kw_only=True)
class Chat:
    """One bot's view of one chat. Ids of groups and channels are negative."""

    id: int
    bot_id: int
    kind: str = "private"
    title: str = ""
    members: set[int] = field(default_factory=set)
    messages: "dict[int, Message]" = field(default_factory=dict)

    @classmethod
    def private(cls, bot: Bot, user: User) -> "Chat":
        return cls(id=user.id, bot_id=bot.id, members={user.id})

    def wire(self, user: User | None = None) -> Json:
        if self.kind != "private":
            return {"id": self.id, "type": self.kind, "title": self.title}
        wire: Json = {"id": self.id, "type": "private"}
        if user is not None:
            wire |= {name: value for name in ("first_name", "last_name", "username") if (value := getattr(user, name))}
        return wire


@dataclass(slots=True, kw_only=True)
class Message:
    """`wire` is what the bot sees of it; the rest is what only Telegram knows."""

    wire: Json
    invoice: Invoice | None = None
    deleted: bool = False
    receipts: list[Json] = field(default_factory=list)
    """Who paid this invoice message: {"user_id", "charge_id"}."""

    @property
    def id(self) -> int:
        return int(self.wire["message_id"])

    @property
    def chat_id(self) -> int:
        return int(self.wire["chat"]["id"])

    def view(self, bot_id: int) -> Json:
        view: Json = {"bot_id": bot_id, "chat_id": self.chat_id, "message": self.wire, "deleted": self.deleted}
        if self.invoice is not None:
            view["invoice"] = self.invoice.view() | {"receipts": self.receipts}
        return view
