"""A report is taken to the story that it is for from its bytes alone, whoever brings it and however late."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from adapters.telegram.bot_api import BotApi
from adapters.telegram.usernames import Usernames
from application.chat import AnswerMessage, AnswerPress
from application.inbox import QuarantineUnprocessable
from application.ports.checkout import StripeEvent, StripeSnapshot
from application.ports.inbox import IllegibleReport, Report, Source
from application.refunds import RecordRefund
from application.settlement import SettleCharges
from application.standing import FollowCharge
from application.stripe_events import KeepStripeEvent
from domain.entitlement import Entitlement
from domain.errors import MethodUnavailable, ProviderUnavailable
from domain.ids import BotName
from domain.invoice import Objection
from domain.payment import Charge, ChargeStanding, DisputeState, Payment, PaymentStatus
from entrypoints.intake import ReportIntake, payment_report
from tests.builders import (
    ALICE,
    ALL_TILLS,
    MAIN,
    Rigged,
    Service,
    charge,
    invoice,
    payload,
    shop,
    standing,
    stripe_charge,
    stripe_invoice,
)
from tests.memory import NOON, MemoryEntitlements, MemoryState, MemoryTransaction

Json = dict[str, Any]
PAID_AT = int(NOON.timestamp()) + 60
PERSON: Json = {"id": ALICE, "is_bot": False, "first_name": "Alice", "language_code": "en"}
CHAT: Json = {"id": ALICE, "type": "private"}
MESSAGE: Json = {"message_id": 5, "date": PAID_AT, "from": PERSON, "chat": CHAT}
NOBODYS = BotName("")


@dataclass(slots=True)
class Desk:
    """A service in memory, and the intake to it. `woken` counts how often letters were announced."""

    service: Service = field(default_factory=lambda: Service(shop=shop(tills=ALL_TILLS)))
    live: bool | None = True
    woken: int = 0

    def wake(self) -> None:
        self.woken += 1

    @property
    def intake(self) -> ReportIntake:
        made = self.service
        work, clock, ids, journal = made.work, made.clock, made.ids, made.journal
        return ReportIntake(
            clock=clock,
            settle=SettleCharges(work=work, clock=clock, ids=ids, shop=made.shop, journal=journal),
            record_refund=RecordRefund(work=work, clock=clock, ids=ids, journal=journal),
            follow=FollowCharge(work=work, clock=clock, ids=ids, journal=journal),
            answer_message=AnswerMessage(work=work, clock=clock, shop=made.shop, journal=journal),
            answer_press=AnswerPress(work=work, clock=clock, shop=made.shop, journal=journal),
            keep_event=KeepStripeEvent(work=work, clock=clock, journal=journal),
            quarantine_charge=QuarantineUnprocessable(work=work, clock=clock, ids=ids, journal=journal),
            checkout=made.checkout,
            usernames=Usernames({MAIN: BotApi("1:nobody", base="http://127.0.0.1:1")}),
            live=self.live,
            wake_relay=self.wake,
        )

    def take(self, report: Report) -> str:
        return self.intake.take(report)

    @property
    def payment(self) -> Payment:
        [payment] = self.service.state.payments.values()
        return payment


def update(content: Json) -> Report:
    return Report(source=Source.TELEGRAM_UPDATE, bot=MAIN, body=json.dumps({"update_id": 7, **content}).encode())


def paid() -> Report:
    money = {"currency": "XTR", "total_amount": 1250, "invoice_payload": payload()}
    ids = {"telegram_payment_charge_id": "charge-1", "provider_payment_charge_id": ""}
    return update({"message": {**MESSAGE, "successful_payment": {**money, **ids}}})


def given_back() -> Report:
    money = {"currency": "XTR", "total_amount": 1250, "invoice_payload": payload()}
    return update({"message": {**MESSAGE, "refunded_payment": {**money, "telegram_payment_charge_id": "charge-1"}}})


def said(text: str) -> Report:
    return update({"message": {**MESSAGE, "text": text}})


def transaction(**of: Any) -> Report:
    partner = {
        "type": "user",
        "transaction_type": "invoice_payment",
        "user": {"id": ALICE},
        "invoice_payload": payload(),
    }
    entry = {"id": "charge-1", "amount": 1250, "date": PAID_AT, "source": partner, **of}
    kept = {name: value for name, value in entry.items() if value is not None}
    return Report(source=Source.STAR_TRANSACTION, bot=MAIN, body=json.dumps(kept).encode())


def rung(*, live: bool = True, type_: str = "checkout.session.completed") -> Report:
    event = {"id": "evt_1", "type": type_, "livemode": live, "data": {"object": {"id": "cs_1"}}}
    return Report(source=Source.STRIPE_EVENT, bot=NOBODYS, body=json.dumps(event).encode())


def stripe_says(desk: Desk, made: Charge | None, told: ChargeStanding | None = None, of: str = "cs_1") -> None:
    desk.service.checkout.snapshots[of] = StripeSnapshot(charge=made, standing=told)


def test_a_payment_is_settled_as_if_it_had_just_come() -> None:
    desk = Desk()
    desk.service.keep(invoice())

    assert desk.take(paid()) == "granted"
    assert desk.take(paid()) == "granted"

    assert len(desk.service.state.payments) == len(desk.service.held(ALICE)) == 1
    assert desk.payment.charge.message == paid().body
    assert desk.woken == 2


def test_a_refund_is_recorded() -> None:
    desk = Desk()
    desk.service.keep(invoice())
    desk.take(paid())

    assert desk.take(given_back()) == "refunded"

    assert desk.payment.status is PaymentStatus.REFUNDED


@pytest.mark.parametrize(
    "report",
    [
        pytest.param(said("/plans"), id="a command"),
        pytest.param(
            update({"callback_query": {"id": "4", "from": PERSON, "chat_instance": "1", "data": "nobody's"}}),
            id="a button",
        ),
    ],
)
def test_what_is_said_and_pressed_is_answered(report: Report) -> None:
    assert Desk().take(report) == "answered"


def test_a_command_is_answered_once() -> None:
    desk = Desk()

    desk.take(said("/plans"))
    desk.take(said("/plans"))

    assert len(desk.service.state.outbox) == 1


def test_whoever_asked_whether_to_pay_has_long_been_told_no() -> None:
    desk = Desk()
    desk.service.keep(invoice())
    query = {"id": "4", "from": PERSON, "currency": "XTR", "total_amount": 1250, "invoice_payload": payload()}

    assert desk.take(update({"pre_checkout_query": query})) == "nothing"

    assert desk.service.state.trail == []


def test_what_means_nothing_to_us_is_done_with() -> None:
    assert Desk().take(update({"poll": {}})) == "nothing"


def test_what_nobody_can_read_is_never_taken_for_done() -> None:
    with pytest.raises(IllegibleReport, match="total_amount"):
        Desk().take(Report(source=Source.TELEGRAM_UPDATE, bot=MAIN, body=paid().body.replace(b"1250", b"-5")))


def test_an_entry_of_the_star_ledger_is_settled_like_its_message() -> None:
    desk = Desk()
    desk.service.keep(invoice())

    assert desk.take(transaction()) == "granted"
    assert desk.take(transaction(source=None, receiver=json.loads(transaction().body)["source"])) == "refunded"
    assert desk.take(transaction(source={"type": "fragment"})) == "foreign"


@pytest.mark.parametrize("source", [Source.STAR_TRANSACTION, Source.STRIPE_EVENT, Source.STRIPE_PAYMENT])
def test_bytes_that_mean_nothing_from_anywhere_are_illegible(source: Source) -> None:
    with pytest.raises(IllegibleReport):
        Desk().take(Report(source=source, bot=MAIN, body=b"{"))


def test_an_event_of_stripe_s_is_asked_about_settled_and_kept() -> None:
    desk = Desk()
    desk.service.keep(stripe_invoice())
    stripe_says(desk, stripe_charge(), standing())

    assert desk.take(rung()) == "settled"
    assert desk.take(rung()) == "nothing"

    assert desk.payment.status is PaymentStatus.GRANTED
    assert desk.service.state.stripe_events["evt_1"].outcome == "settled"


def test_a_charge_that_went_back_at_stripe_before_we_heard_of_it_opens_nothing() -> None:
    desk = Desk()
    desk.service.keep(stripe_invoice())
    stripe_says(desk, stripe_charge(), standing(amount_refunded=2500))

    assert desk.take(rung()) == "settled"

    assert desk.payment.status is PaymentStatus.REFUNDED
    assert desk.service.held(ALICE) == []


def test_what_is_found_in_stripe_s_list_is_fetched_and_settled() -> None:
    desk = Desk()
    desk.service.keep(stripe_invoice())
    stripe_says(desk, stripe_charge(), standing(disputes={"dp_1": DisputeState.WITHDRAWN}), of="pi_1")

    assert desk.take(payment_report("pi_1", live=True)) == "settled"

    assert desk.payment.in_dispute
    assert desk.service.held(ALICE) == []


def test_what_is_not_ours_of_the_other_mode_or_moved_no_money_is_kept_as_that() -> None:
    desk = Desk()
    assert desk.take(rung()) == "foreign"
    stripe_says(desk, None)
    assert desk.take(payment_report("cs_1", live=True)) == "unused"
    desk.live = False
    assert desk.take(Report(source=Source.STRIPE_EVENT, bot=NOBODYS, body=rung().body.replace(b"_1", b"_2"))) == (
        "other_mode"
    )


def test_while_stripe_can_not_be_asked_nothing_is_taken_for_done() -> None:
    desk = Desk()
    desk.service.checkout.unavailable = True

    with pytest.raises(ProviderUnavailable):
        desk.take(rung())

    assert desk.service.state.stripe_events == {}


def test_without_stripe_s_key_an_event_is_not_taken_for_one_of_the_other_mode() -> None:
    desk = Desk(live=None)

    class NotSetUp(type(desk.service.checkout)):  # type: ignore[misc]
        def snapshot(self, event: StripeEvent) -> StripeSnapshot | None:
            raise MethodUnavailable("Stripe is not set up here.")

    desk.service.checkout = NotSetUp()

    with pytest.raises(MethodUnavailable):
        desk.take(rung())

    assert desk.service.state.stripe_events == {}


# The last resort ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("report", [paid(), transaction()], ids=["its message", "its entry in the ledger"])
def test_a_charge_is_kept_for_a_person_without_reading_anything_else(report: Report) -> None:
    desk = Desk()

    assert desk.intake.quarantine(report) == "quarantined"

    assert desk.payment.quarantine_reason is Objection.UNPROCESSABLE
    assert desk.payment.charge.charge_id == charge().charge_id


@pytest.mark.parametrize("report", [rung(), payment_report("cs_1", live=True)], ids=["an event", "an entry"])
def test_a_charge_of_stripe_s_is_kept_for_a_person_too(report: Report) -> None:
    desk = Desk()
    stripe_says(desk, stripe_charge(), standing())

    assert desk.intake.quarantine(report) == "quarantined"

    assert desk.payment.charge == stripe_charge()


@pytest.mark.parametrize(
    "report",
    [
        pytest.param(given_back(), id="a refund"),
        pytest.param(transaction(source=None, receiver={"type": "user", "user": {"id": 1}}), id="one in the ledger"),
        pytest.param(said("/plans"), id="a command"),
        pytest.param(rung(), id="an event about nothing of ours"),
        pytest.param(rung(live=False), id="an event of the other mode"),
    ],
)
def test_what_tells_of_no_charge_is_left_for_a_person_as_it_came(report: Report) -> None:
    desk = Desk()

    with pytest.raises(IllegibleReport):
        desk.intake.quarantine(report)

    assert desk.service.state.payments == {}


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(standing(amount_refunded=100), id="a part that went back"),
        pytest.param(standing(disputes={"dp_1": DisputeState.WITHDRAWN}), id="a dispute"),
        pytest.param(standing(amount_refunded=2500), id="all of it"),
    ],
)
def test_what_became_of_a_charge_is_never_taken_for_done_where_only_the_charge_is_kept(told: ChargeStanding) -> None:
    desk = Desk()
    desk.service.keep(stripe_invoice())
    desk.service.settle(stripe_charge())
    stripe_says(desk, stripe_charge(), told)

    with pytest.raises(IllegibleReport):
        desk.intake.quarantine(rung())

    assert desk.payment.status is PaymentStatus.GRANTED


def test_an_event_that_says_nothing_new_of_a_charge_is_done_with() -> None:
    desk = Desk()
    desk.service.keep(stripe_invoice())
    desk.service.settle(stripe_charge())
    desk.service.follow(standing(amount_refunded=100))
    stripe_says(desk, stripe_charge(), standing(amount_refunded=100))

    assert desk.intake.quarantine(rung()) == "granted"


def test_the_last_resort_works_where_granting_fails() -> None:
    def break_grants(tx: MemoryTransaction) -> None:
        class NoGrants(MemoryEntitlements):
            def add(self, entitlements: Sequence[Entitlement]) -> None:
                if entitlements:
                    raise ZeroDivisionError

        tx.entitlements = NoGrants(MemoryState())

    desk = Desk(service=Service(work=Rigged(rig=break_grants)))
    desk.service.keep(invoice())
    with pytest.raises(ZeroDivisionError):
        desk.take(paid())
    assert desk.service.state.payments == {}

    assert desk.intake.quarantine(paid()) == "quarantined"

    assert desk.payment.quarantine_reason is Objection.UNPROCESSABLE
