"""One user: what they hold, all that happened from now back to the beginning, and access given and ended by hand."""

import re

from litestar import Response, get, post
from litestar.params import FromPath

from application.grants import Gift
from domain.duration import Duration
from domain.errors import InvalidRequest, NotFound
from domain.ids import EntitlementId
from entrypoints.console.books import Books
from entrypoints.console.desk import Console, Done
from entrypoints.console.forms import AnyRequest, Form
from entrypoints.console.moments import bars, lines, person_of
from entrypoints.console.pages import Page
from entrypoints.console.payment import WHY
from entrypoints.console.visitors import Visitor
from entrypoints.console.wording import day
from entrypoints.http.checks import user_id_of
from entrypoints.http.handed import Handed

_ENTITLEMENT = re.compile(r"[A-Za-z0-9_]{1,80}", re.ASCII)
MOST_BARS = 100


@get("/users/{user_id:str}")
async def show_user(
    request: AnyRequest, user_id: FromPath[str], console: Handed[Console], books: Handed[Books]
) -> Response[bytes]:
    def read(_visitor: Visitor) -> Page:
        cursor = request.query_params.get("cursor") or None
        told = books.show_user(user_id_of(user_id), cursor)
        return Page(
            "user.html",
            {
                "told": told,
                "bars": bars(told.entitlements[:MOST_BARS], told.at),
                "hidden_bars": max(0, len(told.entitlements) - MOST_BARS),
                "lines": lines(told.moments, told.invoices, told.payments),
                "first": cursor is None,
                "path": f"/console/users/{told.user_id}",
                "plans": books.plans,
                "title": books.title,
                "person_of": person_of,
            },
        )

    return await console.show(request, read)


@post("/users/{user_id:str}/grant")
async def grant(
    request: AnyRequest, user_id: FromPath[str], console: Handed[Console], books: Handed[Books]
) -> Response[bytes]:
    def do(visitor: Visitor, form: Form) -> Done:
        user = user_id_of(user_id)
        gift = Gift(
            user_id=user,
            plan_code=form.needed("plan_code", "Choose a plan."),
            reason=form.needed("reason", WHY),
            duration=_duration(form.text("duration", at_most=40)),
        )
        # The form's own mark as the key: what was granted once is not granted again.
        granted = books.grant(gift, actor=visitor.actor, key=form.once)
        until = "for life" if granted.expires_at is None else f"until {day(granted.expires_at)}"
        return Done(f"Granted: {books.title(granted.plan_code)}, {until}.", f"/console/users/{user}")

    return await console.act(request, do)


@post("/entitlements/{entitlement_id:str}/revoke")
async def revoke(
    request: AnyRequest, entitlement_id: FromPath[str], console: Handed[Console], books: Handed[Books]
) -> Response[bytes]:
    def do(visitor: Visitor, form: Form) -> Done:
        if not _ENTITLEMENT.fullmatch(entitlement_id):
            raise NotFound("There is no such entitlement.")
        reason = form.needed("reason", WHY)
        ended, _ = books.revoke(EntitlementId(entitlement_id), reason=reason, actor=visitor.actor)
        return Done(f"Ended: {books.title(ended.plan_code)}. No money went back.", f"/console/users/{ended.user_id}")

    return await console.act(request, do)


ROUTES = (show_user, grant, revoke)


def _duration(text: str) -> Duration | None:
    try:
        return Duration.parse(text) if text else None
    except ValueError:
        raise InvalidRequest(f"{text} is no length of time: write 2 weeks, 3 months or lifetime.") from None
