"""Planted bugs in how charges are settled and in how the store is used."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from application.messages import Letter
from application.ports.payments import ChargeKey
from application.ports.work import UnitOfWork
from application.settlement import SettleCharges
from domain.entitlement import Entitlement
from domain.ids import BotName, ChargeId, UserId
from domain.payment import Charge, Payment, PaymentStatus
from domain.settlement import signed_terms
from entrypoints.simulation.service import Service
from entrypoints.simulation.shop_window import REFUNDS_PER_HOUR
from entrypoints.simulation.store import StoreUnitOfWork
from entrypoints.simulation.store_money import StoreEntitlements, StorePayments
from entrypoints.simulation.store_outbox import StoreOutbox
from entrypoints.simulation.store_rows import LetterRow, PaymentRow
from entrypoints.simulation.store_transaction import StoreTransaction

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
        return SettleCharges(work, service.clock, service.ids, service.shop, service.journal, REFUNDS_PER_HOUR)(charges)


# What is wrong with the store -----------------------------------------------------------------------------------------


def _ports(service: Service, *, locks: bool = True, **different: type) -> UnitOfWork:
    class Different(StoreTransaction):
        kinds = {**StoreTransaction.kinds, **different}  # noqa: RUF012 - as the class it stands for has it

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
    """Two reports of a charge at once make two payments."""

    def add_new(self, payments: Sequence[Payment]) -> set[ChargeKey]:
        for payment in payments:
            self._s.statement("payments.add_new")
            key = payment.charge.key
            taken = self._s.read(self._t.payments, key) is not None
            self._s.put(self._t.payments, (key[0], ChargeId(f"{key[1]} again")) if taken else key, PaymentRow(payment))
        return {payment.charge.key for payment in payments}


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

    def claim(self, now: datetime, *, at_most: int, lease: timedelta) -> Sequence[Letter]:
        memory = self._s.store.memory
        seen = memory.setdefault("last letter", 0)
        letters = [letter for letter in super().claim(now, at_most=at_most, lease=lease) if letter.id > seen]
        memory["last letter"] = max([seen, *(letter.id for letter in letters)])
        return letters


class _WallClock(StoreOutbox):
    """Believes what was noted by a clock that was set back since."""

    def _heads(self, now: datetime, lease: timedelta) -> list[LetterRow]:
        heads = super()._heads(now, timedelta(days=3650))
        return [row for row in heads if row.letter.attempts == 0 or row.due_at <= now]


BUGS: Final[Mapping[str, type[Service]]] = {
    "dedupe row in its own transaction": _settling(_dedupe_in_its_own_transaction),
    "payload as the key": _settling(_payload_as_the_key),
    "no UNIQUE": _storing(locks=False, payments=_NotUnique),
    "look up, then insert": _storing(locks=False, payments=_LookedUpThenInserted),
    "extend from now instead of from the end": _storing(entitlements=_FromNow),
    "yen times 100": _settling(_yen_times_100),
    'outbox read by "id > last"': _storing(outbox=_ByTheLastId),
    "expired payments dropped": _settling(_expired_payment_dropped),
    "lease by the wall clock": _storing(outbox=_WallClock),
    "wrong user granted": _settling(_wrong_user_granted),
    "second charge swallowed": _settling(_second_charge_swallowed),
    "grant after the commit of paid": _settling(_grant_after_the_commit_of_paid),
}
