"""A new key for passports, so that nobody who checks them ever meets one whose key is not published.

    now           the new key is published; the old one signs
    + 15 min      the new key signs
    + 35 min      the old key is no longer published: its last passport expired 15 minutes ago

Fifteen minutes are for the slowest of us to read the file, and for those who check to forget what they have kept of
the published keys, which they may for five.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.passports.key_file import read_keys, write_keys
from adapters.passports.key_set import KEPT_BY_OTHERS, PassportKey, PassportKeySet
from domain.passport import GOOD_FOR

KNOWN_WITHIN: Final = 3 * KEPT_BY_OTHERS


class RotationUnderWay(Exception):
    """A key waits already; `key` is that one."""

    def __init__(self, key: PassportKey) -> None:
        super().__init__(key.id)
        self.key = key


def rotated(keys: PassportKeySet | None, new: PassportKey, now: datetime, *, at_once: bool = False) -> PassportKeySet:
    """The key set that comes after this one. Raises RotationUnderWay.

    The first key of all signs at once. So does one that takes the place of a key in wrong hands (`at_once`), and no
    other stays published.
    """
    if keys is None or at_once:
        return PassportKeySet((new,))
    if waiting := next((key for key in keys.keys if key.waits(now)), None):
        raise RotationUnderWay(waiting)
    signs_from = now.replace(microsecond=0) + KNOWN_WITHIN
    last = signs_from + GOOD_FOR + KNOWN_WITHIN
    return PassportKeySet(
        (
            replace(new, signs_from=signs_from),
            *(replace(key, published_until=min(last, key.published_until or last)) for key in keys.published(now)),
        )
    )


def rotate(path: Path, now: datetime, *, at_once: bool = False) -> PassportKeySet:
    """Give the file its next key. Raises RotationUnderWay, ValueError for a file that is wrong, OSError."""
    with _alone_with(path):
        keys = read_keys(path) if path.exists() and not at_once else None
        after = rotated(keys, PassportKey.new(Ed25519PrivateKey.generate()), now, at_once=at_once)
        write_keys(path, after)
    return after


@contextmanager
def _alone_with(path: Path) -> Iterator[None]:
    """Nobody else changes the file meanwhile. Makes its folder where there is none. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
