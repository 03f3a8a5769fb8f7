"""Payments: every charge that a provider ever reported, and its end."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, and_, bindparam, exists, select, tuple_, update

from adapters.sql import schema
from adapters.sql.bulk import any_of, insert_telling
from adapters.sql.column_types import UtcTime
from application.ports import ChargeKey, Page, PageOf, Payments
from domain.catalog import Method
from domain.errors import InvalidRequest
from domain.ids import PaymentId, UserId
from domain.invoice import Objection
from domain.money import Money
from domain.payment import Charge, DisputeState, Payment, PaymentStatus, Provider

WAITING_SHOWN: Final = 20

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CURSOR = re.compile(r"(-?[0-9]{1,18}) ([A-Za-z0-9_-]{1,80})", re.ASCII)

_TABLE = schema.payments
_OF = select(_TABLE).where(any_of(_TABLE.c.charge_id, "charge_ids"))
_UPDATE = (
    update(_TABLE)
    .where(_TABLE.c.id == bindparam("of"))
    .values(
        status=bindparam("status"),
        quarantine_reason=bindparam("quarantine_reason"),
        refunded_at=bindparam("refunded_at"),
        amount_refunded=bindparam("amount_refunded"),
        disputes=bindparam("disputes"),
        suspended=bindparam("suspended"),
    )
)
_NEWEST_FIRST = (
    select(_TABLE)
    .where(_TABLE.c.user_id == bindparam("user"))
    .order_by(_TABLE.c.received_at.desc(), _TABLE.c.id.desc())
    .limit(bindparam("at_most"))
)
_FROM_CURSOR = _NEWEST_FIRST.where(
    tuple_(_TABLE.c.received_at, _TABLE.c.id) < tuple_(bindparam("at", type_=UtcTime()), bindparam("id"))
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
        found = map(_payment, self._connection.execute(_OF, {"charge_ids": [charge_id for _, charge_id in charges]}))
        return {payment.charge.key: payment for payment in found if payment.charge.key in wanted}

    def add_new(self, payments: Sequence[Payment]) -> set[ChargeKey]:
        if not payments:
            return set()
        rows = [_row(payment) for payment in payments]
        new = insert_telling(self._connection, _TABLE, rows, _TABLE.c.provider, _TABLE.c.charge_id)
        return {(Provider(provider), charge_id) for provider, charge_id in new}

    def update(self, payment: Payment) -> None:
        self._connection.execute(_UPDATE, {"of": payment.id, **_standing(payment)})

    def of_user(self, user_id: UserId, page: Page) -> PageOf[Payment]:
        # One more than asked for tells whether there is a next page.
        wanted: dict[str, Any] = {"user": user_id, "at_most": page.limit + 1}
        statement = _NEWEST_FIRST
        if page.cursor is not None:
            statement = _FROM_CURSOR
            wanted["at"], wanted["id"] = _read_cursor(page.cursor)
        found = [_payment(row) for row in self._connection.execute(statement, wanted)]
        shown = tuple(found[: page.limit])
        return PageOf(items=shown, next_cursor=_cursor(shown[-1]) if len(found) > page.limit else None)

    def any_by_stripe(self, user_id: UserId) -> bool:
        return bool(self._connection.execute(_ANY_BY_STRIPE, {"user": user_id}).scalar_one())

    def waiting_of(self, user_id: UserId) -> Sequence[Payment]:
        return [_payment(row) for row in self._connection.execute(_WAITING, {"user": user_id})]


def _cursor(last: Payment) -> str:
    """The place of a payment in the list, opaque to whoever carries it."""
    place = f"{(last.received_at - _EPOCH) // timedelta(microseconds=1)} {last.id}"
    return urlsafe_b64encode(place.encode()).rstrip(b"=").decode()


def _read_cursor(cursor: str) -> tuple[datetime, PaymentId]:
    """Raises InvalidRequest for anything that `_cursor` can't have written."""
    try:
        place = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode("ascii")
        if written := _CURSOR.fullmatch(place):
            return _EPOCH + timedelta(microseconds=int(written[1])), PaymentId(written[2])
    except (ValueError, OverflowError):
        pass
    raise InvalidRequest("The cursor is none of ours.")


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
        "invoice_id": payment.invoice_id,
        "plan_code": payment.plan_code,
        "received_at": payment.received_at,
        **_standing(payment),
    }


def _standing(payment: Payment) -> dict[str, Any]:
    """What may change of it."""
    return {
        "status": payment.status,
        "quarantine_reason": payment.quarantine_reason,
        "refunded_at": payment.refunded_at,
        "amount_refunded": payment.amount_refunded,
        "disputes": payment.disputes,
        "suspended": payment.suspended,
    }


def _payment(row: Any) -> Payment:
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
