"""`tollgram payments`, and `--charge`: what happened to one of them."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.text import Text

from application.charge_story import ChargeStory
from application.payments import Opened
from application.ports.pages import Page
from application.ports.payments import PaymentFilter
from domain.catalog import Method
from domain.entitlement import Entitlement
from domain.ids import PlanCode, UserId
from domain.payment import Payment, PaymentStatus
from entrypoints.charge_words import what_happened, what_to_do
from entrypoints.cli.failure import FAILED, WORKED
from entrypoints.cli.listing import Listing
from entrypoints.cli.meant import CHARGE_AT_STRIPE
from entrypoints.cli.moments import read_moment, to_the_minute, to_the_second
from entrypoints.cli.terminal import say, show_json
from entrypoints.cli.trail import show_trail
from entrypoints.cli.workplace import workplace
from entrypoints.container import Container
from entrypoints.http.payment_shapes import PaymentEvent, ServicePayment

PAGE = 200
_STYLES = {
    PaymentStatus.GRANTED: "green",
    PaymentStatus.QUARANTINED: "yellow",
    PaymentStatus.REFUND_PENDING: "yellow",
    PaymentStatus.REFUNDED: "red",
}


def wanted(
    *,
    user_id: int | None,
    status: str | None,
    method: str | None,
    plan_code: str | None,
    since: str | None,
    until: str | None,
) -> PaymentFilter:
    """Raises CommandError for a time that is none."""
    return PaymentFilter(
        user_id=UserId(user_id) if user_id else None,
        status=PaymentStatus(status) if status else None,
        method=Method(method) if method else None,
        plan_code=PlanCode(plan_code) if plan_code else None,
        since=read_moment("--since", since),
        until=read_moment("--until", until),
    )


def list_payments(which: PaymentFilter, *, limit: int, as_json: bool) -> int:
    """The newest of them."""
    with workplace() as container:
        found = list(_found(container, which, limit + 1))
    shown, more = found[:limit], len(found) > limit
    if as_json:
        show_json([ServicePayment.of(*one) for one in shown])
    elif shown:
        show_payments([payment for payment, _ in shown])
        if more:
            say(f"These are the newest {limit}; there are more: --limit, --since and --until choose others.")
    else:
        say("There are no such payments." if which != PaymentFilter() else "Nobody has paid yet.")
    return WORKED


def show_payments(payments: list[Payment]) -> None:
    """Their ends by word and colour."""
    headings = ["Received (UTC)", "User", "Amount", "Plan", "Method", "End"]
    listing = Listing(headings, ["Payment", "Because"], frozenset({"Amount"}))
    for payment in payments:
        charge = payment.charge
        listing.add(
            to_the_minute(payment.received_at),
            str(charge.payer),
            str(charge.paid),
            payment.plan_code or "–",
            charge.method,
            _end(payment),
            below=[payment.id, payment.quarantine_reason or ""],
        )
    listing.show()


def explain_charge(named: str, *, as_json: bool) -> int:
    """One sentence, what to do, and the steps that led there; 1 where nobody told us of it."""
    with workplace() as container:
        tell_charge = container.tell_charge()
        stories = list(tell_charge(named))
        if not any(story.known for story in stories) and (paid := container.register().charged(named)):
            # The provider's own second id, such as Stripe's ch_…, stands beside the one that the story is kept under.
            stories = [story for payment in paid for story in tell_charge(payment.id)]
        waiting = container.database().inbox_pending() + container.database().inbox_given_up()
    known = any(story.known for story in stories)
    if as_json:
        show_json([_in_json(story, named) for story in stories])
        return WORKED if known else FAILED
    for story in stories:
        say(what_happened(story, named), style="bold")
        say(what_to_do(story), whole=True)
        if not known and named.startswith(CHARGE_AT_STRIPE):
            say(f"Of Stripe's two ids the {CHARGE_AT_STRIPE}… is known only once it was paid: try the pi_… beside it.")
        if not known and waiting:
            say(f"It may be among {waiting} reports of providers that wait or were given up; the log tells of them.")
        if story.payment:
            _show_facts(story.payment, story.spans)
        show_trail("What happened", story.trail)
    return WORKED if known else FAILED


def _found(container: Container, which: PaymentFilter, limit: int) -> Iterator[Opened]:
    find, page = container.find_payments(), Page(limit=min(limit, PAGE))
    while limit > 0:
        found, cursor = find(which, page)
        yield from found[:limit]
        limit -= len(found)
        if cursor is None:
            return
        page = Page(limit=PAGE, cursor=cursor)


def _end(payment: Payment) -> Text:
    words = payment.status.replace("_", " ")
    if payment.suspended:
        words = "disputed"
    elif payment.status is PaymentStatus.GRANTED and payment.amount_refunded:
        words = f"{words}, part refunded"
    return Text(words, style="yellow" if payment.suspended else _STYLES[payment.status])


def _show_facts(payment: Payment, spans: Sequence[Entitlement]) -> None:
    charge = payment.charge
    facts = {
        "Payment": payment.id,
        "Charge": charge.charge_id,
        "At the provider": charge.provider_charge_id,
        "Invoice": payment.invoice_id or "none of ours",
        "Entitlement": spans[0].id if spans else "",
        "Paid": f"{charge.paid} by {charge.method}, {to_the_second(charge.charged_at)}",
        "Received": to_the_second(payment.received_at),
    }
    say("")
    for name, value in facts.items():
        if value:
            say(f"  {name:<17}{value}", whole=True)


def _in_json(story: ChargeStory, named: str) -> dict[str, Any]:
    payment, last = story.payment, story.spans[0] if story.spans else None
    opened = last.id if last and last.revoked_at is None else (payment.suspended if payment else None)
    return {
        "asked_for": named,
        "known": story.known,
        "what_happened": what_happened(story, named),
        "what_to_do": what_to_do(story),
        "payment": ServicePayment.of(payment, opened) if payment else None,
        "events": [PaymentEvent.of(kept) for kept in story.trail],
    }
