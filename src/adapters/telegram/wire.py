"""Telegram's objects, as far as we read them. Fields that we don't name may hold anything.

https://core.telegram.org/bots/api#available-types
"""

from typing import Annotated, Any

from msgspec import Meta, Struct, field

from domain.ids import MAX_USER_ID
from domain.money import MAX_AMOUNT

END_OF_TIME = 253_402_300_799
"""The last second of the year 9999, beyond which no datetime goes."""

UserNumber = Annotated[int, Meta(ge=1, le=MAX_USER_ID)]
ChatNumber = Annotated[int, Meta(ge=-MAX_USER_ID, le=MAX_USER_ID)]
Amount = Annotated[int, Meta(ge=1, le=MAX_AMOUNT)]
Seconds = Annotated[int, Meta(ge=1, le=END_OF_TIME)]
QueryId = Annotated[str, Meta(pattern=r"\A-?[0-9]{1,20}\Z")]
"""A signed 64-bit number, written out."""
ChargeText = Annotated[str, Meta(pattern=r"\A[!-~]{1,256}\Z")]


class User(Struct):
    id: UserNumber
    is_bot: bool = False
    language_code: Any = None


class Chat(Struct):
    id: ChatNumber
    type: str


class SuccessfulPayment(Struct):
    currency: str
    total_amount: Amount
    invoice_payload: str
    telegram_payment_charge_id: ChargeText
    provider_payment_charge_id: str = ""


class RefundedPayment(Struct):
    currency: str
    total_amount: Amount
    invoice_payload: str
    telegram_payment_charge_id: ChargeText


class PaidMessage(Struct):
    date: Seconds
    sender: User = field(name="from")
    successful_payment: SuccessfulPayment


class RefundMessage(Struct):
    """Who sent it is not read: it may be the bot itself."""

    date: Seconds
    refunded_payment: RefundedPayment


class SpokenMessage(Struct):
    chat: Chat
    sender: User | None = field(name="from", default=None)
    text: str | None = None


class PressedMessage(Struct):
    """What a button hangs on; of a message too old, Telegram tells the chat only."""

    chat: Chat


class CallbackQuery(Struct):
    id: QueryId
    sender: User = field(name="from")
    message: PressedMessage | None = None
    data: str | None = None


class PreCheckoutQuery(Struct):
    id: QueryId
    sender: User = field(name="from")
    currency: str
    total_amount: Amount
    invoice_payload: str
