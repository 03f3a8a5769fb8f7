"""What every place that keeps entitlements must do, in memory as in a database."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from application.ports.entitlements import DoubleGrant, GrantKey
from application.ports.work import UnitOfWork
from domain.duration import END_OF_TIME, Duration
from domain.entitlement import Entitlement
from domain.ids import ChargeId, EntitlementId, PaymentId
from tests.builders import ALICE, BOB, FOR_LIFE, MALLORY, SILVER, charge, entitlement, payment
from tests.integration.transactions import keep_paid, undone
from tests.memory import NOON

pytest_plugins = ["tests.integration.databases"]

PAID = payment().id
SECOND = timedelta(seconds=1)


def by_operator(name: str = "ent_1", **different: Any) -> Entitlement:
    return entitlement(name=name, payment_id=None, **different)


def keep(work: UnitOfWork, *entitlements: Entitlement) -> None:
    with work.begin() as tx:
        tx.entitlements.add(entitlements)


@pytest.mark.threat(29)
@pytest.mark.parametrize(
    "granted",
    [
        pytest.param(by_operator(), id="by an operator"),
        pytest.param(entitlement(payment_id=PAID), id="paid for"),
        pytest.param(entitlement(FOR_LIFE, payment_id=None), id="for life"),
        pytest.param(entitlement(SILVER, payment_id=None, features=(), limits={}), id="that opens nothing"),
        pytest.param(by_operator(expires_at=END_OF_TIME), id="until the end of time"),
        pytest.param(by_operator(revoked_at=NOON), id="ended"),
        pytest.param(by_operator(duration=Duration.read("86401 seconds")), id="that is the rest of another"),
        pytest.param(by_operator(origin=EntitlementId("ent_0"), moved_at=NOON), id="that has moved up"),
        pytest.param(by_operator(granted_by="olga \0\ud800", reason="=cmd '; DROP TABLE x; --\\"), id="with a reason"),
    ],
)
def test_an_entitlement_comes_back_as_it_was_kept(work: UnitOfWork, granted: Entitlement) -> None:
    keep_paid(work)
    keep(work, granted)
    with work.look() as tx:
        assert list(tx.entitlements.of_user(ALICE)) == [granted]
        assert tx.entitlements.get(granted.id) == granted


def test_an_entitlement_that_is_not_there_is_none(work: UnitOfWork) -> None:
    with work.look() as tx:
        assert tx.entitlements.get(EntitlementId("ent_none")) is None


def test_held_is_what_is_open_or_still_to_come_and_was_not_ended(work: UnitOfWork) -> None:
    keep(
        work,
        by_operator("over", starts_at=NOON - timedelta(days=60), expires_at=NOON),
        by_operator("last second", starts_at=NOON - timedelta(days=60), expires_at=NOON + SECOND),
        by_operator("to come", starts_at=NOON + timedelta(days=60), expires_at=NOON + timedelta(days=90)),
        by_operator("ended", revoked_at=NOON - SECOND),
        by_operator("ended tomorrow", revoked_at=NOON + timedelta(days=1)),
        by_operator("for life", expires_at=None),
        by_operator("of bob", user_id=BOB),
        by_operator("of mallory", user_id=MALLORY),
    )
    with work.look() as tx:
        held = tx.entitlements.held_by([ALICE, BOB, ALICE], NOON)
    assert {user: [e.id for e in rows] for user, rows in held.items()} == {
        ALICE: ["last second", "for life", "to come"],
        BOB: ["of bob"],
    }


def test_all_that_a_user_ever_had_is_told_latest_start_first(work: UnitOfWork) -> None:
    rows = [by_operator(f"ent_{n}", starts_at=NOON + n * timedelta(days=1), expires_at=None) for n in range(3)]
    keep(work, rows[1], rows[0], rows[2], by_operator("of bob", user_id=BOB))
    with work.look() as tx:
        assert list(tx.entitlements.of_user(ALICE)) == [rows[2], rows[1], rows[0]]
        assert list(tx.entitlements.of_user(MALLORY)) == []


@pytest.mark.criterion("5.5")
def test_a_payment_never_has_two_grants_that_were_not_ended(work: UnitOfWork) -> None:
    keep_paid(work)
    keep(work, entitlement(payment_id=PAID))
    with pytest.raises(DoubleGrant), work.begin() as tx:
        tx.entitlements.add([by_operator("innocent"), entitlement(name="ent_2", payment_id=PAID)])
    with work.look() as tx:
        assert [e.id for e in tx.entitlements.of_user(ALICE)] == ["ent_1"]


def test_two_grants_of_one_payment_in_one_batch_are_refused(work: UnitOfWork) -> None:
    keep_paid(work)
    with pytest.raises(DoubleGrant), work.begin() as tx:
        tx.entitlements.add([entitlement(payment_id=PAID), entitlement(name="ent_2", payment_id=PAID)])


def test_what_was_ended_makes_room_for_the_row_that_moves_up(work: UnitOfWork) -> None:
    keep_paid(work)
    granted = entitlement(payment_id=PAID)
    keep(work, granted)
    with work.begin() as tx:
        tx.entitlements.end([replace(granted, revoked_at=NOON + SECOND)])
        assert tx.entitlements.living_of(PAID) is None
        tx.entitlements.add([entitlement(name="ent_2", payment_id=PAID)])
    with work.look() as tx:
        assert tx.entitlements.living_of(PAID) == entitlement(name="ent_2", payment_id=PAID)
        assert tx.entitlements.living_of(PaymentId("pay_unknown")) is None


def test_of_several_payments_it_is_told_at_once_what_each_opened_that_was_not_ended(work: UnitOfWork) -> None:
    paid = [one.id for one in keep_paid(work, *(charge(charge_id=ChargeId(f"c{n}")) for n in range(3)))]
    living = entitlement(name="living", payment_id=paid[0])
    keep(work, living, entitlement(name="ended", payment_id=paid[1], revoked_at=NOON), by_operator("given"))
    with work.look() as tx:
        assert tx.entitlements.opened_by([*paid, PaymentId("pay_none")]) == {paid[0]: living}
        assert tx.entitlements.opened_by([]) == {}


def test_a_key_stands_for_what_its_caller_first_took_it_for(work: UnitOfWork) -> None:
    first = GrantKey(caller="olga", key="k", fingerprint="f", entitlement_id=EntitlementId("ent_1"))
    second = replace(first, fingerprint="g", entitlement_id=EntitlementId("ent_2"))
    others = [
        replace(second, caller="paul"),
        replace(second, key="K"),
        replace(second, caller="olg", key="ak"),
        replace(second, caller="x" * 9000, key="\0\ud800\\u0000"),
    ]
    with work.begin() as tx:
        assert tx.grant_keys.take(first, NOON) == first
        assert tx.grant_keys.take(second, NOON) == first
    with work.begin() as tx:
        assert tx.grant_keys.take(second, NOON) == first
        for other in others:
            assert tx.grant_keys.take(other, NOON) == other
            assert tx.grant_keys.take(replace(other, fingerprint="h"), NOON) == other


def test_a_key_that_was_taken_in_vain_is_free(work: UnitOfWork) -> None:
    first = GrantKey(caller="olga", key="k", fingerprint="f", entitlement_id=EntitlementId("ent_1"))
    with undone(work) as tx:
        tx.grant_keys.take(first, NOON)
    with work.begin() as tx:
        second = replace(first, fingerprint="g")
        assert tx.grant_keys.take(second, NOON) == second


def test_many_gifts_need_no_payment(work: UnitOfWork) -> None:
    keep(work, *(by_operator(f"ent_{n}") for n in range(40)))
    with work.look() as tx:
        assert len(tx.entitlements.held_by([ALICE], NOON)[ALICE]) == 40


def test_several_end_at_once_each_at_its_time_and_only_once(work: UnitOfWork) -> None:
    keep(work, by_operator("a"), by_operator("b"), by_operator("c"))
    for later in range(2):
        with work.begin() as tx:
            tx.entitlements.end(
                [by_operator(name, revoked_at=NOON + timedelta(hours=n + 5 * later)) for n, name in enumerate("ab")]
            )
    with work.look() as tx:
        ended = {e.id: e.revoked_at for e in tx.entitlements.of_user(ALICE)}
    assert ended == {"a": NOON, "b": NOON + timedelta(hours=1), EntitlementId("c"): None}


def test_those_that_were_revoked_of_late_are_found_whoever_held_them_the_earliest_first(work: UnitOfWork) -> None:
    keep(
        work,
        by_operator("too early", revoked_at=NOON - timedelta(microseconds=1)),
        by_operator("later", revoked_at=NOON + SECOND, user_id=BOB),
        by_operator("just", revoked_at=NOON),
        by_operator("ahead", revoked_at=NOON + timedelta(days=1)),
        by_operator("never"),
        by_operator("over by itself", starts_at=NOON - timedelta(days=60), expires_at=NOON + SECOND),
    )
    with work.look() as tx:
        assert list(tx.entitlements.revoked_since(NOON, at_most=9)) == ["just", "later", "ahead"]
        assert list(tx.entitlements.revoked_since(NOON, at_most=2)) == ["just", "later"]
        assert list(tx.entitlements.revoked_since(NOON + timedelta(days=2), at_most=9)) == []


def test_nothing_is_asked_of_the_database_for_no_entitlements(work: UnitOfWork) -> None:
    with work.begin() as tx:
        assert tx.entitlements.held_by([], NOON) == {}
        tx.entitlements.add([])
        tx.entitlements.end([])
