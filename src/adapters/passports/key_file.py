"""The file that the passports' keys lie in: read anew whenever it is another one, and written whole or not at all."""

import os
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Final

from adapters.passports.key_set import PassportKeySet

MAX_BYTES: Final = 64 << 10

_Stamp = tuple[int, int, int]
"""What tells one state of the file from another, without reading it."""


class PassportKeyFile:
    """The keys as the file has them now, in a process that goes on running.

    A file that can't be read any more changes nothing: the keys that were read last go on, and `on_trouble` is told
    once what is wrong. Raises ValueError at first, where there are no keys to go on with.
    """

    def __init__(self, path: Path, on_trouble: Callable[[str], None]) -> None:
        self._path = path
        self._on_trouble = on_trouble
        self._reading = Lock()
        # Looked at before it is read: what is written in between is read the next time.
        self._stamp = _stamp(path)
        self._keys = read_keys(path)

    def current(self) -> PassportKeySet:
        if _stamp(self._path) != self._stamp:
            with self._reading:
                self._read_again()
        return self._keys

    def _read_again(self) -> None:
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return  # somebody else has read it, while we waited
        try:
            self._keys = read_keys(self._path)
        except ValueError as problem:
            self._on_trouble(str(problem))
        self._stamp = stamp


def read_keys(path: Path) -> PassportKeySet:
    """Raises ValueError, saying what is wrong with the file."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as problem:
        raise ValueError(f"{path} can't be read: {problem.strerror}") from None
    if len(text) > MAX_BYTES:
        raise ValueError(f"{path} is larger than {MAX_BYTES} bytes")
    try:
        return PassportKeySet.read(text)
    except ValueError as problem:
        raise ValueError(f"{path} {problem}") from None


def write_keys(path: Path, keys: PassportKeySet) -> None:
    """In place of what is there, and for its owner's eyes alone. Raises OSError, and then nothing has changed."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(keys.written())
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            # Who serves must be able to read the new one as well, also where another user rotates.
            owner, ours = path.stat(), draft.stat()
            if (owner.st_uid, owner.st_gid) != (ours.st_uid, ours.st_gid):
                os.chown(draft, owner.st_uid, owner.st_gid)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
