"""From the bytes of a report to the story that it is for: alone, in order, and without a webhook that waits."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from adapters.stripe.signatures import read_event
from adapters.telegram.star_ledger import read_transaction
from adapters.telegram.updates import Ignored, Unreadable, read_update
from adapters.telegram.usernames import Usernames
from application.chat import AnswerMessage, AnswerPress, ButtonPress, ChatMessage
from application.inbox import QuarantineUnprocessable
from application.ports.checkout import Checkout, StripeEvent, StripeSnapshot
from application.ports.inbox import IllegibleReport, Intake, Report, Source
from application.ports.surroundings import Clock
from application.refunds import RecordRefund
from application.settlement import SettleCharges
from application.standing import FollowCharge
from application.stripe_events import KeepStripeEvent
from domain.errors import InvalidRequest
from domain.ids import BotName
from domain.invoice import PreCheckout
from domain.payment import Charge, ChargeStanding, Refund

OTHER_MODE = "other_mode"
FOREIGN = "foreign"
SETTLED = "settled"
UNUSED = "unused"
NOTHING = "nothing"


class _Reference(msgspec.Struct):
    """A payment of Stripe's that was found in its lists."""

    payment_intent: str
    live: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportIntake(Intake):
    """`live` is the mode of our Stripe key, None where there is none: then nothing of Stripe's can be told."""

    clock: Clock
    settle: SettleCharges
    record_refund: RecordRefund
    follow: FollowCharge
    answer_message: AnswerMessage
    answer_press: AnswerPress
    keep_event: KeepStripeEvent
    quarantine_charge: QuarantineUnprocessable
    checkout: Checkout
    usernames: Usernames
    live: bool | None
    wake_relay: Callable[[], None] = lambda: None

    def take(self, report: Report) -> str:
        outcome = self._take(report)
        self.wake_relay()
        return outcome

    def quarantine(self, report: Report) -> str:
        charge, standing = self._money_in(report)
        if charge is None:
            raise IllegibleReport("it tells of no charge")
        payment = self.quarantine_charge(charge)
        if standing and payment.told(standing) != payment:
            raise IllegibleReport("its charge is kept, but not what became of it")
        return payment.status

    def _take(self, report: Report) -> str:
        match report.source:
            case Source.TELEGRAM_UPDATE:
                return self._update(report)
            case Source.STAR_TRANSACTION:
                return self._money(_transaction(report))
            case Source.STRIPE_EVENT:
                return self._event(_event(report))
            case Source.STRIPE_PAYMENT:
                return self._snapshot(self.checkout.snapshot(_payment(report)))

    def _update(self, report: Report) -> str:
        content = read_update(report.body, report.bot, self.usernames.of(report.bot)).content
        match content:
            case Charge() | Refund():
                return self._money(content)
            case ChatMessage():
                self.answer_message(content)
                return "answered"
            case ButtonPress():
                self.answer_press(content)
                return "answered"
            case PreCheckout() | Ignored():
                return NOTHING  # whoever asked has long been told no
            case Unreadable():
                raise IllegibleReport(content.problem)

    def _money(self, content: Charge | Refund | None) -> str:
        match content:
            case Charge():
                return self.settle([content])[content.key].status
            case Refund():
                self.record_refund(content)
                return "refunded"
            case None:
                return FOREIGN

    def _event(self, event: StripeEvent) -> str:
        if self.keep_event.known(event):
            return NOTHING
        outcome = OTHER_MODE if self._other_mode(event) else self._snapshot(self.checkout.snapshot(event))
        self.keep_event(event, outcome)
        return outcome

    def _other_mode(self, event: StripeEvent) -> bool:
        return self.live is not None and event.live != self.live

    def _snapshot(self, snapshot: StripeSnapshot | None) -> str:
        if snapshot is None:
            return FOREIGN
        charge, standing = snapshot.charge, snapshot.standing
        if charge is None:
            return UNUSED
        if standing and standing.given_back:
            # First, so that a charge which was never granted never is.
            self.record_refund(whole_refund(charge, self.clock))
        self.settle([charge])
        if standing and not standing.given_back:
            self.follow(standing)
        return SETTLED

    def _money_in(self, report: Report) -> tuple[Charge | None, ChargeStanding | None]:
        """The charge that it tells of, and what has become of it since, as far as the report knows."""
        match report.source:
            case Source.TELEGRAM_UPDATE:
                found = read_update(report.body, report.bot, None).content
                return found if isinstance(found, Charge) else None, None
            case Source.STAR_TRANSACTION:
                moved = _transaction(report)
                return moved if isinstance(moved, Charge) else None, None
            case Source.STRIPE_EVENT | Source.STRIPE_PAYMENT:
                event = _event(report) if report.source is Source.STRIPE_EVENT else _payment(report)
                snapshot = None if self._other_mode(event) else self.checkout.snapshot(event)
                return (snapshot.charge, snapshot.standing) if snapshot else (None, None)


def whole_refund(charge: Charge, clock: Clock) -> Refund:
    """What Stripe says by its totals, as one fact."""
    return Refund(
        provider=charge.provider,
        charge_id=charge.charge_id,
        bot=charge.bot,
        refunded=charge.paid,
        payload=charge.payload,
        refunded_at=clock.now(),
        message=charge.message,
    )


def payment_report(intent_id: str, *, live: bool) -> Report:
    """A payment of Stripe's that its lists tell of; it is fetched when it is taken."""
    return Report(
        source=Source.STRIPE_PAYMENT,
        bot=BotName(""),
        body=msgspec.json.encode(_Reference(payment_intent=intent_id, live=live)),
    )


def _transaction(report: Report) -> Charge | Refund | None:
    try:
        return read_transaction(report.body, report.bot)
    except ValueError as problem:
        raise IllegibleReport(str(problem)) from None


def _event(report: Report) -> StripeEvent:
    try:
        return read_event(report.body)
    except InvalidRequest as problem:
        raise IllegibleReport(str(problem)) from None


def _payment(report: Report) -> StripeEvent:
    try:
        found = msgspec.json.decode(report.body, type=_Reference)
    except ValueError as problem:
        raise IllegibleReport(str(problem)) from None
    return StripeEvent(
        id="", type="payment_intent.succeeded", live=found.live, object_id=found.payment_intent, body=report.body
    )
