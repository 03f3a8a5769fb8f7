"""Telegram as it really behaves: queues, back-off, its own ledger of Stars. The truth about every charge is here."""

import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Final

from adapters.telegram.star_ledger import read_transaction
from application.messages import CheckoutInvitation, InvoiceMessage, Letter
from application.ports import (
    Blocked,
    Delivery,
    GivenBack,
    LedgerEntry,
    LedgerPage,
    Messenger,
    Refunder,
    RefundOrder,
    Rejected,
    Report,
    ReturnOutcome,
    Sent,
    Source,
    StarLedger,
    TryLater,
)
from domain.catalog import Method
from domain.errors import ProviderUnavailable
from domain.ids import BotName, UserId
from domain.money import STARS
from domain.payment import Payment
from entrypoints.simulation.weather import TimedOut, Weather
from entrypoints.simulation.world import Lost, World

BOT: Final = BotName("main")
PATIENCE_S: Final = 60.0
BACK_OFF_S: Final = (0.0, 2.0, 4.0, 8.0, 16.0, 32.0)
LONGEST_S: Final = (60.0, 120.0)
MESSAGES_LIVE: Final = timedelta(hours=24)
ANSWERED_WITHIN_S: Final = 10.0
PAGE: Final = 100

Webhook = Callable[[bytes], tuple[int, bytes]]


@dataclass(slots=True, kw_only=True, eq=False)
class TelegramCharge:
    """Money that really moved."""

    charge_id: str
    payer: UserId
    amount: int
    currency: str
    payload: str
    at: datetime
    approved: bool
    method: Method
    reported: bool = True
    given_back_at: datetime | None = None
    asked_in_vain: bool = False
    """We were told to give it back, and whoever told us may not know that we did."""


@dataclass(slots=True, kw_only=True)
class Invoice:
    letter: InvoiceMessage
    owner: UserId


@dataclass(slots=True)
class _Update:
    id: int
    body: bytes
    expires_at: datetime
    money: bool


@dataclass(slots=True)
class Telegram:
    """`webhook` brings one update to whichever process takes it; it raises Lost where none does."""

    world: World
    weather: Weather
    charges: dict[str, TelegramCharge] = field(default_factory=dict)
    lines: list[tuple[TelegramCharge, bool]] = field(default_factory=list)
    """The ledger of Stars: each charge with its direction, True for money that came in."""
    invoices: dict[UserId, list[Invoice]] = field(default_factory=dict)
    pages: dict[UserId, list[str]] = field(default_factory=dict)
    """Invoice ids of Stripe's pages that users were invited to."""
    received: dict[UserId, list[tuple[int, str]]] = field(default_factory=dict)
    blocked: set[UserId] = field(default_factory=set)
    webhook: Webhook | None = None
    violations: list[str] = field(default_factory=list)
    on_ledger: Callable[[], None] = lambda: None
    answered: Callable[[bytes, int], None] = lambda body, status: None
    _queues: dict[UserId, deque[_Update]] = field(default_factory=dict)
    _busy: set[UserId] = field(default_factory=set)
    _numbers: "count[int]" = field(default_factory=lambda: count(1))
    _update_id: int = 1000

    # What people do ---------------------------------------------------------------------------------------------------

    def pay(self, invoice: InvoiceMessage, payer: UserId, *, unasked: bool = False) -> TelegramCharge | None:
        """Inside a task: ask, and where it is approved take the money. `unasked`: Telegram takes it all the same."""
        approved = False
        if not unasked:
            query_id = str(next(self._numbers))
            body = self._pre_checkout(invoice, payer, query_id)
            began = self.world.now
            approved = self._ask(body, query_id) and (self.world.now - began).total_seconds() <= ANSWERED_WITHIN_S
            if not approved:
                self.world.tell("telegram", "payment refused", user=payer, invoice=invoice.invoice_id)
                return None
        return self.take_money(
            payer, invoice.price.amount, invoice.price.currency, invoice.payload, invoice.method, approved=approved
        )

    def take_money(
        self, payer: UserId, amount: int, currency: str, payload: str, method: Method, *, approved: bool
    ) -> TelegramCharge:
        charge = TelegramCharge(
            charge_id=f"tg{next(self._numbers)}",
            payer=payer,
            amount=amount,
            currency=currency,
            payload=payload,
            at=self.world.now.replace(microsecond=0),
            approved=approved,
            method=method,
        )
        self.charges[charge.charge_id] = charge
        self.world.tell(
            "telegram", "money moved", user=payer, charge=charge.charge_id, amount=amount, currency=currency
        )
        if currency == STARS:
            self._enter(charge, incoming=True)
        content = {
            "currency": currency,
            "total_amount": amount,
            "invoice_payload": payload,
            "telegram_payment_charge_id": charge.charge_id,
            "provider_payment_charge_id": f"p{charge.charge_id}",
        }
        self._tell(payer, {"successful_payment": content}, money=True)
        return charge

    def give_back(self, charge: TelegramCharge, *, told: bool = True, by_bot: bool = False) -> None:
        """The money goes back; the bot is told, unless an app store did it."""
        if charge.given_back_at is not None:
            raise AssertionError("given back twice")
        charge.given_back_at = self.world.now
        self.world.tell("telegram", "money went back", charge=charge.charge_id, told=told)
        if charge.currency == STARS:
            self._enter(charge, incoming=False)
        if told:
            content = {
                "currency": charge.currency,
                "total_amount": charge.amount,
                "invoice_payload": charge.payload,
                "telegram_payment_charge_id": charge.charge_id,
            }
            late_s = self.world.random("deliveries").choice((0.0, 0.0, 90.0, 900.0))
            self.world.after(
                late_s, lambda: self._tell(charge.payer, {"refunded_payment": content}, money=True, by_bot=by_bot)
            )

    def nonsense(self, user: UserId) -> None:
        """An update as nobody has seen it yet."""
        self._tell(user, {"successful_payment": {"currency": "XTR", "total_amount": "many"}}, money=False)

    def start_numbers_anew(self) -> None:
        self._update_id = self.world.random("update ids").randrange(1, 1 << 31)
        self.weather.seen["update ids started anew"] += 1

    # What the bot is told ---------------------------------------------------------------------------------------------

    @property
    def quiet(self) -> bool:
        return not any(self._queues.values())

    def _tell(self, user: UserId, content: dict[str, Any], *, money: bool, by_bot: bool = False) -> None:
        self._update_id += 1
        sender = {"id": 777, "is_bot": True, "first_name": "Bot"} if by_bot else _person(user)
        message = {
            "message_id": self._update_id,
            "date": int(self.world.now.timestamp()),
            "chat": {"id": user, "type": "private", "first_name": "A"},
            "from": sender,
            **content,
        }
        body = json.dumps({"update_id": self._update_id, "message": message}).encode()
        update = _Update(self._update_id, body, self.world.now + MESSAGES_LIVE, money)
        self._queues.setdefault(user, deque()).append(update)
        if user not in self._busy:
            self._busy.add(user)
            self.world.spawn("telegram", lambda: self._bring_all(user))

    def _bring_all(self, user: UserId) -> None:
        queue = self._queues[user]
        while queue:
            self._bring(queue[0])
            queue.popleft()
        self._busy.discard(user)

    def _bring(self, update: _Update) -> None:
        random = self.world.random("deliveries")
        for attempt in range(10_000):
            if self.world.now > update.expires_at:
                self.weather.seen["an update expired"] += 1
                self.world.tell("telegram", "update expired", update=update.id)
                return
            if self.weather.happens("an update delivered twice at once", 0.3, random):
                self.world.spawn("telegram", lambda: self._again(update.body))
            status = self._post(update.body)
            if status == 200:
                if self.weather.happens("an update delivered again", 0.3, random):
                    self._post(update.body)
                return
            self.world.wait(BACK_OFF_S[attempt] if attempt < len(BACK_OFF_S) else random.uniform(*LONGEST_S))

    def _again(self, body: bytes) -> None:
        self._post(body)

    def _post(self, body: bytes) -> int:
        if self.webhook is None:
            return 0
        webhook = self.webhook
        try:
            status, _ = self.weather.call("webhook", lambda: webhook(body))
        except (TimedOut, Lost):
            return 0
        self.answered(body, status)
        return status

    def _ask(self, body: bytes, query_id: str) -> bool:
        if self.webhook is None:
            return False
        webhook = self.webhook
        try:
            status, reply = self.weather.call("pre-checkout", lambda: webhook(body))
        except (TimedOut, Lost):
            return False
        answer = json.loads(reply) if status == 200 else {}
        if answer and answer["pre_checkout_query_id"] != query_id:
            raise AssertionError("another query was answered")
        return bool(answer.get("ok"))

    def _pre_checkout(self, invoice: InvoiceMessage, payer: UserId, query_id: str) -> bytes:
        self._update_id += 1
        query = {
            "id": query_id,
            "from": _person(payer),
            "currency": invoice.price.currency,
            "total_amount": invoice.price.amount,
            "invoice_payload": invoice.payload,
        }
        return json.dumps({"update_id": self._update_id, "pre_checkout_query": query}).encode()

    def _enter(self, charge: TelegramCharge, *, incoming: bool) -> None:
        self.lines.append((charge, incoming))
        self.on_ledger()

    # What the bot calls -----------------------------------------------------------------------------------------------

    def deliver(self, letter: Letter) -> Delivery:
        user = UserId(letter.chat_id)
        if user in self.blocked:
            self.weather.seen["a user has blocked the bot"] += 1
            return Blocked(problem="403 bot was blocked by the user")
        self.received.setdefault(user, []).append((letter.id, type(letter.message).__name__))
        if isinstance(letter.message, InvoiceMessage):
            self.invoices.setdefault(user, []).append(Invoice(letter=letter.message, owner=user))
        if isinstance(letter.message, CheckoutInvitation):
            self.pages.setdefault(user, []).append(letter.message.invoice_id)
        return Sent(message_id=next(self._numbers))

    def ledger_page(self, offset: int) -> LedgerPage:
        chosen = self.lines[offset : offset + PAGE]
        entries = tuple(_entry(charge, incoming) for charge, incoming in chosen)
        for charge, incoming in chosen:
            if not incoming:
                charge.asked_in_vain = False
        return LedgerPage(entries=entries, next_from=offset + PAGE if len(chosen) == PAGE else None)

    def balance(self) -> int:
        return sum(charge.amount if incoming else -charge.amount for charge, incoming in self.lines)

    def refund(self, charge_id: str, payer: UserId) -> ReturnOutcome:
        charge = self.charges.get(charge_id)
        if charge is None or charge.payer != payer or charge.currency != STARS:
            return Rejected(problem="400 CHARGE_NOT_FOUND")
        if charge.given_back_at is not None:
            if charge.asked_in_vain:
                self.violations.append(f"a refund of {charge_id} was asked for again, and nobody had looked")
            return GivenBack()  # CHARGE_ALREADY_REFUNDED
        self.give_back(charge)
        return GivenBack()


@dataclass(frozen=True, slots=True)
class SimulatedMessenger(Messenger):
    telegram: Telegram

    def send(self, letter: Letter) -> Delivery:
        weather = self.telegram.weather
        if weather.happens("429", 0.05, weather.world.random("network")):
            return TryLater(problem="429 Too Many Requests", after=timedelta(seconds=3))
        try:
            return weather.call("sendMessage", lambda: self.telegram.deliver(letter))
        except TimedOut as problem:
            return TryLater(problem=str(problem))

    def invoice_link(self, letter: Letter) -> str:
        raise ProviderUnavailable("Nobody asks for links here.")


@dataclass(frozen=True, slots=True)
class SimulatedStars(StarLedger):
    telegram: Telegram

    def page(self, bot: BotName, offset: int) -> LedgerPage:
        page: LedgerPage = self._asked(lambda: self.telegram.ledger_page(offset))
        return page

    def balance(self, bot: BotName) -> int:
        balance: int = self._asked(self.telegram.balance)
        return balance

    def _asked(self, ask: Callable[[], Any]) -> Any:
        try:
            return self.telegram.weather.call("getStarTransactions", ask)
        except TimedOut as problem:
            raise ProviderUnavailable(str(problem)) from None


@dataclass(frozen=True, slots=True)
class SimulatedStarRefunder(Refunder):
    """What the Bot API's adapter does, with Telegram's answers."""

    telegram: Telegram
    ledger: StarLedger

    def given_back(self, payment: Payment, order: RefundOrder) -> bool:
        offset: int | None = 0
        while offset is not None:
            page = self.ledger.page(payment.charge.bot, offset)
            told = [entry.content for entry in page.entries]
            if any(entry is not None and entry.charge_id == order.charge_id and _is_refund(entry) for entry in told):
                return True
            offset = page.next_from
        return False

    def give_back(self, payment: Payment, order: RefundOrder) -> ReturnOutcome:
        charge = payment.charge
        try:
            return self.telegram.weather.call(
                "refundStarPayment", lambda: self.telegram.refund(charge.charge_id, charge.payer)
            )
        except TimedOut as problem:
            if known := self.telegram.charges.get(charge.charge_id):
                known.asked_in_vain = True
            return TryLater(problem=str(problem))


def _is_refund(entry: object) -> bool:
    return hasattr(entry, "refunded_at")


def _entry(charge: TelegramCharge, incoming: bool) -> LedgerEntry:
    partner: dict[str, Any] = {"type": "user", "transaction_type": "invoice_payment", "user": _person(charge.payer)}
    if incoming:
        partner["invoice_payload"] = charge.payload
    at = charge.at if incoming else charge.given_back_at or charge.at
    line = {"id": charge.charge_id, "amount": charge.amount, "date": int(at.timestamp())}
    body = json.dumps({**line, ("source" if incoming else "receiver"): partner}).encode()
    report = Report(source=Source.STAR_TRANSACTION, bot=BOT, body=body)
    stars = charge.amount if incoming else -charge.amount
    return LedgerEntry(report=report, content=read_transaction(body, BOT), stars=stars)


def _person(user: UserId) -> dict[str, Any]:
    return {"id": user, "is_bot": False, "first_name": "A"}


def in_order(received: Sequence[tuple[int, str]]) -> bool:
    """Whether letters came in the order in which they were written; one that comes again counts where it first came."""
    first = list(dict.fromkeys(id for id, _ in received if id))
    return first == sorted(first)
