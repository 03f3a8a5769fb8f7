"""An event is pushed until it is taken, in order per user; what refuses for three days is given up or disabled."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from application.feed import number
from application.ports.feed import NumberedNotice
from application.ports.pushes import Endpoint, EndpointState, Gone, NotTaken, PushOutcome, Taken
from application.pushing import (
    AT_ONCE,
    FIRST_PAUSE,
    LEASE,
    LONGEST_KNOCK,
    LONGEST_PAUSE,
    MOST_ASKED_FOR,
    MOST_HELD_UP,
    MOST_REPLAYED,
    MOST_WAITING,
    TAKEN_AT_ONCE,
    TRIED_FOR,
    EnableEndpoint,
    PushEvents,
    ReplayEvents,
)
from domain.errors import Conflict, InvalidRequest
from domain.events import EndpointDisabled, NoticeNotPushed, NoticePushed
from domain.ids import UserId
from domain.notices import Notice, NoticeType
from tests.builders import ALICE, BOB, DAY, HOUR, SECOND, Rigged
from tests.memory import NOON, FixedClock, MemoryJournal, MemoryReceiver, MemoryTransaction, MemoryUnitOfWork

REFUSED = NotTaken(problem="answered 400", out_of_reach=False)
AWAY = NotTaken(problem="no answer", out_of_reach=True)
ALL = Endpoint(id="ep_all", url="https://all.example/", secrets=(b"k" * 24,))
SETTLED = NoticeType.PAYMENT_SETTLED


@dataclass
class Choosy(MemoryReceiver):
    """Refuses one event, and takes all others."""

    refused: int = 0

    def push(self, endpoint: Endpoint, event: NumberedNotice, now: datetime) -> PushOutcome:
        MemoryReceiver.push(self, endpoint, event, now)
        return REFUSED if event.sequence == self.refused else Taken()


@dataclass
class OutOfReachFor(MemoryReceiver):
    """As where whatever handles one user's events breaks down, and a proxy in front of it answers 502."""

    user: UserId = ALICE

    def push(self, endpoint: Endpoint, event: NumberedNotice, now: datetime) -> PushOutcome:
        MemoryReceiver.push(self, endpoint, event, now)
        return AWAY if event.notice.user_id == self.user else Taken()


@dataclass
class Desk:
    """One endpoint, which has been there since before anything happened; chance is always in the middle."""

    endpoint: Endpoint = ALL
    work: MemoryUnitOfWork = field(default_factory=MemoryUnitOfWork)
    clock: FixedClock = field(default_factory=FixedClock)
    receiver: MemoryReceiver = field(default_factory=MemoryReceiver)
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    chance: float = 0.5

    def __post_init__(self) -> None:
        self.push()

    def push(self) -> int:
        push = PushEvents(self.work, self.clock, self.receiver, self.journal, self.endpoint, lambda: self.chance)
        return push()

    def all(self) -> int:
        pushed = 0
        while self.push():
            pushed += 1
        return pushed

    def happen(self, *users: UserId, kind: NoticeType = SETTLED) -> None:
        told = [Notice(type=kind, user_id=user, at=self.clock.now(), data={}) for user in users]
        with self.work.begin() as tx:
            tx.feed.add(told)

    def outcomes(self, *outcomes: PushOutcome) -> None:
        self.receiver.outcomes.extend(outcomes)

    @property
    def got(self) -> list[UserId]:
        return [event.notice.user_id for event in self.receiver.got]

    @property
    def state(self) -> EndpointState:
        return self.work.state.endpoints[self.endpoint.id]

    def waiting(self) -> int:
        with self.work.look() as tx:
            return tx.pushes.waiting(self.endpoint.id)

    def replay(self, after: int, until: int) -> int:
        return ReplayEvents(self.work, self.clock)(self.endpoint, after=after, until=until)

    def enable(self, *, skip: bool = False) -> int:
        return EnableEndpoint(self.work, self.clock)(self.endpoint, skip=skip)

    def numbers(self) -> Sequence[NumberedNotice]:
        number(self.work, self.clock)
        return self.work.state.feed


def test_what_happens_is_pushed_once_in_order() -> None:
    desk = Desk()
    desk.happen(ALICE, BOB, ALICE)
    assert desk.all() == 3
    assert desk.got == [ALICE, BOB, ALICE]
    assert desk.all() == 0
    assert (desk.waiting(), desk.state.pushed_at) == (0, NOON)
    assert desk.journal.events == [
        NoticePushed(endpoint="ep_all", sequence=event.sequence, attempts=1) for event in desk.receiver.got
    ]


def test_who_is_new_gets_what_happens_from_then_on() -> None:
    work = MemoryUnitOfWork()
    before = Desk(work=work)
    before.happen(ALICE)
    after = Desk(work=work, endpoint=Endpoint(id="ep_new", url="", secrets=()))
    after.happen(BOB)
    assert (before.all(), after.all()) == (2, 1)
    assert after.got == [BOB]


def test_only_wanted_types_are_pushed() -> None:
    types = frozenset({NoticeType.ENTITLEMENT_EXPIRED})
    desk = Desk(endpoint=Endpoint(id="ep_some", url="", secrets=(), types=types))
    desk.happen(ALICE)
    desk.happen(BOB, kind=NoticeType.ENTITLEMENT_EXPIRED)
    desk.all()
    assert desk.got == [BOB]


def test_what_is_refused_holds_up_its_user_only_and_is_tried_again_later_and_later() -> None:
    desk = Desk()
    desk.happen(ALICE, BOB, ALICE)
    desk.outcomes(REFUSED)
    assert desk.all() == 2
    assert desk.got == [ALICE, BOB]
    desk.outcomes(REFUSED)
    desk.clock.pass_by(FIRST_PAUSE - SECOND)
    assert desk.all() == 0
    desk.clock.pass_by(SECOND)
    assert desk.all() == 1
    desk.clock.pass_by(FIRST_PAUSE)
    assert desk.all() == 0
    desk.clock.pass_by(FIRST_PAUSE)
    assert desk.all() == 2
    assert desk.got == [ALICE, BOB, ALICE, ALICE, ALICE]
    assert len({event.sequence for event in desk.receiver.got}) == 3


@pytest.mark.parametrize(("chance", "share"), [(0.0, 0.8), (1.0, 1.2)])
def test_chance_spreads_the_pauses(chance: float, share: float) -> None:
    desk = Desk(chance=chance)
    desk.happen(ALICE)
    desk.outcomes(REFUSED)
    desk.push()
    (waits,) = desk.work.state.pushes.values()
    assert waits.due_at == NOON + FIRST_PAUSE * share


def test_no_pause_is_longer_than_what_tells_of_a_wrong_clock() -> None:
    assert timedelta(hours=2) >= LONGEST_PAUSE * 1.2


def test_after_three_days_of_refusals_an_event_is_given_up_and_the_next_go_on() -> None:
    desk = Desk()
    desk.happen(ALICE, ALICE)
    poison = desk.numbers()[0].sequence
    desk.receiver = Choosy(refused=poison)
    while desk.clock.now() <= NOON + TRIED_FOR + 3 * HOUR:
        desk.happen(BOB)  # whom it takes
        desk.all()
        desk.clock.pass_by(HOUR)

    assert desk.got.count(ALICE) > 30
    given_up = [event for event in desk.journal.events if isinstance(event, NoticeNotPushed) and event.given_up]
    assert [(event.sequence, event.problem) for event in given_up] == [(poison, "answered 400")]
    assert desk.state.disabled_at is None
    assert desk.waiting() == 0


def test_an_endpoint_that_is_out_of_reach_is_knocked_at_by_one_event_now_and_then_and_nothing_is_lost() -> None:
    desk = Desk()
    desk.happen(ALICE, BOB)
    desk.outcomes(*[AWAY] * 500)
    for _ in range(60 * 60):
        desk.all()
        desk.clock.pass_by(SECOND)
    tries = len(desk.receiver.got)
    assert 20 < tries <= 3600 / LONGEST_KNOCK.total_seconds() + 10
    assert (desk.state.problem, desk.state.failing_since) == ("no answer", NOON)
    desk.receiver.outcomes.clear()
    desk.clock.pass_by(LONGEST_KNOCK)

    assert desk.all() == 2
    assert (desk.state.failures, desk.state.failing_since, desk.state.problem) == (0, None, None)


def test_what_is_refused_after_it_was_out_of_reach_is_tried_again_after_the_first_pause() -> None:
    desk = Desk()
    desk.happen(ALICE)
    desk.outcomes(*[AWAY] * 500)
    for _ in range(20):
        desk.all()
        desk.clock.pass_by(timedelta(minutes=1))
    desk.receiver.outcomes.clear()
    desk.outcomes(REFUSED)
    desk.clock.pass_by(LONGEST_KNOCK)
    assert desk.all() == 1
    desk.clock.pass_by(FIRST_PAUSE)
    assert desk.all() == 1
    assert desk.waiting() == 0


def test_one_event_at_which_it_is_always_out_of_reach_does_not_stop_those_of_others() -> None:
    desk = Desk(receiver=OutOfReachFor())
    desk.happen(ALICE, BOB, BOB)
    for _ in range(60):
        desk.all()
        desk.clock.pass_by(SECOND)
    assert desk.got.count(BOB) == 2
    for _ in range(60):
        desk.happen(BOB)
        desk.all()
        desk.clock.pass_by(SECOND)
    desk.clock.pass_by(LONGEST_KNOCK)
    desk.all()
    desk.clock.pass_by(LONGEST_KNOCK)
    desk.all()
    assert desk.got.count(BOB) == 62
    assert (desk.waiting(), desk.state.disabled_at) == (1, None)


def test_while_it_is_out_of_reach_one_only_is_under_way() -> None:
    desk = Desk()
    desk.happen(ALICE, BOB)
    desk.outcomes(AWAY)
    desk.push()
    desk.clock.pass_by(LONGEST_KNOCK)
    with desk.work.begin() as tx:
        assert tx.pushes.claim("ep_all", desk.clock.now(), at_once=AT_ONCE, lease=LEASE)
    assert desk.push() == 0


def test_what_it_asks_to_wait_is_waited_within_reason() -> None:
    for asked, waited in ((timedelta(minutes=7), timedelta(minutes=7)), (DAY, MOST_ASKED_FOR)):
        desk = Desk()
        desk.happen(ALICE, BOB)
        desk.outcomes(NotTaken(problem="answered 429", out_of_reach=True, after=asked))
        desk.all()
        desk.clock.pass_by(waited - SECOND)
        assert desk.all() == 0
        desk.clock.pass_by(SECOND)
        assert desk.all() == 2


def test_what_it_asks_to_wait_is_waited_also_where_it_takes_another_push_that_was_under_way() -> None:
    desk = Desk()

    @dataclass
    class BusyForOthers(MemoryReceiver):
        def push(self, endpoint: Endpoint, event: NumberedNotice, now: datetime) -> PushOutcome:
            if event.notice.user_id == ALICE:
                desk.receiver = MemoryReceiver()
                desk.outcomes(NotTaken(problem="answered 429", out_of_reach=True, after=HOUR))
                desk.push()
            return Taken()

    desk.receiver = BusyForOthers()
    desk.happen(ALICE, BOB)
    assert desk.all() == 1
    assert (desk.state.due_at, desk.state.pushed_at) == (NOON + HOUR, NOON)
    desk.clock.pass_by(HOUR - SECOND)
    assert desk.all() == 0
    desk.clock.pass_by(SECOND)
    assert desk.all() == 1


def test_a_pause_that_a_wrong_clock_has_noted_holds_up_nothing() -> None:
    desk = Desk()
    desk.happen(ALICE)
    desk.clock.pass_by(DAY)
    desk.outcomes(AWAY)
    desk.push()
    desk.clock.time = NOON
    assert desk.all() == 1


def test_after_three_days_of_nothing_but_failures_it_is_disabled_once() -> None:
    desk = Desk()
    desk.happen(ALICE)
    desk.outcomes(*[AWAY] * 5000)
    while desk.state.disabled_at is None:
        desk.all()
        desk.clock.pass_by(timedelta(minutes=20))
    assert TRIED_FOR < desk.clock.now() - NOON <= TRIED_FOR + HOUR
    assert desk.journal.events[-1] == EndpointDisabled(endpoint="ep_all", problem="no answer")
    desk.happen(BOB)
    assert desk.push() == 0
    assert desk.waiting() == 1


@dataclass
class Broken(MemoryReceiver):
    """Answers nothing but 500 until it is mended."""

    mended: bool = False

    def push(self, endpoint: Endpoint, event: NumberedNotice, now: datetime) -> PushOutcome:
        MemoryReceiver.push(self, endpoint, event, now)
        return Taken() if self.mended else REFUSED


def test_what_is_refused_when_the_endpoint_is_disabled_is_not_given_up_but_kept() -> None:
    receiver = Broken()
    desk = Desk(receiver=receiver)
    desk.happen(ALICE, BOB, ALICE)
    while desk.state.disabled_at is None:
        desk.all()
        desk.clock.pass_by(timedelta(minutes=20))
    assert not any(isinstance(event, NoticeNotPushed) and event.given_up for event in desk.journal.events)
    assert desk.waiting() == 3
    receiver.mended = True
    receiver.got.clear()
    desk.enable()
    assert desk.all() == 3


def test_what_is_refused_by_one_that_was_disabled_meanwhile_is_not_given_up() -> None:
    desk = Desk(receiver=Broken())
    desk.happen(ALICE)
    desk.push()

    @dataclass
    class GoneForOthers(MemoryReceiver):
        def push(self, endpoint: Endpoint, event: NumberedNotice, now: datetime) -> PushOutcome:
            with desk.work.begin() as tx:
                tx.pushes.move(replace(desk.state, failing_since=None, disabled_at=now, problem="answered 410"))
            return REFUSED

    desk.receiver = GoneForOthers()
    desk.clock.pass_by(TRIED_FOR + SECOND)
    desk.push()
    assert (desk.waiting(), desk.state.disabled_at) == (1, desk.clock.now())
    assert not any(isinstance(event, EndpointDisabled) for event in desk.journal.events)


def test_one_that_takes_something_now_and_then_is_never_disabled() -> None:
    desk = Desk()
    for _ in range(10):
        desk.happen(ALICE)
        desk.outcomes(AWAY)
        desk.all()
        desk.clock.pass_by(DAY)
        desk.all()
    assert desk.state.disabled_at is None


def test_one_that_says_it_is_gone_is_disabled_at_once_and_what_it_did_not_take_is_kept() -> None:
    desk = Desk()
    desk.happen(ALICE)
    desk.outcomes(Gone(problem="answered 410"))
    assert desk.push() == 1
    assert desk.state.disabled_at == NOON
    assert isinstance(desk.journal.events[-1], EndpointDisabled)
    assert desk.waiting() == 1


def test_why_it_was_disabled_is_known_also_where_another_push_was_taken_meanwhile() -> None:
    desk = Desk()

    @dataclass
    class GoneForOthers(MemoryReceiver):
        def push(self, endpoint: Endpoint, event: NumberedNotice, now: datetime) -> PushOutcome:
            with desk.work.begin() as tx:
                tx.pushes.move(replace(desk.state, disabled_at=NOON, problem="answered 410"))
            return Taken()

    desk.receiver = GoneForOthers()
    desk.happen(ALICE)
    desk.push()
    assert (desk.state.disabled_at, desk.state.problem) == (NOON, "answered 410")


def test_what_two_learn_at_once_is_told_once() -> None:
    desk = Desk()

    @dataclass
    class SomebodyElseToo(MemoryReceiver):
        def push(self, endpoint: Endpoint, event: NumberedNotice, now: datetime) -> PushOutcome:
            state = desk.state
            with desk.work.begin() as tx:
                tx.pushes.move(EndpointState(id=state.id, position=state.position, due_at=NOON, disabled_at=NOON))
            return Gone(problem="answered 410")

    desk.receiver = SomebodyElseToo()
    desk.happen(ALICE)
    desk.push()
    assert not any(isinstance(event, EndpointDisabled) for event in desk.journal.events)


def test_one_that_was_disabled_since_it_was_looked_at_gets_nothing() -> None:
    def disable(tx: MemoryTransaction) -> None:
        for state in list(tx.pushes.state.endpoints.values()):
            tx.pushes.move(EndpointState(id=state.id, position=0, due_at=NOON, disabled_at=NOON))

    desk = Desk()
    desk.happen(ALICE)
    desk.numbers()
    desk.work = Rigged(rig=disable, state=desk.work.state)
    assert desk.push() == 0
    assert desk.got == []


def test_a_fault_of_our_own_is_told_and_the_event_is_tried_again() -> None:
    desk = Desk()
    desk.happen(ALICE)
    desk.receiver.fault = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        desk.push()
    desk.receiver.fault = None
    assert desk.all() == 0
    desk.clock.pass_by(FIRST_PAUSE)
    assert desk.all() == 1


def test_who_dies_over_an_event_leaves_it_to_another() -> None:
    desk = Desk()
    desk.happen(ALICE)
    desk.numbers()
    with desk.work.begin() as tx:
        tx.pushes.add("ep_all", tx.feed.after(0, limit=1), NOON)
        assert tx.pushes.claim("ep_all", NOON, at_once=1, lease=LEASE)
    assert desk.all() == 0
    desk.clock.pass_by(LEASE)
    assert desk.all() == 1


def test_no_more_than_so_many_are_taken_from_the_feed_and_the_others_wait_there() -> None:
    desk = Desk()
    desk.happen(*[ALICE] * (MOST_WAITING + 300))
    desk.outcomes(AWAY)
    for _ in range(20):
        desk.push()
    assert MOST_WAITING <= desk.waiting() < MOST_WAITING + 200
    desk.clock.pass_by(HOUR)
    assert desk.all() == MOST_WAITING + 300


def test_what_waits_behind_a_refused_event_of_its_user_holds_up_nobody_else() -> None:
    desk = Desk()
    desk.happen(*[ALICE] * (MOST_WAITING + 300), BOB)
    desk.receiver = Choosy(refused=desk.numbers()[0].sequence)
    for _ in range(10):
        desk.push()
    assert BOB in desk.got
    assert desk.got.count(ALICE) == 1
    assert desk.waiting() == MOST_WAITING + 300


def test_what_waits_behind_a_refused_event_of_its_user_has_a_limit_too() -> None:
    desk = Desk()
    desk.happen(*[ALICE] * (MOST_HELD_UP + 300))
    desk.receiver = Choosy(refused=desk.numbers()[0].sequence)
    for _ in range(MOST_HELD_UP // TAKEN_AT_ONCE + 10):
        desk.push()
    assert desk.got == [ALICE]
    assert desk.waiting() == MOST_HELD_UP


# What persons do ------------------------------------------------------------------------------------------------------


def test_one_that_is_enabled_gets_what_it_missed() -> None:
    desk = Desk()
    desk.happen(ALICE)
    desk.outcomes(Gone(problem="answered 410"))
    desk.push()
    desk.happen(BOB)
    assert desk.enable() == 1
    assert desk.all() == 2
    assert desk.got == [ALICE, ALICE, BOB]


def test_what_was_refused_before_is_tried_at_once_and_for_three_more_days_where_its_endpoint_is_enabled() -> None:
    desk = Desk()
    desk.happen(ALICE, ALICE)
    poison = desk.numbers()[0].sequence
    desk.receiver = Choosy(refused=poison)
    for _ in range(2 * 24):
        desk.all()
        desk.clock.pass_by(HOUR)
    tries = len(desk.receiver.got)
    desk.enable()
    assert desk.all() == 1
    assert len(desk.receiver.got) == tries + 1
    desk.clock.pass_by(FIRST_PAUSE)
    assert desk.all() == 1
    for _ in range(2 * 24):
        desk.happen(BOB)  # whom it takes
        desk.all()
        desk.clock.pass_by(HOUR)
    assert not any(isinstance(event, NoticeNotPushed) and event.given_up for event in desk.journal.events)


def test_one_that_is_enabled_may_skip_what_it_missed() -> None:
    desk = Desk()
    desk.happen(ALICE)
    desk.outcomes(Gone(problem="answered 410"))
    desk.push()
    desk.happen(BOB)
    assert desk.enable(skip=True) == 0
    assert desk.all() == 0


def test_events_are_replayed_by_their_numbers_as_far_as_they_were_taken_from_the_feed() -> None:
    desk = Desk()
    desk.happen(*[ALICE] * 250)
    desk.all()
    numbers = [event.sequence for event in desk.numbers()]
    assert desk.replay(numbers[9], numbers[-1]) == 240
    assert desk.all() == 240
    assert [event.sequence for event in desk.receiver.got[250:]] == numbers[10:]
    assert desk.replay(numbers[0], numbers[1]) == 1
    assert desk.replay(numbers[-1], numbers[-1]) == 0
    desk.happen(BOB)
    desk.numbers()
    assert desk.replay(numbers[-1], numbers[-1] + 9**9) == 0, "what comes by itself is not sent twice"


def test_no_more_than_so_many_are_replayed_at_once_and_it_is_said_how_to_go_on() -> None:
    desk = Desk()
    desk.happen(*[ALICE] * (MOST_REPLAYED + 150))
    desk.all()
    numbers = [event.sequence for event in desk.numbers()]
    with pytest.raises(InvalidRequest) as refused:
        desk.replay(0, 9**20)
    assert f"up to {numbers[MOST_REPLAYED - 1]} first" in str(refused.value)
    assert desk.waiting() == 0
    assert desk.replay(0, numbers[MOST_REPLAYED - 1]) == MOST_REPLAYED
    with pytest.raises(InvalidRequest):
        desk.replay(numbers[MOST_REPLAYED - 1], 9**20)
    assert desk.all() == MOST_REPLAYED
    assert desk.replay(numbers[MOST_REPLAYED - 1], 9**20) == 150


def test_only_wanted_events_count_where_many_are_replayed() -> None:
    desk = Desk(endpoint=Endpoint(id="ep_some", url="", secrets=(), types=frozenset({NoticeType.ENTITLEMENT_EXPIRED})))
    desk.happen(*[ALICE] * (MOST_REPLAYED + 150))
    desk.happen(BOB, kind=NoticeType.ENTITLEMENT_EXPIRED)
    desk.numbers()
    for _ in range(10):
        desk.push()
    assert desk.replay(0, 9**20) == 1


def test_events_from_before_an_endpoint_was_there_can_be_replayed_to_it() -> None:
    desk = Desk()
    desk.happen(ALICE)
    desk.numbers()
    new = Endpoint(id="ep_new", url="", secrets=())
    assert ReplayEvents(desk.work, desk.clock)(new, after=0, until=9**20) == 1


def test_what_was_given_up_can_be_replayed() -> None:
    desk = Desk()
    desk.happen(ALICE)
    (event,) = desk.numbers()
    desk.push()
    with desk.work.begin() as tx:
        tx.pushes.add("ep_all", [event], NOON)
        push = tx.pushes.claim("ep_all", NOON, at_once=9, lease=LEASE)
        assert push
        tx.pushes.give_up(push, NOON, "no")
    assert desk.replay(0, event.sequence) == 1
    assert desk.all() == 1


def test_nothing_is_replayed_to_one_that_is_disabled() -> None:
    desk = Desk()
    desk.happen(ALICE)
    desk.outcomes(Gone(problem="answered 410"))
    desk.push()
    with pytest.raises(Conflict):
        desk.replay(0, 9**20)


def test_a_decision_of_a_person_goes_on_the_trail_once_and_none_that_was_not_carried_out() -> None:
    desk = Desk()
    desk.happen(*[ALICE] * 250)
    desk.all()
    replay, enable = ReplayEvents(desk.work, desk.clock), EnableEndpoint(desk.work, desk.clock)
    replay(desk.endpoint, after=0, until=9**20, actor="olga")
    enable(desk.endpoint, actor="olga")
    enable(desk.endpoint, skip=True, actor="olga")
    desk.happen(ALICE)
    desk.outcomes(Gone(problem="answered 410"))
    desk.push()
    with pytest.raises(Conflict):
        replay(desk.endpoint, after=0, until=9, actor="olga")
    assert [(entry.kind, entry.actor, entry.note) for entry in desk.work.state.trail] == [
        ("events_replayed", "olga", f"ep_all, numbers above 0 up to {9**20}"),
        ("endpoint_enabled", "olga", "ep_all"),
        ("endpoint_enabled", "olga", "ep_all, what waited let go of"),
    ]
