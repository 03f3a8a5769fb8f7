"""Where operators look things up: payments by any id and filter, letters, who holds what, and how it all stands."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Engine,
    Integer,
    bindparam,
    distinct,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
)

from adapters.sql import schema
from adapters.sql.bulk import any_of
from adapters.sql.column_types import UtcTime
from adapters.sql.gauges import SqlGauges
from adapters.sql.pages import read_amount_cursor, read_cursor, write_amount_cursor, write_cursor
from adapters.sql.payments import conditions_of, payment_of
from adapters.sql.trail import entry_of
from adapters.sql.work import SqlUnitOfWork
from application.books import AskedRefund, ByAmount, LetterShown, Order, Register, Standing
from application.ports.pages import Page, PageOf
from application.ports.payments import PaymentFilter
from application.ports.trail import KeptEntry
from application.refund_requests import ANSWERS
from domain.ids import ChargeId, PlanCode, UserId
from domain.invoice import Objection
from domain.payment import Payment, PaymentStatus

MOST_UNCONFIRMED: Final = 1000
MOST_WITH_ONE_ID: Final = 20
LOOKED_BACK: Final = timedelta(days=7)
UNCONFIRMED_FOR: Final = timedelta(hours=1)
"""How old a payment is before its provider's ledger must have it."""

_PAYMENTS, _TRAIL, _OUTBOX, _REFUNDS = schema.payments, schema.trail, schema.outbox, schema.refunds
_ENTITLEMENTS = schema.entitlements
_CHARGED = (
    select(_PAYMENTS)
    .where(or_(_PAYMENTS.c.charge_id == bindparam("charge"), _PAYMENTS.c.provider_charge_id == bindparam("charge")))
    .order_by(_PAYMENTS.c.received_at.desc())
    .limit(MOST_WITH_ONE_ID)
)
_RETURNED = select(func.max(_REFUNDS.c.refunded_at)).where(_REFUNDS.c.charge_id == bindparam("charge"))
_KNOWN = select(
    or_(
        *(
            exists().where(column == bindparam("user"))
            for column in (_TRAIL.c.user_id, _PAYMENTS.c.user_id, _ENTITLEMENTS.c.user_id, schema.people.c.user_id)
        )
    )
)
_LETTERS = (
    select(
        *(_OUTBOX.c[name] for name in ("id", "bot", "kind", "created_at", "sent_at", "given_up_at", "problem")),
    )
    .where(_OUTBOX.c.chat_id == bindparam("user"), _OUTBOX.c.id < bindparam("before"))
    .order_by(_OUTBOX.c.id.desc())
    .limit(bindparam("at_most", type_=Integer))
)
_TRAIL_OF = (
    select(_TRAIL)
    .where(_TRAIL.c.user_id == bindparam("user"), _TRAIL.c.id < bindparam("before"))
    .order_by(_TRAIL.c.id.desc())
    .limit(bindparam("at_most", type_=Integer))
)
_LATER = _TRAIL.alias("later")
_WAITS_FOR_A_WORD = (
    schema.refund_was_asked,
    # Whatever was decided of the charge since has answered it.
    ~exists().where(
        _LATER.c.telegram_payment_charge_id == _TRAIL.c.telegram_payment_charge_id,
        _LATER.c.id > _TRAIL.c.id,
        _LATER.c.kind.in_(["refund_asked", *sorted(ANSWERS)]),
    ),
)
_ASKED_AT_ALL = select(func.count().label("number"), func.min(_TRAIL.c.at).label("since")).where(*_WAITS_FOR_A_WORD)
_ASKED = (
    select(_TRAIL.c.actor, _TRAIL.c.note, _TRAIL.c.at, _TRAIL.c.telegram_payment_charge_id.label("charge"))
    .where(*_WAITS_FOR_A_WORD)
    .order_by(_TRAIL.c.id.desc())
    .limit(bindparam("at_most", type_=Integer))
)
_OF_IDS = select(_PAYMENTS).where(any_of(_PAYMENTS.c.id, "ids"))
_OF_CHARGES = select(_PAYMENTS).where(any_of(_PAYMENTS.c.charge_id, "charges"))
_HOLDERS = (
    select(_ENTITLEMENTS.c.plan_code, func.count(distinct(_ENTITLEMENTS.c.user_id)))
    .where(
        schema.living,
        or_(_ENTITLEMENTS.c.expires_at.is_(None), _ENTITLEMENTS.c.expires_at > bindparam("now", type_=UtcTime())),
    )
    .group_by(_ENTITLEMENTS.c.plan_code)
)
_UNCONFIRMED = select(func.count()).select_from(
    select(_PAYMENTS.c.id)
    .where(
        schema.payment_is_unconfirmed,
        _PAYMENTS.c.received_at > bindparam("since", type_=UtcTime()),
        _PAYMENTS.c.received_at < bindparam("before", type_=UtcTime()),
        _PAYMENTS.c.quarantine_reason.is_distinct_from(Objection.UNKNOWN_TO_PROVIDER.value),
    )
    .limit(MOST_UNCONFIRMED)
    .subquery()
)
_END: Final = 2**62


class SqlRegister(Register):
    def __init__(self, work: SqlUnitOfWork, engine: Engine) -> None:
        self._work = work
        self._gauges = SqlGauges(engine)

    def charged(self, charge_id: str) -> Sequence[Payment]:
        return [payment_of(row) for row in self._rows(_CHARGED, charge=charge_id)]

    def returned(self, charge_id: ChargeId) -> datetime | None:
        with self._work.look() as tx:
            at: datetime | None = tx.connection.execute(_RETURNED, {"charge": charge_id}).scalar_one()
        return at

    def payments(self, wanted: PaymentFilter, page: Page, order: Order) -> PageOf[Payment]:
        place = (_PAYMENTS.c.received_at, _PAYMENTS.c.id)
        newest = order is Order.NEWEST
        statement = (
            select(_PAYMENTS)
            .where(*_conditions(wanted))
            .order_by(*(column.desc() if newest else column for column in place))
            .limit(page.limit + 1)
        )
        if page.cursor is not None:
            at, id = read_cursor(page.cursor)
            here, there = tuple_(*place), tuple_(literal(at, UtcTime()), id)
            statement = statement.where(here < there if newest else here > there)
        found = [payment_of(row) for row in self._rows(statement)]
        shown = tuple(found[: page.limit])
        more = len(found) > page.limit
        return PageOf(items=shown, next_cursor=write_cursor(shown[-1].received_at, shown[-1].id) if more else None)

    def payments_by_amount(
        self, wanted: PaymentFilter, page: Page, order: ByAmount, *, currency: str, among: int
    ) -> PageOf[Payment] | None:
        # Found by what they are looked for by, as always, and only then sorted: no index has amounts.
        found = (
            select(_PAYMENTS.c.id, _PAYMENTS.c.currency, _PAYMENTS.c.amount)
            .where(*_conditions(wanted))
            .order_by(_PAYMENTS.c.received_at.desc(), _PAYMENTS.c.id.desc())
            .limit(among + 1)
            .subquery()
        )
        place, largest = (found.c.amount, found.c.id), order is ByAmount.LARGEST
        statement = (
            select(*place)
            .where(found.c.currency == currency)
            .order_by(*(column.desc() if largest else column for column in place))
            .limit(page.limit + 1)
        )
        if page.cursor is not None:
            here, there = tuple_(*place), tuple_(*map(literal, read_amount_cursor(page.cursor)))
            statement = statement.where(here < there if largest else here > there)
        with self._work.look() as tx:
            if tx.connection.execute(select(func.count()).select_from(found)).scalar_one() > among:
                return None
            sorted_ = tx.connection.execute(statement).all()
            ids = [row.id for row in sorted_[: page.limit]]
            payments = {row.id: payment_of(row) for row in tx.connection.execute(_OF_IDS, {"ids": ids})}
        last = sorted_[page.limit - 1] if len(sorted_) > page.limit else None
        return PageOf(
            items=tuple(payments[id] for id in ids),
            next_cursor=write_amount_cursor(last.amount, last.id) if last else None,
        )

    def known(self, user_id: UserId) -> bool:
        with self._work.look() as tx:
            return bool(tx.connection.execute(_KNOWN, {"user": user_id}).scalar_one())

    def trail_of(self, user_id: UserId, *, before: int | None, limit: int) -> Sequence[KeptEntry]:
        rows = self._rows(_TRAIL_OF, user=user_id, before=_END if before is None else before, at_most=limit)
        return [entry_of(row) for row in rows]

    def letters_to(self, user_id: UserId, *, before: int | None, limit: int) -> Sequence[LetterShown]:
        rows = self._rows(_LETTERS, user=user_id, before=_END if before is None else before, at_most=limit)
        return [LetterShown(**row._mapping) for row in rows]

    def asked_refunds(self, *, at_most: int) -> Sequence[AskedRefund]:
        asked = self._rows(_ASKED, at_most=at_most)
        if not asked:
            return []
        payments = {
            row.charge_id: payment_of(row) for row in self._rows(_OF_CHARGES, charges=[row.charge for row in asked])
        }
        return [
            AskedRefund(payment=payments[row.charge], asked_by=row.actor, reason=row.note, asked_at=row.at)
            for row in asked
            if row.charge in payments
        ]

    def holders(self, now: datetime) -> Mapping[PlanCode, int]:
        return {PlanCode(code): number for code, number in self._rows(_HOLDERS, now=now)}

    def standing(self, now: datetime) -> Standing:
        held, waits = self._gauges.quarantine_oldest(now), self._gauges.outbox_oldest(now)
        given = {"since": now - LOOKED_BACK, "before": now - UNCONFIRMED_FOR}
        with self._work.look() as tx:
            unconfirmed = tx.connection.execute(_UNCONFIRMED, given).scalar_one()
            asked = tx.connection.execute(_ASKED_AT_ALL).one()
            ledgers = {mark.ledger: mark for mark in tx.ledger_marks.all()}
        return Standing(
            quarantined=self._gauges.quarantined(),
            quarantined_since=None if held is None else now - held,
            outbox_pending=self._gauges.outbox_pending(),
            outbox_since=None if waits is None else now - waits,
            unconfirmed=unconfirmed,
            ledgers=ledgers,
            refunds_pending=self._gauges.refunds_pending(),
            refunds_asked=asked.number,
            refunds_asked_since=asked.since,
        )

    def _rows(self, statement: Any, **given: Any) -> Sequence[Any]:
        with self._work.look() as tx:
            return tx.connection.execute(statement, given).all()


def _conditions(wanted: PaymentFilter) -> list[ColumnElement[bool]]:
    conditions = conditions_of(wanted)
    if wanted.status not in (None, PaymentStatus.GRANTED):
        # Said as the index says it, so that it serves.
        conditions.append(schema.not_granted)
    return conditions
