"""How a payment goes: the user presses Pay, the bot is asked, then money moves and the bot is told."""

import asyncio
import secrets
from dataclasses import dataclass, field

from entrypoints.sandbox.faults import ForgeAt
from entrypoints.sandbox.invoices import STARS, Invoice
from entrypoints.sandbox.ledger import Charge
from entrypoints.sandbox.people import Bot, Json, User
from entrypoints.sandbox.refusal import bad_request
from entrypoints.sandbox.telegram import Telegram

LOOK_AGAIN_S = 0.2


@dataclass(slots=True, kw_only=True)
class PreCheckout:
    id: str
    bot_id: int
    answered: "asyncio.Future[tuple[bool, str]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """paid, refused (by the bot, or for want of Stars) or timeout (the bot did not answer in time)."""

    status: str
    charge_id: str | None = None
    error_message: str = ""
    update_id: int | None = None
    pre_checkout_query_id: str | None = None

    def view(self) -> Json:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One press of Pay. What is changed against the invoice shows in the pre-checkout query, the payment or both."""

    payer: User
    invoice: Invoice
    chat_id: int
    message_id: int | None = None
    amount: int | None = None
    currency: str | None = None
    payload: str | None = None
    forge_at: ForgeAt = "both"
    skip_pre_checkout: bool = False

    def terms(self, moment: ForgeAt) -> Json:
        forged = self.forge_at in ("both", moment)
        invoice = self.invoice
        return {
            "currency": self.currency if forged and self.currency is not None else invoice.currency,
            "total_amount": self.amount if forged and self.amount is not None else invoice.total,
            "invoice_payload": self.payload if forged and self.payload is not None else invoice.payload,
        }


@dataclass(slots=True)
class Checkout:
    telegram: Telegram
    open: dict[str, PreCheckout] = field(default_factory=dict)
    under_way: "set[asyncio.Task[Outcome]]" = field(default_factory=set)

    def start(self, attempt: Attempt) -> "asyncio.Task[Outcome]":
        """Goes on also when whoever pressed Pay goes away."""
        task = asyncio.create_task(self.pay(attempt))
        self.under_way.add(task)
        task.add_done_callback(self.under_way.discard)
        return task

    async def pay(self, attempt: Attempt) -> Outcome:
        telegram = self.telegram
        bot = telegram.bots[attempt.invoice.bot_id]
        terms = attempt.terms("payment")
        if terms["currency"] == STARS and attempt.payer.stars < terms["total_amount"]:
            return Outcome(status="refused", error_message="BALANCE_TOO_LOW")
        query_id: str | None = None
        if not attempt.skip_pre_checkout:
            query_id = str(secrets.randbelow(2**64) - 2**63)
            approved, message = await self._ask(bot, attempt, query_id)
            if not approved:
                status = "refused" if message else "timeout"
                return Outcome(status=status, error_message=message, pre_checkout_query_id=query_id)
        while telegram.weather.at(bot.id).hold_charges:
            await asyncio.sleep(LOOK_AGAIN_S)
        charge = self._take(bot, attempt, terms)
        return Outcome(
            status="paid", charge_id=charge.charge_id, update_id=charge.update_id, pre_checkout_query_id=query_id
        )

    async def _ask(self, bot: Bot, attempt: Attempt, query_id: str) -> tuple[bool, str]:
        """(approved, reason); no reason: nobody answered within the deadline."""
        telegram = self.telegram
        query = PreCheckout(id=query_id, bot_id=bot.id, answered=asyncio.get_running_loop().create_future())
        self.open[query_id] = query
        attempt.payer.known_to.add(bot.id)
        content: Json = {"id": query_id, "from": attempt.payer.wire()} | attempt.terms("pre_checkout")
        try:
            if telegram.tell_bot(bot, "pre_checkout_query", content) is None:
                # The bot never asked for these, so nobody will answer.
                await asyncio.sleep(telegram.options.pre_checkout_deadline_s)
                return False, ""
            return await asyncio.wait_for(query.answered, telegram.options.pre_checkout_deadline_s)
        except TimeoutError:
            return False, ""
        finally:
            del self.open[query_id]

    def leave(self) -> None:
        """Nobody will answer any more: whoever waits is told that the deadline has passed."""
        for query in self.open.values():
            if not query.answered.done():
                query.answered.set_result((False, ""))

    def answer(self, bot: Bot, query_id: str, approved: bool, error_message: str) -> None:
        query = self.open.get(query_id)
        if query is None or query.bot_id != bot.id or query.answered.done():
            raise bad_request("query is too old and response timeout expired or query ID is invalid")
        query.answered.set_result((approved, error_message))

    def _take(self, bot: Bot, attempt: Attempt, terms: Json) -> Charge:
        telegram, payer = self.telegram, attempt.payer
        group = telegram.chats.get((bot.id, attempt.chat_id))
        chat = group if group is not None and group.kind != "private" else telegram.private_chat(bot, payer)
        charge = telegram.ledger.charge(
            bot=bot,
            payer=payer,
            amount=terms["total_amount"],
            currency=terms["currency"],
            payload=terms["invoice_payload"],
            chat_id=chat.id,
            pre_checkout="skipped" if attempt.skip_pre_checkout else "approved",
        )
        payer.started.add(bot.id)
        content = {"successful_payment": self.receipt(charge)}
        message = telegram.post(bot, chat, payer.wire(), content)
        charge.message_id = message.id
        update = telegram.tell_bot(bot, "message", message.wire)
        charge.update_id = update.id if update is not None else None
        if attempt.message_id is not None:
            paid = telegram.find_message(bot, attempt.chat_id, attempt.message_id)
            if paid is not None:
                paid.receipts.append({"user_id": payer.id, "charge_id": charge.charge_id})
                telegram.tell_message(bot, paid)
        telegram.tell_user(payer)
        telegram.stream.tell("charge", charge.view())
        return charge

    @staticmethod
    def receipt(charge: Charge) -> Json:
        """As Telegram's SuccessfulPayment object."""
        return {
            "currency": charge.currency,
            "total_amount": charge.amount,
            "invoice_payload": charge.payload,
            "telegram_payment_charge_id": charge.charge_id,
            "provider_payment_charge_id": charge.provider_charge_id,
        }

    def refund(self, bot: Bot, charge: Charge) -> int | None:
        """Gives the money back and tells both sides; returns the update's id."""
        telegram = self.telegram
        payer = telegram.user(charge.user_id)
        telegram.ledger.refund(charge, bot, payer)
        from_bot = telegram.weather.at(bot.id).refund_from_bot
        message = telegram.post(
            bot,
            telegram.chats[(bot.id, charge.chat_id)],
            bot.wire() if from_bot else payer.wire(),
            {"refunded_payment": self.receipt(charge)},
        )
        update = telegram.tell_bot(bot, "message", message.wire)
        telegram.tell_user(payer)
        telegram.stream.tell("charge", charge.view())
        return update.id if update is not None else None
