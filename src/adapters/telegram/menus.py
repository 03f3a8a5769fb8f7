"""What is for sale, in words and on buttons."""

from collections.abc import Sequence
from typing import Any

from adapters.telegram import buttons
from adapters.telegram.limits import LARGEST_KEYBOARD_BYTES, LONGEST_TEXT, MOST_BUTTONS, keyboard_bytes, visible_length
from adapters.telegram.titles import inert
from adapters.telegram.words import Speech, price_of
from application.buttons import Action, Buy, Cancel, OpenPortal, ShowMethods, ShowPlans
from application.messages import CheckoutInvitation, InvoiceMessage, MethodMenu, PlanChoice, PlanMenu, PortalInvitation
from domain.ids import UserId

LONGEST_LABEL = 40
FORWARDED = "forwarded"
"""With a start parameter, a forwarded copy of an invoice has a link to the bot in place of its button to pay."""

Keyboard = list[list[dict[str, Any]]]


def button(text: str, action: Action, owner: UserId) -> dict[str, Any]:
    return {"text": text, "callback_data": buttons.encode(action, owner)}


def link(text: str, url: str) -> dict[str, Any]:
    """Raises ValueError for what is no address of a page: a button that leads nowhere is never sent."""
    if not url.startswith(("https://", "http://")):
        raise ValueError("button: there is no page that it could lead to")
    return {"text": text, "url": url}


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


def checkout(say: Speech, message: CheckoutInvitation, owner: UserId) -> tuple[str, Keyboard]:
    """Raises ValueError as long as there is no page."""
    price = price_of(message.price)
    pay = link(say.plain("button-pay", price=price), message.url)
    cancel = button(say.plain("button-cancel"), Cancel(invoice_id=message.invoice_id), owner)
    title, description = inert(message.title), inert(message.description)
    return say.html("checkout", title=title, description=description, price=price), [[pay], [cancel]]


def portal(say: Speech, message: PortalInvitation) -> tuple[str, Keyboard]:
    """Raises ValueError as long as there is no page."""
    return say.html("portal"), [[link(say.plain("button-open-portal"), message.url)]]


def way_to_portal(say: Speech, owner: UserId) -> Keyboard:
    return [[button(say.plain("button-portal"), OpenPortal(), owner)]]


def _described(say: Speech, plans: Sequence[PlanChoice], form: str) -> list[str]:
    return [
        say.html(form, title=inert(plan.title), description=inert(plan.description), prices=say.prices(plan.prices))
        for plan in plans
    ]
