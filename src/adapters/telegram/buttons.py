"""What our inline buttons carry: an action and the user they were made for, in Telegram's 64 bytes.

    p:<user>                     show the plans
    m:<user>:<plan code>         show how this plan can be paid
    s|t|c:<user>:<plan code>     buy it: by Stars, Telegram Pay, Stripe
    x:<user>:<32 hex digits>     cancel the invoice
    r:<user>                     open the page where receipts and cards are kept

The longest are 59 bytes: a user id has up to 16 digits, a plan code up to 40 letters.
"""

import re

from application.buttons import Action, Buy, Cancel, OpenPortal, ShowMethods, ShowPlans
from domain.catalog import Method
from domain.ids import MAX_USER_ID, InvoiceId, PlanCode, UserId

_LETTERS = {Method.STARS: "s", Method.TELEGRAM: "t", Method.STRIPE: "c"}
_METHODS = {letter: method for method, letter in _LETTERS.items()}
_WRITTEN = re.compile(r"([pmstcxr]):([1-9][0-9]{0,15})(?::([a-z0-9_]{1,40}))?", re.ASCII)
_ALONE: dict[str, Action] = {"p": ShowPlans(), "r": OpenPortal()}
_INVOICE = re.compile(r"[0-9a-f]{32}", re.ASCII)


def encode(action: Action, owner: UserId) -> str:
    """Callback data of at most 64 ASCII bytes."""
    match action:
        case ShowPlans():
            return f"p:{owner}"
        case ShowMethods():
            return f"m:{owner}:{action.plan_code}"
        case Buy():
            return f"{_LETTERS[action.method]}:{owner}:{action.plan_code}"
        case Cancel():
            return f"x:{owner}:{action.invoice_id.removeprefix('inv_')}"
        case OpenPortal():
            return f"r:{owner}"


def decode(data: str) -> tuple[Action, UserId] | None:
    """The action and its owner; None for anything that `encode` never wrote."""
    written = _WRITTEN.fullmatch(data)
    if written is None or (owner := int(written[2])) > MAX_USER_ID:
        return None
    action = _action(written[1], written[3])
    return (action, UserId(owner)) if action else None


def _action(verb: str, subject: str | None) -> Action | None:
    if verb in _ALONE:
        return _ALONE[verb] if subject is None else None
    if subject is None:
        return None
    if verb == "x":
        return Cancel(invoice_id=InvoiceId(f"inv_{subject}")) if _INVOICE.fullmatch(subject) else None
    if verb == "m":
        return ShowMethods(plan_code=PlanCode(subject))
    return Buy(plan_code=PlanCode(subject), method=_METHODS[verb])
