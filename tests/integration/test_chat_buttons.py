"""Buttons lead from the menu to the invoice and to its end, for the one they were made for and nobody else."""

import re

import pytest

from tests.integration.buying import (
    buy,
    entitlements_of,
    invoice_for,
    newcomer,
    pay,
    payments_of,
    settled,
    told,
    trail_of,
)
from tests.integration.sandbox_server import Json, SandboxServer
from tests.integration.service import Service, eventually, only

A_DATE = r"\d{1,2} (January|February|March|April|May|June|July|August|September|October|November|December) 20\d\d"


def shown(telegram: SandboxServer, user_id: int, label: str) -> bool:
    return any(label in button["text"] for button in telegram.buttons(user_id))


def toast(telegram: SandboxServer, pressed: Json) -> Json:
    """What was shown over the chat for this press."""

    def answers() -> list[Json]:
        calls = [call["arguments"] for call in telegram.calls("answerCallbackQuery")]
        return [call for call in calls if call["callback_query_id"] == pressed["callback_query_id"]]

    answer: Json = only(eventually(answers))
    return answer


def test_from_all_plans_a_press_leads_to_the_ways_to_pay_one_of_them(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    telegram.say(ada, "/buy")
    eventually(lambda: shown(telegram, ada, "Gold, 1 month"))
    telegram.press_button(ada, "Gold, 1 month")
    eventually(lambda: shown(telegram, ada, "Telegram Stars"))

    assert [button["text"].partition(" · ")[0] for button in telegram.buttons(ada)] == [
        "Telegram Stars",
        "Telegram Pay",
        "All plans",
    ]


@pytest.mark.parametrize(
    ("label", "price", "method"), [("Telegram Stars", "1,250 ⭐", "stars"), ("Telegram Pay", "£25.00", "telegram")]
)
def test_a_press_on_a_way_to_pay_leads_to_the_invoice_and_paying_it_to_the_plan(
    service: Service, telegram: SandboxServer, label: str, price: str, method: str
) -> None:
    ada = newcomer(telegram)
    telegram.say(ada, "/buy gold_1m")
    eventually(lambda: shown(telegram, ada, label))
    pressed = telegram.press_button(ada, label)
    invoice = only(eventually(lambda: telegram.invoices(ada)))
    assert toast(telegram, pressed)["text"] == "Your invoice is on its way."
    assert telegram.buttons(ada)[0] == {"text": f"Pay {price}", "pay": True}
    assert telegram.pay(ada, invoice["message_id"]).status == "paid"

    confirmation = told(telegram, ada, "paid. Thank you.")
    assert price in confirmation
    assert re.search(rf"Gold, 1 month, until {A_DATE}, \d\d:\d\d UTC", confirmation)
    assert only(payments_of(service, ada))["method"] == method
    assert only(entitlements_of(service, ada))["plan_code"] == "gold_1m"


def test_one_can_go_back_to_all_plans(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    telegram.say(ada, "/buy gold_1m")
    eventually(lambda: shown(telegram, ada, "All plans"))
    telegram.press_button(ada, "All plans")

    eventually(lambda: shown(telegram, ada, "Founder, for life"))


def test_a_press_that_is_delivered_often_sends_one_invoice(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    telegram.say(ada, "/buy gold_1m")
    eventually(lambda: shown(telegram, ada, "Telegram Stars"))
    telegram.faults(deliver_concurrently=6)
    try:
        telegram.press_button(ada, "Telegram Stars")
        eventually(lambda: telegram.invoices(ada))
        settled(telegram)
    finally:
        telegram.faults()
    telegram.say(ada, "/help")
    told(telegram, ada, "What you can send")

    assert len(telegram.invoices(ada)) == 1


def test_somebody_elses_button_is_refused_and_sends_nobody_anything(service: Service, telegram: SandboxServer) -> None:
    ada, mallory = newcomer(telegram), newcomer(telegram, "Mallory")
    telegram.say(ada, "/buy gold_1m")
    eventually(lambda: shown(telegram, ada, "Telegram Stars"))
    data = telegram.buttons(ada)[0]["callback_data"]
    telegram.say(mallory, "/help")
    told(telegram, mallory, "What you can send")
    pressed = telegram.press(mallory, telegram.bot_messages(mallory)[-1]["message_id"], data=data)

    answer = toast(telegram, pressed)
    assert "made for somebody else" in answer["text"]
    assert answer["show_alert"] is True
    assert telegram.invoices(ada) == telegram.invoices(mallory) == []


def test_a_button_pressed_in_another_chat_than_its_owners_does_nothing(
    service: Service, telegram: SandboxServer
) -> None:
    ada, bob = newcomer(telegram), newcomer(telegram, "Bob")
    telegram.say(bob, "/buy gold_1m")
    eventually(lambda: shown(telegram, bob, "Telegram Stars"))
    message = telegram.bot_messages(bob)[-1]["message_id"]
    pressed = telegram.press(ada, message, data=f"s:{ada}:gold_1m", chat_id=bob)

    assert "made for somebody else" in toast(telegram, pressed)["text"]
    assert telegram.invoices(ada) == telegram.invoices(bob) == []


@pytest.mark.parametrize(
    "data", ["", "s:1", "s:{me}:platinum:x", "x:{me}:00", "🙂", "s:{me}:GOLD", "a" * 64, "z:{me}:gold_1m"]
)
def test_callback_data_that_is_none_of_ours_is_out_of_date(
    service: Service, telegram: SandboxServer, data: str
) -> None:
    ada = newcomer(telegram)
    telegram.say(ada, "/buy")
    eventually(lambda: shown(telegram, ada, "Gold"))
    message = telegram.bot_messages(ada)[-1]["message_id"]
    pressed = telegram.press(ada, message, data=data.replace("{me}", str(ada)))

    assert "out of date" in toast(telegram, pressed)["text"]
    assert telegram.invoices(ada) == []


def test_a_button_for_a_plan_that_is_gone_says_so(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    telegram.say(ada, "/buy")
    eventually(lambda: shown(telegram, ada, "Gold"))
    telegram.press(ada, telegram.bot_messages(ada)[-1]["message_id"], data=f"s:{ada}:platinum")

    assert "There is no plan of that name" in told(telegram, ada, "There is no plan")


def test_who_has_the_plan_already_is_told_until_when_instead_of_being_sent_an_invoice(
    service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    buy(service, telegram, ada)
    telegram.say(ada, "/buy gold_1m")
    eventually(lambda: shown(telegram, ada, "Telegram Stars"))
    telegram.press_button(ada, "Telegram Stars")

    declined = told(telegram, ada, "already, until")
    assert re.search(rf"Gold, 1 month already, until {A_DATE}", declined)
    assert len(telegram.invoices(ada)) == 1


def test_too_many_purchases_begun_are_declined_with_the_time_to_wait(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    for _ in range(5):
        invoice_for(service, ada)
    telegram.say(ada, "/buy gold_1m")
    eventually(lambda: shown(telegram, ada, "Telegram Stars"))
    telegram.press_button(ada, "Telegram Stars")

    assert re.search(r"Try again in \d+ seconds?\.", told(telegram, ada, "Too many purchases"))
    assert len(telegram.invoices(ada)) == 5


def test_cancel_ends_the_invoice_and_it_can_no_longer_be_paid(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    sent = invoice_for(service, ada)
    assert "Cancelled" in toast(telegram, telegram.press_button(ada, "Cancel"))["text"]
    refused = pay(telegram, ada, sent)

    assert refused.status == "refused"
    assert "was cancelled" in refused.error_message
    assert only(trail_of(service, ada, "invoice_cancelled"))["invoice_id"] == sent["invoice_id"]
    assert "can't be cancelled" in toast(telegram, telegram.press_button(ada, "Cancel"))["text"]


def test_money_that_moves_on_a_cancelled_invoice_all_the_same_opens_what_it_paid_for(
    service: Service, telegram: SandboxServer
) -> None:
    """No row of the contract's table holds it back: the buyer paid what was asked, in time."""
    ada = newcomer(telegram)
    sent = invoice_for(service, ada)
    toast(telegram, telegram.press_button(ada, "Cancel"))
    pay(telegram, ada, sent, skip_pre_checkout=True)

    assert only(payments_of(service, ada))["status"] == "granted"


def test_a_paid_invoice_can_not_be_cancelled(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    buy(service, telegram, ada)

    assert "can't be cancelled" in toast(telegram, telegram.press_button(ada, "Cancel"))["text"]
    assert service.allowed(ada, "signals")


def test_nobody_cancels_somebody_elses_invoice(service: Service, telegram: SandboxServer) -> None:
    ada, mallory = newcomer(telegram), newcomer(telegram, "Mallory")
    sent = invoice_for(service, ada)
    invoice_for(service, mallory)
    mine = telegram.last_invoice(mallory)["message_id"]
    theirs = sent["invoice_id"].removeprefix("inv_")

    for data, words in ((f"x:{ada}:{theirs}", "somebody else"), (f"x:{mallory}:{theirs}", "out of date")):
        assert words in toast(telegram, telegram.press(mallory, mine, data=data))["text"]
    assert pay(telegram, ada, sent).status == "paid"


def test_who_paid_for_something_that_is_held_back_is_told_so_and_whom_to_ask(
    service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    pay(telegram, ada, invoice_for(service, ada), amount=999, forge_at="payment")

    text = told(telegram, ada, "it opened nothing")
    assert "999 ⭐" in text
    assert "Gold, 1 month" in text
    assert "not the amount" in text
    assert "/paysupport" in text


@pytest.mark.parametrize("from_bot", [False, True])
def test_whose_money_was_given_back_is_told_so_and_whom_to_ask(
    service: Service, telegram: SandboxServer, *, from_bot: bool
) -> None:
    ada = newcomer(telegram)
    bought = buy(service, telegram, ada)
    telegram.faults(refund_from_bot=from_bot)
    try:
        telegram.refund(bought.charge_id)
        settled(telegram)
    finally:
        telegram.faults()

    text = told(telegram, ada, "We returned")
    assert "1,250 ⭐" in text
    assert "Gold, 1 month" in text
    assert "has ended" in text
    assert "/paysupport" in text


def test_a_confirmation_for_life_names_no_end(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    buy(service, telegram, ada, "founder", method="telegram")

    text = told(telegram, ada, "paid. Thank you.")
    assert "£499.00" in text
    assert "Founder, for life, for life." in text


def test_who_blocks_the_bot_after_paying_has_what_was_paid_for(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    sent = invoice_for(service, ada)
    telegram.faults(api_429=1, api_methods=["sendMessage"], api_retry_after=1)
    try:
        pay(telegram, ada, sent)
        telegram.block(ada)
    finally:
        telegram.faults()
    settled(telegram)

    assert service.allowed(ada, "signals")
    eventually(lambda: [line for line in service.log_lines("message.given_up") if line["user_id"] == ada])
