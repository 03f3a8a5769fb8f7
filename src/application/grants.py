"""Granting and ending access by hand: a person decides, says why, and both stand on the audit trail."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from application.feed import tell
from application.messages import AccessGiven, AccessWithdrawn, Letter, Message
from application.ports.entitlements import GrantKey
from application.ports.pages import Page
from application.ports.surroundings import Clock, Ids, Journal
from application.ports.trail import TrailEntry, TrailFilter
from application.ports.work import Transaction, UnitOfWork
from application.refunds import end_access
from application.shop import Shop
from domain.duration import Duration
from domain.entitlement import Entitlement, give, holdings
from domain.errors import AlreadyEntitled, IdempotencyMismatch, NotFound
from domain.events import EntitlementGranted, EntitlementRevoked
from domain.ids import BotName, EntitlementId, UserId
from domain.payment import Payment

LOOKED_BACK: Final = 20
"""Lines of the audit trail from which it is known which bot a user talks to, and in which language."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gift:
    """What a person gives to a user, and why; without a duration for as long as the plan lasts."""

    user_id: UserId
    plan_code: str
    reason: str
    duration: Duration | None = None

    @property
    def fingerprint(self) -> str:
        told = (int(self.user_id), self.plan_code, self.reason, str(self.duration))
        return hashlib.sha256(repr(told).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class GrantByHand:
    """Give a plan's features to a user, from now or from the end of what is held of it, as a purchase would."""

    work: UnitOfWork
    clock: Clock
    ids: Ids
    shop: Shop
    journal: Journal
    bots: Sequence[BotName]
    """Those that can tell the user of it; the first speaks to whoever has talked to none of them."""

    def __call__(self, gift: Gift, *, actor: str, key: str | None = None) -> Entitlement:
        """What was granted, as it stood then; with the actor's `key` used before, what was granted that time.

        Raises UnknownPlan, AlreadyEntitled where the plan is held for life, and IdempotencyMismatch where the key came
        with another gift.
        """
        id = self.ids.entitlement()
        with self.work.begin() as tx:
            now = self.clock.now()
            if key is not None:
                new = GrantKey(caller=actor, key=key, fingerprint=gift.fingerprint, entitlement_id=id)
                if (kept := tx.grant_keys.take(new, now)) != new:
                    return _granted_before(tx, kept, new)
            tx.lock(users=[gift.user_id])
            now = self.clock.now()
            granted, title, extends = self._granted(tx, gift, id, actor, now)
            tx.entitlements.add([granted])
            letter = _letter(tx, granted.user_id, self.bots, _given(granted, title, extends=extends))
            decision = "extended" if extends else "granted"
            entry = _entry(granted, letter.bot, now, kind="entitlement_granted", decision=decision)
            tx.trail.add([replace(entry, actor=actor, note=gift.reason)])
            tx.outbox.add([letter], now)
            event = EntitlementGranted(entitlement=granted, extends=extends, actor=actor)
            events = tell(tx, [event], now)
        self.journal.record(*events)
        return granted

    def _granted(
        self, tx: Transaction, gift: Gift, id: EntitlementId, actor: str, now: datetime
    ) -> tuple[Entitlement, str, bool]:
        """With the plan's title, and whether it was held already."""
        plan = self.shop.plan(gift.plan_code)
        held = holdings(tx.entitlements.held_by([gift.user_id], now).get(gift.user_id, ()), now).get(plan.code)
        if held is not None and held.endless:
            raise AlreadyEntitled(f"{plan.title!r} is held for life already.")
        granted = give(
            plan,
            id=id,
            user_id=gift.user_id,
            duration=gift.duration or plan.duration,
            held=held,
            now=now,
            by=actor,
            reason=gift.reason,
        )
        return granted, plan.title, held is not None


@dataclass(frozen=True, slots=True)
class RevokeByHand:
    """End a grant at once, whether it was given or paid for. Later time of the same plan moves up, as after a refund.

    No money goes back by it: that is a refund, which ends its access by itself.
    """

    work: UnitOfWork
    clock: Clock
    ids: Ids
    shop: Shop
    journal: Journal
    bots: Sequence[BotName]

    def __call__(self, entitlement_id: EntitlementId, *, reason: str, actor: str) -> tuple[Entitlement, datetime]:
        """The row that carried the grant last, as it stands then, and when that was: one that has moved up since is
        found by its old id, and one that a dispute interrupts will not go on. What is over stays as it is, so that
        asking twice changes nothing. Raises NotFound.
        """
        with self.work.begin() as tx:
            named = tx.entitlements.get(entitlement_id)
            if named is None:
                raise NotFound("There is no such entitlement.")
            payment = _locked(tx, named)
            now = self.clock.now()
            last = _last_of(tx, named)
            event, lost = self._ended(tx, last, payment, now, actor)
            if event is None:
                return last, now
            ended = event.entitlement
            plan = self.shop.catalog.plans.get(ended.plan_code)
            message = AccessWithdrawn(plan=plan.title if plan else ended.plan_code, ended=lost)
            letter = _letter(tx, ended.user_id, self.bots, message)
            entry = _entry(ended, letter.bot, now, kind="entitlement_revoked", decision="revoked", payment=payment)
            tx.trail.add([replace(entry, actor=actor, note=reason)])
            tx.outbox.add([letter], now)
            events = tell(tx, [event], now)
        self.journal.record(*events)
        return ended, now

    def _ended(
        self, tx: Transaction, last: Entitlement, payment: Payment | None, now: datetime, actor: str
    ) -> tuple[EntitlementRevoked | None, bool]:
        """What ended, None where it had before, and whether the user lost the plan with it."""
        if last.held(now):
            revocation = end_access(tx, last, self.ids, now)
            moved_up = revocation.moved_up
            return EntitlementRevoked(entitlement=revocation.ended[0], actor=actor, moved_up=moved_up), revocation.lost
        interrupted = tx.entitlements.get(payment.suspended) if payment and payment.suspended else None
        if payment and interrupted and interrupted.grant == last.grant:
            tx.payments.update(replace(payment, suspended=None))
            held = holdings(tx.entitlements.held_by([last.user_id], now).get(last.user_id, ()), now)
            return EntitlementRevoked(entitlement=interrupted, actor=actor), last.plan_code not in held
        return None, False


def _locked(tx: Transaction, named: Entitlement) -> Payment | None:
    """Nobody else changes the grant or its payment until the end of the transaction; the payment, if there is one."""
    payment = tx.payments.get(named.payment_id) if named.payment_id else None
    if payment is None:
        tx.lock(users=[named.user_id])
        return None
    tx.lock(charges=[payment.charge.key])
    tx.lock(users=[named.user_id])
    return tx.payments.of([payment.charge.key])[payment.charge.key]


def _last_of(tx: Transaction, named: Entitlement) -> Entitlement:
    """The row of that grant that was not ended, else the one that was written last."""
    rows = [e for e in tx.entitlements.of_user(named.user_id) if e.grant == named.grant]
    return max(rows, key=lambda e: (e.revoked_at is None, e.known_from, e.id))


def _granted_before(tx: Transaction, kept: GrantKey, new: GrantKey) -> Entitlement:
    """As it stood when it was granted, whatever became of it since."""
    if kept.fingerprint != new.fingerprint:
        raise IdempotencyMismatch("This Idempotency-Key came with another request before.")
    granted = tx.entitlements.get(kept.entitlement_id)
    if granted is None:
        raise AssertionError("a key is kept in the transaction of its grant")
    return replace(granted, revoked_at=None)


def _given(granted: Entitlement, title: str, *, extends: bool) -> AccessGiven:
    return AccessGiven(plan=title, starts_at=granted.starts_at, expires_at=granted.expires_at, extends=extends)


def _letter(tx: Transaction, user_id: UserId, bots: Sequence[BotName], message: Message) -> Letter:
    """By the bot that the user dealt with last, in the language of their last invoice."""
    told = [kept.entry for kept in tx.trail.found(TrailFilter(user_id=user_id), Page(limit=LOOKED_BACK)).items]
    bot = next((entry.bot for entry in told if entry.bot in bots), bots[0])
    named = [entry.invoice_id for entry in told if entry.invoice_id][:1]
    languages = [invoice.language for invoice in tx.invoices.of(named).values()]
    return Letter(bot=bot, chat_id=user_id, language=languages[0] if languages else "en", message=message)


def _entry(
    entitlement: Entitlement, bot: BotName, now: datetime, *, kind: str, decision: str, payment: Payment | None = None
) -> TrailEntry:
    return TrailEntry(
        kind=kind,
        bot=bot,
        at=now,
        user_id=entitlement.user_id,
        invoice_id=payment.invoice_id if payment else None,
        charge_id=payment.charge.charge_id if payment else None,
        decision=decision,
        entitlement_id=entitlement.id,
    )
