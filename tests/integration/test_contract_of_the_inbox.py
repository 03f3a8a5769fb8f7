"""What every inbox must do with claims, in memory as in a database: nothing is taken by two at once, nothing that is
put off stands in front of what is new, and what was nobody's fault costs no attempt."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import update

from adapters.sql.schema import inbox
from adapters.sql.work import SqlTransaction, SqlUnitOfWork
from application.ports.inbox import FoundBy, KeptReport, Report, Source
from application.ports.work import UnitOfWork
from domain.ids import BotName
from tests.builders import MAIN
from tests.memory import NOON

pytest_plugins = ["tests.integration.databases"]

SECOND = timedelta(seconds=1)
LEASE = timedelta(minutes=1)
DAY = timedelta(days=1)
ODD = b"\0\xff{\\ud800"


def report(number: int = 1) -> Report:
    return Report(source=Source.TELEGRAM_UPDATE, bot=MAIN, body=ODD + str(number).encode())


def keep(work: UnitOfWork, *reports: Report, at: timedelta = timedelta(0)) -> None:
    with work.begin() as tx:
        tx.inbox.keep(reports, found_by=FoundBy.WEBHOOK, now=NOON + at)


def claim(work: UnitOfWork, at: timedelta = timedelta(0), at_most: int = 10) -> list[KeptReport]:
    with work.begin() as tx:
        return list(tx.inbox.claim(NOON + at, at_most=at_most, lease=LEASE))


def put_off(work: UnitOfWork, kept: KeptReport, until: timedelta, *, forgiven: int = 0) -> None:
    with work.begin() as tx:
        tx.inbox.retry(kept, NOON + until, "later", forgiven=forgiven)


def test_a_report_of_stripe_s_which_has_no_bot_comes_back_as_it_was(work: UnitOfWork) -> None:
    stripes = Report(source=Source.STRIPE_EVENT, bot=BotName(""), body=b"{}")
    keep(work, stripes)

    assert [(kept.report, kept.found_by, kept.received_at) for kept in claim(work)] == [
        (stripes, FoundBy.WEBHOOK, NOON)
    ]


def test_what_was_put_off_stands_behind_what_was_due_before_it(work: UnitOfWork) -> None:
    keep(work, report(1), report(2))
    for kept in claim(work):
        put_off(work, kept, 10 * SECOND)
    keep(work, report(3), at=5 * SECOND)

    assert [kept.report for kept in claim(work, 20 * SECOND)] == [report(3), report(1), report(2)]


def test_a_try_that_was_nobodys_fault_does_not_count(work: UnitOfWork) -> None:
    keep(work, report())
    for _ in range(3):
        [kept] = claim(work)
        assert kept.attempts == 1
        put_off(work, kept, timedelta(0), forgiven=1)
    [kept] = claim(work)
    put_off(work, kept, timedelta(0))

    assert [kept.attempts for kept in claim(work)] == [2]


def test_all_tries_until_now_may_be_forgiven_and_no_more_than_all(work: UnitOfWork) -> None:
    keep(work, report())
    _, _, [third] = [claim(work, number * 2 * LEASE) for number in range(3)]
    put_off(work, third, timedelta(0), forgiven=4)

    assert [kept.attempts for kept in claim(work, 6 * LEASE)] == [1]


def test_what_is_due_again_counts_as_new_from_then_on(work: UnitOfWork) -> None:
    keep(work, report(1), report(2))
    given_up, done = claim(work)
    with work.begin() as tx:
        tx.inbox.give_up(given_up, NOON, "nobody knows")
        tx.inbox.done(done, "foreign", NOON)

    with work.begin() as tx:
        assert tx.inbox.reopen(NOON + DAY) == 1
        assert tx.inbox.keep([report(2)], found_by=FoundBy.RECONCILIATION, now=NOON + DAY) == 1

    assert {(kept.received_at, kept.attempts) for kept in claim(work, DAY)} == {(NOON + DAY, 1)}


def test_of_those_that_were_given_up_only_these_are_due_again(work: UnitOfWork) -> None:
    keep(work, *(report(number) for number in (1, 2, 3)))
    claimed = claim(work)
    with work.begin() as tx:
        for kept in claimed:
            if kept.report != report(3):
                tx.inbox.give_up(kept, NOON, "nobody knows")

    with work.begin() as tx:
        assert tx.inbox.reopen(NOON + DAY, [report(1), report(3), report(4)]) == 1
        assert tx.inbox.reopen(NOON + DAY, []) == 0

    assert {(kept.report, kept.attempts) for kept in claim(work, DAY)} == {(report(1), 1), (report(3), 2)}


def test_what_is_due_again_is_due_for_nobody_before(work: UnitOfWork) -> None:
    keep(work, report())
    [kept] = claim(work)
    with work.begin() as tx:
        tx.inbox.give_up(kept, NOON, "nobody knows")
        tx.inbox.reopen(NOON + DAY)

    assert claim(work, DAY - LEASE) == []


def test_whoever_comes_late_after_its_lease_ran_out_can_still_say_what_became_of_it(work: UnitOfWork) -> None:
    keep(work, report())
    [late] = claim(work)
    [taken_over] = claim(work, LEASE)
    with work.begin() as tx:
        tx.inbox.done(late, "granted", NOON + LEASE)
        tx.inbox.retry(taken_over, NOON, "it failed for the other")
        tx.inbox.give_up(taken_over, NOON, "it failed for the other")

    assert claim(work, DAY) == []
    with work.begin() as tx:
        assert tx.inbox.reopen(NOON) == 0


@pytest.mark.threat(30)
def test_a_lease_from_before_the_clock_was_set_back_holds_nothing_up(work: UnitOfWork) -> None:
    keep(work, report())
    claim(work, DAY)

    assert len(claim(work)) == 1


def test_what_is_kept_in_a_transaction_that_breaks_off_is_not_kept(work: UnitOfWork) -> None:
    with pytest.raises(ZeroDivisionError), work.begin() as tx:  # noqa: PT012 - it breaks off after the keeping
        tx.inbox.keep([report()], found_by=FoundBy.RECONCILIATION, now=NOON)
        raise ZeroDivisionError

    assert claim(work) == []


def test_of_many_who_claim_at_once_each_gets_others(sql_work: SqlUnitOfWork) -> None:
    keep(sql_work, *(report(number) for number in range(40)))
    claimed: list[KeptReport] = []
    start = threading.Barrier(4)

    def worker() -> None:
        start.wait()
        while due := claim(sql_work, at_most=1):
            claimed.extend(due)

    threads = [threading.Thread(target=worker) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(kept.id for kept in claimed) == sorted({kept.id for kept in claimed})
    assert len(claimed) == 40
    assert {kept.attempts for kept in claimed} == {1}


def test_what_only_another_version_can_read_waits_for_it_and_holds_nothing_up(sql_work: SqlUnitOfWork) -> None:
    keep(sql_work, report(1), report(2))
    with sql_work.begin() as tx:
        assert isinstance(tx, SqlTransaction)
        tx.connection.execute(update(inbox).where(inbox.c.body == report(1).body).values(source="a_source_to_come"))

    assert [kept.report for kept in claim(sql_work)] == [report(2)]
