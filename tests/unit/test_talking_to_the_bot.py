"""Everything that is said to the bot is answered once, in the language of who said it, and nobody buys in public."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from application.chat import COMMANDS, MOST_UNANSWERED, AnswerMessage, ChatMessage
from application.messages import (
    AskInPrivate,
    Help,
    Letter,
    Message,
    MethodChoice,
    MethodMenu,
    NothingForSale,
    NotUnderstood,
    PaySupport,
    PlanList,
    PlanMenu,
    Price,
    PurchaseDeclined,
    Status,
    StatusLine,
    TermsOfSale,
    Welcome,
)
from domain.catalog import Method, Tills
from domain.errors import Unavailable
from domain.events import CommandAnswered
from domain.ids import ChargeId
from domain.invoice import Objection
from domain.payment import PaymentStatus
from tests.builders import (
    ALICE,
    BOB,
    DAY,
    FOR_LIFE,
    GOLD,
    HOUR,
    MAIN,
    MONTH,
    SECOND_BOT,
    SILVER,
    Service,
    catalog,
    charge,
    entitlement,
    payment,
    pence,
    shop,
    stars,
)
from tests.memory import NOON


def message(command: str | None, argument: str = "", **different: Any) -> ChatMessage:
    """Alice says it in her private chat."""
    return ChatMessage(
        **{
            "bot": MAIN,
            "update_id": 1,
            "chat_id": ALICE,
            "user_id": ALICE,
            "language": "en",
            "command": command,
            "argument": argument,
            **different,
        }
    )


def say(service: Service, said: ChatMessage) -> None:
    AnswerMessage(work=service.work, clock=service.clock, shop=service.shop, journal=service.journal)(said)


def answer(command: str | None, argument: str = "", *, service: Service | None = None, **different: Any) -> Message:
    asked = service or Service()
    say(asked, message(command, argument, **different))
    [said] = asked.state.messages
    return said


GOLD_MENU = MethodMenu(
    user_id=ALICE,
    plan=shop().choice(GOLD),
    methods=(
        MethodChoice(method=Method.STARS, price=Price(amount=1250, currency="XTR")),
        MethodChoice(method=Method.TELEGRAM, price=Price(amount=2500, currency="GBP")),
    ),
)
ALL_PLANS = PlanMenu(user_id=ALICE, plans=shop().choices())


@pytest.mark.parametrize(
    ("command", "argument", "answered"),
    [
        pytest.param("start", "", Welcome(), id="start"),
        pytest.param("start", "from_a_friend", Welcome(), id="start with what we did not send"),
        pytest.param("start", "buy_gold_1m", GOLD_MENU, id="a deep link to a plan"),
        pytest.param("start", "buy_", ALL_PLANS, id="a deep link to no plan"),
        pytest.param("start", "buy_platinum", PurchaseDeclined(code="unknown_plan"), id="a deep link to nothing"),
        pytest.param("plans", "", PlanList(plans=shop().choices()), id="plans"),
        pytest.param("buy", "", ALL_PLANS, id="buy"),
        pytest.param("buy", "gold_1m", GOLD_MENU, id="buy a plan"),
        pytest.param("buy", "GOLD_1M", PurchaseDeclined(code="unknown_plan"), id="buy what is written wrong"),
        pytest.param("buy", "'; DROP TABLE invoices; --", PurchaseDeclined(code="unknown_plan"), id="buy SQL"),
        pytest.param("help", "", Help(), id="help"),
        pytest.param("help", "with what?", Help(), id="help with more words"),
        pytest.param("terms", "", TermsOfSale(), id="terms"),
        pytest.param("paysupport", "", PaySupport(user_id=ALICE), id="paysupport"),
        pytest.param("status", "", Status(user_id=ALICE, plans=()), id="status"),
        pytest.param("refund", "", NotUnderstood(), id="a command that we do not have"),
        pytest.param("", "", NotUnderstood(), id="a slash"),
        pytest.param(None, "", NotUnderstood(), id="plain talk"),
    ],
)
def test_the_bot_answers(command: str | None, argument: str, answered: Message) -> None:
    assert answer(command, argument) == answered


def test_an_answer_goes_to_the_chat_it_was_asked_in_by_the_bot_that_was_asked() -> None:
    service = Service()

    say(service, message("start", bot=SECOND_BOT, language="pt-br"))

    [kept] = service.state.outbox
    assert replace(kept.letter, id=0) == Letter(bot=SECOND_BOT, chat_id=ALICE, language="pt-br", message=Welcome())


def test_a_message_that_is_delivered_again_is_answered_once() -> None:
    service = Service()

    for _ in range(3):
        say(service, message("start"))
    assert len(service.state.messages) == len(service.journal.events) == 1

    say(service, message("start", update_id=2))
    say(service, message("start", bot=SECOND_BOT))
    assert len(service.state.messages) == 3


def test_a_message_whose_answer_could_not_be_kept_is_answered_when_it_comes_again() -> None:
    service = Service()
    service.work.broken = True
    with pytest.raises(Unavailable):
        say(service, message("start"))

    service.work.broken = False
    say(service, message("start"))

    assert service.state.messages == [Welcome()]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_counted_by_its_name(command: str) -> None:
    service = Service()

    say(service, message(command))

    assert service.journal.events == [CommandAnswered(name=command, user_id=ALICE)]


@pytest.mark.parametrize("command", [None, "refund", "x" * 10_000], ids=["plain talk", "unknown", "very long"])
def test_what_is_no_command_of_ours_is_not_counted(command: str | None) -> None:
    service = Service()

    say(service, message(command))

    assert service.journal.events == []


@pytest.mark.parametrize(
    ("command", "argument", "start"),
    [
        pytest.param("buy", "gold_1m", "buy_gold_1m", id="to buy a plan"),
        pytest.param("buy", "", "", id="to buy something"),
        pytest.param("buy", "x&start=https://evil.example", "", id="to buy what is no plan"),
        pytest.param("status", "", "", id="for what is nobody else's business"),
        pytest.param("start", "buy_gold_1m", "", id="to start"),
        pytest.param(None, "", "", id="anything"),
    ],
)
def test_in_a_group_the_bot_only_says_where_to_ask(command: str | None, argument: str, start: str) -> None:
    service = Service()
    service.give(entitlement())

    said = answer(command, argument, chat_id=-100_123, service=service)

    assert said == AskInPrivate(start=start)
    assert service.state.outbox[0].letter.chat_id == -100_123


@pytest.mark.parametrize(
    ("command", "argument", "tills", "answered"),
    [
        pytest.param("plans", "", {}, NothingForSale(), id="plans where nothing can be paid"),
        pytest.param("buy", "", {}, NothingForSale(), id="buy where nothing can be paid"),
        pytest.param(
            "buy",
            "silver_1w",
            {Method.TELEGRAM: "GBP"},
            PurchaseDeclined(code="method_unavailable", plan="Silver, 1 week"),
            id="a plan that has no price in what is taken",
        ),
    ],
)
def test_what_can_not_be_paid_is_not_offered(
    command: str, argument: str, tills: dict[Method, str], answered: Message
) -> None:
    service = Service(shop=shop(tills=Tills(currencies=tills)))

    assert answer(command, argument, service=service) == answered


def test_where_the_catalog_is_empty_nothing_is_for_sale() -> None:
    assert answer("buy", service=Service(shop=shop(catalog=catalog()))) == NothingForSale()


def test_looking_at_menus_counts_as_no_attempt() -> None:
    service = Service()

    for number in range(20):
        say(service, message("buy", "gold_1m", update_id=number))

    assert service.state.attempts == {}
    assert service.state.invoices == {}


@pytest.mark.criterion("5.1", "5.3")
def test_status_tells_each_plan_that_is_held_and_its_end() -> None:
    service = Service()
    later = MONTH.after(NOON)
    assert later is not None
    service.give(
        entitlement(),
        entitlement(name="next", starts_at=later),
        entitlement(FOR_LIFE, name="life"),
        entitlement(SILVER, name="over", starts_at=NOON - 9 * DAY),
        entitlement(SILVER, name="bobs", user_id=BOB),
        entitlement(name="gone", revoked_at=NOON, starts_at=NOON + 99 * DAY),
    )

    said = answer("status", service=service)

    assert isinstance(said, Status)
    assert set(said.plans) == {
        StatusLine(plan=GOLD.title, expires_at=MONTH.after(later)),
        StatusLine(plan=FOR_LIFE.title, expires_at=None),
    }


def test_status_names_a_plan_that_is_no_longer_sold_by_its_code() -> None:
    service = Service(shop=shop(catalog=catalog()))
    service.give(entitlement())

    assert answer("status", service=service) == Status(
        user_id=ALICE, plans=(StatusLine(plan=GOLD.code, expires_at=MONTH.after(NOON)),)
    )


def test_status_tells_what_was_paid_and_waits_for_a_person() -> None:
    service = Service()
    sums = {"a": stars(1), "b": pence(2500)}
    waiting = [
        payment(
            charge(charge_id=ChargeId(name), paid=paid),
            status=PaymentStatus.QUARANTINED,
            quarantine_reason=Objection.AMOUNT_MISMATCH,
            received_at=NOON + number * timedelta(minutes=1),
        )
        for number, (name, paid) in enumerate(sums.items())
    ]
    others = [
        payment(charge(charge_id=ChargeId("granted"))),
        payment(charge(charge_id=ChargeId("bobs"), payer=BOB), status=PaymentStatus.QUARANTINED),
    ]
    service.state.payments.update({one.charge.key: one for one in [*waiting, *others]})
    service.clock.pass_by(HOUR)

    assert answer("status", service=service) == Status(
        user_id=ALICE, plans=(), waiting=(Price(amount=1, currency="XTR"), Price(amount=2500, currency="GBP"))
    )


def test_who_talks_faster_than_telegram_takes_answers_is_not_answered_for_hours() -> None:
    service = Service()

    for number in range(5 * MOST_UNANSWERED):
        say(service, message("help", update_id=number))
    say(service, message("help", user_id=BOB, chat_id=BOB, update_id=9999))

    answered = [ALICE] * MOST_UNANSWERED + [BOB]
    assert [kept.letter.chat_id for kept in service.state.outbox] == answered
    assert service.journal.events == [CommandAnswered(name="help", user_id=user) for user in answered]
