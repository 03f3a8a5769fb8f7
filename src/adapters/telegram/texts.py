"""What the bot says, as calls of the Bot API. The words are in texts/, one file a language."""

import re
from typing import Any, assert_never

from adapters.telegram import menus, outcomes
from adapters.telegram.calls import Call
from adapters.telegram.language import DEFAULT
from adapters.telegram.menus import Keyboard
from adapters.telegram.words import Speech, Words
from application.buttons import ShowPlans
from application.chat import COMMANDS, Toast
from application.messages import (
    AccessGiven,
    AccessRestored,
    AccessSuspended,
    AccessWithdrawn,
    AskInPrivate,
    CheckoutInvitation,
    Confirmation,
    Help,
    InvoiceMessage,
    Letter,
    MethodMenu,
    NothingForSale,
    NotUnderstood,
    PartReturned,
    PaymentHeld,
    PaymentReturned,
    PaymentReturning,
    PaySupport,
    PlanList,
    PlanMenu,
    PortalInvitation,
    PurchaseDeclined,
    Status,
    TermsOfSale,
    Welcome,
)
from domain.errors import UnknownPlan
from domain.ids import UserId
from domain.invoice import Objection

_START = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_USERNAME = re.compile(r"[A-Za-z0-9_]{1,64}", re.ASCII)
_ALERTS = frozenset({Toast.NOT_YOURS, Toast.OUTDATED, Toast.NOT_CANCELLED})


class Texts:
    """`support_contact` is how the operator wants to be asked about payments: "@name", an address, a sentence."""

    default = DEFAULT

    def __init__(self, *, support_contact: str | None = None, words: Words | None = None) -> None:
        self._contact = support_contact
        self._words = words or Words()

    @property
    def languages(self) -> tuple[str, ...]:
        return self._words.languages

    def commands(self, language: str) -> list[tuple[str, str]]:
        """The command menu: name and description. /start has its own button in every client."""
        say = Speech(self._words, language)
        return [(name, say.plain(f"command-{name}")) for name in COMMANDS if name != "start"]

    def refusal(self, objection: Objection, language: str) -> str:
        """Why a payment may not be made, for Telegram to show to the payer."""
        return Speech(self._words, language).plain(f"refused-{objection}")

    def toast(self, toast: Toast, language: str) -> tuple[str | None, bool]:
        """What to show over the chat, and whether the user has to close it."""
        if toast is Toast.DONE:
            return None, False
        return Speech(self._words, language).plain(f"toast-{toast}"), toast in _ALERTS

    def render(self, letter: Letter, *, username: str | None = None) -> Call:
        """The letter as sendMessage or sendInvoice, the latter still without provider token.

        `username` is the bot's own, as far as known. Raises ValueError where the letter's money is none, or the page
        that it leads to.
        """
        say = Speech(self._words, letter.language)
        begin = _begin(say, letter.chat_id)
        match message := letter.message:
            case InvoiceMessage():
                return Call("sendInvoice", {"chat_id": letter.chat_id, **menus.invoice(say, message)})
            case Welcome():
                return _message(letter, say.html("welcome"), begin)
            case Help():
                return _message(letter, say.html("help"), begin)
            case NotUnderstood():
                return _message(letter, say.html("not-understood"), begin)
            case PlanList():
                return _message(letter, menus.plan_list(say, message.plans), begin)
            case PlanMenu():
                return _message(letter, *menus.plan_menu(say, message))
            case MethodMenu():
                return _message(letter, *menus.method_menu(say, message))
            case NothingForSale():
                return _message(letter, say.html("nothing-for-sale"))
            case CheckoutInvitation():
                return _message(letter, *menus.checkout(say, message, UserId(letter.chat_id)))
            case PortalInvitation():
                return _message(letter, *menus.portal(say, message))
            case PurchaseDeclined():
                mistyped = message.code == UnknownPlan.code
                return _message(letter, outcomes.declined(say, message), begin if mistyped else [])
            case Confirmation():
                return _message(letter, outcomes.confirmation(say, message))
            case PaymentHeld():
                return _message(letter, outcomes.held(say, message))
            case PaymentReturning():
                return _message(letter, outcomes.returning(say, message))
            case PaymentReturned():
                return _message(letter, outcomes.returned(say, message))
            case PartReturned():
                return _message(letter, outcomes.part_returned(say, message))
            case AccessSuspended():
                return _message(letter, outcomes.suspended(say, message))
            case AccessRestored():
                return _message(letter, outcomes.restored(say, message))
            case AccessGiven():
                return _message(letter, outcomes.given(say, message))
            case AccessWithdrawn():
                return _message(letter, outcomes.withdrawn(say, message))
            case Status():
                ways = [] if message.plans else begin
                receipts = menus.way_to_portal(say, message.user_id) if message.portal else []
                return _message(letter, outcomes.status(say, message), ways + receipts)
            case TermsOfSale():
                return _message(letter, say.html("terms"))
            case PaySupport():
                return _message(letter, outcomes.pay_support(say, message, self._contact))
            case AskInPrivate():
                way = _way_to_private(say, message.start, username)
                return _message(letter, say.html("ask-in-private"), way)
            case _:
                assert_never(message)


def _message(letter: Letter, text: str, keyboard: Keyboard | None = None) -> Call:
    parameters: dict[str, Any] = {
        "chat_id": letter.chat_id,
        "text": text,
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
    }
    if keyboard:
        parameters["reply_markup"] = {"inline_keyboard": keyboard}
    return Call("sendMessage", parameters)


def _begin(say: Speech, chat_id: int) -> Keyboard:
    """The button to begin with. A private chat has its user's id, and the button is that user's."""
    return [[menus.button(say.plain("button-buy"), ShowPlans(), UserId(chat_id))]] if chat_id > 0 else []


def _way_to_private(say: Speech, start: str, username: str | None) -> Keyboard:
    if username is None or not _USERNAME.fullmatch(username):
        return []
    query = f"?start={start}" if _START.fullmatch(start) else ""
    return [[{"text": say.plain("button-open-chat"), "url": f"https://t.me/{username}{query}"}]]
