"""Runs the drills, all of them or those that are named: python -m drills.run [NAME ...] [--list] [--size N]

One line each while it goes on, then its figures. Ends with 1 where one of them is violated.
"""

import argparse
import logging
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from drills.event_feed import event_feed
from drills.lost_databases import NoMount, failovers, postgresql_away, sqlite_disk_away, sqlite_disk_full
from drills.own_protocol import broken_connections, killed_listener
from drills.process_deaths import relay, service_on_postgresql, service_on_sqlite, three_on_postgresql, two_on_sqlite
from drills.refund_timeouts import refund_timeouts
from drills.repairs import backup_on_postgresql, backup_on_sqlite, dead_for_long
from drills.stage import Figures, Stage, Violated, stage
from drills.telegram_weather import telegram_weather


@dataclass(frozen=True, slots=True)
class Drill:
    """`full` is its size in `make drill`, `short` in the tests; 0: not there, where another shows nearly the same."""

    run: Callable[[Stage, int], Figures]
    full: int
    short: int


DRILLS: Final = {
    "kill-on-sqlite": Drill(service_on_sqlite, full=100, short=1),
    "kill-on-postgresql": Drill(service_on_postgresql, full=100, short=0),
    "kill-relay": Drill(relay, full=20, short=0),
    "two-processes": Drill(two_on_sqlite, full=100, short=0),
    "three-processes": Drill(three_on_postgresql, full=100, short=0),
    "failover": Drill(failovers, full=20, short=1),
    "postgresql-away": Drill(postgresql_away, full=6, short=0),
    "sqlite-disk-away": Drill(sqlite_disk_away, full=3, short=0),
    "sqlite-disk-full": Drill(sqlite_disk_full, full=3, short=1),
    "telegram-weather": Drill(telegram_weather, full=20, short=2),
    "dead-for-long": Drill(dead_for_long, full=1000, short=0),
    "backup-on-sqlite": Drill(backup_on_sqlite, full=60, short=6),
    "backup-on-postgresql": Drill(backup_on_postgresql, full=60, short=0),
    "refund-timeouts": Drill(refund_timeouts, full=1000, short=10),
    "mtproto-connections": Drill(broken_connections, full=100, short=0),
    "mtproto-listener": Drill(killed_listener, full=10, short=0),
    "event-feed": Drill(event_feed, full=100_000, short=0),
}


def main() -> int:
    reads = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reads.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(DRILLS)}; all where none is named")
    reads.add_argument("--list", action="store_true", help="say what each of them does, and do nothing")
    reads.add_argument("--size", type=int, help="how many kills, charges or times, instead of the full number")
    given = reads.parse_args()
    if unknown := sorted(set(given.names) - set(DRILLS)):
        reads.error(f"no drill is called {', '.join(unknown)}; there are: {', '.join(DRILLS)}")
    if given.list:
        for name, drill in DRILLS.items():
            print(f"{name:20} {(drill.run.__doc__ or '').splitlines()[0]} ({drill.full})")
        return 0
    logging.disable(logging.CRITICAL)  # the sandbox's server, over calls that the drills themselves break off
    failed = [name for name in given.names or DRILLS if not _holds(name, given.size or DRILLS[name].full)]
    print(f"violated: {', '.join(failed)}" if failed else "everything holds")
    return 1 if failed else 0


def _holds(name: str, size: int) -> bool:
    began = time.monotonic()
    said, holds = "", False
    try:
        with stage(name) as place:
            figures = DRILLS[name].run(place, size)
        said, holds = ", ".join(f"{what} {figure}" for what, figure in figures.items()), True
    except NoMount as reason:
        said, holds = f"SKIPPED: {reason}", True
    except Violated as violation:
        said = f"VIOLATED: {violation}"
    except Exception:
        said = f"FAILED:\n{traceback.format_exc()}"
    clear = "\r\x1b[K" if sys.stdout.isatty() else ""
    print(f"{clear}{name}: {said} [{time.monotonic() - began:.0f} s]", flush=True)
    return holds


if __name__ == "__main__":
    sys.exit(main())
