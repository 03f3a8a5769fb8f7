"""One seed: a town of buyers, what they do, what goes wrong meanwhile, and a look at how it all ended."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Final, TypeVar

from application.invoicing import Order
from domain.catalog import Method
from domain.errors import Refusal
from domain.ids import UserId
from domain.payment import DisputeState, PaymentStatus
from entrypoints.simulation.invariants import Truth, Watch, judge_the_end
from entrypoints.simulation.service import KEYS, PLANS, CountedIds, CountingJournal, Service
from entrypoints.simulation.store import Store
from entrypoints.simulation.stripe import Stripe
from entrypoints.simulation.telegram import BOT, Invoice, Telegram
from entrypoints.simulation.weather import Weather
from entrypoints.simulation.world import Died, Lost, Process, World

STORM: Final = timedelta(hours=6)
QUIET_WITHIN: Final = timedelta(hours=100)
LEDGER_AFTER_S: Final = 60.0
WORK_AFTER_S: Final = 0.3
WORK_AGAIN_S: Final = 20.0

Answer = TypeVar("Answer")
MakeService = Callable[..., Service]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a seed ended. `violations` are what must not be; `seen` counts what happened, `points` the I/O boundaries."""

    seed: int
    payments: int
    violations: tuple[str, ...]
    seen: Counter[str]
    points: int


@dataclass(slots=True)
class Story:
    """`payments` is how many purchases are begun; `strength` how rough it gets, chosen by the seed where it is None."""

    seed: int
    payments: int = 100
    strength: float | None = None
    make: MakeService = Service
    listener: Callable[[str], None] | None = None
    world: World = field(init=False)
    weather: Weather = field(init=False)
    store: Store = field(init=False)
    telegram: Telegram = field(init=False)
    stripe: Stripe = field(init=False)
    services: list[Service] = field(init=False)
    truth: Truth = field(init=False)
    watch: Watch = field(init=False)
    random: Random = field(init=False)
    crash_at: int | None = None
    """The only mishap: whichever process is at that point, counted from the beginning, dies there."""
    held_down: bool = False
    restored: bool = False
    _work_is_due: bool = False
    _ledger_is_due: bool = False

    def __post_init__(self) -> None:
        self.world = World(self.seed, story=self.listener)
        self.random = self.world.random("story")
        rough = self.random.choice((0.0, 0.002, 0.005, 0.01, 0.02)) if self.strength is None else self.strength
        self.weather = Weather(
            world=self.world, strength=rough, ends_at=self.world.now + STORM, restart=self._restart_later
        )
        self.store = Store(self.world, one_writer=self.random.random() < 0.3)
        self.telegram = Telegram(self.world, self.weather)
        self.stripe = Stripe(self.world, self.weather)
        self.truth = Truth(self.telegram, self.stripe)
        self.watch = Watch(self.store, self.truth)
        ids, journal, poison = CountedIds(), CountingJournal(), self.truth.poison
        self.services = [
            self.make(
                f"service {number}",
                world=self.world,
                store=self.store,
                telegram=self.telegram,
                stripe=self.stripe,
                ids=ids,
                journal=journal,
                poison=poison,
            )
            for number in range(1, 1 + self.random.choice((1, 2, 2, 3)))
        ]
        self.telegram.webhook = lambda body: self._on_any("webhook", lambda service: service.telegram_webhook(body))
        self.stripe.webhook = lambda body: self._on_any("stripe webhook", lambda service: service.stripe_webhook(body))
        self.telegram.answered = self.watch.answered
        self.stripe.answered = self.watch.answered
        self.telegram.on_ledger = self.stripe.on_change = self._compare_soon
        self.store.watchers += [self.watch.committed, lambda commit: self._work_soon(WORK_AFTER_S)]

    def run(self) -> Outcome:
        began = self.world.now
        self._plan()
        if self.crash_at is None:
            self.weather.begin()
        else:
            self.world.gap = lambda: 1 << 62
            self.world.strike = self.weather.kill
            self.world.strike_within(self.crash_at)
        self.world.run_until(began + STORM)
        self._calm()
        self.world.run_until_quiet(self._quiet, within=QUIET_WITHIN, step=timedelta(minutes=5))
        for _ in range(3):
            self._spawn_compare(whole=True)
            self.world.run_until(self.world.now + timedelta(minutes=10))
            self.world.run_until_quiet(self._quiet, within=QUIET_WITHIN, step=timedelta(minutes=5))
        if self.crash_at is not None and self.weather.seen["a process died"] == 0:
            self.weather.seen["nobody was there to die"] += 1
        violations = [*self.watch.violations, *self.telegram.violations, *judge_the_end(self.store, self.truth)]
        if not self._quiet():
            violations.append(f"21: queues do not drain: {self._waiting()}")
        seen = self.weather.seen + Counter(self.services[0].journal.seen)
        for row in self.store.tables.payments.rows.values():
            reason = f": {row.payment.quarantine_reason}" if row.payment.quarantine_reason else ""
            seen[f"{row.payment.status}{reason}"] += 1
        return Outcome(self.seed, len(self.truth.charges()), tuple(violations), seen, self.world.points)

    # What is going to happen ------------------------------------------------------------------------------------------

    def _plan(self) -> None:
        users = [UserId(number) for number in range(1, 2 + self.payments // 3)]
        for _ in range(self.payments):
            at_s = self.random.uniform(0, STORM.total_seconds() * 0.9)
            user = users[0] if self.random.random() < 0.15 else self.random.choice(users)
            self._later(at_s, "buyer", lambda user=user: self._buy(user))  # type: ignore[misc]
        if not self.weather.strength:
            return
        mishaps: tuple[tuple[float, Callable[[], None]], ...] = (
            (0.25, self._outage),
            (0.25, self._restore_a_backup),
            (0.3, self._clocks_jump),
            (0.5, self._secrets_change),
            (0.5, self.telegram.start_numbers_anew),
            (0.4, self._database_goes_away),
            (0.6, lambda: self.telegram.nonsense(self.random.choice(users))),
            (0.8, self._operator_acts),
            (0.8, self._operator_acts),
        )
        for chance, act in mishaps:
            if self.random.random() < chance:
                self.world.after(self.random.uniform(0, STORM.total_seconds()), act)

    def _later(self, seconds: float, name: str, act: Callable[[], None]) -> None:
        self.world.after(seconds, lambda: self.world.spawn(name, lambda: self._bravely(act)), name)

    def _bravely(self, act: Callable[[], None]) -> None:
        """People try, and shrug where it does not work."""
        try:
            act()
        except (Refusal, Lost):
            self.weather.seen["somebody had to try later"] += 1

    # People -----------------------------------------------------------------------------------------------------------

    def _buy(self, user: UserId) -> None:
        plan = self.random.choices(PLANS, (5, 4, 1))[0]
        method = self.random.choices((Method.STARS, Method.TELEGRAM, Method.STRIPE), (6, 1, 3))[0]
        self.world.tell("buyer", "wants", user=user, plan=plan.code, method=method)
        if method is Method.STRIPE:
            self._buy_by_stripe(user, plan.code)
            return
        order = Order(user_id=user, plan_code=plan.code, method=method, bot=BOT)
        invoice, _ = self._on_any("buyer", lambda service: service.send_invoice(order))
        shown = [one for one in self.telegram.invoices.get(user, []) if one.letter.invoice_id == invoice.id]
        if shown:
            self._pay(user, shown[0])

    def _pay(self, user: UserId, shown: Invoice) -> None:
        letter, habit = shown.letter, self.random.random()
        pause_s = self.random.choice((1.0, 5.0, 60.0, 3000.0))
        self.world.wait(pause_s)
        if habit < 0.7:
            charges = [self.telegram.pay(letter, user)]
        elif habit < 0.8:  # taps twice; the second time nobody is asked
            charges = [self.telegram.pay(letter, user), self.telegram.pay(letter, user, unasked=True)]
        elif habit < 0.87:  # forwards the link
            charges = [self.telegram.pay(letter, UserId(user + 1000), unasked=True)]
        elif habit < 0.92:  # pays much later
            self.world.wait(7200.0)
            charges = [self.telegram.pay(letter, user, unasked=True)]
        elif habit < 0.96:  # an invoice that was never ours
            charges = [self.telegram.take_money(user, 10, "XTR", "t1.foreign", Method.STARS, approved=False)]
        else:
            price = letter.price
            less = price.amount - 1
            charges = [
                self.telegram.take_money(user, less, price.currency, letter.payload, letter.method, approved=True)
            ]
        for charge in charges:
            if charge is None:
                continue
            fate = self.random.random()
            if fate < 0.05:
                self.truth.poison[charge.charge_id] = self.random.choice((1, 3, 1000))
                self.weather.seen["a poisonous charge"] += 1
            if 0.02 < fate < 0.15:
                self.world.wait(self.random.choice((0.0, 30.0, 4000.0)))
                told = charge.currency != "XTR" or self.random.random() < 0.6
                if charge.given_back_at is None and charge.currency == "XTR":
                    self.telegram.give_back(charge, told=told, by_bot=self.random.random() < 0.5)
                    self.weather.seen["a refund by Telegram" if told else "a chargeback"] += 1

    def _buy_by_stripe(self, user: UserId, plan_code: str) -> None:
        order = Order(user_id=user, plan_code=plan_code, method=Method.STRIPE, bot=BOT)
        invoice, _ = self._on_any("buyer", lambda service: service.open_checkout(order, None))
        intent = self.stripe.pages.get(invoice.id)
        if intent is None:
            return
        self.world.wait(self.random.choice((5.0, 60.0, 1500.0)))
        self.stripe.pay(intent)
        fate = self.random.random()
        if fate < 0.1:
            self.world.wait(self.random.choice((0.0, 60.0, 4000.0)))
            if intent.pending or intent.gone:
                return
            self.stripe.give_back(intent, intent.amount // 3)
            self.weather.seen["a partial refund"] += 1
            if self.random.random() < 0.5 and not intent.pending:
                self.stripe.give_back(intent, intent.amount - intent.given_back)
                self.weather.seen["partial refunds that became the whole"] += 1
        elif fate < 0.25:
            for state in self._dispute():
                self.world.wait(self.random.choice((0.0, 10.0, 2000.0)))
                if not intent.gone and not intent.pending:
                    self.stripe.dispute(intent, state)

    def _dispute(self) -> tuple[DisputeState, ...]:
        self.weather.seen["a dispute"] += 1
        return self.random.choice(
            (
                (DisputeState.OPENED,),
                (DisputeState.WITHDRAWN, DisputeState.WON),
                (DisputeState.WITHDRAWN, DisputeState.LOST),
                (DisputeState.OPENED, DisputeState.WITHDRAWN, DisputeState.WON),
            )
        )

    def _operator_acts(self) -> None:
        self.world.spawn("operator", lambda: self._bravely(self._resolve))

    def _resolve(self) -> None:
        rows = [row.payment for row in self.store.tables.payments.rows.values()]
        waiting = [payment for payment in rows if payment.status is PaymentStatus.QUARANTINED]
        granted = [payment for payment in rows if payment.status is PaymentStatus.GRANTED]
        if granted and self.random.random() < 0.5:
            chosen = self.random.choice(granted)
            self.weather.seen["an operator gave back"] += 1
            self.truth.acted_on.add(chosen.charge.charge_id)
            self._on_any("operator", lambda service: service.order_refund(chosen.id, reason="asked", asked_by="olga"))
        elif waiting:
            chosen = self.random.choice(waiting)
            self.truth.acted_on.add(chosen.charge.charge_id)
            if self.random.random() < 0.5:
                self.weather.seen["an operator granted"] += 1
                act = lambda service: service.grant_quarantined(  # noqa: E731
                    chosen.id, reason="fine", actor="olga", plan_code="silver"
                )
            else:
                self.weather.seen["an operator returned"] += 1
                act = lambda service: service.refund_quarantined(chosen.id, reason="no", actor="olga")  # noqa: E731
            self._on_any("operator", act)

    # What goes wrong --------------------------------------------------------------------------------------------------

    def _outage(self) -> None:
        hours = self.random.choice((26, 80))
        self.weather.seen[f"an outage of {hours} h"] += 1
        self.world.tell("world", "outage", hours=hours)
        self.held_down = True
        for service in self.services:
            self.world.kill(service)
        self.weather.ends_at = max(self.weather.ends_at, self.world.now)

        def end() -> None:
            self.held_down = False
            for service in self.services:
                self._restart(service)
            self._spawn_compare(whole=True)

        self.truth.outage_until = self.world.now + timedelta(hours=hours)
        self.world.after(hours * 3600.0, end, "outage")

    def _restore_a_backup(self) -> None:
        """The last part of what was committed is lost."""
        self.weather.seen["a backup was restored"] += 1
        keep = int(self.store.commits * self.random.choice((0.5, 0.9, 0.97)))
        self.world.tell("world", "backup restored", lost=self.store.commits - keep)
        for service in self.services:
            self.world.kill(service)
        self.truth.rewound(self.store)
        self.store.rewind(keep)
        for service in self.services:
            self._restart_later(service, 30.0)
        self.world.after(60.0, lambda: self._spawn_compare(whole=True), "restored")

    def _clocks_jump(self) -> None:
        self.weather.seen["a clock jumped"] += 1
        service = self.random.choice(self.services)
        there = timedelta(seconds=self.random.choice((-86_400, -600, 600, 86_400)))
        service.clock.skew = there
        self.truth.clocks_jumped = True
        self.world.tell("world", "clock jumps", service=service.name, by=there)

        def back() -> None:
            service.clock.skew = timedelta(0)

        self.world.after(600.0, back, "clock")

    def _secrets_change(self) -> None:
        self.weather.seen["signing keys were rotated"] += 1
        for service in self.services:
            service.keys = (KEYS[1], KEYS[0])
            if service.alive:
                self.world.kill(service)
                self._restart_later(service, 1.0)

    def _database_goes_away(self) -> None:
        self.weather.seen["the database was away"] += 1
        self.store.away = True

        def back() -> None:
            self.store.away = False
            self._work_soon(1.0)

        self.world.after(self.random.choice((5.0, 300.0)), back, "database")

    def _calm(self) -> None:
        self.weather.ends_at = min(self.weather.ends_at, self.world.now)
        self.store.away = False
        for service in self.services:
            if not service.alive and not self.held_down:
                self._restart(service)

    # Processes --------------------------------------------------------------------------------------------------------

    def _on_any(self, name: str, ask: Callable[[Service], Answer]) -> Answer:
        """Asked of some process; raises Lost where there is none, or it dies over it."""
        alive = [service for service in self.services if service.alive]
        if not alive:
            raise Lost(name)
        service = self.world.random("routing").choice(alive)
        return self.world.call(name, lambda: ask(service), service, timeout=60.0)

    def _restart_later(self, process: Process, seconds: float) -> None:
        self.world.after(seconds, lambda: self._restart(process), "restart")

    def _restart(self, process: Process) -> None:
        if not process.alive and not self.held_down and isinstance(process, Service):
            process.start()
            self.world.tell(process.name, "starts")
            self._work_soon(WORK_AFTER_S)

    def _work_soon(self, seconds: float) -> None:
        if not self._work_is_due:
            self._work_is_due = True
            self.world.after(seconds, self._work, "work")

    def _work(self) -> None:
        self._work_is_due = False
        alive = [service for service in self.services if service.alive]
        if alive:
            service = self.world.random("routing").choice(alive)
            self.world.spawn("workers", service.work_through, service)
        if self._waiting():
            self._work_soon(WORK_AGAIN_S)

    def _compare_soon(self) -> None:
        if not self._ledger_is_due:
            self._ledger_is_due = True
            self.world.after(LEDGER_AFTER_S, lambda: self._spawn_compare(whole=False), "ledger")

    def _spawn_compare(self, *, whole: bool) -> None:
        self._ledger_is_due = False
        alive = [service for service in self.services if service.alive]
        if not alive:
            self._compare_soon()
            return
        service = self.world.random("routing").choice(alive)

        def compare() -> None:
            done = False
            try:
                done = service.reconcile(whole=whole)
            except Died:
                self._compare_soon()
                raise
            if not done:
                self._compare_soon()

        self.world.spawn("reconciler", compare, service)

    def _waiting(self) -> dict[str, int]:
        tables = self.store.tables
        waiting = {
            "letters": sum(len(keys) for keys in tables.letters_waiting.keys.values()),
            "reports": len(tables.reports_waiting.keys.get(True, ())),
            "refunds": len(tables.orders_waiting.keys.get(True, ())),
        }
        return {name: number for name, number in waiting.items() if number}

    def _quiet(self) -> bool:
        return not self._waiting() and self.telegram.quiet and self.stripe.quiet and not self._ledger_is_due
