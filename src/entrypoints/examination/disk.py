"""Looks at the disk under the database: while it is full, nothing can be sold and no payment settled."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from entrypoints.examination.findings import Finding, Verdict

MIB = 1 << 20
LITTLE, TOO_LITTLE = 1024 * MIB, 128 * MIB
"""A checkpoint and a backup need some; the write-ahead log alone takes some four MiB."""
_REMEDY = "Make room there, or move the database to a larger disk. What was sold is settled once there is room again."


def examine_disk(folder: Path) -> Iterator[Finding]:
    """Nothing where there is no such folder."""
    if folder.is_dir():
        yield room(folder, shutil.disk_usage(folder).free)


def room(folder: Path, free: int) -> Finding:
    """What so many free bytes mean."""
    left = f"{free / MIB / 1024:,.1f} GiB" if free >= LITTLE else f"{free // MIB} MiB"
    if free >= LITTLE:
        return Finding(Verdict.GOOD, "disk", f"{left} free in {folder}")
    verdict = Verdict.WARNING if free >= TOO_LITTLE else Verdict.WRONG
    return Finding(verdict, "disk", f"only {left} free in {folder}", _REMEDY)
