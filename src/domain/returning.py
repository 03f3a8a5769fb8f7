"""Giving money back: which charges can only be a mistake, and which a provider's API can return."""

from domain.catalog import Method
from domain.invoice import Objection
from domain.payment import Payment, PaymentStatus

CERTAIN = frozenset({Objection.WRONG_USER, Objection.INVOICE_ALREADY_PAID, Objection.ALREADY_ENTITLED})
"""Nobody can have meant to pay these."""


def can_be_given_back(method: Method) -> bool:
    """Whether the provider does it when we ask. A payment provider's charges are given back by that provider alone
    (https://core.telegram.org/bots/payments#live-payments-checklist: the merchant handles refunds)."""
    return method is not Method.TELEGRAM


def returns_by_itself(payment: Payment) -> bool:
    """Whether nobody needs to look at it before it is given back."""
    waits = payment.status is PaymentStatus.QUARANTINED
    return waits and payment.quarantine_reason in CERTAIN and can_be_given_back(payment.charge.method)
