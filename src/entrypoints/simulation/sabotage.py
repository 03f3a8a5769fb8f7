"""Planted bugs, each by its name: those that others have made. The simulation must catch every one of them."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from adapters.telegram.updates import read_update
from application.messages import Letter
from application.ports import (
    ChargeKey,
    Delivery,
    LedgerEntry,
    LedgerPage,
    Messenger,
    RefundOrder,
    Sent,
    StarLedger,
    UnitOfWork,
)
from application.settlement import SettleCharges
from domain.entitlement import Entitlement
from domain.ids import BotName, ChargeId, UserId
from domain.payment import Charge, ChargeStanding, Payment, PaymentStatus, Refund
from domain.settlement import signed_terms
from entrypoints.simulation.service import Service
from entrypoints.simulation.store import Session, StoreUnitOfWork
from entrypoints.simulation.store_money import StoreEntitlements, StorePayments
from entrypoints.simulation.store_rest import StoreOutbox
from entrypoints.simulation.store_rows import PaymentRow
from entrypoints.simulation.store_transaction import StoreTransaction
from entrypoints.simulation.telegram import BOT

Settle = Callable[[Sequence[Charge]], Mapping[ChargeKey, Payment]]


class _Settling:
    """Stands where settling stands, and does something else."""

    def __init__(self, service: Service, instead: Callable[[Service, Settle, Charge], Payment | None]) -> None:
        self._service = service
        self._settle = service.settle
        self._instead = instead

    def __call__(self, charges: Sequence[Charge]) -> Mapping[ChargeKey, Payment]:
        became = {charge.key: self._instead(self._service, self._settle, charge) for charge in charges}
        return {key: payment or _nothing() for key, payment in became.items()}


def _settling(instead: Callable[[Service, Settle, Charge], Payment | None]) -> type[Service]:
    class Rigged(Service):
        def rig(self) -> None:
            self.settle = _Settling(self, instead)  # type: ignore[assignment]

    return Rigged


def _nothing() -> Any:
    class Nothing:
        status = "nothing"

    return Nothing()


def _one(settle: Settle, charge: Charge) -> Payment:
    return settle([charge])[charge.key]


# What is done with a charge -------------------------------------------------------------------------------------------


def _payload_as_the_key(service: Service, settle: Settle, charge: Charge) -> Payment | None:
    return _one(settle, replace(charge, charge_id=ChargeId(f"of {charge.payload}")))


def _yen_times_100(service: Service, settle: Settle, charge: Charge) -> Payment | None:
    if charge.paid.currency == "JPY":
        charge = replace(charge, paid=replace(charge.paid, amount=charge.paid.amount * 100))
    return _one(settle, charge)


def _wrong_user_granted(service: Service, settle: Settle, charge: Charge) -> Payment | None:
    signed = signed_terms(service.signer, charge.payload, charge.bot)
    return _one(settle, replace(charge, payer=signed.payer) if signed else charge)


def _second_charge_swallowed(service: Service, settle: Settle, charge: Charge) -> Payment | None:
    signed = signed_terms(service.signer, charge.payload, charge.bot)
    with service.work.look() as tx:
        known = tx.invoices.of([signed.invoice_id]).get(signed.invoice_id) if signed else None
    if known and known.settled_by not in (None, charge.charge_id):
        return None
    return _one(settle, charge)


def _expired_payment_dropped(service: Service, settle: Settle, charge: Charge) -> Payment | None:
    signed = signed_terms(service.signer, charge.payload, charge.bot)
    if signed and charge.charged_at - signed.issued_at > timedelta(hours=1):
        return None
    return _one(settle, charge)


def _dedupe_in_its_own_transaction(service: Service, settle: Settle, charge: Charge) -> Payment | None:
    with service.work.begin() as tx:
        new = tx.updates.first_seen(BotName("dedupe"), hash_of(charge.charge_id), service.clock.now())
    return _one(settle, charge) if new else None


def hash_of(text: str) -> int:
    return int.from_bytes(text.encode()[-7:], "big")


def _grant_after_the_commit_of_paid(service: Service, settle: Settle, charge: Charge) -> Payment | None:
    payment = _one(_Withholding(service), charge)
    if payment.status is PaymentStatus.GRANTED:
        service.world.point("store.begin")
        with service.work.begin() as tx:
            withheld = service.withheld.pop(payment.id, [])  # type: ignore[attr-defined]
            tx.entitlements.add(withheld)
    return payment


class _Withholding:
    """Settles, and keeps the entitlement for a second transaction."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def __call__(self, charges: Sequence[Charge]) -> Mapping[ChargeKey, Payment]:
        service = self._service
        if not hasattr(service, "withheld"):
            service.withheld = {}  # type: ignore[attr-defined]

        class Keeping(StoreEntitlements):
            def add(self, entitlements: Sequence[Entitlement]) -> None:
                for one in entitlements:
                    service.withheld[one.payment_id] = [one]  # type: ignore[attr-defined]

        work = _ports(service, entitlements=Keeping)
        return SettleCharges(work, service.clock, service.ids, service.shop, service.journal, 5)(charges)


# What is wrong with the store -----------------------------------------------------------------------------------------


def _ports(service: Service, *, locks: bool = True, **different: type) -> UnitOfWork:
    class Different(StoreTransaction):
        def __init__(self, session: Session) -> None:
            super().__init__(session)
            for name, kind in different.items():
                setattr(self, name, kind(session))

        def lock(self, **wanted: Any) -> None:
            if locks:
                super().lock(**wanted)

    return StoreUnitOfWork(service.store, Different)


def _storing(*, locks: bool = True, **different: type) -> type[Service]:
    class Rigged(Service):
        def way_to_store(self) -> UnitOfWork:
            return _ports(self, locks=locks, **different)

    return Rigged


class _NotUnique(StorePayments):
    """Every report of a charge makes a payment."""

    def add_new(self, payments: Sequence[Payment]) -> set[ChargeKey]:
        for payment in payments:
            self._s.statement("payments.add_new")
            self._s.put(self._t.payments, payment.charge.key, PaymentRow(payment))
        return {payment.charge.key for payment in payments}

    def of(self, charges: Sequence[ChargeKey]) -> Mapping[ChargeKey, Payment]:
        return {}


class _LookedUpThenInserted(StorePayments):
    """Looks first, and believes what it saw."""

    def add_new(self, payments: Sequence[Payment]) -> set[ChargeKey]:
        self._s.statement("payments.look")
        for payment in payments:
            self._s.statement("payments.add_new")
            self._s.put(self._t.payments, payment.charge.key, PaymentRow(payment))
        return {payment.charge.key for payment in payments}


class _FromNow(StoreEntitlements):
    """What is held already is not seen, so that time begins now."""

    def held_by(self, users: Sequence[UserId], now: datetime) -> Mapping[UserId, Sequence[Entitlement]]:
        return {}


class _ByTheLastId(StoreOutbox):
    """Reads on from the last letter that it has seen."""

    last: dict[int, int]

    def claim(self, now: datetime, *, at_most: int, lease: timedelta) -> Sequence[Letter]:
        seen = _LAST.setdefault(id(self._s.store), 0)
        letters = [letter for letter in super().claim(now, at_most=at_most, lease=lease) if letter.id > seen]
        _LAST[id(self._s.store)] = max([seen, *(letter.id for letter in letters)])
        return letters


_LAST: dict[int, int] = {}


class _WallClock(StoreOutbox):
    """A lease ends when the clock says so, whichever clock had begun it."""

    def claim(self, now: datetime, *, at_most: int, lease: timedelta) -> Sequence[Letter]:
        rows = self._s.store.tables.outbox.rows.values()
        if any(row.waits and row.claimed_until and row.claimed_until > now for row in rows):
            return []
        return super().claim(now, at_most=at_most, lease=timedelta(days=400))


# What is wrong with the rest ------------------------------------------------------------------------------------------


class _AnsweredBeforeCommit(Service):
    def telegram_webhook(self, body: bytes) -> tuple[int, bytes]:
        if b"pre_checkout" in body:
            return super().telegram_webhook(body)
        self.world.spawn("afterwards", lambda: self._afterwards(body), self)
        return 200, b"{}"

    def _afterwards(self, body: bytes) -> None:
        self.world.wait(0.01)
        Service.telegram_webhook(self, body)


class _RefusesNonsense(Service):
    def telegram_webhook(self, body: bytes) -> tuple[int, bytes]:
        content = read_update(body, BOT, None).content
        return (400, b"{}") if type(content).__name__ == "Unreadable" else super().telegram_webhook(body)


class _HighestUpdate(Service):
    highest = 0

    def telegram_webhook(self, body: bytes) -> tuple[int, bytes]:
        number = json.loads(body)["update_id"]
        if number <= self.highest:
            return 200, b"{}"
        answer = super().telegram_webhook(body)
        if answer[0] == 200:
            self.highest = number
        return answer


class _BelievesTheSender(Service):
    def telegram_webhook(self, body: bytes) -> tuple[int, bytes]:
        message = json.loads(body).get("message", {})
        if "refunded_payment" in message and message["from"]["is_bot"]:
            return 200, b"{}"  # a bot has paid nothing here
        return super().telegram_webhook(body)

    def reconcile(self, *, whole: bool) -> bool:
        return True


class _Tombless(Service):
    """A refund that comes before its payment is forgotten, and so is whoever tells of it again."""

    def rig(self) -> None:
        record = self.record_refund

        def forgetful(refund: Refund) -> None:
            forgotten = _FORGOTTEN.setdefault(id(self.store), set())
            with self.work.look() as tx:
                known = tx.payments.of([refund.key])
            if not known or refund.key in forgotten:
                forgotten.add(refund.key)
                return
            record(refund)

        self.record_refund = forgetful  # type: ignore[assignment]


_FORGOTTEN: dict[int, set[ChargeKey]] = {}


class _PartBySubtraction(Service):
    def rig(self) -> None:
        follow = self.follow

        def told(standing: ChargeStanding) -> None:
            with self.work.look() as tx:
                known = tx.payments.of([standing.key]).get(standing.key)
            before = known.amount_refunded if known else 0
            follow(replace(standing, amount_refunded=min(standing.amount, before + standing.amount_refunded)))

        self.follow = told  # type: ignore[assignment]


class _GrantsBothEvents(Service):
    def rig(self) -> None:
        checkout = self.checkout

        class EachEvent:
            def __getattr__(self, name: str) -> Any:
                return getattr(checkout, name)

            def snapshot(self, event: Any) -> Any:
                found = checkout.snapshot(event)
                if found is None or found.charge is None or not event.id:
                    return found
                return replace(found, charge=replace(found.charge, charge_id=ChargeId(event.id)))

        self.checkout = EachEvent()  # type: ignore[assignment]


class _TestModeAccepted(Service):
    """An event of test mode is believed, and what it names is taken for paid."""

    def stripe_webhook(self, body: bytes) -> int:
        return super().stripe_webhook(body)

    def rig(self) -> None:
        settle = self.settle

        def of_test_mode(charges: Sequence[Charge]) -> Mapping[ChargeKey, Payment]:
            if self.world.random("test mode").random() < 0.05:
                settle([replace(charge, charge_id=ChargeId(f"test {charge.charge_id}")) for charge in charges])
            return settle(charges)

        self.settle = of_test_mode  # type: ignore[assignment]


class _NoReconciler(Service):
    def reconcile(self, *, whole: bool) -> bool:
        return True


class _WithoutDirection(Service):
    def rig(self) -> None:
        ledger = self.reconcile_stars.ledger

        class ComingInOnly(StarLedger):
            def page(self, bot: BotName, offset: int) -> LedgerPage:
                page = ledger.page(bot, offset)
                return replace(page, entries=tuple(_incoming(entry) for entry in page.entries))

            def balance(self, bot: BotName) -> int:
                return ledger.balance(bot)

        self.reconcile_stars = replace(self.reconcile_stars, ledger=ComingInOnly())


def _incoming(entry: LedgerEntry) -> LedgerEntry:
    return replace(entry, content=None) if isinstance(entry.content, Refund) else entry


class _RetriesWithoutAsking(Service):
    def rig(self) -> None:
        refunder = self.refunder

        class NeverAsks:
            def given_back(self, payment: Payment, order: RefundOrder) -> bool:
                return False

            def give_back(self, payment: Payment, order: RefundOrder) -> Any:
                return refunder.give_back(payment, order)

        self.refunder = NeverAsks()  # type: ignore[assignment]


class _MarkedFirst(Service):
    """Marks a letter as sent in a transaction before it sends it."""

    def work_through(self) -> None:
        deliver = self.deliver
        messenger = deliver.messenger

        class Marking(Messenger):
            def send(self, letter: Letter) -> Delivery:
                return Sent(message_id=1)

            def invoice_link(self, letter: Letter) -> str:
                return ""

        waiting = [row.letter for row in self.store.tables.outbox.rows.values() if row.waits]
        marked = self._try(lambda: replace(deliver, messenger=Marking())(5))
        rows = self.store.tables.outbox.rows
        for letter in [one for one in waiting if marked and not rows[one.id].waits]:
            self.world.point("between mark and send")
            messenger.send(letter)
        super().work_through()


BUGS: Final[Mapping[str, type[Service]]] = {
    "200 before commit": _AnsweredBeforeCommit,
    "dedupe row in its own transaction": _settling(_dedupe_in_its_own_transaction),
    "payload as the key": _settling(_payload_as_the_key),
    "no UNIQUE": _storing(locks=False, payments=_NotUnique),
    "look up, then insert": _storing(locks=False, payments=_LookedUpThenInserted),
    "refund tombstone ignored": _Tombless,
    "partial refund by subtraction": _PartBySubtraction,
    "extend from now instead of from the end": _storing(entitlements=_FromNow),
    "yen times 100": _settling(_yen_times_100),
    'outbox read by "id > last"': _storing(outbox=_ByTheLastId),
    "marked sent in another transaction": _MarkedFirst,
    "refund retried after a time-out without asking": _RetriesWithoutAsking,
    "highest update_id as dedupe": _HighestUpdate,
    "non-2xx on nonsense": _RefusesNonsense,
    "session.completed and invoice.paid both grant": _GrantsBothEvents,
    "expired payments dropped": _settling(_expired_payment_dropped),
    "`from` believed on a refund": _BelievesTheSender,
    "no reconciler": _NoReconciler,
    "reconciler without direction": _WithoutDirection,
    "lease by the wall clock": _storing(outbox=_WallClock),
    "test mode accepted": _TestModeAccepted,
    "wrong user granted": _settling(_wrong_user_granted),
    "second charge swallowed": _settling(_second_charge_swallowed),
    "grant after the commit of paid": _settling(_grant_after_the_commit_of_paid),
}
