"""Purchases that were begun at Stripe: the page of each invoice, and the caller's key that stands for it."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from adapters.sql import schema
from adapters.sql.bulk import insert_telling
from application.ports.checkout import Checkouts, KeptCheckout
from domain.errors import Unavailable
from domain.ids import InvoiceId, UserId

_TABLE = schema.checkouts
_OF = select(_TABLE).where(_TABLE.c.invoice_id == bindparam("of"))
_BY_KEY = select(_TABLE).where(_TABLE.c.user_id == bindparam("user"), _TABLE.c.idempotency_key == bindparam("key"))
_OPENED = (
    update(_TABLE)
    .where(_TABLE.c.invoice_id == bindparam("of"))
    .values(session_id=bindparam("session"), url=bindparam("page"))
)
_RELEASE = update(_TABLE).where(_TABLE.c.invoice_id == bindparam("of")).values(idempotency_key=None)


class SqlCheckouts(Checkouts):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def of(self, invoice_id: InvoiceId) -> KeptCheckout | None:
        row = self._connection.execute(_OF, {"of": invoice_id}).one_or_none()
        return None if row is None else _checkout(row)

    def by_key(self, user_id: UserId, key: str) -> tuple[str, KeptCheckout] | None:
        row = self._connection.execute(_BY_KEY, {"user": user_id, "key": key}).one_or_none()
        return None if row is None else (row.fingerprint, _checkout(row))

    def add(self, checkout: KeptCheckout, *, user_id: UserId, key: str | None, fingerprint: str, now: datetime) -> None:
        row = {
            "invoice_id": checkout.invoice_id,
            "user_id": user_id,
            "idempotency_key": key,
            "fingerprint": fingerprint,
            "session_id": checkout.session_id or None,
            "url": checkout.url or None,
            "created_at": now,
        }
        if not insert_telling(self._connection, _TABLE, [row], _TABLE.c.invoice_id):
            # Somebody wrote it past our lock. Undo everything: on the next try it is seen.
            raise Unavailable("The same purchase was begun elsewhere at the same moment.")

    def opened(self, checkout: KeptCheckout) -> None:
        page = {"of": checkout.invoice_id, "session": checkout.session_id, "page": checkout.url}
        self._connection.execute(_OPENED, page)

    def release(self, invoice_id: InvoiceId) -> None:
        self._connection.execute(_RELEASE, {"of": invoice_id})


def _checkout(row: Any) -> KeptCheckout:
    return KeptCheckout(invoice_id=row.invoice_id, session_id=row.session_id or "", url=row.url or "")
