"""What other services call: what a user holds, and whether they may do something, now or at a past moment."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath

from application.access import CheckFeature, CheckFeatures, ExplainFeature, ListEntitlements, Question
from domain.access import Access
from domain.errors import InvalidRequest
from domain.ids import MAX_USER_ID, UserId
from entrypoints.http.access_shapes import MAX_FEATURE, Because, FeatureAnswer, FeatureAnswers, FeatureChecks
from entrypoints.http.bodies import JsonText, decode, flag, moment_asked
from entrypoints.http.callers import Callers
from entrypoints.http.handed import Handed
from entrypoints.http.headers import Arriving
from entrypoints.http.lane import Lane
from entrypoints.http.purchases import entitlements_of
from entrypoints.http.shapes import EntitlementList

AnyRequest = Request[Any, Any, Any]
READ = "entitlements:read"
_USER = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckDesk:
    """The ways to ask whether somebody may do something. What is asked one by one is read together: who asks while a
    read is under way has an answer of the next one, which sees all that was committed before they asked."""

    check: CheckFeature
    explain: ExplainFeature
    check_all: CheckFeatures
    lane: Lane[Question, Question, Access]

    async def answer(self, request: Arriving, user_id: str, feature: str) -> bytes:
        """The body of the answer. Raises InvalidRequest or Unavailable."""
        user = user_id_of(user_id)
        if len(feature) > MAX_FEATURE:
            raise InvalidRequest(f"A feature's name has at most {MAX_FEATURE} characters.")
        if request.scope["query_string"]:
            query = Request[Any, Any, Any](request.scope).query_params
            return msgspec.json.encode(await sync_to_thread(self._asked, query, user, feature))
        return msgspec.json.encode(FeatureAnswer.of(user, feature, await self.lane.submit((user, feature))))

    def close(self) -> None:
        self.lane.close()

    def _asked(self, query: Mapping[str, str], user: UserId, feature: str) -> FeatureAnswer:
        as_of = moment_asked(query.get("as_of"), "as_of")
        if not flag(query.get("explain"), "explain"):
            return FeatureAnswer.of(user, feature, self.check(user, feature, as_of))
        access, reasons, at = self.explain(user, feature, as_of)
        return FeatureAnswer.of(user, feature, access, [Because.told(reason, at) for reason in reasons])


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


@get("/internal/v1/users/{user_id:str}/features/{feature:str}")
async def user_feature(
    request: AnyRequest,
    user_id: FromPath[str],
    feature: FromPath[str],
    callers: Handed[Callers],
    check_desk: Handed[CheckDesk],
) -> Response[bytes]:
    return Response(await check_feature(request, user_id, feature, callers, check_desk), media_type="application/json")


async def check_feature(
    request: Arriving, user_id: str, feature: str, callers: Callers, check_desk: CheckDesk
) -> bytes:
    """The body of the answer, by whichever way the request came."""
    await callers.service_soon(request, READ)
    return await check_desk.answer(request, user_id, feature)


@post("/internal/v1/features/check", status_code=200, sync_to_thread=True)
def check_features(
    request: AnyRequest, long_json_text: Handed[JsonText], callers: Handed[Callers], check_desk: Handed[CheckDesk]
) -> FeatureAnswers:
    callers.service(request, READ)
    checks = decode(long_json_text, FeatureChecks).checks
    questions = [(UserId(asked.user_id), asked.feature) for asked in checks]
    answers = check_desk.check_all(questions)
    return FeatureAnswers(results=[FeatureAnswer.of(*question, answers[question]) for question in questions])


ROUTES = (user_entitlements, user_feature, check_features)


def itself(question: Question) -> Question:
    """By what the answer to a question is found."""
    return question


def user_id_of(text: str) -> UserId:
    """Raises InvalidRequest."""
    if not _USER.fullmatch(text) or int(text) > MAX_USER_ID:
        raise InvalidRequest(f"user_id must be a whole number from 1 to {MAX_USER_ID}.")
    return UserId(int(text))
