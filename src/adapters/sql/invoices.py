"""Invoices: what was offered to whom, and what became of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from adapters.sql import schema
from adapters.sql.bulk import any_of, fill_rows, insert_new
from application.ports.invoices import Invoices
from domain.catalog import Method, Offer
from domain.duration import Duration
from domain.errors import Unavailable
from domain.ids import ChargeId, InvoiceId
from domain.invoice import Invoice
from domain.money import Money

_TABLE = schema.invoices
_OF = select(_TABLE).where(any_of(_TABLE.c.id, "ids"))
_APPROVE = (
    update(_TABLE).where(any_of(_TABLE.c.id, "ids"), _TABLE.c.approved_at.is_(None)).values(approved_at=bindparam("at"))
)
_CANCEL = (
    update(_TABLE).where(_TABLE.c.id == bindparam("of"), schema.invoice_is_open).values(cancelled_at=bindparam("at"))
)
_SENT = update(_TABLE).where(_TABLE.c.id == bindparam("of")).values(telegram_message_id=bindparam("message"))


class SqlInvoices(Invoices):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, invoices: Sequence[Invoice]) -> None:
        if invoices:
            insert_new(self._connection, _TABLE, [_row(invoice) for invoice in invoices])

    def of(self, ids: Sequence[InvoiceId]) -> Mapping[InvoiceId, Invoice]:
        if not ids:
            return {}
        found = map(_invoice, self._connection.execute(_OF, {"ids": ids}))
        return {invoice.id: invoice for invoice in found}

    def approve(self, ids: Sequence[InvoiceId], at: datetime) -> None:
        if ids:
            self._connection.execute(_APPROVE, {"ids": sorted(ids), "at": at})

    def settle(self, charges: Mapping[InvoiceId, ChargeId]) -> None:
        if not charges:
            return
        rows = [{"id": id, "settled_by": charge_id} for id, charge_id in charges.items()]
        if fill_rows(self._connection, _TABLE, rows) != len(rows):
            # Somebody settled one past our lock. Undo everything: on the next try it is seen.
            raise Unavailable("An invoice was settled elsewhere at the same moment.")

    def cancel(self, id: InvoiceId, at: datetime) -> None:
        self._connection.execute(_CANCEL, {"of": id, "at": at})

    def sent(self, id: InvoiceId, telegram_message_id: int) -> None:
        self._connection.execute(_SENT, {"of": id, "message": telegram_message_id})


def _row(invoice: Invoice) -> dict[str, Any]:
    offer = invoice.offer
    return {
        "id": invoice.id,
        "bot": invoice.bot,
        "user_id": invoice.payer,
        "method": invoice.method,
        "plan_code": offer.plan_code,
        "title": offer.title,
        "description": offer.description,
        "amount": offer.price.amount,
        "currency": offer.price.currency,
        "duration": str(offer.duration),
        "features": offer.features,
        "limits": offer.limits,
        "language": invoice.language,
        "issued_at": invoice.issued_at,
        "expires_at": invoice.expires_at,
        "approved_at": invoice.approved_at,
        "settled_by": invoice.settled_by,
        "cancelled_at": invoice.cancelled_at,
    }


def _invoice(row: Any) -> Invoice:
    return Invoice(
        id=row.id,
        bot=row.bot,
        payer=row.user_id,
        method=Method(row.method),
        offer=Offer(
            plan_code=row.plan_code,
            title=row.title,
            description=row.description,
            price=Money(amount=row.amount, currency=row.currency),
            duration=Duration.parse(row.duration),
            features=tuple(row.features),
            limits=row.limits,
        ),
        issued_at=row.issued_at,
        expires_at=row.expires_at,
        language=row.language,
        approved_at=row.approved_at,
        settled_by=row.settled_by,
        cancelled_at=row.cancelled_at,
    )
