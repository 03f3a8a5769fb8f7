"""Which of Stripe's events tell of our payments, and of what kind the object is that each is about."""

from enum import Enum

EVENT_TYPES = (
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "charge.refunded",
    "charge.refund.updated",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "charge.dispute.closed",
)
"""What the webhook endpoint has to be registered for; others may come too, and do no harm."""


class Subject(Enum):
    SESSION = "checkout.session."
    REFUND_OF_CHARGE = "charge.refund."
    DISPUTE = "charge.dispute."
    REFUND = "refund."
    CHARGE = "charge."
    INTENT = "payment_intent."


def subject_of(event_type: str) -> Subject | None:
    """What an event of this type is about; None where that is no payment.

    `charge.refund.updated` bears a refund and `charge.refunded` a charge: the longer beginnings come first.
    """
    return next((subject for subject in Subject if event_type.startswith(subject.value)), None)
