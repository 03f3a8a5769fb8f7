"""Other services are told what became of each invoice, payment and span: once, in order, and in the same commit."""

import pytest

from application.feed import NoteEnds, ReadFeed
from application.ports.feed import NumberedNotice
from application.ports.outcomes import Rejected
from domain.duration import END_OF_TIME
from domain.entitlement import Entitlement, expires
from domain.errors import Unavailable
from domain.events import CommandAnswered, EntitlementExpired, PaymentGranted, RefundFailed
from domain.ids import EntitlementId
from domain.notices import Notice, notices
from domain.payment import DisputeState
from tests.builders import (
    ALICE,
    BOB,
    DAY,
    FOR_LIFE,
    GOLD,
    HOUR,
    MALLORY,
    SECOND,
    SILVER,
    Rigged,
    Service,
    charge,
    entitlement,
    invoice,
    invoice_id,
    payment,
    refund,
    standing,
    stars,
    stripe_charge,
    stripe_invoice,
)
from tests.memory import NOON, MemoryTransaction


def told(service: Service) -> list[str]:
    return [notice.type.value for notice in service.state.notices]


def last(service: Service) -> Notice:
    return service.state.notices[-1]


def bought(service: Service, number: int = 1) -> None:
    """Gold for a month, by one more charge."""
    another = invoice(id=invoice_id(number))
    service.keep(another)
    service.settle(charge(another, charge_id=f"charge-{number}"))


def note_ends(service: Service) -> int:
    return NoteEnds(work=service.work, clock=service.clock, journal=service.journal)()


# What becomes of a payment --------------------------------------------------------------------------------------------


def test_a_payment_that_is_granted_is_settled_and_what_it_opened_is_granted() -> None:
    service = Service()
    bought(service)

    assert told(service) == ["payment.settled", "entitlement.granted"]
    paid, opened = service.state.notices
    assert (paid.user_id, paid.at, opened.user_id, opened.at) == (ALICE, NOON, ALICE, NOON)
    assert paid.data == {
        "payment_id": "pay_00000000000000000000000000000001",
        "invoice_id": invoice_id(),
        "plan_code": "gold_1m",
        "method": "stars",
        "amount": 1250,
        "currency": "XTR",
        "status": "granted",
        "charge_id": "charge-1",
        "quarantine_reason": None,
        "paid_at": "2026-11-22T12:01:00Z",
        "refunded_at": None,
    }
    assert opened.data == {
        "entitlement_id": "ent_00000000000000000000000000000001",
        "plan_code": "gold_1m",
        "features": ("signals", "copy_trading"),
        "limits": {"max_devices": 3},
        "granted_at": "2026-11-22T12:00:00Z",
        "starts_at": "2026-11-22T12:00:00Z",
        "expires_at": "2026-12-22T12:00:00Z",
        "revoked_at": None,
        "source": "payment",
        "payment_id": "pay_00000000000000000000000000000001",
    }


def test_a_plan_that_is_held_is_extended() -> None:
    service = Service()
    bought(service)
    bought(service, 2)
    assert told(service)[2:] == ["payment.settled", "entitlement.extended"]


def test_a_repeat_is_told_to_nobody() -> None:
    service = Service()
    bought(service)
    service.settle(charge())
    assert len(told(service)) == 2


def test_a_payment_that_grants_nothing_is_quarantined() -> None:
    service = Service()
    service.keep(invoice())
    service.settle(charge(paid=stars(1)))
    assert told(service) == ["payment.quarantined"]
    assert last(service).data["quarantine_reason"] == "amount_mismatch"


def test_a_payment_by_somebody_else_is_told_of_who_paid() -> None:
    service = Service()
    service.keep(invoice())
    service.settle(charge(payer=MALLORY))
    assert last(service).user_id == MALLORY


def test_a_charge_whose_refund_came_first_is_refunded_at_once() -> None:
    service = Service()
    service.keep(invoice())
    service.refund(refund())
    assert told(service) == []
    service.settle(charge())
    assert told(service) == ["payment.refunded"]


def test_a_refund_is_told_of_before_the_end_of_its_span_and_of_what_moves_up() -> None:
    service = Service()
    bought(service)
    bought(service, 2)
    service.clock.pass_by(DAY)
    service.refund(refund(), refund())

    assert told(service)[4:] == [
        "payment.refunded",
        "entitlement.revoked",
        "entitlement.revoked",
        "entitlement.granted",
    ]
    _, first, before, after = service.state.notices[4:]
    assert first.data["revoked_at"] == "2026-11-23T12:00:00Z"
    assert "replaced_by" not in first.data
    assert before.data["replaced_by"] == after.data["entitlement_id"]
    assert after.data["replaces"] == before.data["entitlement_id"]
    assert after.data["starts_at"] == "2026-11-23T12:00:00Z"


def test_of_three_spans_the_last_still_extends_once_it_has_moved_up() -> None:
    service = Service()
    for number in (1, 2, 3):
        bought(service, number)
    service.refund(refund())
    assert told(service)[8:] == [
        "entitlement.revoked",
        "entitlement.granted",
        "entitlement.revoked",
        "entitlement.extended",
    ]


def test_a_dispute_suspends_and_what_is_left_is_restored() -> None:
    service = Service()
    service.keep(stripe_invoice())
    service.settle(stripe_charge())
    service.follow(standing(disputes={"dp_1": DisputeState.WITHDRAWN}), standing(disputes={"dp_1": DisputeState.WON}))
    assert told(service)[2:] == ["entitlement.suspended", "entitlement.restored"]
    service.follow(standing(amount_refunded=1, disputes={"dp_1": DisputeState.WON}))
    assert len(told(service)) == 4, "a part that went back is no refund"


def test_what_waits_to_go_back_by_itself_is_told_of_once_it_has_or_will_not() -> None:
    for outcome, after in ((None, "payment.refunded"), (Rejected(problem="no"), "payment.quarantined")):
        service = Service(automatic_refunds_per_hour=1)
        service.keep(invoice())
        service.settle(charge(payer=MALLORY))
        assert told(service) == []
        service.refunder.outcomes.extend([outcome] if outcome else [])
        service.carry_refunds()
        assert told(service) == [after]


def test_a_refund_that_fails_leaves_a_granted_payment_as_it_was_told() -> None:
    assert notices([RefundFailed(payment=payment(), problem="no")], NOON) == []


def test_what_a_person_grants_is_settled_and_opens_for_whom_they_say() -> None:
    service = Service()
    service.keep(invoice())
    (held,) = service.settle(charge(paid=stars(1))).values()
    service.resolve(held, user_id=BOB)
    assert told(service)[1:] == ["payment.settled", "entitlement.granted"]
    assert [notice.user_id for notice in service.state.notices[1:]] == [ALICE, BOB]


def test_what_is_given_by_hand_is_told_as_what_is_bought_and_its_end_too() -> None:
    service = Service()
    first = service.grant()
    second = service.grant()
    service.revoke(first)

    assert told(service) == [
        "entitlement.granted",
        "entitlement.extended",
        "entitlement.revoked",
        "entitlement.revoked",
        "entitlement.granted",
    ]
    assert service.state.notices[3].data["entitlement_id"] == second.id
    assert last(service).data["replaces"] == second.id


def test_who_is_given_a_plan_anew_is_told_first_that_the_old_span_is_over() -> None:
    service = Service()
    given = service.grant()
    assert given.expires_at is not None
    service.clock.time = given.expires_at + SECOND

    service.grant()

    assert told(service) == ["entitlement.granted", "entitlement.expired", "entitlement.granted"]


def test_what_is_only_the_operator_s_business_is_told_to_nobody() -> None:
    assert notices([CommandAnswered(name="help", user_id=ALICE)], NOON) == []


def test_what_is_undone_is_told_to_nobody() -> None:
    service = Service()
    service.keep(invoice())
    service.work.broken = True
    with pytest.raises(Unavailable):
        service.settle(charge())
    assert told(service) == []


# The end of a span ----------------------------------------------------------------------------------------------------


def test_a_span_that_nothing_follows_expires_once_and_at_its_end() -> None:
    service = Service()
    bought(service)
    end = service.held(ALICE)[0].expires_at
    assert end is not None
    service.clock.time = end - SECOND
    assert note_ends(service) == 0
    service.clock.time = end + DAY

    assert note_ends(service) == 1
    assert note_ends(service) == 0

    assert told(service)[2:] == ["entitlement.expired"]
    assert last(service).at == end
    assert service.journal.events[-1] == EntitlementExpired(entitlement=service.held(ALICE)[0])


def test_whose_span_is_over_is_locked_before_that_is_told() -> None:
    service = Service()
    bought(service)
    service.clock.time = NOON + 60 * DAY
    begun: list[MemoryTransaction] = []
    service.work = Rigged(state=service.state, rig=begun.append)

    note_ends(service)

    assert [tx.locked for tx in begun] == [[ALICE]]


def test_a_span_that_was_extended_does_not_expire_and_its_extension_does() -> None:
    service = Service()
    bought(service)
    bought(service, 2)
    first, second = service.held(ALICE)
    for span, expected in ((first, []), (second, ["entitlement.expired"])):
        assert span.expires_at is not None
        service.clock.time = span.expires_at
        assert note_ends(service) == 1
        assert told(service)[4:] == expected


def test_a_span_that_was_revoked_does_not_expire() -> None:
    service = Service()
    bought(service)
    service.refund(refund())
    service.clock.pass_by(100 * DAY)
    assert note_ends(service) == 0


def test_who_buys_anew_is_told_first_that_the_old_span_is_over() -> None:
    """Also where nobody has noticed it yet: else the end would seem to be that of the new one."""
    service = Service()
    bought(service)
    service.clock.pass_by(40 * DAY)
    bought(service, 2)
    assert told(service)[2:] == ["entitlement.expired", "payment.settled", "entitlement.granted"]
    assert [type(event) for event in service.journal.events] == [PaymentGranted, EntitlementExpired, PaymentGranted]
    assert note_ends(service) == 0


def test_nobody_is_told_of_others_whose_spans_are_over_and_who_are_not_locked() -> None:
    service = Service()
    service.give(entitlement(user_id=BOB, payment_id=None))
    service.clock.pass_by(40 * DAY)

    bought(service)

    assert told(service) == ["payment.settled", "entitlement.granted"]
    assert note_ends(service) == 1


def test_a_span_that_goes_on_and_is_over_is_told_of_before_its_end() -> None:
    service = Service()
    service.keep(stripe_invoice())
    service.settle(stripe_charge())
    service.clock.pass_by(40 * DAY)
    for state in (DisputeState.WITHDRAWN, DisputeState.WON):
        service.follow(standing(disputes={"dp_1": state}))

    assert told(service)[2:] == ["entitlement.suspended", "entitlement.restored"]
    assert note_ends(service) == 1
    assert told(service)[4:] == ["entitlement.expired"]


@pytest.mark.parametrize(
    ("others", "lost"),
    [
        pytest.param([], True, id="nothing else"),
        pytest.param([entitlement(name="b", starts_at=NOON)], False, id="another that begins there"),
        pytest.param([entitlement(name="b", starts_at=NOON + SECOND)], True, id="another that begins later"),
        pytest.param([entitlement(SILVER, name="b", starts_at=NOON)], True, id="another plan"),
        pytest.param([entitlement(FOR_LIFE, name="b", plan_code=GOLD.code)], False, id="one for life beside it"),
        pytest.param(
            [entitlement(name="b", starts_at=NOON, revoked_at=NOON + HOUR)], False, id="one that was ended later"
        ),
        pytest.param([entitlement(name="b", starts_at=NOON, revoked_at=NOON)], True, id="one that was ended then"),
    ],
)
def test_a_plan_is_lost_where_no_other_span_was_open_at_that_moment(others: list[Entitlement], lost: bool) -> None:
    over = entitlement(name="a", starts_at=NOON - 30 * DAY, expires_at=NOON)
    assert expires(over, [over, *others]) is lost


def test_what_is_for_life_never_expires() -> None:
    assert not expires(entitlement(FOR_LIFE), [])
    assert expires(entitlement(expires_at=END_OF_TIME), [])


def test_whoever_notes_second_tells_nothing() -> None:
    service = Service()
    service.give(entitlement(payment_id=None))
    service.clock.pass_by(40 * DAY)
    with service.work.look() as tx:
        assert len(tx.entitlements.over(service.clock.now(), at_most=9)) == 1
    service.state.over_noted[EntitlementId("ent_1")] = NOON
    assert note_ends(service) == 0
    assert told(service) == []


# Reading --------------------------------------------------------------------------------------------------------------


def test_a_reader_who_goes_on_from_the_last_number_gets_each_event_once_and_in_order() -> None:
    service = Service()
    read = ReadFeed(work=service.work, clock=service.clock)
    assert read.newest() == 0
    got: list[NumberedNotice] = []
    place = 0
    for number in (1, 2, 3):
        bought(service, number)
        while page := read(place, 1):
            got += page
            place = page[-1].sequence
    assert [event.notice for event in got] == service.state.notices
    assert read.newest() == place
    assert read(place, 1) == []


def test_the_newest_is_what_was_told_last_also_where_nobody_has_read_it() -> None:
    service = Service()
    bought(service)
    read = ReadFeed(work=service.work, clock=service.clock)

    newest = read.newest()

    assert [event.sequence for event in read(0, 10)][-1] == newest


def test_what_has_a_number_can_be_read_while_nothing_can_be_written() -> None:
    busy = False

    def rig(_tx: MemoryTransaction) -> None:
        if busy:
            raise Unavailable("Others write.")

    service = Service(work=Rigged(rig=rig))
    bought(service)
    read = ReadFeed(work=service.work, clock=service.clock)
    assert len(read(0, 10)) == 2
    bought(service, 2)
    busy = True
    assert len(read(0, 10)) == 2
    busy = False
    assert len(read(0, 10)) == 4
