"""Paying on Stripe's page: the invoice is ours, the page is Stripe's.

Stripe is called between two short transactions, never inside one; what is asked twice gives the same page.
"""

import hashlib
from dataclasses import dataclass

from application.invoicing import Order
from application.ports import Checkout, Clock, Journal, KeptCheckout, UnitOfWork
from application.shop import Shop
from domain.errors import IdempotencyMismatch, NotFound, ProviderUnavailable, Refusal
from domain.events import CheckoutMismatched, InvoiceIssued, InvoiceNotSent, InvoiceSent, PurchaseRefused
from domain.ids import PlanCode, UserId
from domain.invoice import Invoice


@dataclass(frozen=True, slots=True)
class CheckoutDesk:
    """What both ways in share once there is an invoice: its page."""

    work: UnitOfWork
    clock: Clock
    shop: Shop
    checkout: Checkout
    journal: Journal

    def customer(self, user_id: UserId) -> str:
        """Stripe's customer for this user, made once. Raises ProviderUnavailable."""
        with self.work.look() as tx:
            known = tx.customers.of(user_id)
        if known:
            return known
        made = self.checkout.create_customer(user_id)
        with self.work.begin() as tx:
            return tx.customers.add(user_id, made)

    def page(self, invoice: Invoice) -> KeptCheckout:
        """The page where the invoice is paid. Raises ProviderUnavailable, and has then told why to the operator."""
        payload = self.shop.signer.sign(invoice.terms, invoice.bot)
        try:
            session = self.checkout.open(invoice, payload, self.customer(invoice.payer))
            if session.price != invoice.offer.price:
                self.journal.record(CheckoutMismatched(invoice=invoice, asked_for=session.price))
                self.checkout.expire(session.id)
                raise ProviderUnavailable("Stripe asks for another price than ours. Nothing was charged.")
        except ProviderUnavailable as problem:
            self.journal.record(InvoiceNotSent(invoice=invoice, problem=str(problem)))
            raise
        opened = KeptCheckout(invoice_id=invoice.id, session_id=session.id, url=session.url)
        with self.work.begin() as tx:
            tx.checkouts.opened(opened)
        self.journal.record(InvoiceSent(invoice=invoice, telegram_message_id=None))
        return opened


@dataclass(frozen=True, slots=True)
class OpenCheckout:
    """Issue an invoice and make the page where it is paid."""

    desk: CheckoutDesk

    def __call__(self, order: Order, key: str | None) -> tuple[Invoice, KeptCheckout]:
        """The invoice and its page; with the caller's `key` used before, those of that time.

        Raises what `Shop.issue` raises, IdempotencyMismatch where the key came with another order, and
        ProviderUnavailable.
        """
        invoice, kept = self._invoice(order, key)
        return invoice, kept if kept.url else self.desk.page(invoice)

    def _invoice(self, order: Order, key: str | None) -> tuple[Invoice, KeptCheckout]:
        desk, fingerprint = self.desk, _fingerprint(order)
        try:
            with desk.work.begin() as tx:
                tx.lock(users=[order.user_id])
                if key and (known := tx.checkouts.by_key(order.user_id, key)):
                    before, kept = known
                    if before != fingerprint:
                        raise IdempotencyMismatch("This Idempotency-Key came with another body before.")
                    return tx.invoices.of([kept.invoice_id])[kept.invoice_id], kept
                now = desk.clock.now()
                invoice = desk.shop.issue(
                    tx,
                    user_id=order.user_id,
                    bot=order.bot,
                    plan_code=order.plan_code,
                    method=order.method,
                    language=order.language,
                    now=now,
                )
                kept = KeptCheckout(invoice_id=invoice.id)
                tx.checkouts.add(kept, user_id=order.user_id, key=key, fingerprint=fingerprint, now=now)
        except Refusal as refusal:
            desk.journal.record(
                PurchaseRefused(user_id=order.user_id, plan_code=PlanCode(order.plan_code), code=refusal.code)
            )
            raise
        desk.journal.record(InvoiceIssued(invoice=invoice))
        return invoice, kept


@dataclass(frozen=True, slots=True)
class OpenPortal:
    """The customer's own page at Stripe, for receipts and cards."""

    desk: CheckoutDesk

    def __call__(self, user_id: UserId, return_url: str) -> str:
        """Its address. Raises NotFound where the user never paid by Stripe, and ProviderUnavailable."""
        with self.desk.work.look() as tx:
            customer_id = tx.customers.of(user_id) if tx.payments.any_by_stripe(user_id) else None
        if customer_id is None:
            raise NotFound("This user has never paid by Stripe.")
        return self.desk.checkout.portal(customer_id, return_url)


def _fingerprint(order: Order) -> str:
    return hashlib.sha256(f"{order.plan_code}\n{order.method}\n{order.bot}".encode()).hexdigest()
