"""The sandbox's page: a purchase by a few taps, and nothing a bot or a user writes becomes markup."""

import shutil
from collections.abc import Iterator

import httpx
import pytest

from tests.integration.sandbox_server import SandboxServer, WebhookReceiver

BROWSER = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
ADA = 1001
NASTY = "<img src=x onerror=\"document.title='owned'\"> </script> \u202egnp.exe"


@pytest.fixture(scope="module")
def telegram() -> Iterator[SandboxServer]:
    with SandboxServer(demo=True) as telegram, WebhookReceiver() as receiver:
        telegram.set_webhook(receiver.url)
        yield telegram


def test_the_page_runs_no_script_and_loads_no_file_of_anybody_else(telegram: SandboxServer) -> None:
    page = httpx.get(telegram.url)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "https:" not in policy
    assert "://" not in page.text


def test_a_link_to_an_invoice_is_the_page_and_other_addresses_are_not(telegram: SandboxServer) -> None:
    assert httpx.get(f"{telegram.url}/$abc").status_code == 200
    assert httpx.get(f"{telegram.url}/abc").status_code == 404


@pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")
def test_a_purchase_by_a_few_taps_in_a_real_browser(telegram: SandboxServer) -> None:
    from playwright.sync_api import expect, sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 390, "height": 844})
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.goto(telegram.url)
        page.get_by_role("button", name="Send /buy").click()
        expect(page.get_by_label("delivered to the bot")).to_be_visible()
        telegram.say(ADA, NASTY)
        telegram.call("sendMessage", {"chat_id": ADA, "text": NASTY})
        prices = [{"label": "Gold", "amount": 1250}]
        invoice = {"title": "Gold", "description": NASTY, "payload": "p", "currency": "XTR", "prices": prices}
        telegram.call("sendInvoice", invoice | {"chat_id": ADA})
        page.get_by_role("button", name="Pay 1,250 ⭐").click()
        page.get_by_role("dialog").get_by_role("button", name="Pay 1,250 ⭐").click()
        expect(page.get_by_text("You paid 1,250 ⭐ to Sandbox bot.")).to_be_visible()
        page.get_by_role("tab", name="Behind the chat").click()
        expect(page.get_by_text("successful_payment")).to_be_visible()
        assert page.title() == "Sandbox · Tollgram"
        assert page.locator("img").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        browser.close()
        assert wrong == []
    (charge,) = telegram.ledger()
    assert (charge["user_id"], charge["amount"]) == (ADA, 1250)
