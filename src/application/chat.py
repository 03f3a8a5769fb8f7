"""The conversation: commands and buttons in, letters out."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from application.buttons import Action, Buy, Cancel, OpenPortal, ShowMethods, ShowPlans
from application.messages import (
    AskInPrivate,
    Help,
    Letter,
    Message,
    MethodChoice,
    MethodMenu,
    NothingForSale,
    NotUnderstood,
    PaySupport,
    PlanList,
    PlanMenu,
    PortalInvitation,
    Price,
    PurchaseDeclined,
    Status,
    StatusLine,
    TermsOfSale,
    Welcome,
)
from application.ports.checkout import KeptCheckout
from application.ports.surroundings import Clock, Journal
from application.ports.trail import TrailEntry
from application.ports.work import Transaction, UnitOfWork
from application.shop import Shop
from domain.catalog import Method
from domain.entitlement import holdings
from domain.errors import AlreadyEntitled, MethodUnavailable, RateLimited, Refusal, UnknownPlan
from domain.events import CommandAnswered, Event, InvoiceCancelled, InvoiceIssued, PurchaseRefused
from domain.ids import BotName, UserId
from domain.invoice import InvoiceState

COMMANDS = ("start", "plans", "buy", "status", "help", "terms", "paysupport")
DEEP_LINK = "buy_"
MOST_UNANSWERED = 20
"""Letters that wait for one chat. Telegram takes one a second: whoever asks faster than that for long would fill the
outbox, and be answered for hours; and all who look for letters would look through theirs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatMessage:
    """Something said to the bot. `command` has no slash and is None for plain talk; `chat_id` equals `user_id` in
    the private chat. Talk in a group reaches us only as a command addressed to the bot."""

    bot: BotName
    update_id: int
    chat_id: int
    user_id: UserId
    language: str
    command: str | None
    argument: str = ""

    @property
    def private(self) -> bool:
        return self.chat_id == self.user_id


@dataclass(frozen=True, slots=True)
class AnswerMessage:
    """Answer one message, once however often it is delivered."""

    work: UnitOfWork
    clock: Clock
    shop: Shop
    journal: Journal

    def __call__(self, said: ChatMessage) -> None:
        with self.work.begin() as tx:
            now = self.clock.now()
            if not tx.updates.first_seen(said.bot, said.update_id, now):
                return
            if tx.outbox.crowded(said.bot, said.chat_id, by=MOST_UNANSWERED):
                return
            answer = self._answer(tx, said, now)
            tx.outbox.add([Letter(bot=said.bot, chat_id=said.chat_id, language=said.language, message=answer)], now)
        if said.command in COMMANDS:
            self.journal.record(CommandAnswered(name=said.command, user_id=said.user_id))

    def _answer(self, tx: Transaction, said: ChatMessage, now: datetime) -> Message:
        if not said.private:
            return AskInPrivate(start=self._start(said))
        match said.command:
            case "start" if said.argument.startswith(DEEP_LINK):
                return plan_menu(self.shop, said.user_id, said.argument.removeprefix(DEEP_LINK))
            case "start":
                return Welcome()
            case "plans":
                plans = self.shop.choices()
                return PlanList(plans=plans) if plans else NothingForSale()
            case "buy":
                return plan_menu(self.shop, said.user_id, said.argument)
            case "status":
                return self._status(tx, said.user_id, now)
            case "help":
                return Help()
            case "terms":
                return TermsOfSale()
            case "paysupport":
                return PaySupport(user_id=said.user_id)
            case _:
                return NotUnderstood()

    def _start(self, said: ChatMessage) -> str:
        """The deep link's parameter that leads to the same plan in the private chat. Never what somebody typed
        unless it is a plan's code: it becomes part of a link."""
        known = said.command == "buy" and said.argument in self.shop.catalog.plans
        return f"{DEEP_LINK}{said.argument}" if known else ""

    def _status(self, tx: Transaction, user_id: UserId, now: datetime) -> Status:
        held = tx.entitlements.held_by([user_id], now).get(user_id, ())
        plans = self.shop.catalog.plans
        return Status(
            user_id=user_id,
            portal=Method.STRIPE in self.shop.tills.currencies and tx.payments.any_by_stripe(user_id),
            plans=tuple(
                StatusLine(plan=plans[code].title if code in plans else code, expires_at=holding.expires_at)
                for code, holding in holdings(held, now).items()
            ),
            waiting=tuple(
                Price(amount=payment.charge.paid.amount, currency=payment.charge.paid.currency)
                for payment in tx.payments.waiting_of(user_id)
            ),
        )


class Toast(StrEnum):
    """What is shown over the chat for a moment when a button was pressed."""

    DONE = "done"
    NOT_YOURS = "not_yours"
    OUTDATED = "outdated"
    INVOICE_SENT = "invoice_sent"
    CANCELLED = "cancelled"
    NOT_CANCELLED = "not_cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class ButtonPress:
    """`owner` is whom the button was made for; `action` None where its data is none of ours."""

    bot: BotName
    update_id: int
    chat_id: int | None
    user_id: UserId
    language: str
    owner: UserId | None
    action: Action | None


@dataclass(frozen=True, slots=True)
class AnswerPress:
    """Do what a button says, once, for the user it was made for and nobody else."""

    work: UnitOfWork
    clock: Clock
    shop: Shop
    journal: Journal

    def __call__(self, press: ButtonPress) -> Toast:
        if press.action is None:
            return Toast.OUTDATED
        if press.owner != press.user_id or press.chat_id != press.user_id:
            return Toast.NOT_YOURS
        with self.work.begin() as tx:
            now = self.clock.now()
            if not tx.updates.first_seen(press.bot, press.update_id, now):
                return Toast.DONE
            letter, toast, event = self._act(tx, press, press.action, now)
            # An invoice is always sent; of those no more are issued than a few a minute.
            invoiced = isinstance(event, InvoiceIssued)
            if letter and (invoiced or not tx.outbox.crowded(press.bot, press.user_id, by=MOST_UNANSWERED)):
                tx.outbox.add([letter], now)
        if event:
            self.journal.record(event)
        return toast

    def _act(
        self, tx: Transaction, press: ButtonPress, action: Action, now: datetime
    ) -> tuple[Letter | None, Toast, Event | None]:
        match action:
            case ShowPlans():
                return _letter(press, plan_menu(self.shop, press.user_id, "")), Toast.DONE, None
            case ShowMethods():
                return _letter(press, plan_menu(self.shop, press.user_id, action.plan_code)), Toast.DONE, None
            case Buy():
                return self._buy(tx, press, action, now)
            case Cancel():
                return self._cancel(tx, press, action, now)
            case OpenPortal():
                if not tx.payments.any_by_stripe(press.user_id):
                    return None, Toast.OUTDATED, None
                return _letter(press, PortalInvitation(user_id=press.user_id)), Toast.DONE, None
            case _:
                assert_never(action)

    def _buy(
        self, tx: Transaction, press: ButtonPress, wanted: Buy, now: datetime
    ) -> tuple[Letter | None, Toast, Event | None]:
        try:
            invoice = self.shop.issue(
                tx,
                user_id=press.user_id,
                bot=press.bot,
                plan_code=wanted.plan_code,
                method=wanted.method,
                language=press.language,
                now=now,
            )
        except (UnknownPlan, MethodUnavailable, AlreadyEntitled, RateLimited) as refusal:
            event = PurchaseRefused(user_id=press.user_id, plan_code=wanted.plan_code, code=refusal.code)
            return _letter(press, self._declined(tx, press, wanted, refusal, now)), Toast.DONE, event
        if invoice.method is Method.STRIPE:
            begun = KeptCheckout(invoice_id=invoice.id)
            tx.checkouts.add(begun, user_id=press.user_id, key=None, fingerprint="", now=now)
        return self.shop.letter(invoice), Toast.INVOICE_SENT, InvoiceIssued(invoice=invoice)

    def _declined(
        self, tx: Transaction, press: ButtonPress, wanted: Buy, refusal: Refusal, now: datetime
    ) -> PurchaseDeclined:
        plan = self.shop.catalog.plans.get(wanted.plan_code)
        held = holdings(tx.entitlements.held_by([press.user_id], now).get(press.user_id, ()), now).get(wanted.plan_code)
        return PurchaseDeclined(
            code=refusal.code,
            plan=plan.title if plan else None,
            until=held.expires_at if held else None,
            for_life=held is not None and held.expires_at is None,
            retry_after_s=refusal.retry_after_s if isinstance(refusal, RateLimited) else None,
        )

    def _cancel(
        self, tx: Transaction, press: ButtonPress, action: Cancel, now: datetime
    ) -> tuple[Letter | None, Toast, Event | None]:
        # Its payment may be settled at this moment: whoever comes second sees what the first did.
        tx.lock(users=[press.user_id])
        invoice = tx.invoices.of([action.invoice_id]).get(action.invoice_id)
        if invoice is None or invoice.payer != press.user_id or invoice.bot != press.bot:
            return None, Toast.OUTDATED, None
        if invoice.state(now) is not InvoiceState.OPEN:
            return None, Toast.NOT_CANCELLED, None
        tx.invoices.cancel(invoice.id, now)
        tx.trail.add(
            [TrailEntry(kind="invoice_cancelled", bot=press.bot, at=now, user_id=press.user_id, invoice_id=invoice.id)]
        )
        return None, Toast.CANCELLED, InvoiceCancelled(invoice=invoice)


def plan_menu(shop: Shop, user_id: UserId, plan_code: str) -> Message:
    """The methods of that plan, or all plans where no code is given; or why there is neither."""
    if not plan_code:
        plans = shop.choices()
        return PlanMenu(user_id=user_id, plans=plans) if plans else NothingForSale()
    try:
        plan = shop.plan(plan_code)
    except UnknownPlan as refusal:
        return PurchaseDeclined(code=refusal.code)
    methods = tuple(
        MethodChoice(method=method, price=Price(amount=offer.price.amount, currency=offer.price.currency))
        for method in shop.tills.methods_for(plan)
        if (offer := shop.tills.offer(plan, method))
    )
    if not methods:
        return PurchaseDeclined(code=MethodUnavailable.code, plan=plan.title)
    return MethodMenu(user_id=user_id, plan=shop.choice(plan), methods=methods)


def _letter(press: ButtonPress, message: Message) -> Letter:
    return Letter(bot=press.bot, chat_id=press.user_id, language=press.language, message=message)
