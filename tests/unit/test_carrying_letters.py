"""A letter is carried until it arrives, is tried again with patience, and is given up only visibly."""

from collections import deque
from datetime import timedelta

import pytest

from application.messages import Help, Letter, Message, Welcome
from application.outbox import LEASE, LONGEST_PAUSE, MAX_ATTEMPTS, DeliverOutbox, pause
from application.ports.outbox import Blocked, Delivery, Sent
from application.ports.outcomes import Rejected, TryLater
from domain.events import InvoiceSent, MessageGivenUp, MessageSent
from domain.ids import UserId
from tests.builders import ALICE, BOB, HOUR, MAIN, SECOND, Service, charge, invoice, invoice_id
from tests.memory import NOON, MemoryCauses, MemoryMessenger


def write(service: Service, *messages: Message, to: UserId = ALICE) -> None:
    letters = [Letter(bot=MAIN, chat_id=to, language="en", message=message) for message in messages]
    with service.work.begin() as tx:
        tx.outbox.add(letters, service.clock.now())


def deliver(service: Service, *deliveries: Delivery, at_most: int = 10) -> int:
    service.messenger.deliveries = deque(deliveries)
    carry = DeliverOutbox(
        work=service.work,
        clock=service.clock,
        messenger=service.messenger,
        journal=service.journal,
        causes=service.causes,
    )
    return carry(at_most)


def test_a_letter_that_arrived_is_not_sent_again() -> None:
    service = Service()
    write(service, Welcome())

    assert deliver(service) == 1
    service.clock.pass_by(HOUR)
    assert deliver(service) == 0

    assert service.state.outbox[0].sent_at == NOON
    assert service.journal.events == [MessageSent(bot=MAIN, chat_id=ALICE, message="Welcome", attempts=0)]


def test_nothing_waiting_is_nothing_to_carry() -> None:
    assert deliver(Service()) == 0


def test_letters_of_one_chat_are_carried_in_order_and_the_first_holds_up_the_rest() -> None:
    service = Service()
    write(service, Welcome(), Help())
    write(service, Help(), to=BOB)

    deliver(service, TryLater(problem="busy"), Sent(message_id=1))
    assert [(letter.chat_id, type(letter.message)) for letter in service.messenger.sent] == [
        (ALICE, Welcome),
        (BOB, Help),
    ]

    service.clock.pass_by(HOUR)
    deliver(service)
    service.clock.pass_by(HOUR)
    deliver(service)
    assert [type(letter.message) for letter in service.messenger.sent[2:]] == [Welcome, Help]


def test_no_more_are_tried_than_asked_for() -> None:
    service = Service()
    for number in range(3):
        write(service, Welcome(), to=UserId(number + 1))

    assert deliver(service, at_most=2) == 2


@pytest.mark.criterion("1.9")
def test_an_invoice_that_arrived_is_on_record_with_its_message_id() -> None:
    service = Service()
    service.keep(invoice())
    write(service, service.shop.letter(invoice()).message)

    deliver(service, Sent(message_id=4711))

    assert service.state.telegram_message_ids == {invoice_id(): 4711}
    assert service.journal.of_business == [InvoiceSent(invoice=invoice(), telegram_message_id=4711)]


def test_a_letter_that_did_not_get_through_is_tried_again_when_the_pause_is_over() -> None:
    service = Service()
    write(service, Welcome())

    deliver(service, TryLater(problem="busy"))
    [kept] = service.state.outbox
    assert (kept.letter.attempts, kept.due_at, kept.problem) == (1, NOON + SECOND, "busy")

    assert deliver(service) == 0
    service.clock.pass_by(SECOND)
    assert deliver(service) == 1


def test_telegram_s_own_wish_for_a_pause_is_granted() -> None:
    service = Service()
    write(service, Welcome())

    deliver(service, TryLater(problem="Too Many Requests", after=timedelta(seconds=37)))

    assert service.state.outbox[0].due_at == NOON + timedelta(seconds=37)


@pytest.mark.parametrize(
    ("attempts", "asked_for", "waits"),
    [
        pytest.param(0, None, SECOND, id="a second at first"),
        pytest.param(1, None, 2 * SECOND, id="twice as long each time"),
        pytest.param(5, None, 32 * SECOND, id="twice as long each time, still"),
        pytest.param(11, None, LONGEST_PAUSE, id="ten minutes at most"),
        pytest.param(11, SECOND, SECOND, id="as long as was asked for"),
        pytest.param(0, HOUR, HOUR, id="as long as was asked for, up to an hour"),
        pytest.param(0, 24 * HOUR, HOUR, id="an hour, where more was asked for"),
        pytest.param(3, timedelta(0), 8 * SECOND, id="as ever, where no pause at all was asked for"),
    ],
)
def test_the_pause_is(attempts: int, asked_for: timedelta | None, waits: timedelta) -> None:
    assert pause(attempts, asked_for) == waits


@pytest.mark.parametrize(
    "delivery",
    [
        pytest.param(Blocked(problem="bot was blocked by the user"), id="blocked"),
        pytest.param(Rejected(problem="message is too long"), id="rejected"),
    ],
)
def test_a_letter_that_can_never_arrive_is_given_up_at_once_and_visibly(delivery: Blocked | Rejected) -> None:
    service = Service()
    write(service, Welcome(), Help())

    deliver(service, delivery)

    assert service.state.outbox[0].given_up_at == NOON
    assert service.journal.events == [
        MessageGivenUp(bot=MAIN, chat_id=ALICE, message="Welcome", problem=delivery.problem)
    ]
    deliver(service)
    assert service.state.outbox[1].sent_at == NOON


def test_a_letter_is_given_up_after_its_last_attempt() -> None:
    service = Service()
    write(service, Welcome())

    for _ in range(MAX_ATTEMPTS):
        assert service.state.outbox[0].given_up_at is None
        assert deliver(service, TryLater(problem="busy")) == 1
        service.clock.pass_by(LONGEST_PAUSE)

    assert deliver(service) == 0
    assert len(service.messenger.sent) == MAX_ATTEMPTS
    assert service.journal.events == [MessageGivenUp(bot=MAIN, chat_id=ALICE, message="Welcome", problem="busy")]


def test_a_letter_that_a_process_took_along_when_it_died_is_carried_by_another() -> None:
    service = Service()
    write(service, Welcome())
    with service.work.begin() as tx:
        assert tx.outbox.claim(NOON, at_most=1, lease=LEASE)

    assert deliver(service) == 0
    service.clock.pass_by(LEASE)
    assert deliver(service) == 1
    assert service.state.outbox[0].sent_at == NOON + LEASE


class Stumbling(MemoryMessenger):
    """Our own code fails on one kind of letter."""

    def send(self, letter: Letter) -> Delivery:
        delivery = MemoryMessenger.send(self, letter)
        if isinstance(letter.message, Help):
            raise KeyError("no words for this")
        return delivery


def test_a_letter_over_which_our_own_code_stumbles_holds_up_no_other_and_is_given_up_in_the_end() -> None:
    service = Service(messenger=Stumbling())
    write(service, Help())
    write(service, Welcome(), to=BOB)

    for _ in range(MAX_ATTEMPTS):
        with pytest.raises(KeyError):
            deliver(service)
        service.clock.pass_by(LONGEST_PAUSE)

    assert service.state.outbox[1].sent_at == NOON
    assert deliver(service) == 0
    assert service.journal.of_business == [MessageGivenUp(bot=MAIN, chat_id=ALICE, message="Help", problem="KeyError")]


class Listening(MemoryMessenger):
    """Hears under which cause it sends."""

    def __init__(self, causes: MemoryCauses) -> None:
        super().__init__()
        self.causes = causes
        self.heard: list[str] = []

    def send(self, letter: Letter) -> Delivery:
        self.heard.append(self.causes.now)
        return super().send(letter)


def test_a_letter_is_sent_as_a_part_of_what_it_was_written_for() -> None:
    causes = MemoryCauses()
    messenger = Listening(causes)
    service = Service(messenger=messenger, causes=causes)
    letters = [Letter(bot=MAIN, chat_id=chat, language="en", message=Help(), cause=f"req_{chat}") for chat in (1, 2)]
    with service.work.begin() as tx:
        tx.outbox.add(letters, service.clock.now())

    deliver(service)

    assert messenger.heard == ["req_1", "req_2"]
    assert causes.now == ""


def test_a_user_who_blocked_the_bot_keeps_what_was_paid_for() -> None:
    service = Service()
    service.keep(invoice())
    service.settle(charge())
    deliver(service, Blocked(problem="bot was blocked by the user"))

    assert service.check(ALICE, "signals").allowed
    assert [p.status for p in service.state.payments.values()] == ["granted"]
