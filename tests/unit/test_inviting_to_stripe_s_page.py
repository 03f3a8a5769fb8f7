"""The chat's button for Stripe: an invitation whose page is made just before it is sent, and never one to nowhere."""

from collections import deque
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from application.buttons import Action, Buy, OpenPortal
from application.chat import AnswerMessage, AnswerPress, ButtonPress, ChatMessage, Toast
from application.invitations import ASK_AGAIN, PAGES_AT_ONCE, InvitingMessenger
from application.messages import (
    CheckoutInvitation,
    Letter,
    Message,
    PortalInvitation,
    Price,
    PurchaseDeclined,
    Status,
    Welcome,
)
from application.ports.checkout import CheckoutSession, KeptCheckout
from application.ports.outbox import Delivery, Sent
from application.ports.outcomes import TryLater
from domain.catalog import Method, Tills
from domain.errors import MethodUnavailable, Unavailable
from domain.events import CheckoutMismatched, InvoiceIssued, InvoiceNotSent, InvoiceSent
from domain.ids import UserId
from domain.invoice import Invoice
from tests.builders import (
    ALICE,
    ALL_TILLS,
    BOB,
    GOLD,
    HOUR,
    MAIN,
    RETURN_URL,
    SILVER,
    Service,
    charge,
    invoice_id,
    payload,
    payment,
    pence,
    shop,
    stripe_charge,
    stripe_invoice,
)
from tests.memory import MemoryCheckout, MemoryMessenger

BUY_GOLD = Buy(plan_code=GOLD.code, method=Method.STRIPE)
INVITATION = CheckoutInvitation(
    invoice_id=invoice_id(), title=GOLD.title, description=GOLD.description, price=Price(amount=2500, currency="GBP")
)
PAGE = "https://checkout.stripe.com/c/1"


def service() -> Service:
    """With Stripe set up."""
    return Service(shop=shop(tills=ALL_TILLS))


def press(asked: Service, action: Action, **different: Any) -> Toast:
    """Alice presses a button that was made for her, in her private chat."""
    pressed = ButtonPress(
        **{
            "bot": MAIN,
            "update_id": len(asked.state.seen),
            "chat_id": ALICE,
            "user_id": ALICE,
            "language": "en",
            "owner": ALICE,
            "action": action,
            **different,
        }
    )
    return AnswerPress(work=asked.work, clock=asked.clock, shop=asked.shop, journal=asked.journal)(pressed)


def put(asked: Service, *messages: Message) -> None:
    with asked.work.begin() as tx:
        letters = [Letter(bot=MAIN, chat_id=ALICE, language="en", message=message) for message in messages]
        tx.outbox.add(letters, asked.clock.now())


def said(asked: Service) -> list[Message]:
    """What was handed to Telegram."""
    return [letter.message for letter in asked.messenger.sent]


def paid_by_stripe(asked: Service, payer: UserId = ALICE) -> None:
    paid = stripe_charge(payer=payer)
    asked.state.payments[paid.key] = payment(paid)


def status(asked: Service) -> Status:
    asking = ChatMessage(bot=MAIN, update_id=1, chat_id=ALICE, user_id=ALICE, language="en", command="status")
    AnswerMessage(work=asked.work, clock=asked.clock, shop=asked.shop, journal=asked.journal)(asking)
    answer = asked.state.messages[-1]
    assert isinstance(answer, Status)
    return answer


def test_a_press_issues_the_invoice_and_asks_nothing_of_stripe_yet() -> None:
    asked = service()

    assert press(asked, BUY_GOLD) is Toast.INVOICE_SENT

    assert asked.state.messages == [INVITATION]
    assert asked.state.invoices == {invoice_id(): stripe_invoice()}
    assert asked.checkout.opened == []
    assert asked.journal.of_business == [InvoiceIssued(invoice=stripe_invoice())]


def test_the_page_is_made_when_the_invitation_is_sent_and_kept() -> None:
    asked = service()
    press(asked, BUY_GOLD)

    asked.deliver()

    [sent] = said(asked)
    assert sent == CheckoutInvitation(
        invoice_id=invoice_id(), title=GOLD.title, description=GOLD.description, price=INVITATION.price, url=PAGE
    )
    assert asked.checkout.opened == [(stripe_invoice(), payload(stripe_invoice()), "cus_1")]
    assert asked.state.checkouts[invoice_id()].checkout == KeptCheckout(
        invoice_id=invoice_id(), session_id="cs_1", url=PAGE
    )
    assert asked.journal.of_business[1:] == [InvoiceSent(invoice=stripe_invoice(), telegram_message_id=None)]


def test_an_invitation_that_telegram_takes_at_the_second_try_leads_to_the_same_page_and_is_counted_once() -> None:
    asked = service()
    press(asked, BUY_GOLD)
    asked.messenger.deliveries = deque([TryLater(problem="busy")])

    asked.deliver()
    asked.clock.pass_by(HOUR)
    asked.deliver()

    assert [sent.url for sent in said(asked) if isinstance(sent, CheckoutInvitation)] == [PAGE, PAGE]
    assert len(asked.checkout.opened) == 1
    assert [type(event) for event in asked.journal.of_business] == [InvoiceIssued, InvoiceSent]


def test_while_stripe_is_away_the_user_is_told_at_once_and_the_operator_why() -> None:
    asked = service()
    press(asked, BUY_GOLD)
    asked.checkout.unavailable = True

    asked.deliver()

    assert said(asked) == [PurchaseDeclined(code="provider_unavailable")]
    assert asked.state.outbox[0].sent_at is not None
    assert asked.journal.of_business[1:] == [
        InvoiceNotSent(invoice=stripe_invoice(), problem="Stripe does not answer."),
    ]


def test_who_was_told_so_can_press_again() -> None:
    asked = service()
    press(asked, BUY_GOLD)
    asked.checkout.unavailable = True
    asked.deliver()

    asked.checkout.unavailable = False
    press(asked, BUY_GOLD)
    asked.deliver()

    assert isinstance(said(asked)[-1], CheckoutInvitation)
    assert [begun.checkout.url for begun in asked.state.checkouts.values()] == ["", PAGE]


def test_an_invitation_never_leads_to_a_page_at_another_price() -> None:
    asked = service()
    asked.checkout.price = pence(1)
    press(asked, BUY_GOLD)

    asked.deliver()

    assert said(asked) == [PurchaseDeclined(code="provider_unavailable")]
    assert asked.checkout.expired == ["cs_1"]
    assert [type(event) for event in asked.journal.of_business] == [InvoiceIssued, CheckoutMismatched, InvoiceNotSent]


class NotSetUp(MemoryCheckout):
    def open(self, invoice: Invoice, payload: str, customer_id: str) -> CheckoutSession:
        raise MethodUnavailable("Stripe is not set up here.")


def test_where_stripe_was_taken_out_of_service_meanwhile_the_user_is_told() -> None:
    asked = service()
    press(asked, BUY_GOLD)
    asked.checkout = NotSetUp()

    asked.deliver()

    assert said(asked) == [PurchaseDeclined(code="method_unavailable")]


class FailedByUs(MemoryCheckout):
    def open(self, invoice: Invoice, payload: str, customer_id: str) -> CheckoutSession:
        raise Unavailable("The database does not answer.")


def test_while_the_database_is_away_the_invitation_waits() -> None:
    asked = service()
    press(asked, BUY_GOLD)
    asked.checkout = FailedByUs()
    with pytest.raises(Unavailable):
        asked.deliver()
    assert said(asked) == []

    asked.checkout = MemoryCheckout()
    asked.clock.pass_by(timedelta(minutes=1))
    asked.deliver()
    assert isinstance(said(asked)[0], CheckoutInvitation)


def test_nobody_is_invited_to_pay_for_a_plan_without_a_price_in_stripe_s_currency() -> None:
    asked = service()

    assert press(asked, Buy(plan_code=SILVER.code, method=Method.STRIPE)) is Toast.DONE

    assert asked.state.messages == [PurchaseDeclined(code="method_unavailable", plan=SILVER.title)]
    assert (asked.state.invoices, asked.state.checkouts) == ({}, {})


def test_invitations_count_as_attempts() -> None:
    asked = Service(shop=shop(tills=ALL_TILLS, attempts_per_minute=1))
    press(asked, BUY_GOLD)
    press(asked, BUY_GOLD)

    assert asked.state.messages[1:] == [PurchaseDeclined(code="rate_limited", plan=GOLD.title, retry_after_s=60)]
    assert len(asked.state.checkouts) == 1


def test_other_letters_are_carried_as_they_are() -> None:
    asked = service()
    put(asked, Welcome())

    asked.deliver()

    assert said(asked) == [Welcome()]


def test_a_link_of_telegram_s_is_telegram_s() -> None:
    asked = service()
    carrier = MemoryMessenger()
    inviting = InvitingMessenger(messenger=carrier, desk=asked.desk, return_url=RETURN_URL)
    letter = Letter(bot=MAIN, chat_id=ALICE, language="en", message=Welcome())

    assert inviting.invoice_link(letter) == "https://t.me/$link1"
    assert carrier.linked == [letter]


# The customer's own page ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tills", "payer", "offered"),
    [
        pytest.param(ALL_TILLS, ALICE, True, id="who paid by Stripe"),
        pytest.param(ALL_TILLS, BOB, False, id="not who did not"),
        pytest.param(shop().tills, ALICE, False, id="not where Stripe is no longer set up"),
    ],
)
def test_the_status_offers_stripe_s_own_page_to(tills: Tills, payer: UserId, offered: bool) -> None:
    asked = Service(shop=shop(tills=tills))
    paid_by_stripe(asked, payer)
    asked.state.payments[charge().key] = payment()

    assert status(asked).portal is offered


def test_its_button_sends_the_way_there_made_at_that_moment() -> None:
    asked = service()
    paid_by_stripe(asked)

    assert press(asked, OpenPortal()) is Toast.DONE
    assert asked.state.messages == [PortalInvitation(user_id=ALICE)]
    assert asked.checkout.portals == []

    asked.deliver()
    assert said(asked) == [PortalInvitation(user_id=ALICE, url="https://billing.stripe.com/p/1")]
    assert asked.checkout.portals == [("cus_1", RETURN_URL)]


def test_its_button_does_nothing_for_who_never_paid_by_stripe() -> None:
    asked = service()
    paid_by_stripe(asked, BOB)

    assert press(asked, OpenPortal()) is Toast.OUTDATED
    assert asked.state.messages == []
    assert asked.checkout.customers == {}


@pytest.mark.parametrize(
    ("unavailable", "code"),
    [pytest.param(True, "provider_unavailable", id="Stripe away"), pytest.param(False, "not_found", id="never paid")],
)
def test_where_there_is_no_such_page_the_user_is_told(unavailable: bool, code: str) -> None:
    asked = service()
    asked.checkout.unavailable = unavailable
    if unavailable:
        paid_by_stripe(asked)
    put(asked, PortalInvitation(user_id=ALICE))

    asked.deliver()

    assert said(asked) == [PurchaseDeclined(code=code)]


# While Stripe hangs


def test_who_waited_for_a_stripe_that_hangs_is_told_without_asking_it_again() -> None:
    asked = service()
    with asked.work.begin() as tx:
        tx.invoices.add([stripe_invoice()])
    messenger = inviting(asked)
    asked.checkout.unavailable = True
    messenger.send(letter_of(INVITATION))
    asked.checkout.unavailable = False

    messenger.send(letter_of(INVITATION, attempts=1))

    assert [letter.message for letter in asked.messenger.sent] == [PurchaseDeclined(code="provider_unavailable")] * 2
    assert asked.checkout.opened == []


def test_once_stripe_answers_again_those_who_waited_get_their_page() -> None:
    asked = service()
    with asked.work.begin() as tx:
        tx.invoices.add([stripe_invoice()])
    messenger = inviting(asked)
    asked.checkout.unavailable = True
    messenger.send(letter_of(INVITATION))
    asked.checkout.unavailable = False
    messenger.send(letter_of(INVITATION))

    messenger.send(letter_of(INVITATION, attempts=1))

    assert [type(letter.message) for letter in asked.messenger.sent] == [
        PurchaseDeclined,
        CheckoutInvitation,
        CheckoutInvitation,
    ]


def test_only_so_many_ask_stripe_at_once_so_that_one_carrier_is_left_for_all_other_letters() -> None:
    asked = service()
    with asked.work.begin() as tx:
        tx.invoices.add([stripe_invoice()])
    deliveries: list[Delivery] = []

    class Hanging(MemoryCheckout):
        """Before it answers, the next letter is carried: as when several carriers wait for it at once."""

        def open(self, invoice: Invoice, payload: str, customer_id: str) -> CheckoutSession:
            deliveries.append(messenger.send(letter_of(INVITATION)))
            return super().open(invoice, payload, customer_id)

    messenger = inviting(asked, checkout=Hanging())
    deliveries.append(messenger.send(letter_of(INVITATION)))

    assert [type(delivery) for delivery in deliveries] == [TryLater, *[Sent] * PAGES_AT_ONCE]
    assert deliveries[0] == TryLater(problem="others ask Stripe for their pages", after=ASK_AGAIN)


def inviting(asked: Service, *, checkout: MemoryCheckout | None = None) -> InvitingMessenger:
    desk = replace(asked.desk, checkout=checkout) if checkout else asked.desk
    return InvitingMessenger(messenger=asked.messenger, desk=desk, return_url=RETURN_URL)


def letter_of(message: Message, *, attempts: int = 0) -> Letter:
    return Letter(bot=MAIN, chat_id=ALICE, language="en", message=message, attempts=attempts)
