"""`tollgram reconcile`: every ledger, whole, and what it shows settled before the command ends."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import msgspec

from application.reconciliation import STRIPE
from domain.errors import ProviderUnavailable
from domain.findings import Findings
from entrypoints.cli.failure import ASK_THE_DOCTOR, FAILED, WORKED
from entrypoints.cli.moments import read_moment
from entrypoints.cli.progress import Step, progress
from entrypoints.cli.terminal import say, show_json, tell
from entrypoints.cli.workplace import workplace
from entrypoints.container import Container

SETTLE_WITHIN_S = 600.0
BACKLOG_PAUSE_S = 0.2


def reconcile(*, since: str | None, dry_run: bool, as_json: bool) -> int:
    """Compare, repair, and tell."""
    code, told = reconciled(since=since, dry_run=dry_run, quiet=as_json)
    if as_json:
        show_json(told)
    return code


def reconciled(*, since: str | None, dry_run: bool, quiet: bool) -> tuple[int, dict[str, Any]]:
    """The exit code, and what programs are told; people are told meanwhile, unless it is `quiet`."""
    from_then_on = read_moment("--since", since)
    told: dict[str, Any] = {}
    unwell = False
    with workplace() as container:
        if not dry_run:
            with container.work().begin() as tx:
                tx.inbox.reopen(container.clock().now())
        known = _known_lengths(container)
        for ledger, compare in _ledgers(container, from_then_on, dry_run=dry_run):
            try:
                with progress(ledger, "entries", quiet=quiet) as step:
                    findings = compare(_counted(step, known.get(ledger)))
            except ProviderUnavailable as problem:
                unwell = True
                told[ledger] = {"error": str(problem)}
                tell(f"{ledger}: could not be read: {problem}", ASK_THE_DOCTOR)
                continue
            unwell = unwell or findings.unexplained > 0
            told[ledger] = msgspec.to_builtins(findings)
            if not quiet:
                _show(findings, dry_run=dry_run)
        waiting = 0 if dry_run else _settle(container, quiet=quiet)
    if waiting and not quiet:
        tell(
            "1 report waits still, or was given up."
            if waiting == 1
            else f"{waiting} reports wait still, or were given up.",
            "The service goes on with what waits; the log says what stands in the way.",
        )
    elif not dry_run and not quiet:
        unread = sum("error" in ledger for ledger in told.values())
        if not unread:
            say("Everything found is settled.")
        elif unread < len(told):
            say("What was found in the others is settled.")
    return FAILED if unwell or waiting else WORKED, {"ledgers": told, "waiting": waiting}


def _ledgers(
    container: Container, since: datetime | None, *, dry_run: bool
) -> Iterator[tuple[str, Callable[[Callable[[int], None]], Findings]]]:
    reconciler = container.reconciler()
    for bot in reconciler.bots:
        yield (
            f"stars:{bot}",
            lambda step, bot=bot: reconciler.stars(bot, whole=True, dry_run=dry_run, progress=step),  # type: ignore[misc]
        )
    if stripe := reconciler.stripe:
        yield STRIPE, lambda step: stripe(whole=True, since=since, dry_run=dry_run, progress=step)


def _known_lengths(container: Container) -> dict[str, int]:
    """How many entries each ledger of Stars had when it was last read; Stripe's does not say how long it is."""
    with container.work().look() as tx:
        return {mark.ledger: mark.read_to for mark in tx.ledger_marks.all() if mark.ledger != STRIPE}


def _counted(step: Step, known: int | None) -> Callable[[int], None]:
    read = 0

    def more(entries: int) -> None:
        nonlocal read
        read += entries
        step(read, max(read, known) if known else None)

    return more


def _settle(container: Container, *, quiet: bool) -> int:
    """Go on with the inbox until nothing in it is due; how many reports are left."""
    until = time.monotonic() + SETTLE_WITHIN_S
    work_inbox, database = container.work_inbox(), container.database()
    most = database.inbox_pending()
    with progress("settling", "reports", quiet=quiet) as step:
        while time.monotonic() < until:
            if work_inbox():
                left = database.inbox_pending()
                most = max(most, left)
                step(most - left, most)
                continue
            if not database.inbox_pending():
                break
            time.sleep(BACKLOG_PAUSE_S)
    return database.inbox_pending() + database.inbox_given_up()


def _show(found: Findings, *, dry_run: bool) -> None:
    say(f"{found.ledger}: {found.entries} entries read", style="bold")
    would = "would be repaired" if dry_run else "go to the inbox"
    lines = {
        f"payments that we did not know; they {would}": found.missing_payments,
        f"refunds, chargebacks and disputes that we did not know; they {would}": found.missing_refunds,
        "entries that were never ours to sell": found.foreign,
        "payments that tell of other facts than ours: a person has to look": found.other_facts,
        "payments of ours that the provider does not know: a person has to look": found.unknown_to_provider,
        "of them held back just now, with the access that they opened": found.held,
        "payments that the provider knows after all, granted again": found.released,
        "Stars that the balance has less than the ledger says": found.drift,
    }
    for words, number in lines.items():
        if number:
            say(f"  {number} {words}")
    if not Counter(lines).total() - found.foreign:
        say("  Nothing is missing on either side.")
