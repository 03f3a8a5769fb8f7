"""Files that are whole or not there: written under another name, for their owner alone."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapters.sql.backups import BackupError


@contextmanager
def draft_of(path: Path) -> Iterator[Path]:
    """An empty file beside it, gone in the end unless it was renamed. Raises BackupError."""
    path = path.absolute()
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    except OSError as problem:
        raise BackupError(f"{path.parent} can't be written: {problem.strerror}.", "Choose another folder.") from None
    try:
        yield draft
    finally:
        for leftover in path.parent.glob(f"{draft.name}*"):
            leftover.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Have it on the disk: a file's bytes, or a folder's names."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
