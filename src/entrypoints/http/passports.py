"""Passports, and all that whoever checks them needs: the public keys, and what ended early.

The last two are for everybody, also for pages of other origins: they hold nothing about anybody.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog
from litestar import Request, Response, get, post
from litestar.params import FromPath

from adapters.passports.key_file import PassportKeyFile
from adapters.passports.key_set import KEPT_BY_OTHERS
from application.passports import IssuePassport, ListRevocations
from application.ports.surroundings import Clock
from domain.errors import NotFound
from domain.ids import UserId
from domain.passport import Revocations
from entrypoints.http.bodies import moment_asked
from entrypoints.http.callers import Callers
from entrypoints.http.checks import READ, user_id_of
from entrypoints.http.handed import Handed
from entrypoints.http.shapes import PassportShape, PublicKey, PublicKeys, RevocationsShape

AnyRequest = Request[Any, Any, Any]
LIST_KEPT_S = 5
MADE_ANEW_AFTER = timedelta(seconds=2)
"""Anybody may ask for the whole list, as often as they like; it is looked up and signed no more often than this."""
_FOR_ONE = {"Cache-Control": "no-store"}
_OF_KEYS = {"Cache-Control": f"public, max-age={KEPT_BY_OTHERS.seconds}", "Access-Control-Allow-Origin": "*"}
_OF_THE_LIST = {"Cache-Control": f"public, max-age={LIST_KEPT_S}", "Access-Control-Allow-Origin": "*"}
log = structlog.get_logger("tollgram")


@dataclass(slots=True, kw_only=True)
class RevocationDesk:
    """Keeps the list that begins where all do. By several threads at once it may be made several times: none waits
    for another."""

    clock: Clock
    list_revocations: ListRevocations
    _kept: tuple[datetime, Revocations, str] | None = field(default=None, init=False)

    def __call__(self, asked: datetime | None) -> tuple[Revocations, str]:
        """As ListRevocations does, and raises what it raises."""
        if asked is not None:
            return self.list_revocations(asked)
        now, kept = self.clock.now(), self._kept
        if kept and kept[0] <= now < kept[0] + MADE_ANEW_AFTER:
            return kept[1:]
        # How old it is counts from before it was looked up: what ends meanwhile is missing no longer.
        listed, token = self.list_revocations(None)
        self._kept = now, listed, token
        return listed, token


@dataclass(frozen=True, slots=True, kw_only=True)
class PassportDesk:
    """What there is where passports are set up."""

    keys: PassportKeyFile
    clock: Clock
    issue: IssuePassport
    list_revocations: RevocationDesk


def keys_unreadable(problem: str) -> None:
    log.error("passport.keys_unreadable", problem=problem)


@get("/api/v1/me/passport", sync_to_thread=True)
def my_passport(
    request: AnyRequest, callers: Handed[Callers], passport_desk: Handed[PassportDesk | None]
) -> Response[PassportShape]:
    return _passport(callers.user(request), passport_desk)


@post("/internal/v1/users/{user_id:str}/passport", status_code=200, sync_to_thread=True)
def user_passport(
    request: AnyRequest,
    user_id: FromPath[str],
    callers: Handed[Callers],
    passport_desk: Handed[PassportDesk | None],
) -> Response[PassportShape]:
    callers.service(request, READ)
    return _passport(user_id_of(user_id), passport_desk)


@get("/.well-known/jwks.json", sync_to_thread=True)
def show_keys(passport_desk: Handed[PassportDesk | None]) -> Response[PublicKeys]:
    desk = _set_up(passport_desk)
    published = desk.keys.current().published(desk.clock.now())
    return Response(PublicKeys(keys=[msgspec.convert(key.public, PublicKey) for key in published]), headers=_OF_KEYS)


@get("/.well-known/revocations", sync_to_thread=True)
def show_revocations(request: AnyRequest, passport_desk: Handed[PassportDesk | None]) -> Response[RevocationsShape]:
    since = moment_asked(request.query_params.get("since"), "since")
    listed, token = _set_up(passport_desk).list_revocations(since)
    return Response(RevocationsShape(revocations=token, expires_at=listed.expires_at), headers=_OF_THE_LIST)


ROUTES = (my_passport, user_passport, show_keys, show_revocations)


def _passport(user_id: UserId, passport_desk: PassportDesk | None) -> Response[PassportShape]:
    passport, token = _set_up(passport_desk).issue(user_id)
    return Response(PassportShape(passport=token, expires_at=passport.expires_at), headers=_FOR_ONE)


def _set_up(passport_desk: PassportDesk | None) -> PassportDesk:
    if passport_desk is None:
        raise NotFound("Passports are not set up here.")
    return passport_desk
