"""Purchases by Stripe as tests make them again and again."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from tests.integration.buying import settled
from tests.integration.sandbox_server import CardOutcome, Json, SandboxServer, SandboxStripe
from tests.integration.service import Service, only

CHECKOUT, PORTAL = "/api/v1/billing/checkout", "/api/v1/billing/portal"
PRICE = 2500
A_DATE = r"\d{1,2} (January|February|March|April|May|June|July|August|September|October|November|December) 20\d\d"


def stripe_settings(stripe: SandboxStripe, **more: str) -> Mapping[str, str]:
    return {
        "STRIPE_SECRET_KEY": stripe.secret_key,
        "STRIPE_WEBHOOK_SECRET": stripe.webhook_secret,
        "STRIPE_API_BASE": stripe.api_base,
        **more,
    }


def ask_for_page(
    service: Service, user_id: int, plan_code: str = "gold_1m", *, key: str | None = None, **more: Any
) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    with service.as_user(user_id) as client:
        return client.post(CHECKOUT, json={"plan_code": plan_code, **more}, headers=headers)


def page_for(service: Service, user_id: int, plan_code: str = "gold_1m", **more: Any) -> Json:
    """The answer to checkout, which must be yes."""
    answer = ask_for_page(service, user_id, plan_code, **more)
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


def pay_page(telegram: SandboxServer, page: Json, **forged: Any) -> CardOutcome:
    """Pay with a good card, and wait until the service has been told of all that followed."""
    outcome = telegram.stripe.pay(page["session_id"], **forged)
    assert outcome.status == "paid", outcome
    settled(telegram)
    return outcome


def buy_by_stripe(service: Service, telegram: SandboxServer, user_id: int, plan_code: str = "gold_1m") -> CardOutcome:
    return pay_page(telegram, page_for(service, user_id, plan_code))


def money_of(telegram: SandboxServer, intent: str) -> Json:
    """What Stripe's own books say of that payment."""
    return dict(only([one for one in telegram.stripe.ledger() if one["payment_intent"] == intent]))


@contextmanager
def stripe_does(telegram: SandboxServer, **faults: Any) -> Iterator[None]:
    """These faults for so long; then all is well again."""
    telegram.stripe.faults(**faults)
    try:
        yield
    finally:
        telegram.stripe.faults()


def texts_to(telegram: SandboxServer, user_id: int) -> list[str]:
    """All that the bot has said to this user, oldest first."""
    return [message.get("text", "") for message in telegram.bot_messages(user_id)]
