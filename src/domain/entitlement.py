"""The right of one user to a plan's features over a span of time; never deleted, only ended."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from domain.catalog import Offer, Plan
from domain.duration import END_OF_TIME, Duration, Unit
from domain.ids import EntitlementId, PaymentId, PlanCode, UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class Entitlement:
    """Open from `starts_at` up to, not at, `expires_at` (None: for life) or `revoked_at`, whichever is first.

    A grant may be carried by several rows one after the other, since what moves or goes on is a new row: `origin` is
    the first of them, None on the first itself, and `moved_at` is when a row took the place of the one before it.
    `granted_by` and `reason` are the operator's, where one decided it.
    """

    id: EntitlementId
    user_id: UserId
    plan_code: PlanCode
    features: tuple[str, ...]
    duration: Duration
    granted_at: datetime
    starts_at: datetime
    expires_at: datetime | None
    payment_id: PaymentId | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    revoked_at: datetime | None = None
    origin: EntitlementId | None = None
    moved_at: datetime | None = None
    granted_by: str | None = None
    reason: str | None = None

    @property
    def grant(self) -> EntitlementId:
        """What all rows of one grant have in common: the id of the first."""
        return self.origin or self.id

    @property
    def known_from(self) -> datetime:
        """When this row was written; before that nobody knew of it."""
        return self.moved_at or self.granted_at

    def active(self, at: datetime) -> bool:
        """Whether it opened the door at that moment, as far as is known today."""
        return self.starts_at <= at and self.lasts(at) and (self.revoked_at is None or at < self.revoked_at)

    def open(self, now: datetime) -> bool:
        """Whether it opens the door now. What was ended stays ended, even when the clock is set back."""
        return self.revoked_at is None and self.active(now)

    def held(self, now: datetime) -> bool:
        """Whether it is open now or still to come."""
        return self.revoked_at is None and self.lasts(now)

    def lasts(self, at: datetime) -> bool:
        return self.expires_at is None or at < self.expires_at

    @property
    def ends_at(self) -> datetime | None:
        """When the door closes or closed, by time or by revocation; None: never."""
        known = [end for end in (self.expires_at, self.revoked_at) if end is not None]
        return min(known, default=None)

    @property
    def source(self) -> str:
        return "payment" if self.payment_id else "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What a user holds of one plan: until `expires_at`, or for life where that is None."""

    expires_at: datetime | None

    @property
    def endless(self) -> bool:
        """Held for life, or up to where time is no longer counted: nothing can follow that."""
        return self.expires_at is None or self.expires_at >= END_OF_TIME

    def renewable(self, window: Duration, at: datetime) -> bool:
        """Whether the plan may be bought again already; what is held for life never is."""
        return not self.endless and self.expires_at is not None and window.before(self.expires_at) <= at


def known_at(entitlements: Iterable[Entitlement], moment: datetime) -> list[Entitlement]:
    """These as they were known at that moment: without rows that were written later, and not revoked yet where that
    came later. Rows are only ever added and ended, so no past is lost."""
    return [
        replace(e, revoked_at=None) if e.revoked_at is not None and moment < e.revoked_at else e
        for e in entitlements
        if e.known_from <= moment
    ]


def holdings(entitlements: Iterable[Entitlement], now: datetime) -> dict[PlanCode, Holding]:
    """What these leave one user of each plan; plans of which nothing is left are missing."""
    left: dict[PlanCode, Holding] = {}
    for entitlement in entitlements:
        if entitlement.held(now):
            ends = [left[entitlement.plan_code].expires_at] if entitlement.plan_code in left else []
            ends.append(entitlement.expires_at)
            known = [end for end in ends if end is not None]
            left[entitlement.plan_code] = Holding(expires_at=max(known) if len(known) == len(ends) else None)
    return left


def grant(
    offer: Offer,
    *,
    id: EntitlementId,
    user_id: UserId,
    payment_id: PaymentId | None,
    held: Holding | None,
    now: datetime,
) -> Entitlement:
    """The span that this offer buys: from now, or from the end of what is held already.

    Raises ValueError where the plan is held for life: nothing can follow that.
    """
    starts_at = _following_what_ends(held, now)
    return Entitlement(
        id=id,
        user_id=user_id,
        plan_code=offer.plan_code,
        features=offer.features,
        limits=offer.limits,
        duration=offer.duration,
        granted_at=now,
        starts_at=starts_at,
        expires_at=offer.duration.after(starts_at),
        payment_id=payment_id,
    )


def give(
    plan: Plan,
    *,
    id: EntitlementId,
    user_id: UserId,
    duration: Duration,
    held: Holding | None,
    now: datetime,
    by: str,
    reason: str,
) -> Entitlement:
    """The span that an operator gives, by the same rule as one that is bought. Raises ValueError as `grant` does."""
    starts_at = _following_what_ends(held, now)
    return Entitlement(
        id=id,
        user_id=user_id,
        plan_code=plan.code,
        features=plan.features,
        limits=plan.limits,
        duration=duration,
        granted_at=now,
        starts_at=starts_at,
        expires_at=duration.after(starts_at),
        granted_by=by,
        reason=reason,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """What ending a span changes: spans that end now, and new rows for those that move up to close the gap.

    `lost` tells whether the user held the plan by this span and now holds it no more.
    """

    ended: tuple[Entitlement, ...]
    moved: tuple[Entitlement, ...]
    lost: bool

    @property
    def moved_up(self) -> tuple[tuple[Entitlement, Entitlement], ...]:
        """Each span that moves: as it was, and the new row in its place."""
        return tuple(zip(self.ended[1:], self.moved, strict=True))


def revoke(
    ending: Entitlement, *, among: Sequence[Entitlement], new_ids: Iterable[EntitlementId], now: datetime
) -> Revocation:
    """End one span at once. Later spans of the same plan move up, as new rows, so that no paid time is lost or delayed.

    `among` is what the user holds; `new_ids` must give one id for each span that moves.
    """
    ended = [replace(ending, revoked_at=now)]
    moved: list[Entitlement] = []
    others = [e for e in among if e.id != ending.id and e.plan_code == ending.plan_code and e.held(now)]
    lost = ending.held(now) and not others
    free_from = now
    ids = iter(new_ids)
    # Those that run already come first, and stay.
    for other in sorted(others, key=lambda e: (e.starts_at, e.granted_at, e.id)):
        if other.starts_at > free_from:
            ended.append(replace(other, revoked_at=now))
            other = replace(
                other,
                id=next(ids),
                origin=other.grant,
                moved_at=now,
                starts_at=free_from,
                expires_at=other.duration.after(free_from),
            )
            moved.append(other)
        if other.expires_at is None:
            break
        free_from = max(free_from, other.expires_at)
    return Revocation(ended=tuple(ended), moved=tuple(moved), lost=lost)


def resume(interrupted: Entitlement, *, id: EntitlementId, held: Holding | None, now: datetime) -> Entitlement | None:
    """What was left of a span when it was interrupted, from now or from the end of what is held; None of nothing.

    Nothing can follow what is held for life: where `held` is that, it runs from now on beside it.
    """
    if interrupted.revoked_at is None:
        return None
    duration = _left_at(interrupted, interrupted.revoked_at)
    if duration is None:
        return None
    starts_at = _following(held, now)
    return replace(
        interrupted,
        id=id,
        origin=interrupted.grant,
        moved_at=None,
        granted_at=now,
        starts_at=starts_at,
        duration=duration,
        expires_at=duration.after(starts_at),
        revoked_at=None,
    )


def reinstate(
    interrupted: Entitlement, *, id: EntitlementId, among: Iterable[Entitlement], held: Holding | None, now: datetime
) -> Entitlement:
    """What was interrupted and must not have been: what was left of it, as `resume` has it; where nothing was, the span
    as it was. Then it was over, or a clock that is ahead had taken it for over, and the others know better.

    `among` is all that the user ever had. What has taken its place since comes first. Raises ValueError where nothing
    was interrupted.
    """
    if interrupted.revoked_at is None:
        raise ValueError("what was never interrupted goes on by itself")
    left = resume(interrupted, id=id, held=held, now=now)
    if left is not None:
        return left
    starts_at = interrupted.starts_at
    for other in sorted(among, key=lambda span: span.starts_at):
        if other.plan_code == interrupted.plan_code and other.revoked_at is None and other.expires_at is not None:
            ends_at = interrupted.duration.after(starts_at)
            if starts_at < other.expires_at and (ends_at is None or other.starts_at < ends_at):
                starts_at = other.expires_at
    return replace(
        interrupted,
        id=id,
        origin=interrupted.grant,
        moved_at=None,
        granted_at=now,
        starts_at=starts_at,
        expires_at=interrupted.duration.after(starts_at),
        revoked_at=None,
    )


def _following_what_ends(held: Holding | None, now: datetime) -> datetime:
    if held is not None and held.endless:
        raise ValueError("nothing extends a lifetime")
    return _following(held, now)


def expires(over: Entitlement, among: Iterable[Entitlement]) -> bool:
    """Whether the plan was lost by that span's end: no span of the plan was open at that moment, as it was not itself.
    `among` is all that the user ever had of anything, so that it is the same however late one looks."""
    end = over.expires_at
    if end is None:
        return False
    return not any(other.active(end) for other in among if other.plan_code == over.plan_code)


def _following(held: Holding | None, now: datetime) -> datetime:
    """Where the next span begins."""
    return now if held is None or held.expires_at is None or held.endless else max(now, held.expires_at)


def _left_at(span: Entitlement, at: datetime) -> Duration | None:
    """How much of it was still to come; in whole seconds where it had begun."""
    if span.expires_at is None or at <= span.starts_at:
        return span.duration
    seconds = (span.expires_at - at) // timedelta(seconds=1)
    return Duration(count=seconds, unit=Unit.SECOND) if seconds > 0 else None
