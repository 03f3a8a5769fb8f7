"""`tollgram grant` and `tollgram revoke`."""

from application.grants import Gift
from domain.duration import Duration
from domain.entitlement import Entitlement
from domain.errors import AlreadyEntitled, NotFound
from domain.ids import EntitlementId, UserId
from entrypoints.cli.failure import WORKED, WRONG, CommandError
from entrypoints.cli.moments import to_the_second
from entrypoints.cli.refund import who
from entrypoints.cli.terminal import say, show_json
from entrypoints.cli.workplace import workplace
from entrypoints.http.access_shapes import ServiceEntitlement


def grant(user_id: int, plan_code: str, *, reason: str, actor: str | None, duration: str | None, as_json: bool) -> int:
    """Give it, and say from when and until when."""
    gift = Gift(user_id=UserId(user_id), plan_code=plan_code, reason=reason, duration=_duration(duration))
    with workplace() as container:
        try:
            granted = container.grant_by_hand()(gift, actor=actor or who())
        except AlreadyEntitled as refusal:
            raise CommandError(
                str(refusal), f"Nothing was changed: nothing can follow that. What they hold: tollgram user {user_id}"
            ) from None
    if as_json:
        # As the API answers: as it was at that moment.
        show_json(ServiceEntitlement.shown(granted, granted.granted_at))
    else:
        say(f"Granted: {_told(granted)}. It is {granted.id}.")
    return WORKED


def revoke(entitlement_id: str, *, reason: str, actor: str | None, as_json: bool) -> int:
    """End it, and say what has ended."""
    with workplace() as container:
        try:
            ended, now = container.revoke_by_hand()(EntitlementId(entitlement_id), reason=reason, actor=actor or who())
        except NotFound as refusal:
            raise CommandError(
                str(refusal), "Its id begins with ent_; tollgram user ID shows those of a user."
            ) from None
        with container.work().look() as tx:
            left = [row for row in tx.entitlements.of_user(ended.user_id) if row.held(now)]
    if as_json:
        show_json(ServiceEntitlement.shown(ended, now))
        return WORKED
    say(f"Ended: {ended.plan_code} of user {ended.user_id}, at {to_the_second(ended.ends_at or now)}.")
    for row in sorted(left, key=lambda row: row.starts_at):
        say(f"They still hold {_told(row)} ({row.id}).")
    return WORKED


def _duration(text: str | None) -> Duration | None:
    try:
        return None if text is None else Duration.parse(text)
    except ValueError as problem:
        raise CommandError(f"--duration: {problem}.", 'For example: --duration "2 weeks"', WRONG) from None


def _told(row: Entitlement) -> str:
    until = "for life" if row.expires_at is None else f"until {to_the_second(row.expires_at)}"
    return f"{row.plan_code} for user {row.user_id}, from {to_the_second(row.starts_at)}, {until}"
