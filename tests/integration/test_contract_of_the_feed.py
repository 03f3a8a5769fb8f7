"""What the feed for other services and what is pushed from it must do, in memory as in a database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from application.ports.feed import NumberedNotice
from application.ports.pushes import EndpointState, Push
from application.ports.work import UnitOfWork
from domain.ids import EntitlementId, UserId
from domain.notices import Notice, NoticeType
from tests.builders import ALICE, BOB, DAY, FOR_LIFE, HOUR, SECOND, entitlement
from tests.integration.transactions import undone
from tests.memory import NOON

pytest_plugins = ["tests.integration.databases"]

MINUTE = timedelta(minutes=1)
MICROSECOND = timedelta(microseconds=1)
HERE, THERE = "ep_here", "ep_there"
AT_NOON = (NOON - datetime(1970, 1, 1, tzinfo=UTC)) // MICROSECOND


def notice(number: int = 1, user: UserId = ALICE) -> Notice:
    """With what a provider may put into an id, and what a span says."""
    data = {"charge_id": f"\0\ud800é\\{number}", "limits": {"a": 1}, "features": ("x", "y"), "none": None, "yes": True}
    return Notice(type=NoticeType.PAYMENT_SETTLED, user_id=user, at=NOON + MICROSECOND, data=data)


def keep(work: UnitOfWork, *notices: Notice) -> None:
    with work.begin() as tx:
        tx.feed.add(notices)


def number(work: UnitOfWork, now: datetime = NOON, at_most: int = 100) -> int:
    with work.begin() as tx:
        return tx.feed.number(now, at_most=at_most)


def feed(work: UnitOfWork, after: int = 0, limit: int = 100) -> list[NumberedNotice]:
    with work.look() as tx:
        return list(tx.feed.after(after, limit=limit))


def test_a_notice_can_be_read_once_it_has_a_number_and_comes_back_as_it_was_kept(work: UnitOfWork) -> None:
    keep(work)
    with work.look() as tx:
        assert (tx.feed.unnumbered(), tx.feed.newest()) == (False, 0)
    keep(work, notice())
    assert feed(work) == []
    with work.look() as tx:
        assert tx.feed.unnumbered()

    assert number(work) == 1

    assert [kept.notice for kept in feed(work)] == [notice()]
    assert number(work) == 0


def test_numbers_follow_the_order_of_keeping_and_the_clock_and_never_go_back(work: UnitOfWork) -> None:
    keep(work, notice(1), notice(2))
    keep(work, notice(3))
    assert number(work, at_most=2) == 2
    assert number(work, NOON - DAY) == 1
    assert [(kept.sequence - AT_NOON, kept.notice) for kept in feed(work)] == [
        (1, notice(1)),
        (2, notice(2)),
        (3, notice(3)),
    ]
    keep(work, notice(4))
    number(work, NOON + SECOND)

    later = feed(work, after=AT_NOON + 2)
    assert [kept.sequence - AT_NOON for kept in later] == [3, 1_000_001]
    assert feed(work, after=AT_NOON, limit=2) == feed(work)[:2]
    with work.look() as tx:
        assert tx.feed.newest() == later[-1].sequence


def test_what_was_undone_is_told_to_nobody(work: UnitOfWork) -> None:
    with undone(work) as tx:
        tx.feed.add([notice()])
    assert number(work) == 0


# Spans that are over --------------------------------------------------------------------------------------------------


def test_spans_that_are_over_are_noted_once_and_ended_ones_never(work: UnitOfWork) -> None:
    spans = [
        entitlement(name="ent_1", payment_id=None, user_id=BOB),
        entitlement(name="ent_2", payment_id=None, starts_at=NOON - DAY),
        entitlement(name="ent_3", payment_id=None, revoked_at=NOON),
        entitlement(FOR_LIFE, name="ent_4", payment_id=None),
    ]
    with work.begin() as tx:
        tx.entitlements.add(spans)
    end = spans[0].expires_at
    assert end is not None

    def over(at: datetime, at_most: int = 10, users: list[UserId] | None = None) -> list[str]:
        with work.look() as tx:
            return [span.id for span in tx.entitlements.over(at, at_most=at_most, users=users)]

    assert over(end - SECOND) == ["ent_2"]
    assert over(end) == ["ent_2", "ent_1"]
    assert (over(end, at_most=1), over(end, users=[BOB]), over(end, users=[])) == (["ent_2"], ["ent_1"], [])
    ids = [EntitlementId(f"ent_{place}") for place in (1, 3, 4)]
    with work.begin() as tx:
        assert tx.entitlements.note_over(ids, end) == {"ent_1"}
    with work.begin() as tx:
        assert tx.entitlements.note_over(ids, end) == set()
    assert over(end) == ["ent_2"]


# What is pushed -------------------------------------------------------------------------------------------------------


@pytest.fixture
def events(work: UnitOfWork) -> list[NumberedNotice]:
    """Two of Alice's, then one of Bob's; all wait at HERE."""
    keep(work, notice(1), notice(2), notice(3, BOB))
    number(work)
    kept = feed(work)
    with work.begin() as tx:
        tx.pushes.add(HERE, kept, NOON)
    return kept


def claim(work: UnitOfWork, at: timedelta = timedelta(0), *, at_once: int = 10, endpoint: str = HERE) -> Push | None:
    with work.begin() as tx:
        return tx.pushes.claim(endpoint, NOON + at, at_once=at_once, lease=MINUTE)


def due(work: UnitOfWork, at: timedelta = timedelta(0)) -> bool:
    with work.look() as tx:
        return tx.pushes.due(HERE, NOON + at)


def counted(work: UnitOfWork) -> tuple[int, int]:
    with work.look() as tx:
        return tx.pushes.waiting(HERE), tx.pushes.given_up(HERE)


def test_how_an_endpoint_stands_is_kept(work: UnitOfWork) -> None:
    with work.look() as tx:
        assert tx.pushes.of(HERE) is None
    with work.begin() as tx:
        new = tx.pushes.take(HERE, NOON, position=7)
        assert new == EndpointState(id=HERE, position=7, due_at=NOON)
    moved = replace(
        new,
        position=8,
        due_at=NOON + HOUR,
        failures=2,
        failing_since=NOON,
        pushed_at=NOON - HOUR,
        disabled_at=NOON + DAY,
        problem="odd \0 \ud800",
    )
    with work.begin() as tx:
        tx.pushes.move(moved)
    with work.begin() as tx:
        assert tx.pushes.take(HERE, NOON, position=9) == moved
        assert tx.pushes.take(THERE, NOON, position=9).position == 9


def test_of_each_user_only_the_oldest_is_taken_up_and_by_one_at_a_time(
    work: UnitOfWork, events: list[NumberedNotice]
) -> None:
    assert due(work)
    taken = [claim(work), claim(work), claim(work)]
    assert [push and push.event for push in taken] == [events[0], events[2], None]
    assert taken[0] == Push(endpoint=HERE, event=events[0], attempts=1)
    assert claim(work, endpoint=THERE) is None
    assert counted(work) == (3, 0)


def test_no_more_are_under_way_at_once_than_allowed(work: UnitOfWork, events: list[NumberedNotice]) -> None:
    assert claim(work, at_once=1) is not None
    assert claim(work, at_once=1) is None
    assert claim(work, at_once=2) is not None


def test_what_was_taken_is_gone_and_the_next_of_its_user_follows(
    work: UnitOfWork, events: list[NumberedNotice]
) -> None:
    first = claim(work)
    assert first is not None
    for _ in range(2):
        with work.begin() as tx:
            tx.pushes.done(first)
    assert counted(work) == (2, 0)
    assert {push.event.sequence for push in (claim(work), claim(work)) if push} == {e.sequence for e in events[1:]}


def test_who_dies_over_one_leaves_it_to_the_next(work: UnitOfWork, events: list[NumberedNotice]) -> None:
    claim(work)
    claim(work)
    assert not due(work, MINUTE - SECOND) or claim(work, MINUTE - SECOND) is None
    again = claim(work, MINUTE)
    assert again == Push(endpoint=HERE, event=events[0], attempts=2)


def test_what_is_behind_a_refused_one_of_its_user_is_held_up(work: UnitOfWork, events: list[NumberedNotice]) -> None:
    def not_held_up(endpoint: str = HERE) -> int:
        with work.look() as tx:
            return tx.pushes.not_held_up(endpoint)

    keep(work, notice(4, BOB), notice(5))
    number(work)
    with work.begin() as tx:
        tx.pushes.add(HERE, feed(work)[3:], NOON)
    assert (not_held_up(), not_held_up(THERE)) == (5, 0)
    first, bobs = claim(work), claim(work)
    assert first is not None
    assert bobs is not None
    with work.begin() as tx:
        tx.pushes.release(bobs, NOON)
        tx.pushes.retry(first, NOON + MINUTE, failing_since=NOON, problem="no")
    assert not_held_up() == 3

    again = claim(work, MINUTE), claim(work, MINUTE)
    assert [push and push.event for push in again] == [events[2], events[0]]
    assert not due(work, MINUTE), "what is held up is not due"
    assert again[1] is not None
    with work.begin() as tx:
        tx.pushes.give_up(again[1], NOON, "no")
    assert (not_held_up(), due(work, MINUTE)) == (4, True)


@pytest.mark.parametrize("late", ["done", "release", "retry", "give_up"])
def test_who_was_stalled_past_its_lease_changes_nothing_where_another_has_taken_it_up(
    late: str, work: UnitOfWork, events: list[NumberedNotice]
) -> None:
    first = claim(work)
    assert first is not None
    second = claim(work, MINUTE)
    assert second == replace(first, attempts=2)

    with work.begin() as tx:
        match late:
            case "done":
                tx.pushes.done(first)
            case "release":
                tx.pushes.release(first, NOON)
            case "retry":
                tx.pushes.retry(first, NOON, failing_since=NOON, problem="no")
            case _:
                tx.pushes.give_up(first, NOON, "no")

    assert counted(work) == (3, 0)
    bobs = claim(work, MINUTE)
    assert bobs is not None
    assert bobs.event == events[2]
    assert claim(work, MINUTE) is None
    with work.begin() as tx:
        tx.pushes.done(second)
    assert counted(work) == (2, 0)


def test_who_was_stalled_past_its_lease_has_the_last_word_where_nobody_has_taken_it_up(
    work: UnitOfWork, events: list[NumberedNotice]
) -> None:
    first = claim(work)
    assert first is not None
    assert due(work, HOUR)
    with work.begin() as tx:
        tx.pushes.done(first)
    assert counted(work) == (2, 0)


def test_one_that_is_let_go_of_is_due_behind_the_others_and_its_attempt_does_not_count(
    work: UnitOfWork, events: list[NumberedNotice]
) -> None:
    first = claim(work)
    assert first is not None
    with work.begin() as tx:
        tx.pushes.release(first, NOON + SECOND)
    bobs, again = claim(work, SECOND), claim(work, SECOND)
    assert bobs is not None
    assert bobs.event == events[2]
    assert again == first


def test_one_that_is_tried_again_waits_until_then_and_holds_up_its_user_only(
    work: UnitOfWork, events: list[NumberedNotice]
) -> None:
    first = claim(work)
    assert first is not None
    with work.begin() as tx:
        tx.pushes.retry(first, NOON + HOUR, failing_since=NOON, problem="odd \0 \ud800")
    bobs = claim(work)
    assert bobs is not None
    assert bobs.event == events[2]
    with work.begin() as tx:
        tx.pushes.done(bobs)
    assert claim(work, HOUR - SECOND) is None
    assert claim(work, HOUR) == Push(endpoint=HERE, event=events[0], attempts=2, failing_since=NOON)


def test_what_a_wrong_clock_has_put_off_for_days_is_due(work: UnitOfWork, events: list[NumberedNotice]) -> None:
    for _ in range(2):
        push = claim(work, DAY)
        assert push is not None
        with work.begin() as tx:
            tx.pushes.retry(push, NOON + 2 * DAY, failing_since=NOON, problem="")
    assert due(work)
    assert claim(work) is not None


def test_what_is_given_up_lets_the_next_go_on_and_can_be_wanted_anew(
    work: UnitOfWork, events: list[NumberedNotice]
) -> None:
    first = claim(work)
    assert first is not None
    with work.begin() as tx:
        tx.pushes.give_up(first, NOON, "no")
        tx.pushes.give_up(first, NOON, "no")
        tx.pushes.release(first, NOON)
        tx.pushes.retry(first, NOON, failing_since=NOON, problem="")
        tx.pushes.done(first)
    assert counted(work) == (2, 1)
    second = claim(work)
    assert second is not None
    assert second.event == events[1]

    with work.begin() as tx:
        tx.pushes.add(HERE, [], NOON)
        tx.pushes.add(HERE, events[:2], NOON)
    assert counted(work) == (3, 0)
    assert claim(work) == Push(endpoint=HERE, event=events[0], attempts=1)


def test_what_waits_can_be_woken_as_if_it_had_never_been_refused(
    work: UnitOfWork, events: list[NumberedNotice]
) -> None:
    first, bobs = claim(work), claim(work)
    assert first is not None
    assert bobs is not None
    with work.begin() as tx:
        tx.pushes.add(THERE, events[:1], NOON)
        tx.pushes.retry(first, NOON + HOUR, failing_since=NOON - DAY, problem="no")
        tx.pushes.give_up(bobs, NOON, "no")
    there = claim(work, endpoint=THERE)
    assert there is not None
    with work.begin() as tx:
        tx.pushes.retry(there, NOON + HOUR, failing_since=NOON, problem="no")
        tx.pushes.wake(HERE, NOON + SECOND)

    assert counted(work) == (2, 1)
    assert claim(work) is None
    again = claim(work, SECOND)
    assert again is not None
    assert again == first
    assert claim(work, SECOND) is None, "one that somebody holds stays with them"
    assert claim(work, HOUR, endpoint=THERE) == replace(there, attempts=2, failing_since=NOON)

    with work.begin() as tx:
        tx.pushes.wake(HERE, NOON + SECOND)
        tx.pushes.release(again, NOON + SECOND)
    assert claim(work, SECOND) == first


def test_what_waits_can_be_forgotten(work: UnitOfWork, events: list[NumberedNotice]) -> None:
    first = claim(work)
    assert first is not None
    with work.begin() as tx:
        tx.pushes.give_up(first, NOON, "no")
        tx.pushes.add(THERE, events, NOON)
        assert tx.pushes.forget(HERE) == 2
    assert counted(work) == (0, 1)
    assert claim(work) is None
    assert claim(work, endpoint=THERE) is not None
