"""Planted bugs, each by its name: those that others have made. The simulation must catch every one of them."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from adapters.telegram.updates import read_update
from application.messages import Letter
from application.ports.ledgers import LedgerEntry, LedgerPage, StarLedger
from application.ports.outbox import Delivery, Messenger, Sent
from application.ports.payments import ChargeKey
from application.ports.refunds import RefundOrder
from domain.ids import BotName, ChargeId
from domain.payment import ChargeStanding, Payment, Refund
from entrypoints.simulation import sabotage_of_books
from entrypoints.simulation.service import Service
from entrypoints.simulation.telegram import BOT


class _AnsweredBeforeCommit(Service):
    def telegram_webhook(self, body: bytes) -> tuple[int, bytes]:
        if b"pre_checkout" in body:
            return super().telegram_webhook(body)
        self.world.spawn("afterwards", lambda: self._afterwards(body), self)
        return 200, b"{}"

    def _afterwards(self, body: bytes) -> None:
        self.world.wait(0.01)
        Service.telegram_webhook(self, body)


class _RefusesNonsense(Service):
    def telegram_webhook(self, body: bytes) -> tuple[int, bytes]:
        content = read_update(body, BOT, None).content
        return (400, b"{}") if type(content).__name__ == "Unreadable" else super().telegram_webhook(body)


class _HighestUpdate(Service):
    highest = 0

    def telegram_webhook(self, body: bytes) -> tuple[int, bytes]:
        number = json.loads(body)["update_id"]
        if number <= self.highest:
            return 200, b"{}"
        answer = super().telegram_webhook(body)
        if answer[0] == 200:
            self.highest = number
        return answer


class _BelievesTheSender(Service):
    def telegram_webhook(self, body: bytes) -> tuple[int, bytes]:
        message = json.loads(body).get("message", {})
        if "refunded_payment" in message and message["from"]["is_bot"]:
            return 200, b"{}"  # a bot has paid nothing here
        return super().telegram_webhook(body)

    def reconcile(self, *, whole: bool) -> bool:
        return True


class _Tombless(Service):
    """A refund that comes before its payment is forgotten, and so is whoever tells of it again."""

    def rig(self) -> None:
        record = self.record_refund

        def forgetful(refund: Refund) -> None:
            forgotten: set[ChargeKey] = self.store.memory.setdefault("forgotten", set())
            with self.work.look() as tx:
                known = tx.payments.of([refund.key])
            if not known or refund.key in forgotten:
                forgotten.add(refund.key)
                return
            record(refund)

        self.record_refund = forgetful  # type: ignore[assignment]


class _PartBySubtraction(Service):
    def rig(self) -> None:
        follow = self.follow

        def told(standing: ChargeStanding) -> None:
            with self.work.look() as tx:
                known = tx.payments.of([standing.key]).get(standing.key)
            before = known.amount_refunded if known else 0
            follow(replace(standing, amount_refunded=min(standing.amount, before + standing.amount_refunded)))

        self.follow = told  # type: ignore[assignment]


class _GrantsBothEvents(Service):
    def rig(self) -> None:
        checkout = self.checkout

        class EachEvent:
            def __getattr__(self, name: str) -> Any:
                return getattr(checkout, name)

            def snapshot(self, event: Any) -> Any:
                found = checkout.snapshot(event)
                if found is None or found.charge is None or not event.id:
                    return found
                return replace(found, charge=replace(found.charge, charge_id=ChargeId(event.id)))

        self.checkout = EachEvent()  # type: ignore[assignment]


class _TestModeAccepted(Service):
    """Whether money is real is not asked."""

    live = None


class _NoReconciler(Service):
    def reconcile(self, *, whole: bool) -> bool:
        return True


class _WithoutDirection(Service):
    def rig(self) -> None:
        ledger = self.reconcile_stars.ledger

        class ComingInOnly(StarLedger):
            def page(self, bot: BotName, offset: int) -> LedgerPage:
                page = ledger.page(bot, offset)
                return replace(page, entries=tuple(_incoming(entry) for entry in page.entries))

            def balance(self, bot: BotName) -> int:
                return ledger.balance(bot)

        self.reconcile_stars = replace(self.reconcile_stars, ledger=ComingInOnly())


def _incoming(entry: LedgerEntry) -> LedgerEntry:
    return replace(entry, content=None) if isinstance(entry.content, Refund) else entry


class _RetriesWithoutAsking(Service):
    def rig(self) -> None:
        refunder = self.refunder

        class NeverAsks:
            def given_back(self, payment: Payment, order: RefundOrder) -> bool:
                return False

            def give_back(self, payment: Payment, order: RefundOrder) -> Any:
                return refunder.give_back(payment, order)

        self.refunder = NeverAsks()  # type: ignore[assignment]


def _sent(messenger: Messenger, letter: Letter) -> int:
    messenger.send(letter)
    return 1


class _MarkedFirst(Service):
    """Marks a letter as sent in a transaction before it sends it."""

    def work_through(self) -> None:
        deliver = self.deliver
        messenger = deliver.messenger

        class Marking(Messenger):
            def send(self, letter: Letter) -> Delivery:
                return Sent(message_id=1)

            def invoice_link(self, letter: Letter) -> str:
                return ""

        waiting = [row.letter for row in self.store.tables.outbox.rows.values() if row.waits]
        marked = self._try(lambda: replace(deliver, messenger=Marking())(5))
        rows = self.store.tables.outbox.rows
        for letter in [one for one in waiting if marked and not rows[one.id].waits]:
            self._try(lambda: _sent(messenger, letter))  # noqa: B023
        super().work_through()


BUGS: Final[Mapping[str, type[Service]]] = {
    **sabotage_of_books.BUGS,
    "200 before commit": _AnsweredBeforeCommit,
    "refund tombstone ignored": _Tombless,
    "partial refund by subtraction": _PartBySubtraction,
    "marked sent in another transaction": _MarkedFirst,
    "refund retried after a time-out without asking": _RetriesWithoutAsking,
    "highest update_id as dedupe": _HighestUpdate,
    "non-2xx on nonsense": _RefusesNonsense,
    "session.completed and invoice.paid both grant": _GrantsBothEvents,
    "`from` believed on a refund": _BelievesTheSender,
    "no reconciler": _NoReconciler,
    "reconciler without direction": _WithoutDirection,
    "test mode accepted": _TestModeAccepted,
}
