"""What the service calls at the simulated Telegram: letters, the ledger of Stars, refunds."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from application.messages import Letter
from application.ports.ledgers import LedgerPage, StarLedger
from application.ports.outbox import Delivery, Messenger
from application.ports.outcomes import TryLater
from application.ports.refunds import Refunder, RefundOrder, ReturnOutcome
from domain.errors import ProviderUnavailable
from domain.ids import BotName
from domain.payment import Payment, Refund
from entrypoints.simulation.telegram import Telegram
from entrypoints.simulation.weather import REFUNDS_LOST, TimedOut

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class SimulatedMessenger(Messenger):
    telegram: Telegram

    def send(self, letter: Letter) -> Delivery:
        weather = self.telegram.weather
        if weather.happens("429", 0.05, weather.world.random("network")):
            return TryLater(problem="429 Too Many Requests", after=timedelta(seconds=3))
        try:
            return weather.ask("sendMessage", lambda: self.telegram.deliver(letter))
        except TimedOut as problem:
            return TryLater(problem=str(problem))

    def invoice_link(self, letter: Letter) -> str:
        raise ProviderUnavailable("Nobody asks for links here.")


@dataclass(frozen=True, slots=True)
class SimulatedStars(StarLedger):
    telegram: Telegram

    def page(self, bot: BotName, offset: int) -> LedgerPage:
        return self._asked(lambda: self.telegram.ledger_page(offset))

    def balance(self, bot: BotName) -> int:
        return self._asked(self.telegram.balance)

    def _asked(self, ask: Callable[[], Answer]) -> Answer:
        try:
            return self.telegram.weather.ask("getStarTransactions", ask)
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
            if any(isinstance(entry, Refund) and entry.charge_id == order.charge_id for entry in told):
                return True
            offset = page.next_from
        return False

    def give_back(self, payment: Payment, order: RefundOrder) -> ReturnOutcome:
        charge = payment.charge
        try:
            return self.telegram.weather.ask(
                "refundStarPayment",
                lambda: self.telegram.refund(charge.charge_id, charge.payer),
                lost=REFUNDS_LOST,
            )
        except TimedOut as problem:
            if charge.charge_id in self.telegram.charges:
                self.telegram.asked_in_vain.add(charge.charge_id)
            return TryLater(problem=str(problem))
