"""Whatever an operator has in hand leads to the person or the payment, and one page tells all that happened to it."""

import re
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from adapters.sql.engine import open_engine
from adapters.sql.figures import SqlFigures
from adapters.sql.people import SqlPeople
from adapters.sql.queues import SqlQueues
from adapters.sql.register import SqlRegister
from adapters.sql.work import SqlUnitOfWork
from application.books import ByAmount, LetterShown, Order, Person
from application.figures import hour_of
from application.histories import MOMENTS, Moment, ShowPaymentHistory, ShowUser
from application.people import KeepPeople
from application.ports.pages import Page, PageOf
from application.ports.payments import PaymentFilter
from application.ports.trail import KeptEntry
from application.refund_requests import AnswerRefundRequest, RequestRefund
from application.search import Found, Search
from domain.catalog import Method
from domain.errors import Conflict, Forbidden, InvalidRequest, NotFound
from domain.ids import ChargeId, EntitlementId, PaymentId, UserId
from domain.invoice import Objection
from domain.payment import Payment, PaymentStatus
from tests.builders import (
    ALICE,
    BOB,
    HOUR,
    Service,
    charge,
    invoice,
    invoice_id,
    payload,
    payment,
    pence,
    query,
    refund,
    stars,
)
from tests.memory import NOON

pytest_plugins = ["tests.integration.databases"]


class Office:
    """The whole core over one database, and what an operator looks at."""

    def __init__(self, work: SqlUnitOfWork, engine: Engine) -> None:
        self.shop = Service(work=work)  # type: ignore[arg-type] # it is asked for nothing that only memory has
        self.register = SqlRegister(work, engine)
        self.people = SqlPeople(work)
        self.search = Search(work, self.register, self.people)
        self.show_user = ShowUser(work, self.register, self.people, self.shop.clock)
        self.show_payment = ShowPaymentHistory(work, self.people, self.shop.clock)
        parts = (work, self.shop.clock, self.shop.ids, self.shop.journal)
        self.request = RequestRefund(*parts, above={"XTR": 1000})
        self.answer = AnswerRefundRequest(*parts)
        self.work = work

    def sell(self, number: int = 1, *, to: UserId = ALICE, paid: int = 1250) -> Payment:
        issued = invoice(id=invoice_id(number), payer=to, issued_at=self.shop.clock.now())
        with self.work.begin() as tx:
            tx.invoices.add([issued])
        self.shop.judge(query(issued))
        charged = charge(
            charge_id=ChargeId(f"charge-{number}"),
            provider_charge_id=f"theirs-{number}",
            payer=to,
            paid=stars(paid),
            payload=payload(issued),
            charged_at=self.shop.clock.now(),
        )
        return self.shop.settle(charged)[charged.key]

    def standing(self, of: Payment) -> Payment:
        return self.show_payment(of.id).payment


@pytest.fixture
def office(sql_work: SqlUnitOfWork, engine: Engine) -> Office:
    return Office(sql_work, engine)


def person(user_id: UserId, name: str, username: str = "", hours: int = 0) -> Person:
    return Person(user_id=user_id, name=name, username=username, seen_at=NOON + hours * HOUR)


def test_every_id_finds_what_bears_it(office: Office) -> None:
    sold = office.sell()
    for text in (" charge-1 ", "theirs-1", sold.id):
        assert office.search(text) == Found(payments=(sold,)), text
    [issued] = office.search(str(sold.invoice_id)).invoices
    assert issued.settled_by == "charge-1"
    assert office.search(str(ALICE)) == Found(users=(ALICE,))
    [held] = office.show_user(ALICE).entitlements
    assert office.search(held.id) == Found(users=(ALICE,))
    assert office.search(held.id).exact == 1


def test_what_nobody_bears_finds_nothing(office: Office) -> None:
    office.sell()
    for text in ("", " ", "x" * 256, str(BOB), "0", "inv_0", "pay_0", "ent_0", "'; DROP TABLE people; --"):
        assert office.search(text) == Found(), text


def test_a_charge_that_was_only_given_back_is_told(office: Office) -> None:
    back = refund(charge())
    office.shop.refund(back)
    assert office.search(back.charge_id).returned == back.refunded_at


@pytest.mark.threat(18)
def test_people_are_found_by_the_beginnings_of_their_last_names_whatever_is_hidden_in_them(office: Office) -> None:
    KeepPeople(office.people)([])
    KeepPeople(office.people)(
        [
            person(ALICE, "Ali\u200bce \u202eLiddell", "alice_l"),
            person(BOB, "Bob <b>Alison</b>", "bob", hours=1),
            person(UserId(5), "שרה כהן", "", hours=2),
            person(UserId(6), "\ud800\0 = 'x' %", ""),
            person(UserId(7), "\u200b", ""),
        ]
    )
    assert [found.user_id for found in office.search("ALI").people] == [BOB, ALICE]
    assert [found.user_id for found in office.search("ali lidd").people] == [ALICE]
    assert [found.user_id for found in office.search("@alice_l").people] == [ALICE]
    assert [found.user_id for found in office.search("כהן").people] == [UserId(5)]
    assert office.search("liddell bob").people == ()
    assert office.search("%").people == ()
    assert office.people.of([UserId(6)])[UserId(6)].name == "\ud800\0 = 'x' %"
    assert office.people.of([]) == {}

    KeepPeople(office.people)([person(ALICE, "Alice Hargreaves", str(ALICE), hours=3), person(ALICE, "Alice", hours=2)])
    assert office.search("liddell").people == ()
    assert [found.name for found in office.search("harg").people] == ["Alice Hargreaves"]
    assert office.search(str(ALICE)) == Found(users=(ALICE,))


def numbered(number: int, **different: Any) -> Payment:
    paid = charge(charge_id=ChargeId(f"c{number}"), payer=ALICE if number % 2 else BOB, **different)
    return payment(paid, id=PaymentId(f"pay_{number}"), received_at=NOON + timedelta(hours=number // 2))


def test_payments_are_listed_from_either_end_page_by_page_and_by_every_filter(office: Office) -> None:
    all_ = [numbered(number) for number in range(6)]
    all_[1] = replace(all_[1], status=PaymentStatus.QUARANTINED, quarantine_reason=Objection.WRONG_USER)
    all_[4] = replace(numbered(4, method=Method.TELEGRAM, paid=pence(5)), status=PaymentStatus.REFUNDED)
    with office.work.begin() as tx:
        tx.invoices.add([invoice()])
        tx.payments.add_new(all_)
        tx.payments.confirm([all_[number].charge.key for number in (0, 1, 2)], NOON)

    def listed(order: Order, **wanted: object) -> list[str]:
        ids: list[str] = []
        cursor = None
        while True:
            page = office.register.payments(
                PaymentFilter(**wanted),  # type: ignore[arg-type] # each test names its own
                Page(limit=2, cursor=cursor),
                order,
            )
            ids += [found.id for found in page.items]
            if (cursor := page.next_cursor) is None:
                return ids

    assert listed(Order.NEWEST) == [f"pay_{n}" for n in (5, 4, 3, 2, 1, 0)]
    assert listed(Order.OLDEST) == [f"pay_{n}" for n in range(6)]
    assert listed(Order.OLDEST, status=PaymentStatus.QUARANTINED) == ["pay_1"]
    assert listed(Order.NEWEST, status=PaymentStatus.REFUNDED, method=Method.TELEGRAM) == ["pay_4"]
    assert listed(Order.NEWEST, status=PaymentStatus.REFUND_PENDING) == []
    assert listed(Order.NEWEST, user_id=BOB) == ["pay_4", "pay_2", "pay_0"]
    assert listed(Order.NEWEST, unconfirmed=True) == ["pay_5", "pay_3"]
    assert listed(Order.OLDEST, quarantine_reason=Objection.WRONG_USER) == ["pay_1"]
    assert listed(Order.OLDEST, quarantine_reason=Objection.BAD_PAYLOAD) == []
    assert listed(Order.OLDEST, since=NOON + HOUR, until=NOON + 2 * HOUR) == ["pay_2", "pay_3"]
    assert listed(Order.OLDEST, charge_id="c3", plan_code=all_[3].plan_code) == ["pay_3"]
    with pytest.raises(InvalidRequest):
        office.register.payments(PaymentFilter(), Page(cursor="none of ours"), Order.NEWEST)


def test_payments_of_one_currency_are_sorted_by_their_amount_page_by_page(office: Office) -> None:
    paid = [stars(75), pence(2500), stars(1250), stars(75), stars(25_000), pence(900), stars(1250), stars(75)]
    all_ = [numbered(number, paid=one) for number, one in enumerate(paid)]
    all_[6] = replace(all_[6], status=PaymentStatus.QUARANTINED, quarantine_reason=Objection.WRONG_USER)
    with office.work.begin() as tx:
        tx.invoices.add([invoice()])
        tx.payments.add_new(all_)

    def listed(order: ByAmount, currency: str = "XTR", among: int = 8, **wanted: Any) -> list[str]:
        ids: list[str] = []
        cursor = None
        while True:
            page = office.register.payments_by_amount(
                PaymentFilter(**wanted), Page(limit=2, cursor=cursor), order, currency=currency, among=among
            )
            assert page is not None
            assert len(page.items) <= 2
            ids += [found.id for found in page.items]
            if (cursor := page.next_cursor) is None:
                return ids

    by_amount = [f"pay_{n}" for n in (4, 6, 2, 7, 3, 0)]
    assert listed(ByAmount.LARGEST) == by_amount
    assert listed(ByAmount.SMALLEST) == by_amount[::-1]
    assert listed(ByAmount.LARGEST, "GBP") == ["pay_1", "pay_5"]
    assert listed(ByAmount.LARGEST, "EUR") == []
    assert listed(ByAmount.LARGEST, user_id=BOB) == ["pay_4", "pay_6", "pay_2", "pay_0"]
    assert listed(ByAmount.SMALLEST, status=PaymentStatus.QUARANTINED) == ["pay_6"]
    assert listed(ByAmount.LARGEST, among=2, since=NOON + HOUR, until=NOON + 2 * HOUR) == ["pay_2", "pay_3"]

    for wanted, among in ((PaymentFilter(), 7), (PaymentFilter(user_id=BOB), 3)):
        asked = (wanted, Page(), ByAmount.LARGEST)
        assert office.register.payments_by_amount(*asked, currency="EUR", among=among) is None
    of_another = office.register.payments(PaymentFilter(), Page(limit=1), Order.NEWEST).next_cursor
    for cursor in ("none of ours", "", of_another):
        with pytest.raises(InvalidRequest):
            office.register.payments_by_amount(
                PaymentFilter(), Page(cursor=cursor), ByAmount.LARGEST, currency="XTR", among=8
            )


def test_what_is_paid_meanwhile_shifts_nothing_from_one_page_by_amount_to_the_next(office: Office) -> None:
    all_ = [numbered(number, paid=stars(100 * number + 100)) for number in range(6)]
    with office.work.begin() as tx:
        tx.invoices.add([invoice()])
        tx.payments.add_new(all_[:4])

    def page_from(cursor: str | None) -> PageOf[Payment]:
        asked = (PaymentFilter(), Page(limit=2, cursor=cursor), ByAmount.LARGEST)
        found = office.register.payments_by_amount(*asked, currency="XTR", among=100)
        assert found is not None
        return found

    first = page_from(None)
    with office.work.begin() as tx:
        tx.payments.add_new(all_[4:])
    second = page_from(first.next_cursor)

    assert [found.id for found in (*first.items, *second.items)] == [f"pay_{n}" for n in (3, 2, 1, 0)]
    assert second.next_cursor is None


def test_it_stands_as_the_ledgers_tell_without_what_is_held_back_for_it(office: Office) -> None:
    all_ = [numbered(number) for number in range(6)]
    all_[1] = replace(all_[1], status=PaymentStatus.QUARANTINED, quarantine_reason=Objection.WRONG_USER)
    all_[2] = replace(all_[2], status=PaymentStatus.QUARANTINED, quarantine_reason=Objection.UNKNOWN_TO_PROVIDER)
    all_[3] = numbered(3, method=Method.TELEGRAM, paid=pence(5))
    with office.work.begin() as tx:
        tx.invoices.add([invoice()])
        tx.payments.add_new(all_)
        tx.payments.confirm([all_[0].charge.key], NOON)
        mark = replace(tx.ledger_marks.take("stars:main", NOON), tail_read_at=NOON, drift=1)
        tx.ledger_marks.move(mark)
    standing = office.register.standing(NOON + 4 * HOUR)
    assert standing.unconfirmed == 3
    assert standing.quarantined == {"wrong_user": 1, "unknown_to_provider": 1}
    assert standing.ledgers == {"stars:main": mark}
    assert office.register.standing(NOON + timedelta(minutes=30)).unconfirmed == 0


def test_a_user_s_page_tells_everything_once_from_now_back_to_the_first(office: Office) -> None:
    office.shop.clock.pass_by(HOUR)
    for number in range(1, 26):
        office.shop.clock.pass_by(timedelta(minutes=1))
        office.sell(number, paid=1250 if number % 2 else 1)
    office.sell(99, to=BOB)
    office.shop.grant()

    seen: list[Moment] = []
    cursor, pages = None, 0
    while True:
        page = office.show_user(ALICE, cursor)
        seen += page.moments
        pages += 1
        assert len(page.moments) <= MOMENTS
        spoken = {m.entry.charge_id for m in page.moments if isinstance(m, KeptEntry) and m.entry.charge_id}
        assert page.payments.keys() == spoken
        if (cursor := page.next_cursor) is None:
            break
    lines = [m for m in seen if isinstance(m, KeptEntry)]
    letters = [m for m in seen if isinstance(m, LetterShown)]
    assert [line.entry.kind for line in lines[:3]] == ["entitlement_granted", "successful_payment", "pre_checkout"]
    assert len(lines) == len({line.id for line in lines}) == 51
    assert len(letters) == len({letter.id for letter in letters}) >= 25
    assert pages == -(-len(seen) // MOMENTS) > 1
    times = [m.entry.at if isinstance(m, KeptEntry) else m.created_at for m in seen]
    assert times == sorted(times, reverse=True)
    for odd in ("x", "1", "-1-2", "9999999999999999999-1", "1-2\n"):
        with pytest.raises(InvalidRequest):
            office.show_user(ALICE, odd)
    empty = office.show_user(UserId(404))
    assert (empty.moments, empty.entitlements, empty.person, empty.next_cursor) == ([], [], None, None)


def test_where_one_kind_is_much_longer_the_other_goes_on_where_it_was(office: Office) -> None:
    for number in range(1, 4):
        office.sell(number)
    office.shop.clock.pass_by(HOUR)
    for _ in range(MOMENTS + 5):
        office.shop.judge(query(invoice(id=invoice_id(1))))
    first = office.show_user(ALICE)
    assert not [m for m in first.moments if isinstance(m, LetterShown)]
    second = office.show_user(ALICE, first.next_cursor)
    assert len([m for m in second.moments if isinstance(m, LetterShown)]) == 3
    assert len(second.moments) == 5 + 6 + 3


def test_a_payment_s_page_tells_of_its_charge_and_its_invoice_and_who_paid_that(office: Office) -> None:
    sold = office.sell()
    told = office.show_payment(sold.id)
    assert [line.entry.kind for line in told.lines] == ["successful_payment", "pre_checkout"]
    assert told.entitlement
    assert told.entitlement.payment_id == sold.id
    assert told.invoice
    assert (told.invoice.id, told.paid_by, told.asked) == (sold.invoice_id, None, None)

    again = charge(
        charge_id=ChargeId("charge-again"), payload=payload(told.invoice), charged_at=office.shop.clock.now()
    )
    twice = office.shop.settle(again)[again.key]
    told = office.show_payment(twice.id)
    assert told.payment.quarantine_reason is Objection.INVOICE_ALREADY_PAID
    assert told.paid_by == office.standing(sold)
    assert {line.entry.charge_id for line in told.lines} == {None, "charge-again"}

    unknown = charge(charge_id=ChargeId("charge-odd"), payload="none of ours")
    told = office.show_payment(office.shop.settle(unknown)[unknown.key].id)
    assert (told.invoice, told.paid_by, told.entitlement) == (None, None, None)
    with pytest.raises(NotFound):
        office.show_payment(PaymentId("pay_404"))


def test_a_payment_in_dispute_shows_what_it_had_opened(office: Office) -> None:
    sold = office.sell()
    [held] = office.show_user(ALICE).entitlements
    with office.work.begin() as tx:
        tx.entitlements.end([replace(held, revoked_at=NOON)])
        tx.payments.update(replace(sold, suspended=EntitlementId(held.id)))
    shown = office.show_payment(sold.id).entitlement
    assert shown
    assert shown.id == held.id


def test_a_small_refund_is_ordered_at_once_and_a_large_one_only_where_there_is_nobody_else(office: Office) -> None:
    small = office.sell(1, paid=1000)
    assert office.request(small.id, reason="asked", actor="ada", second=True) == (office.standing(small), False)
    assert office.standing(small).status is PaymentStatus.REFUND_PENDING
    large = office.sell(2, to=BOB)
    office.request(large.id, reason="asked", actor="ada", second=False)
    assert office.standing(large).status is PaymentStatus.REFUND_PENDING
    with pytest.raises(Conflict):
        office.request(large.id, reason="asked", actor="ada", second=True)


@pytest.mark.threat(39)
def test_a_large_refund_waits_for_somebody_else(office: Office) -> None:
    sold = office.sell()
    for _ in range(2):
        assert office.request(sold.id, reason="a mistake", actor="ada", second=True) == (sold, True)
    with pytest.raises(Conflict, match="ada"):
        office.request(sold.id, reason="a mistake", actor="bo", second=True)
    with pytest.raises(Forbidden):
        office.answer.approve(sold.id, actor="ada")
    [waiting] = office.register.asked_refunds(at_most=10)
    assert (waiting.payment, waiting.asked_by, waiting.reason) == (sold, "ada", "a mistake")
    standing = office.register.standing(NOON + HOUR)
    assert (standing.refunds_asked, standing.refunds_asked_since) == (1, waiting.asked_at)
    asked = office.show_payment(sold.id).asked
    assert asked
    assert asked.actor == "ada"

    assert office.answer.approve(sold.id, actor="bo").status is PaymentStatus.REFUND_PENDING
    with pytest.raises(Conflict):
        office.answer.approve(sold.id, actor="bo")
    assert office.register.asked_refunds(at_most=10) == []
    standing = office.register.standing(NOON + HOUR)
    assert (standing.refunds_asked, standing.refunds_asked_since) == (0, None)
    lines = [(line.entry.kind, line.entry.actor) for line in office.show_payment(sold.id).lines[:3]]
    assert lines == [("refund_ordered", "ada"), ("refund_approved", "bo"), ("refund_asked", "ada")]


def test_a_request_that_was_declined_can_be_made_again(office: Office) -> None:
    sold = office.sell()
    office.request(sold.id, reason="a mistake", actor="ada", second=True)
    assert office.answer.decline(sold.id, reason="it is not", actor="bo") == sold
    assert office.show_payment(sold.id).asked is None
    with pytest.raises(Conflict):
        office.answer.decline(sold.id, reason="it is not", actor="bo")
    assert office.request(sold.id, reason="it is", actor="bo", second=True) == (sold, True)


def test_what_a_payment_provider_must_give_back_is_recorded_as_given_back(office: Office) -> None:
    paid = charge(method=Method.TELEGRAM, paid=pence(2500), payload="none of ours")
    held = office.shop.settle(paid)[paid.key]
    given_back, waits = office.request(held.id, reason="done there", actor="ada", second=True)
    assert (given_back.status, waits) == (PaymentStatus.REFUNDED, False)


def test_nothing_that_an_operator_asks_for_reads_a_whole_table(migrated_sqlite: Path, tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'tollgram.db')}")
    work = SqlUnitOfWork(engine)
    office = Office(work, engine)
    sold = office.sell()
    plans: list[str] = []

    def note(connection: Connection, cursor: Any, statement: str, given: Any, *_: object) -> None:
        if statement.startswith("SELECT"):
            steps = cursor.execute(f"EXPLAIN QUERY PLAN {statement}", given).fetchall()
            plans.extend(f"{step[3]} of {statement}" for step in steps)

    event.listen(engine, "before_cursor_execute", note)
    figures = SqlFigures(work)
    for text in ("charge-1", "theirs-1", str(sold.invoice_id), str(ALICE), "anna k"):
        office.search(text)
    office.show_user(ALICE)
    office.show_payment(sold.id)
    for order in Order:
        for wanted in (
            PaymentFilter(),
            *(PaymentFilter(status=status) for status in PaymentStatus),
            *(PaymentFilter(method=method) for method in Method),
            PaymentFilter(plan_code=sold.plan_code),
            PaymentFilter(user_id=ALICE),
            PaymentFilter(charge_id=sold.charge.charge_id),
            PaymentFilter(unconfirmed=True, since=NOON),
            PaymentFilter(status=PaymentStatus.QUARANTINED, quarantine_reason=Objection.WRONG_USER),
        ):
            office.register.payments(wanted, Page(), order)
            office.register.payments_by_amount(wanted, Page(), ByAmount.LARGEST, currency="XTR", among=1000)
    office.register.asked_refunds(at_most=20)
    office.register.holders(NOON)
    office.register.standing(NOON)
    queues = SqlQueues(engine)
    queues.letters_given_up(NOON)
    queues.last_letters_given_up(NOON, at_most=10)
    queues.failed_refunds(NOON, at_most=10)
    figures.sum_up(hour_of(NOON) + 1)
    figures.between(hour_of(NOON) - 100, hour_of(NOON) + 100, each=24, by_plan=True)
    engine.dispose()
    small = "CONSTANT ROW|figures|json_each|ledger_marks|anon"
    assert len(plans) > 50
    assert [plan for plan in plans if re.match(rf"SCAN (?!({small}))(?!.* USING (COVERING )?INDEX)", plan)] == []


def test_payments_in_no_ledger_are_found_past_those_that_none_will_ever_have(
    migrated_sqlite: Path, tmp_path: Path
) -> None:
    engine = open_engine(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'tollgram.db')}")
    office = Office(SqlUnitOfWork(engine), engine)
    plans: list[str] = []

    def note(connection: Connection, cursor: Any, statement: str, given: Any, *_: object) -> None:
        if "FROM payments" in statement:
            steps = cursor.execute(f"EXPLAIN QUERY PLAN {statement}", given).fetchall()
            plans.append(" / ".join(step[3] for step in steps))

    event.listen(engine, "before_cursor_execute", note)
    with office.work.look() as tx:
        tx.payments.unconfirmed([Method.STARS], NOON, at_most=100)
        tx.payments.found(PaymentFilter(unconfirmed=True), Page())
    for order in Order:
        office.register.payments(PaymentFilter(unconfirmed=True), Page(), order)
    office.register.standing(NOON)
    engine.dispose()
    assert len(plans) >= 5
    by_it = [plan for plan in plans if "ix_payments_unconfirmed" in plan]
    assert len(by_it) == 3 + len(Order), plans
