"""What other services and operators call to give access by hand, and to end it."""

import re
from dataclasses import dataclass
from typing import Any

from litestar import Request, post
from litestar.params import FromPath

from application.grants import Gift, GrantByHand, RevokeByHand
from domain.duration import Duration
from domain.errors import NotFound
from domain.ids import EntitlementId
from entrypoints.http.access_shapes import GrantRequest, RevokeRequest, ServiceEntitlement
from entrypoints.http.bodies import JsonText, decode, idempotency_key
from entrypoints.http.callers import Callers
from entrypoints.http.checks import user_id_of
from entrypoints.http.handed import Handed

AnyRequest = Request[Any, Any, Any]
WRITE = "entitlements:write"
_ENTITLEMENT = re.compile(r"[A-Za-z0-9_]{1,80}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantDesk:
    """What can be decided about access by hand."""

    grant: GrantByHand
    revoke: RevokeByHand


@post("/internal/v1/users/{user_id:str}/entitlements", status_code=201, sync_to_thread=True)
def grant_entitlement(
    request: AnyRequest,
    user_id: FromPath[str],
    json_text: Handed[JsonText],
    callers: Handed[Callers],
    grant_desk: Handed[GrantDesk],
) -> ServiceEntitlement:
    actor = callers.service(request, WRITE)
    user, key = user_id_of(user_id), idempotency_key(request)
    asked = decode(json_text, GrantRequest)
    duration = Duration.parse(asked.duration) if asked.duration else None
    gift = Gift(user_id=user, plan_code=asked.plan_code, reason=asked.reason, duration=duration)
    granted = grant_desk.grant(gift, actor=actor, key=key)
    # As it was at that moment, so that the same key always gets the same answer.
    return ServiceEntitlement.shown(granted, granted.granted_at)


@post("/internal/v1/entitlements/{entitlement_id:str}/revoke", status_code=200, sync_to_thread=True)
def revoke_entitlement(
    request: AnyRequest,
    entitlement_id: FromPath[str],
    json_text: Handed[JsonText],
    callers: Handed[Callers],
    grant_desk: Handed[GrantDesk],
) -> ServiceEntitlement:
    actor = callers.service(request, WRITE)
    asked = decode(json_text, RevokeRequest)
    if not _ENTITLEMENT.fullmatch(entitlement_id):
        raise NotFound("There is no such entitlement.")
    ended, at = grant_desk.revoke(EntitlementId(entitlement_id), reason=asked.reason, actor=actor)
    return ServiceEntitlement.shown(ended, at)


ROUTES = (grant_entitlement, revoke_entitlement)
