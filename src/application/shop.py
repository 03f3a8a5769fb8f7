"""What both ways in, the chat and the API, share when somebody wants to buy."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from application.feed import tell
from application.messages import CheckoutInvitation, InvoiceMessage, Letter, Message, PlanChoice, Price
from application.ports.surroundings import Ids
from application.ports.trail import TrailEntry
from application.ports.work import Transaction
from domain.catalog import Catalog, Method, Offer, Plan, Tills
from domain.entitlement import holdings
from domain.errors import AlreadyEntitled, MethodUnavailable, RateLimited, UnknownPlan
from domain.events import InvoiceIssued
from domain.ids import BotName, PlanCode, UserId
from domain.invoice import Invoice
from domain.payload import PayloadSigner

ATTEMPTS_WITHIN = timedelta(seconds=60)
SHORTEST_PAGE = timedelta(minutes=30)
"""A page of Stripe's lives as long at least, counted from when Stripe makes it
(https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-expires_at)."""
STRIPE_LEAST = SHORTEST_PAGE + timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Shop:
    """The catalog, the methods that are set up, and the conditions under which an invoice is issued."""

    catalog: Catalog
    tills: Tills
    ids: Ids
    signer: PayloadSigner
    time_to_live: timedelta
    attempts_per_minute: int

    def plan(self, code: str) -> Plan:
        """Raises UnknownPlan."""
        plan = self.catalog.plans.get(PlanCode(code))
        if plan is None:
            raise UnknownPlan(f"There is no plan {code!r}.")
        return plan

    def offer(self, plan: Plan, method: Method | None) -> tuple[Method, Offer]:
        """The offer by that method; without one, by Stars where the plan is priced in them, else Telegram Pay.

        Raises MethodUnavailable.
        """
        wanted = (method,) if method else (Method.STARS, Method.TELEGRAM)
        for candidate in wanted:
            if offer := self.tills.offer(plan, candidate):
                return candidate, offer
        raise MethodUnavailable(f"{plan.title!r} can't be paid by {method or 'any method of Telegram'} here.")

    def issue(
        self,
        tx: Transaction,
        *,
        user_id: UserId,
        bot: BotName,
        plan_code: str,
        method: Method | None,
        language: str,
        now: datetime,
    ) -> Invoice:
        """A new invoice for this user, kept and on the trail.

        Raises UnknownPlan, MethodUnavailable, AlreadyEntitled or RateLimited, in this order; only what gets past
        all of them counts as an attempt.
        """
        plan = self.plan(plan_code)
        chosen, offer = self.offer(plan, method)
        held = holdings(tx.entitlements.held_by([user_id], now).get(user_id, ()), now).get(plan.code)
        if held is not None and not held.renewable(plan.renew_window, now):
            until = "for life" if held.expires_at is None else f"until {held.expires_at:%Y-%m-%dT%H:%M:%SZ}"
            raise AlreadyEntitled(f"{plan.title!r} is held {until}.")
        wait = tx.attempts.admit(user_id, now, at_most=self.attempts_per_minute, within=ATTEMPTS_WITHIN)
        if wait is not None:
            raise RateLimited(
                f"At most {self.attempts_per_minute} purchases can be begun in a minute.",
                retry_after_s=max(1, -(-wait // timedelta(seconds=1))),
            )
        # Whole seconds: the signed payload carries no finer time, and both must tell the same story.
        issued_at = now.replace(microsecond=0)
        lives = max(self.time_to_live, STRIPE_LEAST) if chosen is Method.STRIPE else self.time_to_live
        invoice = Invoice(
            id=self.ids.invoice(),
            bot=bot,
            payer=user_id,
            method=chosen,
            offer=offer,
            issued_at=issued_at,
            expires_at=issued_at + lives,
            language=language,
        )
        tx.invoices.add([invoice])
        tx.trail.add([TrailEntry(kind="invoice_issued", bot=bot, at=now, user_id=user_id, invoice_id=invoice.id)])
        tell(tx, [InvoiceIssued(invoice=invoice)], now)
        return invoice

    def letter(self, invoice: Invoice) -> Letter:
        """The invoice as a message to its payer."""
        offer, price = invoice.offer, Price(amount=invoice.offer.price.amount, currency=invoice.offer.price.currency)
        message: Message
        if invoice.method is Method.STRIPE:
            message = CheckoutInvitation(
                invoice_id=invoice.id, title=offer.title, description=offer.description, price=price
            )
        else:
            message = InvoiceMessage(
                invoice_id=invoice.id,
                user_id=invoice.payer,
                title=offer.title,
                description=offer.description,
                payload=self.signer.sign(invoice.terms, invoice.bot),
                price=price,
                method=invoice.method,
            )
        return Letter(bot=invoice.bot, chat_id=invoice.payer, language=invoice.language, message=message)

    def choices(self) -> tuple[PlanChoice, ...]:
        """Every plan that can be paid by some method set up here, in the catalog's order."""
        return tuple(self.choice(plan) for plan in self.catalog.plans.values() if self.tills.methods_for(plan))

    def choice(self, plan: Plan) -> PlanChoice:
        offers = [offer for method in self.tills.methods_for(plan) if (offer := self.tills.offer(plan, method))]
        prices = {offer.price.currency: offer.price.amount for offer in offers}
        return PlanChoice(
            plan_code=plan.code,
            title=plan.title,
            description=plan.description,
            prices=tuple(Price(amount=amount, currency=currency) for currency, amount in prices.items()),
        )
