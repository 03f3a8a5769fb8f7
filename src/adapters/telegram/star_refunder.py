"""Stars given back by the Bot API. https://core.telegram.org/bots/api#refundstarpayment"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from adapters.telegram.bot_api import BotApiError, Refused
from adapters.telegram.calls import Bot, Call
from adapters.telegram.star_ledger import LARGEST_PAGE
from application.ports.ledgers import StarLedger
from application.ports.outcomes import Rejected, TryLater
from application.ports.refunds import GivenBack, Refunder, RefundOrder, ReturnOutcome
from domain.errors import ProviderUnavailable
from domain.ids import BotName
from domain.payment import Payment, Refund

DONE_BEFORE: Final = "CHARGE_ALREADY_REFUNDED"
NO_STARS: Final = "BALANCE_TOO_LOW"
UNTIL_STARS_COME: Final = timedelta(hours=1)
CLOCKS_DIFFER: Final = timedelta(hours=1)
MOST_PAGES: Final = 1000
"""Back from the end of the ledger: what we ask for now was given back since we first asked. Where so much has happened
since, Telegram itself knows what it has given back before."""
LONGEST_LEDGER: Final = 2**31


@dataclass(frozen=True, slots=True)
class StarRefunder(Refunder):
    bots: Mapping[BotName, Bot]
    ledger: StarLedger

    def given_back(self, payment: Payment, order: RefundOrder) -> bool:
        bot, since = payment.charge.bot, order.asked_at - CLOCKS_DIFFER
        offset = self._last_page(bot)
        for _ in range(MOST_PAGES):
            page = self.ledger.page(bot, offset)
            told = [entry.content for entry in page.entries if entry.content is not None]
            if any(isinstance(entry, Refund) and entry.charge_id == order.charge_id for entry in told):
                return True
            dates = [entry.refunded_at if isinstance(entry, Refund) else entry.charged_at for entry in told]
            if offset == 0 or (dates and min(dates) < since):
                return False
            offset = max(0, offset - LARGEST_PAGE)
        return False

    def give_back(self, payment: Payment, order: RefundOrder) -> ReturnOutcome:
        charge = payment.charge
        if (bot := self.bots.get(charge.bot)) is None:
            return TryLater(problem=f"no bot {charge.bot!r} is set up here: its token is missing in the settings")
        asked = {"user_id": charge.payer, "telegram_payment_charge_id": charge.charge_id}
        try:
            bot.call(Call("refundStarPayment", asked))
        except Refused as refusal:
            return _refused(refusal)
        except BotApiError as problem:
            return TryLater(problem=str(problem))
        return GivenBack()

    def _last_page(self, bot: BotName) -> int:
        """The offset of the ledger's last full or partial page: it is only read from its beginning on."""
        low, high = 0, LARGEST_PAGE
        while self.ledger.page(bot, high).entries:
            if high > LONGEST_LEDGER:
                raise ProviderUnavailable("Telegram's list of Stars has no end.")
            low, high = high, 2 * high
        while high - low > LARGEST_PAGE:
            middle = (low + high) // 2
            low, high = (middle, high) if self.ledger.page(bot, middle).entries else (low, middle)
        return low


def _refused(refusal: Refused) -> ReturnOutcome:
    problem = str(refusal)
    if DONE_BEFORE in refusal.description:
        return GivenBack()
    if NO_STARS in refusal.description:
        return TryLater(problem=problem, after=UNTIL_STARS_COME)
    if refusal.code in (401, 404, 429) or not 400 <= refusal.code < 500:
        return TryLater(problem=problem, after=refusal.retry_after)
    return Rejected(problem=problem)
