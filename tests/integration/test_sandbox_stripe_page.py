"""The card page and the portal in a real browser, from the chat's button to the way back."""

import shutil
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.integration.sandbox_server import Reply, SandboxServer, WebhookReceiver
from tests.integration.test_sandbox_stripe import client, order

BROWSER = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
ADA = 1001
NASTY = '<img src=x onerror="document.title=1">'


@pytest.fixture(scope="module")
def telegram() -> Iterator[SandboxServer]:
    with SandboxServer(demo=True) as telegram, WebhookReceiver() as hook:
        hook.answer = lambda _: Reply()
        telegram.set_webhook(hook.url)
        telegram.stripe.set_webhook(hook.url)
        yield telegram


def session_in_the_chat(telegram: SandboxServer, name: str = "Gold, 1 month", **more: Any) -> Any:
    line = {"price_data": {"currency": "gbp", "unit_amount": 2500, "product_data": {"name": name}}, "quantity": 1}
    back = {"success_url": telegram.url + "/?paid={CHECKOUT_SESSION_ID}", "cancel_url": telegram.url + "/?back"}
    session = client(telegram).checkout.sessions.create(order(line_items=[line], **back, **more))
    telegram.say(ADA, "/buy")
    keyboard = {"inline_keyboard": [[{"text": "Pay £25.00", "url": session.url}]]}
    telegram.call("sendMessage", {"chat_id": ADA, "text": "Gold, 1 month", "reply_markup": keyboard})
    return session


def test_the_pages_run_no_script_and_load_no_file_of_anybody_else(telegram: SandboxServer) -> None:
    for address in ("/stripe/checkout/cs_test_any", "/stripe/portal/bps_any"):
        page = httpx.get(telegram.url + address)
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        assert "unsafe" not in page.headers["Content-Security-Policy"]
        assert "://" not in page.text


@pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")
def test_a_purchase_from_the_chat_through_the_card_page_and_back(telegram: SandboxServer) -> None:
    from playwright.sync_api import expect, sync_playwright

    customer = client(telegram).customers.create({"name": "ليلى حداد"})
    session = session_in_the_chat(telegram, NASTY, customer=customer.id)
    portal = client(telegram).billing_portal.sessions.create({"customer": customer.id, "return_url": telegram.url})
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(viewport={"width": 390, "height": 844})
        wrong: list[str] = []
        context.on("weberror", lambda error: wrong.append(str(error.error)))
        chat = context.new_page()
        chat.goto(telegram.url)
        with context.expect_page() as opened:
            chat.get_by_role("link", name="Pay £25.00").click()
        page = opened.value
        assert page.url == session.url
        expect(page.get_by_text(NASTY)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        page.get_by_label("Card number").fill("4000000000000002")
        page.get_by_role("button", name="Pay £25.00").click()
        expect(page.get_by_text("Your card was declined.")).to_be_visible()
        page.get_by_label("Card number").fill("4242424242424242")
        page.get_by_role("button", name="Pay £25.00").click()
        page.wait_for_url(f"{telegram.url}/?paid={session.id}")
        page.goto(f"{telegram.url}/stripe/checkout/{session.id}")
        expect(page.get_by_role("heading", name="This is paid")).to_be_visible()
        page.goto(portal.url)
        expect(page.get_by_role("cell", name="✓ Paid")).to_be_visible()
        expect(page.get_by_role("link", name="Back to Sandbox business")).to_have_attribute("href", telegram.url)

        chat.bring_to_front()
        chat.get_by_role("tab", name="Behind the chat").click()
        chat.get_by_role("button", name="Stripe", exact=True).click()
        expect(chat.get_by_text("checkout.session.completed")).to_be_visible()
        chat.get_by_text("Be unkind").click()
        chat.get_by_role("button", name="Refund £25.00").click()
        expect(chat.get_by_text("↩ refunded")).to_be_visible()
        expect(page.get_by_role("cell", name="↩ Refunded")).to_be_visible()
        assert chat.locator("img").count() == page.locator("img").count() == 0
        browser.close()
        assert wrong == []
    (truth,) = [one for one in telegram.stripe.ledger() if one["session_id"] == session.id]
    assert (truth["amount"], truth["paid"], truth["refunded"]) == (2500, True, True)


@pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")
def test_a_session_that_ends_elsewhere_closes_its_page(telegram: SandboxServer) -> None:
    from playwright.sync_api import expect, sync_playwright

    late, over = session_in_the_chat(telegram), session_in_the_chat(telegram)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(late.url)
        page.get_by_label("Bank debit").check()
        page.get_by_role("combobox").select_option(label="It waits until you decide")
        page.get_by_role("button", name="Pay £25.00").click()
        page.wait_for_url(f"{telegram.url}/?paid={late.id}")
        page.goto(f"{telegram.url}/stripe/checkout/{late.id}")
        expect(page.get_by_role("heading", name="The payment is on its way")).to_be_visible()
        telegram.stripe.settle_late(late.id)
        expect(page.get_by_role("heading", name="This is paid")).to_be_visible()
        page.goto(over.url)
        expect(page.get_by_role("button", name="Pay £25.00")).to_be_visible()
        telegram.stripe.expire(over.id)
        expect(page.get_by_role("heading", name="This checkout has expired")).to_be_visible()
        expect(page.get_by_role("link", name="Back to Sandbox business")).to_have_attribute(
            "href", telegram.url + "/?back"
        )
        page.goto(f"{telegram.url}/stripe/checkout/cs_test_nobody")
        expect(page.get_by_text("There is no such session.")).to_be_visible()
        browser.close()
