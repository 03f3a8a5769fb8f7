"""How the console says things: sums, times, and what has become of something, each in the words of a person."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from domain.money import written

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

_WORD: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
STATES: Final[Mapping[str, tuple[str, str]]] = {
    "granted": ("good", "granted"),
    "active": ("good", "active"),
    "approved": ("good", "approved"),
    "paid": ("good", "paid"),
    "sent": ("good", "sent"),
    "well": ("good", "well"),
    "good": ("good", "fine"),
    "open": ("waits", "open"),
    "later": ("waits", "starts later"),
    "waiting": ("waits", "waiting"),
    "quarantined": ("waits", "quarantined"),
    "refund_pending": ("waits", "refund under way"),
    "suspended": ("waits", "suspended"),
    "failing": ("waits", "failing"),
    "warning": ("waits", "look"),
    "refunded": ("bad", "refunded"),
    "refused": ("bad", "refused"),
    "revoked": ("bad", "ended early"),
    "given_up": ("bad", "given up"),
    "disabled": ("bad", "disabled"),
    "wrong": ("bad", "wrong"),
    "over": ("plain", "over"),
    "expired": ("plain", "expired"),
    "cancelled": ("plain", "cancelled"),
    "not_begun": ("plain", "not begun"),
    "withdrawn": ("plain", "no longer sold"),
}
"""What each state means, green, amber, red or none of them, and in which word it is told."""
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS: Final = "\u200c\u200d"
"""Without these, some scripts and emoji fall apart."""
METHODS: Final = {"stars": "Telegram Stars", "telegram": "Telegram Pay", "stripe": "Stripe"}


def amount(value: int, currency: str) -> str:
    """£25.00, 1,250 ⭐."""
    return written(value, currency)


def exact(at: datetime) -> str:
    """28 November 2026, 23:05:09 UTC."""
    at = at.astimezone(UTC)
    return f"{at.day} {at:%B} {at.year:04d}, {at:%H:%M:%S} UTC"


def day(at: datetime) -> str:
    """28 November 2026."""
    at = at.astimezone(UTC)
    return f"{at.day} {at:%B} {at.year:04d}"


def machine(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def relative(at: datetime, now: datetime) -> str:
    """3 min ago, in 2 h; what is further away than a week by its date."""
    away = abs(now - at)
    if away > 7 * DAY:
        return f"{at.astimezone(UTC).day} {at.astimezone(UTC):%b} {at.astimezone(UTC).year:04d}"
    if away < MINUTE:
        return "just now" if at <= now else "in a moment"
    number, unit = (away // MINUTE, "min") if away < HOUR else (away // HOUR, "h") if away < DAY else (away // DAY, "d")
    return f"{number} {unit} ago" if at <= now else f"in {number} {unit}"


def lasting(span: timedelta) -> str:
    """How long, in the largest unit that is not too coarse: 45 s, 12 min, 3 h, 2 d."""
    if span < 2 * MINUTE:
        return f"{int(span.total_seconds())} s"
    if span < 2 * HOUR:
        return f"{span // MINUTE} min"
    return f"{span // HOUR} h" if span < 2 * DAY else f"{span // DAY} d"


def number(value: int) -> str:
    return f"{value:,}"


def tone(state: str) -> str:
    """good, waits, bad or plain."""
    return STATES.get(state, ("plain", ""))[0]


def word(state: str) -> str:
    return STATES.get(state, ("", state.replace("_", " ")))[1]


def method(value: str) -> str:
    return METHODS.get(value, value)


def plain(code: str) -> str:
    """A name of ours in words: wrong_user is wrong user."""
    return code.replace("_", " ").replace(".", " ")


def message(kind: str) -> str:
    """What a message to a user says, in words: AccessGiven is access given."""
    return _WORD.sub(" ", kind).lower()


def visible(text: object) -> str:
    """What somebody else wrote, without characters that can't be seen or that turn its direction around."""
    shown = (c if c in _JOINERS or unicodedata.category(c) not in _INVISIBLE else " " for c in str(text))
    return "".join(shown).strip()


def short(id: str) -> str:
    """An id that is too long for a table, by its ends."""
    return id if len(id) <= 18 else f"{id[:9]}…{id[-5:]}"


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "amount": amount,
    "exact": exact,
    "day": day,
    "machine": machine,
    "relative": relative,
    "lasting": lasting,
    "number": number,
    "tone": tone,
    "word": word,
    "method": method,
    "plain": plain,
    "short": short,
    "visible": visible,
}
