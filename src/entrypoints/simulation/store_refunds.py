"""Refunds and orders to give back over the simulated store."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from application.ports.payments import ChargeKey
from application.ports.refunds import RefundOrder, RefundOrders, Refunds
from domain.payment import Refund
from entrypoints.simulation.store_money import BrokenConstraint, Port, claimable
from entrypoints.simulation.store_rows import OrderRow


class StoreRefunds(Port, Refunds):
    __slots__ = ()

    def add_new(self, refund: Refund) -> bool:
        self._s.statement("refunds.add_new")
        return self._s.insert(self._t.refunds, refund.key, refund)

    def of(self, charges: Sequence[ChargeKey]) -> Mapping[ChargeKey, Refund]:
        if not charges:
            return {}
        self._s.statement("refunds.of")
        read, table = self._s.read, self._t.refunds
        return {key: row for key in charges if (row := read(table, key)) is not None}


def _taken_up(row: OrderRow, order: RefundOrder, until: datetime) -> OrderRow:
    return row._replace(order=order, claimed_until=until)


class StoreRefundOrders(Port, RefundOrders):
    __slots__ = ()

    def add(self, orders: Sequence[RefundOrder]) -> set[ChargeKey]:
        if not orders:
            return set()
        new = set()
        for order in orders:
            self._s.statement("refund_orders.add.failed_before")
            self._s.delete(self._t.orders, order.key, lambda row: row.failed_at is not None)
        self._s.statement("refund_orders.add")
        for order in orders:
            if not self._s.find(self._t.payments, self._t.payment_ids, order.payment_id):
                raise BrokenConstraint("fk_refund_orders_payment_id_payments")
            if self._s.insert(self._t.orders, order.key, OrderRow(order, due_at=order.asked_at)):
                new.add(order.key)
        return new

    def open_of(self, charge: ChargeKey) -> RefundOrder | None:
        self._s.statement("refund_orders.open_of")
        row = self._s.read(self._t.orders, charge)
        return row.order if row and row.waits else None

    def automatic_since(self, since: datetime) -> int:
        self._s.statement("refund_orders.automatic_since")
        return sum(row.order.automatic and row.order.asked_at >= since for row in self._s.all(self._t.orders))

    def claim(self, now: datetime, *, at_most: int, lease: timedelta) -> Sequence[RefundOrder]:
        self._s.statement("refund_orders.claim.lock")
        self._s.hold("refund_orders")
        self._s.statement("refund_orders.claim")
        rows = self._s.find(self._t.orders, self._t.orders_waiting, True)
        due = [row for row in rows if claimable(row.due_at, row.claimed_until, now, lease)]
        claimed = []
        for row in sorted(due, key=lambda row: (row.due_at, row.order.asked_at, row.order.charge_id))[:at_most]:
            self._s.statement("refund_orders.claimed")
            order = replace(row.order, attempts=row.order.attempts + 1)
            self._change(order.key, partial(_taken_up, order=order, until=now + lease))
            claimed.append(order)
        return claimed

    def retry(self, order: RefundOrder, due_at: datetime, problem: str) -> None:
        self._s.statement("refund_orders.retry")
        self._change(order.key, lambda row: row._replace(due_at=due_at, claimed_until=None, problem=problem))

    def done(self, charge: ChargeKey, now: datetime) -> None:
        self._s.statement("refund_orders.done")
        self._change(charge, lambda row: row._replace(done_at=now, claimed_until=None))

    def failed(self, order: RefundOrder, now: datetime, problem: str) -> None:
        self._s.statement("refund_orders.failed")
        self._change(order.key, lambda row: row._replace(failed_at=now, claimed_until=None, problem=problem))

    def _change(self, charge: ChargeKey, how: Callable[[OrderRow], OrderRow]) -> None:
        self._s.change(self._t.orders, charge, lambda row: how(row) if row.waits else None)
