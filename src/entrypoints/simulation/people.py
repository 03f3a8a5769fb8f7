"""Who does something in a story: buyers with their habits, attackers, operators, and services that ask."""

from dataclasses import dataclass, field
from random import Random
from typing import Final

from application.invoicing import Order
from application.messages import InvoiceMessage
from application.ports.pages import Page
from domain.catalog import Method
from domain.errors import AlreadyEntitled, Refusal, UnknownPlan
from domain.ids import PlanCode, UserId
from domain.invoice import Terms
from domain.money import Money
from domain.payment import DisputeState, PaymentStatus, Provider
from entrypoints.simulation.shop_window import PLANS
from entrypoints.simulation.stripe import Intent
from entrypoints.simulation.telegram import BOT, TelegramCharge
from entrypoints.simulation.town import Town
from entrypoints.simulation.world import Lost

MOST_TRIES: Final = 60
TRY_AGAIN_S: Final = 1800.0
STRANGERS_FROM: Final = 100_000
"""User ids from here on are those of people to whom links are forwarded."""


@dataclass(slots=True)
class People:
    town: Town
    random: Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = self.town.world.random("people")

    # Buyers -----------------------------------------------------------------------------------------------------------

    def buy(self, user: UserId) -> None:
        """Inside a task: want something, and try until it is paid."""
        plan = self.random.choices(PLANS, (5, 4, 2, 1))[0].code
        method = self.random.choices((Method.STARS, Method.TELEGRAM, Method.STRIPE), (6, 1, 3))[0]
        self.town.world.tell("buyer", "wants", user=user, plan=plan, method=method)
        for _ in range(MOST_TRIES):
            try:
                if self.bought(user, plan, method):
                    return
            except (UnknownPlan, AlreadyEntitled):
                self.town.weather.seen["somebody took another plan"] += 1
                plan = self.random.choice([one.code for one in PLANS if one.code != plan])
            except (Refusal, Lost):
                self.town.weather.seen["somebody had to try later"] += 1
            if back := self.town.down_until:
                self.town.world.wait((back - self.town.world.now).total_seconds())
            self.town.world.wait(self.random.uniform(60.0, TRY_AGAIN_S))

    def bought(self, user: UserId, plan: str, method: Method) -> bool:
        """Whether money moved. Raises what the service answers, and Lost."""
        if method is Method.STRIPE:
            return self._buy_by_stripe(user, plan)
        shown = self.invoice(user, plan, method)
        if shown is None:
            return False
        self.town.world.wait(self.random.choice((1.0, 5.0, 60.0, 3000.0)))
        return self._pay(user, shown)

    def invoice(self, user: UserId, plan: str, method: Method) -> InvoiceMessage | None:
        """What the user is shown to pay; None where it was not shown."""
        order = Order(user_id=user, plan_code=plan, method=method, bot=BOT)
        invoice, _ = self.town.on_any("buyer", lambda service: service.send_invoice(order))
        shown = [one for one in self.town.telegram.invoices.get(user, ()) if one.invoice_id == invoice.id]
        if not shown:
            return None
        self.town.truth.offers[shown[0].payload] = (shown[0], user)
        return shown[0]

    def approved(self, invoice: InvoiceMessage, user: UserId) -> bool:
        """What the service answers when Telegram asks."""
        return self.town.telegram.asks(invoice, user)

    def _pay(self, user: UserId, invoice: InvoiceMessage) -> bool:
        telegram, habit = self.town.telegram, self.random.random()
        charges: list[TelegramCharge] = []
        if habit < 0.87 and not self.approved(invoice, user):
            return False
        if habit < 0.72:
            charges = [telegram.take(invoice, user, approved=True)]
        elif habit < 0.76:  # and the bot is never told
            charges = [telegram.take(invoice, user, approved=True, told=invoice.method is not Method.STARS)]
        elif habit < 0.87:  # taps twice; the second time nobody is asked
            charges = [telegram.take(invoice, user, approved=is_first) for is_first in (True, False)]
        elif habit < 0.92:  # forwards the link
            charges = [telegram.take(invoice, UserId(user + STRANGERS_FROM), approved=False)]
        elif habit < 0.96:  # pays much later
            self.town.world.wait(7200.0)
            charges = [telegram.take(invoice, user, approved=False)]
        else:
            charges = [self._pay_something_else(user, invoice)]
        for charge in charges:
            self._and_then(charge)
        return True

    def _pay_something_else(self, user: UserId, invoice: InvoiceMessage) -> TelegramCharge:
        """Telegram does not do that; if it did, nothing would be granted."""
        price, method = invoice.price, invoice.method
        amount, currency, payload = self.random.choice(
            (
                (10, "XTR", "t1.of-another-bot"),
                (price.amount - 1, price.currency, invoice.payload),
                (price.amount, "EUR" if method is Method.TELEGRAM else "XTR", self._payload_of_a_lost_plan(user)),
                (price.amount, "EUR", invoice.payload),
            )
        )
        paid_by = Method.STARS if currency == "XTR" else Method.TELEGRAM
        return self.town.telegram.take_money(user, amount, currency, payload, paid_by, approved=True, told=True)

    def _payload_of_a_lost_plan(self, user: UserId) -> str:
        """Signed by us, for an invoice that is lost and a plan that nobody knows any more."""
        service = self.town.services[0]
        terms = Terms(
            invoice_id=service.ids.invoice(),
            plan_code=PlanCode("long_gone"),
            issued_at=self.town.world.now,
            payer=user,
            price=Money(amount=10, currency="XTR"),
        )
        return service.signer.sign(terms, BOT)

    def _and_then(self, charge: TelegramCharge) -> None:
        """What becomes of a charge: nothing, mostly."""
        fate = self.random.random()
        truth, seen = self.town.truth, self.town.weather.seen
        if fate < 0.05:
            truth.poison[charge.charge_id] = self.random.choice((1, 3, 1000))
            truth.poisoned.add(charge.charge_id)
            seen["a poisonous charge"] += 1
        if 0.02 < fate < 0.15:
            self.town.world.wait(self.random.choice((0.0, 30.0, 4000.0)))
            if charge.given_back_at is None and charge.currency == "XTR":
                told = self.random.random() < 0.6
                self.town.telegram.give_back(charge, told=told, by_bot=self.random.random() < 0.5)
                seen["a refund by Telegram" if told else "a chargeback"] += 1
        elif fate > 0.95:
            self.town.world.wait(900.0)
            if (Provider.TELEGRAM, charge.charge_id) in self.town.store.tables.payments.rows:
                self.town.telegram.tell_other_facts(charge)

    # Buyers at Stripe -------------------------------------------------------------------------------------------------

    def page(self, user: UserId, plan: str) -> Intent | None:
        order = Order(user_id=user, plan_code=plan, method=Method.STRIPE, bot=BOT)
        invoice, _ = self.town.on_any("buyer", lambda service: service.open_checkout(order, None))
        return self.town.stripe.pages.get(invoice.id)

    def _buy_by_stripe(self, user: UserId, plan: str) -> bool:
        intent, stripe, seen = self.page(user, plan), self.town.stripe, self.town.weather.seen
        if intent is None:
            return False
        wait = self.town.world.wait
        wait(self.random.choice((5.0, 60.0, 1500.0)))
        stripe.pay(intent, told=self.random.random() < 0.95)
        fate = self.random.random()
        if fate < 0.1:
            wait(self.random.choice((0.0, 60.0, 4000.0)))
            if intent.pending or intent.gone:
                return True
            stripe.give_back(intent, intent.amount // 3)
            seen["a partial refund"] += 1
            if self.random.random() < 0.5 and not intent.pending:
                stripe.give_back(intent, intent.amount - intent.given_back)
                seen["partial refunds that became the whole"] += 1
        elif fate < 0.25:
            seen["a dispute"] += 1
            for state in self.random.choice(DISPUTES):
                wait(self.random.choice((0.0, 10.0, 2000.0)))
                if not intent.gone and not intent.pending:
                    stripe.dispute(intent, state)
        elif fate < 0.3:
            stripe.pay_in_test_mode(intent)
            seen["money in test mode"] += 1
        return True

    # Others -----------------------------------------------------------------------------------------------------------

    def attack(self) -> None:
        """Ask to pay less, by somebody else, or by a payload of one's own making; it must never be approved."""
        invoices = [one for shown in self.town.telegram.invoices.values() for one in shown]
        if not invoices:
            return
        invoice = self.random.choice(invoices)
        owner = invoice.user_id
        flipped = invoice.payload[:-1] + ("A" if invoice.payload[-1] != "A" else "B")
        tampered = self.random.choice(
            (
                {"payer": owner, "amount": 1},
                {"payer": UserId(owner + STRANGERS_FROM)},
                {"payer": owner, "payload": flipped},
            )
        )
        self.town.weather.seen["an attack"] += 1
        if self.town.telegram.asks(invoice, **tampered):
            self.town.watch.violations.append(f"14: {tampered} was approved")

    def operate(self) -> None:
        """An operator gives back what was granted, or decides about what waits."""
        rows = [row.payment for row in self.town.store.tables.payments.rows.values()]
        waiting = [payment for payment in rows if payment.status is PaymentStatus.QUARANTINED]
        granted = [payment for payment in rows if payment.status is PaymentStatus.GRANTED]
        seen, on_any = self.town.weather.seen, self.town.on_any
        if granted and self.random.random() < 0.5:
            chosen = self.random.choice(granted)
            self.town.truth.acted_on.add(chosen.charge.charge_id)
            on_any("operator", lambda service: service.order_refund(chosen.id, reason="asked for", asked_by="olga"))
            seen["an operator gave back"] += 1
        elif waiting:
            chosen = self.random.choice(waiting)
            self.town.truth.acted_on.add(chosen.charge.charge_id)
            if self.random.random() < 0.5:
                on_any(
                    "operator",
                    lambda service: service.grant_quarantined(
                        chosen.id, reason="fine", actor="olga", plan_code=PLANS[1].code
                    ),
                )
                seen["an operator granted"] += 1
            else:
                on_any("operator", lambda service: service.refund_quarantined(chosen.id, reason="no", actor="olga"))
                seen["an operator returned"] += 1

    def look(self) -> None:
        """Another service asks what a user may do, and the user what they hold and have paid: all must agree."""
        user = self.random.choice(self.town.users)
        plan = self.random.choice(PLANS)
        before = self._covered(user, plan.code)
        service = self.random.choice([one for one in self.town.services if one.alive] or [None])
        if service is None or service.clock.skew:
            return
        allowed = self.town.world.call("service", lambda: service.check(user, plan.features[0]), service).allowed
        if allowed not in (before, self._covered(user, plan.code)):
            self.town.watch.violations.append(f"6: user {user} is told {allowed} of {plan.code}")
        held, _ = self.town.on_any("user", lambda service: service.list_entitlements(user))
        paid = self.town.on_any("user", lambda service: service.list_payments(user, Page()))
        if any(span.user_id != user for span in held) or any(one.charge.payer != user for one in paid.items):
            self.town.watch.violations.append(f"17: user {user} was shown what is somebody else's")
        self.town.weather.seen["allowed" if allowed else "not allowed"] += 1

    def _covered(self, user: UserId, plan: str) -> bool:
        """By the rows alone."""
        now, tables = self.town.world.now, self.town.store.tables
        mine = [tables.entitlements.rows[id] for id in tables.entitlements_of.keys.get(user, ())]
        return any(
            span.plan_code == plan
            and span.starts_at <= now
            and span.revoked_at is None
            and (span.expires_at is None or now < span.expires_at)
            for span in mine
        )


DISPUTES: Final = (
    (DisputeState.OPENED,),
    (DisputeState.WITHDRAWN,),
    (DisputeState.WITHDRAWN, DisputeState.WON),
    (DisputeState.WITHDRAWN, DisputeState.LOST),
    (DisputeState.OPENED, DisputeState.WITHDRAWN, DisputeState.WON),
)
