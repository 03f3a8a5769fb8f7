"""Looks at the keys of passports: can they be read, by whom, and which one signs."""

from collections.abc import Iterator

from adapters.clock import SystemClock
from adapters.passports.key_file import read_keys
from domain.errors import Unavailable
from entrypoints.examination.findings import Finding, Verdict
from entrypoints.settings import Settings

SUBJECT = "passports"


def examine_passports(settings: Settings) -> Iterator[Finding]:
    path = settings.passport_keys
    if path is None:
        yield Finding(
            Verdict.GOOD,
            SUBJECT,
            "not set up: services ask us each time",
            "To have them check by themselves set PASSPORT_KEYS to a path, then run: tollgram passport rotate",
        )
        return
    now = SystemClock().now()
    try:
        keys = read_keys(path)
        signing = keys.signing(now)
    except (ValueError, Unavailable) as problem:
        remedy = "Mend it, or make all of it anew: tollgram passport rotate --compromised"
        if not path.exists():
            remedy = "To make the first key, run: tollgram passport rotate"
        yield Finding(Verdict.WRONG, SUBJECT, f"PASSPORT_KEYS: {problem}", remedy)
        return
    if path.stat().st_mode & 0o077:
        yield Finding(
            Verdict.WARNING, SUBJECT, f"other users of this machine can read the keys in {path}", f"chmod 600 {path}"
        )
    yield Finding(Verdict.GOOD, SUBJECT, f"{signing.id} signs; {len(keys.published(now))} published")
