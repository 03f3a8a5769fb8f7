"""The ports in memory: fakes that keep the same contracts as the real things, and can be looked into."""

import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from application.messages import Letter, Message
from application.ports.checkout import (
    Checkout,
    Checkouts,
    CheckoutSession,
    Customers,
    KeptCheckout,
    StripeEvent,
    StripeEvents,
    StripeSnapshot,
)
from application.ports.entitlements import DoubleGrant, Entitlements, GrantKey, GrantKeys
from application.ports.feed import Feed, NumberedNotice
from application.ports.inbox import FoundBy, Inbox, Intake, KeptReport, Report, Updates
from application.ports.invoices import Attempts, Invoices
from application.ports.ledgers import LedgerMark, LedgerMarks
from application.ports.outbox import Delivery, Messenger, Outbox, Sent
from application.ports.outcomes import LONGEST_PUT_OFF, TryLater
from application.ports.pages import Page, PageOf
from application.ports.payments import WITH_LEDGER, ChargeKey, PaymentFilter, Payments
from application.ports.pushes import Endpoint, EndpointState, Push, Pushes, PushOutcome, Receiver, Taken
from application.ports.refunds import GivenBack, Refunder, RefundOrder, RefundOrders, Refunds, ReturnOutcome
from application.ports.surroundings import Causes, Clock, Ids, Journal
from application.ports.trail import KeptEntry, Trail, TrailEntry, TrailFilter
from application.ports.work import Transaction, UnitOfWork
from domain.catalog import Method
from domain.entitlement import Entitlement
from domain.errors import InvalidRequest, ProviderUnavailable, Unavailable
from domain.events import Event, MessageSent
from domain.ids import BotName, ChargeId, EntitlementId, InvoiceId, PassportId, PaymentId, UserId
from domain.invoice import Invoice
from domain.money import Money
from domain.notices import Notice
from domain.payment import Payment, PaymentStatus, Provider, Refund

NOON: Final = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WAITING_SHOWN: Final = 20
BOT_PER_SECOND: Final = 25
CHAT_BURST: Final = 5
CHAT_BURST_WITHIN: Final = timedelta(seconds=5)
LOCK_WITHIN_S: Final = 10.0
AUTOMATIC_REFUNDS: Final = "automatic refunds"
BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class FixedClock(Clock):
    """Stands still until told."""

    time: datetime = NOON

    def now(self) -> datetime:
        return self.time

    def pass_by(self, span: timedelta) -> None:
        self.time += span


@dataclass(slots=True)
class SequenceIds(Ids):
    """inv_00…01, inv_00…02 and so on; each kind counts by itself."""

    invoices: int = 0
    payments: int = 0
    entitlements: int = 0
    passports: int = 0

    def invoice(self) -> InvoiceId:
        self.invoices += 1
        return InvoiceId(f"inv_{self.invoices:032x}")

    def payment(self) -> PaymentId:
        self.payments += 1
        return PaymentId(f"pay_{self.payments:032x}")

    def entitlement(self) -> EntitlementId:
        self.entitlements += 1
        return EntitlementId(f"ent_{self.entitlements:032x}")

    def passport(self) -> PassportId:
        self.passports += 1
        return PassportId(f"pas_{self.passports:032x}")


@dataclass(slots=True)
class MemoryJournal(Journal):
    events: list[Event] = field(default_factory=list)

    def record(self, *events: Event) -> None:
        self.events.extend(events)

    @property
    def of_business(self) -> list[Event]:
        """All but that a letter arrived."""
        return [event for event in self.events if not isinstance(event, MessageSent)]


@dataclass(slots=True)
class MemoryCauses(Causes):
    """What was gone on with, in order; `now` is what is under way."""

    seen: list[tuple[str, str]] = field(default_factory=list)
    now: str = ""

    @contextmanager
    def going_on(self, cause: str, what: str, **facts: str) -> Iterator[None]:
        self.seen.append((cause, what))
        self.now = cause
        try:
            yield
        finally:
            self.now = ""


@dataclass(slots=True)
class MemoryMessenger(Messenger):
    """Delivers as scripted in `deliveries`, then always; `sent` are the letters that were tried, in order."""

    deliveries: deque[Delivery] = field(default_factory=deque)
    sent: list[Letter] = field(default_factory=list)
    linked: list[Letter] = field(default_factory=list)
    unavailable: bool = False

    def send(self, letter: Letter) -> Delivery:
        self.sent.append(letter)
        return self.deliveries.popleft() if self.deliveries else Sent(message_id=len(self.sent))

    def invoice_link(self, letter: Letter) -> str:
        if self.unavailable:
            raise ProviderUnavailable("Telegram gave no link (timed out).")
        self.linked.append(letter)
        return f"https://t.me/$link{len(self.linked)}"


@dataclass(slots=True)
class MemoryCheckout(Checkout):
    """A Stripe that does as it is told: the same request gives the same page, and `unavailable` says no to all.

    `price` is what its next new page asks for, where that is not the invoice's; `snapshots` what it says of an object.
    `opened` are the requests for a page, in order, with repeats; `expired` the pages at which nobody can pay any more.
    """

    price: Money | None = None
    unavailable: bool = False
    pages: dict[InvoiceId, CheckoutSession] = field(default_factory=dict)
    opened: list[tuple[Invoice, str, str]] = field(default_factory=list)
    expired: list[str] = field(default_factory=list)
    customers: dict[UserId, str] = field(default_factory=dict)
    portals: list[tuple[str, str]] = field(default_factory=list)
    snapshots: dict[str, StripeSnapshot] = field(default_factory=dict)

    def create_customer(self, user_id: UserId) -> str:
        self._answer()
        return self.customers.setdefault(user_id, f"cus_{len(self.customers) + 1}")

    def open(self, invoice: Invoice, payload: str, customer_id: str) -> CheckoutSession:
        self._answer()
        self.opened.append((invoice, payload, customer_id))
        number = len(self.pages) + 1
        page = CheckoutSession(
            id=f"cs_{number}", url=f"https://checkout.stripe.com/c/{number}", price=self.price or invoice.offer.price
        )
        return self.pages.setdefault(invoice.id, page)

    def expire(self, session_id: str) -> None:
        self._answer()
        self.expired.append(session_id)

    def portal(self, customer_id: str, return_url: str) -> str:
        self._answer()
        self.portals.append((customer_id, return_url))
        return f"https://billing.stripe.com/p/{len(self.portals)}"

    def close(self) -> None:
        """Nothing was opened."""

    def snapshot(self, event: StripeEvent) -> StripeSnapshot | None:
        self._answer()
        return self.snapshots.get(event.object_id)

    def _answer(self) -> None:
        if self.unavailable:
            raise ProviderUnavailable("Stripe does not answer.")


@dataclass(slots=True)
class MemoryRefunder(Refunder):
    """Providers that do as scripted in `outcomes`, then give back. `returned` is what really went back, and `asked`
    every question, in order. `loses_answers`: it does what it is asked, and its answer gets lost."""

    outcomes: deque[ReturnOutcome] = field(default_factory=deque)
    returned: list[ChargeKey] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    unavailable: bool = False
    loses_answers: int = 0
    fault: Exception | None = None

    def given_back(self, payment: Payment, order: RefundOrder) -> bool:
        self.asked.append("given back?")
        if self.unavailable:
            raise ProviderUnavailable("The provider does not answer.")
        return order.key in self.returned

    def give_back(self, payment: Payment, order: RefundOrder) -> ReturnOutcome:
        self.asked.append("give back")
        if self.fault:
            raise self.fault
        outcome = self.outcomes.popleft() if self.outcomes else GivenBack()
        if isinstance(outcome, GivenBack):
            self.returned.append(order.key)
            if self.loses_answers:
                self.loses_answers -= 1
                return TryLater(problem="no answer in time")
        return outcome


@dataclass(slots=True)
class MemoryIntake(Intake):
    """Raises as scripted in `faults`, then says `done`; `last` is what the last resort says or raises."""

    faults: deque[Exception] = field(default_factory=deque)
    taken: list[Report] = field(default_factory=list)
    last: str | Exception = "quarantined"

    def take(self, report: Report) -> str:
        self.taken.append(report)
        if self.faults:
            raise self.faults.popleft()
        return "done"

    def quarantine(self, report: Report) -> str:
        if isinstance(self.last, Exception):
            raise self.last
        return self.last


@dataclass(slots=True)
class MemoryReceiver(Receiver):
    """Answers as scripted in `outcomes`, then takes everything. `got` is all that was pushed, in order, `at` when."""

    outcomes: deque[PushOutcome] = field(default_factory=deque)
    got: list[NumberedNotice] = field(default_factory=list)
    at: list[datetime] = field(default_factory=list)
    fault: Exception | None = None

    def push(self, endpoint: Endpoint, event: NumberedNotice, now: datetime) -> PushOutcome:
        if self.fault:
            raise self.fault
        self.got.append(event)
        self.at.append(now)
        return self.outcomes.popleft() if self.outcomes else Taken()


# What is kept ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptLetter:
    """A letter in the outbox; it waits until it was sent or given up."""

    letter: Letter
    created_at: datetime
    due_at: datetime
    claimed_at: datetime | None = None
    claimed_until: datetime | None = None
    sent_at: datetime | None = None
    given_up_at: datetime | None = None
    problem: str | None = None

    @property
    def waits(self) -> bool:
        return self.sent_at is None and self.given_up_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingReport:
    """A report in the inbox; it waits until it was done with or given up."""

    kept: KeptReport
    due_at: datetime
    problem: str
    claimed_until: datetime | None = None
    done_at: datetime | None = None
    outcome: str | None = None
    given_up_at: datetime | None = None

    @property
    def waits(self) -> bool:
        return self.done_at is None and self.given_up_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingOrder:
    """A refund that we ordered; it waits until the provider gave the money back or refused."""

    order: RefundOrder
    due_at: datetime
    claimed_until: datetime | None = None
    done_at: datetime | None = None
    failed_at: datetime | None = None
    problem: str | None = None

    @property
    def waits(self) -> bool:
        return self.done_at is None and self.failed_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunCheckout:
    """What was asked of Stripe, by whom, and under which key of the caller's."""

    checkout: KeptCheckout
    user_id: UserId
    key: str | None
    fingerprint: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptEvent:
    event: StripeEvent
    outcome: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingPush:
    """An event for an endpoint; it waits until it was given up, and is gone once it was taken."""

    push: Push
    due_at: datetime
    claimed_until: datetime | None = None
    given_up_at: datetime | None = None
    problem: str | None = None


@dataclass(slots=True)
class MemoryState:
    """Everything that was committed; tests may read it and put things into it."""

    invoices: dict[InvoiceId, Invoice] = field(default_factory=dict)
    telegram_message_ids: dict[InvoiceId, int] = field(default_factory=dict)
    payments: dict[ChargeKey, Payment] = field(default_factory=dict)
    refunds: dict[ChargeKey, Refund] = field(default_factory=dict)
    entitlements: dict[EntitlementId, Entitlement] = field(default_factory=dict)
    grant_keys: dict[tuple[str, str], GrantKey] = field(default_factory=dict)
    trail: list[TrailEntry] = field(default_factory=list)
    seen: dict[tuple[BotName, int], datetime] = field(default_factory=dict)
    inbox: dict[Report, WaitingReport] = field(default_factory=dict)
    refund_orders: dict[ChargeKey, WaitingOrder] = field(default_factory=dict)
    ledger_marks: dict[str, LedgerMark] = field(default_factory=dict)
    confirmed: dict[ChargeKey, datetime] = field(default_factory=dict)
    attempts: dict[UserId, list[datetime]] = field(default_factory=dict)
    checkouts: dict[InvoiceId, BegunCheckout] = field(default_factory=dict)
    customers: dict[UserId, str] = field(default_factory=dict)
    stripe_events: dict[str, KeptEvent] = field(default_factory=dict)
    outbox: list[KeptLetter] = field(default_factory=list)
    over_noted: dict[EntitlementId, datetime] = field(default_factory=dict)
    unnumbered: list[Notice] = field(default_factory=list)
    feed: list[NumberedNotice] = field(default_factory=list)
    endpoints: dict[str, EndpointState] = field(default_factory=dict)
    pushes: dict[tuple[str, int], WaitingPush] = field(default_factory=dict)

    @property
    def notices(self) -> list[Notice]:
        """All that others are told of, in order."""
        return [*(numbered.notice for numbered in self.feed), *self.unnumbered]

    @property
    def messages(self) -> list[Message]:
        """What every letter says that was ever put into the outbox, oldest first."""
        return [kept.letter.message for kept in self.outbox]

    def copy(self) -> "MemoryState":
        """Values never change, so their containers are all there is to copy."""
        return MemoryState(**{kept.name: copy(getattr(self, kept.name)) for kept in fields(self)})


@dataclass(slots=True)
class MemoryUnitOfWork(UnitOfWork):
    """One transaction at a time; each works on a copy, which is thrown away where it raises."""

    state: MemoryState = field(default_factory=MemoryState)
    broken: bool = False
    """A test may say that the database does not do its part."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        if self.broken or not self.lock.acquire(timeout=LOCK_WITHIN_S):
            raise Unavailable("The database does not answer.")
        try:
            state = self.state.copy()
            yield MemoryTransaction(state)
            self.state = state
        finally:
            self.lock.release()

    @contextmanager
    def look(self) -> Iterator[Transaction]:
        if self.broken:
            raise Unavailable("The database does not answer.")
        state = self.state.copy()
        before = state.copy()
        yield MemoryTransaction(state)
        if state != before:
            raise AssertionError("something was written in a transaction that only reads")


class MemoryTransaction(Transaction):
    """`locked` are the charges and users that were locked, in order."""

    def __init__(self, state: MemoryState) -> None:
        self.invoices = MemoryInvoices(state)
        self.payments = MemoryPayments(state)
        self.refunds = MemoryRefunds(state)
        self.refund_orders = MemoryRefundOrders(state)
        self.inbox = MemoryInbox(state)
        self.ledger_marks = MemoryLedgerMarks(state)
        self.entitlements = MemoryEntitlements(state)
        self.grant_keys = MemoryGrantKeys(state)
        self.trail = MemoryTrail(state)
        self.updates = MemoryUpdates(state)
        self.attempts = MemoryAttempts(state)
        self.checkouts = MemoryCheckouts(state)
        self.customers = MemoryCustomers(state)
        self.stripe_events = MemoryStripeEvents(state)
        self.outbox = MemoryOutbox(state)
        self.feed = MemoryFeed(state)
        self.pushes = MemoryPushes(state)
        self.locked: list[ChargeKey | UserId | str] = []

    def lock(
        self, *, charges: Sequence[ChargeKey] = (), users: Sequence[UserId] = (), automatic_refunds: bool = False
    ) -> None:
        if charges and any(not isinstance(held, tuple) for held in self.locked):
            raise AssertionError("charges are locked before users, or two transactions can wait for each other")
        if users and AUTOMATIC_REFUNDS in self.locked:
            raise AssertionError("users are locked before the automatic refunds, or two can wait for each other")
        self.locked += [*charges, *users, *([AUTOMATIC_REFUNDS] if automatic_refunds else [])]


@dataclass(frozen=True, slots=True)
class MemoryInvoices(Invoices):
    state: MemoryState

    def add(self, invoices: Sequence[Invoice]) -> None:
        for invoice in invoices:
            self.state.invoices.setdefault(invoice.id, invoice)

    def of(self, ids: Sequence[InvoiceId]) -> Mapping[InvoiceId, Invoice]:
        return {id: self.state.invoices[id] for id in ids if id in self.state.invoices}

    def approve(self, ids: Sequence[InvoiceId], at: datetime) -> None:
        for invoice in self.of(ids).values():
            if invoice.approved_at is None:
                self.state.invoices[invoice.id] = replace(invoice, approved_at=at)

    def settle(self, charges: Mapping[InvoiceId, ChargeId]) -> None:
        for id, charge_id in charges.items():
            invoice = self.state.invoices.get(id)
            if invoice is None or invoice.settled_by is not None:
                raise Unavailable("An invoice was settled elsewhere at the same moment.")
            self.state.invoices[id] = replace(invoice, settled_by=charge_id)

    def cancel(self, id: InvoiceId, at: datetime) -> None:
        invoice = self.state.invoices.get(id)
        if invoice and invoice.settled_by is None and invoice.cancelled_at is None:
            self.state.invoices[id] = replace(invoice, cancelled_at=at)

    def sent(self, id: InvoiceId, telegram_message_id: int) -> None:
        if id in self.state.invoices:
            self.state.telegram_message_ids[id] = telegram_message_id


@dataclass(frozen=True, slots=True)
class MemoryPayments(Payments):
    state: MemoryState

    def of(self, charges: Sequence[ChargeKey]) -> Mapping[ChargeKey, Payment]:
        return {key: self.state.payments[key] for key in charges if key in self.state.payments}

    def add_new(self, payments: Sequence[Payment]) -> set[ChargeKey]:
        new = set()
        for payment in payments:
            if payment.charge.key not in self.state.payments:
                self.state.payments[payment.charge.key] = payment
                new.add(payment.charge.key)
        return new

    def update(self, payment: Payment) -> None:
        kept = self.state.payments.get(payment.charge.key)
        if kept and kept.id == payment.id:
            self.state.payments[payment.charge.key] = replace(
                kept,
                invoice_id=payment.invoice_id,
                plan_code=payment.plan_code,
                status=payment.status,
                quarantine_reason=payment.quarantine_reason,
                refunded_at=payment.refunded_at,
                amount_refunded=payment.amount_refunded,
                disputes=payment.disputes,
                suspended=payment.suspended,
            )

    def get(self, id: PaymentId) -> Payment | None:
        return next((payment for payment in self.state.payments.values() if payment.id == id), None)

    def found(self, wanted: PaymentFilter, page: Page) -> PageOf[Payment]:
        found = [
            payment
            for key, payment in self.state.payments.items()
            if _wanted(payment, wanted)
            and not (wanted.unconfirmed and (key in self.state.confirmed or payment.charge.method not in WITH_LEDGER))
        ]
        rows = sorted(found, key=lambda payment: (payment.received_at, payment.id), reverse=True)
        if page.cursor is not None:
            after = [payment.id for payment in rows]
            if page.cursor not in after:
                raise InvalidRequest("The cursor is none of ours.")
            rows = rows[after.index(PaymentId(page.cursor)) + 1 :]
        shown = tuple(rows[: page.limit])
        return PageOf(items=shown, next_cursor=shown[-1].id if len(rows) > page.limit else None)

    def confirm(self, charges: Sequence[ChargeKey], at: datetime) -> None:
        for key in charges:
            if key in self.state.payments:
                self.state.confirmed.setdefault(key, at)

    def unconfirmed(self, methods: Sequence[Method], received_before: datetime, *, at_most: int) -> Sequence[Payment]:
        rows = [
            payment
            for key, payment in self.state.payments.items()
            if key not in self.state.confirmed
            and payment.charge.method in methods
            and payment.received_at < received_before
        ]
        return sorted(rows, key=lambda payment: (payment.received_at, payment.id))[:at_most]

    def any_by_stripe(self, user_id: UserId) -> bool:
        return any(payment.charge.provider is Provider.STRIPE for payment in self._of_user(user_id))

    def waiting_of(self, user_id: UserId) -> Sequence[Payment]:
        rows = [payment for payment in self._of_user(user_id) if payment.status is PaymentStatus.QUARANTINED]
        return sorted(rows, key=lambda payment: (payment.received_at, payment.id))[:WAITING_SHOWN]

    def _of_user(self, user_id: UserId) -> list[Payment]:
        return [payment for payment in self.state.payments.values() if payment.charge.payer == user_id]


def _wanted(payment: Payment, wanted: PaymentFilter) -> bool:
    charge = payment.charge
    return (
        wanted.user_id in (None, charge.payer)
        and wanted.status in (None, payment.status)
        and wanted.method in (None, charge.method)
        and wanted.plan_code in (None, payment.plan_code)
        and wanted.charge_id in (None, charge.charge_id)
        and wanted.quarantine_reason in (None, payment.quarantine_reason)
        and (wanted.since is None or wanted.since <= payment.received_at)
        and (wanted.until is None or payment.received_at < wanted.until)
    )


def _claimable(waiting: WaitingReport | WaitingOrder, now: datetime, lease: timedelta) -> bool:
    """Times too far ahead were noted by a clock that was set back since, and hold nothing up."""
    until = waiting.claimed_until
    free = until is None or until <= now or until > now + 2 * lease
    return waiting.waits and free and (waiting.due_at <= now or waiting.due_at > now + LONGEST_PUT_OFF)


@dataclass(frozen=True, slots=True)
class MemoryInbox(Inbox):
    state: MemoryState

    def keep(self, reports: Sequence[Report], *, found_by: FoundBy, now: datetime, problem: str = "") -> int:
        new = 0
        for report in reports:
            known = self.state.inbox.get(report)
            if known is None:
                id = len(self.state.inbox) + 1
                kept = KeptReport(id=id, report=report, found_by=found_by, received_at=now, attempts=0)
                self.state.inbox[report] = WaitingReport(kept=kept, due_at=now, problem=problem)
                new += 1
            elif known.done_at and found_by is FoundBy.RECONCILIATION:
                self.state.inbox[report] = _anew(known, now)
                new += 1
        return new

    def claim(self, now: datetime, *, at_most: int, lease: timedelta) -> Sequence[KeptReport]:
        due = [waiting for waiting in self.state.inbox.values() if _claimable(waiting, now, lease)]
        claimed = []
        for waiting in sorted(due, key=lambda one: (one.due_at, one.kept.id))[:at_most]:
            kept = replace(waiting.kept, attempts=waiting.kept.attempts + 1)
            self.state.inbox[kept.report] = replace(waiting, kept=kept, claimed_until=now + lease)
            claimed.append(kept)
        return claimed

    def done(self, kept: KeptReport, outcome: str, now: datetime) -> None:
        if waiting := self._waiting(kept):
            self.state.inbox[kept.report] = replace(waiting, done_at=now, outcome=outcome, claimed_until=None)

    def retry(self, kept: KeptReport, due_at: datetime, problem: str, *, forgiven: int = 0) -> None:
        if waiting := self._waiting(kept):
            tried = replace(waiting.kept, attempts=max(0, waiting.kept.attempts - forgiven))
            self.state.inbox[kept.report] = replace(
                waiting, kept=tried, due_at=due_at, problem=problem, claimed_until=None
            )

    def give_up(self, kept: KeptReport, now: datetime, problem: str) -> None:
        if waiting := self._waiting(kept):
            self.state.inbox[kept.report] = replace(waiting, given_up_at=now, problem=problem, claimed_until=None)

    def reopen(self, now: datetime, reports: Sequence[Report] | None = None) -> int:
        of = self.state.inbox if reports is None else reports
        given_up = [one for report in of if (one := self.state.inbox.get(report)) and one.given_up_at]
        for waiting in given_up:
            self.state.inbox[waiting.kept.report] = _anew(waiting, now)
        return len(given_up)

    def _waiting(self, kept: KeptReport) -> WaitingReport | None:
        waiting = self.state.inbox.get(kept.report)
        return waiting if waiting and waiting.waits else None


def _anew(waiting: WaitingReport, now: datetime) -> WaitingReport:
    anew = replace(waiting.kept, attempts=0, received_at=now)
    return WaitingReport(kept=anew, due_at=now, problem=waiting.problem)


@dataclass(frozen=True, slots=True)
class MemoryRefundOrders(RefundOrders):
    state: MemoryState

    def add(self, orders: Sequence[RefundOrder]) -> set[ChargeKey]:
        new = set()
        for order in orders:
            known = self.state.refund_orders.get(order.key)
            if known is None or known.failed_at:
                self.state.refund_orders[order.key] = WaitingOrder(order=order, due_at=order.asked_at)
                new.add(order.key)
        return new

    def open_of(self, charge: ChargeKey) -> RefundOrder | None:
        waiting = self._waiting(charge)
        return waiting.order if waiting else None

    def automatic_since(self, since: datetime) -> int:
        return sum(w.order.automatic and w.order.asked_at >= since for w in self.state.refund_orders.values())

    def claim(self, now: datetime, *, at_most: int, lease: timedelta) -> Sequence[RefundOrder]:
        due = [waiting for waiting in self.state.refund_orders.values() if _claimable(waiting, now, lease)]
        claimed = []
        for waiting in sorted(due, key=lambda one: (one.due_at, one.order.asked_at))[:at_most]:
            order = replace(waiting.order, attempts=waiting.order.attempts + 1)
            self.state.refund_orders[order.key] = replace(waiting, order=order, claimed_until=now + lease)
            claimed.append(order)
        return claimed

    def retry(self, order: RefundOrder, due_at: datetime, problem: str) -> None:
        if waiting := self._waiting(order.key):
            self.state.refund_orders[order.key] = replace(waiting, due_at=due_at, problem=problem, claimed_until=None)

    def done(self, charge: ChargeKey, now: datetime) -> None:
        if waiting := self._waiting(charge):
            self.state.refund_orders[charge] = replace(waiting, done_at=now, claimed_until=None)

    def failed(self, order: RefundOrder, now: datetime, problem: str) -> None:
        if waiting := self._waiting(order.key):
            self.state.refund_orders[order.key] = replace(waiting, failed_at=now, problem=problem, claimed_until=None)

    def _waiting(self, charge: ChargeKey) -> WaitingOrder | None:
        waiting = self.state.refund_orders.get(charge)
        return waiting if waiting and waiting.waits else None


@dataclass(frozen=True, slots=True)
class MemoryLedgerMarks(LedgerMarks):
    state: MemoryState

    def take(self, ledger: str, now: datetime) -> LedgerMark:
        return self.state.ledger_marks.setdefault(ledger, LedgerMark(ledger=ledger, first_started_at=now))

    def all(self) -> Sequence[LedgerMark]:
        return [self.state.ledger_marks[ledger] for ledger in sorted(self.state.ledger_marks)]

    def move(self, mark: LedgerMark) -> None:
        known = self.state.ledger_marks[mark.ledger]
        self.state.ledger_marks[mark.ledger] = replace(mark, first_started_at=known.first_started_at)


@dataclass(frozen=True, slots=True)
class MemoryRefunds(Refunds):
    state: MemoryState

    def add_new(self, refund: Refund) -> bool:
        return self.state.refunds.setdefault(refund.key, refund) is refund

    def of(self, charges: Sequence[ChargeKey]) -> Mapping[ChargeKey, Refund]:
        return {key: self.state.refunds[key] for key in charges if key in self.state.refunds}


@dataclass(frozen=True, slots=True)
class MemoryEntitlements(Entitlements):
    state: MemoryState

    def held_by(self, users: Sequence[UserId], now: datetime) -> Mapping[UserId, Sequence[Entitlement]]:
        held: dict[UserId, list[Entitlement]] = {}
        for entitlement in sorted(self.state.entitlements.values(), key=lambda e: (e.starts_at, e.id)):
            if entitlement.user_id in users and entitlement.held(now):
                held.setdefault(entitlement.user_id, []).append(entitlement)
        return held

    def of_user(self, user_id: UserId) -> Sequence[Entitlement]:
        rows = [e for e in self.state.entitlements.values() if e.user_id == user_id]
        return sorted(rows, key=lambda e: (e.starts_at, e.granted_at, e.id), reverse=True)

    def living_of(self, payment_id: PaymentId) -> Entitlement | None:
        return next((e for e in self.state.entitlements.values() if _living(e) and e.payment_id == payment_id), None)

    def opened_by(self, payments: Sequence[PaymentId]) -> Mapping[PaymentId, Entitlement]:
        return {id: living for id in payments if (living := self.living_of(id))}

    def get(self, id: EntitlementId) -> Entitlement | None:
        return self.state.entitlements.get(id)

    def add(self, entitlements: Sequence[Entitlement]) -> None:
        for entitlement in entitlements:
            payment_id = entitlement.payment_id
            if payment_id and _living(entitlement) and self.living_of(payment_id):
                raise DoubleGrant(payment_id)
            if entitlement.id in self.state.entitlements:
                raise AssertionError(f"{entitlement.id} is kept already")
            self.state.entitlements[entitlement.id] = entitlement

    def end(self, entitlements: Sequence[Entitlement]) -> None:
        for entitlement in entitlements:
            kept = self.state.entitlements[entitlement.id]
            if _living(kept):
                self.state.entitlements[entitlement.id] = replace(kept, revoked_at=entitlement.revoked_at)

    def over(self, now: datetime, *, at_most: int, users: Sequence[UserId] | None = None) -> Sequence[Entitlement]:
        ends = [
            (e.expires_at, e.id, e)
            for e in self.state.entitlements.values()
            if e.expires_at and e.expires_at <= now and self._unnoted(e.id) and (users is None or e.user_id in users)
        ]
        return [span for _, _, span in sorted(ends, key=lambda end: end[:2])][:at_most]

    def note_over(self, ids: Sequence[EntitlementId], at: datetime) -> set[EntitlementId]:
        new = {id for id in ids if self._unnoted(id)}
        self.state.over_noted |= dict.fromkeys(new, at)
        return new

    def _unnoted(self, id: EntitlementId) -> bool:
        kept = self.state.entitlements[id]
        return kept.expires_at is not None and _living(kept) and id not in self.state.over_noted

    def revoked_since(self, since: datetime, *, at_most: int) -> Sequence[EntitlementId]:
        ended = [(e.revoked_at, e.id) for e in self.state.entitlements.values() if e.revoked_at is not None]
        return [id for revoked_at, id in sorted(ended) if revoked_at >= since][:at_most]


def _living(entitlement: Entitlement) -> bool:
    return entitlement.revoked_at is None


@dataclass(frozen=True, slots=True)
class MemoryGrantKeys(GrantKeys):
    state: MemoryState

    def take(self, new: GrantKey, now: datetime) -> GrantKey:
        return self.state.grant_keys.setdefault((new.caller, new.key), new)


@dataclass(frozen=True, slots=True)
class MemoryTrail(Trail):
    state: MemoryState

    def add(self, entries: Sequence[TrailEntry]) -> None:
        for entry in entries:
            once = entry.kind in {"successful_payment", "refunded_payment"} and entry.charge_id is not None
            if not once or (entry.kind, entry.charge_id) not in {(e.kind, e.charge_id) for e in self.state.trail}:
                self.state.trail.append(entry)

    def found(self, wanted: TrailFilter, page: Page) -> PageOf[KeptEntry]:
        rows = [
            KeptEntry(id=number, entry=entry)
            for number, entry in enumerate(self.state.trail, 1)
            if wanted.user_id in (None, entry.user_id)
            and wanted.invoice_id in (None, entry.invoice_id)
            and wanted.charge_id in (None, entry.charge_id)
        ][::-1]
        if page.cursor is not None:
            if not page.cursor.isdigit():
                raise InvalidRequest("The cursor is none of ours.")
            rows = [row for row in rows if row.id < int(page.cursor)]
        shown = tuple(rows[: page.limit])
        return PageOf(items=shown, next_cursor=str(shown[-1].id) if len(rows) > page.limit else None)


@dataclass(frozen=True, slots=True)
class MemoryUpdates(Updates):
    state: MemoryState

    def first_seen(self, bot: BotName, update_id: int, now: datetime) -> bool:
        if (bot, update_id) in self.state.seen:
            return False
        self.state.seen[bot, update_id] = now
        return True

    def forget(self, before: datetime) -> int:
        gone = [key for key, at in self.state.seen.items() if at < before]
        for key in gone:
            del self.state.seen[key]
        return len(gone)


@dataclass(frozen=True, slots=True)
class MemoryAttempts(Attempts):
    state: MemoryState

    def admit(self, user_id: UserId, now: datetime, *, at_most: int, within: timedelta) -> timedelta | None:
        # What lies further in the future than that was noted by a clock that was set back since.
        times = sorted(at for at in self.state.attempts.get(user_id, ()) if now - within < at <= now + within)
        if len(times) >= at_most:
            return times[-at_most] + within - now
        self.state.attempts[user_id] = [*times, now]
        return None


@dataclass(frozen=True, slots=True)
class MemoryCheckouts(Checkouts):
    state: MemoryState

    def of(self, invoice_id: InvoiceId) -> KeptCheckout | None:
        begun = self.state.checkouts.get(invoice_id)
        return begun.checkout if begun else None

    def by_key(self, user_id: UserId, key: str) -> tuple[str, KeptCheckout] | None:
        begun = next((b for b in self.state.checkouts.values() if (b.user_id, b.key) == (user_id, key)), None)
        return (begun.fingerprint, begun.checkout) if begun else None

    def add(self, checkout: KeptCheckout, *, user_id: UserId, key: str | None, fingerprint: str, now: datetime) -> None:
        if checkout.invoice_id in self.state.checkouts or (key is not None and self.by_key(user_id, key)):
            raise Unavailable("The same purchase was begun elsewhere at the same moment.")
        self.state.checkouts[checkout.invoice_id] = BegunCheckout(
            checkout=checkout, user_id=user_id, key=key, fingerprint=fingerprint, at=now
        )

    def opened(self, checkout: KeptCheckout) -> None:
        if begun := self.state.checkouts.get(checkout.invoice_id):
            self.state.checkouts[checkout.invoice_id] = replace(begun, checkout=checkout)

    def release(self, invoice_id: InvoiceId) -> None:
        if begun := self.state.checkouts.get(invoice_id):
            self.state.checkouts[invoice_id] = replace(begun, key=None)


@dataclass(frozen=True, slots=True)
class MemoryCustomers(Customers):
    state: MemoryState

    def of(self, user_id: UserId) -> str | None:
        return self.state.customers.get(user_id)

    def add(self, user_id: UserId, customer_id: str) -> str:
        if any(known == customer_id and user != user_id for user, known in self.state.customers.items()):
            raise Unavailable("Stripe's customer is another user's.")
        return self.state.customers.setdefault(user_id, customer_id)


@dataclass(frozen=True, slots=True)
class MemoryStripeEvents(StripeEvents):
    state: MemoryState

    def known(self, event_id: str) -> bool:
        return event_id in self.state.stripe_events

    def add(self, event: StripeEvent, outcome: str, now: datetime) -> None:
        self.state.stripe_events.setdefault(event.id, KeptEvent(event=event, outcome=outcome, at=now))


@dataclass(frozen=True, slots=True)
class MemoryOutbox(Outbox):
    state: MemoryState

    def add(self, letters: Sequence[Letter], now: datetime) -> None:
        for letter in letters:
            numbered = replace(letter, id=len(self.state.outbox) + 1)
            self.state.outbox.append(KeptLetter(letter=numbered, created_at=now, due_at=now))

    def claim(self, now: datetime, *, at_most: int, lease: timedelta) -> Sequence[Letter]:
        claimed: list[Letter] = []
        heads: set[tuple[BotName, int]] = set()
        for kept in list(self.state.outbox):
            chat = kept.letter.bot, kept.letter.chat_id
            if not kept.waits or chat in heads:
                continue
            heads.add(chat)
            if len(claimed) < at_most and _due(kept, now, lease) and self._within_rates(chat, now):
                claimed.append(kept.letter)
                self._keep(replace(kept, claimed_at=now, claimed_until=now + lease, due_at=now))
        return claimed

    def crowded(self, bot: BotName, chat_id: int, *, by: int) -> bool:
        waiting = [kept for kept in self.state.outbox if kept.waits]
        return sum((kept.letter.bot, kept.letter.chat_id) == (bot, chat_id) for kept in waiting) >= by

    def sent(self, letter: Letter, now: datetime) -> None:
        if kept := self._waiting(letter):
            self._keep(replace(kept, sent_at=now, claimed_until=None))

    def retry(self, letter: Letter, due_at: datetime, problem: str) -> None:
        if kept := self._waiting(letter):
            tried = replace(kept.letter, attempts=kept.letter.attempts + 1)
            self._keep(replace(kept, letter=tried, due_at=due_at, claimed_until=None, problem=problem))

    def give_up(self, letter: Letter, now: datetime, problem: str) -> None:
        if kept := self._waiting(letter):
            tried = replace(kept.letter, attempts=kept.letter.attempts + 1)
            self._keep(replace(kept, letter=tried, given_up_at=now, claimed_until=None, problem=problem))

    def _within_rates(self, chat: tuple[BotName, int], now: datetime) -> bool:
        claims = [(kept.letter, kept.claimed_at) for kept in self.state.outbox if kept.claimed_at]
        in_second = [letter.bot for letter, at in claims if abs(now - at) < timedelta(seconds=1)]
        in_burst = [(letter.bot, letter.chat_id) for letter, at in claims if abs(now - at) < CHAT_BURST_WITHIN]
        return in_second.count(chat[0]) < BOT_PER_SECOND and in_burst.count(chat) < CHAT_BURST

    def _waiting(self, letter: Letter) -> KeptLetter | None:
        return next((kept for kept in self.state.outbox if kept.letter.id == letter.id and kept.waits), None)

    def _keep(self, kept: KeptLetter) -> None:
        self.state.outbox[kept.letter.id - 1] = kept


def _due(kept: KeptLetter, now: datetime, lease: timedelta) -> bool:
    """Times too far away were noted by a clock that was set back since, and count for nothing."""
    too_far = now + 2 * lease
    claimed = kept.claimed_until is not None and now < kept.claimed_until <= too_far
    set_back = kept.claimed_at is not None and kept.claimed_at > too_far
    due = kept.due_at <= now or kept.due_at > now + LONGEST_PUT_OFF
    return not claimed and (kept.letter.attempts == 0 or due or set_back)


@dataclass(frozen=True, slots=True)
class MemoryFeed(Feed):
    state: MemoryState

    def add(self, notices: Sequence[Notice]) -> None:
        self.state.unnumbered.extend(notices)

    def unnumbered(self) -> bool:
        return bool(self.state.unnumbered)

    def number(self, now: datetime, *, at_most: int) -> int:
        last = max(self.newest(), (now - BEGINNING) // timedelta(microseconds=1))
        new = self.state.unnumbered[:at_most]
        self.state.feed += [
            NumberedNotice(sequence=number, notice=notice) for number, notice in enumerate(new, last + 1)
        ]
        del self.state.unnumbered[:at_most]
        return len(new)

    def after(self, sequence: int, *, limit: int) -> Sequence[NumberedNotice]:
        return [numbered for numbered in self.state.feed if numbered.sequence > sequence][:limit]

    def newest(self) -> int:
        return self.state.feed[-1].sequence if self.state.feed else 0


@dataclass(frozen=True, slots=True)
class MemoryPushes(Pushes):
    state: MemoryState

    def take(self, endpoint: str, now: datetime, *, position: int) -> EndpointState:
        new = EndpointState(id=endpoint, position=position, due_at=now)
        return self.state.endpoints.setdefault(endpoint, new)

    def move(self, state: EndpointState) -> None:
        self.state.endpoints[state.id] = state

    def of(self, endpoint: str) -> EndpointState | None:
        return self.state.endpoints.get(endpoint)

    def add(self, endpoint: str, events: Sequence[NumberedNotice], now: datetime) -> None:
        for event in events:
            known = self.state.pushes.get((endpoint, event.sequence))
            if known is None or known.given_up_at:
                push = Push(endpoint=endpoint, event=event, attempts=0)
                self.state.pushes[endpoint, event.sequence] = WaitingPush(push=push, due_at=now)

    def waiting(self, endpoint: str) -> int:
        return len(self._waiting(endpoint))

    def not_held_up(self, endpoint: str) -> int:
        waiting = self._waiting(endpoint)
        heads = _oldest_of_each(waiting)
        return sum(
            one is heads[one.push.event.notice.user_id]
            or heads[one.push.event.notice.user_id].push.failing_since is None
            for one in waiting
        )

    def given_up(self, endpoint: str) -> int:
        return sum(one.push.endpoint == endpoint and one.given_up_at is not None for one in self.state.pushes.values())

    def due(self, endpoint: str, now: datetime) -> bool:
        heads = _oldest_of_each(self._waiting(endpoint))
        return any(_push_is_due(one, now, LONGEST_PUT_OFF) for one in heads.values())

    def claim(self, endpoint: str, now: datetime, *, at_once: int, lease: timedelta) -> Push | None:
        waiting = self._waiting(endpoint)
        if sum(_is_held(one, now, lease) for one in waiting) >= at_once:
            return None
        due = [one for one in _oldest_of_each(waiting).values() if _push_is_due(one, now, lease)]
        if not due:
            return None
        oldest = min(due, key=lambda one: (one.due_at, one.push.event.sequence))
        taken = replace(oldest.push, attempts=oldest.push.attempts + 1, claimed_until=now + lease)
        self._keep(replace(oldest, push=taken, claimed_until=now + lease))
        return taken

    def done(self, push: Push) -> None:
        if self._of(push):
            del self.state.pushes[push.endpoint, push.event.sequence]

    def release(self, push: Push, now: datetime) -> None:
        if waits := self._of(push):
            uncounted = replace(waits.push, attempts=max(0, waits.push.attempts - 1))
            self._keep(replace(waits, push=uncounted, due_at=now, claimed_until=None))

    def retry(self, push: Push, due_at: datetime, *, failing_since: datetime, problem: str) -> None:
        if waits := self._of(push):
            failing = replace(waits.push, failing_since=failing_since)
            self._keep(replace(waits, push=failing, due_at=due_at, claimed_until=None, problem=problem))

    def give_up(self, push: Push, now: datetime, problem: str) -> None:
        if waits := self._of(push):
            self._keep(replace(waits, given_up_at=now, claimed_until=None, problem=problem))

    def wake(self, endpoint: str, now: datetime) -> None:
        for one in self._waiting(endpoint):
            anew = replace(one.push, attempts=0, failing_since=None)
            self._keep(replace(one, push=anew, due_at=now, problem=None))

    def forget(self, endpoint: str) -> int:
        waiting = self._waiting(endpoint)
        for one in waiting:
            del self.state.pushes[endpoint, one.push.event.sequence]
        return len(waiting)

    def _waiting(self, endpoint: str) -> list[WaitingPush]:
        waiting = [one for one in self.state.pushes.values() if one.push.endpoint == endpoint and not one.given_up_at]
        return sorted(waiting, key=lambda one: one.push.event.sequence)

    def _of(self, push: Push) -> WaitingPush | None:
        waits = self.state.pushes.get((push.endpoint, push.event.sequence))
        own = waits and not waits.given_up_at and waits.claimed_until == push.claimed_until
        return waits if own else None

    def _keep(self, waits: WaitingPush) -> None:
        self.state.pushes[waits.push.endpoint, waits.push.event.sequence] = waits


def _oldest_of_each(waiting: Sequence[WaitingPush]) -> Mapping[UserId, WaitingPush]:
    heads: dict[UserId, WaitingPush] = {}
    for one in waiting:
        heads.setdefault(one.push.event.notice.user_id, one)
    return heads


def _is_held(one: WaitingPush, now: datetime, lease: timedelta) -> bool:
    return one.claimed_until is not None and now < one.claimed_until <= now + 2 * lease


def _push_is_due(one: WaitingPush, now: datetime, lease: timedelta) -> bool:
    return not _is_held(one, now, lease) and (one.due_at <= now or one.due_at > now + LONGEST_PUT_OFF)
