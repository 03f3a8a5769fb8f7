"""Who presses "Stripe" in the chat pays on Stripe's page and is told here; where Stripe is away, they are told that."""

import re
import time

import pytest

from tests.integration.buying import entitlements_of, newcomer, payments_of, rows, settled, told
from tests.integration.conftest import set_webhooks
from tests.integration.sandbox_server import Json, SandboxServer
from tests.integration.service import LOOPBACK, Service, eventually, only
from tests.integration.stripe_buying import A_DATE, PRICE, buy_by_stripe, money_of, page_for, stripe_does, texts_to

AWAY = "Stripe can't be reached at the moment. Nothing was charged."
TOLD_WITHIN_S = 20.0
INVITES = "CheckoutInvitation"


def labels(telegram: SandboxServer, user_id: int) -> list[str]:
    return [button["text"] for button in telegram.buttons(user_id)]


def way(telegram: SandboxServer, user_id: int, plan_code: str = "gold_1m") -> None:
    """The ways to pay that plan stand in the chat."""
    before = len(telegram.bot_messages(user_id))
    telegram.say(user_id, f"/buy {plan_code}")
    eventually(lambda: len(telegram.bot_messages(user_id)) > before)


def invitation(telegram: SandboxServer, user_id: int, *, within_s: float = 40.0) -> Json:
    """The latest invitation's button, once there is one."""
    found = eventually(
        lambda: [button for button in telegram.buttons(user_id) if "/stripe/" in button.get("url", "")],
        within_s=within_s,
    )
    button: Json = only(found)
    return button


def session_of(button: Json) -> str:
    return str(button["url"].rsplit("/", 1)[1])


def press_stripe(telegram: SandboxServer, user_id: int, plan_code: str = "gold_1m") -> Json:
    """From /buy to the invitation's button."""
    way(telegram, user_id, plan_code)
    telegram.press_button(user_id, "Stripe")
    return invitation(telegram, user_id)


def test_from_buy_by_stripe_s_page_to_open_access(stripe_service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    telegram.say(ada, "/buy")
    eventually(lambda: any("Gold, 1 month" in label for label in labels(telegram, ada)))
    telegram.press_button(ada, "Gold, 1 month")
    eventually(lambda: any("Stripe" in label for label in labels(telegram, ada)))
    assert labels(telegram, ada) == [
        "Telegram Stars · 1,250 ⭐",
        "Telegram Pay · £25.00",
        "Stripe · £25.00",
        "All plans",
    ]
    telegram.press_button(ada, "Stripe")
    button = invitation(telegram, ada)
    assert button["text"] == "Pay £25.00"
    assert "You pay on a page of Stripe's." in telegram.last_text(ada)
    assert not stripe_service.allowed(ada, "signals")

    paid = telegram.stripe.pay(session_of(button))
    confirmation = told(telegram, ada, "£25.00 paid. Thank you.")
    assert re.search(rf"Gold, 1 month, until {A_DATE}, \d\d:\d\d UTC", confirmation)
    assert stripe_service.allowed(ada, "signals")
    assert stripe_service.allowed(ada, "copy_trading")
    payment = only(payments_of(stripe_service, ada))
    assert (payment["method"], payment["amount"], payment["currency"]) == ("stripe", PRICE, "GBP")
    assert (payment["status"], money_of(telegram, paid.payment_intent)["paid"]) == ("granted", True)


@pytest.mark.parametrize(
    ("plan_code", "ways"),
    [("day_pass", ["Telegram Stars"]), ("pounds_only", ["Telegram Pay", "Stripe"])],
)
def test_stripe_is_a_way_only_where_the_plan_is_priced_in_its_currency(
    stripe_service: Service, telegram: SandboxServer, plan_code: str, ways: list[str]
) -> None:
    ada = newcomer(telegram)
    way(telegram, ada, plan_code)
    assert [label.partition(" · ")[0] for label in labels(telegram, ada)] == [*ways, "All plans"]


def test_without_a_key_stripe_is_no_way_and_status_leads_to_no_page_of_it(
    service: Service, stripe_service: Service, telegram: SandboxServer
) -> None:
    set_webhooks(telegram, service)
    try:
        ada = newcomer(telegram)
        way(telegram, ada)
        assert [label.partition(" · ")[0] for label in labels(telegram, ada)] == [
            "Telegram Stars",
            "Telegram Pay",
            "All plans",
        ]
        assert LOOPBACK.post(service.stripe_webhook, content=b"{}").status_code == 404
    finally:
        set_webhooks(telegram, stripe_service)


def test_a_press_that_telegram_repeats_makes_one_page(stripe_service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    way(telegram, ada)
    pressed = telegram.press_button(ada, "Stripe")
    invitation(telegram, ada)
    telegram.redeliver(pressed["update_id"], times=3)
    settled(telegram)
    assert len(rows(stripe_service, "SELECT id FROM invoices WHERE user_id = ?", ada)) == 1
    assert len(pages_of(telegram, ada)) == 1
    assert sum("page of Stripe" in text for text in texts_to(telegram, ada)) == 1


def pages_of(telegram: SandboxServer, user_id: int) -> list[Json]:
    """Every page that Stripe made for this user."""
    calls = telegram.stripe.calls("checkout.sessions.create")
    return [
        call for call in calls if call["status"] == 200 and call["arguments"].get("client_reference_id") == str(user_id)
    ]


def test_the_portal_is_offered_to_those_who_paid_by_stripe_and_to_nobody_else(
    stripe_service: Service, telegram: SandboxServer
) -> None:
    ada, bob = newcomer(telegram), newcomer(telegram, "Bob")
    buy_by_stripe(stripe_service, telegram, ada)
    told(telegram, ada, "paid. Thank you.")
    for user in (ada, bob):
        telegram.say(user, "/status")
        told(telegram, user, "What you have" if user == ada else "You have no plan")
    assert labels(telegram, bob) == ["Buy a plan"]
    assert labels(telegram, ada) == ["Receipts and cards"]
    telegram.press_button(ada, "Receipts and cards")
    told(telegram, ada, "Stripe keeps your receipts")
    page = only(telegram.buttons(ada))
    assert page["text"] == "Open my page at Stripe"
    assert LOOPBACK.get(page["url"]).status_code == 200


@pytest.mark.parametrize(
    "faults",
    [
        {"api_5xx": -1},
        {"api_429": -1},
        {"down": True},
        {"api_delay_s": 5.0},
        {"api_5xx": -1, "api_methods": ["checkout.sessions.create"]},
        {"api_lose_replies": -1, "api_methods": ["checkout.sessions.create"]},
    ],
    ids=["failing", "too busy", "gone", "hanging", "failing at the page", "losing its answers"],
)
def test_where_stripe_is_away_the_user_is_told_in_time_and_can_try_again(
    stripe_service: Service, telegram: SandboxServer, faults: Json
) -> None:
    ada = newcomer(telegram)
    way(telegram, ada)
    with stripe_does(telegram, **faults):
        begun = time.monotonic()
        telegram.press_button(ada, "Stripe")
        eventually(lambda: any(AWAY in text for text in texts_to(telegram, ada)), within_s=TOLD_WITHIN_S)
        assert time.monotonic() - begun < TOLD_WITHIN_S
    if "api_delay_s" in faults:
        # What was asked for is done in the end, though nobody waits for it any more.
        eventually(lambda: [call for call in telegram.stripe.calls("customers.create") if str(ada) in str(call)])
    assert "/stripe/" not in str(telegram.bot_messages(ada))  # no invitation that leads nowhere
    assert payments_of(stripe_service, ada) == entitlements_of(stripe_service, ada) == []

    telegram.press_button(ada, "Stripe")
    telegram.stripe.pay(session_of(invitation(telegram, ada)))
    told(telegram, ada, "paid. Thank you.")
    assert len(payments_of(stripe_service, ada)) == len(entitlements_of(stripe_service, ada)) == 1


def test_ten_who_press_while_stripe_hangs_are_all_told_in_time(
    stripe_service: Service, telegram: SandboxServer
) -> None:
    buyers = [newcomer(telegram, f"Buyer {number}") for number in range(10)]
    for buyer in buyers:
        way(telegram, buyer)
    with stripe_does(telegram, api_delay_s=30.0):
        begun = time.monotonic()
        for buyer in buyers:
            telegram.press_button(buyer, "Stripe")
        pressed = time.monotonic() - begun
        eventually(
            lambda: all(any(AWAY in text for text in texts_to(telegram, buyer)) for buyer in buyers),
            within_s=TOLD_WITHIN_S + pressed,
        )


def test_while_stripe_hangs_a_payment_in_stars_is_confirmed_at_once(
    stripe_service: Service, telegram: SandboxServer
) -> None:
    buyers = [newcomer(telegram, f"Buyer {number}") for number in range(6)]
    ada = newcomer(telegram)
    for user in (*buyers, ada):
        way(telegram, user)
    telegram.press_button(ada, "Telegram Stars")
    invoice = only(eventually(lambda: telegram.invoices(ada)))
    with stripe_does(telegram, api_delay_s=30.0):
        for buyer in buyers:
            telegram.press_button(buyer, "Stripe")
        assert telegram.pay(ada, invoice["message_id"]).status == "paid"
        eventually(lambda: any("paid. Thank you." in text for text in texts_to(telegram, ada)), within_s=15.0)
        for buyer in buyers:
            eventually(lambda buyer=buyer: any(AWAY in text for text in texts_to(telegram, buyer)), within_s=25.0)


def test_a_page_that_was_made_before_a_crash_is_the_page_after_it(
    stripe_service: Service, telegram: SandboxServer
) -> None:
    """Stripe has made the page, but its answer was lost and the service with it: the letter is still to be sent."""
    ada = newcomer(telegram)
    way(telegram, ada)
    with stripe_does(telegram, api_delay_s=1.5, api_methods=["checkout.sessions.create"]):
        telegram.press_button(ada, "Stripe")
        eventually(lambda: rows(stripe_service, "SELECT id FROM outbox WHERE chat_id = ? AND kind = ?", ada, INVITES))
        stripe_service.kill()
    stripe_service.start()
    rows(stripe_service, "UPDATE outbox SET claimed_until = claimed_at WHERE chat_id = ?", ada)
    button = invitation(telegram, ada)
    made = {call["answer"]["id"] for call in pages_of(telegram, ada)}
    assert made == {session_of(button)}
    telegram.stripe.pay(session_of(button))
    told(telegram, ada, "paid. Thank you.")


def test_the_chat_and_the_api_share_one_limit(stripe_service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    for _ in range(4):
        page_for(stripe_service, ada)
    way(telegram, ada)
    telegram.press_button(ada, "Stripe")
    invitation(telegram, ada)
    telegram.press_button(ada, "Stripe")
    told(telegram, ada, "Too many purchases were begun within a minute.")
    assert len(pages_of(telegram, ada)) == 5
