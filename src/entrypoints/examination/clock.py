"""Looks at the clock, beside those of Telegram and of Stripe: by a wrong one signatures and tokens are refused."""

from collections.abc import Iterator
from datetime import timedelta

from adapters.foreign_clock import how_far_ahead
from entrypoints.examination.findings import Finding, Verdict
from entrypoints.settings import STRIPE_API, Settings

TOLERATED = timedelta(seconds=5)
TOO_MUCH = timedelta(seconds=60)
_REMEDY = "Have it set by the network: timedatectl set-ntp true"


def examine_clock(settings: Settings) -> Iterator[Finding]:
    """Nothing of whom nobody can reach: that is told elsewhere."""
    asked = {"Telegram": settings.telegram_api_base} if settings.bot_tokens else {}
    if settings.stripe_secret_key:
        asked["Stripe"] = settings.stripe_api_base or STRIPE_API
    for whose, address in asked.items():
        ahead = how_far_ahead(address)
        if ahead is not None:
            yield skew(whose, ahead)


def skew(whose: str, ahead: timedelta) -> Finding:
    """What it means to be so far ahead of theirs."""
    off = abs(ahead)
    if off <= TOLERATED:
        return Finding(Verdict.GOOD, "clock", f"goes with {whose}'s")
    way = "ahead of" if ahead > timedelta(0) else "behind"
    verdict = Verdict.WRONG if off > TOO_MUCH else Verdict.WARNING
    return Finding(verdict, "clock", f"is {timedelta(seconds=round(off.total_seconds()))} {way} {whose}'s", _REMEDY)
