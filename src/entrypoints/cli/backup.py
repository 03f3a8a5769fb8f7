"""`tollgram backup`."""

from pathlib import Path

from adapters.sql.backups import BackupError, keeper_of
from entrypoints.cli.failure import WORKED, CommandError
from entrypoints.cli.progress import progress
from entrypoints.cli.terminal import say, show_json
from entrypoints.settings import Settings

KIB, MIB = 1 << 10, 1 << 20


def backup(path: Path, *, force: bool, as_json: bool) -> int:
    """Make it, and say what is in it."""
    if path.exists() and not force:
        raise CommandError(f"{path} is there already.", "Choose another name, or have it replaced: --force")
    keeper = keeper_of(Settings.load().database_url)
    try:
        with progress("copying", keeper.unit, quiet=as_json) as step:
            revision = keeper.save(path, step)
    except BackupError as problem:
        raise CommandError(str(problem), problem.remedy) from None
    size = path.stat().st_size
    if as_json:
        show_json({"file": str(path.absolute()), "bytes": size, "schema": revision})
    else:
        say(f"{path}: {_size(size)}, schema {revision}, checked.")
        say("The signing keys are not in it: keep INVOICE_SIGNING_KEYS apart from it, and as safe.")
    return WORKED


def _size(size: int) -> str:
    return f"{size / MIB:,.1f} MiB" if size >= MIB else f"{max(1, size // KIB)} KiB"
