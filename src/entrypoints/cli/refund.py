"""`tollgram refund`, and carrying a refund out beside a running service."""

import getpass
import time

from application.ports import PaymentFilter
from domain.errors import NotFound
from domain.ids import ChargeId
from domain.payment import Payment, PaymentStatus
from entrypoints.cli.failure import FAILED, WORKED, CommandError
from entrypoints.cli.terminal import say, tell
from entrypoints.cli.workplace import workplace
from entrypoints.container import Container

WAIT_S = 20.0


def refund(charge_id: str, *, reason: str, actor: str | None, outside: bool) -> int:
    """Order it, carry it out, and say what came of it."""
    with workplace() as container:
        payment = _payment(container, charge_id)
        payment = container.order_refund()(payment.id, reason=reason, asked_by=actor or who(), outside=outside)
        return carried_out(container, payment)


def who() -> str:
    """Whoever runs this command, as the system knows them."""
    try:
        return f"{getpass.getuser()} (command line)"
    except (KeyError, OSError):
        return "command line"


def carried_out(container: Container, payment: Payment) -> int:
    """Carry out what is ordered until this one has ended, or it takes too long; a running service may do it as well."""
    until = time.monotonic() + WAIT_S
    charge = payment.charge
    while payment.status is PaymentStatus.REFUND_PENDING and time.monotonic() < until:
        if not container.carry_refunds()():
            time.sleep(0.2)
        with container.work().look() as tx:
            payment = tx.payments.of([charge.key])[charge.key]
    what = f"{charge.paid.amount} {charge.paid.currency} of user {charge.payer}"
    match payment.status:
        case PaymentStatus.REFUNDED:
            say(f"Given back: {what}. The access that it paid for has ended.")
            return WORKED
        case PaymentStatus.REFUND_PENDING:
            say(f"Ordered: {what}. The provider has not confirmed it yet; the service goes on asking.")
            return WORKED
        case _:
            tell(
                f"Not given back: {what}. The provider refused; the payment is {payment.status} as before.",
                f"Why stands in the audit trail of charge {charge.charge_id}.",
            )
            return FAILED


def _payment(container: Container, charge_id: str) -> Payment:
    from application.ports import Page

    with container.work().look() as tx:
        found = tx.payments.found(PaymentFilter(charge_id=ChargeId(charge_id)), Page(limit=2)).items
    if not found:
        raise NotFound(f"There is no payment of charge {charge_id!r}.")
    if len(found) > 1:
        raise CommandError(
            "Two providers have a charge of this id.", "Give it back over the API, by the payment's own id."
        )
    return found[0]
