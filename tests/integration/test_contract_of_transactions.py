"""A transaction is all of it or nothing, in memory as in a database."""

import pytest

from application.ports.work import UnitOfWork
from domain.errors import Conflict
from domain.payment import Provider
from tests.builders import ALICE, BOB, MAIN, charge, invoice, payment, refund
from tests.integration.transactions import undone
from tests.memory import NOON

pytest_plugins = ["tests.integration.databases"]


def test_a_story_that_is_told_to_its_end_is_kept(work: UnitOfWork) -> None:
    with work.begin() as tx:
        tx.lock(charges=[charge().key, (Provider.STRIPE, charge().charge_id)], users=[BOB, ALICE, BOB])
        tx.invoices.add([invoice()])
        tx.payments.add_new([payment()])
        assert tx.payments.of([charge().key])
    with work.look() as tx:
        assert tx.payments.of([charge().key])


@pytest.mark.parametrize("raised", [Conflict("no"), KeyError("a mistake"), KeyboardInterrupt()], ids=repr)
def test_a_story_that_breaks_off_leaves_nothing(work: UnitOfWork, raised: BaseException) -> None:
    with undone(work, raised) as tx:
        tx.invoices.add([invoice()])
        tx.payments.add_new([payment()])
        tx.refunds.add_new(refund())
        tx.updates.first_seen(MAIN, 1, NOON)
    with work.begin() as tx:
        assert tx.invoices.of([invoice().id]) == {}
        assert tx.payments.of([charge().key]) == {}
        assert tx.refunds.of([charge().key]) == {}
        assert tx.updates.first_seen(MAIN, 1, NOON)


def test_one_that_only_reads_can_not_write(work: UnitOfWork) -> None:
    with pytest.raises(AssertionError), work.look() as tx:
        tx.invoices.add([invoice()])
    with work.look() as tx:
        assert tx.invoices.of([invoice().id]) == {}


def test_locks_are_gone_with_their_transaction(work: UnitOfWork) -> None:
    for _ in range(3):
        with work.begin() as tx:
            tx.lock(charges=[charge().key])
            tx.lock(users=[ALICE])
        with undone(work) as tx:
            tx.lock(users=[ALICE])


def test_to_lock_nothing_is_allowed(work: UnitOfWork) -> None:
    with work.begin() as tx:
        tx.lock()
