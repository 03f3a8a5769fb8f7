"""The account as its owner sees it."""

from entrypoints.sandbox.people import Json
from entrypoints.sandbox.stripe.account import ACCOUNT_ID, BUSINESS_NAME, Stripe
from entrypoints.sandbox.stripe.books import Books
from entrypoints.sandbox.stripe.parameters import Parameters
from entrypoints.sandbox.stripe.refusal import Refused


def retrieve(_: Stripe, __: Books, parameters: Parameters, identifier: str) -> Json:
    parameters.only(())
    if identifier not in ("", ACCOUNT_ID):
        raise Refused(
            "The provided key does not have access to account "
            f"'{identifier}' (or that account does not exist). Application access may have been revoked.",
            status=403,
            code="account_invalid",
        )
    return {
        "id": ACCOUNT_ID,
        "object": "account",
        "business_profile": {"name": BUSINESS_NAME, "support_email": None, "url": None},
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "country": "GB",
        "default_currency": "gbp",
        "details_submitted": True,
        "email": "owner@example.com",
        "metadata": {},
        "payouts_enabled": True,
        "settings": {"dashboard": {"display_name": BUSINESS_NAME, "timezone": "Europe/London"}},
        "type": "standard",
    }
