"""People who buy without a pause while things go wrong, each a new one."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self, TypeVar

import httpx

from tests.integration.buying import ask, invoice_for, newcomer
from tests.integration.sandbox_server import Json, SandboxError, SandboxServer
from tests.integration.service import Service, eventually
from tests.integration.stripe_buying import ask_for_page, page_for

HANDS: Final = 6
PLAN: Final = "day_pass"
BY_STRIPE: Final = "gold_1m"
AFTER_TROUBLE_S: Final = 0.3
PRESSES: Final = 10
RESENT_AT_ONCE: Final = 50
T = TypeVar("T")
S = TypeVar("S")


@dataclass
class Crowd:
    """A context manager: `hands` buyers at once, over all of `services`, one in `stripe_every` by Stripe (0: nobody).

    A buyer asks for an invoice and pays it. Where the service does not answer, or refuses, they go away.
    """

    telegram: SandboxServer
    services: Sequence[Service]
    stripe_every: int = 0
    hands: int = HANDS
    pause_s: float = 0.1
    ended: Counter[str] = field(default_factory=Counter)
    """How each purchase ended: paid, refused, timeout, or no invoice."""
    _stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._threads = [threading.Thread(target=self._go_on, args=(hand,), daemon=True) for hand in range(self.hands)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(30)

    @property
    def paid(self) -> int:
        return self.ended["paid"]

    def wait_for(self, more: int, *, within_s: float = 60.0) -> None:
        """Until so many more have paid."""
        wanted = self.paid + more
        eventually(lambda: self.paid >= wanted, within_s=within_s)

    def _go_on(self, hand: int) -> None:
        number = hand
        while not self._stopping.is_set():
            number += 1
            by_stripe = bool(self.stripe_every) and number % self.stripe_every == 0
            try:
                self.ended[self._buy(random.choice(self.services), by_stripe=by_stripe)] += 1
            except (httpx.TransportError, SandboxError):
                self.ended["no answer"] += 1
                self._stopping.wait(AFTER_TROUBLE_S)
            self._stopping.wait(self.pause_s * random.uniform(0.5, 1.5))

    def _buy(self, service: Service, *, by_stripe: bool) -> str:
        user = newcomer(self.telegram)
        answer = ask_for_page(service, user, BY_STRIPE) if by_stripe else ask(service, user, PLAN)
        if not answer.is_success:
            self._stopping.wait(AFTER_TROUBLE_S)
            return "no invoice"
        if by_stripe:
            return self.telegram.stripe.pay(answer.json()["session_id"]).status
        return self.telegram.pay(user, answer.json()["telegram_message_id"]).status


def at_once(work: Callable[[S], T], over: Sequence[S], *, hands: int = HANDS) -> list[T]:
    """The same for each, a few at a time; in their order."""
    with ThreadPoolExecutor(hands) as pool:
        return list(pool.map(work, over))


def bought(telegram: SandboxServer, service: Service, number: int) -> list[str]:
    """So many purchases by new people, half by Stars and half by Stripe, and all that followed; the charges."""

    def buy(place: int) -> str:
        user = newcomer(telegram)
        if place % 2:
            return telegram.stripe.pay(page_for(service, user, BY_STRIPE)["session_id"]).payment_intent
        message_id = invoice_for(service, user, PLAN)["telegram_message_id"]
        for _ in range(PRESSES):  # who gets no answer in time presses again
            if charge := telegram.pay(user, message_id).charge_id:
                return charge
        raise AssertionError("nobody answered a pre-checkout in time")

    charges = at_once(buy, range(number))
    quiet(telegram, service)
    return charges


def quiet(telegram: SandboxServer, service: Service, *, within_s: float = 120.0) -> None:
    """Until everything was delivered and nothing waits in the service's inbox."""
    try:
        eventually(lambda: telegram.state()["waiting"] == 0, within_s=within_s)
    except AssertionError:
        waiting = [update for update in telegram.updates() if update["state"] == "waiting"]
        last = [(update["kind"], len(update["attempts"]), update["attempts"][-2:]) for update in waiting[:3]]
        raise AssertionError(f"{len(waiting)} updates were not delivered in {within_s:g} s; of some: {last}") from None
    eventually(lambda: _all_told(telegram), within_s=within_s)
    eventually(lambda: service.metrics().get("inbox_pending", -1.0) == 0, within_s=within_s)


def _all_told(telegram: SandboxServer) -> bool:
    """Whether each of Stripe's events was answered once. Stripe waits for hours after so many failures; here it tries
    again at once, as by the button on its page."""
    late = [event["event_id"] for event in telegram.stripe.events() if any(map(_waits, event["deliveries"]))]
    for start in range(0, len(late), RESENT_AT_ONCE):
        telegram.stripe.resend(late[start : start + RESENT_AT_ONCE])
    return not late


def _waits(delivery: Json) -> bool:
    answered = any(attempt["status"] == httpx.codes.OK for attempt in delivery["attempts"])
    return delivery["state"] == "waiting" and not answered


def timed(work: Callable[[], None]) -> float:
    """How long it took, in seconds."""
    began = time.monotonic()
    work()
    return time.monotonic() - began
