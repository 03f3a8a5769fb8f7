"""Which payment is meant: by its own id, by the charge's, or by the one that the payment provider gave the charge."""

from collections.abc import Sequence
from typing import Final

from domain.ids import PaymentId
from domain.payment import Payment
from entrypoints.cli.failure import CommandError
from entrypoints.container import Container

CHARGE_AT_STRIPE: Final = "ch_"
_INVOICE, _OURS = "inv_", "pay_"
NAMED_AT_MOST: Final = 5


def payment_meant(container: Container, named: str) -> Payment:
    """The one payment that bears that id. Raises CommandError where none does, or several do: money that goes to the
    wrong one does not come back."""
    named = named.strip()
    found = _found(container, named) if named else []
    if len(found) == 1:
        return found[0]
    raise _several(named, found) if found else _none(named)


def _found(container: Container, named: str) -> Sequence[Payment]:
    by_charge = container.register().charged(named)
    with container.work().look() as tx:
        ours = tx.payments.get(PaymentId(named)) if named.startswith(_OURS) else None
    return list({payment.id: payment for payment in (*by_charge, *([ours] if ours else []))}.values())


def _several(named: str, found: Sequence[Payment]) -> CommandError:
    ids = " or ".join(payment.id for payment in found[:NAMED_AT_MOST])
    more = " or another" if len(found) > NAMED_AT_MOST else ""
    return CommandError(
        f"{len(found)} payments have a charge of the id {named!r}; nothing was changed.",
        f"Name one by its own id: {ids}{more}. What each is: tollgram payments --charge ID",
    )


def _none(named: str) -> CommandError:
    what = f"There is no payment {named!r}."
    if named.startswith(CHARGE_AT_STRIPE):
        return CommandError(
            what,
            f"Of Stripe's two ids the {CHARGE_AT_STRIPE}… is known only once it was paid: try the pi_… beside it. "
            "If nobody told us of it yet: tollgram reconcile",
        )
    if named.startswith(_INVOICE):
        return CommandError(what, f"That is an invoice. What paid it, if anything: tollgram payments --charge {named}")
    if named.startswith(_OURS):
        return CommandError(
            what, "To see what there is: tollgram payments. What waits for a person: tollgram quarantine"
        )
    return CommandError(
        what,
        "It is the charge's id (telegram_payment_charge_id, or Stripe's pi_… or ch_…), or the payment's pay_…. "
        "To find it: tollgram payments --user ID --json",
    )
