"""What other services call: what a user holds, and whether they may do something, now or at a past moment."""

import re
from dataclasses import dataclass
from typing import Any

from litestar import Request, get, post
from litestar.params import FromPath

from application.access import CheckFeature, CheckFeatures, ExplainFeature, ListEntitlements
from domain.errors import InvalidRequest
from domain.ids import MAX_USER_ID, UserId
from entrypoints.http.access_shapes import MAX_FEATURE, Because, FeatureAnswer, FeatureAnswers, FeatureChecks
from entrypoints.http.bodies import JsonText, decode, flag, moment_asked
from entrypoints.http.callers import Callers
from entrypoints.http.handed import Handed
from entrypoints.http.purchases import entitlements_of
from entrypoints.http.shapes import EntitlementList

AnyRequest = Request[Any, Any, Any]
READ = "entitlements:read"
_USER = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckDesk:
    """The three ways to ask whether somebody may do something."""

    check: CheckFeature
    explain: ExplainFeature
    check_all: CheckFeatures


@get("/internal/v1/users/{user_id:str}/entitlements", sync_to_thread=True)
def user_entitlements(
    request: AnyRequest,
    user_id: FromPath[str],
    callers: Handed[Callers],
    list_entitlements: Handed[ListEntitlements],
) -> EntitlementList:
    callers.service(request, READ)
    as_of = moment_asked(request.query_params.get("as_of"), "as_of")
    return entitlements_of(user_id_of(user_id), list_entitlements, as_of)


@get("/internal/v1/users/{user_id:str}/features/{feature:str}", sync_to_thread=True)
def user_feature(
    request: AnyRequest,
    user_id: FromPath[str],
    feature: FromPath[str],
    callers: Handed[Callers],
    check_desk: Handed[CheckDesk],
) -> FeatureAnswer:
    callers.service(request, READ)
    user = user_id_of(user_id)
    if len(feature) > MAX_FEATURE:
        raise InvalidRequest(f"A feature's name has at most {MAX_FEATURE} characters.")
    as_of = moment_asked(request.query_params.get("as_of"), "as_of")
    if not flag(request.query_params.get("explain"), "explain"):
        return FeatureAnswer.of(user, feature, check_desk.check(user, feature, as_of))
    access, reasons, at = check_desk.explain(user, feature, as_of)
    return FeatureAnswer.of(user, feature, access, [Because.told(reason, at) for reason in reasons])


@post("/internal/v1/features/check", status_code=200, sync_to_thread=True)
def check_features(
    request: AnyRequest, long_json_text: Handed[JsonText], callers: Handed[Callers], check_desk: Handed[CheckDesk]
) -> FeatureAnswers:
    callers.service(request, READ)
    checks = decode(long_json_text, FeatureChecks).checks
    answers = check_desk.check_all([(UserId(asked.user_id), asked.feature) for asked in checks])
    return FeatureAnswers(
        results=[
            FeatureAnswer.of(asked.user_id, asked.feature, access)
            for asked, access in zip(checks, answers, strict=True)
        ]
    )


ROUTES = (user_entitlements, user_feature, check_features)


def user_id_of(text: str) -> UserId:
    """Raises InvalidRequest."""
    if not _USER.fullmatch(text) or int(text) > MAX_USER_ID:
        raise InvalidRequest(f"user_id must be a whole number from 1 to {MAX_USER_ID}.")
    return UserId(int(text))
