"""Letters carried by calls of the Bot API, or by what is the same over Telegram's own protocol."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from adapters.telegram.bot_api import BotApiError, Refused
from adapters.telegram.calls import Bot, Call
from adapters.telegram.limits import BeyondLimits, check
from adapters.telegram.texts import Texts
from adapters.telegram.usernames import Usernames
from application.messages import InvoiceMessage, Letter
from application.ports.outbox import Blocked, Delivery, Messenger, Sent
from application.ports.outcomes import Rejected, TryLater
from domain.catalog import Method
from domain.errors import ProviderUnavailable
from domain.ids import BotName

_NOBODY_THERE = ("chat not found", "user not found", "USER_IS_BLOCKED", "INPUT_USER_DEACTIVATED", "PEER_ID_INVALID")
_ONLY_IN_CHATS = ("chat_id", "reply_markup", "start_parameter")


@dataclass(frozen=True, slots=True)
class BotApiMessenger(Messenger):
    """Every bot of this service. `provider_token` is for money other than Stars; it never shows in a problem."""

    bots: Mapping[BotName, Bot]
    texts: Texts
    usernames: Usernames
    provider_token: str = ""

    def __repr__(self) -> str:
        return f"BotApiMessenger({', '.join(sorted(self.bots))})"

    def send(self, letter: Letter) -> Delivery:
        bot = self.bots.get(letter.bot)
        if bot is None:
            return TryLater(problem=f"no bot {letter.bot!r} is set up here: its token is missing in the settings")
        try:
            result = bot.call(self._call(letter))
        except Refused as refusal:
            return _refused(letter.bot, refusal)
        except BotApiError as problem:
            return TryLater(problem=str(problem))
        except ValueError as problem:  # BeyondLimits among them: the letter itself is at fault
            return Rejected(problem=str(problem))
        message_id = result.get("message_id") if isinstance(result, dict) else None
        # It was taken, whatever it says: sending it again would say everything twice.
        return Sent(message_id=message_id if type(message_id) is int else 0)

    def invoice_link(self, letter: Letter) -> str:
        bot = self.bots.get(letter.bot)
        if bot is None:
            raise ProviderUnavailable(f"There is no bot {letter.bot!r}.")
        try:
            invoice = self._call(letter)
            link = Call("createInvoiceLink", _without(invoice, _ONLY_IN_CHATS))
            check(link)
            url = bot.call(link)
        except (BotApiError, ValueError) as problem:
            raise ProviderUnavailable(f"Telegram gave no link for this invoice ({problem}). Try again.") from None
        if not isinstance(url, str) or urlsplit(url).scheme not in ("http", "https"):
            raise ProviderUnavailable("Telegram gave no link for this invoice. Try again.")
        return url

    def _call(self, letter: Letter) -> Call:
        call = self.texts.render(letter, username=self.usernames.of(letter.bot))
        parameters, key = call.parameters, str(letter.id or "")
        if isinstance(letter.message, InvoiceMessage):
            parameters = {**parameters, "provider_token": self._provider_token(letter.message)}
            key = letter.message.invoice_id
        call = Call(call.method, parameters, key)
        check(call)
        return call

    def _provider_token(self, invoice: InvoiceMessage) -> str:
        if invoice.method is Method.STRIPE:
            raise BeyondLimits("an invoice of Stripe is not paid in Telegram")
        return "" if invoice.method is Method.STARS else self.provider_token


def _without(call: Call, names: tuple[str, ...]) -> dict[str, object]:
    return {name: value for name, value in call.parameters.items() if name not in names}


def _refused(bot: BotName, refusal: Refused) -> Delivery:
    problem = str(refusal)
    if refusal.code == 429:
        return TryLater(problem=problem, after=refusal.retry_after)
    if refusal.code in (401, 404):
        return TryLater(problem=f"Telegram does not know the token of bot {bot!r} ({problem}): set its new one")
    if refusal.code >= 500 or refusal.code < 400:
        return TryLater(problem=problem)
    if refusal.code == 403 or any(words in refusal.description for words in _NOBODY_THERE):
        return Blocked(problem=problem)
    return Rejected(problem=problem)
