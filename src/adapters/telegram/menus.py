"""What is for sale, in words and on buttons."""

from collections.abc import Sequence
from typing import Any

from adapters.telegram import buttons
from adapters.telegram.limits import LARGEST_KEYBOARD_BYTES, LONGEST_TEXT, MOST_BUTTONS, keyboard_bytes, visible_length
from adapters.telegram.titles import inert
from adapters.telegram.words import Speech, price_of
from application.buttons import Action, Buy, Cancel, ShowMethods, ShowPlans
from application.messages import InvoiceMessage, MethodMenu, PlanChoice, PlanMenu
from domain.ids import UserId

LONGEST_LABEL = 40
FORWARDED = "forwarded"
"""With a start parameter, a forwarded copy of an invoice has a link to the bot in place of its button to pay."""

Keyboard = list[list[dict[str, Any]]]


def button(text: str, action: Action, owner: UserId) -> dict[str, Any]:
    return {"text": text, "callback_data": buttons.encode(action, owner)}


def plan_list(say: Speech, plans: Sequence[PlanChoice]) -> str:
    """All plans; without their descriptions where these don't fit, and a note where even then some are left out."""
    head = say.html("plans")
    text = "\n\n".join((head, *_described(say, plans, "plan")))
    return text if visible_length(text) <= LONGEST_TEXT else say.fitted(head, _described(say, plans, "plan-short"))


def plan_menu(say: Speech, menu: PlanMenu) -> tuple[str, Keyboard]:
    keyboard: Keyboard = []
    for plan in menu.plans[:MOST_BUTTONS]:
        label = inert(plan.title, at_most=LONGEST_LABEL)
        row = [button(label, ShowMethods(plan_code=plan.plan_code), menu.user_id)]
        if keyboard_bytes([*keyboard, row]) > LARGEST_KEYBOARD_BYTES:
            break
        keyboard.append(row)
    shown = menu.plans[: len(keyboard)]
    head = say.html("choose-plan")
    left = len(menu.plans) - len(shown)
    note = (say.html("and-more", count=left),) if left else ()
    for form in ("plan", "plan-short"):
        text = "\n\n".join((head, *_described(say, shown, form), *note))
        if visible_length(text) <= LONGEST_TEXT:
            return text, keyboard
    return "\n\n".join((head, *note)), keyboard


def method_menu(say: Speech, menu: MethodMenu) -> tuple[str, Keyboard]:
    text = say.html("choose-method", title=inert(menu.plan.title), description=inert(menu.plan.description))
    keyboard = [
        [
            button(
                say.plain(f"button-{choice.method}", price=price_of(choice.price)),
                Buy(plan_code=menu.plan.plan_code, method=choice.method),
                menu.user_id,
            )
        ]
        for choice in menu.methods
    ]
    keyboard.append([button(say.plain("button-all-plans"), ShowPlans(), menu.user_id)])
    return text, keyboard


def invoice(say: Speech, message: InvoiceMessage) -> dict[str, Any]:
    """The parameters of sendInvoice but for the chat and the provider token."""
    pay = {"text": say.plain("button-pay", price=price_of(message.price)), "pay": True}
    cancel = button(say.plain("button-cancel"), Cancel(invoice_id=message.invoice_id), message.user_id)
    return {
        "title": message.title,
        "description": message.description,
        "payload": message.payload,
        "currency": message.price.currency,
        "prices": [{"label": message.title, "amount": message.price.amount}],
        "start_parameter": FORWARDED,
        "reply_markup": {"inline_keyboard": [[pay], [cancel]]},
    }


def _described(say: Speech, plans: Sequence[PlanChoice], form: str) -> list[str]:
    return [
        say.html(form, title=inert(plan.title), description=inert(plan.description), prices=say.prices(plan.prices))
        for plan in plans
    ]
