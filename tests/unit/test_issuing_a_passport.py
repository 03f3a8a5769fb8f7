"""A passport never says more than is held, nor for longer; and whatever in it ends early is told to all."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.passports import MOST_LISTED, IssuePassport, ListRevocations
from application.ports.passports import PassportSigner
from domain.access import check
from domain.entitlement import Entitlement
from domain.errors import Unavailable
from domain.ids import ChargeId, EntitlementId, PassportId, UserId
from domain.passport import COMMITTED_WITHIN, GOOD_FOR, Passport, Revocations, issue, listed_since, mark
from domain.payment import DisputeState
from entrypoints.http.passports import MADE_ANEW_AFTER, RevocationDesk
from tests.builders import (
    ALICE,
    BOB,
    DAY,
    HOUR,
    MALLORY,
    Service,
    charge,
    entitlement,
    invoice,
    invoice_id,
    refund,
    standing,
    stripe_charge,
    stripe_invoice,
)
from tests.memory import NOON

SOME = PassportId("pas_1")
MINUTE = timedelta(minutes=1)
HALF = timedelta(milliseconds=500)
BLINK = timedelta(milliseconds=1)


@dataclass(slots=True)
class NotedSigner(PassportSigner):
    """Signs by a stroke of the pen, and remembers what."""

    passports: list[Passport] = field(default_factory=list)
    lists: list[Revocations] = field(default_factory=list)

    def passport(self, passport: Passport) -> str:
        self.passports.append(passport)
        return f"signed {passport.id}"

    def revocations(self, revocations: Revocations) -> str:
        self.lists.append(revocations)
        return f"signed {len(revocations.marks)}"


def passport(*held: Entitlement, now: datetime = NOON) -> Passport:
    return issue(held, id=SOME, user_id=ALICE, now=now)


def right(name: str = "a", start: timedelta = -DAY, end: timedelta | None = 30 * DAY, **different: Any) -> Entitlement:
    """Gold, from and until a time counted from noon."""
    expires_at = None if end is None else NOON + end
    return entitlement(name=name, payment_id=None, starts_at=NOON + start, expires_at=expires_at, **different)


def listed(service: Service, asked: datetime | None = None) -> Sequence[str]:
    signer = NotedSigner()
    ListRevocations(service.work, service.clock, signer)(asked)
    return signer.lists[0].marks


class TestWhatItSays:
    def test_what_is_held_for_three_hundred_seconds(self) -> None:
        assert passport(right()) == Passport(
            id=SOME,
            user_id=ALICE,
            issued_at=NOON,
            expires_at=NOON + timedelta(seconds=300),
            features=("signals", "copy_trading"),
            limits={"max_devices": 3},
            rights=(mark(EntitlementId("a")),),
        )

    def test_who_holds_nothing_gets_one_that_says_so(self) -> None:
        said = passport()

        assert (said.features, said.limits, said.rights) == ((), {}, ())
        assert said.expires_at == NOON + GOOD_FOR

    def test_each_limit_is_the_highest_that_is_held(self) -> None:
        said = passport(
            right("a", limits={"max_devices": 3, "rooms": 1}), right("b", limits={"max_devices": 2, "rooms": 9})
        )

        assert said.limits == {"max_devices": 3, "rooms": 9}
        assert said.features == ("signals", "copy_trading")

    @pytest.mark.parametrize(
        "not_held",
        [
            pytest.param(right(start=MINUTE), id="begins in a minute"),
            pytest.param(right(end=timedelta(0)), id="ends just now"),
            pytest.param(right(revoked_at=NOON - DAY), id="was taken away"),
            pytest.param(right(revoked_at=NOON + DAY), id="was taken away by a clock that is ahead"),
        ],
    )
    def test_nothing_that_is_not_held_now(self, not_held: Entitlement) -> None:
        assert passport(not_held).features == ()

    def test_its_times_are_whole_seconds(self) -> None:
        said = passport(right(), now=NOON + HALF)

        assert (said.issued_at, said.expires_at) == (NOON, NOON + GOOD_FOR)


class TestHowLongItHolds:
    @pytest.mark.parametrize(
        ("end", "expires"),
        [
            pytest.param(timedelta(seconds=299), timedelta(seconds=299), id="a second before"),
            pytest.param(timedelta(seconds=299) + HALF, timedelta(seconds=299), id="half a second before"),
            pytest.param(GOOD_FOR, GOOD_FOR, id="with it"),
            pytest.param(timedelta(seconds=1), timedelta(seconds=1), id="after a second"),
            pytest.param(timedelta(seconds=1) + HALF, timedelta(seconds=1), id="after a second and a half"),
            pytest.param(None, GOOD_FOR, id="never"),
        ],
    )
    def test_it_never_outlives_a_right_in_it_that_ends(self, end: timedelta | None, expires: timedelta) -> None:
        assert passport(right(end=end)).expires_at == NOON + expires

    def test_the_first_feature_to_end_ends_it(self) -> None:
        said = passport(right("a", features=("one",), end=2 * MINUTE), right("b", features=("two",), end=MINUTE))

        assert said.features == ("one", "two")
        assert said.expires_at == NOON + MINUTE

    def test_so_does_a_limit_that_falls(self) -> None:
        said = passport(right("a", limits={"rooms": 9}, end=MINUTE), right("b", limits={"rooms": 3}))

        assert said.limits == {"rooms": 9}
        assert said.expires_at == NOON + MINUTE

    def test_so_does_a_limit_that_is_there_no_more(self) -> None:
        assert passport(right("a", end=MINUTE), right("b", limits={})).expires_at == NOON + MINUTE

    def test_what_another_right_gives_as_well_is_not_missed(self) -> None:
        assert passport(right("a", end=MINUTE), right("b")).expires_at == NOON + GOOD_FOR

    def test_a_renewal_that_begins_where_a_span_ends_leaves_no_gap(self) -> None:
        said = passport(right("a", end=MINUTE), right("b", start=MINUTE))

        assert said.expires_at == NOON + GOOD_FOR
        assert said.rights == (mark(EntitlementId("a")), mark(EntitlementId("b")))

    def test_nor_in_the_last_moment_of_the_span(self) -> None:
        said = passport(right("a", end=HALF), right("b", start=HALF), now=NOON + HALF - BLINK)

        assert said.features == ("signals", "copy_trading")
        assert said.expires_at == NOON + GOOD_FOR

    def test_what_ends_before_the_next_second_is_left_out(self) -> None:
        ending = right("a", features=("one", "two"), limits={"rooms": 9, "seats": 4}, end=HALF)
        said = passport(ending, right("b", features=("two",), limits={"rooms": 3}))

        assert (said.features, said.limits) == (("two",), {"rooms": 3})
        assert said.expires_at == NOON + GOOD_FOR

    @given(data=st.data())
    def test_at_every_moment_of_its_life_all_that_it_says_is_so(self, data: st.DataObject) -> None:
        times = st.integers(-2000, 400_000).map(lambda ms: timedelta(milliseconds=ms))
        held = []
        for number in range(data.draw(st.integers(0, 5))):
            start, end = sorted([data.draw(times), data.draw(times)])
            limits = data.draw(st.dictionaries(st.sampled_from(["rooms", "seats"]), st.integers(0, 3)))
            features = tuple(data.draw(st.sets(st.sampled_from(["one", "two", "three"]))))
            held.append(right(str(number), start, end + BLINK, features=features, limits=limits))
        now = NOON + data.draw(st.integers(0, 2000).map(lambda ms: timedelta(milliseconds=ms)))

        said = passport(*held, now=now)

        assert now < said.expires_at <= said.issued_at + GOOD_FOR
        ends = {e.expires_at for e in held if e.expires_at}
        moments = {now, said.expires_at - BLINK, *(t for end in ends for t in (end, end - BLINK))}
        for moment in (moment for moment in moments if now <= moment < said.expires_at):
            assert all(check(held, feature, moment).allowed for feature in said.features)
            for name, limit in said.limits.items():
                assert limit <= max(e.limits.get(name, -1) for e in held if e.active(moment))
            assert {mark(e.id) for e in held if e.active(moment)} <= set(said.rights)


class TestAskingForOne:
    @pytest.mark.threat(22)
    def test_it_is_about_who_asks_and_nobody_else(self) -> None:
        service, signer = Service(), NotedSigner()
        service.give(right("a"), right("b", user_id=BOB, features=("bobs_room",)))
        issued = IssuePassport(service.work, service.clock, service.ids, signer)

        said, token = issued(ALICE)
        assert (said.user_id, said.rights, token) == (ALICE, (mark(EntitlementId("a")),), f"signed {said.id}")
        assert issued(BOB)[0].features == ("bobs_room",)
        assert issued(MALLORY)[0].features == ()
        assert len({one.id for one in signer.passports}) == 3


class TestWhatEndedEarly:
    @pytest.mark.parametrize(
        "end",
        [
            pytest.param(lambda service: service.refund(refund(stripe_charge())), id="given back"),
            pytest.param(
                lambda service: service.follow(standing(disputes={"dp": DisputeState.WITHDRAWN})),
                id="in a dispute that has taken the money",
            ),
        ],
    )
    def test_a_right_is_listed_by_the_mark_that_its_passports_bear(self, end: Callable[[Service], None]) -> None:
        service = Service()
        service.keep(stripe_invoice())
        service.settle(stripe_charge())
        said = passport(*service.held(ALICE))
        assert said.rights
        assert list(listed(service)) == []
        service.clock.pass_by(MINUTE)
        end(service)

        assert list(listed(service)) == list(said.rights)
        assert passport(*service.held(ALICE)).rights == ()

    def test_time_that_moves_up_is_in_the_next_passport(self) -> None:
        service = Service()
        service.keep(invoice(), invoice(id=invoice_id(2)))
        first, second = charge(), charge(invoice(id=invoice_id(2)), charge_id=ChargeId("second"))
        service.settle(first)
        service.settle(second)
        before = passport(*service.held(ALICE))
        service.refund(refund(first))
        after = passport(*service.held(ALICE))

        assert set(before.rights) <= set(listed(service))
        assert after.features == before.features
        assert not set(after.rights) & set(listed(service))

    def test_it_is_listed_until_no_passport_with_it_lives_and_not_for_ever(self) -> None:
        service = Service()
        service.give(right("a", revoked_at=NOON))
        kept = 0
        while listed(service):
            service.clock.pass_by(MINUTE)
            kept += 1

        assert timedelta(minutes=kept) > GOOD_FOR + COMMITTED_WITHIN

    @pytest.mark.parametrize(
        ("asked", "since"),
        [
            pytest.param(None, NOON - GOOD_FOR - COMMITTED_WITHIN, id="never before"),
            pytest.param(NOON - DAY, NOON - GOOD_FOR - COMMITTED_WITHIN, id="yesterday"),
            pytest.param(datetime.min.replace(tzinfo=NOON.tzinfo), NOON - GOOD_FOR - COMMITTED_WITHIN, id="long ago"),
            pytest.param(NOON - MINUTE, NOON - MINUTE - COMMITTED_WITHIN, id="a minute ago"),
            pytest.param(NOON + HOUR, NOON - COMMITTED_WITHIN, id="by a clock that is ahead"),
        ],
    )
    def test_it_begins_well_before_it_was_last_asked_for(self, asked: datetime | None, since: datetime) -> None:
        assert listed_since(asked, NOON) == since

    def test_it_says_from_when_on_and_is_good_for_a_minute(self) -> None:
        service, signer = Service(), NotedSigner()
        service.clock.time += HALF
        service.give(right("a", revoked_at=NOON), right("b", revoked_at=NOON - DAY))
        told, token = ListRevocations(service.work, service.clock, signer)(NOON - MINUTE)

        assert token == "signed 1"
        assert told == Revocations(
            since=NOON - MINUTE - COMMITTED_WITHIN,
            issued_at=NOON,
            expires_at=NOON + MINUTE,
            marks=(mark(EntitlementId("a")),),
        )

    def test_the_whole_list_is_made_anew_after_two_seconds_however_many_ask_for_it(self) -> None:
        service, signer = Service(), NotedSigner()
        desk = RevocationDesk(
            clock=service.clock, list_revocations=ListRevocations(service.work, service.clock, signer)
        )
        assert [desk(None)[1] for _ in range(100)] == ["signed 0"] * 100
        service.give(right("a", revoked_at=NOON))
        service.clock.time += MADE_ANEW_AFTER - BLINK
        assert desk(None)[1] == "signed 0"
        assert desk(NOON)[1] == "signed 1", "with since it is never an old one"
        service.clock.time += BLINK
        assert desk(None)[1] == "signed 1"
        assert len(signer.lists) == 3

    def test_a_list_of_a_clock_that_was_set_back_since_is_not_kept(self) -> None:
        service, signer = Service(), NotedSigner()
        desk = RevocationDesk(
            clock=service.clock, list_revocations=ListRevocations(service.work, service.clock, signer)
        )
        desk(None)
        service.clock.time -= HOUR
        assert desk(None)[0].issued_at == NOON - HOUR

    def test_it_is_refused_rather_than_told_in_part(self) -> None:
        service = Service()
        ended = [replace(right(f"ent_{n}"), revoked_at=NOON) for n in range(MOST_LISTED + 1)]
        service.give(*ended[1:])
        assert len(listed(service)) == MOST_LISTED
        service.give(ended[0])
        with pytest.raises(Unavailable):
            listed(service)

    @pytest.mark.threat(52)
    def test_a_mark_says_nothing_of_whose_it_is(self) -> None:
        marks = {mark(e.id) for user in (ALICE, BOB) for e in (entitlement(user_id=UserId(user), name="ent_1"),)}

        assert len(marks) == 1
        assert re.fullmatch(r"[A-Za-z0-9_-]{16}", marks.pop())
        assert mark(EntitlementId("ent_2")) != mark(EntitlementId("ent_1"))
