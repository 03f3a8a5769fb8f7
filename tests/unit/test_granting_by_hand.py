"""A person may give access and end it, for a reason that stays on record; paid time is as safe as with a refund."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from application.access import Reason
from application.holding import hold_back
from application.messages import AccessGiven, AccessWithdrawn
from application.ports.entitlements import GrantKey
from application.ports.trail import TrailEntry
from domain.catalog import Plan
from domain.duration import LIFETIME, Duration
from domain.entitlement import Holding, give
from domain.errors import AlreadyEntitled, IdempotencyMismatch, NotFound, UnknownPlan
from domain.events import EntitlementGranted, EntitlementRevoked
from domain.ids import BotName, ChargeId, EntitlementId, PlanCode
from domain.payment import DisputeState
from tests.builders import (
    ALICE,
    BOB,
    DAY,
    FOR_LIFE,
    GOLD,
    MAIN,
    MONTH,
    SECOND_BOT,
    SILVER,
    Rigged,
    Service,
    catalog,
    charge,
    entitlement,
    invoice,
    refund,
    shop,
    standing,
    stripe_charge,
    stripe_invoice,
)
from tests.memory import NOON, MemoryTransaction

WEEK = timedelta(days=7)
TWO_DAYS = Duration.parse("2 days")


def month_after(start: datetime) -> datetime:
    end = MONTH.after(start)
    assert end is not None
    return end


# Granting -------------------------------------------------------------------------------------------------------------


def test_what_is_given_opens_the_door_at_once_and_says_who_gave_it_and_why() -> None:
    service = Service()

    given = service.grant()

    assert service.check(ALICE, "signals").expires_at == month_after(NOON)
    assert service.held(ALICE) == [given]
    assert (given.source, given.payment_id, given.granted_by, given.reason) == ("operator", None, "olga", "a gift")
    assert (given.features, given.limits, given.duration) == (GOLD.features, GOLD.limits, MONTH)
    assert service.state.trail == [
        TrailEntry(
            kind="entitlement_granted",
            bot=MAIN,
            at=NOON,
            user_id=ALICE,
            decision="granted",
            actor="olga",
            note="a gift",
            entitlement_id=given.id,
        )
    ]
    assert service.journal.events == [EntitlementGranted(entitlement=given, extends=False, actor="olga")]
    assert service.state.messages == [
        AccessGiven(plan=GOLD.title, starts_at=NOON, expires_at=month_after(NOON), extends=False)
    ]


@pytest.mark.parametrize("bought_first", [True, False], ids=["after a purchase", "before a purchase"])
def test_given_and_bought_time_follow_on_each_other(bought_first: bool) -> None:
    service = Service()
    service.keep(invoice())
    if bought_first:
        service.settle(charge())
        service.grant()
    else:
        service.grant()
        service.settle(charge())

    first, second = service.held(ALICE)

    assert (first.starts_at, first.expires_at) == (NOON, second.starts_at)
    assert second.expires_at == month_after(month_after(NOON))
    assert (first.source, second.source) == (("payment", "operator") if bought_first else ("operator", "payment"))


def test_more_of_a_plan_that_is_held_extends_it_from_its_end() -> None:
    service = Service()
    service.give(entitlement())

    given = service.grant(duration=TWO_DAYS)

    assert (given.starts_at, given.expires_at) == (month_after(NOON), month_after(NOON) + 2 * DAY)
    assert service.journal.events == [EntitlementGranted(entitlement=given, extends=True, actor="olga")]
    assert service.state.trail[-1].decision == "extended"
    [told] = service.state.messages
    assert isinstance(told, AccessGiven)
    assert told.extends


def test_a_plan_of_which_nothing_is_left_begins_anew() -> None:
    service = Service()
    service.give(entitlement(starts_at=NOON - 60 * DAY))

    assert service.grant().starts_at == NOON


@pytest.mark.parametrize(
    ("duration", "end"),
    [
        pytest.param(TWO_DAYS, NOON + 2 * DAY, id="for as long as was said"),
        pytest.param(LIFETIME, None, id="for life"),
        pytest.param(None, month_after(NOON), id="without a word, for as long as the plan lasts"),
    ],
)
def test_it_lasts(duration: Duration | None, end: datetime | None) -> None:
    assert Service().grant(duration=duration).expires_at == end


def test_nothing_follows_a_lifetime() -> None:
    service = Service()
    service.give(entitlement(FOR_LIFE))

    with pytest.raises(AlreadyEntitled):
        service.grant(FOR_LIFE)
    with pytest.raises(ValueError, match="lifetime"):
        give(
            GOLD,
            id=EntitlementId("ent_2"),
            user_id=ALICE,
            duration=MONTH,
            held=Holding(expires_at=None),
            now=NOON,
            by="olga",
            reason="a gift",
        )
    assert service.state.trail == []
    assert service.state.messages == []


def test_only_what_is_in_the_catalog_can_be_given() -> None:
    service = Service()

    with pytest.raises(UnknownPlan):
        service.grant(replace(GOLD, code=PlanCode("platinum")), key="k")
    assert service.state.grant_keys == {}, "the key can be used again"


def test_no_purchase_attempt_is_counted_and_none_stands_in_the_way() -> None:
    service = Service()

    for _ in range(9):
        service.grant(SILVER)

    assert service.state.attempts == {}
    assert service.check(ALICE, "signals").expires_at == NOON + 9 * WEEK


def test_whoever_is_given_something_is_locked_before_it_is_known_what_they_hold() -> None:
    begun: list[MemoryTransaction] = []
    service = Service(work=Rigged(rig=begun.append))

    service.grant(key="k")

    assert [tx.locked for tx in begun] == [[ALICE]]


# The same request again -----------------------------------------------------------------------------------------------


def test_the_same_key_with_the_same_gift_gives_the_same_answer_and_nothing_more() -> None:
    service = Service()

    first = service.grant(key="k")
    service.clock.pass_by(DAY)
    again = service.grant(key="k")

    assert again == first
    assert service.held(ALICE) == [first]
    assert len(service.state.trail) == len(service.state.messages) == len(service.journal.events) == 1


def test_also_when_it_was_ended_since_and_the_plan_is_gone() -> None:
    service = Service()
    first = service.grant(key="k")
    service.revoke(first)
    service.shop = shop(catalog=catalog(SILVER))

    assert service.grant(key="k") == first
    assert service.held(ALICE) == []


@pytest.mark.parametrize(
    "different",
    [
        pytest.param({"to": BOB}, id="another user"),
        pytest.param({"plan": SILVER}, id="another plan"),
        pytest.param({"duration": TWO_DAYS}, id="another duration"),
        pytest.param({"duration": MONTH}, id="the same duration, said"),
        pytest.param({"reason": "a gift "}, id="another reason"),
    ],
)
def test_the_same_key_with_another_gift_is_refused(different: dict[str, Any]) -> None:
    service = Service()
    service.grant(key="k")

    with pytest.raises(IdempotencyMismatch):
        service.grant(**different, key="k")
    assert len(service.state.entitlements) == 1


def test_another_s_key_or_none_stands_for_nothing() -> None:
    service = Service()
    other = GrantKey(caller="paul", key="k", fingerprint="x", entitlement_id=EntitlementId("ent_x"))
    service.state.grant_keys["paul", "k"] = other

    given = [service.grant(key=key) for key in ("k", "K", None, None)]

    assert len({one.id for one in given}) == 4


def test_a_key_without_its_grant_is_a_fault_of_ours_and_gives_nothing() -> None:
    service = Service()
    service.grant(key="k")
    service.state.entitlements.clear()

    with pytest.raises(AssertionError):
        service.grant(key="k")
    assert service.held(ALICE) == []


# Ending it ------------------------------------------------------------------------------------------------------------


def test_what_is_ended_shuts_the_door_at_once_and_says_who_ended_it_and_why() -> None:
    service = Service()
    given = service.grant()
    service.clock.pass_by(DAY)

    ended = service.revoke(given)

    assert ended == replace(given, revoked_at=NOON + DAY)
    assert not service.check(ALICE, "signals").allowed
    assert service.state.trail[-1] == TrailEntry(
        kind="entitlement_revoked",
        bot=MAIN,
        at=NOON + DAY,
        user_id=ALICE,
        decision="revoked",
        actor="olga",
        note="a mistake",
        entitlement_id=given.id,
    )
    assert service.journal.events[-1] == EntitlementRevoked(entitlement=ended, actor="olga")
    assert service.state.messages[-1] == AccessWithdrawn(plan=GOLD.title, ended=True)


def test_ending_it_again_changes_nothing_and_answers_the_same() -> None:
    service = Service()
    given = service.grant()
    ended = service.revoke(given)
    before = service.state.copy()
    service.clock.pass_by(DAY)

    assert service.revoke(given) == ended
    assert service.state == before
    assert len(service.journal.events) == 2


def test_what_is_over_by_itself_stays_as_it_is() -> None:
    service = Service()
    over = entitlement(SILVER, payment_id=None)
    service.give(over)
    service.clock.pass_by(WEEK)

    assert service.revoke(over) == over
    assert service.state.trail == []


def test_what_is_not_there_can_not_be_ended() -> None:
    with pytest.raises(NotFound):
        Service().revoke(entitlement())


def test_later_time_of_the_plan_moves_up_so_that_what_was_paid_for_is_neither_lost_nor_delayed() -> None:
    service = Service()
    service.keep(invoice())
    given = service.grant()
    service.settle(charge())
    service.clock.pass_by(DAY)

    service.revoke(given)

    [paid] = service.held(ALICE)
    assert (paid.source, paid.starts_at, paid.expires_at) == ("payment", NOON + DAY, month_after(NOON + DAY))
    assert service.state.messages[-1] == AccessWithdrawn(plan=GOLD.title, ended=False)


def test_a_grant_that_has_moved_up_is_ended_by_the_id_that_it_had() -> None:
    service = Service()
    first, second, third = (service.grant(SILVER) for _ in range(3))
    service.revoke(first)
    [moved, last] = service.held(ALICE)
    assert (moved.origin, last.origin) == (second.id, third.id)

    ended = service.revoke(second)

    assert ended == replace(moved, revoked_at=NOON)
    assert [(row.grant, row.starts_at) for row in service.held(ALICE)] == [(third.id, NOON)]
    assert service.revoke(second) == ended
    service.revoke(moved)
    assert len(service.held(ALICE)) == 1


def test_what_was_paid_for_can_be_ended_and_its_money_stays() -> None:
    service = Service()
    service.keep(invoice())
    [paid] = service.settle(charge()).values()
    [opened] = service.held(ALICE)

    service.revoke(opened)

    assert service.state.payments == {paid.charge.key: paid}
    assert not service.check(ALICE, "signals").allowed
    assert (service.state.trail[-1].charge_id, service.state.trail[-1].invoice_id) == (
        paid.charge.charge_id,
        paid.invoice_id,
    )
    service.refund(refund())
    assert not service.check(ALICE, "signals").allowed


def test_what_a_dispute_has_interrupted_does_not_go_on_once_it_was_ended() -> None:
    service = Service()
    service.keep(stripe_invoice())
    service.settle(stripe_charge())
    [opened] = service.held(ALICE)
    service.follow(standing(disputes={"dp_1": DisputeState.WITHDRAWN}))

    ended = service.revoke(opened)

    assert ended.revoked_at == NOON
    assert service.state.messages[-1] == AccessWithdrawn(plan=GOLD.title, ended=True)
    assert service.journal.events[-1] == EntitlementRevoked(entitlement=ended, actor="olga")
    service.follow(standing(disputes={"dp_1": DisputeState.WON}))
    assert service.held(ALICE) == []
    assert service.revoke(opened) == ended


def test_what_is_held_back_is_ended_for_good_and_other_time_stays() -> None:
    service = Service()
    service.keep(invoice())
    service.settle(charge())
    [opened] = service.held(ALICE)
    given = service.grant()
    with service.work.begin() as tx:
        hold_back(tx, charge().key, service.ids, NOON)

    service.revoke(opened)

    assert service.state.messages[-1] == AccessWithdrawn(plan=GOLD.title, ended=False)
    assert service.state.payments[charge().key].suspended is None
    assert [row.grant for row in service.held(ALICE)] == [given.id]


def test_what_still_opens_the_door_is_ended_also_where_a_clock_that_was_ahead_wrote_a_later_row() -> None:
    service = Service()
    first = entitlement(payment_id=None, revoked_at=NOON + 2 * DAY, moved_at=NOON + DAY)
    living = entitlement(payment_id=None, id=EntitlementId("ent_0"), origin=first.id, moved_at=NOON)
    service.give(first, living)

    service.revoke(first)

    assert service.held(ALICE) == []


@pytest.mark.parametrize("paid", [False, True], ids=["given", "paid for"])
def test_a_charge_and_then_whoever_holds_the_grant_is_locked_before_it_ends(paid: bool) -> None:
    service = Service()
    service.keep(invoice())
    if paid:
        service.settle(charge())
    else:
        service.grant()
    [opened] = service.held(ALICE)
    begun: list[MemoryTransaction] = []
    service.work = Rigged(state=service.state, rig=begun.append)

    service.revoke(opened)

    [tx] = begun
    assert list(dict.fromkeys(tx.locked)) == ([charge().key, ALICE] if paid else [ALICE])


def test_a_plan_that_is_no_longer_sold_is_told_by_its_code() -> None:
    service = Service(shop=shop(catalog=catalog(SILVER)))
    service.give(entitlement(payment_id=None))

    service.revoke(entitlement())

    assert service.state.messages == [AccessWithdrawn(plan=GOLD.code, ended=True)]


# Who is told, and how -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dealt_with", "bot", "language"),
    [
        pytest.param(None, MAIN, "en", id="nobody yet"),
        pytest.param(SECOND_BOT, SECOND_BOT, "pt-br", id="another bot, in Portuguese"),
        pytest.param(BotName("gone"), MAIN, "pt-br", id="a bot that is no longer ours"),
    ],
)
def test_the_user_is_told_by_the_bot_that_they_dealt_with_in_their_language(
    dealt_with: BotName | None, bot: BotName, language: str
) -> None:
    service = Service()
    if dealt_with:
        offered = invoice(SILVER, bot=dealt_with, language="pt-br")
        service.keep(offered)
        service.settle(charge(offered, charge_id=ChargeId("first")))

    given = service.grant()

    letter = service.state.outbox[-1].letter
    assert (letter.bot, letter.chat_id, letter.language) == (bot, ALICE, language)
    service.revoke(given)
    assert service.state.outbox[-1].letter.bot == bot


def test_what_others_dealt_with_is_nothing_to_the_user() -> None:
    service = Service()
    offered = invoice(SILVER, payer=BOB, bot=SECOND_BOT, language="pt-br")
    service.keep(offered)
    service.settle(charge(offered))

    service.grant()

    letter = service.state.outbox[-1].letter
    assert (letter.bot, letter.language) == (MAIN, "en")


def test_the_language_is_that_of_the_last_invoice_whatever_happened_since() -> None:
    service = Service()
    offered = invoice(SILVER, language="pt-br")
    service.keep(offered)
    service.settle(charge(offered))

    for _ in range(2):
        service.grant()

    assert service.state.outbox[-1].letter.language == "pt-br"


def test_what_was_given_is_explained_by_who_gave_it() -> None:
    service = Service()
    plan: Plan = SILVER
    given = service.grant(plan)

    _, because = service.explain(ALICE, "signals")

    assert because == [Reason(entitlement=given, payment=None)]
