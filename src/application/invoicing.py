"""Putting an invoice in front of a user: into the chat, or as a link for a Mini App.

Telegram is called between two short transactions, never inside one.
"""

from dataclasses import dataclass

from application.ports.outbox import Blocked, Messenger, Sent
from application.ports.surroundings import Clock, Journal
from application.ports.work import UnitOfWork
from application.shop import Shop
from domain.catalog import Method
from domain.errors import Conflict, ProviderUnavailable, Refusal
from domain.events import InvoiceIssued, InvoiceNotSent, InvoiceSent, PurchaseRefused
from domain.ids import BotName, PlanCode, UserId
from domain.invoice import Invoice


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Who wants to buy what, and how. `method` None: by Stars where the plan is priced in them."""

    user_id: UserId
    plan_code: str
    method: Method | None
    bot: BotName
    language: str = "en"


@dataclass(frozen=True, slots=True)
class SendInvoice:
    """Issue an invoice and put it into the user's chat."""

    work: UnitOfWork
    clock: Clock
    shop: Shop
    messenger: Messenger
    journal: Journal

    def __call__(self, order: Order) -> tuple[Invoice, int]:
        """The invoice and Telegram's message id.

        Raises what `Shop.issue` raises, Conflict where the bot may not write to the user, and ProviderUnavailable.
        """
        invoice = _issue(order, self.work, self.clock, self.shop, self.journal)
        delivery = self.messenger.send(self.shop.letter(invoice))
        if not isinstance(delivery, Sent):
            self.journal.record(InvoiceNotSent(invoice=invoice, problem=delivery.problem))
            if isinstance(delivery, Blocked):
                raise Conflict("The bot may not write to this user, who must press Start in its chat first.")
            raise ProviderUnavailable("Telegram did not take the invoice. Nothing was charged; try again.")
        with self.work.begin() as tx:
            tx.invoices.sent(invoice.id, delivery.message_id)
        self.journal.record(InvoiceSent(invoice=invoice, telegram_message_id=delivery.message_id))
        return invoice, delivery.message_id


@dataclass(frozen=True, slots=True)
class LinkInvoice:
    """Issue an invoice that is opened by its address."""

    work: UnitOfWork
    clock: Clock
    shop: Shop
    messenger: Messenger
    journal: Journal

    def __call__(self, order: Order) -> tuple[Invoice, str]:
        """The invoice and its address. Raises what `Shop.issue` raises, and ProviderUnavailable."""
        invoice = _issue(order, self.work, self.clock, self.shop, self.journal)
        try:
            url = self.messenger.invoice_link(self.shop.letter(invoice))
        except ProviderUnavailable as problem:
            self.journal.record(InvoiceNotSent(invoice=invoice, problem=str(problem)))
            raise ProviderUnavailable("Telegram gave no link for it. Nothing was charged; try again.") from problem
        self.journal.record(InvoiceSent(invoice=invoice, telegram_message_id=None))
        return invoice, url


def _issue(order: Order, work: UnitOfWork, clock: Clock, shop: Shop, journal: Journal) -> Invoice:
    try:
        with work.begin() as tx:
            invoice = shop.issue(
                tx,
                user_id=order.user_id,
                bot=order.bot,
                plan_code=order.plan_code,
                method=order.method,
                language=order.language,
                now=clock.now(),
            )
    except Refusal as refusal:
        journal.record(PurchaseRefused(user_id=order.user_id, plan_code=PlanCode(order.plan_code), code=refusal.code))
        raise
    journal.record(InvoiceIssued(invoice=invoice))
    return invoice
