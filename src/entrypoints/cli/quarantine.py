"""`tollgram quarantine list | grant | refund`."""

from datetime import datetime
from typing import Any

from rich.table import Table

from application.ports import Page, PaymentFilter
from domain.ids import PaymentId, UserId
from domain.payment import Payment, PaymentStatus
from domain.returning import can_be_given_back
from entrypoints.cli.failure import WORKED
from entrypoints.cli.refund import carried_out, who
from entrypoints.cli.terminal import say, show_json, show_table
from entrypoints.cli.workplace import workplace

PAGE = 200


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
        show_table(_table(waiting))
        say("Decide with: tollgram quarantine grant PAYMENT --reason WHY, or: tollgram quarantine refund …")
    else:
        say("Nothing is in quarantine: every payment was granted or given back.")
    return WORKED


def grant(payment_id: str, *, reason: str, actor: str | None, plan_code: str | None, user_id: int | None) -> int:
    """Open the door, and say for whom and until when."""
    with workplace() as container:
        user = None if user_id is None else UserId(user_id)
        payment = container.grant_quarantined()(
            PaymentId(payment_id), reason=reason, actor=actor or who(), plan_code=plan_code, user_id=user
        )
        with container.work().look() as tx:
            opened = tx.entitlements.living_of(payment.id)
    if opened:
        until = "for life" if opened.expires_at is None else f"until {_time(opened.expires_at)}"
        say(f"Granted: {opened.plan_code} for user {opened.user_id}, {until}.")
    return WORKED


def refund(payment_id: str, *, reason: str, actor: str | None) -> int:
    """Order it, carry it out, and say what came of it."""
    with workplace() as container:
        payment = container.refund_quarantined()(PaymentId(payment_id), reason=reason, actor=actor or who())
        return carried_out(container, payment)


def _table(waiting: list[Payment]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("Payment", "Received", "User"):
        table.add_column(heading, no_wrap=True)
    table.add_column("Amount", justify="right", no_wrap=True)
    for heading in ("Plan", "Reason", "Can be given back"):
        table.add_column(heading)
    for payment in waiting:
        charge = payment.charge
        table.add_row(
            payment.id,
            _time(payment.received_at),
            str(charge.payer),
            str(charge.paid),
            payment.plan_code or "",
            payment.quarantine_reason or "",
            "by Tollgram" if can_be_given_back(charge.method) else "at the payment provider",
        )
    return table


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


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
