"""What every outbox must do, in memory as in a database: each letter once, in order per chat, within the rates."""

from collections.abc import Sequence
from datetime import timedelta
from typing import get_args

import pytest

from application.messages import (
    AccessGiven,
    AccessRestored,
    AccessSuspended,
    AccessWithdrawn,
    AskInPrivate,
    CheckoutInvitation,
    Confirmation,
    Help,
    InvoiceMessage,
    Letter,
    Message,
    MethodChoice,
    MethodMenu,
    NothingForSale,
    NotUnderstood,
    PartReturned,
    PaymentHeld,
    PaymentReturned,
    PaymentReturning,
    PaySupport,
    PlanChoice,
    PlanList,
    PlanMenu,
    PortalInvitation,
    Price,
    PurchaseDeclined,
    Status,
    StatusLine,
    TermsOfSale,
    Welcome,
)
from application.ports.work import UnitOfWork
from domain.catalog import Method
from domain.ids import BotName
from tests.builders import ALICE, GOLD, MAIN, SECOND_BOT, invoice_id
from tests.integration.transactions import undone
from tests.memory import NOON

pytest_plugins = ["tests.integration.databases"]

LEASE = timedelta(seconds=60)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
PRICE = Price(amount=1250, currency="XTR")
CHOICE = PlanChoice(plan_code=GOLD.code, title="Gold «🥇»", description='a\\b\n"c"', prices=(PRICE,))

EVERY_MESSAGE: list[Message] = [
    Welcome(),
    Help(),
    PlanList(plans=(CHOICE, CHOICE)),
    PlanMenu(user_id=ALICE, plans=()),
    MethodMenu(user_id=ALICE, plan=CHOICE, methods=(MethodChoice(method=Method.STARS, price=PRICE),)),
    NothingForSale(),
    InvoiceMessage(
        invoice_id=invoice_id(),
        user_id=ALICE,
        title="Gold",
        description="",
        payload="t1.gold",
        price=PRICE,
        method=Method.TELEGRAM,
    ),
    CheckoutInvitation(invoice_id=invoice_id(), title="Gold", description="", price=PRICE, url="https://s/?a=b#c"),
    PortalInvitation(user_id=ALICE),
    PurchaseDeclined(code="rate_limited", plan=None, until=NOON, for_life=True, retry_after_s=3),
    Confirmation(plan="Gold", price=PRICE, starts_at=NOON, expires_at=None, extends=True),
    PaymentHeld(price=PRICE, reason="wrong_user"),
    PaymentReturning(price=PRICE, reason="wrong_user"),
    PaymentReturned(price=PRICE, plan="Gold", ended=True),
    PartReturned(price=PRICE, left=PRICE, plan=None),
    AccessSuspended(plan="Gold"),
    AccessRestored(plan="Gold", expires_at=None),
    AccessGiven(plan="Gold", starts_at=NOON, expires_at=None, extends=True),
    AccessWithdrawn(plan="Gold", ended=False),
    Status(user_id=ALICE, plans=(StatusLine(plan="Gold", expires_at=NOON),), waiting=(PRICE,), portal=True),
    TermsOfSale(),
    PaySupport(user_id=ALICE),
    NotUnderstood(),
    AskInPrivate(start="buy_gold\0"),
    AskInPrivate(start="buy_\ud800 🥇 é"),
]


def letter(chat: int = 1, bot: BotName = MAIN, message: Message | None = None) -> Letter:
    return Letter(bot=bot, chat_id=chat, language="en", message=message or Help())


def put(work: UnitOfWork, *letters: Letter, at: timedelta = timedelta(0)) -> None:
    with work.begin() as tx:
        tx.outbox.add(letters, NOON + at)


def claim(work: UnitOfWork, at: timedelta = timedelta(0), at_most: int = 100) -> list[Letter]:
    with work.begin() as tx:
        return list(tx.outbox.claim(NOON + at, at_most=at_most, lease=LEASE))


def send(work: UnitOfWork, letters: Sequence[Letter], at: timedelta = timedelta(0)) -> None:
    with work.begin() as tx:
        for one in letters:
            tx.outbox.sent(one, NOON + at)


def test_every_message_that_there_is_is_tried_here() -> None:
    assert {type(message) for message in EVERY_MESSAGE} == set(get_args(Message))


@pytest.mark.threat(16)
@pytest.mark.parametrize("message", EVERY_MESSAGE, ids=lambda message: ascii(message).split(", ")[0])
def test_a_message_comes_out_as_it_was_put_in(work: UnitOfWork, message: Message) -> None:
    put(work, Letter(bot=MAIN, chat_id=-100_123_456_789, language="pt-br\0", message=message))
    (claimed,) = claim(work)
    assert claimed.message == message
    assert (claimed.bot, claimed.chat_id, claimed.language) == (MAIN, -100_123_456_789, "pt-br\0")
    assert claimed.id > 0
    assert claimed.attempts == 0


def test_a_letter_keeps_what_it_was_written_for(work: UnitOfWork) -> None:
    put(work, Letter(bot=MAIN, chat_id=1, language="en", message=Help(), cause="req_1 00-aa-bb-01"), letter(chat=2))

    assert [one.cause for one in claim(work)] == ["req_1 00-aa-bb-01", ""]


def test_of_each_chat_only_the_oldest_is_claimed_and_the_next_when_it_was_sent(work: UnitOfWork) -> None:
    put(work, letter(message=Welcome()), letter(message=Help()), letter(chat=2, message=TermsOfSale()))
    first = claim(work)
    assert [one.message for one in first] == [Welcome(), TermsOfSale()]
    assert claim(work) == []
    send(work, first)
    assert [one.message for one in claim(work)] == [Help()]


def test_the_same_chat_id_at_another_bot_is_another_chat(work: UnitOfWork) -> None:
    put(work, letter(), letter(bot=SECOND_BOT))
    assert [one.bot for one in claim(work)] == [MAIN, SECOND_BOT]


def test_no_more_are_claimed_than_asked_for_and_the_oldest_first(work: UnitOfWork) -> None:
    put(work, *(letter(chat) for chat in range(1, 6)))
    assert [one.chat_id for one in claim(work, at_most=2)] == [1, 2]
    assert [one.chat_id for one in claim(work, at_most=2)] == [3, 4]
    assert claim(work, at_most=0) == []


def test_a_claim_that_ran_out_is_given_to_the_next(work: UnitOfWork) -> None:
    put(work, letter())
    assert claim(work)
    assert claim(work, LEASE - SECOND) == []
    assert claim(work, LEASE)


def test_a_letter_that_failed_waits_for_its_time_and_holds_up_its_chat_alone(work: UnitOfWork) -> None:
    put(work, letter(message=Welcome()), letter(message=Help()), letter(chat=2))
    first, other = claim(work)
    with work.begin() as tx:
        tx.outbox.retry(first, NOON + 10 * SECOND, "429: \0 \ud800")
        tx.outbox.sent(other, NOON)
    assert claim(work, 9 * SECOND) == []
    (again,) = claim(work, 10 * SECOND)
    assert (again.id, again.attempts, again.message) == (first.id, 1, Welcome())


def test_a_letter_that_was_given_up_makes_way(work: UnitOfWork) -> None:
    put(work, letter(message=Welcome()), letter(message=Help()))
    (first,) = claim(work)
    with work.begin() as tx:
        tx.outbox.give_up(first, NOON, "blocked")
    assert [one.message for one in claim(work)] == [Help()]


@pytest.mark.parametrize("ending", ["sent", "give_up"])
def test_what_was_sent_or_given_up_never_comes_back(work: UnitOfWork, ending: str) -> None:
    put(work, letter())
    (first,) = claim(work)
    with work.begin() as tx:
        if ending == "sent":
            tx.outbox.sent(first, NOON)
        else:
            tx.outbox.give_up(first, NOON, "blocked")
    # One whose claim ran out while it was sending says so late.
    with work.begin() as tx:
        tx.outbox.retry(first, NOON, "time-out")
        tx.outbox.give_up(first, NOON, "time-out")
    assert claim(work, DAY) == []


def test_a_letter_of_a_transaction_that_was_undone_is_never_sent(work: UnitOfWork) -> None:
    with undone(work) as tx:
        tx.outbox.add([letter()], NOON)
    assert claim(work) == []


def test_a_bot_sends_twenty_five_a_second_over_all_its_chats(work: UnitOfWork) -> None:
    put(work, *(letter(chat) for chat in range(1, 41)))
    assert len(claim(work, at_most=20)) == 20
    assert len(claim(work, timedelta(milliseconds=500))) == 5
    assert claim(work, timedelta(milliseconds=999)) == []
    assert len(claim(work, SECOND)) == 15


def test_a_bot_at_its_limit_does_not_hold_up_another(work: UnitOfWork) -> None:
    put(work, *(letter(chat) for chat in range(1, 101)), letter(bot=SECOND_BOT))
    claimed = claim(work, at_most=40)
    assert [one.bot for one in claimed] == [MAIN] * 25 + [SECOND_BOT]


def test_a_chat_gets_five_at_once_and_then_waits_while_others_go_on(work: UnitOfWork) -> None:
    put(work, *(letter(1) for _ in range(7)), letter(2))
    sent = []
    for at in range(6):
        claimed = claim(work, at * timedelta(milliseconds=100), at_most=1)
        sent += [one.chat_id for one in claimed]
        send(work, claimed, at * timedelta(milliseconds=100))
    assert sent == [1, 1, 1, 1, 1, 2]
    assert claim(work, 4 * SECOND) == []
    assert [one.chat_id for one in claim(work, 5 * SECOND)] == [1]


@pytest.mark.threat(30)
def test_a_clock_set_back_stalls_no_letter(work: UnitOfWork) -> None:
    put(work, letter(1), letter(2), letter(3), at=DAY)
    claimed, failed, _ = claim(work, DAY)
    with work.begin() as tx:
        tx.outbox.retry(failed, NOON + DAY + timedelta(minutes=10), "time-out")
    put(work, letter(4), at=DAY)
    assert [one.chat_id for one in claim(work)] == [1, 2, 3, 4]
    assert claimed.chat_id == 1


@pytest.mark.threat(30)
def test_a_letter_put_off_by_a_clock_ahead_is_not_put_off_again_by_the_death_of_who_took_it_up(
    work: UnitOfWork,
) -> None:
    put(work, letter())
    (failed,) = claim(work, DAY)
    with work.begin() as tx:
        tx.outbox.retry(failed, NOON + DAY + timedelta(minutes=10), "time-out")
    assert len(claim(work)) == 1  # by a process that dies over it
    assert claim(work, LEASE - SECOND) == []
    assert len(claim(work, LEASE)) == 1


@pytest.mark.threat(30)
def test_a_letter_put_off_by_a_process_whose_clock_is_a_day_ahead_and_whose_claim_was_not_the_last_is_due(
    work: UnitOfWork,
) -> None:
    put(work, letter())
    (carried,) = claim(work, DAY)
    assert len(claim(work)) == 1  # the claim of a clock that far ahead counts for nothing
    with work.begin() as tx:
        tx.outbox.retry(carried, NOON + DAY + timedelta(minutes=10), "time-out")
    assert len(claim(work, SECOND)) == 1


@pytest.mark.threat(30)
@pytest.mark.parametrize("ahead", [timedelta(milliseconds=1), LEASE], ids=["a millisecond", "a minute"])
def test_what_a_process_whose_clock_is_ahead_has_claimed_is_claimed(work: UnitOfWork, ahead: timedelta) -> None:
    put(work, letter())
    assert claim(work, ahead)
    assert claim(work) == []


@pytest.mark.threat(30)
def test_what_telegram_asked_to_wait_for_is_waited_for(work: UnitOfWork) -> None:
    put(work, letter())
    (failed,) = claim(work)
    with work.begin() as tx:
        tx.outbox.retry(failed, NOON + DAY, "429: retry after 86400")
    assert claim(work, DAY - SECOND) == []
    assert len(claim(work, DAY)) == 1


def test_a_chat_is_crowded_by_what_waits_for_it_from_that_bot_and_by_nothing_else(work: UnitOfWork) -> None:
    put(work, letter(1), letter(1), letter(2), letter(1, SECOND_BOT))
    with work.begin() as tx:
        assert [tx.outbox.crowded(MAIN, 1, by=number) for number in (1, 2, 3)] == [True, True, False]
        assert not tx.outbox.crowded(MAIN, 3, by=1)
    with work.begin() as tx:
        sent = next(claimed for claimed in tx.outbox.claim(NOON, at_most=9, lease=LEASE) if claimed.chat_id == 1)
        tx.outbox.sent(sent, NOON)
    with work.begin() as tx:
        assert not tx.outbox.crowded(MAIN, 1, by=2)
