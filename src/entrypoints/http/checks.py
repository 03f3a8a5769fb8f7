"""What other services call: what a user holds, and whether they may do something now."""

import re
from typing import Any

from litestar import Request, get
from litestar.params import FromPath

from application.access import CheckFeature, ListEntitlements
from domain.errors import InvalidRequest
from domain.ids import MAX_USER_ID, UserId
from entrypoints.http.callers import Callers
from entrypoints.http.handed import Handed
from entrypoints.http.purchases import entitlements_of
from entrypoints.http.shapes import EntitlementList, FeatureAnswer

AnyRequest = Request[Any, Any, Any]
READ = "entitlements:read"
MAX_FEATURE = 64
_USER = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)


@get("/internal/v1/users/{user_id:str}/entitlements", sync_to_thread=True)
def user_entitlements(
    request: AnyRequest,
    user_id: FromPath[str],
    callers: Handed[Callers],
    list_entitlements: Handed[ListEntitlements],
) -> EntitlementList:
    callers.service(request, READ)
    return entitlements_of(user_id_of(user_id), list_entitlements)


@get("/internal/v1/users/{user_id:str}/features/{feature:str}", sync_to_thread=True)
def user_feature(
    request: AnyRequest,
    user_id: FromPath[str],
    feature: FromPath[str],
    callers: Handed[Callers],
    check_feature: Handed[CheckFeature],
) -> FeatureAnswer:
    callers.service(request, READ)
    user = user_id_of(user_id)
    if len(feature) > MAX_FEATURE:
        raise InvalidRequest(f"A feature's name has at most {MAX_FEATURE} characters.")
    return FeatureAnswer.of(user, feature, check_feature(user, feature))


def user_id_of(text: str) -> UserId:
    """Raises InvalidRequest."""
    if not _USER.fullmatch(text) or int(text) > MAX_USER_ID:
        raise InvalidRequest(f"user_id must be a whole number from 1 to {MAX_USER_ID}.")
    return UserId(int(text))
