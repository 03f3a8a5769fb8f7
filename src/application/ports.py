"""Everything the core needs from outside, in its own words.

The ports of the hot path take several at once: one bulk read, plain decisions, one bulk write, one commit.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from application.messages import Letter
from domain.catalog import Method
from domain.entitlement import Entitlement
from domain.events import Event
from domain.ids import BotName, ChargeId, EntitlementId, InvoiceId, PassportId, PaymentId, PlanCode, UserId
from domain.invoice import Invoice, Objection
from domain.money import Money
from domain.notices import Notice, NoticeType
from domain.passport import Passport, Revocations
from domain.payment import Charge, ChargeStanding, DisputeState, Payment, PaymentStatus, Provider, Refund

Row = TypeVar("Row")
ChargeKey = tuple[Provider, ChargeId]
"""What makes a charge unique."""


class Clock(Protocol):
    @abstractmethod
    def now(self) -> datetime:
        """The time, with zone UTC."""


class Ids(Protocol):
    """New ids that nobody can guess."""

    @abstractmethod
    def invoice(self) -> InvoiceId: ...

    @abstractmethod
    def payment(self) -> PaymentId: ...

    @abstractmethod
    def entitlement(self) -> EntitlementId: ...

    @abstractmethod
    def passport(self) -> PassportId: ...


class Causes(Protocol):
    """What a piece of work was asked for by, so that what is left for later is found beside it again."""

    @abstractmethod
    def going_on(self, cause: str, what: str, **facts: str) -> AbstractContextManager[None]:
        """Within it, all that is recorded and called belongs to that cause, as it was kept with what was left."""


class Journal(Protocol):
    """Tells the operator what happened: logs and counts. Called after the commit, never before it; never raises."""

    @abstractmethod
    def record(self, *events: Event) -> None: ...


# What is kept ---------------------------------------------------------------------------------------------------------


class Invoices(Protocol):
    @abstractmethod
    def add(self, invoices: Sequence[Invoice]) -> None:
        """Keep them; one whose id is kept already stays as it is."""

    @abstractmethod
    def of(self, ids: Sequence[InvoiceId]) -> Mapping[InvoiceId, Invoice]:
        """Those of them that are kept."""

    @abstractmethod
    def approve(self, ids: Sequence[InvoiceId], at: datetime) -> None:
        """Note when a pre-checkout of them was first approved; later approvals change nothing."""

    @abstractmethod
    def settle(self, charges: Mapping[InvoiceId, ChargeId]) -> None:
        """Note which charge paid each of them."""

    @abstractmethod
    def cancel(self, id: InvoiceId, at: datetime) -> None:
        """Nobody shall pay it any more; one that is paid or cancelled already stays as it is."""

    @abstractmethod
    def sent(self, id: InvoiceId, telegram_message_id: int) -> None:
        """Note the message by which it stands in the chat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """`limit` rows after the one that `cursor` names; cursors are opaque, and None is the beginning or the end."""

    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageOf(Generic[Row]):
    items: tuple[Row, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentFilter:
    """Which payments are looked for; None is any. `since` is within the span, `until` behind it (when received)."""

    user_id: UserId | None = None
    status: PaymentStatus | None = None
    method: Method | None = None
    plan_code: PlanCode | None = None
    charge_id: ChargeId | None = None
    since: datetime | None = None
    until: datetime | None = None


class Payments(Protocol):
    """Every charge that a provider ever reported, whatever became of it."""

    @abstractmethod
    def of(self, charges: Sequence[ChargeKey]) -> Mapping[ChargeKey, Payment]:
        """Those of them that are kept."""

    @abstractmethod
    def add_new(self, payments: Sequence[Payment]) -> set[ChargeKey]:
        """Keep those whose charge was never kept before, and tell which they are."""

    @abstractmethod
    def update(self, payment: Payment) -> None:
        """Keep all of it but what the charge says, which never changes, and when it was received."""

    @abstractmethod
    def get(self, id: PaymentId) -> Payment | None: ...

    @abstractmethod
    def found(self, wanted: PaymentFilter, page: Page) -> PageOf[Payment]:
        """Those that were looked for, newest first. Raises InvalidRequest for a cursor that we never gave."""

    @abstractmethod
    def confirm(self, charges: Sequence[ChargeKey], at: datetime) -> None:
        """Note that the provider's own ledger has them; what was noted before stays."""

    @abstractmethod
    def unconfirmed(self, methods: Sequence[Method], received_before: datetime, *, at_most: int) -> Sequence[Payment]:
        """Payments by these methods that no ledger was ever seen to have, oldest first."""

    @abstractmethod
    def any_by_stripe(self, user_id: UserId) -> bool:
        """Whether the user ever paid by Stripe."""

    @abstractmethod
    def waiting_of(self, user_id: UserId) -> Sequence[Payment]:
        """The user's payments in quarantine, oldest first, at most 20."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundOrder:
    """Somebody's or our own decision to give a charge back. `attempts` counts how often it was taken up, so that who
    takes it up again knows that it may have been carried out already."""

    provider: Provider
    charge_id: ChargeId
    payment_id: PaymentId
    asked_at: datetime
    asked_by: str
    reason: str
    automatic: bool = False
    attempts: int = 0

    @property
    def key(self) -> ChargeKey:
        return self.provider, self.charge_id


class RefundOrders(Protocol):
    """What we ask providers to give back: one order a charge, kept for good."""

    @abstractmethod
    def add(self, orders: Sequence[RefundOrder]) -> set[ChargeKey]:
        """Keep those whose charge has no order that is open or done, in place of one that failed; which they are."""

    @abstractmethod
    def open_of(self, charge: ChargeKey) -> RefundOrder | None:
        """The order of that charge that was neither carried out nor refused."""

    @abstractmethod
    def automatic_since(self, since: datetime) -> int:
        """How many orders were given by themselves from then on. Hold their lock, `Transaction.lock`."""

    @abstractmethod
    def claim(self, now: datetime, *, at_most: int, lease: timedelta) -> Sequence[RefundOrder]:
        """Take up those that have been due longest, none that somebody holds; each counts one more attempt."""

    @abstractmethod
    def retry(self, order: RefundOrder, due_at: datetime, problem: str) -> None:
        """Let go of it; it is due again at that time."""

    @abstractmethod
    def done(self, charge: ChargeKey, now: datetime) -> None:
        """The provider gave it back. Does nothing where there is no open order."""

    @abstractmethod
    def failed(self, order: RefundOrder, now: datetime, problem: str) -> None:
        """The provider refuses, for good."""


class Refunds(Protocol):
    """What providers gave back, also of charges that nobody has told us of yet."""

    @abstractmethod
    def add_new(self, refund: Refund) -> bool:
        """Keep it; False where a refund of that charge is kept already."""

    @abstractmethod
    def of(self, charges: Sequence[ChargeKey]) -> Mapping[ChargeKey, Refund]:
        """The refunds of them that are kept."""


class Entitlements(Protocol):
    @abstractmethod
    def held_by(self, users: Sequence[UserId], now: datetime) -> Mapping[UserId, Sequence[Entitlement]]:
        """What each holds: not ended, and open or still to come. Users who hold nothing may be missing."""

    @abstractmethod
    def of_user(self, user_id: UserId) -> Sequence[Entitlement]:
        """All that the user ever had, latest start first."""

    @abstractmethod
    def living_of(self, payment_id: PaymentId) -> Entitlement | None:
        """The one grant of that payment that was not ended."""

    @abstractmethod
    def opened_by(self, payments: Sequence[PaymentId]) -> Mapping[PaymentId, Entitlement]:
        """The grants of them that were not ended; payments that have none are missing."""

    @abstractmethod
    def get(self, id: EntitlementId) -> Entitlement | None: ...

    @abstractmethod
    def add(self, entitlements: Sequence[Entitlement]) -> None:
        """Keep new ones. Raises DoubleGrant where a payment would have two that were not ended."""

    @abstractmethod
    def end(self, entitlements: Sequence[Entitlement]) -> None:
        """Keep when each of them was revoked."""

    @abstractmethod
    def over(self, now: datetime, *, at_most: int, users: Sequence[UserId] | None = None) -> Sequence[Entitlement]:
        """Those that were not ended, are over by time, and of which nobody has taken note; the earliest end first.
        Of these `users`, or of all."""

    @abstractmethod
    def note_over(self, ids: Sequence[EntitlementId], at: datetime) -> set[EntitlementId]:
        """Take note of it, of each once; those that nobody had taken note of, and that were not ended."""

    @abstractmethod
    def revoked_since(self, since: datetime, *, at_most: int) -> Sequence[EntitlementId]:
        """Those that were revoked then or later, whoever held them, the earliest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantKey:
    """A caller's own key of a grant by hand: the fingerprint of the request that came with it, and what it granted."""

    caller: str
    key: str
    fingerprint: str
    entitlement_id: EntitlementId


class GrantKeys(Protocol):
    """By which key of whose a grant by hand may be asked again; kept for good."""

    @abstractmethod
    def take(self, new: GrantKey, now: datetime) -> GrantKey:
        """What that key of that caller stands for: the new one, kept now, or the one that was kept before. Whoever
        takes the same key at this moment is waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCheckout:
    """A request to pay by Stripe. `session_id` and `url` are empty until Stripe has made the page."""

    invoice_id: InvoiceId
    session_id: str = ""
    url: str = ""


class Checkouts(Protocol):
    """What was asked of Stripe's Checkout, and by which key of the caller's it may be asked again."""

    @abstractmethod
    def of(self, invoice_id: InvoiceId) -> KeptCheckout | None:
        """What was begun to pay this invoice."""

    @abstractmethod
    def by_key(self, user_id: UserId, key: str) -> tuple[str, KeptCheckout] | None:
        """What that key of this user stands for, and the fingerprint of the request that came with it."""

    @abstractmethod
    def add(self, checkout: KeptCheckout, *, user_id: UserId, key: str | None, fingerprint: str, now: datetime) -> None:
        """Keep what was begun. Raises Unavailable where the key stands for something else at this very moment."""

    @abstractmethod
    def opened(self, checkout: KeptCheckout) -> None:
        """Keep the page that Stripe has made."""

    @abstractmethod
    def release(self, invoice_id: InvoiceId) -> None:
        """Let go of the key by which it was begun, so that the key can begin anew."""


class Customers(Protocol):
    """Who is who at Stripe."""

    @abstractmethod
    def of(self, user_id: UserId) -> str | None:
        """The id of Stripe's customer, where the user ever began to pay by Stripe."""

    @abstractmethod
    def add(self, user_id: UserId, customer_id: str) -> str:
        """Keep it, unless there is one already; the one that is kept. Raises Unavailable where it is another user's."""


class StripeEvents(Protocol):
    """Events of Stripe, each kept once."""

    @abstractmethod
    def known(self, event_id: str) -> bool: ...

    @abstractmethod
    def add(self, event: "StripeEvent", outcome: str, now: datetime) -> None:
        """Keep it with what became of it; one that is kept already stays as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeEvent:
    """A doorbell: its `object_id` names what has changed, and says nothing that we believe."""

    id: str
    type: str
    live: bool
    object_id: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailEntry:
    """One line of the audit trail. `kind` is one of `invoice_issued`, `pre_checkout`, `successful_payment`,
    `refunded_payment`, `charge_standing`, `charge_conflict`, `invoice_cancelled`, `refund_asked`, `refund_approved`,
    `refund_declined`, `refund_ordered`, `refund_failed`, `payment_resolved`, `payment_held`, `payment_released`,
    `refund_conflict`, `entitlement_granted`, `entitlement_revoked` (both by hand, with the `entitlement_id`),
    `endpoint_enabled`, `events_replayed` (both without a bot); `message` the provider's own bytes, `actor` and `note`
    who decided and why."""

    kind: str
    bot: BotName
    at: datetime
    user_id: UserId | None = None
    invoice_id: InvoiceId | None = None
    charge_id: ChargeId | None = None
    decision: str | None = None
    reason: Objection | None = None
    message: bytes | None = None
    actor: str | None = None
    note: str | None = None
    entitlement_id: EntitlementId | None = None

    @classmethod
    def of_payment(
        cls,
        kind: str,
        payment: Payment,
        at: datetime,
        *,
        message: bytes | None = None,
        actor: str | None = None,
        note: str | None = None,
    ) -> "TrailEntry":
        """What became of a payment: its state from then on is the decision."""
        charge = payment.charge
        return cls(
            kind=kind,
            bot=charge.bot,
            at=at,
            user_id=charge.payer,
            invoice_id=payment.invoice_id,
            charge_id=charge.charge_id,
            decision=payment.status,
            reason=payment.quarantine_reason,
            message=message,
            actor=actor,
            note=note,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptEntry:
    id: int
    entry: TrailEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailFilter:
    """Which entries are looked for; None is any."""

    user_id: UserId | None = None
    invoice_id: InvoiceId | None = None
    charge_id: ChargeId | None = None


class Trail(Protocol):
    """The audit trail of everything about money; only ever added to."""

    @abstractmethod
    def add(self, entries: Sequence[TrailEntry]) -> None:
        """Keep them. A payment or a refund of one charge is kept once; a second entry of it is let go."""

    @abstractmethod
    def found(self, wanted: TrailFilter, page: Page) -> PageOf[KeptEntry]:
        """Those that were looked for, newest first. Raises InvalidRequest for a cursor that we never gave."""


class Source(StrEnum):
    """Where a report comes from, which tells how it is read."""

    TELEGRAM_UPDATE = "telegram_update"
    STRIPE_EVENT = "stripe_event"
    STAR_TRANSACTION = "star_transaction"
    STRIPE_PAYMENT = "stripe_payment"


class FoundBy(StrEnum):
    WEBHOOK = "webhook"
    RECONCILIATION = "reconciliation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """An authentic message of a provider, as it came. `bot` is empty for Stripe's."""

    source: Source
    bot: BotName
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptReport:
    """`attempts` counts how often it was taken up, this time too; `received_at` is when it came, or was wanted anew;
    `cause` is what brought it (see `Causes`)."""

    id: int
    report: Report
    found_by: FoundBy
    received_at: datetime
    attempts: int
    cause: str = ""


class Inbox(Protocol):
    """Reports that could not be dealt with when they came, and those that only a provider's ledger told us of."""

    @abstractmethod
    def keep(self, reports: Sequence[Report], *, found_by: FoundBy, now: datetime, problem: str = "") -> int:
        """Keep those that are new, byte by byte, due at once; how many they were. One that waits or was given up
        stays as it is; one that was dealt with is due again where the reconciler finds it anew."""

    @abstractmethod
    def claim(self, now: datetime, *, at_most: int, lease: timedelta) -> Sequence[KeptReport]:
        """Take up those that have been due longest, none that somebody holds; each counts one more attempt."""

    @abstractmethod
    def done(self, kept: KeptReport, outcome: str, now: datetime) -> None: ...

    @abstractmethod
    def retry(self, kept: KeptReport, due_at: datetime, problem: str, *, counted: bool = True) -> None:
        """Let go of it; it is due again at that time. What was not its own fault does not count as an attempt."""

    @abstractmethod
    def give_up(self, kept: KeptReport, now: datetime, problem: str) -> None:
        """Nobody takes it up again by itself; it stays on record."""

    @abstractmethod
    def reopen(self, now: datetime, reports: Sequence[Report] | None = None) -> int:
        """Those that were given up, all or of these, are due again, as if they were new; how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerMark:
    """How far a provider's ledger was read. `ledger` is `stars:<bot>` or `stripe`.

    `read_to` is the place in it (an offset, or a time in Unix seconds by the ledger's own clock) up to which all is
    known. `whole_read_to` is where a walk over all of it has got to, and None while none is under way.
    """

    ledger: str
    first_started_at: datetime
    read_to: int = 0
    tail_read_at: datetime | None = None
    whole_read_to: int | None = None
    whole_begun_at: datetime | None = None
    whole_read_at: datetime | None = None


class LedgerMarks(Protocol):
    @abstractmethod
    def take(self, ledger: str, now: datetime) -> LedgerMark:
        """The mark of that ledger, made where there is none; nobody else has it until the end of the transaction."""

    @abstractmethod
    def all(self) -> Sequence[LedgerMark]: ...

    @abstractmethod
    def move(self, mark: LedgerMark) -> None:
        """Keep it; when it was first started never changes."""


class Updates(Protocol):
    """Which messages of Telegram were taken already.

    Only what carries no money is held against the seen ids: Telegram starts its numbers anew at random.
    """

    @abstractmethod
    def first_seen(self, bot: BotName, update_id: int, now: datetime) -> bool:
        """Note it; False where it was noted before."""

    @abstractmethod
    def forget(self, before: datetime) -> int:
        """Let go of the ids noted before that time, and tell how many they were."""


class Attempts(Protocol):
    """Purchases begun."""

    @abstractmethod
    def admit(self, user_id: UserId, now: datetime, *, at_most: int, within: timedelta) -> timedelta | None:
        """Note an attempt, or tell how long to wait where `at_most` were admitted `within` the time just past.

        Exact also when several come at once, at several processes.
        """


LONGEST_PUT_OFF = timedelta(hours=2)
"""Nothing that waits in a queue is put off for longer. A time farther away was noted by a clock that was wrong, be it
another process's, and holds nothing up."""
LONGEST_ASKED = timedelta(hours=1)
"""Who asks us to wait for longer is asked again all the same."""


class Outbox(Protocol):
    """Messages that wait to be sent; written in the transaction of what they tell of."""

    @abstractmethod
    def add(self, letters: Sequence[Letter], now: datetime) -> None: ...

    @abstractmethod
    def claim(self, now: datetime, *, at_most: int, lease: timedelta) -> Sequence[Letter]:
        """Take letters to send: of each chat only its oldest, none that another process has claimed, and no more
        than Telegram's rates allow, counted over all processes."""

    @abstractmethod
    def sent(self, letter: Letter, now: datetime) -> None: ...

    @abstractmethod
    def retry(self, letter: Letter, due_at: datetime, problem: str) -> None:
        """Give the claim back and count the attempt; it is due again at that time."""

    @abstractmethod
    def give_up(self, letter: Letter, now: datetime, problem: str) -> None:
        """Never send it; it stays on record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedNotice:
    """A notice by its place in the feed. Later ones have higher numbers; not every number is given."""

    sequence: int
    notice: Notice


class Feed(Protocol):
    """What other services are told of; written in the transaction of what it tells of.

    Transactions commit in another order than they write. So a notice gets its number only once it is committed, by
    whoever reads, one at a time: whatever becomes readable later has a higher number.
    """

    @abstractmethod
    def add(self, notices: Sequence[Notice]) -> None:
        """Keep them in this order, without numbers."""

    @abstractmethod
    def unnumbered(self) -> bool:
        """Whether there are any without a number."""

    @abstractmethod
    def number(self, now: datetime, *, at_most: int) -> int:
        """Number those that were kept first, in their order; how many. Nobody else does until the end of the
        transaction. Numbers follow the clock (microseconds) where that is ahead of them, so that also after a backup
        was restored none is given that a reader may have seen before."""

    @abstractmethod
    def after(self, sequence: int, *, limit: int) -> Sequence[NumberedNotice]:
        """Those with higher numbers, the lowest first."""

    @abstractmethod
    def newest(self) -> int:
        """The highest number; 0 where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where events are pushed to, by the operator's settings. `secrets` all sign; `types` None: all."""

    id: str
    url: str = field(repr=False)
    secrets: tuple[bytes, ...] = field(repr=False)
    types: frozenset[NoticeType] | None = None

    def wants(self, notice: Notice) -> bool:
        return self.types is None or notice.type in self.types


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointState:
    """How it stands with an endpoint.

    Events up to `position` were taken from the feed: they are pushed, or wait. `failing_since` is when it first failed
    after it last took anything; while it is out of reach, it is left alone until `due_at`, after so many `failures` in
    a row.
    """

    id: str
    position: int
    due_at: datetime
    failures: int = 0
    failing_since: datetime | None = None
    pushed_at: datetime | None = None
    disabled_at: datetime | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """An event that waits to be pushed to one endpoint. `attempts` counts how often it was taken up, this time too;
    `failing_since` is when the endpoint first refused it."""

    endpoint: str
    event: NumberedNotice
    attempts: int
    failing_since: datetime | None = None


class Pushes(Protocol):
    """What is on its way to endpoints, and how these stand."""

    @abstractmethod
    def take(self, endpoint: str, now: datetime, *, position: int) -> EndpointState:
        """How it stands; a new one begins at that position. Nobody else has it until the end of the transaction."""

    @abstractmethod
    def move(self, state: EndpointState) -> None:
        """Keep how it stands."""

    @abstractmethod
    def of(self, endpoint: str) -> EndpointState | None: ...

    @abstractmethod
    def add(self, endpoint: str, events: Sequence[NumberedNotice], now: datetime) -> None:
        """Have them pushed; those that were given up are tried anew, and what waits already stays as it is."""

    @abstractmethod
    def waiting(self, endpoint: str) -> int: ...

    @abstractmethod
    def given_up(self, endpoint: str) -> int: ...

    @abstractmethod
    def due(self, endpoint: str, now: datetime) -> bool:
        """Whether there is any that waits, is due and that nobody holds."""

    @abstractmethod
    def claim(self, endpoint: str, now: datetime, *, at_once: int, lease: timedelta) -> Push | None:
        """Take up the oldest that is due, and of each user only the oldest that waits; none while `at_once` are held
        already. Counts the attempt. The endpoint must be taken."""

    @abstractmethod
    def done(self, push: Push) -> None: ...

    @abstractmethod
    def release(self, push: Push) -> None:
        """Let go of it; it was not its fault, and it is due as before."""

    @abstractmethod
    def retry(self, push: Push, due_at: datetime, *, failing_since: datetime, problem: str) -> None:
        """Let go of it; it is due again at that time."""

    @abstractmethod
    def give_up(self, push: Push, now: datetime, problem: str) -> None:
        """Nobody pushes it any more, and later ones of its user go on; it stays on record."""

    @abstractmethod
    def forget(self, endpoint: str) -> int:
        """Let go of all that wait there, and tell how many they were."""


class Transaction(Protocol):
    """What one story reads and writes, all of it or nothing."""

    invoices: Invoices
    payments: Payments
    refunds: Refunds
    refund_orders: RefundOrders
    inbox: Inbox
    ledger_marks: LedgerMarks
    entitlements: Entitlements
    grant_keys: GrantKeys
    trail: Trail
    updates: Updates
    attempts: Attempts
    checkouts: Checkouts
    customers: Customers
    stripe_events: StripeEvents
    outbox: Outbox
    feed: Feed
    pushes: Pushes

    @abstractmethod
    def lock(
        self, *, charges: Sequence[ChargeKey] = (), users: Sequence[UserId] = (), automatic_refunds: bool = False
    ) -> None:
        """Until the end of the transaction nobody else holds any of them. Take charges before users, and these before
        the automatic refunds, always."""


class UnitOfWork(Protocol):
    @abstractmethod
    def begin(self) -> AbstractContextManager[Transaction]:
        """A transaction that commits on a clean exit. Raises Unavailable where the database does not do its part."""

    @abstractmethod
    def look(self) -> AbstractContextManager[Transaction]:
        """A transaction that only reads."""


class DoubleGrant(Exception):
    """A payment would have opened the door twice; the database refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TelegramLogin:
    """A bot's login over Telegram's own protocol, made with the data centre at `server`.

    A bot has several places to log in: at place 0 it is told what happens, from the others it only speaks. `key` is all
    that it takes to speak as the bot; empty before the first time.
    """

    bot_id: int
    place: int
    dc_id: int = 0
    server: str = ""
    key: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatesPosition:
    """How far a bot has come in what Telegram tells it (https://core.telegram.org/api/updates)."""

    pts: int
    qts: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TelegramPeer:
    """A user (above zero) or a group that a bot has met; it is spoken to by its `access_hash`."""

    id: int
    access_hash: int
    language: str = ""


class TelegramLogins(Protocol):
    """What a bot must know to go on over Telegram's own protocol where it, or another process, was.

    A place is held by one process at a time, by a lease. Every method raises Unavailable.
    """

    @abstractmethod
    def hold(
        self, bot_id: int, holder: str, now: datetime, *, places: Sequence[int], lease: timedelta
    ) -> TelegramLogin | None:
        """The first of these places that nobody else holds, held from now on; None where there is none. Asked again by
        who holds it, for longer."""

    @abstractmethod
    def release(self, login: TelegramLogin, holder: str) -> None:
        """Let others have it at once."""

    @abstractmethod
    def keep(self, login: TelegramLogin) -> None: ...

    @abstractmethod
    def position(self, bot_id: int) -> UpdatesPosition | None:
        """Everything before it is done; None where the bot was never told anything."""

    @abstractmethod
    def move(self, bot_id: int, position: UpdatesPosition) -> None: ...

    @abstractmethod
    def peer(self, bot_id: int, peer_id: int) -> TelegramPeer | None: ...

    @abstractmethod
    def meet(self, bot_id: int, peers: Sequence[TelegramPeer]) -> None:
        """Keep them as they are now."""

    @abstractmethod
    def holder(self, bot_id: int, now: datetime) -> str | None:
        """Who is told what happens to the bot."""


class PassportSigner(Protocol):
    """Our signature under what others check without us. Raises Unavailable where no key may sign now."""

    @abstractmethod
    def passport(self, passport: Passport) -> str:
        """The passport as a signed token."""

    @abstractmethod
    def revocations(self, revocations: Revocations) -> str:
        """The list as a signed token, which passes for no passport."""


# Who is spoken to -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    message_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """The user does not want to hear from the bot, or never wrote to it; trying again is of no use."""

    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """Telegram says that the message is wrong; trying again is of no use."""

    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TryLater:
    """Telegram could not be reached, is in trouble, or asks to wait; `after` is what it asked for."""

    problem: str
    after: timedelta | None = None


Delivery = Sent | Blocked | Rejected | TryLater


class Messenger(Protocol):
    """Telegram, as one who carries letters."""

    @abstractmethod
    def send(self, letter: Letter) -> Delivery:
        """Try once. Never raises for what Telegram or the network does."""

    @abstractmethod
    def invoice_link(self, letter: Letter) -> str:
        """The address at which the letter's InvoiceMessage can be paid; a Mini App opens it.

        Raises ProviderUnavailable where Telegram does not give one.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutSession:
    """A page of Stripe's. `price` is what it asks for, by Stripe's own word."""

    id: str
    url: str
    price: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeSnapshot:
    """What Stripe says now of a payment of ours. `charge` is None while no money has moved."""

    charge: Charge | None
    standing: ChargeStanding | None


class Checkout(Protocol):
    """Stripe, asked by us. Every method raises ProviderUnavailable where Stripe does not do its part in time."""

    @abstractmethod
    def create_customer(self, user_id: UserId) -> str:
        """A customer for this user; asked again, the same one."""

    @abstractmethod
    def open(self, invoice: Invoice, payload: str, customer_id: str) -> CheckoutSession:
        """The page where the invoice is paid; asked again for the same invoice, the same page."""

    @abstractmethod
    def expire(self, session_id: str) -> None:
        """Nobody can pay there any more."""

    @abstractmethod
    def portal(self, customer_id: str, return_url: str) -> str:
        """The address of the customer's own page, good for a short while."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the connections; nothing is asked after it."""

    @abstractmethod
    def snapshot(self, event: StripeEvent) -> StripeSnapshot | None:
        """What the event is about, fetched again; None where that is none of ours."""


class Intake(Protocol):
    """Takes a report to the story that it is for, alone and from its bytes."""

    @abstractmethod
    def take(self, report: Report) -> str:
        """What became of it, in a word. Raises whatever the story raises; ProviderUnavailable where its provider has
        to be asked and does not answer; IllegibleReport where nobody knows what it says."""

    @abstractmethod
    def quarantine(self, report: Report) -> str:
        """The last resort for one that no story can take: the charge in it is kept for a person, and what became of it
        told in a word. Raises IllegibleReport where it tells of no charge that can be read, or of more than the charge,
        and ProviderUnavailable."""


class IllegibleReport(Exception):
    """A report that this version of the service can't read; `str()` says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenBack:
    """The provider has given the money back, now or before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotYet:
    """The provider has taken the order, and will tell when the money is back."""


ReturnOutcome = GivenBack | NotYet | Rejected | TryLater


class Refunder(Protocol):
    """Providers, asked to give money back."""

    @abstractmethod
    def given_back(self, payment: Payment, order: RefundOrder) -> bool:
        """Whether the provider has given it back already. Raises ProviderUnavailable where it can't be asked."""

    @abstractmethod
    def give_back(self, payment: Payment, order: RefundOrder) -> ReturnOutcome:
        """Ask once. Never raises for what the provider or the network does; after TryLater nobody knows whether it
        was carried out. What is given back already is GivenBack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One line of a ledger, as it came, and what it tells: None where it is nothing that we sell, or where nobody can
    read it. `stars` is what it adds to the balance, below zero where it takes away.
    """

    report: Report
    content: Charge | Refund | None
    stars: int
    readable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerPage:
    """Entries, oldest first. `next_from` is where to read on: None behind the last."""

    entries: tuple[LedgerEntry, ...]
    next_from: int | None


class StarLedger(Protocol):
    """Telegram's own list of a bot's Stars. Every method raises ProviderUnavailable."""

    @abstractmethod
    def page(self, bot: BotName, offset: int) -> LedgerPage:
        """Entries from that offset on, oldest first, at most 100
        (https://core.telegram.org/bots/api#getstartransactions)."""

    @abstractmethod
    def balance(self, bot: BotName) -> int:
        """Stars that the bot has, in whole Stars."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeEntry:
    """What one of Stripe's lists tells of a payment: its state so far as that list knows it.

    `ours` is whether we had it made; None where the list does not say. `at` is when Stripe wrote it down, by its clock.
    """

    charge_id: ChargeId
    ours: bool | None
    at: datetime
    moved: bool = False
    given_back: int = 0
    disputes: Mapping[str, DisputeState] = field(default_factory=dict)


class StripeLedger(Protocol):
    """Stripe's lists of what happened to payments. Raises ProviderUnavailable while it is read."""

    @abstractmethod
    def entries(self, since: datetime) -> Iterator[Sequence[StripeEntry]]:
        """Everything that was made from then on, a page at a time: charges, refunds, disputes."""

    @abstractmethod
    def report(self, charge_id: ChargeId) -> Report:
        """By which the inbox knows that this payment is to be fetched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The endpoint says that it has the event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """The endpoint wants nothing more from us."""

    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotTaken:
    """The endpoint has not taken the event. `out_of_reach`: it would not have taken any other either; `after` is how
    long it asks us to wait."""

    problem: str
    out_of_reach: bool
    after: timedelta | None = None


PushOutcome = Taken | Gone | NotTaken


class Receiver(Protocol):
    """An endpoint of somebody else's."""

    @abstractmethod
    def push(self, endpoint: Endpoint, event: NumberedNotice, now: datetime) -> PushOutcome:
        """Try once, within a limit of time. Never raises for what the endpoint or the network does."""
