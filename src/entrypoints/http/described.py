"""Every operation of the API: what goes in, what comes out, and how it may be refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from domain.catalog import Method
from domain.ids import MAX_USER_ID
from domain.payment import PaymentStatus
from entrypoints.http.access_shapes import (
    FeatureAnswer,
    FeatureAnswers,
    FeatureChecks,
    GrantRequest,
    RevokeRequest,
    ServiceEntitlement,
)
from entrypoints.http.feed import MAX_SEQUENCE, MAX_WAIT_S, EventList
from entrypoints.http.payment_shapes import (
    FullPayment,
    PaymentEventList,
    RefundRequest,
    ResolveRequest,
    ServicePayment,
    ServicePaymentList,
)
from entrypoints.http.shapes import (
    CatalogShape,
    CheckoutPage,
    CheckoutRequest,
    EntitlementList,
    Health,
    InvoiceLink,
    PassportShape,
    PaymentList,
    PortalPage,
    PortalRequest,
    PublicKeys,
    Purchase,
    RevocationsShape,
    SentInvoice,
)

Security = list[dict[str, list[str]]]
USER: Security = [{"user": []}, {"mini_app": []}]
SERVICE: Security = [{"service": []}]
TELEGRAM: Security = [{"telegram": []}]
STRIPE: Security = [{"stripe": []}]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One thing that can be called. `problems` are the codes of the errors that it answers with;
    `names` is what a provider's message must have, and empty where a POST takes no body. `note` is what a caller should
    know beside the summary, `rule` what must hold of the body beside its shape, as JSON Schema."""

    method: str
    path: str
    name: str
    summary: str
    group: str
    security: Security | None = None
    scope: str | None = None
    note: str = ""
    body: type[msgspec.Struct] | None = None
    rule: Mapping[str, Any] | None = None
    answer: type[msgspec.Struct] | None = None
    answer_type: str = "application/json"
    or_answer_type: str | None = None
    problems: tuple[str, ...] = ()
    query: Mapping[str, Mapping[str, Any]] | None = None
    header: Mapping[str, Mapping[str, Any]] | None = None
    status: int = 200
    names: str = "update_id"


_USER_ID = {"type": "integer", "minimum": 1, "maximum": MAX_USER_ID}
PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "user_id": _USER_ID,
    "feature": {"type": "string", "minLength": 1, "maxLength": 64},
    "entitlement_id": {"type": "string", "pattern": "^[A-Za-z0-9_]{1,80}$"},
    "payment_id": {"type": "string", "pattern": "^[A-Za-z0-9_]{1,80}$"},
    "bot": {"type": "string", "pattern": "^[a-z0-9_]{1,32}$"},
}
MESSAGE_IDS: Mapping[str, Mapping[str, Any]] = {
    "update_id": {"type": "integer", "minimum": 0},
    "id": {"type": "string", "pattern": "^evt_"},
}
_BUYING = (
    "invalid_request",
    "unauthenticated",
    "already_entitled",
    "conflict",
    "too_large",
    "unsupported_media_type",
    "unknown_plan",
    "method_unavailable",
    "rate_limited",
    "provider_unavailable",
    "unavailable",
)
_ASKING = ("invalid_request", "unauthenticated", "unavailable")
_WEBHOOK = ("invalid_request", "unauthenticated", "forbidden", "too_large", "unsupported_media_type", "unavailable")
_PAGING: Mapping[str, Mapping[str, Any]] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": 200, "default": 50},
    "cursor": {"type": "string"},
}
_ID = {"type": "string", "minLength": 1, "maxLength": 256}
_WHOSE: Mapping[str, Mapping[str, Any]] = {"user_id": _USER_ID, "charge_id": _ID}
_MOMENT = {"type": "string", "format": "date-time"}
_KEY = {"Idempotency-Key": {"type": "string", "pattern": "^[!-~]{1,255}$"}}
_AS_OF: Mapping[str, Mapping[str, Any]] = {
    "as_of": {**_MOMENT, "description": "What was answered at that moment; without it, now"}
}
_EXPLAIN: Mapping[str, Mapping[str, Any]] = {
    "explain": {"type": "boolean", "default": False, "description": "Tell every entitlement that decides it"}
}
_RECEIVED = "that is when we first heard of it, which may be long after its `paid_at`"
_PAYMENT_FILTERS: Mapping[str, Mapping[str, Any]] = {
    **_WHOSE,
    "status": {"type": "string", "enum": [status.value for status in PaymentStatus]},
    "method": {"type": "string", "enum": [method.value for method in Method]},
    "plan_code": _ID,
    "since": {**_MOMENT, "description": f"Received then or later; {_RECEIVED}"},
    "until": {**_MOMENT, "description": f"Received before that; {_RECEIVED}"},
}
_EVENT_FILTERS: Mapping[str, Mapping[str, Any]] = {**_WHOSE, "invoice_id": _ID}
_FORM: Mapping[str, Mapping[str, Any]] = {
    "format": {"type": "string", "enum": ["csv", "jsonl"], "default": "csv"},
}
_NULL = {"type": "null"}
_PLAN_GOES_WITH_A_GRANT: Mapping[str, Any] = {
    "anyOf": [
        {"properties": {"action": {"const": "grant"}}},
        {"properties": {"plan_code": _NULL, "user_id": _NULL}},
    ]
}
_DECIDING = (*_ASKING, "forbidden", "not_found", "conflict", "too_large", "unsupported_media_type")

OPERATIONS = (
    Operation(
        method="get",
        path="/api/v1/catalog",
        name="catalog",
        summary="What is for sale, and by which methods",
        group="For users",
        answer=CatalogShape,
    ),
    Operation(
        method="post",
        path="/api/v1/telegram/payment/send-invoice",
        name="sendInvoice",
        summary="Put an invoice into the user's chat",
        group="For users",
        security=USER,
        body=Purchase,
        answer=SentInvoice,
        problems=_BUYING,
    ),
    Operation(
        method="post",
        path="/api/v1/telegram/payment/invoice-link",
        name="invoiceLink",
        summary="Make an invoice that a Mini App opens by its address",
        group="For users",
        security=USER,
        body=Purchase,
        answer=InvoiceLink,
        problems=_BUYING,
    ),
    Operation(
        method="post",
        path="/api/v1/billing/checkout",
        name="checkout",
        summary="Make a page of Stripe's where a plan is paid",
        group="For users",
        security=USER,
        body=CheckoutRequest,
        answer=CheckoutPage,
        status=201,
        problems=(*_BUYING, "idempotency_mismatch"),
        header=_KEY,
    ),
    Operation(
        method="post",
        path="/api/v1/billing/portal",
        name="portal",
        summary="Lead to the user's own page at Stripe",
        group="For users",
        security=USER,
        body=PortalRequest,
        answer=PortalPage,
        problems=(
            "invalid_request",
            "unauthenticated",
            "not_found",
            "too_large",
            "unsupported_media_type",
            "method_unavailable",
            "provider_unavailable",
            "unavailable",
        ),
    ),
    Operation(
        method="get",
        path="/api/v1/me/entitlements",
        name="myEntitlements",
        summary="What the user holds and held",
        group="For users",
        security=USER,
        answer=EntitlementList,
        problems=_ASKING[1:],
    ),
    Operation(
        method="get",
        path="/api/v1/me/payments",
        name="myPayments",
        summary="What the user paid, newest first",
        group="For users",
        security=USER,
        answer=PaymentList,
        problems=_ASKING,
        query=_PAGING,
    ),
    Operation(
        method="get",
        path="/api/v1/me/passport",
        name="myPassport",
        summary="What the user may do, signed, good for 300 s at most",
        group="For users",
        security=USER,
        answer=PassportShape,
        problems=(*_ASKING[1:], "not_found"),
    ),
    Operation(
        method="get",
        path="/internal/v1/users/{user_id}/entitlements",
        name="userEntitlements",
        summary="What a user holds and held",
        group="For services",
        security=SERVICE,
        scope="entitlements:read",
        answer=EntitlementList,
        problems=(*_ASKING, "forbidden"),
        query=_AS_OF,
    ),
    Operation(
        method="post",
        path="/internal/v1/users/{user_id}/entitlements",
        name="grantEntitlement",
        summary="Give a plan to a user, from now or from the end of what is held of it",
        group="For services",
        security=SERVICE,
        scope="entitlements:write",
        body=GrantRequest,
        answer=ServiceEntitlement,
        status=201,
        problems=(
            *_ASKING,
            "forbidden",
            "already_entitled",
            "too_large",
            "unsupported_media_type",
            "unknown_plan",
            "idempotency_mismatch",
        ),
        header=_KEY,
    ),
    Operation(
        method="post",
        path="/internal/v1/entitlements/{entitlement_id}/revoke",
        name="revokeEntitlement",
        summary="End a grant at once: later time of the plan moves up, no money goes back. Again, nothing changes",
        group="For services",
        security=SERVICE,
        scope="entitlements:write",
        note="It takes no `Idempotency-Key` and needs none: to call it again, also at the same time, changes nothing "
        "and is answered the same. What was given since is another entitlement, and stays.",
        body=RevokeRequest,
        answer=ServiceEntitlement,
        problems=(*_ASKING, "forbidden", "not_found", "too_large", "unsupported_media_type"),
    ),
    Operation(
        method="get",
        path="/internal/v1/users/{user_id}/features/{feature}",
        name="checkFeature",
        summary="May this user do this, now or at a past moment, and why?",
        group="For services",
        security=SERVICE,
        scope="entitlements:read",
        answer=FeatureAnswer,
        problems=(*_ASKING, "forbidden"),
        query={**_AS_OF, **_EXPLAIN},
    ),
    Operation(
        method="post",
        path="/internal/v1/features/check",
        name="checkFeatures",
        summary="Up to 1000 such questions at once",
        group="For services",
        security=SERVICE,
        scope="entitlements:read",
        body=FeatureChecks,
        answer=FeatureAnswers,
        problems=(*_ASKING, "forbidden", "too_large", "unsupported_media_type"),
    ),
    Operation(
        method="post",
        path="/internal/v1/users/{user_id}/passport",
        name="userPassport",
        summary="What a user may do, signed, good for 300 s at most",
        group="For services",
        security=SERVICE,
        scope="entitlements:read",
        answer=PassportShape,
        names="",
        problems=(*_ASKING, "forbidden", "not_found"),
    ),
    Operation(
        method="get",
        path="/.well-known/jwks.json",
        name="passportKeys",
        summary="The public keys by which passports are checked",
        group="For services",
        answer=PublicKeys,
        problems=("not_found",),
    ),
    Operation(
        method="get",
        path="/.well-known/revocations",
        name="revocations",
        summary="Rights in passports that ended early, signed; all that matter, or those since the last list",
        group="For services",
        answer=RevocationsShape,
        problems=("invalid_request", "not_found", "unavailable"),
        query={"since": _MOMENT},
    ),
    Operation(
        method="get",
        path="/internal/v1/payments",
        name="payments",
        summary="Payments, newest first",
        group="For services",
        security=SERVICE,
        scope="payments:read",
        answer=ServicePaymentList,
        problems=(*_ASKING, "forbidden"),
        query={**_PAYMENT_FILTERS, **_PAGING},
    ),
    Operation(
        method="get",
        path="/internal/v1/payments/export",
        name="exportPayments",
        summary="All payments as a file, newest first; in CSV no cell is a formula",
        group="For services",
        security=SERVICE,
        scope="payments:read",
        answer_type="text/csv",
        or_answer_type="application/x-ndjson",
        problems=(*_ASKING, "forbidden"),
        query={**_PAYMENT_FILTERS, **_FORM},
    ),
    Operation(
        method="get",
        path="/internal/v1/payments/{payment_id}",
        name="payment",
        summary="One payment, with the provider's whole message",
        group="For services",
        security=SERVICE,
        scope="payments:read",
        answer=FullPayment,
        problems=(*_ASKING[1:], "forbidden", "not_found"),
    ),
    Operation(
        method="post",
        path="/internal/v1/payments/{payment_id}/refund",
        name="refundPayment",
        summary="Give a payment back; its access ends when the provider has confirmed",
        group="For services",
        security=SERVICE,
        scope="payments:refund",
        note="Called again while the refund is under way, it changes nothing; once the money is back it is 409.",
        body=RefundRequest,
        answer=ServicePayment,
        status=202,
        problems=_DECIDING,
    ),
    Operation(
        method="post",
        path="/internal/v1/payments/{payment_id}/resolve",
        name="resolvePayment",
        summary="Grant or give back a payment in quarantine",
        group="For services",
        security=SERVICE,
        scope="payments:refund",
        note="`plan_code` and `user_id` go with the action `grant` alone: with `refund` they are null or left out, "
        "else it is 400. So is a grant without `plan_code` of a payment that has no invoice. Of what was resolved "
        "already, 409.",
        body=ResolveRequest,
        rule=_PLAN_GOES_WITH_A_GRANT,
        answer=ServicePayment,
        problems=(*_DECIDING, "unknown_plan"),
    ),
    Operation(
        method="get",
        path="/internal/v1/payment-events",
        name="paymentEvents",
        summary="The audit trail, newest first",
        group="For services",
        security=SERVICE,
        scope="payments:read",
        answer=PaymentEventList,
        problems=(*_ASKING, "forbidden"),
        query={**_EVENT_FILTERS, **_PAGING},
    ),
    Operation(
        method="get",
        path="/internal/v1/payment-events/export",
        name="exportPaymentEvents",
        summary="The audit trail as a file, newest first; in CSV no cell is a formula",
        group="For services",
        security=SERVICE,
        scope="payments:read",
        answer_type="text/csv",
        or_answer_type="application/x-ndjson",
        problems=(*_ASKING, "forbidden"),
        query={**_EVENT_FILTERS, **_FORM},
    ),
    Operation(
        method="get",
        path="/internal/v1/events",
        name="events",
        summary="What happened, from a number on; waits for it where asked to",
        group="For services",
        security=SERVICE,
        scope="events:read",
        answer=EventList,
        problems=(*_ASKING, "forbidden", "rate_limited"),
        query={
            "after": {"type": "integer", "minimum": 0, "maximum": MAX_SEQUENCE, "default": 0},
            "limit": _PAGING["limit"],
            "wait": {"type": "integer", "minimum": 0, "maximum": MAX_WAIT_S, "default": 0},
        },
    ),
    Operation(
        method="post",
        path="/api/v1/telegram/{bot}/webhook",
        name="telegramWebhook",
        summary="An update of Telegram for the bot of that name",
        group="For Telegram",
        security=TELEGRAM,
        problems=(*_WEBHOOK, "not_found"),
    ),
    Operation(
        method="post",
        path="/api/v1/telegram/webhook",
        name="telegramWebhookOfMain",
        summary="An update of Telegram for the bot named main",
        group="For Telegram",
        security=TELEGRAM,
        problems=(*_WEBHOOK, "not_found"),
    ),
    Operation(
        method="post",
        path="/api/v1/billing/stripe/webhook",
        name="stripeWebhook",
        summary="An event of Stripe",
        group="For Stripe",
        security=STRIPE,
        names="id",
        problems=("invalid_request", "not_found", "too_large", "unsupported_media_type", "unavailable"),
    ),
    Operation(
        method="get", path="/health/live", name="live", summary="Does it run?", group="For operators", answer=Health
    ),
    Operation(
        method="get",
        path="/health/ready",
        name="ready",
        summary="Can it do its work? 503 with what is missing where not",
        group="For operators",
        answer=Health,
    ),
    Operation(
        method="get",
        path="/metrics",
        name="metrics",
        summary="Figures for Prometheus",
        group="For operators",
        answer_type="text/plain",
    ),
)
