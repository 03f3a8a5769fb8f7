"""Small stories with one thing in each, told again and again with a crash at one more of their points."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar

from domain.catalog import Method
from domain.errors import Conflict, Refusal
from domain.ids import UserId
from domain.payment import DisputeState, Payment, PaymentStatus
from entrypoints.simulation.memory import tidied_seldom
from entrypoints.simulation.people import STRANGERS_FROM, People
from entrypoints.simulation.service import Service
from entrypoints.simulation.shop_window import PLANS
from entrypoints.simulation.store import Store
from entrypoints.simulation.story import Outcome, outcome_of
from entrypoints.simulation.stripe import Intent
from entrypoints.simulation.telegram import TelegramCharge
from entrypoints.simulation.town import Town
from entrypoints.simulation.weather import DIED_AT, Weather
from entrypoints.simulation.world import Lost, World

Answer = TypeVar("Answer")

GOLD: Final = PLANS[0].code
ADA: Final = UserId(1)
BEN: Final = UserId(2)
WITHIN: Final = timedelta(hours=12)
AGAIN_S: Final = 5.0
NEVER: Final = 1 << 62


@dataclass(slots=True)
class Cast:
    """What a script is written with. Whatever does not work is done again until it does, as people do."""

    town: Town
    people: People

    def pays(self, user: UserId, method: Method = Method.STARS, *, told: bool = True) -> TelegramCharge:
        invoice = self._until(lambda: self.people.invoice(user, GOLD, method))
        self._until(lambda: self.people.approved(invoice, user) or None)
        return self.town.telegram.take(invoice, user, approved=True, told=told)

    def pays_twice(self, user: UserId) -> None:
        invoice = self._until(lambda: self.people.invoice(user, GOLD, Method.STARS))
        self._until(lambda: self.people.approved(invoice, user) or None)
        for approved in (True, False):
            self.town.telegram.take(invoice, user, approved=approved)

    def pays_for_another(self, user: UserId) -> None:
        invoice = self._until(lambda: self.people.invoice(user, GOLD, Method.STARS))
        self.town.telegram.take(invoice, UserId(user + STRANGERS_FROM), approved=False)

    def pays_by_stripe(self, user: UserId, *, told: bool = True) -> Intent:
        page = self._until(lambda: self.people.page(user, GOLD))
        self.town.stripe.pay(page, told=told)
        return page

    def entered(self, charge_id: str) -> Payment:
        """Wait until it is in our books."""
        rows = self.town.store.tables.payments.rows
        return self._until(lambda: next((r.payment for (_, id), r in rows.items() if id == charge_id), None))

    def orders(self, act: Callable[[Service], object]) -> None:
        """A person's decision; one that turns out to be carried out already is not made again."""
        self._until(lambda: self._ordered(act))

    def _ordered(self, act: Callable[[Service], object]) -> bool:
        try:
            self.town.on_any("operator", act)
        except Conflict:
            self.town.weather.seen["it was done already"] += 1
        return True

    def waits(self, seconds: float) -> None:
        self.town.world.wait(seconds)

    def _until(self, act: Callable[[], Answer | None]) -> Answer:
        while True:
            try:
                if (answer := act()) is not None:
                    return answer
            except (Lost, Refusal):
                self.town.weather.seen["somebody had to try later"] += 1
            self.waits(AGAIN_S)


def _bought_with_stars(cast: Cast) -> None:
    cast.pays(ADA)


def _bought_with_a_card(cast: Cast) -> None:
    cast.pays(ADA, Method.TELEGRAM)


def _bought_at_stripe(cast: Cast) -> None:
    cast.pays_by_stripe(ADA)


def _bought_again(cast: Cast) -> None:
    cast.pays(ADA)
    cast.pays_by_stripe(ADA)


def _paid_twice(cast: Cast) -> None:
    cast.pays_twice(ADA)


def _paid_by_another(cast: Cast) -> None:
    cast.pays_for_another(ADA)


def _given_back_by_telegram(cast: Cast) -> None:
    first = cast.pays(ADA)
    cast.pays(ADA)
    cast.entered(first.charge_id)
    cast.town.telegram.give_back(first)


def _given_back_before_it_was_seen(cast: Cast) -> None:
    charge = cast.pays(ADA, told=False)
    cast.town.telegram.give_back(charge)


def _charged_back(cast: Cast) -> None:
    charge = cast.pays(ADA)
    cast.entered(charge.charge_id)
    cast.town.telegram.give_back(charge, told=False)


def _only_the_ledgers_know(cast: Cast) -> None:
    cast.pays(ADA, told=False)
    cast.pays_by_stripe(BEN, told=False)


def _given_back_by_an_operator(cast: Cast) -> None:
    payment = cast.entered(cast.pays(ADA).charge_id)
    cast.orders(lambda service: service.order_refund(payment.id, reason="asked for", asked_by="olga"))


def _given_back_at_stripe_by_an_operator(cast: Cast) -> None:
    payment = cast.entered(cast.pays_by_stripe(ADA).id)
    cast.orders(lambda service: service.order_refund(payment.id, reason="asked for", asked_by="olga"))


def _given_back_in_parts(cast: Cast) -> None:
    intent = cast.pays_by_stripe(ADA)
    cast.entered(intent.id)
    cast.town.stripe.give_back(intent, 100)
    cast.waits(30.0)
    cast.town.stripe.give_back(intent, intent.amount - 100)


def _disputed_and_won(cast: Cast) -> None:
    intent = cast.pays_by_stripe(ADA)
    for state in (DisputeState.WITHDRAWN, DisputeState.WON):
        cast.waits(30.0)
        cast.town.stripe.dispute(intent, state)


def _disputed_and_lost(cast: Cast) -> None:
    intent = cast.pays_by_stripe(ADA)
    for state in (DisputeState.WITHDRAWN, DisputeState.LOST):
        cast.waits(30.0)
        cast.town.stripe.dispute(intent, state)


def _refused_by_stripe(cast: Cast) -> None:
    """What is disputed can't be given back by us, too."""
    intent = cast.pays_by_stripe(ADA)
    payment = cast.entered(intent.id)
    cast.town.truth.acted_on.add(intent.id)
    cast.town.stripe.dispute(intent, DisputeState.WITHDRAWN)
    cast.orders(lambda service: service.order_refund(payment.id, reason="asked for", asked_by="olga"))


def _blocked_by_the_payer(cast: Cast) -> None:
    cast.pays(ADA)
    cast.town.telegram.blocked.add(ADA)


def _told_nonsense(cast: Cast) -> None:
    """What nobody can read is kept, tried again for a while, and given up in sight; what comes after it goes on."""
    cast.town.telegram.nonsense(ADA)
    cast.pays(ADA)


def _waits_for_a_person(cast: Cast) -> None:
    charge = cast.pays(ADA)
    cast.town.truth.poison[charge.charge_id] = NEVER
    cast.town.truth.poisoned.add(charge.charge_id)
    payment = cast.entered(charge.charge_id)
    cast.town.truth.acted_on.add(charge.charge_id)
    if payment.status is PaymentStatus.QUARANTINED:
        cast.orders(lambda s: s.grant_quarantined(payment.id, reason="fine", actor="olga", plan_code=GOLD))


SCRIPTS: Final[Mapping[str, Callable[[Cast], None]]] = {
    "bought with Stars": _bought_with_stars,
    "bought with a card in Telegram": _bought_with_a_card,
    "bought at Stripe": _bought_at_stripe,
    "bought again": _bought_again,
    "paid twice": _paid_twice,
    "paid by another": _paid_by_another,
    "given back by Telegram": _given_back_by_telegram,
    "given back before it was seen": _given_back_before_it_was_seen,
    "charged back": _charged_back,
    "only the ledgers know": _only_the_ledgers_know,
    "given back by an operator": _given_back_by_an_operator,
    "given back at Stripe by an operator": _given_back_at_stripe_by_an_operator,
    "given back in parts": _given_back_in_parts,
    "disputed and won": _disputed_and_won,
    "disputed and lost": _disputed_and_lost,
    "refused by Stripe": _refused_by_stripe,
    "blocked by the payer": _blocked_by_the_payer,
    "told nonsense": _told_nonsense,
    "waits for a person": _waits_for_a_person,
}


@dataclass(frozen=True, slots=True)
class Played:
    """How a script ended, and what was left: for each user, in what states their payments are and what they hold."""

    outcome: Outcome
    left: tuple[tuple[UserId, str, str | None], ...]
    held: Counter[tuple[UserId, str]]


def play(
    script: str,
    *,
    crash_at: int | None = None,
    one_writer: bool = False,
    make: Callable[..., Service] = Service,
    listener: Callable[[str], None] | None = None,
) -> Played:
    """`crash_at`: whichever process is at that point, counted from the beginning, dies there, and nothing else happens.
    `one_writer`: on SQLite instead of PostgreSQL."""
    world = World(0, story=listener)
    weather = Weather(world=world, strength=0.0, ends_at=world.now)
    town = Town(world, weather, Store(world, one_writer=one_writer), make, processes=2, users=[ADA, BEN])
    if crash_at is not None:
        world.gap = lambda: NEVER
        world.strike = weather.kill
        world.strike_within(crash_at)
    playing = world.spawn("script", lambda: SCRIPTS[script](Cast(town, People(town))))
    ended = world.run_until_quiet(lambda: playing.done and town.quiet(), within=WITHIN)
    for _ in range(2):
        town.compare(whole=True)
        world.run_until(world.now + timedelta(minutes=1))
        ended = world.run_until_quiet(town.quiet, within=WITHIN) and ended
    if not ended:
        town.watch.violations.append(f"21: {script!r} does not end: {town.waiting()}")
    payments = [row.payment for row in town.store.tables.payments.rows.values()]
    living = [span for span in town.store.tables.entitlements.rows.values() if span.revoked_at is None]
    outcome = outcome_of(0, town)
    world.end()
    return Played(
        outcome,
        tuple(sorted((one.charge.payer, str(one.status), one.quarantine_reason) for one in payments)),
        Counter((span.user_id, span.plan_code) for span in living),
    )


@dataclass(frozen=True, slots=True)
class Crashes:
    """One crash at every point of one script: how many points that are, at how many of them a process died, and what
    was not as it must be."""

    script: str
    one_writer: bool
    points: int
    died: int
    failed: tuple[str, ...]
    struck: frozenset[str]
    """The boundaries at which a process died."""


def crash_everywhere(script: str, one_writer: bool) -> Crashes:
    """`one_writer`: on SQLite instead of PostgreSQL."""
    calm = play(script, one_writer=one_writer)
    died, failed, struck = 0, list(calm.outcome.violations), set[str]()
    with tidied_seldom() as tidy:
        for point in range(1, calm.outcome.points + 1):
            crashed = play(script, crash_at=point, one_writer=one_writer)
            tidy()
            died += crashed.outcome.seen["a process died"]
            struck |= {name.removeprefix(DIED_AT) for name in crashed.outcome.seen if name.startswith(DIED_AT)}
            failed += [f"crash at point {point}: {violation}" for violation in crashed.outcome.violations]
            if (crashed.left, crashed.held) != (calm.left, calm.held):
                failed.append(
                    f"crash at point {point}: {crashed.left} {crashed.held}; without it {calm.left} {calm.held}"
                )
    return Crashes(script, one_writer, calm.outcome.points, died, tuple(failed), frozenset(struck))
