"""Looks at what waits: messages to users, and reports of providers that could not be dealt with when they came."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from adapters.clock import SystemClock
from adapters.sql.gauges import SqlGauges
from domain.errors import Unavailable
from entrypoints.examination.findings import Finding, of_subject

A_WHILE: Final = timedelta(minutes=5)
"""A service that runs sends a message within seconds, and tries a report for about two minutes."""
_good, _warning, _ = of_subject("queues")


def examine_queues(gauges: SqlGauges) -> Iterator[Finding]:
    """Nothing is taken up by it."""
    now = SystemClock().now()
    try:
        letters, letter_age = gauges.outbox_pending(), gauges.outbox_oldest(now)
        reports, report_age = gauges.inbox_pending(), gauges.inbox_oldest(now)
        given_up = gauges.inbox_given_up()
    except Unavailable:
        return  # the database is told of elsewhere
    yield standing(
        letters,
        letter_age,
        "messages to users",
        "Is the service running, and Telegram reachable? What Telegram says of each: tollgram user ID",
    )
    yield standing(
        reports,
        report_age,
        "reports of providers",
        "Is the service running, and the provider reachable? The log says what stands in the way: inbox.retried",
    )
    if given_up:
        yield _warning(
            f"{_counted(given_up, 'reports of providers')} given up; a payment may be in there",
            "The log says why: inbox.given_up. Once that is mended, tollgram reconcile takes them up again.",
        )


def standing(number: int, oldest: timedelta | None, what: str, remedy: str) -> Finding:
    """What it means that so many wait, the oldest of them for so long."""
    if not number or oldest is None:
        return _good(f"no {what} wait")
    waiting = f"{_counted(number, what)} waiting, the oldest for {timedelta(seconds=round(oldest.total_seconds()))}"
    return _warning(waiting, remedy) if oldest > A_WHILE else _good(waiting)


def _counted(number: int, what: str) -> str:
    """Reads on with what they do, whether that is one or many."""
    return f"{what}: {number:,} {'is' if number == 1 else 'are'}"
