"""The one question: may this user do this now?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from domain.duration import END_OF_TIME
from domain.entitlement import Entitlement
from domain.ids import PlanCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The answer; `because` are the entitlements that decide it: the one that ends last, the others that allow it, and
    those that are still to come and carry it on to `expires_at`."""

    allowed: bool
    plan_code: PlanCode | None = None
    expires_at: datetime | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    because: tuple[Entitlement, ...] = ()


def check(entitlements: Iterable[Entitlement], feature: str, at: datetime) -> Access:
    """Of several entitlements that allow it, the one that ends last decides; limits are the highest of each.

    `expires_at` None beside `allowed` means for life. It is the end of the unbroken time from `at` on, so that
    a renewal that begins where this span ends counts.
    """
    relevant = [e for e in entitlements if feature in e.features]
    active = [e for e in relevant if e.active(at)]
    if not active:
        return Access(allowed=False)
    decisive = max(active, key=_end)
    end = decisive.ends_at
    carrying: list[Entitlement] = []
    for later in sorted((e for e in relevant if e.starts_at > at), key=lambda e: e.starts_at):
        if end is not None and later.starts_at <= end:
            if later.ends_at is None or end < later.ends_at:
                carrying.append(later)
            end = None if later.ends_at is None else max(end, later.ends_at)
    limits: dict[str, int] = {}
    for entitlement in active:
        for name, limit in entitlement.limits.items():
            limits[name] = max(limit, limits.get(name, limit))
    return Access(
        allowed=True,
        plan_code=decisive.plan_code,
        expires_at=end,
        limits=limits,
        because=(decisive, *(e for e in active if e is not decisive), *carrying),
    )


def _end(entitlement: Entitlement) -> tuple[bool, datetime]:
    ends_at = entitlement.ends_at
    return (True, END_OF_TIME) if ends_at is None else (False, ends_at)
