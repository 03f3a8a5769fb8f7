"""Figures of what happened: each hour and day that is over is summed up once, the rest counted when it is asked for.

What is counted are lines of the audit trail, which is only ever added to, so that the sums of an hour stay right.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import BigInteger, Connection, Row, and_, bindparam, func, literal_column, or_, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from adapters.sql import schema
from adapters.sql.bulk import insert_new
from adapters.sql.work import SqlUnitOfWork
from application.books import Figure, Figures, Kind
from application.figures import hour_of, start_of

AT_ONCE: Final = 24
"""Hours that are summed up in one go."""
DAY: Final = 24

_TRAIL, _PAYMENTS, _INVOICES, _KEPT = schema.trail, schema.payments, schema.invoices, schema.figures


class _HourOf(FunctionElement[int]):
    """The hour in which a moment lies, counted from 1970."""

    type = BigInteger()
    inherit_cache = True


@compiles(_HourOf, "postgresql")
def _hour_in_postgresql(element: _HourOf, compiler: SQLCompiler, **options: Any) -> str:
    (moment,) = (compiler.process(part, **options) for part in element.clauses)
    return f"CAST(floor(extract(epoch FROM {moment}) / 3600) AS BIGINT)"


@compiles(_HourOf, "sqlite")
def _hour_in_sqlite(element: _HourOf, compiler: SQLCompiler, **options: Any) -> str:
    (moment,) = (compiler.process(part, **options) for part in element.clauses)
    return f"(CAST(strftime('%s', {moment}) AS INTEGER) / 3600)"


_PAID = _TRAIL.c.kind == literal_column("'successful_payment'")
_OF_CHARGE = and_(
    _PAYMENTS.c.charge_id == _TRAIL.c.telegram_payment_charge_id,
    _TRAIL.c.kind.in_(["successful_payment", "refunded_payment", "payment_resolved"]),
)
_OF_INVOICE = and_(_INVOICES.c.id == _TRAIL.c.invoice_id, _TRAIL.c.kind.in_(["invoice_issued", "pre_checkout"]))
_HOUR = _HourOf(_TRAIL.c.at).label("hour")
_WHAT = (
    _TRAIL.c.kind.label("what"),
    _TRAIL.c.decision.label("decision"),
    func.coalesce(_PAYMENTS.c.method, _INVOICES.c.method, "").label("method"),
    func.coalesce(_PAYMENTS.c.currency, _INVOICES.c.currency, "").label("currency"),
    func.coalesce(_PAYMENTS.c.plan_code, _INVOICES.c.plan_code, "").label("plan_code"),
)
_COUNTED = (
    select(_HOUR, *_WHAT, func.count().label("number"), func.coalesce(func.sum(_PAYMENTS.c.amount), 0).label("amount"))
    .select_from(_TRAIL.outerjoin(_PAYMENTS, _OF_CHARGE).outerjoin(_INVOICES, _OF_INVOICE))
    .where(
        _TRAIL.c.id >= bindparam("first"),
        _TRAIL.c.at >= bindparam("since", type_=_TRAIL.c.at.type),
        _TRAIL.c.at < bindparam("until", type_=_TRAIL.c.at.type),
        or_(
            _TRAIL.c.kind.in_(["invoice_issued", "pre_checkout", "payment_resolved"]),
            _PAID,
            # One that was told before its charge is counted with the charge.
            and_(_TRAIL.c.kind == literal_column("'refunded_payment'"), _TRAIL.c.user_id.is_not(None)),
        ),
    )
    .group_by(_HOUR, *_WHAT)
)
_MARK = select(_KEPT.c.hour, _KEPT.c.number).where(schema.figure_is_mark).order_by(_KEPT.c.hour.desc()).limit(1)
_FIRST = select(_TRAIL.c.id, _TRAIL.c.at).where(_TRAIL.c.id >= bindparam("first")).order_by(_TRAIL.c.id).limit(1)
_FIRST_LATER = _FIRST.where(_TRAIL.c.at >= bindparam("until", type_=_TRAIL.c.at.type))
_LAST = select(func.max(_TRAIL.c.id))
_LAST_BEFORE = _LAST.where(_TRAIL.c.id < bindparam("later"))


class SqlFigures(Figures):
    def __init__(self, work: SqlUnitOfWork) -> None:
        self._work = work

    def between(self, since: int, until: int, *, each: int, by_plan: bool = False) -> Sequence[Figure]:
        with self._work.look() as tx:
            summed, first = _mark(tx.connection)
            sums: dict[tuple[int, Kind, str, str, str], list[int]] = {}
            rows: list[tuple[int, Kind, str, str, str, int, int]] = []
            rest = since
            if each % DAY == 0 and since % DAY == 0:
                rest = max(since, _day(min(until, summed)))
                rows += _kept(tx.connection, DAY, since, rest, each, by_plan=by_plan)
            rows += _kept(tx.connection, 1, rest, min(until, summed), each, by_plan=by_plan)
            if until > summed:
                rows += _counted(tx.connection, first, max(since, summed), until)
        for hour, kind, method, currency, plan_code, number, amount in rows:
            key = (hour - hour % each, kind, method, currency, plan_code if by_plan else "")
            sum_of = sums.setdefault(key, [0, 0])
            sum_of[0] += number
            sum_of[1] += amount
        return [
            Figure(
                bucket=bucket,
                kind=kind,
                method=method,
                currency=currency,
                plan_code=plan_code,
                number=number,
                amount=amount,
            )
            for (bucket, kind, method, currency, plan_code), (number, amount) in sorted(sums.items())
        ]

    def sum_up(self, until: int) -> int:
        with self._work.look() as tx:
            summed, first = _mark(tx.connection)
            next_line = tx.connection.execute(_FIRST, {"first": first}).one_or_none()
            if next_line is None:
                return 0
            begin = max(summed, hour_of(next_line.at))
            end = min(begin + AT_ONCE, until)
            if end <= begin:
                return 0
            rows = _counted(tx.connection, first, begin, end)
            # Lines of a later hour may be committed at any moment, also before others of theirs: so the last line comes
            # before the first later one, and where there is one, all behind the line before it are looked at again.
            last = tx.connection.execute(_LAST).scalar_one()
            later = tx.connection.execute(_FIRST_LATER, {"first": first, "until": start_of(end)}).one_or_none()
            if later:
                last = tx.connection.execute(_LAST_BEFORE, {"later": later.id}).scalar_one()
            next_first = max(first, (last or 0) + 1)
        names = ("hours", "hour", "kind", "method", "currency", "plan_code", "number", "amount")
        kept = [dict(zip(names, (1, *row), strict=True)) for row in rows]
        mark = dict(zip(names, (1, end - 1, "mark", "", "", "", next_first, 0), strict=True))
        with self._work.begin() as tx:
            insert_new(tx.connection, _KEPT, [*kept, mark])
            days = _kept(tx.connection, 1, _day(summed), _day(end), DAY, by_plan=True)
            if days:
                insert_new(tx.connection, _KEPT, [dict(zip(names, (DAY, *row), strict=True)) for row in days])
        return end - begin


def _mark(connection: Connection) -> tuple[int, int]:
    """The first hour that was not summed up, and a line of the trail before which none belongs to it or to later."""
    mark = connection.execute(_MARK).one_or_none()
    return (0, 0) if mark is None else (mark.hour + 1, mark.number)


def _day(hour: int) -> int:
    """The hour in which its day begins."""
    return hour - hour % DAY


def _kept(connection: Connection, hours: int, since: int, until: int, each: int, *, by_plan: bool) -> list[Any]:
    """From the sums of so many hours."""
    if since >= until:
        return []
    bucket = (_KEPT.c.hour - _KEPT.c.hour % each).label("bucket")
    plan_code = _KEPT.c.plan_code if by_plan else literal_column("''").label("plan_code")
    by = [bucket, _KEPT.c.kind, _KEPT.c.method, _KEPT.c.currency, *([plan_code] if by_plan else [])]
    statement = (
        select(bucket, _KEPT.c.kind, _KEPT.c.method, _KEPT.c.currency, plan_code)
        .add_columns(func.sum(_KEPT.c.number), func.sum(_KEPT.c.amount))
        .where(_KEPT.c.hours == hours, _KEPT.c.hour >= since, _KEPT.c.hour < until, _KEPT.c.kind != "mark")
        .group_by(*by)
    )
    return [
        (b, Kind(kind), m, c, p, int(number), int(amount))
        for b, kind, m, c, p, number, amount in connection.execute(statement)
    ]


def _counted(connection: Connection, first: int, since: int, until: int) -> list[Any]:
    given = {"first": first, "since": start_of(since), "until": start_of(until)}
    sums: dict[tuple[int, Kind, str, str, str], list[int]] = {}
    for row in connection.execute(_COUNTED, given):
        for kind in _kinds(row):
            sum_of = sums.setdefault((row.hour, kind, row.method, row.currency, row.plan_code), [0, 0])
            sum_of[0] += row.number
            sum_of[1] += int(row.amount)
    return [(*key, number, amount) for key, (number, amount) in sums.items()]


def _kinds(row: Row[Any]) -> tuple[Kind, ...]:
    """As what a line of the trail counts."""
    match row.what, row.decision:
        case "invoice_issued", _:
            return (Kind.INVOICE,)
        case "pre_checkout", decision:
            return (Kind.APPROVED,) if decision == "ok" else (Kind.REJECTED,)
        case "payment_resolved", _:
            return (Kind.GRANTED,)
        case "refunded_payment", _:
            return (Kind.REFUND,)
        case _, "granted":
            return Kind.PAYMENT, Kind.GRANTED
        case _, "refunded":
            return Kind.PAYMENT, Kind.REFUND
        case _, "quarantined":
            return Kind.PAYMENT, Kind.QUARANTINED
        case _:
            return (Kind.PAYMENT,)
