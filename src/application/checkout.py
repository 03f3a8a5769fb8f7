"""Paying on Stripe's page: the invoice is ours, the page is Stripe's.

Stripe is called between two short transactions, never inside one; what is asked twice gives the same page.
"""

import hashlib
from dataclasses import dataclass

from application.invoicing import Order
from application.ports.checkout import Checkout, CheckoutSession, KeptCheckout
from application.ports.surroundings import Clock, Journal
from application.ports.work import Transaction, UnitOfWork
from application.shop import SHORTEST_PAGE, Shop
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
        """The page where the invoice is paid, made once.

        Raises ProviderUnavailable, and has then told why to the operator.
        """
        if kept := self._made_before(invoice):
            return kept
        try:
            session = self._session(invoice)
        except ProviderUnavailable as problem:
            if kept := self._made_before(invoice):
                return kept  # by another, who asked at the same moment: Stripe lets only one of them
            self.journal.record(InvoiceNotSent(invoice=invoice, problem=str(problem)))
            raise
        opened = KeptCheckout(invoice_id=invoice.id, session_id=session.id, url=session.url)
        with self.work.begin() as tx:
            tx.checkouts.opened(opened)
        self.journal.record(InvoiceSent(invoice=invoice, telegram_message_id=None))
        return opened

    def portal(self, user_id: UserId, return_url: str) -> str:
        """The customer's own page. Raises NotFound where the user never paid by Stripe, and ProviderUnavailable."""
        with self.work.look() as tx:
            if not tx.payments.any_by_stripe(user_id):
                raise NotFound("This user has never paid by Stripe.")
        return self.checkout.portal(self.customer(user_id), return_url)

    def _made_before(self, invoice: Invoice) -> KeptCheckout | None:
        with self.work.look() as tx:
            kept = tx.checkouts.of(invoice.id)
        return kept if kept and kept.url else None

    def _session(self, invoice: Invoice) -> CheckoutSession:
        payload = self.shop.signer.sign(invoice.terms, invoice.bot)
        session = self.checkout.open(invoice, payload, self.customer(invoice.payer))
        if session.price == invoice.offer.price:
            return session
        self.journal.record(CheckoutMismatched(invoice=invoice, asked_for=session.price))
        try:
            self.checkout.expire(session.id)
        finally:
            # For this invoice Stripe would give the same page for ever: who asks again shall get a new one.
            with self.work.begin() as tx:
                tx.checkouts.release(invoice.id)
        raise ProviderUnavailable("Stripe asks for another price than ours. Nothing was charged.")


@dataclass(frozen=True, slots=True)
class OpenCheckout:
    """Issue an invoice and make the page where it is paid."""

    desk: CheckoutDesk

    def __call__(self, order: Order, key: str | None) -> tuple[Invoice, KeptCheckout]:
        """The invoice and its page; with the caller's `key` used before, those of that time.

        Raises what `Shop.issue` raises, IdempotencyMismatch where the key came with another order, and
        ProviderUnavailable, after which the same can be asked again.
        """
        try:
            with self.desk.work.begin() as tx:
                tx.lock(users=[order.user_id])
                known = self._known(tx, order, key) if key else None
                invoice = known or self._issued(tx, order, key or None)
        except Refusal as refusal:
            self.desk.journal.record(
                PurchaseRefused(user_id=order.user_id, plan_code=PlanCode(order.plan_code), code=refusal.code)
            )
            raise
        if known is None:
            self.desk.journal.record(InvoiceIssued(invoice=invoice))
        return invoice, self.desk.page(invoice)

    def _known(self, tx: Transaction, order: Order, key: str) -> Invoice | None:
        """The invoice that the key stands for, as long as there is a page for it or can be."""
        known = tx.checkouts.by_key(order.user_id, key)
        if known is None:
            return None
        before, kept = known
        if before != _fingerprint(order):
            raise IdempotencyMismatch("This Idempotency-Key came with another request before.")
        invoice = tx.invoices.of([kept.invoice_id])[kept.invoice_id]
        if kept.url or self.desk.clock.now() + SHORTEST_PAGE <= invoice.expires_at:
            return invoice
        tx.checkouts.release(invoice.id)
        return None

    def _issued(self, tx: Transaction, order: Order, key: str | None) -> Invoice:
        now = self.desk.clock.now()
        invoice = self.desk.shop.issue(
            tx,
            user_id=order.user_id,
            bot=order.bot,
            plan_code=order.plan_code,
            method=order.method,
            language=order.language,
            now=now,
        )
        begun = KeptCheckout(invoice_id=invoice.id)
        tx.checkouts.add(begun, user_id=order.user_id, key=key, fingerprint=_fingerprint(order), now=now)
        return invoice


@dataclass(frozen=True, slots=True)
class OpenPortal:
    """The customer's own page at Stripe, for receipts and cards."""

    desk: CheckoutDesk

    def __call__(self, user_id: UserId, return_url: str) -> str:
        """Its address. Raises NotFound where the user never paid by Stripe, and ProviderUnavailable."""
        return self.desk.portal(user_id, return_url)


def _fingerprint(order: Order) -> str:
    return hashlib.sha256(f"{order.plan_code}\n{order.method}\n{order.bot}".encode()).hexdigest()
