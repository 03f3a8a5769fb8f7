"""The ports of money over the simulated store: invoices, payments, refunds, entitlements, and orders to give back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from application.ports.entitlements import DoubleGrant, Entitlements, GrantKey, GrantKeys
from application.ports.invoices import Invoices
from application.ports.outcomes import LONGEST_PUT_OFF
from application.ports.pages import Page, PageOf
from application.ports.payments import WITH_LEDGER, ChargeKey, PaymentFilter, Payments
from domain.catalog import Method
from domain.entitlement import Entitlement
from domain.errors import InvalidRequest
from domain.ids import ChargeId, EntitlementId, InvoiceId, PaymentId, UserId
from domain.invoice import Invoice
from domain.payment import Payment, Provider
from entrypoints.simulation.store import Session
from entrypoints.simulation.store_rows import InvoiceRow, PaymentRow

WAITING_SHOWN: Final = 20


class Port:
    """One of the ports of one transaction."""

    __slots__ = ("_s", "_t")

    def __init__(self, session: Session) -> None:
        self._s = session
        self._t = session.store.tables


class BrokenConstraint(Exception):
    """A mistake of ours that the database refuses: a broken foreign key, or a value that can't be."""


class StoreInvoices(Port, Invoices):
    __slots__ = ()

    def add(self, invoices: Sequence[Invoice]) -> None:
        if invoices:
            self._s.statement("invoices.add")
            for invoice in invoices:
                self._s.insert(self._t.invoices, invoice.id, InvoiceRow(invoice))

    def of(self, ids: Sequence[InvoiceId]) -> Mapping[InvoiceId, Invoice]:
        if not ids:
            return {}
        self._s.statement("invoices.of")
        read, table = self._s.read, self._t.invoices
        return {id: row.invoice for id in ids if (row := read(table, id)) is not None}

    def approve(self, ids: Sequence[InvoiceId], at: datetime) -> None:
        if ids:
            self._s.statement("invoices.approve")
            for id in sorted(set(ids)):
                self._change(id, lambda kept: replace(kept, approved_at=at) if kept.approved_at is None else None)

    def settle(self, charges: Mapping[InvoiceId, ChargeId]) -> None:
        if not charges:
            return
        self._s.statement("invoices.settle")
        for id in sorted(charges):
            charge_id = charges[id]
            if not self._change(id, partial(_settled, charge_id=charge_id)):
                self._s.fail()

    def cancel(self, id: InvoiceId, at: datetime) -> None:
        self._s.statement("invoices.cancel")
        self._change(id, lambda kept: replace(kept, cancelled_at=at) if _open(kept) else None)

    def sent(self, id: InvoiceId, telegram_message_id: int) -> None:
        self._s.statement("invoices.sent")
        self._s.change(self._t.invoices, id, lambda row: InvoiceRow(row.invoice, telegram_message_id))

    def _change(self, id: InvoiceId, how: Callable[[Invoice], Invoice | None]) -> bool:
        def changed(row: InvoiceRow) -> InvoiceRow | None:
            invoice = how(row.invoice)
            return None if invoice is None else InvoiceRow(invoice, row.telegram_message_id)

        return self._s.change(self._t.invoices, id, changed)


def _settled(invoice: Invoice, charge_id: ChargeId) -> Invoice | None:
    return replace(invoice, settled_by=charge_id) if invoice.settled_by is None else None


def _ended(span: Entitlement, at: datetime | None) -> Entitlement | None:
    return replace(span, revoked_at=at) if span.revoked_at is None else None


def _open(invoice: Invoice) -> bool:
    return invoice.settled_by is None and invoice.cancelled_at is None


class StorePayments(Port, Payments):
    __slots__ = ()

    def of(self, charges: Sequence[ChargeKey]) -> Mapping[ChargeKey, Payment]:
        if not charges:
            return {}
        self._s.statement("payments.of")
        read, table = self._s.read, self._t.payments
        return {key: row.payment for key in charges if (row := read(table, key)) is not None}

    def add_new(self, payments: Sequence[Payment]) -> set[ChargeKey]:
        if not payments:
            return set()
        self._s.statement("payments.add_new")
        new = set()
        for payment in payments:
            self._check(payment)
            if self._s.insert(self._t.payments, payment.charge.key, PaymentRow(payment)):
                new.add(payment.charge.key)
        return new

    def update(self, payment: Payment) -> None:
        self._s.statement("payments.update")
        self._check(payment)

        def updated(row: PaymentRow) -> PaymentRow | None:
            kept = row.payment
            if kept.id != payment.id:
                return None
            return PaymentRow(replace(payment, charge=kept.charge, received_at=kept.received_at), row.confirmed_at)

        self._s.change(self._t.payments, payment.charge.key, updated)

    def get(self, id: PaymentId) -> Payment | None:
        self._s.statement("payments.get")
        found = self._s.find(self._t.payments, self._t.payment_ids, id)
        return found[0].payment if found else None

    def found(self, wanted: PaymentFilter, page: Page) -> PageOf[Payment]:
        self._s.statement("payments.found")
        rows = (
            self._s.all(self._t.payments)
            if wanted.user_id is None
            else self._s.find(self._t.payments, self._t.payments_of, wanted.user_id)
        )
        found = sorted((row.payment for row in rows if _wanted(row, wanted)), key=_newest, reverse=True)
        if page.cursor is not None:
            place = next((n for n, payment in enumerate(found) if payment.id == page.cursor), None)
            if place is None:
                raise InvalidRequest("The cursor is none of ours.")
            found = found[place + 1 :]
        shown = tuple(found[: page.limit])
        return PageOf(items=shown, next_cursor=shown[-1].id if len(found) > page.limit else None)

    def confirm(self, charges: Sequence[ChargeKey], at: datetime) -> None:
        if charges:
            self._s.statement("payments.confirm")
        for key in charges:
            row = self._s.read(self._t.payments, key)
            if row is not None and row.confirmed_at is None:
                self._s.change(
                    self._t.payments, key, lambda row: PaymentRow(row.payment, at) if row.confirmed_at is None else None
                )

    def unconfirmed(self, methods: Sequence[Method], received_before: datetime, *, at_most: int) -> Sequence[Payment]:
        self._s.statement("payments.unconfirmed")
        found = [
            row.payment
            for method in methods
            for row in self._s.find(self._t.payments, self._t.payments_unconfirmed, method)
            if row.payment.received_at < received_before
        ]
        return sorted(found, key=_newest)[:at_most]

    def any_by_stripe(self, user_id: UserId) -> bool:
        self._s.statement("payments.any_by_stripe")
        rows = self._s.find(self._t.payments, self._t.payments_of, user_id)
        return any(row.payment.charge.provider is Provider.STRIPE for row in rows)

    def waiting_of(self, user_id: UserId) -> Sequence[Payment]:
        self._s.statement("payments.waiting_of")
        rows = self._s.find(self._t.payments, self._t.payments_waiting, user_id)
        return sorted((row.payment for row in rows), key=_newest)[:WAITING_SHOWN]

    def _check(self, payment: Payment) -> None:
        if payment.invoice_id and self._s.read(self._t.invoices, payment.invoice_id) is None:
            raise BrokenConstraint("fk_payments_invoice_id_invoices")
        if not 0 <= payment.amount_refunded <= payment.charge.paid.amount:
            raise BrokenConstraint("no_more_went_back_than_came")


def _newest(payment: Payment) -> tuple[datetime, str]:
    return payment.received_at, payment.id


def _wanted(row: PaymentRow, wanted: PaymentFilter) -> bool:
    payment, charge = row.payment, row.payment.charge
    return (
        wanted.user_id in (None, charge.payer)
        and wanted.status in (None, payment.status)
        and wanted.method in (None, charge.method)
        and wanted.plan_code in (None, payment.plan_code)
        and wanted.charge_id in (None, charge.charge_id)
        and wanted.quarantine_reason in (None, payment.quarantine_reason)
        and not (wanted.unconfirmed and (row.confirmed_at or charge.method not in WITH_LEDGER))
        and (wanted.since is None or wanted.since <= payment.received_at)
        and (wanted.until is None or payment.received_at < wanted.until)
    )


class StoreEntitlements(Port, Entitlements):
    __slots__ = ()

    def held_by(self, users: Sequence[UserId], now: datetime) -> Mapping[UserId, Sequence[Entitlement]]:
        if not users:
            return {}
        self._s.statement("entitlements.held_by")
        held = {}
        for user in dict.fromkeys(users):
            rows = [row for row in self._s.find(self._t.entitlements, self._t.entitlements_of, user) if row.held(now)]
            if rows:
                rows.sort(key=lambda row: (row.starts_at, row.id))
                held[user] = rows
        return held

    def of_user(self, user_id: UserId) -> Sequence[Entitlement]:
        self._s.statement("entitlements.of_user")
        rows = self._s.find(self._t.entitlements, self._t.entitlements_of, user_id)
        return sorted(rows, key=lambda row: (row.starts_at, row.granted_at, row.id), reverse=True)

    def living_of(self, payment_id: PaymentId) -> Entitlement | None:
        self._s.statement("entitlements.living_of")
        found = self._s.find(self._t.entitlements, self._t.living_grants, payment_id)
        return found[0] if found else None

    def opened_by(self, payments: Sequence[PaymentId]) -> Mapping[PaymentId, Entitlement]:
        self._s.statement("entitlements.opened_by")
        found = {id: self._s.find(self._t.entitlements, self._t.living_grants, id) for id in payments}
        return {id: rows[0] for id, rows in found.items() if rows}

    def get(self, id: EntitlementId) -> Entitlement | None:
        self._s.statement("entitlements.get")
        return self._s.read(self._t.entitlements, id)

    def add(self, entitlements: Sequence[Entitlement]) -> None:
        if not entitlements:
            return
        self._s.statement("entitlements.add")
        for entitlement in entitlements:
            payment_id = entitlement.payment_id
            if payment_id and not self._s.find(self._t.payments, self._t.payment_ids, payment_id):
                raise BrokenConstraint("fk_entitlements_payment_id_payments")
            if not self._s.insert(self._t.entitlements, entitlement.id, entitlement):
                self._s.failed = True
                if self._s.read(self._t.entitlements, entitlement.id) is not None:
                    raise BrokenConstraint("pk_entitlements")
                raise DoubleGrant(payment_id)

    def end(self, entitlements: Sequence[Entitlement]) -> None:
        if not entitlements:
            return
        self._s.statement("entitlements.end")
        for ended in sorted(entitlements, key=lambda row: row.id):
            at = ended.revoked_at
            self._s.change(
                self._t.entitlements,
                ended.id,
                partial(_ended, at=at),
            )

    def over(self, now: datetime, *, at_most: int, users: Sequence[UserId] | None = None) -> Sequence[Entitlement]:
        self._s.statement("entitlements.over")
        if users is None:
            rows = list(self._s.all(self._t.entitlements))
        else:
            rows = [row for user in users for row in self._s.find(self._t.entitlements, self._t.entitlements_of, user)]
        over = [(row.expires_at, row.id, row) for row in rows if row.expires_at and row.expires_at <= now]
        return [row for _, _, row in sorted(over, key=lambda end: end[:2]) if self._unnoted(row)][:at_most]

    def note_over(self, ids: Sequence[EntitlementId], at: datetime) -> set[EntitlementId]:
        self._s.statement("entitlements.note_over")
        new = set()
        for id in sorted(ids):
            self._s.hold((self._t.entitlements, id))
            row = self._s.read(self._t.entitlements, id)
            if row and self._unnoted(row) and self._s.insert(self._t.over_noted, id, at):
                new.add(id)
        return new

    def _unnoted(self, row: Entitlement) -> bool:
        return (
            row.expires_at is not None and row.revoked_at is None and self._s.read(self._t.over_noted, row.id) is None
        )

    def revoked_since(self, since: datetime, *, at_most: int) -> Sequence[EntitlementId]:
        self._s.statement("entitlements.revoked_since")
        ended = [(row.revoked_at, row.id) for row in self._s.all(self._t.entitlements) if row.revoked_at is not None]
        return [id for revoked_at, id in sorted(ended) if revoked_at >= since][:at_most]


class StoreGrantKeys(Port, GrantKeys):
    __slots__ = ()

    def take(self, new: GrantKey, now: datetime) -> GrantKey:
        self._s.statement("grant_keys.take")
        place = (new.caller, new.key)
        self._s.insert(self._t.grant_keys, place, new)
        return self._s.read(self._t.grant_keys, place) or new


def claimable(due_at: datetime, claimed_until: datetime | None, now: datetime, lease: timedelta) -> bool:
    """Times too far ahead were noted by a clock that was set back since, and hold nothing up."""
    free = claimed_until is None or claimed_until <= now or claimed_until > now + 2 * lease
    return free and (due_at <= now or due_at > now + LONGEST_PUT_OFF)
