"""Telegram as it really behaves: queues, back-off, its own ledger of Stars. The truth about every charge is here."""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Final

from msgspec import json

from adapters.telegram.star_ledger import read_transaction
from application.messages import InvoiceMessage, Letter
from application.ports.inbox import Report, Source
from application.ports.ledgers import LedgerEntry, LedgerPage
from application.ports.outbox import Blocked, Delivery, Sent
from application.ports.outcomes import Rejected
from application.ports.refunds import GivenBack
from domain.catalog import Method
from domain.ids import BotName, UserId
from domain.money import STARS
from entrypoints.simulation.weather import LATENCY_S, TimedOut, Weather
from entrypoints.simulation.world import Lost, World

BOT: Final = BotName("main")
BACK_OFF_S: Final = (0.0, 2.0, 4.0, 8.0, 16.0, 32.0)
POINTS_OF_AN_UPDATE: Final = 20
"""Boundaries that a process comes to over one."""
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
    given_back_at: datetime | None = None


@dataclass(slots=True)
class _Update:
    id: int
    body: bytes
    expires_at: datetime


@dataclass(slots=True)
class Telegram:
    """`webhook` brings one update to whichever process takes it; it raises Lost where none does."""

    world: World
    weather: Weather
    charges: dict[str, TelegramCharge] = field(default_factory=dict)
    taken: Counter[str] = field(default_factory=Counter)
    """All money that came in, by currency."""
    lines: list[LedgerEntry] = field(default_factory=list)
    """The ledger of Stars: each charge in each direction, and what is none of ours."""
    invoices: dict[UserId, list[InvoiceMessage]] = field(default_factory=dict)
    received: dict[UserId, list[tuple[int, str]]] = field(default_factory=dict)
    """The letters that each user got: their numbers and what they are."""
    blocked: set[UserId] = field(default_factory=set)
    asked_in_vain: set[str] = field(default_factory=set)
    """Charges that somebody wanted given back and got no answer about, until the ledger tells how they stand."""
    violations: list[str] = field(default_factory=list)
    webhook: Webhook | None = None
    down_until: Callable[[], datetime | None] = lambda: None
    """When anybody can be reached again, where for a long time nobody can."""
    on_ledger: Callable[[], None] = lambda: None
    on_letter: Callable[[Letter], None] = lambda letter: None
    _queues: dict[UserId, deque[_Update]] = field(default_factory=dict)
    _busy: set[UserId] = field(default_factory=set)
    _numbers: "count[int]" = field(default_factory=lambda: count(1))
    _update_id: int = 1000

    # What people do ---------------------------------------------------------------------------------------------------

    def asks(self, invoice: InvoiceMessage, payer: UserId, *, payload: str = "", amount: int = 0) -> bool:
        """Inside a task: whether the bot approves that this person pays this, within Telegram's 10 s.

        `payload` and `amount` differ from the invoice's where somebody tampers with it.
        """
        query_id = str(next(self._numbers))
        query = {
            "id": query_id,
            "from": _person(payer),
            "currency": invoice.price.currency,
            "total_amount": amount or invoice.price.amount,
            "invoice_payload": payload or invoice.payload,
        }
        body = self._update("pre_checkout_query", query)
        began = self.world.now
        approved = self._ask(body, query_id) and (self.world.now - began).total_seconds() <= ANSWERED_WITHIN_S
        self.world.tell("telegram", "approved" if approved else "refused", user=payer, invoice=invoice.invoice_id)
        return approved

    def take(self, invoice: InvoiceMessage, payer: UserId, *, approved: bool, told: bool = True) -> TelegramCharge:
        """The money moves, for exactly what the invoice says."""
        price = invoice.price
        return self.take_money(
            payer, price.amount, price.currency, invoice.payload, invoice.method, approved=approved, told=told
        )

    def take_money(
        self, payer: UserId, amount: int, currency: str, payload: str, method: Method, *, approved: bool, told: bool
    ) -> TelegramCharge:
        """`told`: whether the bot gets to know otherwise than from the ledger."""
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
        self.taken[currency] += amount
        self.world.tell("telegram", "money moved", user=payer, charge=charge.charge_id, amount=amount, in_=currency)
        if currency == STARS:
            self._enter(charge, incoming=True)
        if told:
            self.tell(payer, {"successful_payment": _content(charge)})
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
            content = {name: value for name, value in _content(charge).items() if not name.startswith("provider")}
            late_s = self.world.random("deliveries").choice((0.0, 0.0, 90.0, 900.0))
            self.world.after(
                late_s, lambda: self.tell(charge.payer, {"refunded_payment": content}, by_bot=by_bot), "refund told"
            )

    def tell_other_facts(self, charge: TelegramCharge) -> None:
        """The same charge id again, of other money."""
        self.tell(charge.payer, {"successful_payment": _content(charge) | {"total_amount": charge.amount + 1}})

    def nonsense(self, user: UserId) -> None:
        """An update as nobody has seen it yet."""
        self.tell(user, {"successful_payment": {"currency": "XTR", "total_amount": "many"}})

    def gift(self, user: UserId) -> None:
        """Stars that come in for nothing that we sell."""
        partner = {"type": "user", "transaction_type": "gift_purchase", "user": _person(user)}
        self._write({"id": f"gift{next(self._numbers)}", "amount": 5, "source": partner}, self.world.now, 5)

    def start_numbers_anew(self) -> None:
        self._update_id = self.world.random("update ids").randrange(1, 1 << 31)
        self.weather.seen["update ids started anew"] += 1

    # What the bot is told ---------------------------------------------------------------------------------------------

    @property
    def quiet(self) -> bool:
        return not any(self._queues.values())

    def tell(self, user: UserId, content: dict[str, Any], *, by_bot: bool = False) -> None:
        """A message in the user's private chat: it waits in the queue of that chat."""
        message = {
            "message_id": self._update_id,
            "date": int(self.world.now.timestamp()),
            "chat": {"id": user, "type": "private", "first_name": "A"},
            "from": {"id": 777, "is_bot": True, "first_name": "Bot"} if by_bot else _person(user),
            **content,
        }
        self._queue(user, self._update("message", message))

    def _update(self, kind: str, content: dict[str, Any]) -> bytes:
        self._update_id += 1
        return json.encode({"update_id": self._update_id, kind: content})

    def _queue(self, user: UserId, body: bytes) -> None:
        update = _Update(self._update_id, body, self.world.now + MESSAGES_LIVE)
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
        attempt = 0
        while self.world.now <= update.expires_at:
            if back := self.down_until():
                # Asking every minute until then would come to the same.
                self.world.wait((back - self.world.now).total_seconds() + random.uniform(*LONGEST_S))
                continue
            latency_s = random.uniform(*LATENCY_S)
            if self.weather.happens("an update delivered twice at once", 0.4, random):
                self._twin(update, latency_s)
            if self._post(update.body, latency_s) == 200:
                if self.weather.happens("an update delivered again", 0.3, random):
                    self._post(update.body)
                return
            self.world.wait(BACK_OFF_S[attempt] if attempt < len(BACK_OFF_S) else random.uniform(*LONGEST_S))
            attempt += 1
        self.weather.seen["an update expired"] += 1
        self.world.tell("telegram", "update expired", update=update.id)

    def _twin(self, update: _Update, latency_s: float) -> None:
        """The same again, on its way at the same time; most of them in step, one overtaking the other on the way."""
        random = self.world.random("deliveries")
        apart_s = random.choice((0.0, 0.0, random.uniform(*LATENCY_S)))
        if not apart_s:
            at = random.randrange(1, POINTS_OF_AN_UPDATE)
            self.world.after(latency_s, lambda: self.world.strike_within(at))
        self.world.spawn("telegram", lambda: self._post(update.body, latency_s + apart_s))

    def _post(self, body: bytes, latency_s: float | None = None) -> int:
        if self.webhook is None:
            return 0
        webhook = self.webhook
        try:
            status, _ = self.weather.call("webhook", lambda: webhook(body), latency_s=latency_s)
        except (TimedOut, Lost):
            return 0
        return status

    def _ask(self, body: bytes, query_id: str) -> bool:
        if self.webhook is None:
            return False
        webhook = self.webhook
        try:
            status, reply = self.weather.call("pre-checkout", lambda: webhook(body))
        except (TimedOut, Lost):
            return False
        answer = json.decode(reply) if status == 200 else {}
        if answer and answer["pre_checkout_query_id"] != query_id:
            self.violations.append("43: another query was answered")
        return bool(answer.get("ok"))

    # What the bot calls -----------------------------------------------------------------------------------------------

    def deliver(self, letter: Letter) -> Delivery:
        user = UserId(letter.chat_id)
        if user in self.blocked:
            self.weather.seen["a user has blocked the bot"] += 1
            return Blocked(problem="403 bot was blocked by the user")
        self.on_letter(letter)
        self.received.setdefault(user, []).append((letter.id, type(letter.message).__name__))
        if isinstance(letter.message, InvoiceMessage):
            self.invoices.setdefault(user, []).append(letter.message)
        return Sent(message_id=next(self._numbers))

    def ledger_page(self, offset: int) -> LedgerPage:
        chosen = tuple(self.lines[offset : offset + PAGE])
        next_from = offset + PAGE if len(chosen) == PAGE else None
        told: set[str] = {entry.content.charge_id for entry in chosen if entry.stars < 0 and entry.content}
        if next_from is None:
            told |= {id for id in self.asked_in_vain if self.charges[id].given_back_at is None}
        self.asked_in_vain -= told
        return LedgerPage(entries=chosen, next_from=next_from)

    def balance(self) -> int:
        return sum(entry.stars for entry in self.lines)

    def refund(self, charge_id: str, payer: UserId) -> GivenBack | Rejected:
        charge = self.charges.get(charge_id)
        if charge is None or charge.payer != payer or charge.currency != STARS:
            return Rejected(problem="400 CHARGE_NOT_FOUND")
        if charge.given_back_at is None:
            self.give_back(charge)
        elif charge_id in self.asked_in_vain:
            self.violations.append(f"8: a refund of {charge_id} was asked for again, and nobody had looked")
        return GivenBack()  # also where it answers CHARGE_ALREADY_REFUNDED

    def forget_who_asked(self) -> None:
        """That a refund was asked for in vain was lost with the last commits, so that nobody can know that they must
        look; money goes back once all the same."""
        self.asked_in_vain.clear()

    def _enter(self, charge: TelegramCharge, *, incoming: bool) -> None:
        partner: dict[str, Any] = {"type": "user", "transaction_type": "invoice_payment", "user": _person(charge.payer)}
        if incoming:
            partner["invoice_payload"] = charge.payload
        line = {"id": charge.charge_id, "amount": charge.amount, ("source" if incoming else "receiver"): partner}
        at = charge.at if incoming else charge.given_back_at or charge.at
        self._write(line, at, charge.amount if incoming else -charge.amount)

    def _write(self, line: dict[str, Any], at: datetime, stars: int) -> None:
        body = json.encode(line | {"date": int(at.timestamp())})
        report = Report(source=Source.STAR_TRANSACTION, bot=BOT, body=body)
        self.lines.append(LedgerEntry(report=report, content=read_transaction(body, BOT), stars=stars))
        self.on_ledger()


def _content(charge: TelegramCharge) -> dict[str, Any]:
    return {
        "currency": charge.currency,
        "total_amount": charge.amount,
        "invoice_payload": charge.payload,
        "telegram_payment_charge_id": charge.charge_id,
        "provider_payment_charge_id": f"p{charge.charge_id}",
    }


def _person(user: UserId) -> dict[str, Any]:
    return {"id": user, "is_bot": False, "first_name": "A"}


def in_order(received: Sequence[tuple[int, str]]) -> bool:
    """Whether letters came in the order in which they were written; one that comes again counts where it first came."""
    first = list(dict.fromkeys(id for id, _ in received if id))
    return first == sorted(first)
