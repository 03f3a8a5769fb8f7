"""Taking note of money that moved, and granting what it paid for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from application.feed import tell
from application.messages import (
    Confirmation,
    Letter,
    Message,
    PaymentHeld,
    PaymentReturned,
    PaymentReturning,
    Price,
)
from application.ports.pages import Page
from application.ports.payments import ChargeKey, PaymentFilter
from application.ports.refunds import RefundOrder
from application.ports.surroundings import Clock, Ids, Journal
from application.ports.trail import TrailEntry
from application.ports.work import Transaction, UnitOfWork
from application.refunds import conflict
from application.shop import Shop
from domain.duration import LIFETIME
from domain.entitlement import Entitlement, holdings
from domain.errors import Unavailable
from domain.events import (
    ChargeConflicted,
    ChargeRepeated,
    Event,
    PaymentGranted,
    PaymentQuarantined,
    PaymentRefunded,
    RefundConflicted,
    RefundOrdered,
)
from domain.ids import InvoiceId, PlanCode, UserId
from domain.invoice import Invoice, Terms, rebuild
from domain.payment import Charge, Payment, PaymentStatus, Refund
from domain.returning import returns_by_itself
from domain.settlement import Repeat, Settlement, lived_then, repeat, settle, signed_terms

LOOKED_BACK = 200
"""Payments of one user for one plan that went back, the newest of them."""
AUTOMATIC_WITHIN = timedelta(hours=1)
BY_ITSELF = "tollgram"
"""Who ordered a refund that nobody ordered."""


@dataclass(frozen=True, slots=True)
class SettleCharges:
    """Take note of charges that a provider reports, and grant what they paid for.

    Providers report the same charge many times, and in parallel. A charge is written once, under its provider's id,
    and whoever wrote it goes on; every repeat stops there and changes nothing.
    One bulk read, plain decisions, one bulk write, one commit.

    What can only be a mistake is given back by itself, at most `automatic_refunds_per_hour` times (0: never); beyond
    that it waits for a person, since many mistakes at once are a fault or an attack.
    """

    work: UnitOfWork
    clock: Clock
    ids: Ids
    shop: Shop
    journal: Journal
    automatic_refunds_per_hour: int = 0

    def __call__(self, charges: Sequence[Charge]) -> Mapping[ChargeKey, Payment]:
        """What became of each charge, just now or when it was first reported."""
        terms = [signed_terms(self.shop.signer, charge.payload, charge.bot) for charge in charges]
        events: list[Event] = []
        trail: list[TrailEntry] = []
        room: int | None = None
        with self.work.begin() as tx:
            tx.lock(charges=[charge.key for charge in charges], users=[charge.payer for charge in charges])
            now = self.clock.now()
            books = _Books.read(tx, charges, terms, now)
            for charge, signed in zip(charges, terms, strict=True):
                if known := books.payments.get(charge.key):
                    same = repeat(known, charge) is Repeat.SAME_FACTS
                    events.append(
                        ChargeRepeated(payment=known) if same else ChargeConflicted(known=known, reported=charge)
                    )
                    if not same:
                        trail.append(_conflict(known, charge, now))
                    continue
                refund = books.refunds.get(charge.key)
                believed = refund is not None and refund.gives_back(charge)
                invoice = books.invoice(signed) or self._rebuilt(charge, signed)
                settlement = settle(
                    charge,
                    terms=signed,
                    invoice=invoice,
                    refunded_at=refund.refunded_at if refund and believed else None,
                    held=holdings(books.held.get(charge.payer, ()), now),
                    payment_id=self.ids.payment(),
                    new_entitlement_id=self.ids.entitlement,
                    now=now,
                    lived=invoice is not None
                    and invoice.offer.duration == LIFETIME
                    and lived_then(charge, books.given_back(tx, charge.payer, invoice.offer.plan_code)),
                )
                if returns_by_itself(settlement.payment):
                    room = self._room_for_refunds(tx, now) if room is None else room
                    if room > 0:
                        room -= 1
                        settlement = replace(settlement, payment=settlement.payment.giving_back())
                books.enter(settlement)
                events.append(_event(settlement))
                payment = settlement.payment
                trail.append(TrailEntry.of_payment("successful_payment", payment, now, message=payment.charge.message))
                if refund and not believed:
                    events.append(RefundConflicted(refund=refund, payment=settlement.payment))
                    trail.append(conflict(refund, settlement.payment, now))
            books.write(tx, now)
            tx.trail.add(trail)
            events = tell(tx, events, now)
        self.journal.record(*events)
        return {charge.key: books.payments[charge.key] for charge in charges}

    def _room_for_refunds(self, tx: Transaction, now: datetime) -> int:
        """How many more may be ordered by themselves; nobody else orders any until the end of the transaction."""
        if not self.automatic_refunds_per_hour:
            return 0
        tx.lock(automatic_refunds=True)
        return self.automatic_refunds_per_hour - tx.refund_orders.automatic_since(now - AUTOMATIC_WITHIN)

    def _rebuilt(self, charge: Charge, terms: Terms | None) -> Invoice | None:
        if terms is None:
            return None
        return rebuild(
            terms,
            bot=charge.bot,
            method=charge.method,
            catalog=self.shop.catalog,
            time_to_live=self.shop.time_to_live,
        )


@dataclass(slots=True)
class _Books:
    """What is on record, read in bulk; each settlement sees those before it, and all are written in bulk."""

    payments: dict[ChargeKey, Payment]
    invoices: dict[InvoiceId, Invoice]
    refunds: Mapping[ChargeKey, Refund]
    held: dict[UserId, list[Entitlement]]
    kept: frozenset[InvoiceId]
    settlements: list[Settlement] = field(default_factory=list)

    @classmethod
    def read(cls, tx: Transaction, charges: Sequence[Charge], terms: Iterable[Terms | None], now: datetime) -> "_Books":
        keys = [charge.key for charge in charges]
        invoices = dict(tx.invoices.of([signed.invoice_id for signed in terms if signed]))
        held = tx.entitlements.held_by([charge.payer for charge in charges], now)
        return cls(
            payments=dict(tx.payments.of(keys)),
            invoices=invoices,
            refunds=tx.refunds.of(keys),
            held={user: list(entitlements) for user, entitlements in held.items()},
            kept=frozenset(invoices),
        )

    def invoice(self, terms: Terms | None) -> Invoice | None:
        return self.invoices.get(terms.invoice_id) if terms else None

    def given_back(self, tx: Transaction, payer: UserId, plan: PlanCode) -> list[tuple[Payment, Invoice]]:
        """Payments for that plan that went back, as far as their invoices are known."""
        wanted = PaymentFilter(user_id=payer, plan_code=plan, status=PaymentStatus.REFUNDED)
        kept = tx.payments.found(wanted, Page(limit=LOOKED_BACK)).items
        new = [s.payment for s in self.settlements if (s.payment.charge.payer, s.payment.plan_code) == (payer, plan)]
        gone = [payment for payment in (*kept, *new) if payment.status is PaymentStatus.REFUNDED]
        ids = [payment.invoice_id for payment in gone if payment.invoice_id]
        invoices = {**tx.invoices.of(ids), **self.invoices}
        return [(payment, invoices[payment.invoice_id]) for payment in gone if payment.invoice_id in invoices]

    def enter(self, settlement: Settlement) -> None:
        payment = settlement.payment
        self.payments[payment.charge.key] = payment
        self.settlements.append(settlement)
        if settlement.invoice:
            self.invoices[settlement.invoice.id] = settlement.invoice
        if settlement.entitlement:
            self.held.setdefault(payment.charge.payer, []).append(settlement.entitlement)

    def write(self, tx: Transaction, now: datetime) -> None:
        # Before the payments, which point to them.
        tx.invoices.add([replace(lost, settled_by=None) for id, lost in self.invoices.items() if id not in self.kept])
        new = [settlement.payment for settlement in self.settlements]
        if len(tx.payments.add_new(new)) != len(new):
            # Somebody wrote one of them past our lock. Undo everything: on the next try it is a repeat.
            raise Unavailable("A charge was settled elsewhere at the same moment.")
        tx.invoices.settle({s.invoice.id: s.payment.charge.charge_id for s in self.settlements if s.invoice and s.paid})
        tx.entitlements.add([s.entitlement for s in self.settlements if s.entitlement])
        tx.refund_orders.add([_order(p, now) for p in new if p.status is PaymentStatus.REFUND_PENDING])
        tx.outbox.add([_letter(settlement) for settlement in self.settlements], now)


def _event(settlement: Settlement) -> Event:
    payment = settlement.payment
    if settlement.entitlement:
        return PaymentGranted(payment=payment, entitlement=settlement.entitlement, extends=settlement.extends)
    if payment.status is PaymentStatus.REFUNDED:
        return PaymentRefunded(payment=payment)
    if payment.status is PaymentStatus.REFUND_PENDING:
        return RefundOrdered(payment=payment, asked_by=BY_ITSELF, automatic=True)
    return PaymentQuarantined(payment=payment)


def _order(payment: Payment, now: datetime) -> RefundOrder:
    return RefundOrder(
        provider=payment.charge.provider,
        charge_id=payment.charge.charge_id,
        payment_id=payment.id,
        asked_at=now,
        asked_by=BY_ITSELF,
        reason=payment.quarantine_reason or "",
        automatic=True,
    )


def _letter(settlement: Settlement) -> Letter:
    charge, invoice = settlement.payment.charge, settlement.invoice
    return Letter(
        bot=charge.bot,
        chat_id=charge.payer,
        language=invoice.language if invoice else "en",
        message=_message(settlement),
        about=charge.key,
    )


def _message(settlement: Settlement) -> Message:
    payment, plan = settlement.payment, settlement.invoice.offer.title if settlement.invoice else None
    price = Price(amount=payment.charge.paid.amount, currency=payment.charge.paid.currency)
    if granted := settlement.entitlement:
        return Confirmation(
            plan=plan or granted.plan_code,
            price=price,
            starts_at=granted.starts_at,
            expires_at=granted.expires_at,
            extends=settlement.extends,
        )
    if payment.status is PaymentStatus.REFUNDED:
        return PaymentReturned(price=price, plan=plan, ended=False)
    if payment.status is PaymentStatus.REFUND_PENDING:
        return PaymentReturning(price=price, plan=plan, reason=payment.quarantine_reason or "")
    return PaymentHeld(price=price, plan=plan, reason=payment.quarantine_reason or "")


def _conflict(known: Payment, charge: Charge, now: datetime) -> TrailEntry:
    return TrailEntry(
        kind="charge_conflict",
        bot=charge.bot,
        at=now,
        user_id=charge.payer,
        invoice_id=known.invoice_id,
        charge_id=charge.charge_id,
        decision=known.status,
        message=charge.message,
    )
