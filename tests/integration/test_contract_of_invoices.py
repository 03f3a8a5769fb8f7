"""What every place that keeps invoices must do, in memory as in a database."""

from dataclasses import replace
from datetime import timedelta

import pytest

from application.ports.work import UnitOfWork
from domain.catalog import Method
from domain.errors import Unavailable
from domain.ids import ChargeId, InvoiceId
from domain.invoice import Invoice
from tests.builders import BOB, FOR_LIFE, SECOND_BOT, SILVER, invoice, invoice_id, offer
from tests.memory import NOON

pytest_plugins = ["tests.integration.databases"]

ISSUED = invoice_id()
UNKNOWN = InvoiceId("inv_ffffffffffffffffffffffffffffffff")


def kept(work: UnitOfWork, id: InvoiceId = ISSUED) -> Invoice:
    with work.look() as tx:
        return tx.invoices.of([id])[id]


def keep(work: UnitOfWork, *invoices: Invoice) -> None:
    with work.begin() as tx:
        tx.invoices.add(invoices)


@pytest.mark.parametrize(
    "issued",
    [
        pytest.param(invoice(), id="plain"),
        pytest.param(invoice(SILVER, bot=SECOND_BOT, payer=BOB, language="pt-br"), id="of another bot and language"),
        pytest.param(invoice(FOR_LIFE, offer=offer(FOR_LIFE, "GBP"), method=Method.TELEGRAM), id="for life, in pounds"),
        pytest.param(invoice(offer=replace(offer(), features=(), limits={})), id="that opens nothing"),
        pytest.param(invoice(offer=replace(offer(), title="Золото 🥇", description="\\b 'c' \"")), id="in any script"),
        pytest.param(invoice(approved_at=NOON, settled_by=ChargeId("c"), cancelled_at=NOON), id="with all that can be"),
        pytest.param(invoice(issued_at=NOON + timedelta(microseconds=1)), id="to the microsecond"),
    ],
)
def test_an_invoice_comes_back_as_it_was_kept(work: UnitOfWork, issued: Invoice) -> None:
    keep(work, issued)
    assert kept(work) == issued


def test_of_several_asked_for_those_that_are_kept_are_told(work: UnitOfWork) -> None:
    first, second = invoice(), invoice(id=invoice_id(2))
    keep(work, first, second)
    with work.look() as tx:
        assert tx.invoices.of([second.id, UNKNOWN, first.id]) == {first.id: first, second.id: second}
        assert tx.invoices.of([]) == {}


def test_an_invoice_that_is_kept_already_stays_as_it_is(work: UnitOfWork) -> None:
    keep(work, invoice())
    keep(work, invoice(payer=BOB), invoice(id=invoice_id(2)))
    assert kept(work) == invoice()
    assert kept(work, invoice_id(2)).id == invoice_id(2)


def test_only_the_first_approval_is_noted(work: UnitOfWork) -> None:
    keep(work, invoice())
    for later in range(2):
        with work.begin() as tx:
            tx.invoices.approve([invoice_id(), UNKNOWN], NOON + timedelta(seconds=later))
    assert kept(work).approved_at == NOON


def test_each_is_settled_by_its_own_charge(work: UnitOfWork) -> None:
    keep(work, invoice(), invoice(id=invoice_id(2)), invoice(id=invoice_id(3)))
    with work.begin() as tx:
        tx.invoices.settle({invoice_id(2): ChargeId("second"), invoice_id(1): ChargeId("first")})
    assert [kept(work, invoice_id(n)).settled_by for n in (1, 2, 3)] == ["first", "second", None]


@pytest.mark.parametrize("wrong", [pytest.param(invoice_id(), id="paid"), pytest.param(UNKNOWN, id="unknown")])
def test_a_second_charge_can_not_settle_it(work: UnitOfWork, wrong: InvoiceId) -> None:
    keep(work, invoice(), invoice(id=invoice_id(2)))
    with work.begin() as tx:
        tx.invoices.settle({invoice_id(): ChargeId("first")})
    with pytest.raises(Unavailable), work.begin() as tx:
        tx.invoices.settle({invoice_id(2): ChargeId("third"), wrong: ChargeId("second")})
    assert kept(work).settled_by == "first"
    assert kept(work, invoice_id(2)).settled_by is None


def test_cancelled_is_what_is_neither_paid_nor_cancelled(work: UnitOfWork) -> None:
    keep(work, invoice(), invoice(id=invoice_id(2), settled_by=ChargeId("c")))
    for later in range(2):
        with work.begin() as tx:
            for id in (invoice_id(), invoice_id(2), UNKNOWN):
                tx.invoices.cancel(id, NOON + timedelta(seconds=later))
    assert kept(work).cancelled_at == NOON
    assert kept(work, invoice_id(2)).cancelled_at is None


def test_the_message_by_which_it_stands_in_the_chat_is_no_part_of_it(work: UnitOfWork) -> None:
    keep(work, invoice())
    with work.begin() as tx:
        tx.invoices.sent(invoice_id(), 4711)
        tx.invoices.sent(UNKNOWN, 4712)
    assert kept(work) == invoice()


def test_nothing_is_asked_of_the_database_for_nothing(work: UnitOfWork) -> None:
    with work.begin() as tx:
        tx.invoices.add([])
        tx.invoices.approve([], NOON)
        tx.invoices.settle({})
