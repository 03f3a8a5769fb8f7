"""`tollgram quarantine list | grant | refund`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.text import Text

from application.ports.pages import Page
from application.ports.payments import PaymentFilter
from domain.errors import Conflict, InvalidRequest
from domain.ids import PaymentId, UserId
from domain.payment import Payment, PaymentStatus
from domain.returning import can_be_given_back
from entrypoints.cli.failure import WORKED, WRONG, CommandError
from entrypoints.cli.listing import Listing
from entrypoints.cli.meant import payment_meant
from entrypoints.cli.moments import to_the_minute, to_the_second
from entrypoints.cli.refund import carried_out, who
from entrypoints.cli.terminal import say, show_json
from entrypoints.cli.workplace import workplace
from entrypoints.container import Container
from entrypoints.http.payment_shapes import ServicePayment

PAGE = 200
HOW_TO_DECIDE = (
    "Decide: tollgram quarantine grant PAYMENT --reason WHY\n"
    "    or: tollgram quarantine refund PAYMENT --reason WHY\n"
    "Why it waits, in words: tollgram payments --charge PAYMENT"
)


def list_quarantine(*, as_json: bool) -> int:
    """Every payment that waits for a person."""
    waiting: list[Payment] = []
    with workplace() as container:
        page: Page | None = Page(limit=PAGE)
        while page is not None:
            with container.work().look() as tx:
                found = tx.payments.found(PaymentFilter(status=PaymentStatus.QUARANTINED), page)
            waiting += found.items
            page = Page(limit=PAGE, cursor=found.next_cursor) if found.next_cursor else None
    if as_json:
        show_json([_in_json(payment) for payment in waiting])
    elif waiting:
        show_waiting(waiting)
        say(HOW_TO_DECIDE)
    else:
        say("Nothing is in quarantine: every payment was granted or given back.")
    return WORKED


def grant(
    named: str, *, reason: str, actor: str | None, plan_code: str | None, user_id: int | None, as_json: bool
) -> int:
    """Open the door, and say for whom and until when."""
    with workplace() as container, _meant(container, named) as payment_id:
        user = None if user_id is None else UserId(user_id)
        payment = container.grant_quarantined()(
            payment_id, reason=reason, actor=actor or who(), plan_code=plan_code, user_id=user
        )
        with container.work().look() as tx:
            opened = tx.entitlements.living_of(payment.id)
    if as_json:
        show_json(ServicePayment.of(payment, opened.id if opened else None))
    elif opened:
        until = "for life" if opened.expires_at is None else f"until {to_the_second(opened.expires_at)}"
        say(f"Granted: {opened.plan_code} for user {opened.user_id}, {until}.")
    return WORKED


def refund(named: str, *, reason: str, actor: str | None, as_json: bool) -> int:
    """Order it, carry it out, and say what came of it."""
    with workplace() as container, _meant(container, named) as payment_id:
        payment = container.refund_quarantined()(payment_id, reason=reason, actor=actor or who())
        return carried_out(container, payment, as_json=as_json)


def show_waiting(waiting: Sequence[Payment]) -> None:
    headings = ["Received (UTC)", "User", "Amount", "Plan", "Because", "Refund"]
    listing = Listing(headings, ["Payment"], frozenset({"Amount"}))
    for payment in waiting:
        charge = payment.charge
        listing.add(
            to_the_minute(payment.received_at),
            str(charge.payer),
            str(charge.paid),
            payment.plan_code or "–",
            Text(payment.quarantine_reason or "", style="yellow"),
            "by us" if can_be_given_back(charge.method) else "outside",
            below=[payment.id],
        )
    listing.show()


@contextmanager
def _meant(container: Container, named: str) -> Iterator[PaymentId]:
    """Says what to type next where the payment is none of those that wait, or another plan is meant."""
    payment_id = payment_meant(container, named).id
    try:
        yield payment_id
    except Conflict as refusal:
        raise CommandError(
            str(refusal), f"Nothing was changed. How it stands: tollgram payments --charge {payment_id}"
        ) from None
    except InvalidRequest as refusal:
        raise CommandError(
            str(refusal), "Name the plan: --plan PLAN. To see which there are, run: tollgram catalog check", WRONG
        ) from None


def _in_json(payment: Payment) -> dict[str, Any]:
    charge = payment.charge
    return {
        "payment_id": payment.id,
        "received_at": payment.received_at,
        "user_id": charge.payer,
        "amount": charge.paid.amount,
        "currency": charge.paid.currency,
        "method": charge.method,
        "plan_code": payment.plan_code,
        "reason": payment.quarantine_reason,
        "charge_id": charge.charge_id,
    }
