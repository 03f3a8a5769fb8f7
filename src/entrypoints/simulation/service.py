"""One process of the service: the production use cases over the simulated store, Telegram and Stripe."""

from collections.abc import Callable
from typing import Any

from adapters.telegram.replies import NO_CALL, Replies
from adapters.telegram.updates import read_update
from adapters.telegram.usernames import Usernames
from application.access import CheckFeature, ListEntitlements, ListPayments
from application.chat import AnswerMessage, AnswerPress
from application.checkout import CheckoutDesk, OpenCheckout
from application.feed import NoteEnds, ReadFeed
from application.inbox import KeepReport, QuarantineUnprocessable, WorkInbox
from application.invitations import InvitingMessenger
from application.invoicing import SendInvoice
from application.outbox import DeliverOutbox
from application.ports.inbox import Report, Source
from application.ports.work import UnitOfWork
from application.pre_checkout import JudgePreCheckouts
from application.quarantine import GrantQuarantined, RefundQuarantined
from application.reconciliation import ReconcileStars, ReconcileStripe
from application.refund_orders import CarryRefunds, OrderRefund
from application.refunds import RecordRefund
from application.settlement import SettleCharges
from application.shop import Shop
from application.standing import FollowCharge
from application.stripe_events import KeepStripeEvent
from domain.catalog import Catalog, Method, Plan
from domain.errors import ProviderUnavailable, Unavailable
from domain.ids import BotName
from domain.invoice import PreCheckout
from domain.payload import PayloadSigner
from entrypoints.intake import ReportIntake
from entrypoints.refunders import RefunderByMethod
from entrypoints.simulation.lane import Lane
from entrypoints.simulation.shop_window import KEYS, PLANS, REFUNDS_PER_HOUR, TEXTS, TILLS, TTL
from entrypoints.simulation.stand_ins import CountedIds, CountingJournal, NoCauses, SkewedClock
from entrypoints.simulation.store import Store
from entrypoints.simulation.store_tables import Index
from entrypoints.simulation.store_transaction import work_on
from entrypoints.simulation.stripe import Stripe
from entrypoints.simulation.stripe_ports import SimulatedCheckout, SimulatedStripeLedger, SimulatedStripeRefunder
from entrypoints.simulation.telegram import BOT, Telegram
from entrypoints.simulation.telegram_ports import SimulatedMessenger, SimulatedStarRefunder, SimulatedStars
from entrypoints.simulation.world import Process, World


class Service(Process):
    """`poison` makes our code fail over a charge so many times."""

    live: bool | None = True

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
        self.plans: tuple[Plan, ...] = PLANS
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
        self.shop = Shop(Catalog(plans={plan.code: plan for plan in self.plans}), TILLS, ids, self.signer, TTL, 1000)
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
        self.deliver = DeliverOutbox(work, clock, messenger, journal, NoCauses())
        self.note_ends = NoteEnds(work, clock, journal)
        self.read_feed = ReadFeed(work, clock)
        self.check = CheckFeature(work, clock)
        self.list_entitlements = ListEntitlements(work, clock)
        self.list_payments = ListPayments(work)
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
            settle=Lane(self.world, self.settle, journal, self.poison),  # type: ignore[arg-type]
            record_refund=self.record_refund,
            follow=self.follow,
            answer_message=AnswerMessage(work, clock, self.shop, journal),
            answer_press=AnswerPress(work, clock, self.shop, journal),
            keep_event=KeepStripeEvent(work, clock, journal),
            quarantine_charge=QuarantineUnprocessable(work, clock, ids, journal),
            checkout=self.checkout,
            usernames=Usernames({}),
            live=self.live,
        )
        self.work_inbox = WorkInbox(work, clock, self.intake, journal, NoCauses())
        self.carry_refunds = CarryRefunds(work, clock, ids, self.refunder, journal)

    # What a planted bug changes ---------------------------------------------------------------------------------------

    def way_to_store(self) -> UnitOfWork:
        return work_on(self.store)

    def rig(self) -> None:
        """Called when the use cases are made, before whatever uses them."""

    # What is called from outside --------------------------------------------------------------------------------------

    def telegram_webhook(self, body: bytes) -> tuple[int, bytes]:
        """As the desk behind the door does it."""
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
        except Exception as fault:
            try:
                self.keep_report(report, type(fault).__name__)
            except Unavailable:
                return 503
        return 200

    # What its workers do ----------------------------------------------------------------------------------------------

    def work_through(self) -> None:
        """Go on with whatever waits, until nothing is due. Who finds nothing waiting has not looked in vain: that would
        change nothing."""
        tables = self.store.tables
        jobs: tuple[tuple[Index[Any, Any], Callable[[], int]], ...] = (
            (tables.letters_waiting, lambda: self.deliver(5)),
            (tables.reports_waiting, self.work_inbox),
            (tables.orders_waiting, lambda: self.carry_refunds(2)),
        )
        for waiting, job in jobs:
            for _ in range(200):
                if not waiting.keys or not self._try(job):
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
