"""Lines of the audit trail and messages to users as operators read them."""

import re
from typing import Final

from application.books import LetterShown
from application.ports.trail import TrailEntry
from domain.invoice import Objection

BECAUSE = {
    Objection.BAD_PAYLOAD: "its payload was not signed by us",
    Objection.UNKNOWN_INVOICE: "its invoice is not known and can't be written again: the plan has left the catalog",
    Objection.WRONG_USER: "the invoice was made out to somebody else",
    Objection.PLAN_MISMATCH: "its payload names another plan than the invoice",
    Objection.CURRENCY_MISMATCH: "it came in another currency than the invoice",
    Objection.AMOUNT_MISMATCH: "it is another amount than the invoice",
    Objection.STALE_INVOICE: "the invoice had expired when it was paid, and nobody had approved it",
    Objection.INVOICE_ALREADY_PAID: "the invoice was paid already, by another charge",
    Objection.INVOICE_CANCELLED: "the invoice was cancelled",
    Objection.PLAN_WITHDRAWN: "the plan is not sold any more",
    Objection.PRICE_CHANGED: "the price has changed since",
    Objection.ALREADY_ENTITLED: "the plan is held already",
    Objection.DISABLED: "selling in Telegram is switched off",
    Objection.UNAVAILABLE: "the database could not be asked in time",
    Objection.UNPROCESSABLE: "our code failed on it again and again",
    Objection.UNKNOWN_TO_PROVIDER: "the provider's own ledger does not have it",
}
"""Why money may not move, or why money that moved opened nothing."""

_WORD: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_KINDS = {
    "invoice_issued": "invoice issued",
    "invoice_cancelled": "invoice cancelled",
    "charge_conflict": "reported again with other facts, which were not believed",
    "refund_conflict": "a refund was reported with other facts, which was not believed",
    "refund_ordered": "refund ordered",
    "refund_failed": "refund refused by the provider",
    "refund_came_back": "a refund has not arrived",
    "payment_held": "held back",
    "payment_released": "granted again: the provider knows of it after all",
    "entitlement_granted": "given by hand",
    "entitlement_revoked": "ended by hand",
}


def told(entry: TrailEntry) -> str:
    """What happened, who decided it and why."""
    words = _what(entry)
    if entry.kind == "refunded_payment":
        return words
    if entry.actor:
        words += f" by {entry.actor}"
    return f"{words}: {entry.note}" if entry.note else words


def told_of_letter(letter: LetterShown) -> str:
    """What was said, and whether it has arrived at Telegram."""
    what, problem = _WORD.sub(" ", letter.kind).lower(), f": {letter.problem}" if letter.problem else ""
    if letter.given_up_at:
        return f"message not sent, {what}{problem}"
    return f"message sent, {what}" if letter.sent_at else f"message waits to be sent, {what}{problem}"


def _what(entry: TrailEntry) -> str:
    because = f", because {BECAUSE[entry.reason]}" if entry.reason else ""
    match entry.kind:
        case "pre_checkout":
            return f"about to pay: refused{because}" if entry.reason else "about to pay: approved"
        case "successful_payment":
            return f"paid: {_end(entry)}{because}"
        case "payment_resolved":
            return f"out of quarantine: {_end(entry)}"
        case "refunded_payment":
            return f"given back, as {entry.actor} ordered" if entry.actor else "given back, says the provider"
        case "charge_standing":
            return f"the provider tells of a dispute or a partial refund: {_end(entry)}"
        case _:
            return _KINDS.get(entry.kind, entry.kind.replace("_", " "))


def _end(entry: TrailEntry) -> str:
    return (entry.decision or "").replace("_", " ")
