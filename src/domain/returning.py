"""Giving money back: which charges can only be a mistake, and which a provider's API can return."""

from domain.catalog import Method
from domain.invoice import Objection

CERTAIN = frozenset({Objection.WRONG_USER, Objection.INVOICE_ALREADY_PAID, Objection.ALREADY_ENTITLED})
"""Nobody can have meant to pay these."""


def can_be_given_back(method: Method) -> bool:
    """Whether the provider does it when we ask. A payment provider's charges are given back by that provider alone
    (https://core.telegram.org/bots/payments#live-payments-checklist: the merchant handles refunds)."""
    return method is not Method.TELEGRAM
