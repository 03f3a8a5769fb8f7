"""What waits, fails and was given up, and the first of each: for an operator who wants to know why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, Select, bindparam, func, select

from adapters.sql import schema
from adapters.sql.engine import looking

_OUTBOX, _INBOX, _ORDERS = schema.outbox, schema.inbox, schema.refund_orders
_LETTERS = (
    select(_OUTBOX.c.kind.label("what"), _OUTBOX.c.chat_id.label("about"), _OUTBOX.c.created_at.label("since"))
    .add_columns(_OUTBOX.c.attempts, _OUTBOX.c.problem)
    .where(schema.letter_waits)
    # As their index has them.
    .order_by(_OUTBOX.c.bot, _OUTBOX.c.id)
    .limit(bindparam("at_most"))
)
_LETTER_FAILED = _OUTBOX.c.given_up_at > bindparam("after")
_LETTERS_GIVEN_UP = select(func.count()).select_from(_OUTBOX).where(_LETTER_FAILED)
_LAST_GIVEN_UP = (
    select(_OUTBOX.c.kind.label("what"), _OUTBOX.c.chat_id.label("about"), _OUTBOX.c.given_up_at.label("since"))
    .add_columns(_OUTBOX.c.attempts, _OUTBOX.c.problem)
    .where(_LETTER_FAILED)
    .order_by(_OUTBOX.c.given_up_at.desc())
    .limit(bindparam("at_most"))
)
_OF_INBOX = select(
    _INBOX.c.source.label("what"),
    _INBOX.c.bot.label("about"),
    _INBOX.c.received_at.label("since"),
    _INBOX.c.attempts,
    _INBOX.c.problem,
).limit(bindparam("at_most"))
_REPORTS = _OF_INBOX.where(schema.report_waits).order_by(_INBOX.c.due_at, _INBOX.c.id)
_GIVEN_UP = _OF_INBOX.where(_INBOX.c.given_up_at.is_not(None)).order_by(_INBOX.c.id.desc())
_HAS_FAILED = (_ORDERS.c.failed_at > bindparam("after"), schema.payments.c.status != "refunded")
_FAILED_NUMBER = (
    select(func.count())
    .select_from(_ORDERS)
    .join(schema.payments, schema.payments.c.id == _ORDERS.c.payment_id)
    .where(*_HAS_FAILED)
)
_OLDEST_ORDER = select(func.min(_ORDERS.c.asked_at)).where(schema.order_waits)
_FAILING = select(schema.event_endpoints.c.failing_since).where(schema.event_endpoints.c.id == bindparam("endpoint"))
_FAILED = (
    select(
        _ORDERS.c.reason.label("what"),
        _ORDERS.c.payment_id.label("about"),
        _ORDERS.c.failed_at.label("since"),
        _ORDERS.c.attempts,
        _ORDERS.c.problem,
    )
    .join(schema.payments, schema.payments.c.id == _ORDERS.c.payment_id)
    .where(*_HAS_FAILED)
    .order_by(_ORDERS.c.failed_at.desc())
    .limit(bindparam("at_most"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """`about` is the chat of a letter, the bot of a report, the payment of a refund."""

    what: str
    about: str
    since: datetime
    attempts: int
    problem: str


class SqlQueues:
    """Every question raises Unavailable where the database does not do its part."""

    def __init__(self, engine: Engine) -> None:
        self._engine = looking(engine)

    def letters(self, *, at_most: int) -> Sequence[Waiting]:
        """Those that wait to be sent, each bot's oldest first."""
        return self._rows(_LETTERS, at_most=at_most)

    def letters_given_up(self, after: datetime) -> int:
        """How many were never sent and are tried no more."""
        return self._count(_LETTERS_GIVEN_UP, after=after)

    def last_letters_given_up(self, after: datetime, *, at_most: int) -> Sequence[Waiting]:
        """The newest first; `since` is when that was."""
        return self._rows(_LAST_GIVEN_UP, after=after, at_most=at_most)

    def reports(self, *, at_most: int) -> Sequence[Waiting]:
        """Those that wait to be dealt with, what is due first."""
        return self._rows(_REPORTS, at_most=at_most)

    def given_up(self, *, at_most: int) -> Sequence[Waiting]:
        """Reports that nobody takes up again by itself, the newest first."""
        return self._rows(_GIVEN_UP, at_most=at_most)

    def refunds_oldest(self, now: datetime) -> timedelta | None:
        """How long ago the oldest refund was ordered that no provider has confirmed or refused."""
        return self._age(_OLDEST_ORDER, now)

    def endpoint_failing(self, endpoint: str, now: datetime) -> timedelta | None:
        """For how long that endpoint has taken nothing of what it was given; None where it takes it."""
        return self._age(_FAILING, now, endpoint=endpoint)

    def refunds_failed(self, after: datetime) -> int:
        """How many refunds providers have refused for good, of money that did not go back otherwise."""
        return self._count(_FAILED_NUMBER, after=after)

    def failed_refunds(self, after: datetime, *, at_most: int) -> Sequence[Waiting]:
        """The newest first."""
        return self._rows(_FAILED, after=after, at_most=at_most)

    def _count(self, statement: Select[int], **given: Any) -> int:
        with self._engine.connect() as connection:
            return connection.execute(statement, given).scalar_one()

    def _age(self, statement: Select[Any], now: datetime, **given: Any) -> timedelta | None:
        with self._engine.connect() as connection:
            since = connection.execute(statement, given).scalar_one_or_none()
        return None if since is None else max(now - since, timedelta(0))

    def _rows(self, statement: Select[Any], **given: Any) -> Sequence[Waiting]:
        with self._engine.connect() as connection:
            return [
                Waiting(
                    what=row.what,
                    about=str(row.about),
                    since=row.since,
                    attempts=row.attempts,
                    problem=row.problem or "",
                )
                for row in connection.execute(statement, given)
            ]
