"""What the bot says, before it is put into anybody's language: plain values that wait in the outbox.

The adapter that speaks to Telegram writes the words and the buttons. Every field is a str, int, bool, datetime,
None, a tuple of these, or a dataclass of this module, so that a message can be kept as JSON.
"""

from dataclasses import dataclass
from datetime import datetime

from domain.catalog import Method
from domain.ids import BotName, InvoiceId, PlanCode, UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    amount: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanChoice:
    """One button of the plan menu. `prices` are those that can be paid here."""

    plan_code: PlanCode
    title: str
    description: str
    prices: tuple[Price, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodChoice:
    method: Method
    price: Price


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """The answer to /start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Help:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanList:
    """The answer to /plans: what there is, in words; without buttons that buy."""

    plans: tuple[PlanChoice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanMenu:
    """The answer to /buy. `user_id` is who may press its buttons."""

    user_id: UserId
    plans: tuple[PlanChoice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodMenu:
    user_id: UserId
    plan: PlanChoice
    methods: tuple[MethodChoice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NothingForSale:
    """There is no plan, or none that any method set up here can pay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceMessage:
    """The invoice itself, with its button to pay and one to cancel."""

    invoice_id: InvoiceId
    user_id: UserId
    title: str
    description: str
    payload: str
    price: Price
    method: Method


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutInvitation:
    """The way to Stripe's page, where this invoice is paid. `url` is empty until the page was made."""

    invoice_id: InvoiceId
    title: str
    description: str
    price: Price
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalInvitation:
    """The way to Stripe's page where receipts and cards are kept. `url` is empty until the page was made."""

    user_id: UserId
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseDeclined:
    """Why a purchase can't begin. `code` is the public error code; `plan` its title where it is known."""

    code: str
    plan: str | None = None
    until: datetime | None = None
    for_life: bool = False
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """`expires_at` None is for life; `starts_at` lies in the future where the plan was held already."""

    plan: str
    price: Price
    starts_at: datetime
    expires_at: datetime | None
    extends: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentHeld:
    """The money came, and waits for a person: why, and how to reach one."""

    price: Price
    reason: str
    plan: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentReturning:
    """The money came, opened nothing, and is on its way back by itself: why."""

    price: Price
    reason: str
    plan: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentReturned:
    """A refund. `ended` tells whether access to the plan ended with it; other time paid for may be left."""

    price: Price
    plan: str | None
    ended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PartReturned:
    """A part of a payment went back; access stays. `left` is what was not given back."""

    price: Price
    left: Price
    plan: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessSuspended:
    """The payment is disputed at the user's bank. `ended` as in PaymentReturned."""

    plan: str
    ended: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRestored:
    plan: str
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessGiven:
    """By a person, and not paid for. The other fields as in Confirmation."""

    plan: str
    starts_at: datetime
    expires_at: datetime | None
    extends: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessWithdrawn:
    """By a person. `ended` as in PaymentReturned."""

    plan: str
    ended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusLine:
    plan: str
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The answer to /status. `waiting` are payments that somebody has to look at; `portal` offers
    Stripe's own page."""

    user_id: UserId
    plans: tuple[StatusLine, ...]
    waiting: tuple[Price, ...] = ()
    portal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TermsOfSale:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class PaySupport:
    user_id: UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class NotUnderstood:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class AskInPrivate:
    """Said in a group: buying is done in the private chat. `start` is the deep link's parameter."""

    start: str


Message = (
    Welcome
    | Help
    | PlanList
    | PlanMenu
    | MethodMenu
    | NothingForSale
    | InvoiceMessage
    | CheckoutInvitation
    | PortalInvitation
    | PurchaseDeclined
    | Confirmation
    | PaymentHeld
    | PaymentReturning
    | PaymentReturned
    | PartReturned
    | AccessSuspended
    | AccessRestored
    | AccessGiven
    | AccessWithdrawn
    | Status
    | TermsOfSale
    | PaySupport
    | NotUnderstood
    | AskInPrivate
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message on its way to one chat. `id` and `attempts` are the outbox's own and 0 before it is kept.

    `language` is an IETF tag as Telegram gives it ("en", "pt-br"). `cause` is what it was written for (see `Causes`);
    where several charges are settled at once, that is looked up by the one that it is `about`, which is not kept.
    """

    bot: BotName
    chat_id: int
    language: str
    message: Message
    id: int = 0
    attempts: int = 0
    cause: str = ""
    about: tuple[str, str] | None = None
