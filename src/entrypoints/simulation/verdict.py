"""What must hold once nothing goes wrong any more and all queues are empty."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from application.ports.payments import ChargeKey
from domain.catalog import Method
from domain.entitlement import Entitlement
from domain.ids import PaymentId, UserId
from domain.payment import DisputeState, Payment, PaymentStatus
from entrypoints.simulation.oracle import DAYS, misjudged, time_paid_for
from entrypoints.simulation.store import Store
from entrypoints.simulation.stripe import Intent
from entrypoints.simulation.telegram import TelegramCharge, in_order
from entrypoints.simulation.truth import RealCharge, Truth, gone, payer_of

Spans = Mapping[PaymentId | None, Sequence[Entitlement]]


def judge(store: Store, truth: Truth) -> Iterator[str]:
    """Every violation, with the number of its invariant in docs/guarantees.md."""
    tables = store.tables
    books = {key: row.payment for key, row in tables.payments.rows.items()}
    living: dict[PaymentId | None, list[Entitlement]] = defaultdict(list)
    for span in tables.entitlements.rows.values():
        if span.revoked_at is None:
            living[span.payment_id].append(span)
    for key, charge in truth.charges().items():
        if key in books:
            yield from _ended(key, charge, books[key], living.get(books[key].id, ()), store.world.now)
        elif not may_be_forgotten(charge, truth):
            yield f"1: {key[1]} ended nowhere"
    yield from misjudged(truth, books)
    yield from _time(store, books, living, truth)
    yield from _letters(store, truth)


def may_be_forgotten(charge: RealCharge, truth: Truth) -> bool:
    """A payment provider's charges are in no ledger that could be asked: such a one is lost with what was committed
    last, or where we are away for longer than Telegram keeps its news."""
    unlisted = isinstance(charge, TelegramCharge) and charge.method is Method.TELEGRAM
    return unlisted and (truth.restored or truth.away_until is not None)


def _ended(
    key: ChargeKey, charge: RealCharge, payment: Payment, living: Sequence[Entitlement], now: datetime
) -> Iterator[str]:
    if payment.charge.payer != payer_of(charge):
        yield f"17: {key[1]} was paid by {payer_of(charge)}, and counts for {payment.charge.payer}"
    if (payment.charge.paid.amount, payment.charge.paid.currency) != _sum(charge):
        yield f"16: {key[1]} is {_sum(charge)}, and {payment.charge.paid} by our books"
    if payment.status is PaymentStatus.REFUND_PENDING:
        yield f"1: {key[1]} is still to be given back"
    if gone(charge):
        if payment.status is not PaymentStatus.REFUNDED:
            yield f"9: {key[1]} went back at its provider, and is {payment.status}"
        if living:
            yield f"9: {key[1]} went back, and still opens a door"
        return
    if payment.status is PaymentStatus.REFUNDED:
        yield f"7: {key[1]} counts as given back, and is not"
    disputed = isinstance(charge, Intent) and DisputeState.WITHDRAWN in charge.disputes.values()
    if disputed and any(span.lasts(now) for span in living):
        yield f"9: {key[1]} was taken away in a dispute, and still opens a door"
    if payment.status is PaymentStatus.GRANTED and not disputed and len(living) != 1:
        yield f"4: {key[1]} is granted with {len(living)} grants"
    if payment.status is PaymentStatus.QUARANTINED and living:
        yield f"6: {key[1]} is in quarantine, and opens a door"
    if isinstance(charge, Intent) and payment.amount_refunded != charge.given_back:
        yield f"7: of {key[1]} {charge.given_back} went back, {payment.amount_refunded} by our books"


def _sum(charge: RealCharge) -> tuple[int, str]:
    currency = charge.currency if isinstance(charge, TelegramCharge) else charge.invoice.offer.price.currency
    return charge.amount, currency


def _time(store: Store, books: Mapping[ChargeKey, Payment], living: Spans, truth: Truth) -> Iterator[str]:
    """Nobody has more time than was paid for, nor less, nor a gap in it."""
    held: dict[tuple[UserId, str], list[Entitlement]] = defaultdict(list)
    by_id = {payment.id: payment for payment in books.values()}
    interrupted = set()
    too_late = {
        (span.user_id, span.plan_code)
        for span in store.tables.entitlements.rows.values()
        if span.revoked_at and span.expires_at and span.revoked_at >= span.expires_at
    }
    """Where money went back for time that had passed, there was nothing left to move up."""
    for payment_id, spans in living.items():
        payment = by_id.get(payment_id) if payment_id else None
        for span in spans:
            held[span.user_id, span.plan_code].append(span)
            if payment is None or payment.status not in (PaymentStatus.GRANTED, PaymentStatus.REFUND_PENDING):
                yield f"6: {span.id} opens a door that nobody paid for"
            elif span.user_id != payment.charge.payer:
                yield f"17: {span.id} opens a door for another than who paid"
    for payment in books.values():
        if payment.disputes or truth.restored:
            interrupted.add((payment.charge.payer, payment.plan_code))
    owed = time_paid_for(truth, books)
    for whose in owed.keys() | held.keys():
        mine = sorted(held.get(whose, ()), key=lambda span: span.starts_at)
        if whose[1] not in DAYS:
            continue
        has = sum(((span.expires_at or span.starts_at) - span.starts_at for span in mine), timedelta())
        if has != owed.get(whose, timedelta()) and whose not in interrupted:
            yield f"5: user {whose[0]} paid for {owed.get(whose)} of {whose[1]}, and has {has}"
        if has > owed.get(whose, timedelta()):
            yield f"5: user {whose[0]} has more of {whose[1]} than was paid for: {has}"
        yield from _row(mine, whose, gaps=not truth.clocks_jumped and whose not in too_late)


def _row(mine: Sequence[Entitlement], whose: tuple[UserId, str], *, gaps: bool) -> Iterator[str]:
    for earlier, later in pairwise(mine):
        if earlier.expires_at is None:
            continue
        if later.starts_at < earlier.expires_at:
            yield f"5: two spans of {whose[1]} of user {whose[0]} lie over each other"
        if gaps and later.starts_at > earlier.expires_at and later.granted_at < earlier.expires_at:
            yield f"7: between two spans of {whose[1]} of user {whose[0]} is a gap"


def _letters(store: Store, truth: Truth) -> Iterator[str]:
    received: dict[UserId, set[int]] = defaultdict(set)
    for user, letters in truth.telegram.received.items():
        received[user] = {id for id, _ in letters}
    for row in store.tables.outbox.rows.values():
        letter = row.letter
        if row.waits:
            yield f"10: letter {letter.id} was never sent"
        elif row.sent_at is not None and not truth.restored and letter.id not in received[UserId(letter.chat_id)]:
            yield f"10: letter {letter.id} counts as sent, and nobody got it"
    if not truth.restored:
        for user, letters in truth.telegram.received.items():
            if not in_order(letters):
                yield f"10: user {user} got letters out of order"
