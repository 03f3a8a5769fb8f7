"""Asks Tollgram: may this user do this now? `Tollgram` blocks, `AsyncTollgram` is awaited; they do the same.

What answers without the service, by passports, is in `tollgram_client.passports`, which needs PyJWT.
"""

from tollgram_client.answers import (
    Check,
    Entitlement,
    Event,
    Payment,
    PaymentEvent,
    PaymentInFull,
    Reason,
    ReasonPayment,
    WebhookEvent,
)
from tollgram_client.asynchronous import AsyncTollgram
from tollgram_client.blocking import Tollgram
from tollgram_client.patience import Patience
from tollgram_client.problems import (
    AlreadyEntitled,
    Conflict,
    Forbidden,
    IdempotencyMismatch,
    InvalidRequest,
    MethodNotAllowed,
    MethodUnavailable,
    NotFound,
    PassportRefused,
    Problem,
    ProviderUnavailable,
    RateLimited,
    TollgramError,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnexpectedAnswer,
    UnknownPlan,
    Unreachable,
    UnsupportedMediaType,
    WebhookRefused,
)
from tollgram_client.webhooks import verify_webhook

__all__ = [
    "AlreadyEntitled",
    "AsyncTollgram",
    "Check",
    "Conflict",
    "Entitlement",
    "Event",
    "Forbidden",
    "IdempotencyMismatch",
    "InvalidRequest",
    "MethodNotAllowed",
    "MethodUnavailable",
    "NotFound",
    "PassportRefused",
    "Patience",
    "Payment",
    "PaymentEvent",
    "PaymentInFull",
    "Problem",
    "ProviderUnavailable",
    "RateLimited",
    "Reason",
    "ReasonPayment",
    "Tollgram",
    "TollgramError",
    "TooLarge",
    "Unauthenticated",
    "Unavailable",
    "UnexpectedAnswer",
    "UnknownPlan",
    "Unreachable",
    "UnsupportedMediaType",
    "WebhookEvent",
    "WebhookRefused",
    "verify_webhook",
]
