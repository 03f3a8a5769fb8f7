"""Stripe as it really behaves: events in any order, at least once, for three days; its objects are the truth."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Final

from msgspec import json

from application.ports.checkout import StripeEvent, StripeSnapshot
from application.ports.outcomes import Rejected
from application.ports.refunds import GivenBack, NotYet, ReturnOutcome
from domain.catalog import Method
from domain.ids import ChargeId, InvoiceId
from domain.invoice import Invoice
from domain.money import Money
from domain.payment import Charge, ChargeStanding, DisputeState, Provider
from entrypoints.simulation.weather import TimedOut, Weather
from entrypoints.simulation.world import Lost, World

EVENTS_LIVE: Final = timedelta(hours=72)


@dataclass(slots=True, kw_only=True, eq=False)
class Intent:
    id: str
    invoice: Invoice
    payload: str
    amount: int
    changed_at: datetime
    live: bool = True
    paid_at: datetime | None = None
    given_back: int = 0
    pending: int = 0
    disputes: dict[str, DisputeState] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)

    @property
    def gone(self) -> bool:
        return self.given_back >= self.amount or DisputeState.LOST in self.disputes.values()


@dataclass(slots=True)
class Stripe:
    world: World
    weather: Weather
    intents: dict[str, Intent] = field(default_factory=dict)
    pages: dict[InvoiceId, Intent] = field(default_factory=dict)
    taken: Counter[str] = field(default_factory=Counter)
    """All money that came in, by currency."""
    paid: int = 0
    """How many payments that were."""
    violations: list[str] = field(default_factory=list)
    webhook: Callable[[bytes], int] | None = None
    down_until: Callable[[], datetime | None] = lambda: None
    on_change: Callable[[], None] = lambda: None
    _undelivered: int = 0
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    # What people and banks do -----------------------------------------------------------------------------------------

    def pay(self, intent: Intent, *, told: bool = True) -> None:
        """`told`: whether we get to know otherwise than from its lists."""
        if intent.paid_at is not None:
            return
        intent.paid_at = intent.changed_at = self.world.now
        self.world.tell("stripe", "money moved", intent=intent.id, user=intent.invoice.payer, live=intent.live)
        if intent.live:
            self.paid += 1
            self.taken[intent.invoice.offer.price.currency] += intent.amount
        self.on_change()
        if told:
            # The same change comes as two events, whose ids are different.
            self._tell("checkout.session.completed", intent)
            self._tell("payment_intent.succeeded", intent)

    def pay_in_test_mode(self, like: Intent) -> None:
        """Somebody with our test key pays a copy of that page with a card that is none."""
        copy = Intent(
            id=f"pi_test_{next(self._numbers)}",
            invoice=like.invoice,
            payload=like.payload,
            amount=like.amount,
            changed_at=self.world.now,
            live=False,
        )
        self.intents[copy.id] = copy
        self.pay(copy)

    def give_back(self, intent: Intent, amount: int) -> None:
        intent.given_back += amount
        if intent.given_back > intent.amount:
            self.violations.append(f"8: of {intent.id} more was given back than was paid")
        self.world.tell("stripe", "money went back", intent=intent.id, amount=amount)
        self._tell("charge.refunded", intent)

    def dispute(self, intent: Intent, state: DisputeState) -> None:
        intent.disputes["dp"] = state
        self.world.tell("stripe", "dispute", intent=intent.id, state=state)
        self._tell("charge.dispute.updated", intent)

    @property
    def quiet(self) -> bool:
        return self._undelivered == 0

    def _tell(self, kind: str, intent: Intent) -> None:
        intent.changed_at = self.world.now
        self.on_change()
        id = f"evt_{next(self._numbers)}"
        event = {"id": id, "type": kind, "livemode": intent.live, "data": {"object": {"id": intent.id}}}
        body = json.encode(event)
        self._undelivered += 1
        random = self.world.random("stripe deliveries")
        late_s = random.choice((0.0, 0.0, 1.0, 30.0, 600.0))
        self.world.after(late_s, lambda: self._deliver(body), "stripe")

    def _deliver(self, body: bytes) -> None:
        self.world.spawn("stripe", lambda: self._bring(body))

    def _bring(self, body: bytes) -> None:
        random = self.world.random("stripe deliveries")
        end = self.world.now + EVENTS_LIVE
        pause_s = 5.0
        while self.world.now < end:
            if back := self.down_until():
                self.world.wait((back - self.world.now).total_seconds() + random.uniform(5.0, 600.0))
                continue
            if self._post(body) == 200:
                if self.weather.happens("an event delivered again", 0.3, random):
                    self._post(body)
                break
            self.world.wait(pause_s)
            pause_s = min(2 * pause_s, 3600.0)
        else:
            self.weather.seen["an event expired"] += 1
        self._undelivered -= 1

    def _post(self, body: bytes) -> int:
        if self.webhook is None:
            return 0
        webhook = self.webhook
        try:
            status = self.weather.call("stripe webhook", lambda: webhook(body))
        except (TimedOut, Lost):
            return 0
        return status

    # What the service calls -------------------------------------------------------------------------------------------

    def open(self, invoice: Invoice, payload: str) -> Intent:
        known = self.pages.get(invoice.id)
        if known is None:
            intent = Intent(
                id=f"pi_{next(self._numbers)}",
                invoice=invoice,
                payload=payload,
                amount=invoice.offer.price.amount,
                changed_at=self.world.now,
            )
            self.intents[intent.id] = self.pages[invoice.id] = known = intent
        return known

    def snapshot(self, event: StripeEvent) -> StripeSnapshot | None:
        intent = self.intents.get(event.object_id)
        if intent is None:
            return None
        if intent.paid_at is None:
            return StripeSnapshot(charge=None, standing=None)
        charge = Charge(
            provider=Provider.STRIPE,
            charge_id=ChargeId(intent.id),
            provider_charge_id=f"ch_{intent.id}",
            bot=intent.invoice.bot,
            payer=intent.invoice.payer,
            paid=Money(amount=intent.amount, currency=intent.invoice.offer.price.currency),
            method=Method.STRIPE,
            payload=intent.payload,
            charged_at=intent.paid_at.replace(microsecond=0),
        )
        standing = ChargeStanding(
            provider=Provider.STRIPE,
            charge_id=charge.charge_id,
            amount=intent.amount,
            amount_refunded=intent.given_back,
            disputes=dict(intent.disputes),
        )
        return StripeSnapshot(charge=charge, standing=standing)

    def refund(self, charge_id: str, key: str) -> ReturnOutcome:
        intent = self.intents.get(charge_id)
        if intent is None or intent.paid_at is None:
            return Rejected(problem="no such payment")
        if intent.gone:
            return GivenBack()
        if DisputeState.WITHDRAWN in intent.disputes.values():
            return Rejected(problem="charge_disputed")
        if intent.pending or key in intent.keys:
            return NotYet()
        intent.keys.add(key)
        left = intent.amount - intent.given_back
        if self.world.random("stripe refunds").random() < 0.3:
            intent.pending = left
            self.weather.seen["a refund at Stripe was pending"] += 1
            self.world.after(1800.0, lambda: self._through(intent, left), "stripe")
            return NotYet()
        self.give_back(intent, left)
        return GivenBack()

    def _through(self, intent: Intent, amount: int) -> None:
        intent.pending = 0
        self.give_back(intent, min(amount, intent.amount - intent.given_back))
