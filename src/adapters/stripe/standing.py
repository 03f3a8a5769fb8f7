"""Where a payment of ours stands, from what Stripe says of it now. Nothing here asks or knows the time."""

from collections.abc import Sequence
from datetime import UTC, datetime

from adapters.stripe.amounts import from_stripe, units
from adapters.stripe.ours import Mark
from adapters.stripe.wire import Dispute, Intent, Refund
from domain.catalog import Method
from domain.ids import ChargeId
from domain.payment import Charge, ChargeStanding, DisputeState, Provider

ON_ITS_WAY = frozenset({"pending", "requires_action"})
FAILED = "failed"
"""Also up to 30 days after it had succeeded, where the buyer's bank sends it back: then the money is the seller's again
(https://docs.stripe.com/refunds#failed-refunds)."""
DECIDED = {"won": DisputeState.WON, "lost": DisputeState.LOST}
INQUIRY = "warning_"


def has_moved(intent: Intent) -> bool:
    """Whether money has: a charge may be `paid` in name while its bank still thinks about it."""
    charge = intent.latest_charge
    return intent.status == "succeeded" and charge is not None and charge.status == "succeeded" and charge.captured


def charge_of(intent: Intent, mark: Mark, message: bytes) -> Charge:
    """Raises ValueError for money that we can't count."""
    if intent.latest_charge is None:
        raise ValueError("no charge")
    return Charge(
        provider=Provider.STRIPE,
        charge_id=ChargeId(intent.id),
        provider_charge_id=intent.latest_charge.id,
        bot=mark.bot,
        payer=mark.payer,
        paid=from_stripe(intent.amount_received, intent.currency),
        method=Method.STRIPE,
        payload=mark.payload,
        charged_at=datetime.fromtimestamp(intent.latest_charge.created, UTC),
        message=message,
    )


def standing_of(intent: Intent, disputes: Sequence[Dispute], refunds: Sequence[Refund]) -> ChargeStanding:
    """Raises ValueError for money that we can't count.

    Stripe counts a refund as given back once it is begun; we, once it is done: one that fails is taken back.
    """
    begun = intent.latest_charge.amount_refunded if intent.latest_charge else 0
    on_its_way = sum(refund.amount for refund in refunds if refund.status in ON_ITS_WAY)
    return ChargeStanding(
        provider=Provider.STRIPE,
        charge_id=ChargeId(intent.id),
        amount=units(intent.amount_received, intent.currency),
        amount_refunded=units(max(0, begun - on_its_way), intent.currency),
        disputes={dispute.id: state_of(dispute) for dispute in disputes},
        refunds_failed=sum(refund.status == FAILED for refund in refunds),
    )


def state_of(dispute: Dispute) -> DisputeState:
    """An inquiry takes nothing. Undecided, a dispute has taken the money where more has left than come back.

    A dispute that was "prevented" goes no further: where the money went to the buyer that way, it stays there.
    https://docs.stripe.com/api/disputes/object
    """
    if decided := DECIDED.get(dispute.status):
        return decided
    gone = sum(movement.amount for movement in dispute.balance_transactions) < 0
    if gone:
        if dispute.status.startswith(INQUIRY):
            return DisputeState.OPENED
        return DisputeState.LOST if dispute.status == "prevented" else DisputeState.WITHDRAWN
    # What had left and has come back interrupts nothing any more, whatever Stripe calls it.
    return DisputeState.WON if dispute.balance_transactions else DisputeState.OPENED
