"""Many at once, in threads and as several processes: money is settled once, rates are exact, letters go in order."""

import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from itertools import pairwise
from threading import Barrier
from typing import TypeVar

import pytest
from sqlalchemy import Engine, func, select

from adapters.sql import schema
from adapters.sql.work import SqlUnitOfWork
from application.grants import Gift, GrantByHand
from application.messages import Letter, PaySupport
from application.ports.surroundings import Ids
from application.refunds import RecordRefund
from application.settlement import SettleCharges
from domain.ids import ChargeId, EntitlementId, InvoiceId, PassportId, PaymentId, UserId
from domain.invoice import Invoice
from domain.payment import Charge, PaymentStatus
from tests.builders import ALICE, BOB, MAIN, charge, invoice, invoice_id, refund, shop
from tests.integration.transactions import all_held
from tests.memory import NOON, FixedClock, MemoryJournal

pytest_plugins = ["tests.integration.databases"]

Answer = TypeVar("Answer")
MINUTE = timedelta(minutes=1)
ROUNDS = 25


class RandomIds(Ids):
    def invoice(self) -> InvoiceId:
        return InvoiceId(f"inv_{secrets.token_hex(16)}")

    def payment(self) -> PaymentId:
        return PaymentId(f"pay_{secrets.token_hex(16)}")

    def entitlement(self) -> EntitlementId:
        return EntitlementId(f"ent_{secrets.token_hex(16)}")

    def passport(self) -> PassportId:
        return PassportId(f"pas_{secrets.token_hex(16)}")


def at_once(*acts: Callable[[], Answer]) -> list[Answer]:
    """What each says, all begun at the same moment."""
    barrier = Barrier(len(acts))

    def begin(act: Callable[[], Answer]) -> Answer:
        barrier.wait()
        return act()

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(begin, acts))


def giving(work: SqlUnitOfWork) -> GrantByHand:
    return GrantByHand(work, FixedClock(), RandomIds(), shop(), MemoryJournal(), bots=[MAIN])


def settling(work: SqlUnitOfWork) -> SettleCharges:
    return SettleCharges(work=work, clock=FixedClock(), ids=RandomIds(), shop=shop(), journal=MemoryJournal())


def refunding(work: SqlUnitOfWork) -> RecordRefund:
    return RecordRefund(work=work, clock=FixedClock(), ids=RandomIds(), journal=MemoryJournal())


def issue(work: SqlUnitOfWork, *invoices: Invoice) -> None:
    with work.begin() as tx:
        tx.invoices.add(invoices)


def sold(number: int, payer: UserId = ALICE) -> tuple[Invoice, Charge]:
    """An invoice and the charge that pays it."""
    issued = invoice(id=invoice_id(number), payer=payer)
    return issued, charge(issued, charge_id=ChargeId(f"charge-{number}"))


def rows(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (schema.payments, schema.entitlements, schema.outbox, schema.trail)
        }


@pytest.mark.threat(3)
@pytest.mark.criterion("3.4", "3.5", "5.5")
def test_one_charge_reported_fifty_times_at_once_is_one_payment_one_grant_and_one_letter(
    engine: Engine, other_engine: Engine
) -> None:
    works = [SqlUnitOfWork(engine), SqlUnitOfWork(other_engine)]
    issued, paid = sold(1)
    issue(works[0], issued)
    reports = [settling(works[n % 2]) for n in range(50)]
    answers = at_once(*(lambda settle=settle: settle([paid])[paid.key] for settle in reports))
    assert {(answer.status, answer.id) for answer in answers} == {(PaymentStatus.GRANTED, answers[0].id)}
    assert rows(engine) == {"payments": 1, "entitlements": 1, "outbox": 1, "telegram_payment_events": 1}


def test_two_charges_of_one_user_at_once_follow_each_other(engine: Engine, other_engine: Engine) -> None:
    works = [SqlUnitOfWork(engine), SqlUnitOfWork(other_engine)]
    pairs = [sold(number) for number in range(1, 9)]
    issue(works[0], *(issued for issued, _ in pairs))
    at_once(*(lambda n=n, paid=paid: settling(works[n % 2])([paid]) for n, (_, paid) in enumerate(pairs)))
    held = all_held(works[0], ALICE)
    assert len(held) == 8
    assert held[0].starts_at == NOON
    assert [later.starts_at for later in held[1:]] == [earlier.expires_at for earlier in held[:-1]]


@pytest.mark.threat(9)
def test_one_invoice_paid_by_many_charges_at_once_is_granted_once(engine: Engine, other_engine: Engine) -> None:
    works = [SqlUnitOfWork(engine), SqlUnitOfWork(other_engine)]
    issued = invoice()
    issue(works[0], issued)
    charges = [charge(issued, charge_id=ChargeId(f"charge-{n}")) for n in range(10)]
    charges += [charge(issued, charge_id=ChargeId(f"bobs-{n}"), payer=BOB) for n in range(10)]
    answers = at_once(*(lambda n=n, c=c: settling(works[n % 2])([c])[c.key].status for n, c in enumerate(charges)))
    assert Counter(answers) == {PaymentStatus.GRANTED: 1, PaymentStatus.QUARANTINED: 19}
    assert len(all_held(works[0], ALICE)) == 1
    assert all_held(works[0], BOB) == []


def test_batches_with_the_same_charges_in_another_order_do_not_block_each_other(
    engine: Engine, other_engine: Engine
) -> None:
    works = [SqlUnitOfWork(engine), SqlUnitOfWork(other_engine)]
    for number in range(ROUNDS):
        pairs = [sold(10 * number + n, payer=UserId(ALICE + n)) for n in range(1, 9)]
        issue(works[0], *(issued for issued, _ in pairs))
        batch = [paid for _, paid in pairs]
        answers = at_once(
            lambda: settling(works[0])(batch),  # noqa: B023 - done before the next round
            lambda: settling(works[1])(batch[::-1]),  # noqa: B023
        )
        assert dict(answers[0]) == dict(answers[1])


@pytest.mark.threat(26)
def test_a_refund_and_its_payment_at_once_never_end_granted(engine: Engine, other_engine: Engine) -> None:
    works = [SqlUnitOfWork(engine), SqlUnitOfWork(other_engine)]
    for number in range(1, ROUNDS + 1):
        issued, paid = sold(number)
        issue(works[0], issued)
        at_once(
            lambda: settling(works[number % 2])([paid]) and None,  # noqa: B023 - done before the next round
            lambda: refunding(works[1 - number % 2])(refund(paid)),  # noqa: B023
        )
        with works[0].look() as tx:
            assert tx.payments.of([paid.key])[paid.key].status is PaymentStatus.REFUNDED
        assert all_held(works[0], ALICE) == []


@pytest.mark.threat(24)
@pytest.mark.criterion("1.7")
def test_of_twenty_attempts_at_once_at_two_processes_exactly_five_are_admitted(
    engine: Engine, other_engine: Engine
) -> None:
    works = [SqlUnitOfWork(engine), SqlUnitOfWork(other_engine)]

    def attempt(work: SqlUnitOfWork) -> timedelta | None:
        with work.begin() as tx:
            return tx.attempts.admit(ALICE, NOON, at_most=5, within=MINUTE)

    for _ in range(3):
        answers = at_once(*(lambda n=n: attempt(works[n % 2]) for n in range(20)))
        assert Counter(answers) <= Counter({None: 5, MINUTE: 20})
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(schema.purchase_attempts)).scalar_one() == 5


def test_an_update_delivered_to_two_processes_at_once_is_taken_by_one(engine: Engine, other_engine: Engine) -> None:
    works = [SqlUnitOfWork(engine), SqlUnitOfWork(other_engine)]

    def take(work: SqlUnitOfWork) -> bool:
        with work.begin() as tx:
            return tx.updates.first_seen(MAIN, 1, NOON)

    assert sum(at_once(*(lambda n=n: take(works[n % 2]) for n in range(16)))) == 1


@pytest.mark.threat(51)
def test_what_two_relays_claim_at_once_is_claimed_once_and_in_the_order_of_each_chat(
    engine: Engine, other_engine: Engine
) -> None:
    works = [SqlUnitOfWork(engine), SqlUnitOfWork(other_engine)]
    letters = [
        Letter(bot=MAIN, chat_id=number % 8, language="en", message=PaySupport(user_id=UserId(number)))
        for number in range(1, 65)
    ]
    with works[0].begin() as tx:
        tx.outbox.add(letters, NOON)

    next_second = Barrier(4)

    def carry(work: SqlUnitOfWork) -> Sequence[Letter]:
        carried: list[Letter] = []
        for second in range(24):
            next_second.wait()
            now = NOON + timedelta(seconds=second)
            with work.begin() as tx:
                claimed = tx.outbox.claim(now, at_most=5, lease=MINUTE)
            for letter in claimed:
                with work.begin() as tx:
                    tx.outbox.sent(letter, now)
            carried += claimed
        return carried

    carried = [letter for mine in at_once(*(lambda n=n: carry(works[n % 2]) for n in range(4))) for letter in mine]
    assert sorted(letter.id for letter in carried) == sorted({letter.id for letter in carried})
    assert len(carried) == len(letters)
    with engine.connect() as connection:
        sent = connection.execute(select(schema.outbox).order_by(schema.outbox.c.claimed_at, schema.outbox.c.id)).all()
    for chat in range(8):
        of_chat = [row.id for row in sent if row.chat_id == chat]
        assert of_chat == sorted(of_chat)


def test_one_key_used_by_many_at_once_gives_once_and_the_same_answer_to_all(
    engine: Engine, other_engine: Engine
) -> None:
    works = [SqlUnitOfWork(engine), SqlUnitOfWork(other_engine)]
    gift = Gift(user_id=ALICE, plan_code="gold_1m", reason="a gift")
    for number in range(5):
        answers = at_once(*(partial(giving(works[n % 2]), gift, actor="olga", key=f"k{number}") for n in range(6)))
        assert len({answer.id for answer in answers}) == 1
        assert len(all_held(works[0], ALICE)) == number + 1


def test_gifts_at_once_follow_on_each_other_without_a_gap(engine: Engine, other_engine: Engine) -> None:
    works = [SqlUnitOfWork(engine), SqlUnitOfWork(other_engine)]
    gift = Gift(user_id=ALICE, plan_code="gold_1m", reason="a gift")
    at_once(*(partial(giving(works[n % 2]), gift, actor="olga") for n in range(8)))
    held = all_held(works[0], ALICE)
    assert len(held) == 8
    assert all(earlier.expires_at == later.starts_at for earlier, later in pairwise(held))
