"""A button does what it says, once, for the user it was made for and nobody else."""

from collections.abc import Sequence
from typing import Any

import pytest

from application.buttons import Action, Buy, Cancel, ShowMethods, ShowPlans
from application.chat import MOST_UNANSWERED, AnswerPress, ButtonPress, Toast
from application.messages import InvoiceMessage, MethodMenu, PlanMenu, PurchaseDeclined
from application.ports.trail import TrailEntry
from domain.catalog import Method
from domain.duration import LIFETIME
from domain.errors import Unavailable
from domain.events import InvoiceCancelled, InvoiceIssued, PurchaseRefused
from domain.ids import ChargeId, PlanCode
from domain.invoice import Invoice, Objection
from tests.builders import (
    ALICE,
    BOB,
    DAY,
    FOR_LIFE,
    GOLD,
    MAIN,
    MALLORY,
    SECOND,
    SECOND_BOT,
    SILVER,
    Rigged,
    Service,
    charge,
    entitlement,
    invoice,
    invoice_id,
    query,
    shop,
)
from tests.memory import NOON, MemoryInvoices, MemoryTransaction, MemoryUnitOfWork

BUY_GOLD = Buy(plan_code=GOLD.code, method=Method.STARS)
CANCEL = Cancel(invoice_id=invoice_id())


def pressed(action: Action | None, **different: Any) -> ButtonPress:
    """Alice presses a button that was made for her, in her private chat."""
    return ButtonPress(
        **{
            "bot": MAIN,
            "update_id": 1,
            "chat_id": ALICE,
            "user_id": ALICE,
            "language": "en",
            "owner": ALICE,
            "action": action,
            **different,
        }
    )


def press(service: Service, done: ButtonPress) -> Toast:
    return AnswerPress(work=service.work, clock=service.clock, shop=service.shop, journal=service.journal)(done)


@pytest.mark.parametrize(
    ("action", "answered"),
    [
        pytest.param(ShowPlans(), PlanMenu(user_id=ALICE, plans=shop().choices()), id="the plans"),
        pytest.param(ShowMethods(plan_code=PlanCode("nope")), PurchaseDeclined(code="unknown_plan"), id="no plan"),
    ],
)
def test_a_button_shows(action: Action, answered: object) -> None:
    service = Service()

    assert press(service, pressed(action)) is Toast.DONE
    assert service.state.messages == [answered]
    assert service.journal.events == []


def test_a_plan_s_button_shows_the_methods_that_are_set_up() -> None:
    service = Service()

    press(service, pressed(ShowMethods(plan_code=GOLD.code), language="de", bot=SECOND_BOT))

    [kept] = service.state.outbox
    assert (kept.letter.bot, kept.letter.chat_id, kept.letter.language) == (SECOND_BOT, ALICE, "de")
    assert isinstance(kept.letter.message, MethodMenu)
    assert [choice.method for choice in kept.letter.message.methods] == [Method.STARS, Method.TELEGRAM]


@pytest.mark.criterion("1.3")
@pytest.mark.parametrize(
    ("method", "amount", "currency"),
    [pytest.param(Method.STARS, 1250, "XTR", id="Stars"), pytest.param(Method.TELEGRAM, 2500, "GBP", id="money")],
)
def test_a_method_s_button_sends_an_invoice_at_the_catalog_s_price(method: Method, amount: int, currency: str) -> None:
    service = Service()

    assert press(service, pressed(Buy(plan_code=GOLD.code, method=method))) is Toast.INVOICE_SENT

    [said] = service.state.messages
    assert isinstance(said, InvoiceMessage)
    assert (said.price.amount, said.price.currency, said.method) == (amount, currency, method)
    [issued] = service.state.invoices.values()
    assert service.journal.events == [InvoiceIssued(invoice=issued)]


@pytest.mark.parametrize("times", [2, 20])
def test_a_press_that_is_delivered_again_does_nothing_more(times: int) -> None:
    service = Service()
    press(service, pressed(BUY_GOLD))
    before = service.state.copy()

    assert {press(service, pressed(BUY_GOLD)) for _ in range(times)} == {Toast.DONE}
    assert service.state == before


@pytest.mark.criterion("4.5")
@pytest.mark.parametrize("action", [ShowPlans(), ShowMethods(plan_code=GOLD.code), BUY_GOLD, CANCEL], ids=repr)
@pytest.mark.parametrize(
    "different",
    [
        pytest.param({"user_id": MALLORY, "chat_id": MALLORY}, id="somebody else who got hold of it"),
        pytest.param({"user_id": MALLORY}, id="somebody else in the same chat"),
        pytest.param({"owner": None}, id="anybody, when it names nobody"),
        pytest.param({"chat_id": -100_123}, id="its owner in a group"),
        pytest.param({"chat_id": None}, id="its owner from another chat's message"),
    ],
)
def test_a_button_does_nothing_for(different: dict[str, Any], action: Action) -> None:
    service = Service()
    service.keep(invoice())
    before = service.state.copy()

    assert press(service, pressed(action, **different)) is Toast.NOT_YOURS
    assert service.state == before


def test_a_button_that_is_none_of_ours_is_called_outdated() -> None:
    service = Service()

    assert press(service, pressed(None)) is Toast.OUTDATED
    assert service.state == Service().state


@pytest.mark.criterion("1.4", "1.5")
@pytest.mark.parametrize(
    ("wanted", "declined"),
    [
        pytest.param(
            Buy(plan_code=PlanCode("platinum"), method=Method.STARS),
            PurchaseDeclined(code="unknown_plan"),
            id="a plan that is gone",
        ),
        pytest.param(
            Buy(plan_code=SILVER.code, method=Method.TELEGRAM),
            PurchaseDeclined(code="method_unavailable", plan=SILVER.title),
            id="a method that is gone",
        ),
        pytest.param(
            BUY_GOLD,
            PurchaseDeclined(code="already_entitled", plan=GOLD.title, until=NOON + 9 * DAY),
            id="a plan that is held",
        ),
        pytest.param(
            Buy(plan_code=FOR_LIFE.code, method=Method.STARS),
            PurchaseDeclined(code="already_entitled", plan=FOR_LIFE.title, for_life=True),
            id="a plan that is held for life",
        ),
    ],
)
def test_who_can_not_buy_is_told_why(wanted: Buy, declined: PurchaseDeclined) -> None:
    service = Service()
    service.give(entitlement(expires_at=NOON + 9 * DAY), entitlement(FOR_LIFE, name="life", duration=LIFETIME))

    assert press(service, pressed(wanted)) is Toast.DONE
    assert service.state.messages == [declined]
    assert service.state.invoices == {}
    assert service.journal.events == [PurchaseRefused(user_id=ALICE, plan_code=wanted.plan_code, code=declined.code)]


@pytest.mark.criterion("1.7")
def test_presses_count_as_attempts_and_the_sixth_in_a_minute_is_told_to_wait() -> None:
    service = Service()
    for number in range(6):
        service.clock.pass_by(SECOND)
        press(service, pressed(BUY_GOLD, update_id=number))

    assert len(service.state.invoices) == 5
    assert service.state.messages[-1] == PurchaseDeclined(code="rate_limited", plan=GOLD.title, retry_after_s=55)


class KeepingNone(MemoryInvoices):
    """The database fails where an invoice is to be kept."""

    def add(self, invoices: Sequence[Invoice]) -> None:
        raise Unavailable("The database does not answer.")


def test_a_press_that_the_database_fails_is_undone_and_works_when_it_comes_again() -> None:
    def failing(tx: MemoryTransaction) -> None:
        tx.invoices = KeepingNone(tx.invoices.state)

    service = Service(work=Rigged(rig=failing))

    with pytest.raises(Unavailable):
        press(service, pressed(BUY_GOLD))
    assert service.state == Service().state
    assert service.journal.events == []

    service.work = MemoryUnitOfWork(state=service.state)
    assert press(service, pressed(BUY_GOLD)) is Toast.INVOICE_SENT


def test_an_invoice_is_not_cancelled_while_its_payment_is_being_settled() -> None:
    begun: list[MemoryTransaction] = []
    service = Service(work=Rigged(rig=begun.append))

    press(service, pressed(CANCEL))

    assert [tx.locked for tx in begun] == [[ALICE]]  # as a settlement does


def test_an_open_invoice_can_be_cancelled_by_its_payer() -> None:
    service = Service()
    service.keep(invoice())
    service.clock.pass_by(SECOND)

    assert press(service, pressed(CANCEL)) is Toast.CANCELLED

    assert service.state.invoices[invoice_id()].cancelled_at == NOON + SECOND
    assert service.judge(query()) == {query().query_id: Objection.INVOICE_CANCELLED}
    assert service.state.trail[0] == TrailEntry(
        kind="invoice_cancelled", bot=MAIN, at=NOON + SECOND, user_id=ALICE, invoice_id=invoice_id()
    )
    assert service.journal.events[0] == InvoiceCancelled(invoice=invoice())
    assert service.state.messages == []


@pytest.mark.parametrize(
    ("different", "toast"),
    [
        pytest.param({"id": invoice_id(9)}, Toast.OUTDATED, id="that is not there"),
        pytest.param({"payer": BOB}, Toast.OUTDATED, id="of somebody else"),
        pytest.param({"bot": SECOND_BOT}, Toast.OUTDATED, id="of another bot"),
        pytest.param({"settled_by": ChargeId("charge-1")}, Toast.NOT_CANCELLED, id="that is paid"),
        pytest.param({"cancelled_at": NOON}, Toast.NOT_CANCELLED, id="that is cancelled"),
        pytest.param({"expires_at": NOON - SECOND}, Toast.NOT_CANCELLED, id="that is too old"),
    ],
)
def test_no_invoice_can_be_cancelled(different: dict[str, Any], toast: Toast) -> None:
    service = Service()
    kept = invoice(**different)
    service.keep(kept)

    assert press(service, pressed(CANCEL)) is toast
    assert service.state.invoices == {kept.id: kept}
    assert (service.state.trail, service.journal.events) == ([], [])


def test_money_that_moved_on_a_cancelled_invoice_is_granted_all_the_same() -> None:
    service = Service()
    service.keep(invoice())
    service.judge(query())
    press(service, pressed(CANCEL))

    service.settle(charge())

    assert len(service.held(ALICE)) == 1


def test_among_many_unanswered_presses_an_invoice_is_sent_all_the_same() -> None:
    service = Service()
    for number in range(5 * MOST_UNANSWERED):
        press(service, pressed(ShowPlans(), update_id=number))
    assert len(service.state.outbox) == MOST_UNANSWERED

    assert press(service, pressed(BUY_GOLD, update_id=9999)) is Toast.INVOICE_SENT

    assert isinstance(service.state.messages[-1], InvoiceMessage)
