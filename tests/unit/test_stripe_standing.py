"""What Stripe says of a payment becomes a charge once money has moved, and totals of what went back or is disputed."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.stripe import ours
from adapters.stripe.events import EVENT_TYPES, Subject, subject_of
from adapters.stripe.ours import Mark
from adapters.stripe.standing import charge_of, has_moved, standing_of, state_of
from adapters.stripe.wire import Charge, Dispute, Intent, Movement, Refund
from domain.catalog import Method
from domain.ids import MAX_USER_ID
from domain.payment import DisputeState, Provider
from tests.builders import ALICE, MAIN, invoice, payload, pence

MARK = Mark(bot=MAIN, payer=ALICE, payload=payload())


def paid(**different: Any) -> Intent:
    intent = Intent(
        id="pi_1",
        livemode=True,
        status="succeeded",
        currency="gbp",
        amount_received=2500,
        latest_charge=Charge(id="ch_1", created=1_795_000_000, status="succeeded", captured=True, amount_refunded=0),
    )
    return msgspec.structs.replace(intent, **different)


def charged(**different: Any) -> Charge:
    charge = paid().latest_charge
    assert charge is not None
    return msgspec.structs.replace(charge, **different)


def dispute(status: str, *movements: int) -> Dispute:
    return Dispute(id="du_1", status=status, balance_transactions=[Movement(amount=amount) for amount in movements])


# Money that moved


def test_a_payment_is_known_by_its_intent_and_bears_what_was_received() -> None:
    charge = charge_of(paid(), MARK, b"{}")
    assert (charge.provider, charge.charge_id, charge.provider_charge_id) == (Provider.STRIPE, "pi_1", "ch_1")
    assert (charge.bot, charge.payer, charge.payload) == (MAIN, ALICE, MARK.payload)
    assert (charge.paid, charge.method) == (pence(2500), Method.STRIPE)
    assert charge.charged_at == datetime.fromtimestamp(1_795_000_000, UTC)
    assert charge.message == b"{}"


@pytest.mark.parametrize(
    "intent",
    [
        pytest.param(paid(status="requires_payment_method", latest_charge=charged(status="failed")), id="declined"),
        pytest.param(paid(status="processing", latest_charge=charged(status="pending")), id="still under way"),
        pytest.param(paid(status="requires_capture", latest_charge=charged(captured=False)), id="only reserved"),
        pytest.param(paid(status="canceled", latest_charge=None), id="cancelled"),
        pytest.param(paid(status="requires_action"), id="the bank asks first"),
        pytest.param(paid(latest_charge=None), id="without a charge"),
        pytest.param(paid(latest_charge=charged(status="pending")), id="its charge pending"),
    ],
)
def test_nothing_has_moved_before_it_has(intent: Intent) -> None:
    assert has_moved(paid())
    assert not has_moved(intent)


def test_money_that_we_can_not_count_is_told_instead_of_guessed() -> None:
    with pytest.raises(ValueError, match="currency"):
        charge_of(paid(currency="xaf"), MARK, b"")
    with pytest.raises(ValueError, match="no charge"):
        charge_of(paid(latest_charge=None), MARK, b"")


# What went back


@pytest.mark.parametrize(
    ("begun", "refunds", "given_back"),
    [
        pytest.param(0, [], 0, id="nothing"),
        pytest.param(500, [Refund(amount=500, status="succeeded")], 500, id="a part"),
        pytest.param(500, [Refund(amount=500, status=None)], 500, id="a part, of which no more is said"),
        pytest.param(500, [Refund(amount=500, status="pending")], 0, id="a part that is on its way"),
        pytest.param(2500, [Refund(amount=2500, status="requires_action")], 0, id="all, once the buyer agrees"),
        pytest.param(
            2500,
            [Refund(amount=2000, status="succeeded"), Refund(amount=500, status="pending")],
            2000,
            id="one part, the other on its way",
        ),
        pytest.param(
            500,
            [
                Refund(amount=500, status="succeeded"),
                Refund(amount=900, status="failed"),
                Refund(amount=1, status="canceled"),
            ],
            500,
            id="one part, where others failed",
        ),
        pytest.param(0, [Refund(amount=500, status="pending")], 0, id="never less than nothing"),
    ],
)
def test_what_went_back_is_the_total_of_what_is_done(begun: int, refunds: list[Refund], given_back: int) -> None:
    standing = standing_of(paid(latest_charge=charged(amount_refunded=begun)), [], refunds)
    assert (standing.amount, standing.amount_refunded) == (2500, given_back)
    assert standing.given_back == (given_back == 2500)


def test_refunds_that_failed_are_counted_also_where_none_is_left_in_the_sum() -> None:
    refunds = [Refund(amount=900, status="failed"), Refund(amount=1, status="canceled"), Refund(amount=2, status=None)]
    assert standing_of(paid(), [], refunds).refunds_failed == 1


def test_a_whole_currency_is_counted_in_whole_units() -> None:
    standing = standing_of(paid(currency="isk", latest_charge=charged(amount_refunded=500)), [], [])
    assert (standing.amount, standing.amount_refunded) == (25, 5)


@pytest.mark.parametrize("created", [-1, 253_402_300_800, 2**62, 10**19])
def test_what_was_made_outside_of_all_years_is_none_of_stripe_s(created: int) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(msgspec.to_builtins(charged(created=created)), Charge)


# Disputes


@pytest.mark.parametrize(
    ("seen", "state"),
    [
        pytest.param(dispute("needs_response"), DisputeState.OPENED, id="opened, nothing taken yet"),
        pytest.param(dispute("needs_response", -2500), DisputeState.WITHDRAWN, id="the money taken"),
        pytest.param(dispute("under_review", -2500), DisputeState.WITHDRAWN, id="the bank thinks about it"),
        pytest.param(dispute("under_review", -2500, 2500), DisputeState.WON, id="the money back before it is decided"),
        pytest.param(dispute("won"), DisputeState.WON, id="won before anything was taken"),
        pytest.param(dispute("won", -2500), DisputeState.WON, id="won, the money on its way back"),
        pytest.param(dispute("won", -2500, 2500), DisputeState.WON, id="won, and the money back"),
        pytest.param(dispute("lost", -2500), DisputeState.LOST, id="lost"),
        pytest.param(dispute("lost"), DisputeState.LOST, id="lost, whatever the books say"),
        pytest.param(dispute("appeal_under_review", -2500), DisputeState.WITHDRAWN, id="appealed against"),
        pytest.param(dispute("warning_needs_response"), DisputeState.OPENED, id="an inquiry"),
        pytest.param(dispute("warning_under_review", -1), DisputeState.OPENED, id="an inquiry that cost a fee"),
        pytest.param(dispute("warning_closed"), DisputeState.OPENED, id="an inquiry that came to nothing"),
        pytest.param(dispute("prevented"), DisputeState.OPENED, id="prevented"),
        pytest.param(dispute("prevented", -2500), DisputeState.LOST, id="prevented by giving the money back"),
        pytest.param(
            dispute("something_new", -2500), DisputeState.WITHDRAWN, id="a state of tomorrow, the money taken"
        ),
        pytest.param(dispute("something_new"), DisputeState.OPENED, id="a state of tomorrow"),
    ],
)
def test_a_dispute_interrupts_once_it_has_taken_the_money_and_until_it_is_decided(
    seen: Dispute, state: DisputeState
) -> None:
    assert state_of(seen) is state


def test_every_dispute_is_told_by_its_id() -> None:
    inquiry, chargeback = dispute("warning_closed"), msgspec.structs.replace(dispute("lost", -2500), id="du_2")
    standing = standing_of(paid(), [inquiry, chargeback], [])
    assert standing.disputes == {"du_1": DisputeState.OPENED, "du_2": DisputeState.LOST}
    assert standing.given_back


# Whose it is


def test_what_we_write_on_a_payment_is_read_back() -> None:
    offered = invoice()
    metadata = ours.written(offered, payload(offered))
    assert ours.read(metadata) == Mark(bot=offered.bot, payer=offered.payer, payload=payload(offered))
    assert metadata["invoice_id"] == offered.id
    assert metadata["plan_code"] == offered.offer.plan_code
    assert all(len(name) <= 40 and len(value) <= 500 for name, value in metadata.items())


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"tollgram": "2"}, id="another mark"),
        pytest.param({"tollgram": ""}, id="an empty mark"),
        pytest.param({"user_id": "0"}, id="user 0"),
        pytest.param({"user_id": str(MAX_USER_ID + 1)}, id="a user beyond 52 bits"),
        pytest.param({"user_id": "٣"}, id="a user in other digits"),
        pytest.param({"user_id": "alice"}, id="a user by name"),
        pytest.param({"bot": "Main"}, id="a bot in capitals"),
        pytest.param({"bot": ""}, id="no bot"),
        pytest.param({"payload": ""}, id="no payload"),
        pytest.param({"payload": "p" * 129}, id="a payload that is too long"),
        pytest.param({"payload": "t1 gold"}, id="a payload with a space"),
    ],
)
def test_what_was_changed_by_hand_is_nobody_s(changed: dict[str, str]) -> None:
    metadata = ours.written(invoice(), payload())
    assert ours.read(metadata | changed) is None
    assert ours.read({name: value for name, value in metadata.items() if name not in changed}) is None


@given(
    st.dictionaries(st.sampled_from(["tollgram", "bot", "user_id", "payload"]) | st.text(), st.text() | st.just("1"))
)
def test_any_metadata_is_ours_or_not_and_no_more(metadata: dict[str, str]) -> None:
    mark = ours.read(metadata)
    assert mark is None or 0 < mark.payer <= MAX_USER_ID


# What an event is about


@pytest.mark.parametrize(
    ("event_type", "subject"),
    [
        ("checkout.session.completed", Subject.SESSION),
        ("checkout.session.async_payment_failed", Subject.SESSION),
        ("charge.refunded", Subject.CHARGE),
        ("charge.succeeded", Subject.CHARGE),
        ("charge.refund.updated", Subject.REFUND_OF_CHARGE),
        ("charge.dispute.closed", Subject.DISPUTE),
        ("refund.created", Subject.REFUND),
        ("payment_intent.succeeded", Subject.INTENT),
        ("customer.created", None),
        ("invoice.paid", None),
        ("checkout.sessions", None),
        ("", None),
    ],
)
def test_the_type_says_what_an_event_is_about(event_type: str, subject: Subject | None) -> None:
    assert subject_of(event_type) is subject


def test_every_type_that_is_asked_for_is_about_a_payment() -> None:
    assert [type_ for type_ in EVENT_TYPES if subject_of(type_) is None] == []
