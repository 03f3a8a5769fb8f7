"""Valid things to begin with, so that a test names only what matters to it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from application.access import CheckFeature, CheckFeatures, ExplainFeature, ListEntitlements, Reason
from application.checkout import CheckoutDesk, OpenCheckout
from application.grants import Gift, GrantByHand, RevokeByHand
from application.inbox import WorkInbox
from application.invitations import InvitingMessenger
from application.invoicing import Order
from application.outbox import DeliverOutbox
from application.ports.checkout import KeptCheckout
from application.ports.payments import ChargeKey
from application.ports.work import Transaction
from application.pre_checkout import JudgePreCheckouts
from application.quarantine import GrantQuarantined
from application.refund_orders import CarryRefunds, OrderRefund
from application.refunds import RecordRefund
from application.settlement import SettleCharges
from application.shop import Shop
from application.standing import FollowCharge
from domain.access import Access
from domain.catalog import Catalog, Method, Offer, Plan, Tills
from domain.duration import LIFETIME, Duration
from domain.entitlement import Entitlement
from domain.ids import BotName, ChargeId, EntitlementId, InvoiceId, PaymentId, PlanCode, UserId
from domain.invoice import Invoice, Objection, PreCheckout, Terms
from domain.money import Money
from domain.payload import PayloadSigner
from domain.payment import Charge, ChargeStanding, Payment, PaymentStatus, Provider, Refund
from tests.memory import (
    NOON,
    FixedClock,
    MemoryCauses,
    MemoryCheckout,
    MemoryIntake,
    MemoryJournal,
    MemoryMessenger,
    MemoryRefunder,
    MemoryState,
    MemoryTransaction,
    MemoryUnitOfWork,
    SequenceIds,
)

MAIN = BotName("main")
SECOND_BOT = BotName("second")
ALICE = UserId(7_000_000_001)
BOB = UserId(7_000_000_002)
MALLORY = UserId(6_666_666_666)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
MONTH = Duration.parse("1 month")
KEY = b"a key to sign with, 32 bytes long"
OLD_KEY = b"the key that was used before this"
RETURN_URL = "https://sales.example/billing/done"
SIGNER = PayloadSigner(keys=[KEY])
TILLS = Tills(currencies={Method.STARS: "XTR", Method.TELEGRAM: "GBP"})
ALL_TILLS = Tills(currencies={**TILLS.currencies, Method.STRIPE: "GBP"})


def stars(amount: int) -> Money:
    return Money(amount=amount, currency="XTR")


def pence(amount: int) -> Money:
    return Money(amount=amount, currency="GBP")


GOLD = Plan(
    code=PlanCode("gold_1m"),
    title="Gold, 1 month",
    description="Signals and copy trading",
    features=("signals", "copy_trading"),
    duration=MONTH,
    prices={"GBP": 2500, "XTR": 1250},
    limits={"max_devices": 3},
)
SILVER = replace(
    GOLD,
    code=PlanCode("silver_1w"),
    title="Silver, 1 week",
    features=("signals",),
    duration=Duration.parse("1 week"),
    prices={"XTR": 300},
    limits={"max_devices": 1},
)
FOR_LIFE = replace(GOLD, code=PlanCode("gold_forever"), title="Gold for life", duration=LIFETIME)
CATALOG = Catalog(plans={plan.code: plan for plan in (GOLD, SILVER, FOR_LIFE)})


def catalog(*plans: Plan) -> Catalog:
    return Catalog(plans={plan.code: plan for plan in plans})


def offer(plan: Plan = GOLD, currency: str = "XTR") -> Offer:
    found = plan.offer(currency)
    assert found is not None
    return found


def invoice_id(number: int = 1) -> InvoiceId:
    return InvoiceId(f"inv_{number:032x}")


def invoice(plan: Plan = GOLD, **different: Any) -> Invoice:
    """Gold for Stars, offered to Alice at noon, good for an hour."""
    issued_at = different.get("issued_at", NOON)
    valid = Invoice(
        id=invoice_id(),
        bot=MAIN,
        payer=ALICE,
        method=Method.STARS,
        offer=offer(plan),
        issued_at=issued_at,
        expires_at=issued_at + HOUR,
    )
    return replace(valid, **different)


def terms(of: Invoice | None = None, **different: Any) -> Terms:
    return replace((of or invoice()).terms, **different)


def payload(of: Invoice | None = None, signer: PayloadSigner = SIGNER) -> str:
    named = of or invoice()
    return signer.sign(named.terms, named.bot)


def query(of: Invoice | None = None, **different: Any) -> PreCheckout:
    """The payer of the invoice is about to pay exactly its price."""
    named = of or invoice()
    valid = PreCheckout(
        query_id="4815162342", bot=named.bot, payer=named.payer, paid=named.offer.price, payload=payload(named)
    )
    return replace(valid, **different)


def charge(of: Invoice | None = None, **different: Any) -> Charge:
    """The payer of the invoice paid exactly its price, a minute after it was issued."""
    named = of or invoice()
    valid = Charge(
        provider=Provider.TELEGRAM,
        charge_id=ChargeId("charge-1"),
        provider_charge_id="",
        bot=named.bot,
        payer=named.payer,
        paid=named.offer.price,
        method=named.method,
        payload=payload(named),
        charged_at=named.issued_at + timedelta(minutes=1),
        message=b'{"message_id":1}',
    )
    return replace(valid, **different)


def refund(of: Charge | None = None, **different: Any) -> Refund:
    """The whole charge went back, an hour after it was made."""
    back = of or charge()
    valid = Refund(
        provider=back.provider,
        charge_id=back.charge_id,
        bot=back.bot,
        refunded=back.paid,
        payload=back.payload,
        refunded_at=back.charged_at + HOUR,
        message=b'{"message_id":2}',
    )
    return replace(valid, **different)


def stripe_invoice(plan: Plan = GOLD, **different: Any) -> Invoice:
    """Gold for pounds, offered to Alice at noon, to be paid on Stripe's page."""
    return invoice(**{"method": Method.STRIPE, "offer": offer(plan, "GBP"), **different})


def stripe_charge(of: Invoice | None = None, **different: Any) -> Charge:
    """Alice paid exactly its price on Stripe's page."""
    by_stripe = {"provider": Provider.STRIPE, "charge_id": ChargeId("pi_1"), "provider_charge_id": "ch_1"}
    return charge(of or stripe_invoice(), **{**by_stripe, **different})


def standing(of: Charge | None = None, **different: Any) -> ChargeStanding:
    """Nothing has happened to the charge since it was made."""
    made = of or stripe_charge()
    valid = ChargeStanding(provider=made.provider, charge_id=made.charge_id, amount=made.paid.amount)
    return replace(valid, **different)


def payment(of: Charge | None = None, **different: Any) -> Payment:
    """A charge that was granted."""
    paid = of or charge()
    valid = Payment(
        id=PaymentId(f"pay_{paid.charge_id}"),
        charge=paid,
        status=PaymentStatus.GRANTED,
        received_at=paid.charged_at,
        invoice_id=invoice_id(),
        plan_code=GOLD.code,
    )
    return replace(valid, **different)


def entitlement(plan: Plan = GOLD, *, name: str = "ent_1", **different: Any) -> Entitlement:
    """Alice holds the plan from noon on, for as long as it lasts."""
    starts_at = different.get("starts_at", NOON)
    valid = Entitlement(
        id=EntitlementId(name),
        user_id=ALICE,
        plan_code=plan.code,
        features=plan.features,
        limits=plan.limits,
        duration=different.get("duration", plan.duration),
        granted_at=NOON,
        starts_at=starts_at,
        expires_at=different.get("duration", plan.duration).after(starts_at),
        payment_id=PaymentId(f"pay_{name}"),
    )
    return replace(valid, **different)


def shop(**different: Any) -> Shop:
    """Everything in the catalog, for Stars and pounds."""
    return Shop(
        **{
            "catalog": CATALOG,
            "tills": TILLS,
            "ids": SequenceIds(),
            "signer": SIGNER,
            "time_to_live": HOUR,
            "attempts_per_minute": 5,
            **different,
        }
    )


@dataclass(slots=True, kw_only=True)
class Rigged(MemoryUnitOfWork):
    """Transactions that a test changes, or takes note of, before the story begins."""

    rig: Callable[[MemoryTransaction], None]

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        with MemoryUnitOfWork.begin(self) as tx:
            assert isinstance(tx, MemoryTransaction)
            self.rig(tx)
            yield tx


@dataclass(slots=True, kw_only=True)
class Service:
    """The whole core in memory, at noon; `clock` is set by hand, and `state` is all that was committed."""

    shop: Shop = field(default_factory=shop)
    enabled: bool = True
    work: MemoryUnitOfWork = field(default_factory=MemoryUnitOfWork)
    clock: FixedClock = field(default_factory=FixedClock)
    ids: SequenceIds = field(default_factory=SequenceIds)
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    messenger: MemoryMessenger = field(default_factory=MemoryMessenger)
    causes: MemoryCauses = field(default_factory=MemoryCauses)
    checkout: MemoryCheckout = field(default_factory=MemoryCheckout)
    refunder: MemoryRefunder = field(default_factory=MemoryRefunder)
    intake: MemoryIntake = field(default_factory=MemoryIntake)
    automatic_refunds_per_hour: int = 0

    @property
    def state(self) -> MemoryState:
        return self.work.state

    def keep(self, *invoices: Invoice) -> None:
        """As if they had been issued."""
        self.state.invoices.update({invoice.id: invoice for invoice in invoices})

    def give(self, *entitlements: Entitlement) -> None:
        """As if they had been granted."""
        self.state.entitlements.update({entitlement.id: entitlement for entitlement in entitlements})

    def judge(self, *queries: PreCheckout) -> Mapping[str, Objection | None]:
        return JudgePreCheckouts(
            work=self.work, clock=self.clock, shop=self.shop, journal=self.journal, enabled=self.enabled
        )(queries)

    def settle(self, *charges: Charge) -> Mapping[ChargeKey, Payment]:
        settle = SettleCharges(
            work=self.work,
            clock=self.clock,
            ids=self.ids,
            shop=self.shop,
            journal=self.journal,
            automatic_refunds_per_hour=self.automatic_refunds_per_hour,
        )
        return settle(charges)

    def refund(self, *refunds: Refund) -> None:
        for back in refunds:
            RecordRefund(work=self.work, clock=self.clock, ids=self.ids, journal=self.journal)(back)

    def follow(self, *standings: ChargeStanding) -> None:
        for told in standings:
            FollowCharge(work=self.work, clock=self.clock, ids=self.ids, journal=self.journal)(told)

    def order_refund(self, payment: Payment, *, outside: bool = False) -> Payment:
        """As a person would, who is called Olga."""
        order = OrderRefund(work=self.work, clock=self.clock, ids=self.ids, journal=self.journal)
        return order(payment.id, reason="asked for it", asked_by="olga", outside=outside)

    def carry_refunds(self, at_most: int = 10) -> int:
        carry = CarryRefunds(
            work=self.work, clock=self.clock, ids=self.ids, refunder=self.refunder, journal=self.journal
        )
        return carry(at_most)

    def resolve(self, payment: Payment, **chosen: Any) -> Payment:
        """Olga grants it."""
        grant = GrantQuarantined(work=self.work, clock=self.clock, ids=self.ids, shop=self.shop, journal=self.journal)
        return grant(payment.id, reason="a good customer", actor="olga", **chosen)

    def grant(self, plan: Plan = GOLD, *, to: UserId = ALICE, key: str | None = None, **different: Any) -> Entitlement:
        """Olga gives it, because she likes to."""
        gift = Gift(**{"user_id": to, "plan_code": plan.code, "reason": "a gift", **different})
        grant = GrantByHand(self.work, self.clock, self.ids, self.shop, self.journal, bots=[MAIN, SECOND_BOT])
        return grant(gift, actor="olga", key=key)

    def revoke(self, ending: Entitlement) -> Entitlement:
        """Olga ends it; what it is then."""
        revoke = RevokeByHand(self.work, self.clock, self.ids, self.shop, self.journal, bots=[MAIN, SECOND_BOT])
        return revoke(ending.id, reason="a mistake", actor="olga")[0]

    def work_inbox(self) -> int:
        return WorkInbox(
            work=self.work, clock=self.clock, intake=self.intake, journal=self.journal, causes=self.causes
        )()

    @property
    def desk(self) -> CheckoutDesk:
        return CheckoutDesk(
            work=self.work, clock=self.clock, shop=self.shop, checkout=self.checkout, journal=self.journal
        )

    def open(self, order: Order, key: str | None = None) -> tuple[Invoice, KeptCheckout]:
        return OpenCheckout(desk=self.desk)(order, key)

    def deliver(self, at_most: int = 10) -> int:
        """Carry what waits in the outbox, as far as it is due."""
        messenger = InvitingMessenger(messenger=self.messenger, desk=self.desk, return_url=RETURN_URL)
        return DeliverOutbox(self.work, self.clock, messenger, self.journal, self.causes)(at_most)

    def check(self, user: UserId, feature: str, as_of: datetime | None = None) -> Access:
        return CheckFeature(work=self.work, clock=self.clock)(user, feature, as_of)

    def check_all(self, *asked: tuple[UserId, str]) -> list[Access]:
        answers = CheckFeatures(work=self.work, clock=self.clock)(asked)
        return [answers[question] for question in asked]

    def explain(self, user: UserId, feature: str, as_of: datetime | None = None) -> tuple[Access, list[Reason]]:
        access, because, _ = ExplainFeature(work=self.work, clock=self.clock)(user, feature, as_of)
        return access, list(because)

    def listed(self, user: UserId, as_of: datetime | None = None) -> list[Entitlement]:
        return list(ListEntitlements(work=self.work, clock=self.clock)(user, as_of)[0])

    def held(self, user: UserId) -> list[Entitlement]:
        """What was not ended, the earliest first; over or not."""
        mine = [e for e in self.state.entitlements.values() if e.user_id == user and e.revoked_at is None]
        return sorted(mine, key=lambda e: e.starts_at)
