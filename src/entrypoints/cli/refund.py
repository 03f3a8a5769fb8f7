"""`tollgram refund`, and carrying a refund out beside a running service."""

import getpass
import time

from application.ports.pages import Page
from application.ports.trail import TrailFilter
from domain.errors import Conflict
from domain.payment import Payment, PaymentStatus
from domain.returning import can_be_given_back
from entrypoints.cli.failure import FAILED, WORKED, CommandError
from entrypoints.cli.meant import payment_meant
from entrypoints.cli.terminal import say, show_json, tell
from entrypoints.cli.workplace import workplace
from entrypoints.container import Container
from entrypoints.http.payment_shapes import ServicePayment

WAIT_S = 20.0
LOOKED_AT = 50
_BY_US = (
    "This charge is given back by Tollgram itself.",
    "Leave out --outside; a charge that the provider has given back already is recorded as such.",
)
_AT_THE_PROVIDER = (
    "Telegram can't give back what was paid through a payment provider.",
    "Give it back at the payment provider, then run this with --outside to record it.",
)


def refund(named: str, *, reason: str, actor: str | None, outside: bool, as_json: bool) -> int:
    """Order it, carry it out, and say what came of it."""
    with workplace() as container:
        payment = payment_meant(container, named)
        by_us = can_be_given_back(payment.charge.method)
        if payment.status is not PaymentStatus.REFUNDED and by_us == outside:
            raise CommandError(*(_BY_US if by_us else _AT_THE_PROVIDER))
        try:
            payment = container.order_refund()(payment.id, reason=reason, asked_by=actor or who(), outside=outside)
        except Conflict as conflict:
            raise CommandError(
                str(conflict), f"Nothing was changed. How it stands: tollgram payments --charge {payment.id}"
            ) from None
        return carried_out(container, payment, as_json=as_json)


def who() -> str:
    """Whoever runs this command, as the system knows them."""
    try:
        return f"{getpass.getuser()} (command line)"
    except (KeyError, OSError):
        return "command line"


def carried_out(container: Container, payment: Payment, *, as_json: bool) -> int:
    """Say what came of what is ordered; 1 where the provider refused."""
    payment = _followed(container, payment)
    if as_json:
        payment, opened = container.show_payment()(payment.id)
        show_json(ServicePayment.of(payment, opened))
    what = f"{payment.charge.paid} of user {payment.charge.payer}"
    match payment.status:
        case PaymentStatus.REFUNDED:
            ended = " The access that it paid for has ended." if payment.quarantine_reason is None else ""
            said = f"Given back: {what}.{ended}"
        case PaymentStatus.REFUND_PENDING:
            said = f"Ordered: {what}. The provider has not confirmed it yet; the service goes on asking."
        case _:
            tell(
                f"Not given back: {what}. The provider refused: {_refusal(container, payment)}",
                f"The payment is {payment.status} as before. Once the cause is mended, run it again.",
            )
            return FAILED
    if not as_json:
        say(said)
    return WORKED


def _followed(container: Container, payment: Payment) -> Payment:
    """Carry out what is ordered until this one has ended, or it takes too long; a running service may do it as well."""
    until = time.monotonic() + WAIT_S
    charge = payment.charge
    while payment.status is PaymentStatus.REFUND_PENDING and time.monotonic() < until:
        if not container.carry_refunds()():
            time.sleep(0.2)
        with container.work().look() as tx:
            payment = tx.payments.of([charge.key])[charge.key]
    return payment


def _refusal(container: Container, payment: Payment) -> str:
    """In the provider's words, as the audit trail has them."""
    with container.work().look() as tx:
        told = tx.trail.found(TrailFilter(charge_id=payment.charge.charge_id), Page(limit=LOOKED_AT)).items
    return next(
        (kept.entry.note for kept in told if kept.entry.kind == "refund_failed" and kept.entry.note), "no reason"
    )
