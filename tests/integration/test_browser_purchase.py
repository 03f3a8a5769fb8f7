"""A newcomer buys a plan in the chat page, in a real browser, and the door opens; unkind ways end as they should."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from adapters.tokens import TokenMaker
from domain.duration import Duration, Unit
from entrypoints.settings import written_settings
from tests.integration.browser import DESK, PATIENCE_MS, PHONE, Visit, chromium, visit
from tests.integration.up import Up, watched

PLAN = "Gold, 1 month"
PRICE = "1,250 ⭐"
ONE_MONTH = Duration(count=1, unit=Unit.MONTH)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """Service and sandbox as `tollgram up` starts them."""
    with watched(tmp_path_factory.mktemp("up")) as one:
        one.start()
        one.ready()
        yield one


def test_a_newcomer_buys_a_plan_and_the_door_opens(browser: Browser, running: Up, tmp_path: Path) -> None:
    assert allowed(running, 1001) is False
    with visit(browser, sandbox(running), tmp_path) as newcomer:
        page = newcomer.page
        newcomer.picture("purchase-1-welcome")
        page.get_by_role("button", name="/buy").first.click()
        chat(page).get_by_role("button", name=PLAN).click()
        newcomer.picture("purchase-2-plan")
        chat(page).get_by_role("button", name="Telegram Stars").click()
        chat(page).get_by_role("button", name=f"Pay {PRICE}").click()
        expect(sheet(page)).to_contain_text(PLAN)
        newcomer.picture("purchase-3-sheet")
        sheet(page).get_by_role("button", name=f"Pay {PRICE}").click()

        expect(chat(page)).to_contain_text(confirmed())
        says = page.get_by_role("region", name="What the service says")
        expect(says).to_contain_text("allowed: true")
        expect(says).to_contain_text("signals")
        assert allowed(running, 1001) is True
        newcomer.picture("purchase-4-paid")
        assert_clean(newcomer)


@pytest.mark.threat(18)
def test_the_page_lets_nothing_in_from_elsewhere(browser: Browser, running: Up, tmp_path: Path) -> None:
    with visit(browser, sandbox(running), tmp_path) as newcomer:
        expect(newcomer.page.get_by_role("textbox", name="Message")).to_be_visible()
        (document,) = [answer for answer in newcomer.answers if answer.url == f"{sandbox(running)}/"]
        policy = document.headers["content-security-policy"]
        directives = {words.split()[0]: words.split()[1:] for words in policy.split(";") if words.strip()}
        stopped = newcomer.page.evaluate(
            "() => { window.injected = false; const script = document.createElement('script');"
            " script.textContent = 'window.injected = true'; document.body.append(script); return !window.injected }"
        )

    assert directives["default-src"] == ["'none'"]
    assert "unsafe" not in policy
    assert stopped


@pytest.mark.threat(18)
def test_names_and_messages_in_html_are_shown_as_they_are(browser: Browser, running: Up, tmp_path: Path) -> None:
    markup = "<img src=x onerror=window.injected=1><b>Eve</b>"
    newcomer_called(running, markup)
    with visit(browser, sandbox(running), tmp_path) as visitor:
        page = visitor.page
        be(page, markup)
        say(page, f"<script>window.injected = 1</script>{markup}")

        expect(chat(page)).to_contain_text(f"<script>window.injected = 1</script>{markup}")
        expect(chat(page)).to_contain_text("Only commands are understood here.")
        expect(page.get_by_role("heading", name=f"What another service is told of {markup}")).to_be_visible()
        assert page.evaluate("window.injected === undefined && document.querySelector('img, body script') === null")
        assert_clean(visitor)


def test_a_plan_is_bought_with_the_keyboard_alone(browser: Browser, running: Up, tmp_path: Path) -> None:
    user = newcomer_called(running, "Grace")
    with visit(browser, sandbox(running), tmp_path) as visitor:
        page, press = visitor.page, visitor.page.keyboard.press
        be(page, "Grace")
        visitor.tab_to(re.compile("^Message$"))
        page.keyboard.type("/buy")
        press("Enter")
        for step in (PLAN, "Telegram Stars", f"Pay {PRICE}"):
            expect(chat(page).get_by_role("button", name=step)).to_be_visible()
            visitor.tab_to(step)
            press("Enter")
        expect(sheet(page)).to_be_visible()
        expect(sheet(page).get_by_role("button", name=f"Pay {PRICE}")).to_be_focused()
        press("Enter")

        expect(chat(page)).to_contain_text(confirmed())
        expect(sheet(page)).to_be_hidden()
        assert allowed(running, user) is True
        assert_clean(visitor)


def test_escape_leaves_the_payment_and_nothing_is_paid(browser: Browser, running: Up, tmp_path: Path) -> None:
    user = newcomer_called(running, "Edsger")
    with visit(browser, sandbox(running), tmp_path) as visitor:
        page = visitor.page
        be(page, "Edsger")
        open_the_sheet(page)
        page.keyboard.press("Escape")

        expect(sheet(page)).to_be_hidden()
        assert allowed(running, user) is False
        assert_clean(visitor)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_on_a_phone_what_happens_behind_is_a_second_tab(
    browser: Browser, running: Up, tmp_path: Path, dark: bool
) -> None:
    name = f"Phone {'dark' if dark else 'light'}"
    user = newcomer_called(running, name)
    with visit(browser, sandbox(running), tmp_path, size=PHONE, dark=dark) as visitor:
        page = visitor.page
        be(page, name)
        tab = page.get_by_role("tab", name=re.compile("^Behind the chat"))
        behind = page.get_by_role("region", name="Behind the chat")
        expect(tab).to_be_visible()
        expect(behind).to_be_hidden()
        buy(page)
        expect(chat(page)).to_contain_text(confirmed())
        visitor.picture(f"phone-{'dark' if dark else 'light'}-chat")
        assert visitor.too_wide() == 0
        tab.tap()

        expect(behind).to_be_visible()
        expect(chat(page)).to_be_hidden()
        expect(behind).to_contain_text("pre_checkout_query")
        expect(behind).to_contain_text("allowed: true")
        visitor.picture(f"phone-{'dark' if dark else 'light'}-behind")
        assert visitor.too_wide() == 0
        assert allowed(running, user) is True
        assert_clean(visitor)


def test_on_a_desk_both_stand_side_by_side(browser: Browser, running: Up, tmp_path: Path) -> None:
    with visit(browser, sandbox(running), tmp_path, size=DESK, dark=True) as visitor:
        page = visitor.page
        expect(chat(page)).to_be_visible()
        expect(page.get_by_role("region", name="Behind the chat")).to_be_visible()
        expect(page.get_by_role("tab")).to_have_count(0)
        visitor.picture("desk-dark")
        assert visitor.too_wide() == 0
        assert_clean(visitor)


@pytest.mark.threat(7, 9)
class TestUnkind:
    """What the switches do to a payment, and what the one who paid is told."""

    @pytest.fixture(autouse=True)
    def kind_again(self, running: Up) -> Iterator[None]:
        yield
        control(running, "PUT", "/faults", {})

    def test_who_pays_twice_gets_the_second_payment_back(self, browser: Browser, running: Up, tmp_path: Path) -> None:
        user = newcomer_called(running, "Twice")
        with visit(browser, sandbox(running), tmp_path) as visitor:
            page = visitor.page
            be(page, "Twice")
            buy(page)
            expect(chat(page)).to_contain_text(confirmed())
            again = chat(page).get_by_role("button", name="Pay once more")
            again.click()
            sheet(page).get_by_role("button", name=f"Pay {PRICE}").click()
            expect(sheet(page)).to_contain_text("This invoice has been paid already. Nothing was charged now.")
            visitor.picture("unkind-refused")
            sheet(page).get_by_role("button", name="Close").click()
            unkind(page, "Pay without asking")
            again.click()
            sheet(page).get_by_role("button", name=f"Pay {PRICE}").click()

            expect(chat(page)).to_contain_text("but it opened nothing, because the invoice had been paid already.")
            expect(chat(page)).to_contain_text("Your money is on its way back to you.")
            expect(chat(page)).to_contain_text("We returned")
            visitor.picture("unkind-twice")
            assert states(running, user) == {"granted": 1, "refunded": 1}
            assert_clean(visitor)

    def test_who_pays_somebody_else_s_invoice_is_told_so_and_gets_the_money_back(
        self, browser: Browser, running: Up, tmp_path: Path
    ) -> None:
        victim = newcomer_called(running, "Invoiced")
        payer = newcomer_called(running, "Generous")
        with visit(browser, sandbox(running), tmp_path) as visitor:
            page = visitor.page
            be(page, "Generous")
            say(page, "/start")
            be(page, "Invoiced")
            unkind(page, "Pay without asking")
            page.get_by_role("combobox", name="Who pays").select_option("Generous")
            unkind(page, "Pay as somebody else")
            open_the_sheet(page)
            expect(sheet(page)).to_contain_text("Generous pays")
            sheet(page).get_by_role("button", name=f"Pay {PRICE}").click()
            expect(sheet(page)).to_be_hidden()
            be(page, "Generous")

            expect(chat(page)).to_contain_text("because the invoice was made out to somebody else.")
            expect(chat(page)).to_contain_text("We returned")
            visitor.picture("unkind-somebody-else")
            assert (allowed(running, victim), allowed(running, payer)) == (False, False)
            assert states(running, payer) == {"refunded": 1}
            assert_clean(visitor)

    def test_another_amount_opens_nothing(self, browser: Browser, running: Up, tmp_path: Path) -> None:
        user = newcomer_called(running, "Frugal")
        with visit(browser, sandbox(running), tmp_path) as visitor:
            page = visitor.page
            be(page, "Frugal")
            unkind(page, "Pay another amount")
            buy(page)
            expect(sheet(page)).to_contain_text("This is not the amount of the invoice. Nothing was charged.")
            sheet(page).get_by_role("button", name="Close").click()
            unkind(page, "Pay without asking")
            chat(page).get_by_role("button", name=f"Pay {PRICE}").click()
            sheet(page).get_by_role("button", name=f"Pay {PRICE}").click()

            expect(chat(page)).to_contain_text("because it is not the amount that was asked for.")
            assert allowed(running, user) is False
            assert states(running, user) == {"quarantined": 1}
            assert_clean(visitor)


# What visitors do


def say(page: Page, words: str) -> None:
    page.get_by_role("textbox", name="Message").fill(words)
    page.get_by_role("button", name="Send", exact=True).click()


def be(page: Page, name: str) -> None:
    page.get_by_role("combobox", name="You are").select_option(name)


def open_the_sheet(page: Page) -> None:
    say(page, "/buy")
    chat(page).get_by_role("button", name=PLAN).click()
    chat(page).get_by_role("button", name="Telegram Stars").click()
    chat(page).get_by_role("button", name=f"Pay {PRICE}").click()
    expect(sheet(page)).to_be_visible()


def buy(page: Page) -> None:
    open_the_sheet(page)
    sheet(page).get_by_role("button", name=f"Pay {PRICE}").click()


def unkind(page: Page, switch: str) -> None:
    box = page.get_by_role("checkbox", name=switch)
    if not box.is_visible():
        page.get_by_text("Be unkind", exact=True).click()
    box.check()
    expect(page.get_by_role("checkbox", name=switch)).to_be_checked()


def chat(page: Page) -> Locator:
    return page.get_by_role("log", name="Messages")


def sheet(page: Page) -> Locator:
    return page.get_by_role("dialog")


def assert_clean(visitor: Visit) -> None:
    assert visitor.complaints == []
    assert visitor.strangers() == set()


# What is true


def sandbox(running: Up) -> str:
    return f"http://127.0.0.1:{running.sandbox_port}"


def control(running: Up, method: str, path: str, body: Any) -> Any:
    answer = httpx.request(method, f"{sandbox(running)}/sandbox/api{path}", json=body, timeout=10)
    answer.raise_for_status()
    return answer.json()


def newcomer_called(running: Up, name: str) -> int:
    user: int = control(running, "POST", "/users", {"first_name": name})["id"]
    return user


def allowed(running: Up, user_id: int) -> bool:
    """What another service is told."""
    answer = httpx.get(
        f"http://127.0.0.1:{running.port}/internal/v1/users/{user_id}/features/signals",
        headers={"Authorization": f"Bearer {running.token_file.read_text()}"},
        timeout=10,
    )
    answer.raise_for_status()
    return bool(answer.json()["allowed"])


def states(running: Up, user_id: int) -> Counter[str]:
    """How many of the user's payments are in which state, as the service tells the user."""
    maker = TokenMaker(written_settings(running.secrets_file)["AUTH_JWT_SECRET"], "tollgram", None)
    token = maker.make(subject=str(user_id), scopes=(), now=datetime.now(UTC), good_for=timedelta(minutes=5))
    answer = httpx.get(
        f"http://127.0.0.1:{running.port}/api/v1/me/payments", headers={"Authorization": f"Bearer {token}"}, timeout=10
    )
    answer.raise_for_status()
    return Counter(payment["status"] for payment in answer.json()["items"])


def confirmed() -> re.Pattern[str]:
    """The plan with its end, a month from now; or from a minute ago, for tests at midnight."""
    now = datetime.now(UTC)
    ends = {ONE_MONTH.after(moment) for moment in (now, now - timedelta(minutes=1))}
    words = "|".join(f"{end.day} {end:%B %Y}" for end in ends if end)
    return re.compile(rf"{PLAN}, until ({words})\b")
