"""One process of the service: the production use cases over the simulated store, Telegram and Stripe."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from adapters.telegram.replies import NO_CALL, Replies
from adapters.telegram.texts import Texts
from adapters.telegram.updates import read_update
from adapters.telegram.usernames import Usernames
from application.access import CheckFeature
from application.chat import AnswerMessage, AnswerPress
from application.checkout import CheckoutDesk, OpenCheckout
from application.inbox import KeepReport, QuarantineUnprocessable, WorkInbox
from application.invitations import InvitingMessenger
from application.invoicing import SendInvoice
from application.outbox import DeliverOutbox
from application.ports import Clock, Ids, Journal, Report, Source, UnitOfWork
from application.pre_checkout import JudgePreCheckouts
from application.quarantine import GrantQuarantined, RefundQuarantined
from application.reconciliation import ReconcileStars, ReconcileStripe
from application.refund_orders import CarryRefunds, OrderRefund
from application.refunds import RecordRefund
from application.settlement import SettleCharges
from application.shop import Shop
from application.standing import FollowCharge
from application.stripe_events import KeepStripeEvent
from domain.catalog import Catalog, Method, Plan, Tills
from domain.duration import LIFETIME, Duration
from domain.errors import InvalidRequest, ProviderUnavailable, Unavailable
from domain.events import Event
from domain.ids import BotName, EntitlementId, InvoiceId, PaymentId, PlanCode
from domain.invoice import PreCheckout
from domain.money import STARS
from domain.payload import PayloadSigner
from entrypoints.intake import ReportIntake
from entrypoints.refunders import RefunderByMethod
from entrypoints.simulation.store import Store
from entrypoints.simulation.store_transaction import work_on
from entrypoints.simulation.stripe import SimulatedCheckout, SimulatedStripeLedger, SimulatedStripeRefunder, Stripe
from entrypoints.simulation.telegram import (
    BOT,
    SimulatedMessenger,
    SimulatedStarRefunder,
    SimulatedStars,
    Telegram,
)
from entrypoints.simulation.world import Process, World

KEYS: Final = (b"the first key of the simulation, long enough", b"the second key of the simulation, long enough")
REFUNDS_PER_HOUR: Final = 5
TTL: Final = timedelta(hours=1)


def _plan(code: str, days: int | None, prices: dict[str, int]) -> Plan:
    return Plan(
        code=PlanCode(code),
        title=code,
        description=code,
        features=(code, "any"),
        duration=LIFETIME if days is None else Duration.parse(f"{days} days"),
        prices=prices,
        renew_window=Duration.parse("1000 days"),
    )


PLANS: Final = (
    _plan("gold", 30, {"XTR": 100, "JPY": 700, "GBP": 500}),
    _plan("silver", 7, {"XTR": 50, "JPY": 300, "GBP": 200}),
    _plan("life", None, {"XTR": 900, "JPY": 9000, "GBP": 9000}),
)
CATALOG: Final = Catalog(plans={plan.code: plan for plan in PLANS})
TILLS: Final = Tills(currencies={Method.STARS: STARS, Method.TELEGRAM: "JPY", Method.STRIPE: "GBP"})
TEXTS: Final = Texts(support_contact=None)


@dataclass(slots=True)
class SkewedClock(Clock):
    world: World
    skew: timedelta = timedelta(0)

    def now(self) -> datetime:
        return self.world.now + self.skew


@dataclass(slots=True)
class CountedIds(Ids):
    """Over all processes, and never again after a restart."""

    number: int = 0

    def invoice(self) -> InvoiceId:
        return InvoiceId(f"inv_{self._next():032x}")

    def payment(self) -> PaymentId:
        return PaymentId(f"pay_{self._next():032x}")

    def entitlement(self) -> EntitlementId:
        return EntitlementId(f"ent_{self._next():032x}")

    def _next(self) -> int:
        self.number += 1
        return self.number


@dataclass(slots=True)
class CountingJournal(Journal):
    seen: dict[str, int] = field(default_factory=dict)

    def record(self, *events: Event) -> None:
        for event in events:
            name = type(event).__name__
            self.seen[name] = self.seen.get(name, 0) + 1


class Bug(Exception):
    """A fault of our own code, which a poisonous charge brings to light."""


class Service(Process):
    """`poison` makes our code fail over a charge so many times."""

    def __init__(
        self,
        name: str,
        *,
        world: World,
        store: Store,
        telegram: Telegram,
        stripe: Stripe,
        ids: CountedIds,
        journal: CountingJournal,
        poison: dict[str, int],
    ) -> None:
        super().__init__(name)
        self.world = world
        self.store = store
        self.telegram = telegram
        self.stripe = stripe
        self.ids = ids
        self.journal = journal
        self.poison = poison
        self.keys: tuple[bytes, ...] = KEYS[:1]
        self.clock = SkewedClock(world)
        self.replies = Replies(TEXTS)
        self.start()

    def start(self) -> None:
        """Everything is made anew, but what is in the store."""
        self.alive = True
        self.tasks.clear()
        self.work = self.way_to_store()
        work, clock, ids, journal = self.work, self.clock, self.ids, self.journal
        self.signer = PayloadSigner(list(self.keys))
        self.shop = Shop(CATALOG, TILLS, ids, self.signer, TTL, 1000)
        self.checkout = SimulatedCheckout(self.stripe)
        desk = CheckoutDesk(work, clock, self.shop, self.checkout, journal)
        messenger = InvitingMessenger(SimulatedMessenger(self.telegram), desk, "https://shop/returned")
        self.send_invoice = SendInvoice(work, clock, self.shop, messenger, journal)
        self.open_checkout = OpenCheckout(desk)
        self.judge = JudgePreCheckouts(work, clock, self.shop, journal, True)
        self.settle = SettleCharges(work, clock, ids, self.shop, journal, REFUNDS_PER_HOUR)
        self.record_refund = RecordRefund(work, clock, ids, journal)
        self.follow = FollowCharge(work, clock, ids, journal)
        self.keep_report = KeepReport(work, clock, journal)
        self.deliver = DeliverOutbox(work, clock, messenger, journal)
        self.check = CheckFeature(work, clock)
        self.order_refund = OrderRefund(work, clock, ids, journal)
        self.grant_quarantined = GrantQuarantined(work, clock, ids, self.shop, journal)
        self.refund_quarantined = RefundQuarantined(work, clock, journal)
        stars = SimulatedStars(self.telegram)
        self.refunder = RefunderByMethod(
            {
                Method.STARS: SimulatedStarRefunder(self.telegram, stars),
                Method.STRIPE: SimulatedStripeRefunder(self.stripe),
            }
        )
        self.reconcile_stars = ReconcileStars(work, clock, ids, self.signer, stars, journal)
        self.reconcile_stripe = ReconcileStripe(work, clock, SimulatedStripeLedger(self.stripe), journal)
        self.rig()
        self.intake = ReportIntake(
            clock=clock,
            settle=_Poisoned(self.settle, self.poison),  # type: ignore[arg-type]
            record_refund=self.record_refund,
            follow=self.follow,
            answer_message=AnswerMessage(work, clock, self.shop, journal),
            answer_press=AnswerPress(work, clock, self.shop, journal),
            keep_event=KeepStripeEvent(work, clock, journal),
            quarantine_charge=QuarantineUnprocessable(work, clock, ids, journal),
            checkout=self.checkout,
            usernames=Usernames({}),
            live=True,
        )
        self.work_inbox = WorkInbox(work, clock, self.intake, journal)
        self.carry_refunds = CarryRefunds(work, clock, ids, self.refunder, journal)

    # What a planted bug changes ---------------------------------------------------------------------------------------

    def way_to_store(self) -> UnitOfWork:
        return work_on(self.store)

    def rig(self) -> None:
        """Called when the use cases are made, before whatever uses them."""

    # What is called from outside --------------------------------------------------------------------------------------

    def telegram_webhook(self, body: bytes) -> tuple[int, bytes]:
        """As the desk behind the door does it, one update at a time."""
        update = read_update(body, BOT, None)
        if isinstance(update.content, PreCheckout):
            query = update.content
            try:
                objection = self.judge([query])[query.query_id]
            except Unavailable:
                objection = self.judge.undecided(query)
            return 200, self.replies.pre_checkout(query.query_id, objection, "en")
        return self._take(Report(source=Source.TELEGRAM_UPDATE, bot=BOT, body=body)), NO_CALL

    def stripe_webhook(self, body: bytes) -> int:
        return self._take(Report(source=Source.STRIPE_EVENT, bot=BotName(""), body=body))

    def _take(self, report: Report) -> int:
        try:
            self.intake.take(report)
        except Unavailable:
            return 503
        except InvalidRequest:
            return 400
        except Exception as fault:
            try:
                self.keep_report(report, type(fault).__name__)
            except Unavailable:
                return 503
        return 200

    # What its workers do ----------------------------------------------------------------------------------------------

    def work_through(self) -> None:
        """Go on with whatever is due, until nothing is."""
        for job in (lambda: self.deliver(5), self.work_inbox, lambda: self.carry_refunds(2)):
            for _ in range(200):
                if not self._try(job):
                    break

    def reconcile(self, *, whole: bool) -> bool:
        """Whether both ledgers could be compared."""
        try:
            self.reconcile_stars(BOT, whole=whole)
            self.reconcile_stripe(whole=whole)
        except (Unavailable, ProviderUnavailable):
            return False
        return True

    def _try(self, job: Callable[[], int]) -> int:
        try:
            return job()
        except (Unavailable, ProviderUnavailable):
            return 0


@dataclass(frozen=True, slots=True)
class _Poisoned:
    """Settling, by code that has a fault for some charges."""

    settle: SettleCharges
    poison: dict[str, int]

    def __call__(self, charges: Any) -> Any:
        for charge in charges:
            left = self.poison.get(charge.charge_id, 0)
            if left:
                self.poison[charge.charge_id] = left - 1
                raise Bug(charge.charge_id)
        return self.settle(charges)
