"""`tollgram restore`: the backup in place, and then what it lacks from the providers' ledgers."""

from pathlib import Path
from typing import Any

from adapters.sql.backups import BackupError, keeper_of
from adapters.sql.migrate import newest_revision
from entrypoints.cli.failure import WORKED, CommandError
from entrypoints.cli.progress import progress
from entrypoints.cli.terminal import say, show_json
from entrypoints.settings import Settings


def restore(path: Path, *, force: bool, then_reconcile: bool, as_json: bool) -> int:
    """Put it back, and say what has to follow."""
    keeper = keeper_of(Settings.load(serving=then_reconcile).database_url)
    try:
        with progress("restoring", keeper.unit, quiet=as_json) as step:
            done = keeper.put_back(path, step, force=force)
    except BackupError as problem:
        raise CommandError(str(problem), problem.remedy) from None
    newest = newest_revision()
    if as_json:
        code, settled = _reconciled(quiet=True) if then_reconcile else (WORKED, None)
        show_json(
            {
                "file": str(path.absolute()),
                "schema": newest,
                "brought_from": None if done.revision == newest else done.revision,
                "kept_aside": done.aside,
                "reconciled": settled,
            }
        )
        return code
    brought = "" if done.revision == newest else f", brought from schema {done.revision} to {newest}"
    say(f"Restored from {path}{brought}.")
    if done.aside:
        say(f"What was there is kept as {done.aside}", whole=True)
    if then_reconcile:
        return _reconciled(quiet=False)[0]
    say("What was paid and given back since the backup is in the providers' ledgers. Run, before you serve:")
    say("  tollgram reconcile")
    return WORKED


def _reconciled(*, quiet: bool) -> tuple[int, dict[str, Any]]:
    from entrypoints.cli.reconcile import reconciled

    return reconciled(since=None, dry_run=False, quiet=quiet)
