"""Payments: every charge that a provider ever reported, and its end."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Text, and_, bindparam, cast, exists, literal, select, tuple_, update

from adapters.sql import schema
from adapters.sql.bulk import any_of, insert_telling
from adapters.sql.column_types import UtcTime
from adapters.sql.pages import read_cursor, write_cursor
from application.ports.pages import Page, PageOf
from application.ports.payments import ChargeKey, PaymentFilter, Payments
from domain.catalog import Method
from domain.ids import PaymentId, UserId
from domain.invoice import Objection
from domain.money import Money
from domain.payment import Charge, DisputeState, Payment, PaymentStatus, Provider

WAITING_SHOWN: Final = 20

_TABLE = schema.payments
_OF = select(_TABLE).where(any_of(_TABLE.c.charge_id, "charge_ids"))
_UPDATE = (
    update(_TABLE)
    .where(_TABLE.c.id == bindparam("of"))
    .values(
        invoice_id=bindparam("invoice_id"),
        plan_code=bindparam("plan_code"),
        status=bindparam("status"),
        quarantine_reason=bindparam("quarantine_reason"),
        refunded_at=bindparam("refunded_at"),
        amount_refunded=bindparam("amount_refunded"),
        disputes=bindparam("disputes"),
        suspended=bindparam("suspended"),
    )
)
_GET = select(_TABLE).where(_TABLE.c.id == bindparam("of"))
_NEWEST_FIRST = select(_TABLE).order_by(_TABLE.c.received_at.desc(), _TABLE.c.id.desc())
_CONFIRM = (
    update(_TABLE)
    .where(
        any_of(_TABLE.c.charge_id, "charge_ids"), _TABLE.c.provider == bindparam("by"), _TABLE.c.confirmed_at.is_(None)
    )
    .values(confirmed_at=bindparam("at"))
)
_UNCONFIRMED = (
    select(_TABLE)
    .where(
        schema.payment_is_unconfirmed,
        _TABLE.c.received_at < bindparam("before"),
        # Not as the column, by whose index SQLite would look through all that was ever paid so.
        any_of(cast(_TABLE.c.method, Text), "methods"),
    )
    .order_by(_TABLE.c.received_at, _TABLE.c.id)
    .limit(bindparam("at_most"))
)
_ANY_BY_STRIPE = select(
    exists().where(_TABLE.c.user_id == bindparam("user"), _TABLE.c.provider == Provider.STRIPE.value)
)
_WAITING = (
    select(_TABLE)
    .where(and_(_TABLE.c.user_id == bindparam("user"), _TABLE.c.status == PaymentStatus.QUARANTINED.value))
    .order_by(_TABLE.c.received_at, _TABLE.c.id)
    .limit(WAITING_SHOWN)
)


class SqlPayments(Payments):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def of(self, charges: Sequence[ChargeKey]) -> Mapping[ChargeKey, Payment]:
        if not charges:
            return {}
        wanted = set(charges)
        found = map(payment_of, self._connection.execute(_OF, {"charge_ids": [charge_id for _, charge_id in charges]}))
        return {payment.charge.key: payment for payment in found if payment.charge.key in wanted}

    def add_new(self, payments: Sequence[Payment]) -> set[ChargeKey]:
        if not payments:
            return set()
        rows = [_row(payment) for payment in payments]
        new = insert_telling(self._connection, _TABLE, rows, _TABLE.c.provider, _TABLE.c.charge_id)
        return {(Provider(provider), charge_id) for provider, charge_id in new}

    def update(self, payment: Payment) -> None:
        self._connection.execute(_UPDATE, {"of": payment.id, **_standing(payment)})

    def get(self, id: PaymentId) -> Payment | None:
        row = self._connection.execute(_GET, {"of": id}).one_or_none()
        return None if row is None else payment_of(row)

    def found(self, wanted: PaymentFilter, page: Page) -> PageOf[Payment]:
        # One more than asked for tells whether there is a next page.
        statement = _NEWEST_FIRST.where(*conditions_of(wanted)).limit(page.limit + 1)
        if page.cursor is not None:
            at, id = read_cursor(page.cursor)
            statement = statement.where(tuple_(_TABLE.c.received_at, _TABLE.c.id) < tuple_(literal(at, UtcTime()), id))
        found = [payment_of(row) for row in self._connection.execute(statement)]
        shown = tuple(found[: page.limit])
        more = len(found) > page.limit
        return PageOf(items=shown, next_cursor=write_cursor(shown[-1].received_at, shown[-1].id) if more else None)

    def confirm(self, charges: Sequence[ChargeKey], at: datetime) -> None:
        for provider in Provider:
            if ids := [charge_id for by, charge_id in charges if by is provider]:
                self._connection.execute(_CONFIRM, {"charge_ids": ids, "by": provider, "at": at})

    def unconfirmed(self, methods: Sequence[Method], received_before: datetime, *, at_most: int) -> Sequence[Payment]:
        wanted = {"methods": list(methods), "before": received_before, "at_most": at_most}
        return [payment_of(row) for row in self._connection.execute(_UNCONFIRMED, wanted)]

    def any_by_stripe(self, user_id: UserId) -> bool:
        return bool(self._connection.execute(_ANY_BY_STRIPE, {"user": user_id}).scalar_one())

    def waiting_of(self, user_id: UserId) -> Sequence[Payment]:
        return [payment_of(row) for row in self._connection.execute(_WAITING, {"user": user_id})]


def conditions_of(wanted: PaymentFilter) -> list[ColumnElement[bool]]:
    conditions = []
    for column, value in (
        (_TABLE.c.user_id, wanted.user_id),
        (_TABLE.c.status, wanted.status),
        (_TABLE.c.method, wanted.method),
        (_TABLE.c.plan_code, wanted.plan_code),
        (_TABLE.c.charge_id, wanted.charge_id),
        (_TABLE.c.quarantine_reason, wanted.quarantine_reason),
    ):
        if value is not None:
            conditions.append(column == value)
    if wanted.unconfirmed:
        conditions.append(schema.payment_is_unconfirmed)
    if wanted.since is not None:
        conditions.append(_TABLE.c.received_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(_TABLE.c.received_at < wanted.until)
    return conditions


def _row(payment: Payment) -> dict[str, Any]:
    charge = payment.charge
    return {
        "id": payment.id,
        "provider": charge.provider,
        "charge_id": charge.charge_id,
        "provider_charge_id": charge.provider_charge_id,
        "bot": charge.bot,
        "user_id": charge.payer,
        "amount": charge.paid.amount,
        "currency": charge.paid.currency,
        "method": charge.method,
        "payload": charge.payload,
        "charged_at": charge.charged_at,
        "message": charge.message,
        "received_at": payment.received_at,
        **_standing(payment),
    }


def _standing(payment: Payment) -> dict[str, Any]:
    """What may change of it."""
    return {
        "invoice_id": payment.invoice_id,
        "plan_code": payment.plan_code,
        "status": payment.status,
        "quarantine_reason": payment.quarantine_reason,
        "refunded_at": payment.refunded_at,
        "amount_refunded": payment.amount_refunded,
        "disputes": payment.disputes,
        "suspended": payment.suspended,
    }


def payment_of(row: Any) -> Payment:
    return Payment(
        id=row.id,
        charge=Charge(
            provider=Provider(row.provider),
            charge_id=row.charge_id,
            provider_charge_id=row.provider_charge_id,
            bot=row.bot,
            payer=row.user_id,
            paid=Money(amount=row.amount, currency=row.currency),
            method=Method(row.method),
            payload=row.payload,
            charged_at=row.charged_at,
            message=row.message,
        ),
        status=PaymentStatus(row.status),
        received_at=row.received_at,
        invoice_id=row.invoice_id,
        plan_code=row.plan_code,
        quarantine_reason=None if row.quarantine_reason is None else Objection(row.quarantine_reason),
        refunded_at=row.refunded_at,
        amount_refunded=row.amount_refunded,
        disputes={dispute: DisputeState(state) for dispute, state in row.disputes.items()},
        suspended=row.suspended,
    )
