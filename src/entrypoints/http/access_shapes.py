"""What is asked and answered about access: checks with their reasons, and grants by hand."""

from datetime import datetime
from typing import Annotated, Final

import msgspec

from application.access import Reason
from domain.access import Access
from domain.entitlement import Entitlement
from domain.ids import MAX_USER_ID
from entrypoints.http.payment_shapes import ReasonText, legible
from entrypoints.http.shapes import EntitlementShape, PaymentShape, PlanCodeText

MAX_FEATURE: Final = 64
MAX_CHECKS: Final = 1000

UserIdNumber = Annotated[int, msgspec.Meta(ge=1, le=MAX_USER_ID)]
DurationText = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(lifetime|1 (day|week|month|year)|([2-9]|[1-9][0-9]{1,2}|1000) (days|weeks|months|years))(?!\n)$"
    ),
]


class PaymentOfReason(PaymentShape, frozen=True, kw_only=True):
    """`user_id` is who paid, whomever it opened the door for. As it stood at the moment that the answer is for."""

    charge_id: str
    user_id: int


class Because(EntitlementShape, frozen=True, kw_only=True):
    """One entitlement that decides the answer, with the payment that it came from, or with who decided it by hand and
    why; both where a person granted a payment that was held."""

    payment: PaymentOfReason | None
    granted_by: str | None
    reason: str | None

    @classmethod
    def told(cls, reason: Reason, at: datetime) -> "Because":
        paid, entitlement = reason.payment, reason.entitlement
        return cls(
            **msgspec.structs.asdict(EntitlementShape.of(entitlement, at)),
            payment=None
            if paid is None
            else PaymentOfReason(
                **msgspec.structs.asdict(PaymentShape.of(paid)),
                charge_id=legible(paid.charge.charge_id),
                user_id=paid.charge.payer,
            ),
            granted_by=legible(entitlement.granted_by),
            reason=legible(entitlement.reason),
        )


class FeatureCheck(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    user_id: UserIdNumber
    feature: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_FEATURE)]


class FeatureChecks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked at once, about any users."""

    checks: Annotated[list[FeatureCheck], msgspec.Meta(max_length=MAX_CHECKS)]


class FeatureAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`because` is there where it was asked for."""

    user_id: int
    feature: str
    allowed: bool
    plan_code: str | None
    expires_at: datetime | None
    limits: dict[str, int]
    because: list[Because] | msgspec.UnsetType = msgspec.UNSET

    @classmethod
    def of(
        cls, user_id: int, feature: str, access: Access, because: list[Because] | msgspec.UnsetType = msgspec.UNSET
    ) -> "FeatureAnswer":
        return cls(
            user_id=user_id,
            feature=feature,
            allowed=access.allowed,
            plan_code=access.plan_code,
            expires_at=access.expires_at,
            limits=dict(access.limits),
            because=because,
        )


class FeatureAnswers(msgspec.Struct, frozen=True, kw_only=True):
    """In the order of the checks."""

    results: list[FeatureAnswer]


class GrantRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is given, and why; without `duration` for as long as the plan lasts."""

    plan_code: PlanCodeText
    reason: ReasonText
    duration: DurationText | None = None


class RevokeRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    reason: ReasonText


class ServiceEntitlement(EntitlementShape, frozen=True, kw_only=True):
    """`granted_by` and `reason` are those of the person who decided it by hand."""

    user_id: int
    granted_by: str | None
    reason: str | None

    @classmethod
    def shown(cls, entitlement: Entitlement, at: datetime) -> "ServiceEntitlement":
        return cls(
            **msgspec.structs.asdict(EntitlementShape.of(entitlement, at)),
            user_id=entitlement.user_id,
            granted_by=legible(entitlement.granted_by),
            reason=legible(entitlement.reason),
        )
