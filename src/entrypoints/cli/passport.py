"""`tollgram passport` and `tollgram passport rotate`."""

from datetime import datetime
from pathlib import Path

from rich.table import Table

from adapters.clock import SystemClock
from adapters.passports.key_file import read_keys
from adapters.passports.key_set import PassportKey, PassportKeySet
from adapters.passports.rotation import RotationUnderWay, rotate
from entrypoints.cli.failure import FAILED, WORKED, WRONG, CommandError
from entrypoints.cli.terminal import say, show_json, show_table
from entrypoints.settings import Settings

ROTATE = "tollgram passport rotate"


def list_keys(*, as_json: bool) -> int:
    """Show which key signs, and which are published."""
    path = _path()
    try:
        keys = read_keys(path)
    except ValueError as problem:
        raise CommandError(f"PASSPORT_KEYS: {problem}.", f"To make the first key, run: {ROTATE}", WRONG) from None
    now = SystemClock().now()
    if as_json:
        show_json([_in_json(key, keys, now) for key in keys.keys])
    else:
        table = Table("kid", "signs", "published", box=None, pad_edge=False)
        for key in keys.keys:
            table.add_row(key.id, _signs(key, keys, now), _published(key, now))
        show_table(table)
    return WORKED


def rotate_keys(*, compromised: bool) -> int:
    """Make the next key, and say what becomes of the old ones and when."""
    path, now = _path(), SystemClock().now()
    try:
        keys = rotate(path, now, at_once=compromised)
    except RotationUnderWay as waiting:
        when = f"{waiting.key.signs_from:%Y-%m-%d %H:%M:%S} UTC"
        raise CommandError(
            f"The key {waiting.key.id} is published already and signs from {when} on.",
            "Nothing is to be done until then. Only if a key is in wrong hands: --compromised",
            FAILED,
        ) from None
    except ValueError as problem:
        raise CommandError(
            f"PASSPORT_KEYS: {problem}.", "Mend it, or make anew all that it holds: --compromised", WRONG
        ) from None
    new, *old = keys.keys
    if new.signs_from is None:
        say(f"The key {new.id} is in {path}, and signs at once.")
    else:
        say(f"The key {new.id} is published now and signs from {new.signs_from:%H:%M:%S} UTC on.")
        for key in old:
            say(f"The key {key.id} stays published until {key.published_until:%H:%M:%S} UTC.")
    say("A service that runs reads the file by itself.")
    return WORKED


def _path() -> Path:
    path = Settings.load().passport_keys
    if path is None:
        raise CommandError(
            "PASSPORT_KEYS: is missing, so there are no passports.",
            f"Set it to a path, such as PASSPORT_KEYS=var/passport-keys.json, then run: {ROTATE}",
            WRONG,
        )
    return path


def _signs(key: PassportKey, keys: PassportKeySet, now: datetime) -> str:
    if key.waits(now):
        return f"from {key.signs_from:%Y-%m-%d %H:%M:%S} UTC"
    return "now" if key is keys.signing(now) else "no"


def _published(key: PassportKey, now: datetime) -> str:
    if key.published_until is None:
        return "yes"
    return f"until {key.published_until:%Y-%m-%d %H:%M:%S} UTC" if key.published(now) else "no longer"


def _in_json(key: PassportKey, keys: PassportKeySet, now: datetime) -> dict[str, object]:
    return {
        "kid": key.id,
        "signs": key is keys.signing(now),
        "signs_from": key.signs_from,
        "published": key.published(now),
        "published_until": key.published_until,
    }
