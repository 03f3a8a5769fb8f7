"""Keeping the books: `reconcile`, `backup`, `restore`."""

from entrypoints.cli.typed import click
from entrypoints.cli.usage.options import EXIT_CODES, for_programs, plainly

EXPLAINED = "Exit codes: 0 all is explained, 1 something is not or could not be asked, 2 wrong usage or wrong settings."


@click.command(epilog=EXPLAINED)
@click.option("--since", metavar="TIME", help="Stripe from this day or RFC 3339 time on, not from our first start.")
@click.option("--dry-run", is_flag=True, help="Look and tell; change nothing.")
@for_programs("For programs: by ledger, what was found and what became of it.")
@plainly
def reconcile(since: str | None, dry_run: bool, as_json: bool) -> int:
    """Hold our books against the providers' ledgers, and repair what is missing."""
    from entrypoints.cli.reconcile import reconcile

    return reconcile(since=since, dry_run=dry_run, as_json=as_json)


@click.command(epilog=EXIT_CODES)
@click.argument("path", metavar="FILE", type=click.Path(dir_okay=False))
@click.option("--force", is_flag=True, help="Put it in place of a file that is there already.")
@for_programs("For programs: file, bytes, schema.")
@plainly
def backup(path: str, force: bool, as_json: bool) -> int:
    """Copy the whole database into FILE while the service runs: as it is at one moment, checked, on the disk."""
    from pathlib import Path  # whoever asks for help needs none

    from entrypoints.cli.backup import backup

    return backup(Path(path), force=force, as_json=as_json)


@click.command(epilog=EXPLAINED)
@click.argument("path", metavar="FILE", type=click.Path(dir_okay=False))
@click.option("--force", is_flag=True, help="Also in place of a database that is not empty, which is kept aside.")
@click.option("--reconcile", "then_reconcile", is_flag=True, help="Then find in the providers' ledgers what it lacks.")
@for_programs(
    "For programs: file, schema, brought_from, kept_aside, and reconciled, which is as reconcile has it, or null."
)
@plainly
def restore(path: str, force: bool, then_reconcile: bool, as_json: bool) -> int:
    """Put the database of FILE in place, brought to the newest schema. The service must not run."""
    from pathlib import Path

    from entrypoints.cli.restore import restore

    return restore(Path(path), force=force, then_reconcile=then_reconcile, as_json=as_json)


COMMANDS = (reconcile, backup, restore)
